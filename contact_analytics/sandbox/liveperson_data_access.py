"""LivePerson's Data Access API in miniature."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta, timezone
from typing import Any, ClassVar, Literal

import httpx

from contact_analytics.sandbox import faults
from contact_analytics.sandbox.app import LOOPBACK, Answer
from contact_analytics.sandbox.liveperson_app import LivePersonApp
from contact_analytics.sandbox.liveperson_brand import HOUR, Brand
from contact_analytics.sandbox.liveperson_files import DATASETS, Dataset, HourFile, HourFiles
from contact_analytics.sandbox.liveperson_schema import avro_schema

_DATA_CENTRE = timezone(timedelta(hours=-4))
_BY_NAME = {dataset.name: dataset for dataset in DATASETS}
_SCHEMA_VERSIONS = ("latest", "1.0.0.35")


@dataclass(kw_only=True, eq=False)
class LivePersonDataAccess(LivePersonApp):
    """The API with its files.

    `inclusive` says which files a window selects, which the vendor doesn't: scopes that overlap it, that also touch a
    bound (`closed`), or strictly inside (`strict`).
    `delays` makes a file whose name contains the key appear that long after its scope, instead of `lateness`.
    """

    retention_days: int = 30
    lateness: timedelta = timedelta(minutes=20)
    delays: dict[str, timedelta] = field(default_factory=dict[str, timedelta])
    file_host: str | None = None
    inclusive: Literal["overlap", "closed", "strict"] = "overlap"
    max_window: timedelta = timedelta(days=8)
    enabled: Collection[str] = tuple(_BY_NAME)

    segment: ClassVar[str] = "data_access_le"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._files = HourFiles(Brand(self.account_id, self.seed, self.scale))
        self._root = f"/data_access_le/account/{self.account_id}/le"

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

    def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        match request.method, parts:
            case "GET", ["data_access_le", "account", account, "le", *rest]:
                self.admit(request, account)
                return self._data_access(request, rest)
            case _, ["data_access_le", *_]:
                raise Answer(405, "Method Not Allowed")
            case _:
                raise Answer(404, "Not Found")

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
                raise Answer(404, "Not Found")

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
            raise Answer(400, "schemaId is required: a version, or latest")
        return httpx.Response(200, json=avro_schema([dataset.format for dataset in DATASETS]))

    def _list(self, request: httpx.Request, dataset: Dataset) -> httpx.Response:
        if dataset.name not in self.enabled:
            raise Answer(403, f"{dataset.path} is not enabled for this account")
        start, end = (_milliseconds(request, name) for name in ("startTime", "endTime"))
        if start > end:
            raise Answer(400, "startTime is after endTime")
        if end - start > self.max_window / timedelta(milliseconds=1):
            raise Answer(504, "Gateway Timeout")
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
            raise Answer(404, "Not Found")
        body = self._files.content(file)
        if fault := self.due(request, faults.FILES):
            return faults.spoiled(fault, body, lambda: self._files.content(self._before(file)))
        return faults.gzip_body(body)

    def _before(self, file: HourFile) -> HourFile:
        """The file that precedes one in the lists of its dataset."""
        hours = (file.hour - back for back in range(24 * 14))
        earlier = (other for hour in hours for other in reversed(self._files.of_hour(file.dataset, hour)))
        return next(
            (other for other in earlier if (other.hour, other.numbers.start) < (file.hour, file.numbers.start)), file
        )


def _of_path(path: str) -> Dataset:
    for dataset in DATASETS:
        if dataset.path == path:
            return dataset
    raise Answer(404, "Not Found")


def _milliseconds(request: httpx.Request, name: str) -> int:
    value = request.url.params.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 15):
        raise Answer(400, f"{name} is required, in epoch milliseconds")
    return int(value)
