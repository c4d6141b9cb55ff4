"""Thirty days of daily tables, each backfilled in one run: wall time, Dagster's share of it, runs and calls."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import httpx

from benchmarks.days import ROOT, measured, settings_of
from contact_analytics.catalog import DATASETS
from contact_analytics.sandbox.serve import running

_DAYS = 30
_TABLES = tuple(dataset.table for dataset in DATASETS)
_WAIT_SECONDS = 3600
_LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } } }"""
_STATE = """query ($id: String!, $filter: RunsFilter!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
  runsOrError(filter: $filter) { ... on Runs { results { status startTime endTime } } } }"""


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
    days = [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]
    paths = [{"path": table.split(".")} for table in _TABLES]
    with _dagster(settings) as ask:
        started = perf_counter()
        params = {"assetSelection": paths, "partitionNames": days, "tags": []}
        launched = ask(_LAUNCH, {"params": params})["launchPartitionBackfill"]
        backfill = launched["backfillId"]
        tags = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
        while perf_counter() - started < _WAIT_SECONDS:
            sleep(1)
            state = ask(_STATE, {"id": backfill, "filter": tags})
            if state["partitionBackfillOrError"]["status"].startswith(("COMPLETED", "FAILED")):
                break
        seconds = perf_counter() - started
    runs = state["runsOrError"]["results"]
    if {run["status"] for run in runs} != {"SUCCESS"}:
        raise SystemExit(f"the backfill ended as {state}")
    return {
        "seconds": round(seconds),
        "runs": len(runs),
        "seconds_of_runs": round(sum(run["endTime"] - run["startTime"] for run in runs)),
    }


@contextmanager
def _dagster(settings: dict[str, str]) -> Generator[Any]:
    """Dagster's daemon and webserver over the project, and a way to ask them."""
    home = Path(settings["DAGSTER_HOME"])
    home.mkdir(parents=True)
    shutil.copyfile(ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command: Sequence[str] = [str(Path(sys.executable).with_name("dagster")), "dev", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-w", "workspace.yaml"],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def ask(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        if "errors" in answer:
            raise SystemExit(f"Dagster answers {answer['errors']}")
        return answer["data"]

    try:
        deadline = perf_counter() + 120
        while perf_counter() < deadline:
            try:
                ask("query { version }", {})
                break
            except httpx.TransportError:
                sleep(1)
        yield ask
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
