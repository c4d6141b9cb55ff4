"""CXone's two ways to a token, and where a tenant's API answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx

from contact_analytics.lib.errors import ConfigurationError, UnexpectedAnswer
from contact_analytics.lib.http import Api, Caller, check, excerpt
from contact_analytics.lib.links import check_scheme, same_site, shown

API = Api(
    "NICE CXone Data Extraction",
    "Check NICE_CXONE_ACCESS_KEY_ID and NICE_CXONE_ACCESS_KEY_SECRET, and that the key's user has the permission for "
    "this entity (QM Tools > Data Extraction APIs > QM Workflow API, or Search & Playback > APIs > Extract Interaction "
    "Metadata).",
    throttles=True,
)
TOKENS = Api(
    "NICE CXone",
    "Check NICE_CXONE_ACCESS_KEY_ID and NICE_CXONE_ACCESS_KEY_SECRET, and where they are set NICE_CXONE_CLIENT_ID and "
    "NICE_CXONE_CLIENT_SECRET.",
)
# The vendor's pages write its domain with a hyphen for some areas and without for others.
_HOSTS = {"eu1": "https://eu1.niceincontact.com"}


def url_of_area(area: str) -> str:
    """The root of an area's API by its documented name."""
    area = area.strip().lower()
    return _HOSTS.get(area, f"https://{area}.nice-incontact.com")


def by_access_key(url: str, key_id: str, secret: str) -> httpx.Request:
    """The request for a token by an access key alone."""
    body = {"accessKeyId": key_id, "accessKeySecret": secret}
    return httpx.Request("POST", f"{url}/authentication/v1/token/access-key", json=body)


class Issuer:
    """CXone's central service, which gives tokens to OAuth clients and knows where each tenant is.

    `client` is an OAuth client's id and secret, `key` an access key's.
    """

    def __init__(self, url: str, client: tuple[str, str], key: tuple[str, str], caller: Caller) -> None:
        self._url, self._caller = check_scheme(url, "NICE_CXONE_ISSUER_URL"), caller
        self._form = {"grant_type": "password", "username": key[0], "password": key[1]}
        self._headers = {"Authorization": f"Basic {base64.b64encode(':'.join(client).encode()).decode()}"}
        self._token_url = ""

    def token_request(self) -> httpx.Request:
        """The request for a token."""
        if not self._token_url:
            self._token_url = self._told("/.well-known/openid-configuration", "token_endpoint")
        return httpx.Request("POST", self._token_url, data=self._form, headers=self._headers)

    def api_url(self) -> str:
        """The root of the API of the tenant that the tokens are for."""
        url = str(self.token_request().url)
        tenant = self._caller.send("POST", url, _tenant_of, headers=self._headers, form=self._form)
        return self._told("/.well-known/cxone-configuration", "api_endpoint", tenantId=tenant)

    def _told(self, path: str, name: str, **params: str) -> str:
        """An address that the service tells, on its own site."""
        answer = self._caller.get(f"{self._url}{path}", params=params)
        try:
            url = check_scheme(answer.json()[name], name)
            if not same_site(url, self._url):
                raise ValueError(f"{shown(url)} is on another site")
        except (ValueError, KeyError, TypeError, AttributeError, ConfigurationError) as error:
            raise UnexpectedAnswer(
                f"{TOKENS.name}: {shown(answer.request.url)} does not say {name} ({error}): {excerpt(answer)}",
                "Check NICE_CXONE_ISSUER_URL, or set NICE_CXONE_URL to the root of the API yourself.",
            ) from error
        return url


def _tenant_of(response: httpx.Response) -> str:
    """The tenant that a token names, be it in the access token or in the one that identifies the user."""
    response.read()
    check(response, TOKENS, refused=(400, 401, 403))
    try:
        answer = response.json()
        for name in ("access_token", "id_token"):
            if tenant := _claims(answer.get(name)).get("tenantId"):
                return str(tenant)
    except (ValueError, AttributeError):
        pass  # It is no object of JSON.
    raise UnexpectedAnswer(
        f"{TOKENS.name}: {shown(response.request.url)} was answered {response.status_code} without a token that names "
        "its tenant.",
        f"Set NICE_CXONE_URL to the root of the API yourself. {TOKENS.credentials}",
    )


def _claims(token: Any) -> Mapping[str, Any]:
    """What a JSON Web Token says. It is not verified: it only tells where to ask."""
    try:
        payload = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (AttributeError, IndexError, ValueError):
        return {}
