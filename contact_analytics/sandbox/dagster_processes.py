"""Dagster over this project as processes, for measurements and tests: its daemon and UI, and Celery's workers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from contact_analytics.lib.day_range import range_tags

ROOT = Path(__file__).parents[2]
_START_SECONDS, _STOP_SECONDS, _ASK_SECONDS = 120, 30, 60
_LAUNCH = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } } }"""
_RUNS = """query { runsOrError { ... on Runs { results { runId status startTime endTime rootRunId
  assetSelection { path } tags { key value } } } } }"""
_FAILURES = """query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename
  ... on MessageEvent { message level } ... on ExecutionStepFailureEvent { error { message } }
  ... on EngineEvent { error { message } } } } } }"""


class DagsterRefused(Exception):
    """What Dagster answers to a question that it does not understand, or to what it cannot launch."""


@dataclass(frozen=True)
class Dagster:
    """A running `dagster dev`, asked as its UI asks it."""

    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer. Raises `DagsterRefused` for errors."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=_ASK_SECONDS)
        found = answer.json()
        if "errors" in found:
            raise DagsterRefused(str(found["errors"]))
        return found["data"]

    def launch(self, tables: Sequence[str], first: date, last: date, location: str = "contact_analytics") -> str:
        """One run of the days of some tables (`vendor.table`, an account's `account.vendor.table`); its id."""
        params = {
            "selector": {
                "repositoryLocationName": location,
                "repositoryName": "__repository__",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": table.split(".")} for table in tables],
            },
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in range_tags(first, last).items()]},
        }
        launched = self.ask(_LAUNCH, params=params)["launchPipelineExecution"]
        if "run" not in launched:
            raise DagsterRefused(str(launched))
        return launched["run"]["runId"]

    def backfill(self, tables: Sequence[str], days: Sequence[date]) -> str:
        """One backfill, as the UI's button launches it; its id."""
        paths = [{"path": table.split(".")} for table in tables]
        params = {"assetSelection": paths, "partitionNames": [str(day) for day in days], "tags": []}
        launched = self.ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        if "backfillId" not in launched:
            raise DagsterRefused(str(launched))
        return launched["backfillId"]

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first: `runId`, `status`, `startTime` and `endTime` in epoch seconds and more."""
        return self.ask(_RUNS)["runsOrError"]["results"]

    def failures(self, run_id: str) -> list[str]:
        """What a run's log says of what went wrong in it."""
        # Of a run whose log cannot be read there are none.
        events = self.ask(_FAILURES, id=run_id)["logsForRun"].get("events", [])
        return [
            f"{event['message']} {(event.get('error') or {}).get('message', '')}"
            for event in events
            if event.get("error") or event["level"] in {"WARNING", "ERROR", "CRITICAL"}
        ]


def dagster_home(folder: Path, settings: str) -> Path:
    """A folder for `DAGSTER_HOME` with instance settings of `deploy/`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "deploy" / settings, folder / "dagster.yaml")
    return folder


@contextmanager
def dagster_dev(
    settings: Mapping[str, str], log: Path | None = None, workspace: Path = ROOT / "workspace.yaml"
) -> Generator[Dagster]:
    """The daemon and the webserver, with these environment variables, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    with process(words, settings, log):
        dagster, deadline = Dagster(f"http://127.0.0.1:{port}"), monotonic() + _START_SECONDS
        while True:
            try:
                dagster.ask("query { version }")
                break
            except (httpx.TransportError, ValueError):
                if monotonic() > deadline:
                    raise
                sleep(0.5)
        yield dagster


@contextmanager
def celery_worker(
    settings: Mapping[str, str], name: str, log: Path | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A worker that runs one run at a time, as on a machine of its own, until the block ends.

    Each run has a process of its own, as one process works for one account.
    """
    words = ["dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", "deploy/celery/worker.yaml"]
    with process([*words, "-n", name, "--", "--concurrency=1", "--max-tasks-per-child=1"], settings, log) as started:
        yield started


@contextmanager
def process(
    words: Sequence[str], settings: Mapping[str, str], log: Path | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A command of this environment over this project, with all that it starts, until the block ends."""
    programs = Path(sys.executable).parent
    # As in an environment that is activated: such commands start others by their names.
    path = {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    with (log or Path(os.devnull)).open("ab") as out:
        started = subprocess.Popen(  # noqa: S603 - a command of our own environment
            [str(programs / words[0]), *words[1:]],
            cwd=ROOT,
            env=os.environ | path | dict(settings),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill(started)


def kill(started: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started at once, as a machine that loses power does."""
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
