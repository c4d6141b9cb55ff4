"""No secret of Khoros Care's leaves the program by another way than the request that it is for.

Secrets are planted in the user, the password, the tokens of links and the signatures of storage, and in what a careless
server repeats. An asset is materialized for real, with every logger at debug, and everything that it left is searched.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import dagster as dg
import httpx
import pytest

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.export_places import SandboxedReports
from contact_analytics_tests.fakes import Wire, days_ago, impatient
from contact_analytics_tests.leaks import leavings

DAY = days_ago(9)
USER, PASSWORD = "planted-user-1", "planted/password+1="
SUBMIT, STATUS, DOWNLOAD, STORAGE = "/reports/report/response?", "/status?", "/download?", "/khoros-storage/"
MODES: dict[str, list[Fault]] = {
    "success": [],
    "retried": [Fault(SUBMIT, "503"), Fault(STATUS, "connection"), Fault(DOWNLOAD, "429"), Fault(STORAGE, "cut_file")],
    "expired": [Fault("", "expired")],
    "refused": [Fault(SUBMIT, "401", times=99)],
    "forbidden": [Fault(STATUS, "403", times=99)],
    "silent": [Fault(STORAGE, "timeout", times=99)],
    "dead link": [Fault("", "dead_link", times=99)],
    "failed": [Fault("", "failed", times=99)],
    "hangs": [Fault("", "hangs", times=99)],
    "moved": [Fault(SUBMIT, "redirect", value="https://login.example/?X-Signature=planted%2Flink")],
    "moved away": [Fault(DOWNLOAD, "redirect", value="http://login.example/?X-Signature=planted%2Flink", times=9)],
    "not utf8": [Fault("", "not_utf8")],
}
SUCCEEDING = {
    "success",
    "retried",
    "expired",
    "not utf8",
}


class Careless:
    """The sandbox, with errors that repeat what they were sent; it notes what must not be seen."""

    def __init__(self, faults: list[Fault]) -> None:
        self.app = KhorosCare(
            scale=0.02, username=USER, password=PASSWORD, calls_per_minute=100_000, faults=faults, company_key="leaky"
        )
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.secrets = {USER, PASSWORD, basic, "planted", "analyticsAccessToken=", "X-Amz-Signature="}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._note(request.url.params)
        answer = self.app(request)
        if "Location" in answer.headers:
            self._note(httpx.URL(answer.headers["Location"]).params)
        if answer.is_error:
            header = request.headers.get("Authorization", "")
            said = f"{answer.text} Not accepted: {header} {unquote(header)} {request.url}"
            return httpx.Response(answer.status_code, headers={"X-Sent": header, "X-Url": str(request.url)}, text=said)
        return answer

    def _note(self, params: httpx.QueryParams) -> None:
        self.secrets |= {params[name] for name in ("analyticsAccessToken", "X-Amz-Signature") if name in params}

    def needles(self) -> Iterator[bytes]:
        """Every secret in every form that a log could have it in."""
        for secret in self.secrets:
            plain = secret.encode()
            yield from (plain, quote(secret, safe="").encode(), plain.replace(b"/", b"\\/"))


class LeakyReports(SandboxedReports):
    """The real resource, whose requests end in a careless app."""

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.company_key])


@pytest.mark.parametrize("mode", MODES)
def test_no_secret_is_left_anywhere(
    mode: str,
    tmp_path: Path,
    kept_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither credential, nor token, nor signature, whether the run succeeds or how it fails."""
    vendor = Careless([replace(fault) for fault in MODES[mode]])
    LeakyReports.apps[vendor.app.company_key] = vendor  # type: ignore[assignment]
    monkeypatch.setenv("KHOROS_CARE_USERNAME", USER)
    monkeypatch.setenv("KHOROS_CARE_PASSWORD", PASSWORD)
    reports = LeakyReports(
        company_key=vendor.app.company_key,
        username=dg.EnvVar("KHOROS_CARE_USERNAME"),
        password=dg.EnvVar("KHOROS_CARE_PASSWORD"),
        poll_seconds=0.01,
        retry_wait_seconds=0,
        calls_per_minute=100_000,
        deadline_minutes=0.005 if mode == "hangs" else 60,
        tenant_folder=str(tmp_path / "tenants"),
    )
    resources = {
        "archive": ArchiveResource(root=str(tmp_path / "archive")),
        "warehouse": WarehouseResource(database=str(tmp_path / "warehouse.duckdb")),
        "khoros_care_analytics_reports": reports,
    }
    left = leavings(impatient("response"), kept_instance, resources, tmp_path, capfd=capfd, day=DAY)
    assert (left.problem == "") is (mode in SUCCEEDING), left.problem
    [noted] = [text for name, text in left.texts.items() if "/tenants/" in name and name.endswith(".json")]
    assert json.loads(noted)["calls"]
    assert left.found(vendor.needles()) == set()
