"""The warehouse replaces a day whole or not at all, grows with the schema, and has one user at a time."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import duckdb
import polars as pl
import pytest
from duckdb import DuckDBPyConnection

from contact_analytics import settings
from contact_analytics.lib.dataset import Dataset, Repeats, describe
from contact_analytics.lib.errors import (
    ConfigurationError,
    DayHeldBack,
    SchemaConflict,
    WarehouseBusy,
    WarehouseError,
)
from contact_analytics.lib.extractions import Extraction, Quarantined, extraction_of, note_problem
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource, replacing
from contact_analytics_tests.fakes import MODULES, dataset_of
from contact_analytics_tests.lakes import lake

DAY, NEXT = date(2024, 5, 1), date(2024, 5, 2)


class Order(dy.Schema):
    """One row an order."""

    id = field(dy.String, "Order", key=True)
    amount = field(dy.Int32, "Amount", unit="cents")
    placed_at = instant("When it was placed")
    lines = many(record({"id": field(dy.Int64, "Line"), "position": field(dy.Int32, "Place")}), "Lines of the order")


ORDERS = dataset_of("order", Order)


@pytest.fixture
def file_warehouse(tmp_path: Path) -> WarehouseResource:
    return WarehouseResource(database=str(tmp_path / "house" / "w.duckdb"), wait_seconds=0.3)


@pytest.fixture(params=["file", "lake"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseResource]:
    """What a warehouse promises does not depend on what it is."""
    if request.param == "file":
        yield request.getfixturevalue("file_warehouse")
    else:
        with lake(tmp_path / "lake") as made:
            yield made


def frame(*ids: str, schema: type[dy.Schema] = Order, **values: Any) -> pl.DataFrame:
    types = {name: column.dtype for name, column in schema.columns().items()}
    rows = [{"id": each, "_source_file": "f.gz", **values} for each in ids]
    return pl.DataFrame(rows, schema=types | {"_extra": pl.String, "_source_file": pl.String})


def load(
    warehouse: WarehouseResource,
    *frames: pl.DataFrame,
    dataset: Dataset = ORDERS,
    day: date = DAY,
    force: bool = False,
    quarantine: tuple[Quarantined, ...] = (),
) -> None:
    warehouse.prepare(dataset)
    rows = sum(each.height for each in frames)
    now = datetime(2024, 5, 3, tzinfo=UTC)
    with warehouse.get_connection() as connection, replacing(connection, dataset, day, "run") as replacement:
        for each in frames:
            replacement.insert(each)
        loaded = Extraction(
            "loaded", files=1, rows=rows, file_names=("f.gz",), scopes=(now,), loaded_at=now, run_id="run"
        )
        replacement.finish(loaded, quarantine, force=force)


def query(warehouse: WarehouseResource, text: str) -> list[tuple[Any, ...]]:
    with warehouse.get_connection() as connection:
        return connection.execute(text).fetchall()


def stored(warehouse: WarehouseResource) -> list[str]:
    return [name for (name,) in query(warehouse, "select id from test.order order by id")]


def grown(**columns: Any) -> Dataset:
    """The dataset of the orders with other columns."""
    return dataset_of("order", type("Order", (dy.Schema,), dict(Order.columns()) | columns))


def type_of(warehouse: WarehouseResource, column: str) -> str:
    with warehouse.get_connection() as connection:
        relation = connection.table("test.order")
        return str(dict(zip(relation.columns, relation.types, strict=True))[column])


def test_a_day_replaces_itself_and_nothing_else(warehouse: WarehouseResource) -> None:
    """Rows of other days stay."""
    load(warehouse, frame("a", "b"))
    load(warehouse, frame("c"), day=NEXT)
    load(warehouse, frame("d"), frame("e", "f"))
    assert stored(warehouse) == ["c", "d", "e", "f"]


def test_a_load_that_fails_keeps_the_old_day(warehouse: WarehouseResource) -> None:
    """The delete is part of the same transaction, and so are quarantine and what is known of the day."""
    load(warehouse, frame("a", "b"), quarantine=(Quarantined("f.gz", 1, "why", "{}"),))
    unfit = frame("c").with_columns(amount=pl.lit("much"))
    with pytest.raises(duckdb.Error):
        load(warehouse, frame("d"), unfit)
    assert stored(warehouse) == ["a", "b"]
    assert query(warehouse, "select rows from meta.extractions") == [(2,)]
    assert query(warehouse, "select reason from meta.quarantine") == [("why",)]


def test_columns_are_told_by_their_names(warehouse: WarehouseResource) -> None:
    """The order of a frame's columns is of no importance."""
    shuffled = frame("a", amount=7)
    load(warehouse, shuffled.select(reversed(shuffled.columns)))
    assert query(warehouse, "select id, amount, _source_file from test.order") == [("a", 7, "f.gz")]


def test_the_quarantine_is_replaced_with_its_day(warehouse: WarehouseResource) -> None:
    """What was fixed at the vendor's is no longer in quarantine."""
    load(
        warehouse,
        frame("a"),
        quarantine=(Quarantined("f.gz", 1, "first", "{}"), Quarantined("f.gz", 2, "second", "{}")),
    )
    load(warehouse, frame("b"), day=NEXT, quarantine=(Quarantined("g.gz", 1, "other day", "{}"),))
    load(warehouse, frame("a"), quarantine=(Quarantined("f.gz", 2, "third", "x" * 100_000),))
    found = query(warehouse, "select record, reason, length(raw) from meta.quarantine order by reason")
    assert found == [(1, "other day", 2), (2, "third", 65_536)]


def test_a_smaller_day_is_held_back_unless_forced(warehouse: WarehouseResource) -> None:
    """Fewer rows or files than are stored never come in by themselves."""
    load(warehouse, frame("a", "b"))
    with pytest.raises(DayHeldBack, match="2 rows are stored and 1 would replace them"):
        load(warehouse, frame("c"))
    assert stored(warehouse) == ["a", "b"]
    load(warehouse, frame("c"), force=True)
    assert stored(warehouse) == ["c"]


def test_a_failed_attempt_is_noted_beside_what_is_stored(warehouse: WarehouseResource) -> None:
    """The day stays loaded; a day that has never been stored has failed."""
    load(warehouse, frame("a"))
    with warehouse.get_connection() as connection:
        for day in (DAY, NEXT):
            note_problem(connection, ORDERS, day, ValueError("no"), "failed", datetime(2024, 5, 3, tzinfo=UTC), "run 2")
        known = [extraction_of(connection, ORDERS, day) for day in (DAY, NEXT)]
    assert [(each.state, each.rows, each.problem_type) for each in known if each] == [
        ("loaded", 1, "ValueError"),
        ("failed", 0, "ValueError"),
    ]
    load(warehouse, frame("a"))
    with warehouse.get_connection() as connection:
        healed = extraction_of(connection, ORDERS, DAY)
    assert healed
    assert healed.problem is None


def test_new_columns_and_fields_are_added_and_wider_types_taken(warehouse: WarehouseResource) -> None:
    """Stored rows keep their values; what they never had is null."""
    load(warehouse, frame("a", amount=5, lines=[{"id": 1, "position": 2}]))
    line = {"id": field(dy.Int64, "Line"), "position": field(dy.Int64, "Place"), "colour": field(dy.String, "Colour")}
    wider = grown(
        amount=field(dy.Int64, "Amount"),
        lines=many(record(line), "Lines"),
        buyer=record({"name": field(dy.String, "Name")}, "Buyer"),
    )
    fresh = frame("b", schema=wider.schema, amount=2**40, lines=[{"id": 1, "position": 2**40, "colour": "red"}])
    load(warehouse, fresh, dataset=wider, day=NEXT)
    assert query(warehouse, "select id, amount, lines, buyer from test.order order by id") == [
        ("a", 5, [{"id": 1, "position": 2, "colour": None}], None),
        ("b", 2**40, [{"id": 1, "position": 2**40, "colour": "red"}], None),
    ]


def test_an_older_schema_loads_into_a_newer_table(warehouse: WarehouseResource) -> None:
    """Narrower types and lost columns leave the table as it is; the new rows have nulls there."""
    load(warehouse, frame("a", amount=5, lines=[{"id": 1, "position": 2}]))
    columns = {name: column for name, column in Order.columns().items() if name != "placed_at"}
    columns["lines"] = many(record({"id": field(dy.Int32, "Line")}), "Lines")
    older = dataset_of("order", type("Order", (dy.Schema,), columns))
    load(warehouse, frame("b", schema=older.schema, amount=1, lines=[{"id": 9}]), dataset=older, day=NEXT)
    assert type_of(warehouse, "lines") == 'STRUCT(id BIGINT, "position" INTEGER)[]'
    assert query(warehouse, "select placed_at, lines from test.order where id = 'b'") == [
        (None, [{"id": 9, "position": None}])
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"amount": field(dy.String, "Amount"), "note": field(dy.String, "Note")},
        {"note": field(dy.String, "Note"), "lines": many(record({"id": field(dy.String, "Line")}), "Lines")},
    ],
    ids=["column", "nested field"],
)
def test_a_type_that_cannot_be_widened_changes_nothing(warehouse: WarehouseResource, columns: dict[str, Any]) -> None:
    """The conflict is named with both types; not even a column that could be added is."""
    load(warehouse, frame("a", amount=5))
    before = query(warehouse, "describe test.order")
    with pytest.raises(SchemaConflict, match=r"test\.order\.(amount|lines\[\]\.id) as (INTEGER|BIGINT), .* VARCHAR"):
        load(warehouse, frame("b"), dataset=grown(**columns))
    assert query(warehouse, "describe test.order") == before
    assert stored(warehouse) == ["a"]


def test_a_meta_table_of_an_older_version_grows(warehouse: WarehouseResource) -> None:
    """What is known of the days is a table like the others."""
    load(warehouse, frame("a"))
    query(warehouse, "alter table meta.extractions drop column problem_type")
    load(warehouse, frame("a", "b"))
    assert query(warehouse, "select rows, problem_type from meta.extractions") == [(2, None)]


@pytest.mark.parametrize("name", MODULES)
def test_tables_and_columns_are_described(file_warehouse: WarehouseResource, name: str) -> None:
    """Whoever opens the warehouse with another tool finds each meaning there; the schema's, whenever it changes."""
    dataset = MODULES[name].DATASET
    file_warehouse.prepare(dataset)
    query(file_warehouse, f"comment on column {dataset.sql_name}.{dataset.primary_key[0]} is 'changed'")
    file_warehouse.prepare(dataset)
    described = dict(
        query(file_warehouse, f"select column_name, comment from duckdb_columns() where table_name = '{name}'")
    )
    assert described == {column: describe(each) for column, each in dataset.columns().items()}
    assert all(described.values())
    assert query(file_warehouse, f"select comment from duckdb_tables() where table_name = '{name}'") == [
        (dataset.grain,)
    ]
    meta = query(
        file_warehouse, "select column_name from duckdb_columns() where schema_name = 'meta' and comment is null"
    )
    assert not meta


def test_flat_views_show_each_item_of_a_list(warehouse: WarehouseResource) -> None:
    """Partition and key first, then the place in the list; a field named like one of them carries the list's name."""
    load(warehouse, frame("a", lines=[{"id": 1, "position": 5}, {"id": 2, "position": 6}]), frame("b", lines=[]))
    with warehouse.get_connection() as connection:
        view = connection.execute("from test.order_lines order by position")
        assert [column[0] for column in view.description or ()] == [
            "partition_date",
            "id",
            "position",
            "lines_id",
            "lines_position",
        ]
        assert view.fetchall() == [(DAY, "a", 1, 1, 5), (DAY, "a", 2, 2, 6)]


def test_rows_changed_by_hand_make_a_day_not_whole(warehouse: WarehouseResource) -> None:
    """What such a day was made of is not known, so that the next run loads it."""
    load(warehouse, frame("a", "b"))
    load(warehouse, frame("c"), day=NEXT)
    query(warehouse, "update meta.extractions set digest = 'known'")
    query(warehouse, "delete from test.order where id = 'a'")
    assert {day: each.digest for day, each in warehouse.prepare(ORDERS).items()} == {DAY: None, NEXT: "known"}


def test_files_and_folders_are_their_owners_alone(file_warehouse: WarehouseResource) -> None:
    """Whatever the umask, the write-ahead log and the lock included; and the umask is as before."""
    before = os.umask(0)
    try:
        with file_warehouse.get_connection() as connection:
            # A checkpoint would take the log away, and is not made while another transaction is open.
            other = connection.cursor()
            other.execute("begin").execute("create table other (id int)")
            connection.execute("create table t as select range from range(100000)")
            folder = Path(file_warehouse.database).parent
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
            assert modes == {"w.duckdb": 0o600, "w.duckdb.wal": 0o600, "w.duckdb.lock": 0o600}
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.umask(0) == 0
    finally:
        os.umask(before)


@contextmanager
def another_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs `code`, says when it is ready, and ends when told so."""
    command = [sys.executable, "-c", f"{code}\n    print('ready', flush=True); input()", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.stdin.close()


def test_runs_take_turns(warehouse: WarehouseResource) -> None:
    """A second run waits until the first has closed the warehouse, then goes on by itself."""
    warehouse.prepare(ORDERS)
    code = (
        "import sys\n"
        "from contact_analytics.lib.warehouse import WarehouseResource\n"
        "with WarehouseResource(database=sys.argv[1], lake_data=sys.argv[2]).get_connection():"
    )
    with another_process(code, warehouse.database, warehouse.lake_data) as holder:
        with pytest.raises(
            WarehouseBusy, match=r"for 0\.3 s by (another run of this project|contact_analytics \S+ \d+)"
        ):
            warehouse.prepare(ORDERS)
        patient = warehouse.model_copy(update={"wait_seconds": 30})
        assert holder.stdin
        holder.stdin.close()
        assert patient.prepare(ORDERS) == {}


def test_a_foreign_program_that_holds_the_file_is_named(file_warehouse: WarehouseResource) -> None:
    """Someone's open DuckDB shell is the usual reason: its process id tells whose."""
    file_warehouse.prepare(ORDERS)
    code = "import duckdb, sys\nwith duckdb.connect(sys.argv[1]):"
    with another_process(code, file_warehouse.database) as holder, pytest.raises(WarehouseBusy) as busy:
        file_warehouse.prepare(ORDERS)
    assert f"PID {holder.pid}" in str(busy.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be, a folder where the file should be, a file that is no database."""
    (tmp_path / "text").write_text("This is not a database, whatever its name says. " * 100)
    for path in (tmp_path / "text" / "w.duckdb", tmp_path, tmp_path / "text"):
        with pytest.raises(WarehouseError, match="CONTACT_ANALYTICS_WAREHOUSE") as problem:
            WarehouseResource(database=str(path), wait_seconds=0.3).prepare(ORDERS)
        assert str(path) in str(problem.value)
        assert not problem.value.allow_retries


@pytest.mark.parametrize("value", ["md:contacts", ":memory:", "s3://bucket/w.duckdb", "postgres:db"])
def test_anything_but_a_file_is_refused_in_words(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not become a local file with an odd name."""
    monkeypatch.setenv("CONTACT_ANALYTICS_WAREHOUSE", value)
    database = settings.path("CONTACT_ANALYTICS_WAREHOUSE")
    assert database == value
    with pytest.raises(ConfigurationError, match="must be a file"):
        WarehouseResource(database=database).prepare(ORDERS)


def test_a_connection_is_closed_after_an_exception(file_warehouse: WarehouseResource) -> None:
    """The next user is not locked out, and nothing half-done is kept."""
    file_warehouse.prepare(ORDERS)

    def fail(connection: DuckDBPyConnection) -> None:
        connection.execute("begin")
        connection.execute("insert into test.order (id) values ('a')")
        raise RuntimeError

    with pytest.raises(RuntimeError), file_warehouse.get_connection() as connection:
        fail(connection)
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("select 1")
    code = "import duckdb, sys\nwith duckdb.connect(sys.argv[1]):"
    with another_process(code, file_warehouse.database):
        pass
    assert stored(file_warehouse) == []


def test_rows_that_the_vendor_may_take_back_hold_nothing_back(warehouse: WarehouseResource) -> None:
    """An order that is not placed moves to another day when it is; one that was placed must stay."""
    moving = replace(ORDERS, repeats=Repeats.LATEST, lasting="placed_at is not null")
    placed = datetime(2024, 5, 1, tzinfo=UTC)
    load(warehouse, frame("a", placed_at=placed), frame("b"), dataset=moving)
    load(warehouse, frame("a", placed_at=placed), dataset=moving)
    assert stored(warehouse) == ["a"]
    with pytest.raises(DayHeldBack, match="1 of the stored rows would be gone"):
        load(warehouse, frame("c", placed_at=placed), dataset=moving)
    assert stored(warehouse) == ["a"]


def test_a_row_that_is_on_another_day_is_not_lost(warehouse: WarehouseResource) -> None:
    """Where rows may move between days; elsewhere the same key on another day is another row."""
    moving = replace(ORDERS, repeats=Repeats.LATEST, versions=("placed_at",))
    load(warehouse, frame("a", "b"), dataset=moving)
    load(warehouse, frame("b"), dataset=moving, day=NEXT)
    load(warehouse, frame("a"), dataset=moving)
    assert stored(warehouse) == ["a", "b"]
    with pytest.raises(DayHeldBack):
        load(warehouse, frame("c"), dataset=replace(ORDERS, repeats=Repeats.LATEST), day=NEXT)


def test_the_latest_of_a_key_over_all_days_has_a_view(warehouse: WarehouseResource) -> None:
    """By what the dataset says tells versions apart, then by the day."""
    versioned = replace(ORDERS, repeats=Repeats.LATEST, versions=("placed_at",))
    early, late = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 9, tzinfo=UTC)
    load(warehouse, frame("a", placed_at=late, amount=1), frame("b", amount=2), dataset=versioned)
    load(warehouse, frame("a", placed_at=early, amount=3), frame("b", amount=4), dataset=versioned, day=NEXT)
    latest = query(warehouse, "select id, amount, partition_date from test.order_latest order by id")
    assert latest == [("a", 1, DAY), ("b", 4, NEXT)]


def test_what_a_killed_load_left_on_disk_is_swept(file_warehouse: WarehouseResource) -> None:
    """Rows that did not fit into memory are customers' conversations: they do not outlive the next run."""
    left = Path(f"{file_warehouse.database}.tmp")
    with file_warehouse.get_connection():
        pass
    left.mkdir()
    (left / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"conversations")
    with file_warehouse.get_connection():
        assert not left.exists()
