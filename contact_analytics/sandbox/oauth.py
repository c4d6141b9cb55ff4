"""OAuth as LivePerson's servers check it: 1.0a signatures in the header, and tokens of the client-credentials grant."""

import base64
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

import httpx
from oauthlib.oauth1.rfc5849.signature import base_string_uri, collect_parameters

_FORM = "application/x-www-form-urlencoded"
_PROTOCOL = ("oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature")


class Refused(Exception):
    """Why a request isn't let in; the answer is a 401 with this reason."""


@dataclass
class ApiKey:
    """The four values of OAuth 1.0a, and the signatures made with them that were seen before."""

    app_key: str
    app_secret: str
    access_token: str
    access_token_secret: str
    clock: Callable[[], datetime]
    tolerance: timedelta = timedelta(minutes=5)
    _seen: dict[str, float] = field(default_factory=dict[str, float])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, request: httpx.Request) -> None:
        """Raise `Refused` unless the request is signed for exactly its method, host, path and parameters, and once."""
        headers = {"Authorization": request.headers["authorization"]}
        try:
            given = dict(collect_parameters(headers=headers, exclude_oauth_signature=False))
            params = collect_parameters(uri_query=request.url.query.decode(), headers=headers, body=_form(request))
        except ValueError as error:
            raise Refused("malformed authorization header") from error
        if missing := [name for name in _PROTOCOL if not given.get(name)]:
            raise Refused(f"{missing[0]} is missing")
        if given.get("oauth_signature_method") != "HMAC-SHA1" or given.get("oauth_version", "1.0") != "1.0":
            raise Refused("signature method or version is not supported")
        if (given["oauth_consumer_key"], given["oauth_token"]) != (self.app_key, self.access_token):
            raise Refused("key or token is unknown")
        if not hmac.compare_digest(self._signature(request, params), given["oauth_signature"].encode()):
            raise Refused("signature is wrong")
        self._check_once(given["oauth_timestamp"], given["oauth_nonce"])

    def _signature(self, request: httpx.Request, params: list[tuple[str, str]]) -> bytes:
        """What RFC 5849, section 3.4, makes of the request and the two secrets."""
        pairs = sorted((_escaped(name), _escaped(value)) for name, value in params)
        parts = (
            request.method,
            base_string_uri(str(request.url)),
            "&".join(f"{name}={value}" for name, value in pairs),
        )
        key = f"{_escaped(self.app_secret)}&{_escaped(self.access_token_secret)}"
        return base64.b64encode(hmac.digest(key.encode(), "&".join(map(_escaped, parts)).encode(), "sha1"))

    def _check_once(self, timestamp: str, nonce: str) -> None:
        now, tolerance = self.clock().timestamp(), self.tolerance.total_seconds()
        if not timestamp.isdecimal() or abs(now - int(timestamp)) > tolerance:
            raise Refused("timestamp is too old or not valid")
        with self._lock:
            if nonce in self._seen:
                raise Refused("nonce was used before")
            self._seen[nonce] = float(timestamp)
            if len(self._seen) > 50_000:
                self._seen = {known: at for known, at in self._seen.items() if now - at <= tolerance}


@dataclass
class Client:
    """An OAuth 2.0 client, and the tokens that it was given."""

    client_id: str
    client_secret: str
    clock: Callable[[], datetime]
    seconds: int
    _tokens: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def token(self, request: httpx.Request) -> dict[str, object] | None:
        """The answer to a token request, or None where it isn't the client's."""
        given = dict(httpx.QueryParams(_form(request)))
        wanted = {"client_id": self.client_id, "client_secret": self.client_secret, "grant_type": "client_credentials"}
        if any(given.get(name) != value for name, value in wanted.items()):
            return None
        issued = f"sandbox.{secrets.token_urlsafe(24)}"
        self._tokens[issued] = self.clock() + timedelta(seconds=self.seconds)
        return {"access_token": issued, "token_type": "Bearer", "expires_in": self.seconds}

    def check(self, request: httpx.Request) -> None:
        """Raise `Refused` unless the request bears a token that is still good."""
        expiry = self._tokens.get(request.headers["authorization"].partition(" ")[2])
        if expiry is None:
            raise Refused("token is unknown")
        if self.clock() >= expiry:
            raise Refused("token has expired")


def _escaped(text: str) -> str:
    return quote(text, safe="~")


def _form(request: httpx.Request) -> str:
    """The body of a form; any other body isn't part of a signature."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    return request.read().decode("utf-8", "replace") if is_form else ""
