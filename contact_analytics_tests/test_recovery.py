"""A backfill that is killed anywhere, and launched again, ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import duckdb

from contact_analytics.liveperson.engagement import DATASET
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.fakes import Place, days_ago

SCALE = 0.05
DAYS = [days_ago(back) for back in (7, 6, 5, 4, 3)]
ROWS = f"select * exclude (_extracted_at, _run_id) from {DATASET.sql_name} order by all"
BACKFILL = f"""
import dagster as dg
from contact_analytics.definitions import defs

with dg.DagsterInstance.ephemeral() as instance:
    defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["liveperson", "engagement"])],
        tags={{
            "dagster/asset_partition_range_start": "{DAYS[0]}",
            "dagster/asset_partition_range_end": "{DAYS[-1]}",
        }},
    )
"""


@contextmanager
def backfill(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The backfill as a process; killed when the block ends, if it has not ended by then."""
    (folder / "tmp").mkdir(exist_ok=True)
    ours = {
        "CONTACT_ANALYTICS_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BACKFILL], env=os.environ | environment(url) | ours, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def kept_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """The archived files, and what would change if one were written again."""
    found = ((path, path.stat()) for path in (folder / "archive").rglob("*.gz"))
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found}


def kill_when(moment: Callable[[], bool], folder: Path, url: str) -> None:
    """Start the backfill and kill it, with no chance to clean up, at a moment that must come before its end."""
    deadline = monotonic() + 60
    with backfill(folder, url) as process:
        while not moment():
            assert process.poll() is None, (folder / "log").read_text()
            assert monotonic() < deadline
            sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_killed_backfill_ends_like_one_that_was_never_killed(tmp_path: Path, place: Place) -> None:
    """Killed while it downloads, while it loads, and between days: same tables, no file downloaded twice, no litter."""
    folder = tmp_path / "killed"
    folder.mkdir()
    log = folder / "warehouse.duckdb.wal"
    days = folder / "archive" / "liveperson" / "engagement"
    moments: list[Callable[[], bool]] = [
        lambda: len(kept_files(folder)) >= 7,
        lambda: log.exists() and log.stat().st_size > 0 and (days / str(DAYS[1])).exists(),
        (days / str(DAYS[3]) / "manifest.json").exists,
    ]
    before: dict[Path, tuple[int, int]] = {}
    with running(scale=SCALE) as url:
        for moment in moments:
            kill_when(moment, folder, url)
            kept = kept_files(folder)
            assert before.items() <= kept.items()
            temporary = (path.read_bytes() for path in (folder / "tmp").rglob("*") if path.is_file())
            assert not any(b"conversation_id" in content for content in temporary)
            before = kept
        with backfill(folder, url) as process:
            assert process.wait(120) == 0, (folder / "log").read_text()
    after = kept_files(folder)
    assert before.items() <= after.items()

    place.app = LivePersonDataAccess(scale=SCALE)
    place.folder = tmp_path / "never killed"
    place.folder.mkdir()
    assert place.materialize("engagement", DAYS[0], DAYS[-1]).ok
    with (
        duckdb.connect(str(folder / "warehouse.duckdb")) as killed,
        duckdb.connect(str(place.folder / "warehouse.duckdb")) as never,
    ):
        rows = killed.execute(ROWS).fetchall()
        assert rows == never.execute(ROWS).fetchall()
        assert len(rows) == sum(len(place.app.records("engagement", day)) for day in DAYS)
        state = "select partition_date, state, files, file_names, rows, digest from meta.extractions order by all"
        assert killed.execute(state).fetchall() == never.execute(state).fetchall()
    assert {path.relative_to(folder) for path in after} == {
        path.relative_to(place.folder) for path in kept_files(place.folder)
    }
