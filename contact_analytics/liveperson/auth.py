"""LivePerson's two ways to authenticate a request: an API key that signs it, and an OAuth 2.0 client's token."""

import re
from collections.abc import Callable, Generator
from threading import Lock
from time import monotonic

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, Client

from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import Api, check
from contact_analytics.lib.links import same_site, shown

_RENEW_SECONDS_EARLY = 60
_TOKEN = re.compile(r"[\x21-\x7e]+")
_API = Api("LivePerson", "Check LIVEPERSON_CLIENT_ID and LIVEPERSON_CLIENT_SECRET and that the application is enabled.")


class OAuth1(httpx.Auth):
    """OAuth 1.0a, one-legged: HMAC-SHA1 over method, URL and query, in the `Authorization` header.

    The signature is made for the host that the request goes to, a sibling of the configured one included.
    """

    def __init__(self, app_key: str, app_secret: str, access_token: str, access_token_secret: str) -> None:
        self._client = Client(
            app_key,
            client_secret=app_secret,
            resource_owner_key=access_token,
            resource_owner_secret=access_token_secret,
            signature_method=SIGNATURE_HMAC_SHA1,
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url, method = str(request.url), request.method
        try:
            _, headers, _ = self._client.sign(url, http_method=method)  # pyright: ignore[reportArgumentType]
        except ValueError:  # It repeats the query.
            raise UnexpectedAnswer(
                f"LivePerson: the link {shown(url)} has a query that OAuth 1.0a cannot sign.",
                "It was not followed. Use OAuth 2.0: set LIVEPERSON_CLIENT_ID and LIVEPERSON_CLIENT_SECRET instead.",
            ) from None
        request.headers["Authorization"] = headers["Authorization"]
        yield request


class ClientCredentials(httpx.Auth):
    """OAuth 2.0 client credentials: a bearer token, renewed a minute before it expires and once after a 401."""

    def __init__(
        self, token_url: Callable[[], str], client_id: str, client_secret: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._token_url, self._client_id, self._client_secret = token_url, client_id, client_secret
        self._clock, self._lock = clock, Lock()
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
            form = {
                "client_id": self._client_id,
                "client_secret": self._client_secret,
                "grant_type": "client_credentials",
            }
            response = yield httpx.Request("POST", self._token_url(), data=form)
            response.read()
            self._token, seconds = _token(response)
            self._renew_at = self._clock() + seconds - min(_RENEW_SECONDS_EARLY, seconds / 2)
            return self._token


class SameSite(httpx.Auth):
    """Another `httpx.Auth`, applied to the configured API's own site and to no other host."""

    def __init__(self, auth: httpx.Auth, base_url: str) -> None:
        self._auth, self._base_url = auth, base_url

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if same_site(request.url, self._base_url):
            yield from self._auth.sync_auth_flow(request)
        else:
            yield request


def _token(response: httpx.Response) -> tuple[str, float]:
    """The token in an answer, and the seconds that it is good for."""
    check(response, _API, refused=(400, 401, 403))
    try:
        answer = response.json()
        token, seconds = answer["access_token"], float(answer.get("expires_in", 3600))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        token, seconds = None, 0.0
    # It becomes a header, and the error about a header that cannot be sent would show it.
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise UnexpectedAnswer(
            f"LivePerson: POST {shown(response.request.url)} was answered {response.status_code} without a token.",
            "Try again later; check LIVEPERSON_DOMAIN_URL if it stays so.",
        )
    return token, seconds
