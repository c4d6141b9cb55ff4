"""LivePerson's two ways to authenticate a request: an API key that signs it, and an OAuth 2.0 client's token."""

from collections.abc import Callable, Generator
from threading import Lock
from time import monotonic

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, Client

from contact_analytics.lib.errors import ApiUnavailable, CredentialsRejected, UnexpectedAnswer
from contact_analytics.lib.http import excerpt, same_site, shown

_RENEW_SECONDS_EARLY = 60


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
        _, headers, _ = self._client.sign(str(request.url), http_method=request.method)
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
        if response.status_code == httpx.codes.UNAUTHORIZED:
            response.read()
            token = yield from self._renewed(token)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _renewed(self, known: str) -> Generator[httpx.Request, httpx.Response, str]:
        """A new token; the one that another thread has got meanwhile is taken as it is."""
        with self._lock:
            if self._token != known and self._clock() < self._renew_at:
                return self._token
            url = self._token_url()
            form = {
                "client_id": self._client_id,
                "client_secret": self._client_secret,
                "grant_type": "client_credentials",
            }
            response = yield httpx.Request("POST", url, data=form)
            response.read()
            self._token, seconds = _token(response, url)
            self._renew_at = self._clock() + seconds - min(_RENEW_SECONDS_EARLY, seconds / 2)
            return self._token


class SameSite(httpx.Auth):
    """Another `httpx.Auth`, applied to the configured API's own site and to no other host."""

    def __init__(self, auth: httpx.Auth, base_url: str) -> None:
        self._auth, self._base_url = auth, base_url

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if same_site(str(request.url), self._base_url):
            yield from self._auth.sync_auth_flow(request)
        else:
            yield request


def _token(response: httpx.Response, url: str) -> tuple[str, float]:
    asked = f"LivePerson: POST {shown(url)} was answered {response.status_code}"
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise ApiUnavailable(f"{asked}: {excerpt(response)}", "Nothing stored was changed. Try again later.")
    if response.is_client_error:
        raise CredentialsRejected(
            f"{asked}: {excerpt(response)}",
            "Check LIVEPERSON_CLIENT_ID and LIVEPERSON_CLIENT_SECRET and that the application is enabled.",
        )
    try:
        answer = response.json() if response.is_success else {}
        return str(answer["access_token"]), float(answer.get("expires_in", 3600))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnexpectedAnswer(
            f"{asked} without an access_token.", "Try again later; check LIVEPERSON_DOMAIN_URL if it stays so."
        ) from None
