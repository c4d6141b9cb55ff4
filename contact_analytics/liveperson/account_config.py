"""LivePerson account configuration: the lists of users, skills and agent groups, whole, with a revision.

Source: LivePerson's Users, Skills and Agent Groups API pages; what is inferred is said where it is used.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dataframely as dy
import httpx

from contact_analytics.lib.bodies import BLANK, CutShort
from contact_analytics.lib.entities import entries
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import Api, Caller, RetryRule, Tally, announced_length, check
from contact_analytics.lib.links import shown
from contact_analytics.lib.schema import field
from contact_analytics.lib.snapshots import EntityList
from contact_analytics.liveperson.account import LivePersonResource

_API = Api(
    "LivePerson account configuration",
    "Check the API key's four values or the OAuth client in the settings, that the key is for this account, and that "
    "it has the permission to read users (category Administration).",
)
# What the API takes for “whatever you have”.
_ANY_REVISION = "-1"
_PATHS = {"users": "users", "skills": "skills", "agent_groups": "agentGroups"}
# The API's versions; newer ones exist. After a change here materialize once with `refetch: true`: the revision stays.
_VERSIONS = {"users": "4.0", "skills": "4.0", "agent_groups": "4.0"}


class LivePersonAccountConfigResource(LivePersonResource):
    """The account configuration API of one account."""

    @contextmanager
    def connect(self) -> Generator["AccountConfig"]:
        """The API, ready to be asked. Raises `ConfigurationError` before any request if a setting is missing."""
        with self.client(lambda domain: domain.base_uri("accountConfigReadOnly"), _API) as client:
            yield AccountConfig(client, self.account_id, self.rule)


class AccountConfig:
    """The API's methods, over one open client."""

    def __init__(self, client: httpx.Client, account_id: str, rule: RetryRule) -> None:
        self._client, self._account_id, self._rule = client, account_id, rule

    def list_entities(self, name: str, revision: str, tally: Tally) -> EntityList | None:
        """All of an account's users, skills or agent groups, deleted ones included; None if the revision still holds.

        Passwords and their hashes are dropped here, before anything sees them; without them the bytes are as received.
        """
        path = f"/api/account/{self._account_id}/configuration/le-users/{_PATHS[name]}"
        # Without a selection the answer has a few fields only (inferred), and without the deleted their end is unknown.
        params = {"v": _VERSIONS[name], "select": "$all", "include_deleted": "true"}
        headers = {"If-Match": revision or _ANY_REVISION}

        def whole(response: httpx.Response) -> EntityList | None:
            body = response.read()
            if response.status_code == 304:
                return _unchanged(response, revision)
            check(response, _API)
            _check_whole(response, body)
            return _listed(response, body)

        return Caller(self._client, _API, self._rule, tally).send("GET", path, whole, params=params, headers=headers)


def local_time(meaning: str, **facts: Any) -> Any:
    """A time as text, without a zone: the vendor states none."""
    return field(dy.Datetime, f"{meaning}; the vendor does not state the time zone", **facts)


def _unchanged(response: httpx.Response, revision: str) -> None:
    if not revision:
        raise UnexpectedAnswer(
            f"{_API.name}: {shown(response.request.url)} was answered 304 (not modified), although no revision was "
            "named.",
            "It is not taken for an unchanged list. A cache may stand in between: check the network.",
        )


def _check_whole(response: httpx.Response, body: bytes) -> None:
    """Raise `CutShort` for a list that ends too early."""
    announced, received = announced_length(response), response.num_bytes_downloaded
    if announced is not None and received != announced:
        raise CutShort(f"{received:,} of {announced:,} bytes arrived")
    text = body.strip(BLANK)
    if not text:
        raise CutShort("the body is empty")
    if text.startswith(b"[") and not text.endswith(b"]"):
        raise CutShort("the list has no end")


def _listed(response: httpx.Response, body: bytes) -> EntityList:
    asked = shown(response.request.url)
    try:
        found, dropped = entries(body)
        text = json.dumps(found).encode() if dropped else body
        return EntityList(text, _revision(response), asked)
    except ValueError as error:
        kind = response.headers.get("Content-Type") or "no type"
        # What was answered may hold hashes, so it is described, not quoted.
        raise UnexpectedAnswer(
            f"{_API.name}: {asked} was answered {response.status_code} with {len(body):,} bytes ({kind}) that are no "
            f"JSON array of entries: {error}.",
            "It is not taken for an empty list, and nothing was kept. A proxy or a login page may stand in between: "
            "check the base URL and the network; otherwise report it, the vendor's format has changed.",
        ) from error


def _revision(response: httpx.Response) -> str:
    """The list's revision as it is sent: users and skills have `ac-revision`, the agent groups' page calls it ETag."""
    headers = response.headers
    revision = (headers.get("ac-revision") or headers.get("ETag") or "").strip()
    # It is sent back in a header. A list whose revision cannot be is one without.
    return "" if revision == _ANY_REVISION or not revision.isascii() else revision
