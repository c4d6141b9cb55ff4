"""Many machines in miniature: Dagster in PostgreSQL, runs as Celery's tasks on two workers, one lake."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import httpx
import pytest
import redis

from contact_analytics.lib.tables import row_digest
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.sandbox.dagster_processes import (
    ROOT,
    Dagster,
    DagsterRefused,
    celery_worker,
    dagster_dev,
    dagster_home,
    kill,
)
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.lakes import postgres_database
from contact_analytics_tests.postgres_server import postgres_server
from contact_analytics_tests.waiting import until

DAYS = 3
# Two of an API that lists files, two of one that takes one export of a tenant at a time.
TABLES = ("liveperson.agent_activity", "liveperson.survey", "nice_cxone.qm_workflows", "nice_cxone.qm_questions")
LAST = datetime.now(UTC).date() - timedelta(days=1)
FIRST = LAST - timedelta(days=DAYS - 1)
# What of a run tells what became of it.
_TOLD = ("assetSelection", "status", "startTime", "endTime", "runId", "rootRunId")
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


@dataclass(frozen=True)
class Machines:
    """Dagster over an empty lake and a small sandbox, the environment of all machines, and their folder."""

    dagster: Dagster
    settings: dict[str, str]
    folder: Path
    vendors: str

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        with celery_worker(self.settings, name, self.folder / f"{name}.log") as started:
            yield started

    def launch(self) -> None:
        """A run of each table."""
        for table in TABLES:
            self.dagster.launch([table], FIRST, LAST)

    def runs(self, status: str) -> list[dict[str, Any]]:
        return [run for run in self.dagster.runs() if run["status"] == status]

    def wait_for_success(self, seconds: float) -> None:
        """Of a run of each table; else the test has failed, with what the machines said."""

        def came() -> bool:
            # Of a database that was restarted the UI's server hears by a connection that fails.
            with suppress(DagsterRefused):
                done = {".".join(key["path"]) for run in self.runs("SUCCESS") for key in run["assetSelection"]}
                return done >= set(TABLES)
            return False

        until(came, seconds, self.said)

    def has_stored(self) -> bool:
        """Whether a day is in the lake."""
        with self.lake().reading() as connection, suppress(duckdb.CatalogException):
            return connection.execute("select count(*) > 0 from meta.extractions").fetchall() == [(True,)]
        return False

    def lake(self) -> WarehouseResource:
        return WarehouseResource(
            database=self.settings["CONTACT_ANALYTICS_WAREHOUSE"],
            lake_data=self.settings["CONTACT_ANALYTICS_LAKE_DATA"],
        )

    def check_tables(self) -> None:
        """Each is what one process makes of the same days, and CXone has seen no export too soon, nor two at once."""
        assert httpx.get(f"{self.vendors}/sandbox/violations").json() == []
        expected = rows_of(alone(self.folder, self.settings))
        assert rows_of(self.lake()) == expected
        assert all(rows for rows, _ in expected.values())

    def said(self) -> str:
        """Of each run what became of it and what its log says went wrong, and the end of each process's own log."""
        runs: list[object] = []
        with suppress(DagsterRefused):
            for run in self.dagster.runs():
                runs += [[run[name] for name in _TOLD], *self.dagster.failures(run["runId"])]
        logs = [path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.log")]
        return "\n".join(map(str, [*runs, *logs]))


@contextmanager
def machines(folder: Path, storage: str, catalog: str, *, gone_after_seconds: int) -> Iterator[Machines]:
    """They, by two databases: Dagster's and the lake's. There is no worker yet."""
    with running(scale=0.05) as url, broker() as names:
        host, port, user, database = (word.partition("=")[2] for word in storage.split())
        settings = {
            **environment(url),
            **names,
            "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://{user}@{host}:{port}/{database}",
            "DAGSTER_HOME": str(_home(folder / "dagster", gone_after_seconds)),
            "CONTACT_ANALYTICS_WAREHOUSE": f"ducklake:postgres:{catalog}",
            "CONTACT_ANALYTICS_LAKE_DATA": str(folder / "lake"),
            "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
            "CONTACT_ANALYTICS_REPORTS": str(folder / "reports"),
            "CONTACT_ANALYTICS_START_DATE": str(FIRST),
            "CONTACT_ANALYTICS_RETRY_WAIT_SECONDS": "0.1",
        }
        with dagster_dev(settings, folder / "dagster.log") as dagster:
            yield Machines(dagster, settings, folder, url)


def _home(folder: Path, gone_after_seconds: int) -> Path:
    """The deployment's settings, but that a dead worker is looked for often, and given up after so long."""
    settings = dagster_home(folder, "celery/dagster.yaml") / "dagster.yaml"
    text = settings.read_text()
    for name, number in (("gone_after_seconds: 300", gone_after_seconds), ("poll_interval_seconds: 10", 2)):
        assert name in text
        text = text.replace(name, f"{name.partition(':')[0]}: {number}")
    settings.write_text(text)
    return folder


def rows_of(warehouse: WarehouseResource) -> dict[str, tuple[int, int | None]]:
    """Of each table the number of its rows and their digest, without what differs from load to load."""
    with warehouse.reading() as connection:
        return {table: row_digest(connection, f"(select * exclude ({_OWN}) from {table})") for table in TABLES}


def alone(folder: Path, settings: dict[str, str]) -> WarehouseResource:
    """The same days by one process, in a DuckDB file."""
    warehouse = WarehouseResource(database=str(folder / "alone.duckdb"))
    own = {
        "CONTACT_ANALYTICS_WAREHOUSE": warehouse.database,
        "CONTACT_ANALYTICS_ARCHIVE": str(folder / "alone"),
        "DAGSTER_HOME": str(dagster_home(folder / "alone_dagster", "dagster.yaml")),
    }
    keys = " or ".join(f'key:"{table.replace(".", "/")}"' for table in TABLES)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "contact_analytics.definitions"]
    command += ["--select", keys, "--partition-range", f"{FIRST}...{LAST}"]
    subprocess.run(command, cwd=ROOT, env=os.environ | settings | own, capture_output=True, timeout=120, check=True)
    return warehouse


def steps_of(instance: dg.DagsterInstance, run_id: str) -> tuple[float, float]:
    """When the one step of a run began and ended, in epoch seconds."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
    times = [record.timestamp for record in instance.all_logs(run_id, of_type=kinds)]
    return min(times), max(times)


def test_a_worker_is_killed_and_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is begun anew by another, and two tables of one API are never extracted at once, whoever has them."""
    with (
        postgres_database() as storage,
        postgres_database() as catalog,
        machines(tmp_path, storage, catalog, gone_after_seconds=15) as deployed,
        ExitStack() as workers,
    ):
        first = workers.enter_context(deployed.worker("first"))
        deployed.launch()
        until(lambda: bool(deployed.runs("STARTED")), 90, deployed.said)
        kill(first)
        [lost] = [run["runId"] for run in deployed.runs("STARTED")]
        for name in ("second", "third"):
            workers.enter_context(deployed.worker(name))
        deployed.wait_for_success(420)
        assert [run["runId"] for run in deployed.runs("FAILURE")] == [lost]
        again = [run for run in deployed.dagster.runs() if run["rootRunId"] not in (None, run["runId"])]
        assert [run["rootRunId"] for run in again] == [lost]
        deployed.check_tables()
        for name in ("DAGSTER_POSTGRES_URL", "DAGSTER_CELERY_BROKER", "DAGSTER_CELERY_BACKEND"):
            monkeypatch.setenv(name, deployed.settings[name])
        with dg.DagsterInstance.from_config(deployed.settings["DAGSTER_HOME"]) as instance:
            ended = {run.run_id: run for run in instance.get_runs() if run.status is dg.DagsterRunStatus.SUCCESS}
            times = {next(iter(run.asset_selection or ())): steps_of(instance, each) for each, run in ended.items()}
        for tables in (TABLES[:2], TABLES[2:]):
            (began, end), (other, other_end) = (times[dg.AssetKey(table.split("."))] for table in tables)
            assert end <= other or other_end <= began


def test_the_database_is_restarted_and_nothing_is_missing(tmp_path: Path) -> None:
    """Dagster's and the lake's, as by a crash while days are stored: what was under way ends as if it had not been."""
    with (
        postgres_server() as server,
        machines(tmp_path, server.database("storage"), server.database("catalog"), gone_after_seconds=60) as deployed,
        deployed.worker("first"),
        deployed.worker("second"),
    ):
        deployed.launch()
        until(lambda: deployed.has_stored() and bool(deployed.runs("STARTED")), 90, deployed.said)
        server.restart()
        deployed.wait_for_success(420)
        deployed.check_tables()
