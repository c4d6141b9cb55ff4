"""How a client of NICE CXone's sandbox gets a token, and where it learns which addresses there are."""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote

import httpx

from contact_analytics.sandbox.app import LOOPBACK, Answer

_CENTRAL = "https://cxone.niceincontact.com"
_API = "https://api-na1.niceincontact.com"


@dataclass
class Access:
    """The tenant's access key and OAuth client, and the tokens that they were given."""

    access_key_id: str
    access_key_secret: str
    client_id: str
    client_secret: str
    tenant_id: str
    clock: Callable[[], datetime]
    seconds: int
    _tokens: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def by_access_key(self, request: httpx.Request) -> httpx.Response:
        """The answer to a JSON request with the access key; what else it holds doesn't matter."""
        try:
            given = json.loads(request.read())
        except ValueError as error:
            raise Answer(400, "the body is not JSON") from error
        if not isinstance(given, dict):
            raise Answer(400, "the body is an object with accessKeyId and accessKeySecret")
        if (given.get("accessKeyId"), given.get("accessKeySecret")) != (self.access_key_id, self.access_key_secret):
            raise Answer(401, "Invalid credentials.")
        return httpx.Response(200, json=self._issued("Bearer"))

    def by_password(self, request: httpx.Request) -> httpx.Response:
        """The answer to the password grant, whose user is the access key."""
        form = dict(httpx.QueryParams(request.read().decode("utf-8", "replace")))
        if form.get("grant_type") != "password":
            return httpx.Response(400, json={"error": "unsupported_grant_type"})
        clients = [(form.get("client_id"), form.get("client_secret")), *_basic(request)]
        if (self.client_id, self.client_secret) not in clients:
            return httpx.Response(401, json={"error": "invalid_client"})
        if (form.get("username"), form.get("password")) != (self.access_key_id, self.access_key_secret):
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(200, json=self._issued("bearer"))

    def refusal(self, request: httpx.Request) -> str | None:
        """Why a request may not call the API; None where it may."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return "no token"
        expiry = self._tokens.get(token)
        if expiry is None:
            return "unknown token"
        return "expired token" if self.clock() >= expiry else None

    def _issued(self, kind: str) -> dict[str, object]:
        expiry = self.clock() + timedelta(seconds=self.seconds)
        token = self._jwt(expiry)
        self._tokens[token] = expiry
        return {
            "access_token": token,
            "token_type": kind,
            "expires_in": self.seconds,
            "refresh_token": secrets.token_urlsafe(24),
            "id_token": self._jwt(expiry),
        }

    def _jwt(self, expiry: datetime) -> str:
        payload = {"tenantId": self.tenant_id, "exp": int(expiry.timestamp()), "jti": secrets.token_hex(8)}
        return ".".join((_part({"alg": "RS256", "typ": "JWT"}), _part(payload), secrets.token_urlsafe(32)))


def discovery(request: httpx.Request) -> httpx.Response:
    """The issuer's OpenID configuration."""
    issuer = _origin(request) or _CENTRAL
    return httpx.Response(200, json={"issuer": issuer, "token_endpoint": f"{issuer}/auth/token"})


def configuration(request: httpx.Request, tenant_id: str) -> httpx.Response:
    """A tenant's addresses; regional hosts are asked without a tenant."""
    if request.url.params.get("tenantId", tenant_id) != tenant_id:
        raise Answer(404, "no such tenant")
    origin = _origin(request)
    addresses = {
        "private": False,
        "ui_endpoint": origin or "https://na1.nice-incontact.com",
        "auth_endpoint": origin or _CENTRAL,
        "api_endpoint": origin or _API,
        "area": "na1",
        "cluster": "c42",
        "domain": request.url.netloc.decode() if origin else "niceincontact.com",
        "acdDomain": "niceincontact.com",
        "uhDomain": "nice-incontact.com",
        "tenantId": tenant_id,
        "globaldomain": "niceincontact.com",
    }
    return httpx.Response(200, json=addresses)


def _origin(request: httpx.Request) -> str:
    """Where the sandbox itself listens, if it does; all addresses are then its own."""
    return f"{request.url.scheme}://{request.url.netloc.decode()}" if request.url.host in LOOPBACK else ""


def _basic(request: httpx.Request) -> list[tuple[str, str]]:
    """The client of HTTP Basic as it stands and with its halves unquoted: clients do both."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [(name, secret), (unquote(name), unquote(secret))]


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
