"""Thirty days of daily tables, each backfilled in one run: wall time, Dagster's share of it, runs and calls."""

import json
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from benchmarks.days import measured, settings_of
from contact_analytics.catalog import DATASETS
from contact_analytics.sandbox.dagster_processes import dagster_dev, dagster_home
from contact_analytics.sandbox.serve import running

_DAYS = 30
_TABLES = tuple(dataset.table for dataset in DATASETS)
_WAIT_SECONDS = 3600
_STATE = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""


def month(scale: float, _: int) -> dict[str, Any]:
    """From the command line, a process a table; then all of it as one backfill of the daemon's, into another warehouse.

    Dagster's events go to SQLite, as on one machine they do.
    """
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=_DAYS - 1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, running(scale=scale) as url:
        folder = Path(name)
        settings = settings_of(url, folder, folder / "archive", first)
        for table in _TABLES:
            started = perf_counter()
            words = table, str(first), str(last), "--source", "vendor"
            run = measured("benchmarks.asset_run", *words, "--replay", settings=settings)
            replay = run.pop("replay_seconds")
            run["process_seconds"] = perf_counter() - started - replay
            run["dagster_share"] = round(replay / run["seconds"], 2)
            found[table] = {key: round(value, 2) for key, value in run.items()}
            print(table, json.dumps(found[table]), flush=True)
        other = settings_of(url, folder / "daemon", folder / "daemon" / "archive", first)
        return {"tables": found, "daemon": _by_daemon(other, first, last)}


def _by_daemon(settings: dict[str, str], first: date, last: date) -> dict[str, Any]:
    """One backfill of all tables, launched as the UI launches it: seconds until it is done, and its runs."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    dagster_home(Path(settings["DAGSTER_HOME"]), "dagster.yaml")
    with dagster_dev(settings) as dagster:
        started = perf_counter()
        backfill, status = dagster.backfill(_TABLES, days), ""
        while not status.startswith(("COMPLETED", "FAILED")) and perf_counter() - started < _WAIT_SECONDS:
            sleep(1)
            status = dagster.ask(_STATE, id=backfill)["partitionBackfillOrError"]["status"]
        seconds, runs = perf_counter() - started, dagster.runs()
    if {run["status"] for run in runs} != {"SUCCESS"}:
        raise SystemExit(f"the backfill ended as {status}, its runs as {runs}")
    return {
        "seconds": round(seconds),
        "runs": len(runs),
        "seconds_of_runs": round(sum(run["endTime"] - run["startTime"] for run in runs)),
    }
