"""Requests that end in a whole answer or in one of `errors`: bounded retries, and no secret in what is said of them."""

import base64
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote, unquote, unquote_plus

import httpx

from contact_analytics.lib.bodies import CutShort
from contact_analytics.lib.errors import (
    ApiUnavailable,
    ContactAnalyticsError,
    CredentialsRejected,
    DownloadIncomplete,
    RequestRejected,
    RequestTimedOut,
    ThrottledOrForbidden,
    UnexpectedAnswer,
)
from contact_analytics.lib.links import shown

T = TypeVar("T")

_log = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(60, connect=10)
_TALKATIVE = ("httpx", "httpcore", "oauthlib")
_SHOWN_CHARACTERS = 300
_SECRET_CHARACTERS = 6
# A field of a JSON body whose name says that it is one.
_SECRET_NAME = re.compile(r"(?i)key|secret|password|token|signature|credential")
_SECRET_FIELD = re.compile(r'(?i)"\w*(?:key|secret|password|token)\w*"\s*:\s*("(?:[^"\\]|\\.)+")')
_LINK_QUERY = re.compile(r"\?[^\s\"'<>]+")


@dataclass
class Tally:
    """What the requests of one day cost: calls sent, how many of them were retries, bytes of the bodies received."""

    calls: int = 0
    retries: int = 0
    bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def count(self, *, calls: int = 0, retries: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the unit's own name
        with self._lock:
            self.calls += calls
            self.retries += retries
            self.bytes += bytes


@dataclass(frozen=True)
class RetryRule:
    """How long to go on: waits in seconds are multiples of `unit`.

    LivePerson asks for at least 1 s after a 429, and for 5, 10 and 15 s after a 5xx. A `Retry-After` that asks for
    more gets it. No try starts later than `total_seconds` after the first.
    """

    unit: float = 1.0
    busy_waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    failure_waits: tuple[float, ...] = (5, 10, 15)
    total_seconds: float = 300

    def wait(self, error: "TryAgain", tries: int, elapsed: float) -> float | None:
        """Seconds to wait before the next try, or None to give up; `tries` counts from 1, `elapsed` is in seconds."""
        waits = self.busy_waits if error.busy else self.failure_waits
        if tries > len(waits):
            return None
        wait = max(error.retry_after or 0.0, waits[tries - 1] * self.unit)
        return wait if elapsed + wait <= self.total_seconds else None


class TryAgain(Exception):
    """A failure that may pass: what the error will be if it does not, and what the server said about waiting."""

    def __init__(self, outcome: ContactAnalyticsError, *, busy: bool = False, retry_after: float | None = None) -> None:
        super().__init__(str(outcome))
        self.outcome, self.busy, self.retry_after = outcome, busy, retry_after


@dataclass(frozen=True)
class Api:
    """A vendor's API as errors name it: its name, and how to find out what is wrong with credentials.

    `throttles` says that it answers 403 to callers that are too quick, as to those without permission.
    """

    name: str
    credentials: str
    throttles: bool = False


class Caller:
    """Sends requests through one client until they are answered or the rule says stop; `wait` sleeps for seconds."""

    def __init__(
        self, client: httpx.Client, api: Api, rule: RetryRule, tally: Tally, wait: Callable[[float], None] = sleep
    ) -> None:
        self._client, self._api, self._rule, self.tally, self._wait = client, api, rule, tally, wait

    def get(
        self,
        url: str,
        *,
        params: dict[str, str] | None = None,
        accept: Callable[[httpx.Response], bool] | None = None,
        retry_timeouts: bool = True,
    ) -> httpx.Response:
        """The answer with its body: 2xx, or one that `accept` takes as an answer although its status is an error."""

        def whole(response: httpx.Response) -> httpx.Response:
            response.read()
            if not (accept and accept(response)):
                check(response, self._api)
            return response

        return self.send("GET", url, whole, params=params, retry_timeouts=retry_timeouts)

    def stream(self, url: str, consume: Callable[[httpx.Response], T], *, passed: Collection[int] = ()) -> T:
        """What `consume` makes of a 2xx answer's body, or of another one whose status is to be passed to it.

        It raises `CutShort` for a body that is not whole.
        """

        def checked(response: httpx.Response) -> T:
            if not response.is_success and response.status_code not in passed:
                response.read()
                check(response, self._api)
            return consume(response)

        return self.send("GET", url, checked, headers={"Accept-Encoding": "identity"})

    def send(
        self,
        method: str,
        url: str,
        consume: Callable[[httpx.Response], T],
        *,
        params: dict[str, str] | httpx.QueryParams | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        form: dict[str, str] | None = None,
        retry_timeouts: bool = True,
    ) -> T:
        request = self._client.build_request(method, url, params=params, headers=headers, json=json, data=form)
        tries, started = 0, monotonic()
        while True:
            tries += 1
            self.tally.count(calls=1, retries=int(tries > 1))
            try:
                return self._once(request, consume)
            except TryAgain as error:
                hopeless = isinstance(error.outcome, RequestTimedOut) and not retry_timeouts
                wait = None if hopeless else self._rule.wait(error, tries, monotonic() - started)
                if wait is None:
                    raise error.outcome from error.__cause__
                _log.warning(f"{error.outcome.happened} Try {tries + 1} in {wait:g} s.")
            self._wait(wait)

    def _once(self, request: httpx.Request, consume: Callable[[httpx.Response], T]) -> T:
        try:
            response = self._client.send(request, stream=True)
            try:
                return consume(response)
            finally:
                response.close()
                self.tally.count(bytes=response.num_bytes_downloaded)
        except CutShort as error:
            raise TryAgain(
                DownloadIncomplete(
                    f"{self._api.name}: {shown(request.url)} did not arrive whole: {error}.",
                    "Nothing of it was kept. Try again later; if it stays so, the vendor's file is damaged.",
                )
            ) from error
        except httpx.RequestError as error:  # of a token's request, where the client needs one first
            is_silent = isinstance(error, httpx.ReadTimeout) and error.request.url == request.url
            kind = RequestTimedOut if is_silent else ApiUnavailable
            asked = f"{error.request.method} {shown(error.request.url)}"
            raise TryAgain(
                kind(
                    f"{self._api.name}: {asked} got no answer: {type(error).__name__} {error}.",
                    "Nothing stored was changed. Check the network and the vendor's status page, then try again.",
                )
            ) from error


def check(response: httpx.Response, api: Api, refused: Collection[int] = (401, 403)) -> None:
    """Raise unless the status is 2xx: `TryAgain` for what may pass; `refused` are the statuses of wrong credentials."""
    if response.is_success:
        return
    request, status = response.request, response.status_code
    said = f"{api.name}: {request.method} {shown(request.url)} was answered {status}"
    said = f"{said} {httpx.codes.get_reason_phrase(status)}".rstrip() + f": {excerpt(response)}"
    metadata = {"status": status}
    if status in (408, 429) or status >= 500:
        kind = RequestTimedOut if status in (408, 504) else ApiUnavailable
        raise TryAgain(
            kind(
                said,
                "Nothing stored was changed. The API was busy or down through all retries: try again later.",
                metadata,
            ),
            busy=status == 429,
            retry_after=retry_after(response, datetime.now(UTC)),
        )
    if status == 403 and api.throttles:
        raise TryAgain(
            ThrottledOrForbidden(
                said,
                "Nothing stored was changed. Either another program asks this tenant's API at the same time, which "
                f"passes: try again later. Or the permission is missing. {api.credentials}",
                metadata,
            ),
            busy=True,
        )
    if status in refused:
        raise CredentialsRejected(said, api.credentials, metadata)
    if response.is_redirect:
        raise UnexpectedAnswer(said, "Redirects are not part of this API: check the base URL's setting.", metadata)
    raise RequestRejected(
        said, "The request is refused as it is: check the account and the base URL in the settings.", metadata
    )


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds that the server asks to wait: `Retry-After` in seconds or as a date; None where there is none."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def announced_length(response: httpx.Response) -> int | None:
    """The bytes that a body has on its way, if the server says."""
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def excerpt(response: httpx.Response) -> str:
    """The start of a body, on one line, without the queries of links and without the credentials that were sent."""
    text = in_short(response.content.decode(errors="replace"), response.request)
    return f"“{text}”" if text else "(no text)"


def in_short(text: str, request: httpx.Request | None = None) -> str:
    """The start of a vendor's words, on one line, without links' queries and the credentials of a request."""
    for secret in sorted(_sent(request), key=len, reverse=True) if request else ():
        text = text.replace(secret, "…")
    return _LINK_QUERY.sub("?…", " ".join(text.split()))[:_SHOWN_CHARACTERS]


def _sent(request: httpx.Request) -> Iterator[str]:
    """What a request carries as credentials: a careless server repeats them in its error."""
    header, body = request.headers.get("Authorization", ""), request.read().decode(errors="replace")
    scheme, _, value = header.partition(" ")
    found = [value, *re.findall(r'"([^"]+)"', header), *re.findall(r"=([^&]+)", body)]
    found += [value for name, value in request.url.params.multi_items() if _SECRET_NAME.search(name)]
    for quoted in _SECRET_FIELD.findall(body):
        found += [quoted.strip('"'), json.loads(quoted)]
    if scheme.casefold() == "basic":
        found += _decoded(value).split(":", 1)
    for value in found:
        forms = (value, unquote(value), unquote_plus(value), quote(value, safe=""))
        yield from (form for form in forms if len(form) >= _SECRET_CHARACTERS)


def _decoded(basic: str) -> str:
    try:
        return base64.b64decode(basic).decode(errors="replace")
    except ValueError:
        return ""


def quiet_logs() -> None:
    """Keep libraries from logging URLs with queries, headers and signatures, whatever level the root logger has."""
    for name in (*_TALKATIVE, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
