"""No secret leaves the program by another way than the request that it is for.

Secrets are planted in every credential, in the links of files, and in what a careless server repeats. An asset is
materialized for real, with every logger at debug, and everything that it left is searched: logs, output, Dagster's
storage, exceptions, the warehouse and the archive.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import dagster as dg
import httpx
import pytest

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.account import LivePersonResource
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.liveperson.messaging import LivePersonMessagingResource
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics.sandbox.liveperson_app import LivePersonApp
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests import histories
from contact_analytics_tests.fakes import Wire, impatient
from contact_analytics_tests.leaks import leavings

DAY = datetime.now(UTC).date() - timedelta(days=2)
KEY = {name: f"planted/{name}+1=" for name in ("app_key", "app_secret", "access_token", "access_token_secret")}
CLIENT = {name: f"planted/{name}+1=" for name in ("client_id", "client_secret")}
LINK = "X-Signature=planted%2Flink%2B1"


class Careless:
    """An app of the sandbox, with queries in its links, and errors that repeat what they were sent."""

    def __init__(self, app: type[LivePersonApp], faults: list[Fault]) -> None:
        self.app = app(scale=0.01, faults=faults, **KEY, **CLIENT)
        self.secrets = {*KEY.values(), *CLIENT.values(), "planted", "startTime=", "offset=", "include_deleted="}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        header = request.headers.get("Authorization", "")
        self.secrets |= {value for name, value in _oauth(header) if name == "oauth_signature"}
        self.secrets |= {header.removeprefix("Bearer ")} if header.startswith("Bearer ") else set()
        answer = self.app(request)
        if answer.is_error:
            said = f"{answer.text} Not accepted: {header} {unquote(header)} {request.read().decode()} {request.url}"
            return httpx.Response(answer.status_code, headers={"X-Sent": header, "X-Url": str(request.url)}, text=said)
        if request.url.path.endswith("/survey"):
            return httpx.Response(200, content=answer.content.replace(b'.gz"}', f'.gz?{LINK}"}}'.encode()))
        return answer

    def needles(self) -> Iterator[bytes]:
        """Every secret in every form that a log could have it in."""
        for secret in self.secrets:
            plain = secret.encode()
            yield from (
                plain,
                quote(secret, safe="").encode(),
                quote_plus(secret).encode(),
                plain.replace(b"/", b"\\/"),
            )
            if len(plain) > 8:
                yield base64.b64encode(plain).rstrip(b"=")[:-1]


def _oauth(header: str) -> Iterator[tuple[str, str]]:
    for part in header.removeprefix("OAuth ").split(", "):
        name, _, value = part.partition("=")
        yield name, unquote(value.strip('"'))


@dataclass(frozen=True)
class Subject:
    """An asset, the resource that it asks, and the app that answers it."""

    asset: dg.AssetsDefinition
    resource: type[LivePersonResource]
    app: type[LivePersonApp]
    key: str
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


SUBJECTS = {
    "survey": Subject(
        impatient("survey"),
        LivePersonDataAccessResource,
        LivePersonDataAccess,
        "liveperson_data_access",
        {"region": "us"},
    ),
    "conversations": Subject(
        impatient("conversations"), LivePersonMessagingResource, LivePersonMessaging, "liveperson_messaging"
    ),
    "users": Subject(
        histories.impatient("users"),
        LivePersonAccountConfigResource,
        LivePersonAccountConfig,
        "liveperson_account_config",
    ),
}
MODES: dict[str, list[Fault]] = {
    "success": [],
    "retried": [Fault("startTime", "503"), Fault("part-", "connection"), Fault("part-", "cut_body")],
    "refused": [Fault("/data_access_le", "401", times=99)],
    "down": [Fault("startTime", "503", times=99)],
    "busy": [Fault("part-", "429", times=99)],
    "web page": [Fault("startTime", "html")],
    "file a web page": [Fault("part-", "html", times=99)],
    "cut": [Fault("part-", "cut_body", times=999)],
    "silent": [Fault("startTime", "timeout", times=99)],
    "redirect": [Fault("startTime", "redirect", value=f"https://login.example/?{LINK}")],
    "no token": [Fault("app/token", "503", times=99), Fault("/data_access_le", "503", times=99)],
    "invalid rows": [Fault("part-", "invalid_json"), Fault("part-", "wrong_type")],
}
# What can happen to a request of the other APIs; their faults wait for a path or a part of it.
OTHER_MODES: dict[str, list[Fault]] = {
    "success": [],
    "retried": [Fault("v=", "503"), Fault("v=", "connection"), Fault("v=", "cut_json")],
    "refused": [Fault("v=", "401", times=99)],
    "down": [Fault("v=", "503", times=99)],
    "busy": [Fault("v=", "429", times=99)],
    "web page": [Fault("v=", "html", times=99)],
    "cut": [Fault("v=", "cut_json", times=999)],
    "redirect": [Fault("v=", "redirect", value=f"https://login.example/?{LINK}")],
    "no domain": [Fault("baseURI", "503", times=99)],
    "no token": [Fault("app/token", "503", times=99), Fault("v=2", "503", times=99), Fault("v=4", "503", times=99)],
}
SUCCEEDING = {"success", "retried", "invalid rows"}


def resource(
    subject: Subject, app: Callable[[httpx.Request], httpx.Response], credentials: dict[str, str]
) -> dg.ConfigurableResource:
    """The resource as `definitions.py` wires it: credentials by the names of environment variables."""

    class Sandboxed(subject.resource):  # type: ignore[name-defined,misc]
        def transport(self) -> httpx.BaseTransport:
            return Wire(app)

    variables: dict[str, Any] = {name: dg.EnvVar(f"LIVEPERSON_{name.upper()}") for name in credentials}
    account = LivePersonApp.account_id
    return Sandboxed(account_id=account, retry_wait_seconds=0, **subject.fields, **variables)


CASES = [("survey", mode) for mode in MODES] + [
    (name, mode) for name in ("conversations", "users") for mode in OTHER_MODES
]
# What the form of the credentials has a part in; the rest is told of the one that is in use the longest.
BY_CREDENTIALS = {"success", "refused", "redirect", "no token"}


@pytest.mark.parametrize(
    ("credentials", "name", "mode"),
    [pytest.param(KEY, *case, id=f"oauth1-{case[0]}-{case[1]}") for case in CASES]
    + [pytest.param(CLIENT, *case, id=f"oauth2-{case[0]}-{case[1]}") for case in CASES if case[1] in BY_CREDENTIALS],
)
def test_no_secret_is_left_anywhere(
    credentials: dict[str, str],
    name: str,
    mode: str,
    tmp_path: Path,
    kept_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither credential, nor token, nor signature, nor query of a URL, whether the run succeeds or how it fails."""
    subject, modes = SUBJECTS[name], MODES if name == "survey" else OTHER_MODES
    vendor = Careless(subject.app, [replace(fault) for fault in modes[mode]])
    for variable, value in credentials.items():
        monkeypatch.setenv(f"LIVEPERSON_{variable.upper()}", value)
    resources = {
        "archive": ArchiveResource(root=str(tmp_path / "archive")),
        "warehouse": WarehouseResource(database=str(tmp_path / "warehouse.duckdb")),
        subject.key: resource(subject, vendor, credentials),
    }
    day = DAY if subject.asset.partitions_def else None
    left = leavings(subject.asset, kept_instance, resources, tmp_path, capfd=capfd, day=day)
    assert (left.problem == "") is (mode in SUCCEEDING), left.problem
    assert mode.startswith("no ") or len(vendor.secrets) > len(KEY | CLIENT) + 4
    assert left.found(vendor.needles()) == set()
