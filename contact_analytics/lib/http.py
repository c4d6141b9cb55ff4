"""Requests that end in a whole answer or in one of `errors`: bounded retries, secrets kept out of logs, safe links."""

import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from time import monotonic
from typing import TypeVar

import httpx
import stamina
from publicsuffixlist import PublicSuffixList

from contact_analytics.lib.errors import (
    ApiUnavailable,
    ConfigurationError,
    ContactAnalyticsError,
    CredentialsRejected,
    DownloadIncomplete,
    RequestRejected,
    RequestTimedOut,
    UnexpectedAnswer,
)

T = TypeVar("T")

TIMEOUT = httpx.Timeout(60, connect=10)
_TALKATIVE = ("httpx", "httpcore", "oauthlib")
_SHOWN_CHARACTERS = 300


@dataclass
class Tally:
    """What the requests of one day cost: calls sent, how many of them were retries, bytes received."""

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

    LivePerson asks for at least 1 s after a 429, and for 5, 10 and 15 s after a 5xx. A `Retry-After` goes first. No
    call lasts longer than `total_seconds`, waits included.
    """

    unit: float = 1.0
    busy_waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    failure_waits: tuple[float, ...] = (5, 10, 15)
    total_seconds: float = 300

    def wait(self, error: Exception, tries: int, elapsed: float) -> float | bool:
        """Seconds to wait before the next try, or False to give up; `tries` counts from 1, `elapsed` is in seconds."""
        if not isinstance(error, _TryAgain):
            return False
        waits = self.busy_waits if error.busy else self.failure_waits
        if tries > len(waits):
            return False
        wait = max(error.retry_after or 0.0, waits[tries - 1] * self.unit)
        return wait if elapsed + wait <= self.total_seconds else False


class _TryAgain(Exception):
    """A failure that may pass: what the error will be if it does not, and what the server said about waiting."""

    def __init__(self, outcome: ContactAnalyticsError, *, busy: bool = False, retry_after: float | None = None) -> None:
        super().__init__(str(outcome))
        self.outcome, self.busy, self.retry_after = outcome, busy, retry_after


@dataclass(frozen=True)
class Api:
    """A vendor's API as errors name it: its name, and how to find out what is wrong with credentials."""

    name: str
    credentials: str


class Caller:
    """Sends requests through one client until they are answered or the rule says stop."""

    def __init__(self, client: httpx.Client, api: Api, rule: RetryRule, tally: Tally) -> None:
        self._client, self._api, self._rule, self.tally = client, api, rule, tally

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
                self._check(response)
            return response

        return self.send("GET", url, whole, params=params, retry_timeouts=retry_timeouts)

    def stream(self, url: str, consume: Callable[[httpx.Response], T]) -> T:
        """What `consume` makes of a 2xx answer's body; it raises `CutShort` for a body that is not whole."""

        def checked(response: httpx.Response) -> T:
            if not response.is_success:
                response.read()
                self._check(response)
            return consume(response)

        return self.send("GET", url, checked, headers={"Accept-Encoding": "identity"})

    def send(
        self,
        method: str,
        url: str,
        consume: Callable[[httpx.Response], T],
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        retry_timeouts: bool = True,
    ) -> T:
        target = shown(self._client.base_url.join(url))
        tries, started = 0, monotonic()

        def decide(error: Exception) -> float | bool:
            if isinstance(error, _TryAgain) and isinstance(error.outcome, RequestTimedOut) and not retry_timeouts:
                return False
            return self._rule.wait(error, tries, monotonic() - started)

        try:
            for attempt in stamina.retry_context(on=decide, attempts=None, timeout=self._rule.total_seconds):
                with attempt:
                    tries += 1
                    self.tally.count(calls=1, retries=int(tries > 1))
                    return self._once(method, url, target, consume, params, headers)
        except _TryAgain as error:
            raise error.outcome from error.__cause__
        raise AssertionError("the loop returns or raises")

    def _once(
        self,
        method: str,
        url: str,
        target: str,
        consume: Callable[[httpx.Response], T],
        params: dict[str, str] | None,
        headers: dict[str, str] | None,
    ) -> T:
        try:
            with self._client.stream(method, url, params=params, headers=headers) as response:
                return consume(response)
        except CutShort as error:
            raise _TryAgain(
                DownloadIncomplete(
                    f"{self._api.name}: {target} was cut short each time: {error}.",
                    "Nothing of it was kept. Try again later; if it stays so, the vendor's file is damaged.",
                )
            ) from error
        except ApiUnavailable as error:  # from an `httpx.Auth` whose token endpoint is down
            raise _TryAgain(error) from error
        except httpx.TransportError as error:
            kind = RequestTimedOut if isinstance(error, httpx.ReadTimeout) else ApiUnavailable
            raise _TryAgain(
                kind(
                    f"{self._api.name}: {method} {target} got no answer: {type(error).__name__} {error}.",
                    "Nothing stored was changed. Check the network and the vendor's status page, then try again.",
                )
            ) from error

    def _check(self, response: httpx.Response) -> None:
        """Raise unless the status is 2xx."""
        if response.is_success:
            return
        request, status = response.request, response.status_code
        said = f"{request.method} {shown(request.url)} was answered {status} {response.reason_phrase}: {excerpt(response)}"
        if status in (408, 429) or status >= 500:
            kind = RequestTimedOut if status in (408, 504) else ApiUnavailable
            raise _TryAgain(
                kind(
                    f"{self._api.name}: {said}",
                    "Nothing stored was changed. The API was busy or down through all retries: try again later.",
                    metadata={"status": status},
                ),
                busy=status == 429,
                retry_after=retry_after(response, datetime.now(UTC)),
            )
        if status in (401, 403):
            raise CredentialsRejected(f"{self._api.name}: {said}", self._api.credentials, metadata={"status": status})
        if response.is_redirect:
            raise UnexpectedAnswer(
                f"{self._api.name}: {said}", "Redirects are not part of this API: check the base URL's setting."
            )
        raise RequestRejected(
            f"{self._api.name}: {said}",
            "The request is refused as it is: check the account and the base URL in the settings.",
            metadata={"status": status},
        )


class CutShort(Exception):
    """A body ended before its end, by its length, its gzip trailer or its digest."""


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds that the server asks to wait: `Retry-After` in seconds or as a date; None where there is none."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def shown(url: httpx.URL | str) -> str:
    """A URL as it may be logged: without query, fragment and credentials."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(query=None, fragment=None, userinfo=b""))


def excerpt(response: httpx.Response) -> str:
    """The start of a body, on one line; whatever looks like a link loses its query."""
    text = " ".join(response.text.split())
    words = [word.partition("?")[0] + "?…" if "://" in word and "?" in word else word for word in text.split(" ")]
    return f"“{' '.join(words)[:_SHOWN_CHARACTERS]}”" if text else "(no text)"


def quiet_logs() -> None:
    """Keep libraries from logging URLs with queries, headers and signatures, whatever level the root logger has."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def check_scheme(url: str, setting: str) -> str:
    """The URL, refused unless it is https, or http on loopback."""
    parsed = httpx.URL(url)
    if parsed.scheme == "https" and parsed.host or parsed.scheme == "http" and _is_loopback(parsed.host):
        return url.rstrip("/")
    raise ConfigurationError(
        f"{setting} is {shown(url) or 'empty'}, which is not an https:// address.",
        "Plain http:// is accepted for loopback only: credentials and customers' data would travel in the clear.",
    )


def same_site(link: str, base: str) -> bool:
    """Whether a link may be sent the credentials of `base`: same registrable domain, or both on loopback.

    A link that leaves https does not share anything with a base that has it.
    """
    there, here = httpx.URL(link), httpx.URL(base)
    if there.scheme != here.scheme:
        return False
    if there.host == here.host:
        return True
    if _is_loopback(there.host) or _is_loopback(here.host):
        return _is_loopback(there.host) and _is_loopback(here.host)
    domain = PublicSuffixList().privatesuffix(here.host)
    return domain is not None and domain == PublicSuffixList().privatesuffix(there.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
