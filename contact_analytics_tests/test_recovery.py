"""A backfill that is killed anywhere, and launched again, ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pytest

from contact_analytics.lib.dataset import Dataset
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.fakes import MODULES, MessagingPlace, Place, days_ago

DAYS = [days_ago(back) for back in (7, 6, 5, 4, 3)]
NOW = datetime.now(UTC)
BACKFILL = f"""
import sys
import dagster as dg
from contact_analytics.definitions import defs

with dg.DagsterInstance.ephemeral() as instance:
    defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["liveperson", sys.argv[1]])],
        tags={{
            "dagster/asset_partition_range_start": "{DAYS[0]}",
            "dagster/asset_partition_range_end": "{DAYS[-1]}",
        }},
    )
"""


@contextmanager
def backfill(folder: Path, name: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
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
            [sys.executable, "-c", BACKFILL, name], env=os.environ | environment(url) | ours, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def kept_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """The archived files, and what would change if one were written again."""
    files = (path for path in (folder / "archive").rglob("2*/*") if not path.name.startswith((".", "manifest")))
    found = ((path, path.stat()) for path in files)
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found}


def kill_when(moment: Callable[[], bool], folder: Path, name: str, url: str) -> None:
    """Start the backfill and kill it, with no chance to clean up, at a moment that must come before its end."""
    deadline = monotonic() + 60
    with backfill(folder, name, url) as process:
        while not moment():
            assert process.poll() is None, (folder / "log").read_text()
            assert monotonic() < deadline
            sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def state(dataset: Dataset, apart_from: str) -> tuple[str, str]:
    """Queries for what a table holds and what is known of its days, without what no two runs share."""
    unlike = f"_extracted_at, _run_id, {apart_from}" if apart_from else "_extracted_at, _run_id"
    rows = f"select * exclude ({unlike}) from {dataset.sql_name} order by all"
    files = "" if apart_from else ", file_names, digest"
    return rows, f"select partition_date, state, files, rows, vendor_count{files} from meta.extractions order by all"


def kill_thrice(folder: Path, name: str, url: str) -> None:
    """Kill a backfill while it downloads, while it loads, and between days; then let it end.

    No file is fetched twice, and no half-written content is left behind.
    """
    log = folder / "warehouse.duckdb.wal"
    days = folder / "archive" / "liveperson" / name
    moments: list[Callable[[], bool]] = [
        lambda: len(kept_files(folder)) >= 7,
        lambda: log.exists() and log.stat().st_size > 0 and (days / str(DAYS[1])).exists(),
        (days / str(DAYS[3]) / "manifest.json").exists,
    ]
    before: dict[Path, tuple[int, int]] = {}
    for moment in moments:
        kill_when(moment, folder, name, url)
        kept = kept_files(folder)
        assert before.items() <= kept.items()
        temporary = (path.read_bytes() for path in (folder / "tmp").rglob("*") if path.is_file())
        assert not any(b"conversation_id" in content for content in temporary)
        before = kept
    with backfill(folder, name, url) as process:
        assert process.wait(120) == 0, (folder / "log").read_text()
    assert before.items() <= kept_files(folder).items()


@pytest.mark.parametrize("name", ["engagement", "conversations"])
def test_a_killed_backfill_ends_like_one_that_was_never_killed(tmp_path: Path, place: Place, name: str) -> None:
    """The same tables, and as many files."""
    scale = {"engagement": 0.05, "conversations": 0.4}[name]
    folder = tmp_path / "killed"
    folder.mkdir()
    with running(scale=scale, now=NOW.isoformat()) as url:
        kill_thrice(folder, name, url)

    never = tmp_path / "never killed"
    never.mkdir()
    if name == "engagement":
        place.app, place.folder = LivePersonDataAccess(scale=scale, now=lambda: NOW), never
    else:
        place = MessagingPlace(never, place.instance, LivePersonMessaging(scale=scale, now=lambda: NOW))
    assert place.materialize(name, DAYS[0], DAYS[-1]).ok
    with (
        duckdb.connect(str(folder / "warehouse.duckdb")) as killed,
        duckdb.connect(str(never / "warehouse.duckdb")) as whole,
    ):
        # The names of searches say when they were asked.
        for query in state(MODULES[name].DATASET, "_source_file" if name == "conversations" else ""):
            rows = killed.execute(query).fetchall()
            assert rows
            assert rows == whole.execute(query).fetchall()
    assert len(kept_files(folder)) == len(kept_files(never))
