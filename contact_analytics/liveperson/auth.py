"""LivePerson's two ways to authenticate a request: an API key that signs it, and an OAuth 2.0 client's token."""

from collections.abc import Callable, Generator
from time import monotonic

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, Client

from contact_analytics.lib.auth import BearerToken
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import Api
from contact_analytics.lib.links import shown

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


class ClientCredentials(BearerToken):
    """OAuth 2.0 client credentials."""

    def __init__(
        self, token_url: Callable[[], str], client_id: str, client_secret: str, clock: Callable[[], float] = monotonic
    ) -> None:
        form = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
        super().__init__(lambda: httpx.Request("POST", token_url(), data=form), _API, clock)
