"""LivePerson's Data Access API in miniature, with the domain lookup and the token service that lead to it."""

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

import httpx

from contact_analytics.sandbox import faults
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_brand import HOUR, Brand
from contact_analytics.sandbox.liveperson_files import DATASETS, Dataset, HourFile, HourFiles
from contact_analytics.sandbox.liveperson_schema import avro_schema
from contact_analytics.sandbox.oauth import ApiKey, Client, Refused

LOOPBACK = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
_DATA_CENTRE = timezone(timedelta(hours=-4))
_BY_NAME = {dataset.name: dataset for dataset in DATASETS}
_SCHEMA_VERSIONS = ("latest", "1.0.0.35")


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Answer(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response = httpx.Response(status, json={"error": reason})


@dataclass(kw_only=True, eq=False)
class LivePersonDataAccess:
    """The API as a callable for `httpx.MockTransport`; each option is a keyword.

    `now` is the clock of the files and the tokens. `signature_clock` is that of OAuth 1.0a, real by default, as the
    client that signs reads the real time whatever day a test is set in. `inclusive` says which files a window selects,
    which the vendor doesn't: scopes that overlap it, that also touch a bound (`closed`), or strictly inside (`strict`).
    `delays` makes a file whose name contains the key appear that long after its scope, instead of `lateness`.
    """

    # What a client must show; obviously nobody's.
    account_id: str = "10203040"
    app_key: str = "sandbox-app-key"
    app_secret: str = "sandbox-app-secret"
    access_token: str = "sandbox-access-token"
    access_token_secret: str = "sandbox-access-token-secret"
    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"
    token_seconds: int = 3600
    now: Callable[[], datetime] = utc_now
    signature_clock: Callable[[], datetime] = utc_now
    seed: int = 1
    scale: float = 1.0
    retention_days: int = 30
    lateness: timedelta = timedelta(minutes=20)
    delays: dict[str, timedelta] = field(default_factory=dict[str, timedelta])
    file_host: str | None = None
    inclusive: Literal["overlap", "closed", "strict"] = "overlap"
    max_window: timedelta = timedelta(days=8)
    enabled: Collection[str] = tuple(_BY_NAME)
    services: Collection[str] = ("sentinel",)
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]], init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._files = HourFiles(Brand(self.account_id, self.seed, self.scale))
        self._root = f"/data_access_le/account/{self.account_id}/le"
        self._key = ApiKey(
            self.app_key, self.app_secret, self.access_token, self.access_token_secret, self.signature_clock
        )
        self._client = Client(self.client_id, self.client_secret, self.now, self.token_seconds)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.requests.append((request.method, request.url.path))
        if fault := self._due(request, of_file=False):
            return faults.ANSWERS[fault.kind](fault)
        try:
            return self._answer(request)
        except Refused as refused:
            return httpx.Response(401, json={"error": f"Not authenticated: {refused}"})
        except _Answer as answer:
            return answer.response

    def files(self, dataset: str, day: date) -> list[HourFile]:
        """The files whose scope starts on a UTC day, whether or not they have appeared or were deleted."""
        return self._files.of_day(_BY_NAME[dataset], day)

    def records(self, dataset: str, day: date) -> list[dict[str, Any]]:
        """The rows that a correct extraction of a UTC day holds, in the columns of the table, each once.

        Times are epoch milliseconds; a field that is null may be left out.
        """
        return [row for file in self.files(dataset, day) for row in self._files.rows(file)]

    def body(self, file: HourFile) -> bytes:
        """The bytes of a file."""
        return self._files.content(file)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.strip("/").split("/"):
            case "POST", ["sandbox", "faults"]:
                return self._add_fault(request)
            case "GET", ["api", "account", account, "service", service, "baseURI.json"]:
                return self._domain(request, account, service)
            case "POST", ["sentinel", "api", "v2", "account", account, "app", "token"]:
                token = self._client.token(request) if account == self.account_id else None
                return (
                    httpx.Response(200, json=token) if token else httpx.Response(400, json={"error": "invalid_client"})
                )
            case "GET", ["data_access_le", "account", account, "le", *rest]:
                self._authenticate(request)
                if account != self.account_id:
                    raise _Answer(403, "the key is not of this account")
                return self._data_access(request, rest)
            case _, ["data_access_le", *_]:
                raise _Answer(405, "Method Not Allowed")
            case _:
                raise _Answer(404, "Not Found")

    def _data_access(self, request: httpx.Request, rest: list[str]) -> httpx.Response:
        match rest:
            case []:
                return self._base_resource(request)
            case ["schema"]:
                return self._schema(request)
            case [path]:
                return self._list(request, _of_path(path))
            case [path, name]:
                return self._download(request, _of_path(path), name)
            case _:
                raise _Answer(404, "Not Found")

    def _authenticate(self, request: httpx.Request) -> None:
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        if scheme == "oauth":
            self._key.check(request)
        elif scheme == "bearer":
            self._client.check(request)
        else:
            raise Refused("no credentials")

    def _domain(self, request: httpx.Request, account: str, service: str) -> httpx.Response:
        if request.url.params.get("version") != "1.0":
            raise _Answer(400, "version=1.0 is required")
        if account != self.account_id or service not in self.services:
            raise _Answer(400, "account or service is unknown")
        # LivePerson names a host alone; the sandbox on loopback has no TLS, so its scheme must come along.
        host = request.url.netloc.decode()
        base = f"{request.url.scheme}://{host}" if request.url.host in LOOPBACK else host
        return httpx.Response(200, json={"service": service, "account": account, "baseURI": base})

    def _link(self, request: httpx.Request, *parts: str) -> str:
        """An address on the host beside the one that was asked, as the vendor's links are."""
        host = request.url.host
        first, _, domain = host.partition(".")
        sibling = self.file_host or LOOPBACK.get(host) or f"{first.removesuffix('-a')}-a.{domain}"
        return str(request.url.copy_with(host=sibling, path="/".join((self._root, *parts)), query=None))

    def _base_resource(self, request: httpx.Request) -> httpx.Response:
        paths = ("agentActivity", "webSession", "engagement", "survey", "schema")
        links = [{"@href": self._link(request), "@rel": "self"}]
        links += [{"@href": self._link(request, path), "@rel": path} for path in paths]
        return httpx.Response(200, json={"le": {"@accountId": self.account_id, "link": links}})

    def _schema(self, request: httpx.Request) -> httpx.Response:
        if request.url.params.get("schemaId") not in _SCHEMA_VERSIONS:
            raise _Answer(400, "schemaId is required: a version, or latest")
        return httpx.Response(200, json=avro_schema([dataset.format for dataset in DATASETS]))

    def _list(self, request: httpx.Request, dataset: Dataset) -> httpx.Response:
        if dataset.name not in self.enabled:
            raise _Answer(403, f"{dataset.path} is not enabled for this account")
        start, end = (_milliseconds(request, name) for name in ("startTime", "endTime"))
        if start > end:
            raise _Answer(400, "startTime is after endTime")
        if end - start > self.max_window / timedelta(milliseconds=1):
            raise _Answer(504, "Gateway Timeout")
        files = [self._entry(request, file) for file in self._selected(dataset, start, end)]
        if not files:
            return httpx.Response(404, text=f"No Available Files for account {self.account_id}")
        listing = {
            "@id": self.account_id,
            "link": {"@href": self._link(request, dataset.path), "@rel": "self"},
            "file": files[0] if len(files) == 1 else files,
        }
        return httpx.Response(200, json={"dataAccessFiles": listing})

    def _selected(self, dataset: Dataset, start: int, end: int) -> list[HourFile]:
        def inside(hour: int) -> bool:
            first, last = hour * HOUR, (hour + 1) * HOUR
            if self.inclusive == "strict":
                return first > start and last < end
            return (first <= end and last >= start) if self.inclusive == "closed" else (first < end and last > start)

        hours = filter(inside, range(start // HOUR - 1, end // HOUR + 2))
        return [file for hour in hours for file in self._files.of_hour(dataset, hour) if self._exists(file)]

    def _exists(self, file: HourFile) -> bool:
        """Whether the file has appeared and the nightly job, at 00:00 UTC, has not deleted it."""
        late = (delay for name, delay in self.delays.items() if name in file.name)
        created, now = file.scope_end + next(late, self.lateness), self.now().astimezone(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=self.retention_days) <= created <= now

    def _entry(self, request: httpx.Request, file: HourFile) -> dict[str, str]:
        return {
            "@name": file.name,
            "@scopeStartDate": file.scope_start.astimezone(_DATA_CENTRE).isoformat(),
            "@scopeEndDate": file.scope_end.astimezone(_DATA_CENTRE).isoformat(),
            "@href": self._link(request, file.dataset.path, file.href_name),
        }

    def _download(self, request: httpx.Request, dataset: Dataset, name: str) -> httpx.Response:
        part = name.split(".")
        hour = int(part[1]) // HOUR if len(part) > 1 and part[1].isdecimal() and len(part[1]) < 15 else 0
        file = next((file for file in self._files.of_hour(dataset, hour) if file.href_name == name), None)
        if file is None or dataset.name not in self.enabled or not self._exists(file):
            raise _Answer(404, "Not Found")
        body = self._files.content(file)
        if fault := self._due(request, of_file=True):
            return faults.spoiled(fault, body, lambda: self._files.content(self._before(file)))
        return faults.gzip_body(body)

    def _before(self, file: HourFile) -> HourFile:
        """The file that precedes one in the lists of its dataset."""
        hours = (file.hour - back for back in range(24 * 14))
        earlier = (other for hour in hours for other in reversed(self._files.of_hour(file.dataset, hour)))
        return next(
            (other for other in earlier if (other.hour, other.numbers.start) < (file.hour, file.numbers.start)), file
        )

    def _due(self, request: httpx.Request, *, of_file: bool) -> Fault | None:
        """The first fault that waits for such a request, used once."""
        target = request.url.raw_path.decode()
        if target.startswith("/sandbox/"):
            return None
        with self._lock:
            for fault in self.faults:
                if fault.needs_file == of_file and fault.times > 0 and fault.path in target:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None

    def _add_fault(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in LOOPBACK:
            raise _Answer(404, "Not Found")
        try:
            fault = Fault(**json.loads(request.read()))
        except (TypeError, ValueError) as error:
            raise _Answer(400, str(error)) from error
        with self._lock:
            self.faults.append(fault)
        return httpx.Response(201, json=asdict(fault))


def _of_path(path: str) -> Dataset:
    for dataset in DATASETS:
        if dataset.path == path:
            return dataset
    raise _Answer(404, "Not Found")


def _milliseconds(request: httpx.Request, name: str) -> int:
    value = request.url.params.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 15):
        raise _Answer(400, f"{name} is required, in epoch milliseconds")
    return int(value)
