"""LivePerson Data Access: hourly files, listed by window and downloaded before they are 30 days old.

Source: LivePerson's Data Access API pages; what is inferred is said where it is used.
"""

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
from pydantic import Field

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ListedFile
from contact_analytics.lib.bodies import BLANK, GZIP
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.delivery import Delivery, Order, listed_files
from contact_analytics.lib.errors import (
    ConfigurationError,
    RequestRejected,
    RequestTimedOut,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import Api, Caller, RetryRule, Tally, announced_length, excerpt
from contact_analytics.lib.links import check_scheme, followed, shown
from contact_analytics.liveperson.account import LivePersonResource

REGIONS = {"us": "va.da.liveperson.net", "uk": "lo.da.liveperson.net", "apac": "sy.da.liveperson.net"}
RETENTION = timedelta(days=30)
LATENESS = timedelta(hours=6)
# A file covers an hour. The bounds of a window are documented nowhere, so one hour more is asked on each side, and
# files are taken by their scope.
_SCOPE = timedelta(hours=1)
_HEAD_BYTES = 4096
_NO_FILES = b"No Available Files"
_API = Api(
    "LivePerson Data Access",
    "Check the API key's four values or the OAuth client in the settings, that the key is for this account, and that "
    "LivePerson has enabled Data Access for it.",
)


class LivePersonDataAccessResource(LivePersonResource):
    """The Data Access API of one account."""

    region: str = Field(default="", description="Data centre: us, uk or apac (LIVEPERSON_REGION).")
    data_access_url: str = Field(default="", description="Base URL instead of the region's.")

    @contextmanager
    def connect(self) -> Generator["DataAccess"]:
        """The API, ready to be asked. Raises `ConfigurationError` before any request if a setting is missing."""
        with self.client(lambda _: self._base_url(), _API) as client:
            yield DataAccess(client, self.account_id, self.rule)

    def _base_url(self) -> str:
        if self.data_access_url:
            return check_scheme(self.data_access_url, "LIVEPERSON_DATA_ACCESS_URL")
        if self.region.lower() not in REGIONS:
            raise ConfigurationError(
                f"LIVEPERSON_REGION is {self.region or 'not set'}, which is no region of LivePerson's.",
                f"Set it to one of {', '.join(REGIONS)}, or set LIVEPERSON_DATA_ACCESS_URL.",
            )
        return f"https://{REGIONS[self.region.lower()]}"


class DataAccess:
    """The API's methods, over one open client."""

    def __init__(self, client: httpx.Client, account_id: str, rule: RetryRule) -> None:
        self._client, self._account_id, self._rule = client, account_id, rule
        self._methods: dict[str, str] = {}

    def base_resource(self, tally: Tally) -> dict[str, str]:
        """The methods that the account has, by their `rel`, with their links; asked once."""
        if not self._methods:
            path = f"/data_access_le/account/{self._account_id}/le"
            answer = _json(Caller(self._client, _API, self._rule, tally).get(path))
            try:
                links = answer["le"]["link"]
                self._methods = {_text(link, "@rel"): _text(link, "@href") for link in _entries(links)}
            except (KeyError, TypeError, ValueError) as error:
                raise UnexpectedAnswer(
                    f"{_API.name}: the base resource {path} lists no links ({type(error).__name__}: {error}).",
                    "Check LIVEPERSON_DATA_ACCESS_URL.",
                ) from error
        return self._methods

    def deliver(self, order: Order) -> Delivery:
        """The files of a UTC day, all in the archive."""
        return listed_files(self, order)

    def list_day(self, dataset: Dataset, day: date, tally: Tally) -> list[ListedFile]:
        """The files whose scope begins on a UTC day, by scope and name; none only if the vendor says so."""
        start = datetime.combine(day, time(), UTC)
        end = start + timedelta(days=1)
        listed = self.list_files(METHODS[dataset.name], start - _SCOPE, end + _SCOPE, tally)
        return [file for file in listed if start <= file.scope_start < end]

    def list_files(self, method: str, start: datetime, end: datetime, tally: Tally) -> list[ListedFile]:
        """The files of a window. A window that the server cannot answer in time is asked for in halves."""
        methods = self.base_resource(tally)
        if method not in methods:
            has = ", ".join(methods) or "nothing"
            raise RequestRejected(
                f"{_API.name}: the account {self._account_id} has no {method}; it has {has}.",
                "Each data type is enabled by LivePerson: ask the account manager to enable this one.",
            )
        link = followed(methods[method], self._client.base_url, _API.name)
        window = {"startTime": _milliseconds(start), "endTime": _milliseconds(end)}
        divisible = end - start > 4 * _SCOPE
        try:
            answer = Caller(self._client, _API, self._rule, tally).get(
                link, params=window, accept=_says_no_files, retry_timeouts=not divisible
            )
        except RequestTimedOut:
            if not divisible:
                raise
            middle = start + (end - start) / 2
            halves = (start, middle + _SCOPE), (middle - _SCOPE, end)
            files = {file.name: file for half in halves for file in self.list_files(method, *half, tally)}
            return _in_order(files.values())
        if _says_no_files(answer):
            return []
        return _in_order(_listed(_json(answer), shown(answer.request.url)))

    def download(self, file: ListedFile, archived: ArchivedDay, tally: Tally) -> ArchivedFile:
        """Fetch a file into the archive, whole or not at all."""
        link = followed(file.url, self._client.base_url, _API.name)

        def keep(response: httpx.Response) -> ArchivedFile:
            return archived.store(file, _records(response), length=announced_length(response))

        return Caller(self._client, _API, self._rule, tally).stream(link, keep)


METHODS = {
    "agent_activity": "agentActivity",
    "engagement": "engagement",
    "survey": "survey",
    "web_session": "webSession",
}


def _says_no_files(answer: httpx.Response) -> bool:
    """LivePerson's word for an empty window comes with an error status (observed, the status is not recorded)."""
    return not answer.is_success and answer.status_code not in (401, 403, 429) and _NO_FILES in answer.content


def _listed(answer: Any, asked: str) -> list[ListedFile]:
    try:
        files: dict[str, ListedFile] = {}
        for entry in _entries(answer["dataAccessFiles"]["file"]):
            file = _file(entry)
            known = files.setdefault(file.name, file)
            if (known.scope_start, known.scope_end) != (file.scope_start, file.scope_end):
                raise ValueError(f"{file.name} is listed with two scopes")
        return list(files.values())
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnexpectedAnswer(
            f"{_API.name}: the list {asked} has an unknown shape ({type(error).__name__}: {error}).",
            "It is not taken for an empty one. Report it: the vendor's format has changed.",
        ) from error


def _file(entry: Any) -> ListedFile:
    """A list entry. Names come with and without `.gz` for the same file, so the archive's name always has it."""
    start, end = (datetime.fromisoformat(_text(entry, key)) for key in ("@scopeStartDate", "@scopeEndDate"))
    name = _text(entry, "@name").removesuffix(".gz")
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError(f"{name} has a scope without an offset")
    if not start < end:
        raise ValueError(f"{name} has a scope that ends before it begins")
    if not name:
        raise ValueError("a file without a name")
    return ListedFile(f"{name}.gz", _text(entry, "@href"), start.astimezone(UTC), end.astimezone(UTC))


def _entries(value: Any) -> list[Any]:
    """A list, which a single entry may stand for."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} instead of a list")
    return value


def _text(entry: Any, key: str) -> str:
    value = entry[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    value.encode()  # JSON can hold halves of characters, which nothing behind it can.
    return value


def _in_order(files: Iterable[ListedFile]) -> list[ListedFile]:
    return sorted(files, key=lambda file: (file.scope_start, file.name))


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise UnexpectedAnswer(
            f"{_API.name}: {shown(response.request.url)} was answered {response.status_code} without JSON: "
            f"{excerpt(response)}",
            "A proxy or a login page may stand in between: check the base URL and the network.",
        ) from None


def _records(response: httpx.Response) -> Iterator[bytes]:
    """A body's bytes as received, unless it is a web page or JSON that is no record, such as an error's."""
    chunks, head = response.iter_raw(), b""
    for chunk in chunks:
        head += chunk
        if head.startswith(GZIP) or len(head) >= _HEAD_BYTES:
            break
    start = head.lstrip(BLANK)
    if start.startswith(b"<") or (start.startswith((b"{", b"[")) and _is_foreign(head)):
        raise UnexpectedAnswer(
            f"{_API.name}: {shown(response.request.url)} was answered {response.status_code} with a web page or other "
            "JSON instead of a file.",
            "Nothing of it was kept. A proxy or a login page may stand in between: check the network.",
        )
    yield head
    yield from chunks


def _is_foreign(head: bytes) -> bool:
    """Whether plain JSON is no record's; what is short and broken may be one that was cut."""
    if b"recordCollection" in head or b"dataType" in head:
        return False
    try:
        json.loads(head)
    except ValueError:
        return len(head) >= _HEAD_BYTES
    return True


def _milliseconds(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))
