"""No credential of NICE CXone's leaves the program by another way than the request that it is for.

Keys, secrets, tokens and the signatures of links are planted, and repeated by a careless server wherever it can. Days
are materialized for real, with every logger at debug, and everything that a run leaves is searched.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import dagster as dg
import httpx
import pytest

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.nice_cxone.data_extraction import NiceCxoneDataExtractionResource
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.fakes import Wire, days_ago, impatient
from contact_analytics_tests.leaks import leavings
from contact_analytics_tests.nice_cxone.tampering import JOBS, STORAGE, TOKEN, is_look

DAY = days_ago(2)
KEY = {"access_key_id": "PLANTED+KEY/ID====", "access_key_secret": "PLANTED+KEY/SECRET===="}
CLIENT = {"client_id": "planted-client/id+1", "client_secret": 'planted"client:secret+1='}
NAMES = ("access_token", "id_token", "refresh_token")


class Careless:
    """The sandbox, whose errors repeat what was sent, and whose exports' errors repeat links and tokens."""

    def __init__(self, faults: list[Fault], **options: Any) -> None:
        self.app = NiceCxone(scale=0.1, interval=0, faults=faults, **KEY, **CLIENT, **options)
        self.secrets = {*KEY.values(), *CLIENT.values(), "X-Amz-Signature"}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.app(request)
        header = request.headers.get("authorization", "")
        said = f"Not accepted: {header} {request.read().decode()} {unquote(request.read().decode())} {request.url}"
        self.secrets.add(header.partition(" ")[2])
        if answer.is_error:
            return httpx.Response(answer.status_code, headers={"X-Sent": header}, text=f"{said} {answer.text}")
        if request.url.path in {TOKEN, "/auth/token"} and answer.headers["content-type"].startswith("application/json"):
            self.secrets |= {value for name, value in answer.json().items() if name in NAMES}
        if is_look(request) and answer.content.startswith(b"{"):
            return self._look(answer, said)
        return answer

    def _look(self, answer: httpx.Response, said: str) -> httpx.Response:
        job = answer.json()["jobStatus"]
        link = httpx.URL((job.get("result") or {}).get("url", ""))
        self.secrets |= {value for name, value in link.params.items() if name == "X-Amz-Signature"}
        if job["status"] != "SUCCEEDED":
            planted = "planted-link-signature"
            self.secrets.add(planted)
            job["result"] = {"errorMessage": f"cannot write https://s3.example/x?X-Amz-Signature={planted} {said}"}
        return httpx.Response(answer.status_code, json={"jobStatus": job})

    def needles(self) -> Iterator[bytes]:
        """Every secret in every form that a log could have it in."""
        for secret in self.secrets - {""}:
            forms = {secret, quote(secret, safe=""), quote_plus(secret), secret.replace("/", "\\/")}
            yield from (form.encode() for form in forms)


MODES: dict[str, list[Fault]] = {
    "success": [],
    "retried": [
        Fault(TOKEN, "503"),
        Fault(JOBS, "403", times=2),
        Fault(f"{JOBS}/", "connection"),
        Fault(f"{JOBS}/", "401"),
        Fault(STORAGE, "500"),
        Fault("qm-workflows", "dead_link"),
        Fault("qm-workflows", "web_page"),
    ],
    "odd rows": [Fault("qm-workflows", "ragged")],
    "dead links": [Fault("qm-workflows", "dead_link", times=99)],
    "failed": [Fault("qm-workflows", "failed", times=9)],
    "hangs": [Fault("qm-workflows", "hangs", times=9)],
    "refused": [Fault(JOBS, "401", times=99)],
    "forbidden": [Fault(JOBS, "403", times=99)],
    "redirect": [Fault(f"{JOBS}/", "redirect", value="https://login.example/?X-Amz-Signature=planted")],
    "token refused": [Fault(TOKEN, "401", times=99), Fault("/auth/token", "401", times=99)],
    "no column": [Fault("qm-workflows", "missing_column", value="Start Date")],
}
SUCCEEDING = {"success", "retried", "odd rows"}
# What differs where the tokens are an OAuth client's.
OF_CLIENTS = ("success", "token refused", "no discovery")
CASES = [(mode, False) for mode in MODES] + [(mode, True) for mode in OF_CLIENTS]
MODES["no discovery"] = [Fault("cxone-configuration", "500", times=99)]


def resource(vendor: Careless, tenants: Path, *, has_client: bool) -> dg.ConfigurableResource[None]:
    """The resource as `catalog.py` wires it: credentials by the names of environment variables."""

    class Sandboxed(NiceCxoneDataExtractionResource):
        def transport(self) -> httpx.BaseTransport:
            return Wire(vendor)

    given = KEY | (CLIENT if has_client else {})
    variables: dict[str, Any] = {name: dg.EnvVar(f"NICE_CXONE_{name.upper()}") for name in given}
    return Sandboxed(
        area="" if has_client else "na1",
        call_interval_seconds=0,
        poll_seconds=0.01,
        retry_wait_seconds=0,
        deadline_minutes=0.3 / 60,
        tenant_folder=str(tenants),
        **variables,
    )


@pytest.mark.parametrize(("mode", "has_client"), CASES)
def test_no_secret_of_cxones_is_left_anywhere(
    mode: str,
    tmp_path: Path,
    kept_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    has_client: bool,
) -> None:
    """Neither key, nor client, nor token, nor signature: in no log, event, error, table, manifest or tenant's file."""
    vendor = Careless([replace(fault) for fault in MODES[mode]])
    for variable, value in (KEY | CLIENT).items():
        monkeypatch.setenv(f"NICE_CXONE_{variable.upper()}", value)
    resources = {
        "archive": ArchiveResource(root=str(tmp_path / "archive")),
        "warehouse": WarehouseResource(database=str(tmp_path / "warehouse.duckdb")),
        "nice_cxone_data_extraction": resource(vendor, tmp_path / "tenants", has_client=has_client),
    }
    left = leavings(impatient("qm_workflows"), kept_instance, resources, tmp_path, capfd=capfd, day=DAY)
    assert (left.problem == "") is (mode in SUCCEEDING), left.problem
    assert not vendor.app.faults or vendor.app.faults[0].times > 5
    assert any("tenants" in name for name in left.texts) or mode not in SUCCEEDING
    assert left.found(vendor.needles()) == set()
