"""How requests are authenticated, whatever the vendor: a token that renews itself, credentials that stay at home."""

import re
from collections.abc import Callable, Generator
from threading import Lock
from time import monotonic

import httpx

from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import Api, check
from contact_analytics.lib.links import same_site, shown

_RENEW_SECONDS_EARLY = 60
_TOKEN = re.compile(r"[\x21-\x7e]+")


class BearerToken(httpx.Auth):
    """A bearer token, renewed a minute before it expires and once after a 401.

    `request` makes the request for a new token; `api` names the service that gives it, and what to check if it does
    not. The token is `access_token` of the answer's JSON, good for `expires_in` seconds, an hour if it does not say.
    """

    def __init__(self, request: Callable[[], httpx.Request], api: Api, clock: Callable[[], float] = monotonic) -> None:
        self._request, self._api, self._clock, self._lock = request, api, clock, Lock()
        self._token, self._renew_at = "", 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._token if self._clock() < self._renew_at else (yield from self._renewed(self._token))
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            response.read()
            token = yield from self._renewed(token)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _renewed(self, known: str) -> Generator[httpx.Request, httpx.Response, str]:
        """A new token; the one that another thread has got meanwhile is taken as it is."""
        with self._lock:
            if self._token != known and self._clock() < self._renew_at:
                return self._token
            response = yield self._request()
            response.read()
            self._token, seconds = self._read(response)
            self._renew_at = self._clock() + seconds - min(_RENEW_SECONDS_EARLY, seconds / 2)
            return self._token

    def _read(self, response: httpx.Response) -> tuple[str, float]:
        """The token in an answer, and the seconds that it is good for."""
        check(response, self._api, refused=(400, 401, 403))
        try:
            answer = response.json()
            token, seconds = answer["access_token"], float(answer.get("expires_in", 3600))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            token, seconds = None, 0.0
        # It becomes a header, and the error about a header that cannot be sent would show it.
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise UnexpectedAnswer(
                f"{self._api.name}: POST {shown(response.request.url)} was answered {response.status_code} without a "
                "token.",
                f"Try again later; if it stays so: {self._api.credentials}",
            )
        return token, seconds


class SameSite(httpx.Auth):
    """Another `httpx.Auth`, applied to the configured API's own site and to no other host."""

    def __init__(self, auth: httpx.Auth, base_url: str) -> None:
        self._auth, self._base_url = auth, base_url

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if same_site(request.url, self._base_url):
            yield from self._auth.sync_auth_flow(request)
        else:
            yield request
