"""A lake has many writers and readers, keeps what it was, and is moved into and out of with nothing lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Barrier, Event, Thread, Timer
from time import monotonic
from typing import Any
from uuid import uuid4

import duckdb
import psycopg
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info
from moto.server import ThreadedMotoServer

from contact_analytics import move
from contact_analytics.catalog import DATASETS, DIMENSIONS
from contact_analytics.lib import lake as lake_module
from contact_analytics.lib import transactions
from contact_analytics.lib.archive import ArchiveResource, ListedFile
from contact_analytics.lib.dataset import describe
from contact_analytics.lib.errors import ConfigurationError, WarehouseError, WarehouseUnavailable
from contact_analytics.lib.extractions import Extraction, prepare
from contact_analytics.lib.lake_maintenance import maintain
from contact_analytics.lib.warehouse import WarehouseResource, replacing
from contact_analytics_tests.fakes import MODULES, YESTERDAY, Place, impatient
from contact_analytics_tests.lakes import lake, postgres_database
from contact_analytics_tests.lib.test_warehouse import DAY, NEXT, ORDERS, frame, load, query, stored


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[WarehouseResource]:
    with lake(tmp_path / "lake", wait_seconds=30) as made:
        yield made


def looked_at(warehouse: WarehouseResource, text: str) -> list[tuple[Any, ...]]:
    with warehouse.reading() as connection:
        return connection.execute(text).fetchall()


WRITER = """
import sys
from datetime import date, timedelta
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics_tests.lib.test_warehouse import frame, load
warehouse = WarehouseResource(database=sys.argv[1], lake_data=sys.argv[2])
for again in range(2):
    for number in range(int(sys.argv[3]), int(sys.argv[4])):
        load(warehouse, frame(f"{number} a {again}", f"{number} b {again}"), day=date(2024, 5, 1) + timedelta(number))
"""


def test_processes_write_different_days_at_once(warehouse: WarehouseResource) -> None:
    """Each replaces its own days of the one table, twice, and nothing of the other's is lost or doubled."""
    warehouse.prepare(ORDERS)
    place = warehouse.database, warehouse.lake_data
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, *place, str(at), str(at + 2)]) for at in (0, 2)]
    assert [each.wait(120) for each in writers] == [0, 0]
    assert stored(warehouse) == [f"{number} {row} 1" for number in range(4) for row in "ab"]
    assert query(warehouse, "select count(*), sum(rows) from meta.extractions") == [(4, 8)]


def test_a_lake_that_is_not_there_yet_is_opened_by_all_at_once(warehouse: WarehouseResource) -> None:
    """As the first runs of a deployment do: one makes it, and none fails."""
    start = Barrier(4)

    def opened(_: int) -> list[tuple[Any, ...]]:
        start.wait(30)
        # Not the one that a process keeps, but as in four processes.
        with lake_module._attached.__wrapped__(warehouse.lake) as connection:
            return connection.execute("from lake.meta.turns").fetchall()

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(opened, range(4))) == [[(0,)]] * 4


def test_who_reads_waits_for_nobody_and_sees_whole_days(warehouse: WarehouseResource) -> None:
    """The day before while it is being replaced, the day after when it is."""
    load(warehouse, frame("a", "b"))
    with warehouse.get_connection() as connection, replacing(connection, ORDERS, DAY, "run") as replacement:
        replacement.insert(frame("c", "d", "e"))
        assert looked_at(warehouse, "select id from test.order order by id") == [("a",), ("b",)]
        replacement.finish(Extraction("loaded", files=1, rows=3), ())
    assert looked_at(warehouse, "select id from test.order order by id") == [("c",), ("d",), ("e",)]


def test_the_past_can_be_read(warehouse: WarehouseResource) -> None:
    """A day as it was before it was replaced, until maintenance forgets it."""
    load(warehouse, frame("a", "b"))
    [(before,)] = looked_at(warehouse, "select max(snapshot_id) from ducklake_snapshots(current_database())")
    load(warehouse, frame("c", "d"))
    then = f"select id from test.order at (version => {before}) order by id"
    assert looked_at(warehouse, then) == [("a",), ("b",)]
    maintain(warehouse, timedelta(days=1))
    assert looked_at(warehouse, then) == [("a",), ("b",)]
    maintain(warehouse, timedelta())
    with pytest.raises(duckdb.Error):
        looked_at(warehouse, then)
    assert stored(warehouse) == ["c", "d"]


def test_maintenance_joins_files_and_changes_no_row(warehouse: WarehouseResource) -> None:
    """Files of one day become one; what is known of the days leaves the catalog for a file."""
    for number in range(4):
        load(warehouse, *(frame(f"{number}{part}") for part in range(3)), day=date(2024, 5, 1 + number))
    rows, known = stored(warehouse), query(warehouse, "select * from meta.extractions order by all")
    done = maintain(warehouse, timedelta())
    assert done.before.files == 12
    assert done.after.files < 8
    assert done.after.snapshots < done.before.snapshots
    assert (stored(warehouse), query(warehouse, "select * from meta.extractions order by all")) == (rows, known)
    load(warehouse, frame("new"), day=NEXT, force=True)
    assert stored(warehouse) == sorted([*(row for row in rows if row[0] != "1"), "new"])


def test_every_table_has_a_place_in_a_lake(warehouse: WarehouseResource) -> None:
    """With its views, comments and its days apart, and a second time nothing changes."""
    versions = list[int]()
    for _ in range(2):
        for dataset in DATASETS:
            warehouse.prepare(dataset)
        for dimension in DIMENSIONS:
            with warehouse.get_connection() as connection, transactions.transaction(connection):
                prepare(connection, dimension)
        [(version,)] = looked_at(warehouse, "select max(schema_version) from ducklake_snapshots(current_database())")
        versions.append(version)
    assert versions[0] == versions[1]
    for table in [*DATASETS, *DIMENSIONS]:
        described = dict(
            query(
                warehouse,
                "select column_name, comment from duckdb_columns() where database_name = current_database() "
                f"and schema_name = '{table.vendor}' and table_name = '{table.name}'",
            )
        )
        assert described == {name: describe(column) for name, column in table.columns().items()}
        for view in table.views():
            assert query(warehouse, f"select count(*) from {view}") == [(0,)]


def test_a_program_that_was_first_costs_another_try(
    place: Place, warehouse: WarehouseResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone else's, which takes no turn: the day is put in its place once more, whole, and the log says why."""
    taken, others = transactions.taken, [1, 1]

    def after_another(connection: duckdb.DuckDBPyConnection) -> None:
        if others and connection.execute("select count(*) from liveperson.survey").fetchall() != [(0,)]:
            others.pop()
            assert warehouse.lake
            with warehouse.lake.opened() as other:
                taken(other)
        taken(connection)

    monkeypatch.setattr(transactions, "taken", after_another)
    run = place.run(impatient("survey"), YESTERDAY, resources={"warehouse": warehouse})
    assert run.ok, run.problem
    assert not others
    said = [entry.user_message for entry in place.instance.all_logs(run.result.run_id)]
    assert sum("another program has changed the table" in text for text in said) == 2
    [(rows, known)] = looked_at(
        warehouse, "select (select count(*) from liveperson.survey), rows from meta.extractions"
    )
    assert rows == known == len(place.truth("survey", YESTERDAY))


KILLED = """
import os, signal, sys
from contact_analytics.lib.warehouse import WarehouseResource, replacing
from contact_analytics_tests.lib.test_warehouse import DAY, ORDERS, frame
warehouse = WarehouseResource(database=sys.argv[1], lake_data=sys.argv[2])
with warehouse.get_connection() as connection, replacing(connection, ORDERS, DAY, "run") as replacement:
    replacement.insert(frame("c"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_is_killed_leaves_the_day_and_the_turn(warehouse: WarehouseResource) -> None:
    """The next one need not wait for anything."""
    load(warehouse, frame("a", "b"))
    killed = subprocess.run([sys.executable, "-c", KILLED, warehouse.database, warehouse.lake_data], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert stored(warehouse) == ["a", "b"]
    load(warehouse.model_copy(update={"wait_seconds": 5}), frame("d", "e"))
    assert stored(warehouse) == ["d", "e"]


def test_a_turn_that_is_lost_doubles_no_day(warehouse: WarehouseResource) -> None:
    """The lock's connection is cut unseen, and a second writer is at a day that nobody has stored yet."""
    warehouse.prepare(ORDERS)
    _, _, conninfo = warehouse.database.partition("postgres:")

    def write() -> None:
        with warehouse.get_connection() as connection, replacing(connection, ORDERS, DAY, "run") as replacement:
            replacement.insert(frame("a", "b"))
            with psycopg.connect(conninfo, autocommit=True) as server:
                server.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
            load(warehouse, frame("c", "d"))
            replacement.finish(Extraction("loaded", files=1, rows=2), ())

    with pytest.raises(WarehouseUnavailable):
        write()
    assert stored(warehouse) == ["c", "d"]


def cut(conninfo: str) -> None:
    """End all connections to a database but this one."""
    with psycopg.connect(conninfo, autocommit=True) as server:
        server.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_a_database_that_goes_away_at_any_moment_is_told_as_that(warehouse: WarehouseResource) -> None:
    """Whichever of DuckDB's statements met it; and what is stored is one of the two days, whole."""
    warehouse.prepare(ORDERS)
    _, _, conninfo = warehouse.database.partition("postgres:")
    chance, last, failures = Random(7), "", 0
    started = monotonic()
    load(warehouse, frame(" a", " b"))
    seconds = monotonic() - started
    for number in range(12):
        cutting = Timer(chance.random() * seconds, cut, [conninfo])
        cutting.start()
        try:
            load(warehouse, frame(f"{number} a", f"{number} b"), force=True)
        except WarehouseUnavailable:
            failures += 1
        cutting.join()
        rows = stored(warehouse)
        assert rows in ([f"{number} {row}" for row in "ab"], [f"{last} {row}" for row in "ab"])
        last = rows[0].partition(" ")[0]
    assert failures


@pytest.mark.parametrize("moment", ["before the rows", "before the commit"])
def test_a_database_that_goes_away_is_worth_another_try(warehouse: WarehouseResource, moment: str) -> None:
    """What was being written is not there, and the error says that nothing is lost."""
    load(warehouse, frame("a", "b"))
    _, _, conninfo = warehouse.database.partition("postgres:")

    def write() -> None:
        with warehouse.get_connection() as connection, replacing(connection, ORDERS, DAY, "run") as replacement:
            if moment == "before the rows":
                cut(conninfo)
            replacement.insert(frame("c", "d"))
            replacement.finish(Extraction("loaded", files=1, rows=2), ())
            if moment == "before the commit":
                cut(conninfo)

    with pytest.raises(WarehouseUnavailable, match="What is stored is whole") as problem:
        write()
    assert problem.value.allow_retries
    assert stored(warehouse) == ["a", "b"]
    load(warehouse, frame("c", "d"))
    assert stored(warehouse) == ["c", "d"]


def test_a_database_that_went_away_is_told_by_no_words_alone(warehouse: WarehouseResource) -> None:
    """DuckDB has many: that the turn's own connection is gone tells it, too. The next load has a new one."""
    _, _, conninfo = warehouse.database.partition("postgres:")

    def fail() -> None:
        with warehouse.get_connection():
            cut(conninfo)
            raise duckdb.InvalidInputException("words that nobody has foreseen")

    with pytest.raises(WarehouseUnavailable, match="InvalidInputException"):
        fail()
    load(warehouse, frame("a", "b"))
    assert stored(warehouse) == ["a", "b"]


def test_what_the_database_refuses_is_told_with_its_reason(warehouse: WarehouseResource) -> None:
    """Which is not worth another try: it answers."""
    load(warehouse, frame("a"))
    _, _, conninfo = warehouse.database.partition("postgres:")
    with psycopg.connect(conninfo, autocommit=True) as server:
        server.execute(f"alter database {server.info.dbname} set default_transaction_read_only = on".encode())
    cut(conninfo)
    with pytest.raises(WarehouseError, match="in a read-only transaction") as problem:
        load(warehouse, frame("b"))
    assert not problem.value.allow_retries
    assert looked_at(warehouse, "select id from test.order") == [("a",)]


def test_a_process_that_only_reads_a_new_lake_leaves_it_as_writers_need_it(warehouse: WarehouseResource) -> None:
    """What is known of a day is in the catalog, and no file for each."""
    assert looked_at(warehouse, "from meta.turns") == [(0,)]
    load(warehouse, frame("a"))
    files = "select count(*) from ducklake_list_files(current_database(), 'extractions', schema => 'meta')"
    assert looked_at(warehouse, files) == [(0,)]


@pytest.mark.parametrize("look", [WarehouseResource.get_connection, WarehouseResource.reading])
def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path, look: Any) -> None:
    """By what PostgreSQL says of it; what Dagster stores of an error has its causes, too."""
    with postgres_database() as conninfo:
        warehouse = WarehouseResource(
            database=f"ducklake:postgres:{conninfo}_no password=geheim", lake_data=str(tmp_path)
        )
        with pytest.raises(WarehouseUnavailable, match="does not exist") as problem, look(warehouse):
            pass
    assert "geheim" not in serializable_error_info_from_exc_info(problem._excinfo).to_string()


def test_words_that_name_no_database_are_not_repeated(tmp_path: Path) -> None:
    """A password with a space, unquoted, is what they are most likely to be."""
    words = "ducklake:postgres:dbname=lake password=my geheim"
    with pytest.raises(ConfigurationError, match="names no database") as problem:
        WarehouseResource(database=words, lake_data=str(tmp_path)).prepare(ORDERS)
    assert "geheim" not in serializable_error_info_from_exc_info(problem._excinfo).to_string()


def test_a_lake_whose_files_are_elsewhere_is_not_begun_anew(warehouse: WarehouseResource, tmp_path: Path) -> None:
    """A slip in the setting must not put days into two places."""
    load(warehouse, frame("a"))
    slip = warehouse.model_copy(update={"lake_data": str(tmp_path / "other")})
    with pytest.raises(ConfigurationError, match="CONTACT_ANALYTICS_LAKE_DATA"):
        slip.prepare(ORDERS)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("value", ["ducklake:meta.ducklake", "ducklake:sqlite:meta.sqlite", "ducklake:"])
def test_other_catalogs_are_refused(value: str, tmp_path: Path) -> None:
    """They take no writers from several machines."""
    with pytest.raises(ConfigurationError, match="ducklake:postgres:"):
        WarehouseResource(database=value, lake_data=str(tmp_path)).prepare(ORDERS)


def test_a_copy_of_a_lake_is_not_published(warehouse: WarehouseResource, tmp_path: Path) -> None:
    """Whoever sets both is told, before anything is loaded."""
    with pytest.raises(ConfigurationError, match="CONTACT_ANALYTICS_PUBLISH"):
        warehouse.model_copy(update={"publish": str(tmp_path / "copy.duckdb")}).prepare(ORDERS)


def test_a_missing_package_is_named(warehouse: WarehouseResource, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it; nothing is fetched from DuckDB's own site."""
    monkeypatch.setattr(lake_module, "find_spec", lambda _: None)
    lake_module._attached.cache_clear()
    with pytest.raises(ConfigurationError, match=r"contact-analytics\[lake\]"):
        warehouse.prepare(ORDERS)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a store that speaks S3's protocol, a server of this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "secret"), ("REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    lake_module._attached.cache_clear()
    import boto3

    name = uuid4().hex
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield name
    server.stop()
    lake_module._attached.cache_clear()


def test_files_lie_in_a_store(bucket: str) -> None:
    """The lake's and the archive's, reached by the same variables."""
    with postgres_database() as conninfo:
        warehouse = WarehouseResource(database=f"ducklake:postgres:{conninfo}", lake_data=f"s3://{bucket}/lake")
        load(warehouse, frame("a", "b"))
        load(warehouse, frame("c", "d"))
        assert stored(warehouse) == ["c", "d"]
        paths = looked_at(
            warehouse, "select data_file from ducklake_list_files(current_database(), 'order', schema => 'test')"
        )
        assert [path.startswith(f"s3://{bucket}/lake/") for (path,) in paths] == [True]
    archived = ArchiveResource(root=f"s3://{bucket}/archive").day("liveperson", "engagement", DAY)
    start = datetime(2024, 5, 1, tzinfo=UTC)
    file = archived.store(ListedFile("f.json", "https://example.com/f", start, start), [b'{"a": 1}'])
    assert archived.read(file) == b'{"a": 1}'
    assert ArchiveResource(root=f"s3://{bucket}/archive").days("liveperson", "engagement") == [DAY]


def test_a_file_is_moved_into_a_lake_and_back(tmp_path: Path, warehouse: WarehouseResource) -> None:
    """With all rows, views and comments; and the lake goes on being written as the file was."""
    first, back = tmp_path / "first.duckdb", tmp_path / "back.duckdb"
    file = WarehouseResource(database=str(first))
    load(file, frame("a", "b", lines=[{"id": 1, "position": 2}]))
    load(file, frame("c"), day=NEXT)
    file.prepare(MODULES["engagement"].DATASET)
    moved = {each.table: each.rows for each in move.move(str(first), warehouse.database, warehouse.lake_data)}
    assert moved == {"test.order": 3, "meta.extractions": 2, "meta.quarantine": 0, "liveperson.engagement": 0}
    load(warehouse, frame("d", "e"), day=NEXT)
    assert list(warehouse.prepare(ORDERS)) == [DAY, NEXT]
    assert sum(each.rows for each in move.move(warehouse.database, str(back), warehouse.lake_data)) == 6
    other = WarehouseResource(database=str(back))
    for each in (warehouse, other):
        assert stored(each) == ["a", "b", "d", "e"]
        assert query(each, "select id, lines_id from test.order_lines order by id") == [("a", 1), ("b", 1)]
        own = "where database_name = current_database() and table_name = 'order'"
        assert query(each, f"select comment from duckdb_tables() {own}") == [(ORDERS.grain,)]
        assert query(each, f"select count(comment) > 5 from duckdb_columns() {own}") == [(True,)]
    assert stored(file) == ["a", "b", "c"]


def test_a_lake_without_views_is_moved_as_well(tmp_path: Path, warehouse: WarehouseResource) -> None:
    """Into a file, which is another database than the one of the writers' turns."""
    with warehouse.get_connection() as connection:
        connection.execute("create schema own; create table own.notes as select 'a' as note")
    back = tmp_path / "back.duckdb"
    assert [each.rows for each in move.move(warehouse.database, str(back), warehouse.lake_data)] == [1]
    assert query(WarehouseResource(database=str(back)), "from own.notes") == [("a",)]


def test_a_move_that_cannot_be_is_refused(tmp_path: Path, warehouse: WarehouseResource) -> None:
    """And leaves both places as they were: nothing there, no such file, in use, two files, two lakes."""
    file = tmp_path / "w.duckdb"
    places = [(str(file), warehouse.database), (str(file), str(file)), (warehouse.database, warehouse.database)]
    for source, target in places:
        with pytest.raises(ConfigurationError):
            list(move.move(source, target, warehouse.lake_data))
    load(WarehouseResource(database=str(file)), frame("a"))
    load(warehouse, frame("b"))
    with pytest.raises(ConfigurationError, match="holds 3 tables already"):
        list(move.move(str(file), warehouse.database, warehouse.lake_data))
    assert (stored(WarehouseResource(database=str(file))), stored(warehouse)) == (["a"], ["b"])


def test_a_copy_that_differs_is_not_kept(
    tmp_path: Path, warehouse: WarehouseResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table is compared before anything is committed."""
    file = tmp_path / "w.duckdb"
    load(WarehouseResource(database=str(file)), frame("a"))
    digests = iter([(1, 5), (1, 6)])
    monkeypatch.setattr(move, "row_digest", lambda *_: next(digests))
    with pytest.raises(WarehouseError, match="is not the same"):
        list(move.move(str(file), warehouse.database, warehouse.lake_data))
    schemas = query(warehouse, "select schema_name from duckdb_tables() where database_name = current_database()")
    assert schemas == [("meta",)]


def test_the_command_says_what_it_did(
    tmp_path: Path, warehouse: WarehouseResource, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables with their rows; and why nothing was moved the second time."""
    file = tmp_path / "w.duckdb"
    load(WarehouseResource(database=str(file)), frame("a", "b"))
    words = ["move", str(file), warehouse.database, "--lake-data", warehouse.lake_data]
    monkeypatch.setattr(sys, "argv", words)
    assert move.main() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "test.order: 2 rows" in said
    assert "3 tables, 3 rows, equal in both" in said
    assert move.main() == 1
    assert "Nothing was moved" in capsys.readouterr().err


def test_a_turn_is_had_by_one_at_a_time(warehouse: WarehouseResource) -> None:
    """A thread that waits for the writers' turn goes on when it is given back."""
    warehouse.prepare(ORDERS)
    waiting, had = Event(), Event()

    def write() -> None:
        waiting.set()
        load(warehouse, frame("b"), day=NEXT)
        had.set()

    thread = Thread(target=write)
    with warehouse.get_connection():
        thread.start()
        waiting.wait(5)
        assert not had.wait(0.5)
    thread.join(30)
    assert stored(warehouse) == ["b"]
