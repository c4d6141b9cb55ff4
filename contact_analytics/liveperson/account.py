"""What LivePerson's APIs have in common: an account, its credentials, and the lookup of where an API answers."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx
from pydantic import Field

from contact_analytics.lib.auth import SameSite
from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.http import Api, Caller, Tally
from contact_analytics.lib.links import check_scheme
from contact_analytics.lib.resource import ApiResource
from contact_analytics.liveperson.auth import ClientCredentials, OAuth1
from contact_analytics.liveperson.domain import Domain

_ACCOUNT = re.compile(r"[a-zA-Z0-9_]{1,20}")


class LivePersonResource(ApiResource):
    """One account of LivePerson's; each API is a resource of its own with the same credentials."""

    account_id: str = Field(default="", description="LivePerson account (LIVEPERSON_ACCOUNT_ID).")
    app_key: str = Field(default="", repr=False, description="OAuth 1.0a: app key.")
    app_secret: str = Field(default="", repr=False, description="OAuth 1.0a: app secret.")
    access_token: str = Field(default="", repr=False, description="OAuth 1.0a: access token.")
    access_token_secret: str = Field(default="", repr=False, description="OAuth 1.0a: access token secret.")
    client_id: str = Field(default="", repr=False, description="OAuth 2.0: client id; used where there is no app key.")
    client_secret: str = Field(default="", repr=False, description="OAuth 2.0: client secret.")
    domain_url: str = Field(default="https://api.liveperson.net", description="Base URL of the domain lookup.")

    @contextmanager
    def client(self, base_url: Callable[[Domain], str], api: Api) -> Generator[httpx.Client]:
        """A client that authenticates its requests to the API's own site.

        Raises `ConfigurationError` before any request if a setting is missing.
        """
        self._check_account()
        with self.open_client() as anonymous:
            domain = Domain(Caller(anonymous, api, self.rule, Tally()), self.domain_url, self.account_id)
            auth, url = self._auth(domain), base_url(domain)
            with self.open_client(auth=SameSite(auth, url), base_url=url) as client:
                yield client

    def _check_account(self) -> None:
        if not self.account_id:
            raise ConfigurationError(
                "No LivePerson account is set.", "Set LIVEPERSON_ACCOUNT_ID (see .env.example) and restart."
            )
        if not _ACCOUNT.fullmatch(self.account_id):
            raise ConfigurationError(
                f"LIVEPERSON_ACCOUNT_ID is {self.account_id!r}, which is no account of LivePerson's.",
                "It is up to 20 letters, digits and underscores, without spaces.",
            )

    def _auth(self, domain: Domain) -> httpx.Auth:
        key = {
            "LIVEPERSON_APP_KEY": self.app_key,
            "LIVEPERSON_APP_SECRET": self.app_secret,
            "LIVEPERSON_ACCESS_TOKEN": self.access_token,
            "LIVEPERSON_ACCESS_TOKEN_SECRET": self.access_token_secret,
        }
        client = {"LIVEPERSON_CLIENT_ID": self.client_id, "LIVEPERSON_CLIENT_SECRET": self.client_secret}
        if all(key.values()):
            return OAuth1(*key.values())
        if all(client.values()):
            check_scheme(self.domain_url, "LIVEPERSON_DOMAIN_URL")

            def token_url() -> str:
                return f"{domain.base_uri('sentinel')}/sentinel/api/v2/account/{self.account_id}/app/token"

            return ClientCredentials(token_url, self.client_id, self.client_secret)
        begun = [group for group in (key, client) if any(group.values())] or [key, client]
        missing = [name for group in begun for name, value in group.items() if not value]
        raise ConfigurationError(
            f"LivePerson credentials are not complete: {', '.join(missing)} not set.",
            "Set the four values of an API key (OAuth 1.0a), or LIVEPERSON_CLIENT_ID and _SECRET (OAuth 2.0).",
        )
