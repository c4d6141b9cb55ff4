"""A warehouse whose days were replaced often gets smaller, and is what it was or becomes what it is."""

import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from contact_analytics.lib.compaction import WORTHWHILE, compact
from contact_analytics.lib.errors import WarehouseBusy, WarehouseError
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.maintenance import compact_warehouse, compact_warehouse_weekly
from contact_analytics_tests.fakes import MODULES
from contact_analytics_tests.lib.test_warehouse import DAY, NEXT, Order, another_process, frame, load, query

TYPES = {name: column.dtype for name, column in Order.columns().items()}
ORDERS_A_DAY = 12_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with tables and views of every kind, and one table whose days were replaced often."""
    file = tmp_path_factory.mktemp("template") / "w.duckdb"
    made = WarehouseResource(database=str(file))
    for name in ("engagement", "conversations", "conversation", "qm_workflows"):
        made.prepare(MODULES[name].DATASET)
    for time in range(4):
        for day in (DAY, NEXT):
            load(made, orders(time), day=day)
    with made.get_connection() as connection:
        connection.execute("create view test.z as select id, lines from test.order where amount < 3")
        connection.execute("create view test.a as select id, unnest(lines) as line from test.z")
        connection.execute("comment on view test.a is 'It''s made of another view'")
    return file


@pytest.fixture
def warehouse(tmp_path: Path, template: Path) -> WarehouseResource:
    folder = tmp_path / "house"
    folder.mkdir()
    shutil.copy(template, folder)
    return WarehouseResource(
        database=str(folder / template.name), wait_seconds=0.3, publish=str(tmp_path / "copy.duckdb")
    )


def orders(time: int) -> pl.DataFrame:
    """A day's orders; they differ each time."""
    number = pl.int_range(ORDERS_A_DAY, dtype=pl.Int64)
    return pl.select(
        id=number.cast(pl.String),
        amount=((number * 7 + time) % 1000).cast(pl.Int32),
        placed_at=pl.lit(datetime(2024, 5, 1, tzinfo=UTC)) + pl.duration(seconds=number),
        lines=pl.struct(id=number * (time + 1), position=pl.lit(1, pl.Int32)).reshape((ORDERS_A_DAY, 1)).arr.to_list(),
        _extra=pl.format('{{"mood": "{}"}}', number.hash(time)) if time % 2 else pl.lit(None, pl.String),
        _source_file=pl.lit("f.gz"),
    )


def contents(file: str) -> dict[str, Any]:
    """All that a file holds, as a reader finds it: rows of tables and views, types, comments, definitions."""
    with duckdb.connect(file, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")

        def found(text: str) -> list[tuple[Any, ...]]:
            return connection.execute(text).fetchall()

        relations = found("select table_schema, table_name from information_schema.tables order by all")
        return {
            "tables": found("select schema_name, table_name, sql, comment from duckdb_tables() order by all"),
            "views": found("select schema_name, view_name, sql, comment from duckdb_views() where not internal"),
            "columns": found(
                "select schema_name, table_name, column_name, data_type, comment from duckdb_columns() "
                "where not internal order by all"
            ),
        } | {f"{schema}.{name}": found(f'from "{schema}"."{name}" order by all') for schema, name in relations}


def size(warehouse: WarehouseResource) -> int:
    return Path(warehouse.database).stat().st_size


def test_a_compacted_warehouse_is_smaller_and_the_same(warehouse: WarehouseResource) -> None:
    """Rows, nested types, times, comments, and views upon views; and it is as readable as before."""
    file = Path(warehouse.database)
    file.chmod(0o640)
    before, was = contents(warehouse.database), size(warehouse)
    assert len(before["test.order"]) == 2 * ORDERS_A_DAY
    assert before["test.a"]
    done = compact(warehouse)
    assert done.is_rewritten
    assert done.free_share >= WORTHWHILE
    assert (done.before, done.after) == (was, size(warehouse))
    assert done.after < 0.8 * done.before
    assert contents(warehouse.database) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {path.name for path in file.parent.iterdir()} == {"w.duckdb", "w.duckdb.lock"}


def test_a_compacted_warehouse_is_loaded_as_before(warehouse: WarehouseResource) -> None:
    """Days are replaced, tables found as they are described."""
    compact(warehouse)
    load(warehouse, frame("a"), force=True)
    assert query(warehouse, "select count(*) from test.order") == [(ORDERS_A_DAY + 1,)]


def test_little_gain_is_not_worth_a_rewrite(warehouse: WarehouseResource) -> None:
    """A file that was just written anew is left alone, unless that is asked for."""
    compact(warehouse)
    before = Path(warehouse.database).stat().st_ino
    again = compact(warehouse)
    assert not again.is_rewritten
    assert again.free_share < WORTHWHILE
    assert again.before == again.after == size(warehouse)
    assert Path(warehouse.database).stat().st_ino == before
    assert compact(warehouse, force=True).is_rewritten


AT_THE_RENAME = """
import os, signal, sys
from contact_analytics.lib.compaction import compact
from contact_analytics.lib.warehouse import WarehouseResource

def kill(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
compact(WarehouseResource(database=sys.argv[1]), force=True)
"""


def test_a_compaction_that_is_killed_before_the_rename_leaves_the_old_file(warehouse: WarehouseResource) -> None:
    """Whole; and the next one removes what was left."""
    before = contents(warehouse.database)
    killed = subprocess.run([sys.executable, "-c", AT_THE_RENAME, warehouse.database], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = Path(warehouse.database).with_name(".w.duckdb.new")
    assert left.exists()
    assert contents(warehouse.database) == before
    compact(warehouse)
    assert not left.exists()
    assert contents(warehouse.database) == before


ASKED_AT_THE_RENAME = """
import subprocess, sys
from contact_analytics.lib.compaction import compact
from contact_analytics.lib.warehouse import WarehouseResource

def ask(event, arguments):
    if event == "os.rename":
        subprocess.run([sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", sys.argv[1]])

sys.addaudithook(ask)
compact(WarehouseResource(database=sys.argv[1]), force=True)
"""


def test_nobody_can_write_into_a_file_that_is_about_to_be_replaced(warehouse: WarehouseResource) -> None:
    """What they wrote would be lost: other programs are kept off until the new file is there."""
    command = [sys.executable, "-c", ASKED_AT_THE_RENAME, warehouse.database]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "Could not set lock on file" in done.stderr


AMID_WRITING = """
import resource, signal, sys
from contact_analytics.lib.compaction import compact
from contact_analytics.lib.warehouse import WarehouseResource

if sys.argv[2] == "killed":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
compact(WarehouseResource(database=sys.argv[1]), force=True)
"""


@pytest.mark.parametrize("end", ["killed", "refused"])
def test_a_compaction_that_ends_amid_writing_leaves_the_old_file(warehouse: WarehouseResource, end: str) -> None:
    """By the process's end or by a disk that takes no more."""
    before = contents(warehouse.database)
    command = [sys.executable, "-c", AMID_WRITING, warehouse.database, end]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == (-signal.SIGXFSZ if end == "killed" else 1)
    assert ("WarehouseError: Compaction" in ended.stderr) == (end == "refused")
    assert contents(warehouse.database) == before
    assert Path(warehouse.database).with_name(".w.duckdb.new").exists() == (end == "killed")


def test_what_a_killed_process_left_in_the_log_is_kept(warehouse: WarehouseResource) -> None:
    """It was committed."""
    code = (
        "import duckdb, os, signal, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute('create table late as select 7 as n')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, warehouse.database], check=False)
    assert Path(f"{warehouse.database}.wal").exists()
    assert compact(warehouse, force=True).is_rewritten
    assert query(warehouse, "from late") == [(7,)]


def test_a_folder_that_takes_no_second_file_is_named(warehouse: WarehouseResource) -> None:
    """In words, and nothing is changed."""
    in_the_way = Path(warehouse.database).with_name(".w.duckdb.new")
    in_the_way.mkdir()
    before = contents(warehouse.database)
    with pytest.raises(WarehouseError, match=r"could not be written anew.*Is a directory.*Nothing was changed") as why:
        compact(warehouse)
    assert str(in_the_way) in str(why.value)
    assert contents(warehouse.database) == before


def test_a_warehouse_that_is_held_is_not_compacted(warehouse: WarehouseResource) -> None:
    """Neither under a run that loads nor under someone's shell."""
    code = "import duckdb, sys\nwith duckdb.connect(sys.argv[1]):"
    with another_process(code, warehouse.database) as holder, pytest.raises(WarehouseBusy) as busy:
        compact(warehouse)
    assert f"PID {holder.pid}" in str(busy.value)
    ours = (
        "import sys\n"
        "from contact_analytics.lib.warehouse import WarehouseResource\n"
        "with WarehouseResource(database=sys.argv[1]).turn():"
    )
    with another_process(ours, warehouse.database), pytest.raises(WarehouseBusy, match="another run of this project"):
        compact(warehouse)


def job(warehouse: WarehouseResource, **config: Any) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return compact_warehouse.execute_in_process(
            instance=instance,
            resources={"warehouse": warehouse},
            run_config={
                "ops": {"compact_file": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )


def told_by(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What a run of the job that succeeded says of the file."""
    assert result.success
    [output] = [event for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_the_job_tells_what_it_gave_back_and_publishes(warehouse: WarehouseResource) -> None:
    """Readers get the smaller file too; a job that leaves the file alone leaves the copy alone."""
    was = size(warehouse)
    told = told_by(job(warehouse))
    assert (told["bytes_before"], told["bytes_after"]) == (was, size(warehouse))
    assert told["written_anew"]
    copy = Path(warehouse.publish)
    assert told["published"] == str(copy)
    assert contents(str(copy)) == contents(warehouse.database)
    before = copy.stat().st_ino
    told = told_by(job(warehouse))
    assert (told["bytes_before"], told["bytes_after"]) == (size(warehouse), size(warehouse))
    assert not told["written_anew"]
    assert "published" not in told
    assert copy.stat().st_ino == before
    assert told_by(job(warehouse, force=True))["written_anew"]
    assert copy.stat().st_ino != before


def test_a_job_that_cannot_publish_fails_in_words(warehouse: WarehouseResource) -> None:
    """The file is smaller all the same."""
    was = size(warehouse)
    nowhere = WarehouseResource(database=warehouse.database, publish=str(Path(warehouse.publish) / "not" / "there"))
    result = job(nowhere)
    assert not result.success
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "Check that the folder exists" in str(failed.step_failure_data.error)
    assert size(warehouse) < was


def test_the_schedule_is_off_until_somebody_switches_it_on() -> None:
    """Sundays at 03:30 UTC."""
    assert compact_warehouse_weekly.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (compact_warehouse_weekly.cron_schedule, compact_warehouse_weekly.execution_timezone) == (
        "30 3 * * 0",
        "UTC",
    )
