"""An export that was submitted is taken up by whoever comes next, as the vendor has no way to submit it only once."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.serve import running
from contact_analytics_tests.export_places import KhorosPlace, SandboxedReports
from contact_analytics_tests.fakes import Wire, days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held

DAY = days_ago(9)
NAME = "response"


@dataclass
class Deadly:
    """An app at whose address a run dies: once, before the request arrives."""

    app: Any
    part: str

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.part and self.part in request.url.raw_path.decode():
            self.part = ""
            raise httpx.InvalidURL("the sandbox ends this run")
        return self.app(request)


class DeadlyReports(SandboxedReports):
    """A resource whose requests end in an app that ends a run."""

    def transport(self) -> httpx.BaseTransport:
        return Wire(Deadly(self.apps[self.company_key], "/status?"))


def tenants(place: KhorosPlace) -> str:
    return _noted(place.folder)


def dying(place: KhorosPlace) -> Any:
    given = place.reports()
    fields = {name: getattr(given, name) for name in type(given).model_fields}
    return DeadlyReports(**fields)


def test_a_run_takes_up_what_another_has_submitted(care: KhorosPlace) -> None:
    """One submission in all; the note is gone once the file is here, and never held a credential."""
    died = care.materialize(NAME, DAY, resources={"khoros_care_analytics_reports": dying(care)})
    assert not died.ok
    assert len(care.app.submissions) == 1
    noted = tenants(care)
    assert care.app.submissions[0]["run_id"] in noted
    for secret in (care.app.username, care.app.password, "companyKey", "analyticsAccessToken", care.app.company_key):
        assert secret not in noted
    run = care.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(care.app.submissions) == 1
    assert held(care, NAME, DAY) == expected(NAME, care.sent(NAME, DAY)) != []
    assert care.app.submissions[0]["run_id"] not in tenants(care)


@pytest.mark.parametrize("other", [{"report_format": "csv"}, {"priorities": [1]}, {"locale": "en"}])
def test_an_export_of_other_options_is_not_taken_up(care: KhorosPlace, other: dict[str, Any]) -> None:
    """It is another file: a run that asks for something else submits its own."""
    assert not care.materialize(NAME, DAY, resources={"khoros_care_analytics_reports": dying(care)}).ok
    run = care.materialize(NAME, DAY, **other)
    assert run.ok, run.problem
    assert len(care.app.submissions) == 2
    assert not care.materialize(NAME, days_ago(8), resources={"khoros_care_analytics_reports": dying(care)}).ok
    assert len(care.app.submissions) == 3


@pytest.mark.parametrize("kind", ["failed", "lost", "expired"])
def test_what_came_to_nothing_meanwhile_is_submitted_anew(care: KhorosPlace, kind: str) -> None:
    """An export that ended badly while nobody looked is not waited for."""
    care.app.faults.append(Fault("", kind))
    assert not care.materialize(NAME, DAY, resources={"khoros_care_analytics_reports": dying(care)}).ok
    run = care.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(care.app.submissions) == (1 if kind == "expired" else 2)
    assert held(care, NAME, DAY) == expected(NAME, care.sent(NAME, DAY)) != []


def test_an_export_that_timed_out_is_taken_up_once_it_has_ended(open_care: Open) -> None:
    """The next run looks at it once more before it submits another."""
    place = open_care({"deadline_minutes": 0.002, "poll_seconds": 0.05}, running_polls=4)
    assert not place.materialize(NAME, DAY).ok
    [job] = place.app._jobs.values()  # pyright: ignore[reportPrivateUsage]
    job.polls = 0
    patient = KhorosPlace(place.folder, place.instance, place.app, {"deadline_minutes": 1})
    run = patient.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(place.app.submissions) == 1


_RUN = """
import sys
from datetime import date
from pathlib import Path
import dagster as dg
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics_tests.fakes import impatient

folder, url, poll = sys.argv[1], sys.argv[2], float(sys.argv[3])
place = KhorosPlace(Path(folder), dg.DagsterInstance.ephemeral())
reports = KhorosCareAnalyticsReportsResource(
    url=url, company_key=place.app.company_key, username=place.app.username, password=place.app.password,
    poll_seconds=poll, calls_per_minute=100_000, tenant_folder=f"{folder}/tenants",
)
run = place.materialize(
    "response", date.fromisoformat(sys.argv[4]), resources={"khoros_care_analytics_reports": reports}
)
sys.exit(0 if run.ok else run.problem)
"""


def test_a_killed_process_leaves_its_export_to_the_next(open_care: Open, tmp_path: Path) -> None:
    """Killed with no chance to tidy up; over a network, as two processes, of which the second may not submit."""
    place = open_care()
    with running(scale=place.app.scale) as url:
        command = [sys.executable, "-c", _RUN, str(tmp_path), f"{url}{place.app.base_path}"]
        first = subprocess.Popen([*command, "60", str(DAY)], stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while "runId" not in _noted(tmp_path):
            assert first.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        first.kill()
        first.wait()
        refusal = {"path": "/reports/report/response?", "kind": "401", "times": 99}
        httpx.post(f"{url}/sandbox/faults", json=refusal).raise_for_status()
        second = subprocess.run([*command, "0", str(DAY)], check=False, timeout=100, capture_output=True, text=True)
        assert second.returncode == 0, second.stderr
    assert held(place, NAME, DAY) == expected(NAME, place.sent(NAME, DAY)) != []


def _noted(folder: Path) -> str:
    return "".join(path.read_text() for path in (folder / "tenants").glob("*.json"))
