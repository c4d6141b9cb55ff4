"""What all LivePerson APIs share: an account, its credentials, the domain lookup and the token service."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import httpx

from contact_analytics.sandbox.app import LOOPBACK, Answer, SandboxApp, utc_now
from contact_analytics.sandbox.oauth import ApiKey, Client, Refused

SERVICES = ("sentinel", "msgHist", "accountConfigReadOnly", "accountConfigReadWrite", "agentVep")


@dataclass(kw_only=True, eq=False)
class LivePersonApp(SandboxApp):
    """An API of LivePerson's.

    `signature_clock` is that of OAuth 1.0a, real by default, as the client that signs reads the real time whatever day
    a test is set in. `services` are those that the domain lookup knows.
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
    signature_clock: Callable[[], datetime] = utc_now
    services: Collection[str] = SERVICES

    # A part of the path that requests of this API alone have.
    segment: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._key = ApiKey(
            self.app_key, self.app_secret, self.access_token, self.access_token_secret, self.signature_clock
        )
        self._client = Client(self.client_id, self.client_secret, self.now, self.token_seconds)

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

    def answer(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._answer(request)
        except Refused as refused:
            return httpx.Response(401, json={"error": f"Not authenticated: {refused}"})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        match request.method, parts:
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
