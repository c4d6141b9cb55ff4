"""What all LivePerson APIs share: an account, its credentials, the domain lookup and the token service."""

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import httpx

from contact_analytics.sandbox.faults import ANSWERS, Fault
from contact_analytics.sandbox.oauth import ApiKey, Client, Refused

LOOPBACK = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
SERVICES = ("sentinel", "msgHist", "accountConfigReadOnly", "accountConfigReadWrite", "agentVep")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Answer(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response = httpx.Response(status, json={"error": reason})


@dataclass(kw_only=True, eq=False)
class LivePersonApp:
    """An API as a callable for `httpx.MockTransport`; each option is a keyword.

    `now` is the clock of the data and the tokens. `signature_clock` is that of OAuth 1.0a, real by default, as the
    client that signs reads the real time whatever day a test is set in. `services` are those that the domain lookup
    knows. `requests` and `calls` are what was asked, in order: by method and path, and whole.
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
    services: Collection[str] = SERVICES
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]], init=False)
    calls: list[httpx.Request] = field(default_factory=list[httpx.Request], init=False)

    # A part of the path that requests of this API alone have.
    segment: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._key = ApiKey(
            self.app_key, self.app_secret, self.access_token, self.access_token_secret, self.signature_clock
        )
        self._client = Client(self.client_id, self.client_secret, self.now, self.token_seconds)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append((request.method, request.url.path))
            self.calls.append(request)
        if fault := self.due(request, ANSWERS):
            return ANSWERS[fault.kind](fault)
        try:
            return self._answer(request)
        except Refused as refused:
            return httpx.Response(401, json={"error": f"Not authenticated: {refused}"})
        except Answer as answer:
            return answer.response

    def share(self, other: "LivePersonApp") -> None:
        """From now on a token of the other API is good here too, and a fault is due at whichever is asked first."""
        self.faults, self._lock, self._key, self._client = other.faults, other._lock, other._key, other._client

    def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        """The answer of this API, by the segments of the path."""
        raise Answer(404, "Not Found")

    def admit(self, request: httpx.Request, account: str) -> None:
        """Refuse a request without good credentials of the account."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        if scheme == "oauth":
            self._key.check(request)
        elif scheme == "bearer":
            self._client.check(request)
        else:
            raise Refused("no credentials")
        if account != self.account_id:
            raise Answer(403, "the key is not of this account")

    def due(self, request: httpx.Request, kinds: Collection[str]) -> Fault | None:
        """The first fault of these kinds that waits for such a request, used once."""
        target = request.url.raw_path.decode()
        if target.startswith("/sandbox/"):
            return None
        with self._lock:
            for fault in self.faults:
                if fault.kind in kinds and fault.times > 0 and fault.path in target:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None

    def _answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        match request.method, parts:
            case "POST", ["sandbox", "faults"]:
                return self._add_fault(request)
            case "GET", ["api", "account", account, "service", service, "baseURI.json"]:
                return self._domain(request, account, service)
            case "POST", ["sentinel", "api", "v2", "account", account, "app", "token"]:
                token = self._client.token(request) if account == self.account_id else None
                return (
                    httpx.Response(200, json=token) if token else httpx.Response(400, json={"error": "invalid_client"})
                )
            case _:
                return self.api(request, parts)

    def _domain(self, request: httpx.Request, account: str, service: str) -> httpx.Response:
        if request.url.params.get("version") != "1.0":
            raise Answer(400, "version=1.0 is required")
        if account != self.account_id or service not in self.services:
            raise Answer(400, "account or service is unknown")
        # LivePerson names a host alone; the sandbox on loopback has no TLS, so its scheme must come along.
        host = request.url.netloc.decode()
        base = f"{request.url.scheme}://{host}" if request.url.host in LOOPBACK else host
        return httpx.Response(200, json={"service": service, "account": account, "baseURI": base})

    def _add_fault(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in LOOPBACK:
            raise Answer(404, "Not Found")
        try:
            fault = Fault(**json.loads(request.read()))
        except (TypeError, ValueError) as error:
            raise Answer(400, str(error)) from error
        with self._lock:
            self.faults.append(fault)
        return httpx.Response(201, json=asdict(fault))
