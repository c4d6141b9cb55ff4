"""Readers have a copy that is whole, as new as the last run that loaded something, and in nobody's way."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.publication import PublicationFailed
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.lib.webhook import WebhookResource
from contact_analytics.liveperson import survey
from contact_analytics.retention_clock import retention_clock
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import Materialized, Place, days_ago, impatient
from contact_analytics_tests.histories import Account
from contact_analytics_tests.lib.test_warehouse import another_process

DAY, NEXT = days_ago(5), days_ago(4)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the copy is published."""
    folder = tmp_path / "published"
    folder.mkdir()
    return folder / "copy.duckdb"


def publishing(place: Place | Account, copy: Path | str) -> WarehouseResource:
    return WarehouseResource(database=place.warehouse.database, wait_seconds=0.3, publish=str(copy))


def run(place: Place, copy: Path | str, first: date = DAY, last: date | None = None, **config: Any) -> Materialized:
    """A run over surveys that publishes."""
    resources = {"warehouse": publishing(place, copy)}
    return place.run(impatient("survey"), first, last, resources=resources, **config)


def days(file: Path) -> list[date]:
    """The days of a file, opened as a reader does."""
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute("select distinct partition_date from liveperson.survey order by all").fetchall()
        return [day for (day,) in found]


def identity(file: Path) -> tuple[int, int]:
    """What differs between a file and another one in its place, or after a write."""
    return file.stat().st_ino, file.stat().st_mtime_ns


def failure_of(materialized: Materialized) -> str:
    """What the UI shows at the end of a run that failed."""
    [event] = [event for event in materialized.result.all_events if event.is_job_failure]
    return str(event.job_failure_data.error)


def test_a_run_that_loads_publishes_a_whole_copy(place: Place, copy: Path) -> None:
    """Tables, views, comments and what is known of each day; it needs no file beside it, and is its owner's alone."""
    before = os.umask(0)
    try:
        assert run(place, copy).ok
    finally:
        os.umask(before)
    assert copy.read_bytes() == (place.folder / "warehouse.duckdb").read_bytes()
    assert days(copy) == [DAY]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_run_that_changes_nothing_publishes_nothing(place: Place, copy: Path) -> None:
    """Neither one whose days are all unchanged, nor one whose days fail as they did before."""
    run(place, copy)
    before = identity(copy)
    assert run(place, copy).ok
    assert identity(copy) == before
    place.app.faults.append(Fault("/data_access_le", "401", times=99))
    assert not run(place, copy, NEXT).ok
    failed = identity(copy)
    assert failed != before
    assert not run(place, copy, NEXT).ok
    assert identity(copy) == failed


def test_readers_learn_of_what_failed(place: Place, copy: Path) -> None:
    """Of a day that is not stored, and of one that is and whose last try failed."""
    run(place, copy)
    place.app.faults.append(Fault("/data_access_le", "401", times=99))
    assert not run(place, copy, DAY, NEXT, refetch=True).ok
    with duckdb.connect(str(copy), read_only=True) as connection:
        query = "select partition_date, state, problem_type from meta.extractions order by all"
        found = connection.execute(query).fetchall()
    assert found == [(DAY, "loaded", "CredentialsRejected"), (NEXT, "failed", "CredentialsRejected")]


def test_readers_learn_what_the_clock_says(place: Place, copy: Path) -> None:
    """A look that finds nothing new publishes nothing, though each day has less time left than an hour before."""
    run(place, copy)

    def look() -> tuple[int, int]:
        resources = {"archive": place.archive, "warehouse": publishing(place, copy), "webhook": WebhookResource()}
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        assert dg.materialize([retention_clock], instance=place.instance, resources=resources, run_config=quiet).success
        return identity(copy)

    before, first = identity(copy), look()
    assert first != before
    place.select("update meta.retention_clock set days_left = days_left + 0.04")
    assert look() == first
    with duckdb.connect(str(copy), read_only=True) as connection:
        states = dict(connection.execute("select partition_date, state from meta.retention_clock").fetchall())
    assert states[DAY] in {"stored", "missing"}
    place.select("delete from meta.extractions where partition_date = ?", [DAY])
    assert look() != first


def test_a_run_that_loads_some_of_its_days_publishes_them(place: Place, copy: Path) -> None:
    """Readers need not wait for the day that failed."""
    file = place.app.files("survey", NEXT)[0]
    place.app.faults.append(Fault(file.href_name, "500", times=99))
    assert not run(place, copy, DAY, NEXT).ok
    assert days(copy) == [DAY]


def test_a_run_of_many_steps_publishes_once(place: Place, copy: Path) -> None:
    """When the last one is done."""
    result = dg.materialize(
        [impatient("survey"), impatient("agent_activity")],
        instance=place.instance,
        resources=place.resources(warehouse=publishing(place, copy)),
        partition_key=str(DAY),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    said = [entry.user_message for entry in place.instance.all_logs(result.run_id)]
    assert len([text for text in said if text.startswith(f"Published {copy}")]) == 1
    assert days(copy) == [DAY]


def test_a_list_that_has_changed_is_published(tmp_path: Path, copy: Path) -> None:
    """A look at it that finds no change publishes nothing."""
    with dg.DagsterInstance.ephemeral() as instance:
        account = Account(tmp_path, instance)
        resources = {"warehouse": publishing(account, copy)}
        assert account.run(resources=resources).ok
        first = identity(copy)
        assert account.run(resources=resources).ok
        assert identity(copy) == first
        account.app.change("users", account.ids()[0], nickname="Another")
        assert account.run(resources=resources).ok
    with duckdb.connect(str(copy), read_only=True) as connection:
        found = connection.execute("select count(*) from liveperson.users where nickname = 'Another'").fetchall()
    assert found == [(1,)]


def test_a_copy_that_is_behind_is_published_by_a_run_that_loads_nothing(place: Place, copy: Path) -> None:
    """The setting was switched on later, or the run that has loaded a day was killed before it published."""
    place.materialize("survey", DAY)
    assert run(place, copy).ok
    assert days(copy) == [DAY]
    place.materialize("survey", NEXT)
    assert run(place, copy).ok
    assert days(copy) == [DAY, NEXT]


READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for _ in sys.stdin:
        days = connection.execute("select distinct partition_date from liveperson.survey").fetchall()
        print(len(days), flush=True)
"""


@contextmanager
def reader(copy: Path) -> Generator[Callable[[], int]]:
    """A program that holds a copy open for reading, and tells how many days it sees each time it is asked."""
    command = [sys.executable, "-c", READER, str(copy)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        questions, answers = process.stdin, process.stdout
        assert questions
        assert answers

        def ask() -> int:
            questions.write("\n")
            questions.flush()
            return int(answers.readline())

        try:
            yield ask
        finally:
            questions.close()


def test_readers_hold_up_neither_runs_nor_publications(place: Place, copy: Path) -> None:
    """Who has opened a copy reads on in it, however often it is replaced; who opens it then sees the newest."""
    run(place, copy)
    first = copy.stat().st_ino
    with reader(copy) as of_one_day:
        assert of_one_day() == 1
        assert run(place, copy, NEXT).ok
        with reader(copy) as of_two_days:
            assert of_two_days() == 2
            assert run(place, copy, days_ago(3)).ok
            assert (of_one_day(), of_two_days()) == (1, 2)
        assert copy.stat().st_ino != first
    assert len(days(copy)) == 3


@pytest.mark.parametrize("mode", [0o640, 0o444])
def test_a_copy_is_as_readable_as_the_one_before(place: Place, copy: Path, mode: int) -> None:
    """Mode and group; an empty file that was put there first says so for the first copy."""
    group = 12_345 if not os.geteuid() else os.getgroups()[-1]
    copy.touch()
    os.chown(copy, -1, group)
    copy.chmod(mode)
    for day in (DAY, NEXT):
        assert run(place, copy, day).ok
        assert stat.S_IMODE(copy.stat().st_mode) == mode
        assert copy.stat().st_gid == group
    assert days(copy) == [DAY, NEXT]


def test_a_link_to_a_copy_stays_a_link(place: Place, copy: Path) -> None:
    """The file that it leads to is replaced."""
    link = place.folder / "link.duckdb"
    link.symlink_to(copy)
    assert run(place, link).ok
    assert link.is_symlink()
    assert days(copy) == [DAY]


HOLDER = "import duckdb, sys\nwith duckdb.connect(sys.argv[1]):"
KILLED = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
connection.execute(sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_in_the_log_is_published(place: Place, copy: Path) -> None:
    """The copy holds what was committed, in the one file."""
    place.materialize("survey", DAY)
    warehouse = place.warehouse.database
    subprocess.run([sys.executable, "-c", KILLED, warehouse, "create table late as select 7 as n"], check=False)
    assert Path(f"{warehouse}.wal").exists()
    assert publishing(place, copy).publish_copy()
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("from late").fetchall() == [(7,)]


def test_what_somebody_writes_into_a_copy_is_gone_with_it(place: Place, copy: Path) -> None:
    """Also what is in the log beside it, which DuckDB would add to the next copy without a word."""
    run(place, copy)
    subprocess.run(
        [sys.executable, "-c", KILLED, str(copy), "insert into liveperson.survey (id) values (7)"], check=False
    )
    assert (copy.parent / "copy.duckdb.wal").exists()
    assert run(place, copy, NEXT).ok
    assert days(copy) == [DAY, NEXT]
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_copy_that_somebody_holds_for_writing_is_replaced(place: Place, copy: Path) -> None:
    """A shell that was opened without `-readonly`."""
    run(place, copy)
    with another_process(HOLDER, str(copy)):
        assert run(place, copy, NEXT).ok
        assert days(copy) == [DAY, NEXT]


AT_THE_RENAME = """
import os, signal, sys
from contact_analytics.lib.warehouse import WarehouseResource

def kill(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
WarehouseResource(database=sys.argv[1], publish=sys.argv[2]).publish_copy()
"""
AMID_COPYING = """
import resource, signal, sys
from contact_analytics.lib.warehouse import WarehouseResource

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
WarehouseResource(database=sys.argv[1], publish=sys.argv[2]).publish_copy()
"""


@pytest.mark.parametrize(
    ("code", "end"),
    [(AMID_COPYING, signal.SIGXFSZ), (AT_THE_RENAME, signal.SIGKILL)],
    ids=["amid copying", "before the rename"],
)
def test_a_killed_publication_leaves_the_old_copy(place: Place, copy: Path, code: str, end: signal.Signals) -> None:
    """The next run publishes, and what was left half-written is gone."""
    run(place, copy)
    place.materialize("survey", NEXT)
    before, warehouse = identity(copy), place.warehouse.database
    killed = subprocess.run([sys.executable, "-c", code, warehouse, str(copy)], check=False)
    assert killed.returncode == -end
    assert identity(copy) == before
    assert len(list(copy.parent.iterdir())) == 2
    assert days(copy) == [DAY]
    assert run(place, copy, NEXT).ok
    assert days(copy) == [DAY, NEXT]
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize(
    ("folder", "reason"), [("not/there", "No such file or directory"), ("warehouse.duckdb", "Not a directory")]
)
def test_a_run_that_cannot_publish_fails_in_words_and_keeps_what_it_loaded(
    place: Place, folder: str, reason: str
) -> None:
    """The days are stored and marked as such. When the folder is there, the next run publishes."""
    copy = place.folder / folder / "copy.duckdb"
    failed = run(place, copy)
    assert not failed.ok
    assert failed.days.keys() == {str(DAY)}
    assert not [event for event in failed.result.all_events if event.is_step_failure]
    ended = place.instance.get_run_by_id(failed.result.run_id)
    assert ended
    assert ended.status is dg.DagsterRunStatus.FAILURE
    for word in (
        "PublicationFailed",
        str(copy),
        reason,
        "What was loaded is in the warehouse",
        "Check that the folder",
    ):
        assert word in failure_of(failed)
    place.assert_true("survey", DAY)
    if not copy.parent.exists():
        copy.parent.mkdir(parents=True)
        assert run(place, copy).ok
        assert days(copy) == [DAY]


def test_days_that_failed_and_a_copy_that_failed_are_both_told(place: Place) -> None:
    """One does not hide the other."""
    file = place.app.files("survey", NEXT)[0]
    place.app.faults.append(Fault(file.href_name, "500", times=99))
    failed = run(place, place.folder / "not" / "there.duckdb", DAY, NEXT)
    assert f"{NEXT}" in failed.problem
    assert "PublicationFailed" in failure_of(failed)


def test_a_full_disk_keeps_the_old_copy(place: Place, copy: Path) -> None:
    """Whether that is seen before or while it is written; nothing half-written stays."""
    run(place, copy)
    place.materialize("survey", NEXT)
    before, warehouse = identity(copy), Path(place.warehouse.database)
    size, limits = warehouse.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(PublicationFailed, match="File too large"):
            publishing(place, copy).publish_copy()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    os.truncate(warehouse, 1 << 43)  # Sparse: it takes no room, and its copy would take eight terabytes.
    with pytest.raises(PublicationFailed, match=r"8,796,093,022,208 bytes are needed and [\d,]+ are free"):
        publishing(place, copy).publish_copy()
    os.truncate(warehouse, size)
    assert identity(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert publishing(place, copy).publish_copy()
    assert days(copy) == [DAY, NEXT]


def test_a_warehouse_that_somebody_holds_is_not_copied_meanwhile(place: Place, copy: Path) -> None:
    """The error has the process that holds it."""
    place.materialize("survey", DAY)
    with another_process(HOLDER, place.warehouse.database) as holder, pytest.raises(PublicationFailed) as failed:
        publishing(place, copy).publish_copy()
    assert f"PID {holder.pid}" in str(failed.value)
    assert not copy.exists()


@pytest.mark.parametrize("link", ["", "symbolic", "hard"])
def test_the_warehouse_itself_is_no_place_for_its_copy(place: Place, link: str) -> None:
    """By whichever path. A run says so before the vendor is asked anything."""
    place.materialize("survey", DAY)
    warehouse = target = Path(place.warehouse.database)
    if link:
        target = place.folder / "link.duckdb"
        (target.symlink_to if link == "symbolic" else target.hardlink_to)(warehouse)
    before = identity(warehouse)
    with pytest.raises(ConfigurationError, match="which is the warehouse itself"):
        publishing(place, target).prepare(survey.DATASET)
    failed = run(place, target, NEXT)
    assert "CONTACT_ANALYTICS_PUBLISH" in failed.problem
    assert not failed.requests
    assert identity(warehouse) == before


def test_another_warehouse_is_no_place_for_a_copy(place: Place, tmp_path: Path) -> None:
    """Its days would be lost. The lock file beside it tells it from a copy."""
    other = WarehouseResource(database=str(tmp_path / "other.duckdb"))
    with other.get_connection() as connection:
        connection.execute("create table t as select 1 as n")
    with pytest.raises(ConfigurationError, match=r"another warehouse: beside it is other\.duckdb\.lock"):
        publishing(place, other.database).prepare(survey.DATASET)


@pytest.mark.parametrize("value", ["md:contacts", "s3://bucket/copy.duckdb", ":memory:"])
def test_a_copy_is_a_file(place: Place, value: str) -> None:
    """As the warehouse is, so far."""
    assert "published copy is set to" in run(place, value).problem


@pytest.mark.parametrize("kind", ["text", "duckdb"])
def test_a_file_that_is_no_copy_is_not_touched(place: Place, copy: Path, kind: str) -> None:
    """Somebody's own work under that path is worth more than a copy."""
    if kind == "text":
        copy.write_text("Minutes of the meeting")
    else:
        duckdb.connect(str(copy)).execute("create table mine as select 1 as n").close()
    before = copy.read_bytes()
    assert "is no copy of a warehouse, and was not touched" in failure_of(run(place, copy))
    assert copy.read_bytes() == before


OWNER = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("create table ledger as select 42 as amount")"""


def test_a_file_that_cannot_be_opened_is_replaced_only_if_it_is_a_copy(place: Place, copy: Path) -> None:
    """Somebody's own database that they have open, at a path that was mistyped, or where our copy was before."""
    said = "is not known as a copy of warehouse.duckdb, and was not touched"
    for is_after_a_copy in (False, True):
        if is_after_a_copy:
            kept = copy.rename(copy.with_name("theirs.duckdb"))
            assert run(place, copy).ok
            copy.unlink()
            kept.rename(copy)
        with another_process(OWNER.replace("create table", "create or replace table"), str(copy)):
            assert said in failure_of(run(place, copy, NEXT if is_after_a_copy else DAY))
        with duckdb.connect(str(copy), read_only=True) as connection:
            assert connection.execute("from ledger").fetchall() == [(42,)]


def test_an_encrypted_file_of_somebodys_is_not_touched(place: Place, copy: Path) -> None:
    """It cannot be looked into, so that nothing says that it is ours."""
    with duckdb.connect() as connection:
        connection.execute("set force_mbedtls_unsafe = 'true'")  # The other way needs an extension from the internet.
        connection.execute(f"attach '{copy}' as theirs (encryption_key 'a key of theirs')")
        connection.execute("create table theirs.ledger as select 42 as amount")
    before = copy.read_bytes()
    assert "was not touched" in failure_of(run(place, copy))
    assert copy.read_bytes() == before


def test_a_damaged_copy_is_replaced(place: Place, copy: Path) -> None:
    """It needs nobody's hand."""
    run(place, copy)
    with copy.open("r+b") as file:
        file.seek(100)
        file.write(bytes(20_000))
    assert run(place, copy).ok
    assert days(copy) == [DAY]


def test_without_a_warehouse_nothing_is_published(place: Place, copy: Path) -> None:
    """Nor is one made for it."""
    assert publishing(place, copy).publish_copy() is None
    assert not Path(place.warehouse.database).exists()
    assert publishing(place, "").publish_copy() is None
