"""Several processes at one tenant: one that is killed leaves its export to the next, and two keep the spacing."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pytest
import uvicorn

from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics.sandbox.serve import Vendors
from contact_analytics_tests.fakes import days_ago

ROOT = Path(__file__).parents[2]
FIRST, LAST = days_ago(6), days_ago(4)
RUN = """
import sys
import dagster as dg
from contact_analytics.definitions import defs

with dg.DagsterInstance.ephemeral() as instance:
    defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["nice_cxone", sys.argv[1]])],
        tags={
            "dagster/asset_partition_range_start": sys.argv[2],
            "dagster/asset_partition_range_end": sys.argv[3],
        },
    )
"""


@dataclass
class Tenant:
    """A served sandbox whose violations can be read, and a folder that runs of their own processes fill."""

    app: NiceCxone
    url: str
    folder: Path

    def start(self, name: str, first: date, last: date, warehouse: str = "warehouse.duckdb") -> subprocess.Popen[bytes]:
        settings = {
            "CONTACT_ANALYTICS_WAREHOUSE": str(self.folder / warehouse),
            "CONTACT_ANALYTICS_ARCHIVE": str(self.folder / "archive"),
            "CONTACT_ANALYTICS_RETRY_WAIT_SECONDS": "0.05",
            "NICE_CXONE_URL": self.url,
            "NICE_CXONE_ACCESS_KEY_ID": self.app.access_key_id,
            "NICE_CXONE_ACCESS_KEY_SECRET": self.app.access_key_secret,
            "NICE_CXONE_CALL_INTERVAL_SECONDS": f"{self.app.interval + 0.3}",
            "NICE_CXONE_POLL_SECONDS": "0.2",
            "PYTHONPATH": str(ROOT),
        }
        with (self.folder / f"log-{name}").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", RUN, name, str(first), str(last)],
                env=os.environ | settings,
                stdout=log,
                stderr=log,
            )

    def finish(self, process: subprocess.Popen[bytes], name: str) -> None:
        assert process.wait(90) == 0, (self.folder / f"log-{name}").read_text()[-3000:]

    def ids(self, table: str, key: str) -> set[str]:
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            return {id for (id,) in connection.execute(f"select {key} from nice_cxone.{table}").fetchall()}

    def sent(self, entity: str, version: str, header: str) -> set[str]:
        days = [days_ago(back) for back in (6, 5, 4)]
        return {row[header] for day in days for row in self.app.rows(entity, version, day)}


@contextmanager
def served(app: NiceCxone) -> Iterator[str]:
    """An app at an address of this machine's, in a thread of this process."""
    apps = dict.fromkeys(app.prefixes, app)
    server = uvicorn.Server(uvicorn.Config(Vendors({**apps}), port=0, lifespan="off", log_level="critical", http="h11"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = monotonic() + 20
    while not server.started:
        assert monotonic() < deadline
        sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def tenant(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tenant]:
    """A tenant whose exports take `export_seconds`, and that takes one in `interval` seconds."""
    options = {"scale": 0.1, "interval": 1.0, "export_seconds": 0.5} | getattr(request, "param", {})
    app = NiceCxone(**options)
    with served(app) as url:
        yield Tenant(app, url, tmp_path)


@pytest.mark.parametrize("tenant", [{"export_seconds": 6}], indirect=True)
@pytest.mark.parametrize("again", [(FIRST, LAST), (FIRST, FIRST)], ids=["the same days", "one of them"])
def test_an_export_of_a_killed_run_is_fetched_by_the_next(tenant: Tenant, again: tuple[date, date]) -> None:
    """Killed between submission and download, with no chance to clean up: one submission in all."""
    process = tenant.start("qm_workflows", FIRST, LAST)
    deadline = monotonic() + 60
    noted = tenant.folder / "tenants"
    while not any('"jobId"' in path.read_text() for path in noted.glob("*.json")):
        assert process.poll() is None, (tenant.folder / "log-qm_workflows").read_text()[-3000:]
        assert monotonic() < deadline
        sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    tenant.finish(tenant.start("qm_workflows", *again), "qm_workflows")
    assert len(tenant.app.submissions) == 1
    assert tenant.app.violations == []
    if again == (FIRST, LAST):
        assert tenant.ids("qm_workflows", "workflow_id") == tenant.sent("qm-workflows", "4", "Workflow ID")


@pytest.mark.parametrize("tenant", [{"export_seconds": 4}], indirect=True)
def test_an_export_that_is_left_behind_is_waited_for(tenant: Tenant) -> None:
    """The vendor takes one at a time, of whichever entity, and refuses who does not wait."""
    process = tenant.start("qm_questions", FIRST, LAST)
    deadline = monotonic() + 60
    while not tenant.app.submissions:
        assert process.poll() is None, (tenant.folder / "log-qm_questions").read_text()[-3000:]
        assert monotonic() < deadline
        sleep(0.01)
    sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    tenant.finish(tenant.start("qm_workflows", FIRST, LAST), "qm_workflows")
    assert [each["entityName"] for each in tenant.app.submissions] == ["qm-questions", "qm-workflows"]
    assert tenant.app.violations == []


def test_two_processes_keep_the_spacing(tenant: Tenant) -> None:
    """Started at once, they take turns: no export too early, and never two at a time."""
    names = ("qm_workflows", "recording_interaction_metadata")
    processes = [tenant.start(name, FIRST, LAST) for name in names]
    for name, process in zip(names, processes, strict=True):
        tenant.finish(process, name)
    assert {each["entityName"] for each in tenant.app.submissions} == {"qm-workflows", "recording-interaction-metadata"}
    assert len(tenant.app.submissions) == 2
    assert tenant.app.violations == []
    assert tenant.ids("qm_workflows", "workflow_id") == tenant.sent("qm-workflows", "4", "Workflow ID")
