"""Many machines in miniature: Dagster in PostgreSQL, runs as Celery's tasks on two workers, one lake."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis

from contact_analytics.lib.tables import row_digest
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.sandbox.dagster_processes import ROOT, Dagster, celery_worker, dagster_dev, dagster_home, kill
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.lakes import postgres_database
from contact_analytics_tests.waiting import until

DAYS = 3
TABLES = ("liveperson.agent_activity", "liveperson.survey", "nice_cxone.qm_workflows")
LAST = datetime.now(UTC).date() - timedelta(days=1)
FIRST = LAST - timedelta(days=DAYS - 1)
# What tells when, by whom and from which request a row was loaded.
_OWN = "_extracted_at, _run_id, _source_file"


@contextmanager
def broker() -> Iterator[dict[str, str]]:
    """Two empty databases of the Redis that the environment names or that is on loopback, for messages and results."""
    url = os.environ.get("CONTACT_ANALYTICS_TEST_REDIS") or "redis://127.0.0.1:6379"
    names = {"DAGSTER_CELERY_BROKER": f"{url}/14", "DAGSTER_CELERY_BACKEND": f"{url}/15"}
    clients = [redis.Redis.from_url(each) for each in names.values()]
    try:
        for client in clients:
            client.flushdb()
    except redis.ConnectionError as error:
        pytest.skip(f"no Redis at CONTACT_ANALYTICS_TEST_REDIS, which is {url!r}: {error}")
    yield names
    for client in clients:
        client.flushdb()
        client.close()


@contextmanager
def machines(folder: Path) -> Iterator[tuple[Dagster, dict[str, str]]]:
    """Dagster over an empty lake and a small sandbox, no worker yet; and the environment of all machines."""
    with running(scale=0.05) as url, broker() as names, postgres_database() as storage, postgres_database() as catalog:
        host, port, user, database = (word.partition("=")[2] for word in storage.split())
        settings = {
            **environment(url),
            **names,
            "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://{user}@{host}:{port}/{database}",
            "DAGSTER_HOME": str(_home(folder / "dagster")),
            "CONTACT_ANALYTICS_WAREHOUSE": f"ducklake:postgres:{catalog}",
            "CONTACT_ANALYTICS_LAKE_DATA": str(folder / "lake"),
            "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
            "CONTACT_ANALYTICS_REPORTS": str(folder / "reports"),
            "CONTACT_ANALYTICS_START_DATE": str(FIRST),
            "CONTACT_ANALYTICS_RETRY_WAIT_SECONDS": "0.1",
        }
        with dagster_dev(settings, folder / "dagster.log") as dagster:
            yield dagster, settings


def _home(folder: Path) -> Path:
    """The deployment's settings, but that a dead worker is looked for often, and given up at once."""
    settings = dagster_home(folder, "celery/dagster.yaml") / "dagster.yaml"
    text = settings.read_text()
    for name, number in (("gone_after_seconds: 300", 1), ("poll_interval_seconds: 10", 2)):
        assert name in text
        text = text.replace(name, f"{name.partition(':')[0]}: {number}")
    settings.write_text(text)
    return folder


def rows_of(warehouse: WarehouseResource) -> dict[str, tuple[int, int | None]]:
    """Of each table the number of its rows and their digest, without what differs from load to load."""
    with warehouse.reading() as connection:
        return {table: row_digest(connection, f"(select * exclude ({_OWN}) from {table})") for table in TABLES}


def alone(folder: Path, settings: dict[str, str]) -> WarehouseResource:
    """The same days in one process after the other, in a DuckDB file."""
    warehouse = WarehouseResource(database=str(folder / "alone.duckdb"))
    own = {
        "CONTACT_ANALYTICS_WAREHOUSE": warehouse.database,
        "CONTACT_ANALYTICS_ARCHIVE": str(folder / "alone"),
        "DAGSTER_HOME": str(dagster_home(folder / "alone_dagster", "dagster.yaml")),
    }
    for table in TABLES:
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "contact_analytics.definitions"]
        command += ["--select", f'key:"{table.replace(".", "/")}"', "--partition-range", f"{FIRST}...{LAST}"]
        subprocess.run(command, cwd=ROOT, env=os.environ | settings | own, capture_output=True, timeout=120, check=True)
    return warehouse


def steps_of(instance: dg.DagsterInstance, run_id: str) -> tuple[float, float]:
    """When the one step of a run began and ended, in epoch seconds."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
    times = [record.timestamp for record in instance.all_logs(run_id, of_type=kinds)]
    return min(times), max(times)


def test_a_worker_is_killed_and_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is begun anew by another, and each table is what one process makes of the same days.

    Two tables of one API are never extracted at once, whichever worker has them.
    """
    with machines(tmp_path) as (dagster, settings), ExitStack() as workers:
        first = workers.enter_context(celery_worker(settings, "first", tmp_path / "first.log"))
        for table in TABLES:
            dagster.launch([table], FIRST, LAST)

        def states() -> list[tuple[str, str]]:
            return [(run["status"], run["runId"]) for run in dagster.runs()]

        until(lambda: any(state == "STARTED" for state, _ in states()), 90, states)
        [lost] = [run for state, run in states() if state == "STARTED"]
        kill(first)
        for name in ("second", "third"):
            workers.enter_context(celery_worker(settings, name, tmp_path / f"{name}.log"))

        def succeeded() -> list[dict[str, Any]]:
            return [run for run in dagster.runs() if run["status"] == "SUCCESS"]

        until(lambda: len(succeeded()) == len(TABLES), 240, lambda: (states(), _log(tmp_path)))
        by_id = {run["runId"]: run for run in dagster.runs()}
        assert by_id[lost]["status"] == "FAILURE"
        again = [run for run in dagster.runs() if run["rootRunId"] not in (None, run["runId"])]
        assert [run["rootRunId"] for run in again] == [lost]

        stored = WarehouseResource(
            database=settings["CONTACT_ANALYTICS_WAREHOUSE"], lake_data=settings["CONTACT_ANALYTICS_LAKE_DATA"]
        )
        expected = rows_of(alone(tmp_path, settings))
        assert rows_of(stored) == expected
        assert all(rows for rows, _ in expected.values())

        monkeypatch.setenv("DAGSTER_POSTGRES_URL", settings["DAGSTER_POSTGRES_URL"])
        for name in ("DAGSTER_CELERY_BROKER", "DAGSTER_CELERY_BACKEND"):
            monkeypatch.setenv(name, settings[name])
        with dg.DagsterInstance.from_config(settings["DAGSTER_HOME"]) as instance:
            ended = {run.run_id: run for run in instance.get_runs() if run.status is dg.DagsterRunStatus.SUCCESS}
            times = {next(iter(run.asset_selection or ())): steps_of(instance, each) for each, run in ended.items()}
        (began, end), (other, other_end) = (times[dg.AssetKey(table.split("."))] for table in TABLES[:2])
        assert end <= other or other_end <= began


def _log(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace")[-1500:] for path in folder.glob("*.log"))
