"""The account configuration's client asks as documented, and takes nothing but a list for a list."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contact_analytics.lib.entities import entries
from contact_analytics.lib.errors import (
    ApiUnavailable,
    ConfigurationError,
    CredentialsRejected,
    DownloadIncomplete,
    RequestRejected,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import Tally
from contact_analytics.lib.snapshots import EntityList
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics_tests.histories import KINDS, SandboxedAccountConfig, sandboxed

LISTS = "/configuration/"
HASH = "5f4dcc3b5aa765d61d8327deb882cf99"


@pytest.fixture
def app() -> LivePersonAccountConfig:
    return LivePersonAccountConfig(scale=0.1)


def ask(
    app: LivePersonAccountConfig, name: str = "users", revision: str = "", tally: Tally | None = None, **fields: Any
) -> EntityList | None:
    with sandboxed(app, **fields).connect() as api:
        return api.list_entities(name, revision, tally or Tally())


class Odd(LivePersonAccountConfig):
    """A vendor whose lists are answered with something else."""

    given: Callable[[httpx.Request], httpx.Response]

    def _list(self, request: httpx.Request, kind: str) -> httpx.Response:
        return self.given(request)


def odd(answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> Odd:
    app = Odd(scale=0.1)
    app.given = answer if callable(answer) else lambda _: answer
    return app


@pytest.mark.parametrize("name", list(KINDS))
def test_a_list_is_asked_for_whole(app: LivePersonAccountConfig, name: str) -> None:
    """All fields and the deleted ones, at the host that the domain lookup names, signed; the revision comes along."""
    found = ask(app, name)
    assert found
    listed = {int(entry["id"]): entry for entry in json.loads(found.text)}
    assert listed == {entity["id"]: entity for entity in app.entities(KINDS[name])}
    assert found.revision == str(app.revision)
    lookup, call = app.calls
    assert lookup.url.path.endswith("/service/accountConfigReadOnly/baseURI.json")
    assert dict(call.url.params) == {"v": "4.0", "select": "$all", "include_deleted": "true"}
    assert call.headers["If-Match"] == "-1"
    assert call.headers["Authorization"].startswith("OAuth ")


def test_oauth_2_opens_it_too(app: LivePersonAccountConfig) -> None:
    """The successor of the API key."""
    keys = ("app_key", "app_secret", "access_token", "access_token_secret")
    client = {"client_id": app.client_id, "client_secret": app.client_secret}
    assert ask(app, **dict.fromkeys(keys, ""), **client)
    assert app.calls[-1].headers["Authorization"].startswith("Bearer ")


def test_a_revision_that_still_holds_is_answered_by_nothing(app: LivePersonAccountConfig) -> None:
    """304 to the revision that was named; any other gets the list."""
    revision = str(app.revision)
    assert ask(app, revision=revision) is None
    app.change("users", app.entities("users")[0]["id"], nickname="Other")
    again = ask(app, revision=revision)
    assert again
    assert again.revision == str(app.revision)


def test_304_without_a_revision_is_no_unchanged_list() -> None:
    """A cache between us and the vendor must not make an empty table."""
    with pytest.raises(UnexpectedAnswer, match=r"answered 304 .*no revision was named.*not taken for an unchanged"):
        ask(odd(httpx.Response(304)))


@pytest.mark.parametrize(
    ("headers", "revision"),
    [
        ({"ac-revision": "17"}, "17"),
        ({"ETag": '"18"'}, '"18"'),
        ({"etag": 'W/"19"'}, 'W/"19"'),
        ({"ac-revision": "20", "ETag": "abc"}, "20"),
        ({"ac-revision": "-1"}, ""),
        ({"ac-revision": b"\xe9"}, ""),
        ({}, ""),
    ],
)
def test_the_revision_comes_in_either_header(headers: Any, revision: str) -> None:
    """Pages of the documentation differ; a list without one is a list."""
    found = ask(odd(lambda _: httpx.Response(200, headers=headers, json=[{"id": 1}])))
    assert found
    assert found.revision == revision


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": []}',
        b"null",
        b"<html>Log in</html>",
        b'"[]"',
        b"[1,]",
        b"[NaN]",
        b"[1e999]",
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"id": 1, "id": 2}]',
        b'["\xff"]',
    ],
    ids=["object", "null", "page", "text", "comma", "nan", "infinite", "deep", "twice", "bytes"],
)
def test_anything_but_a_list_is_refused(body: bytes) -> None:
    """Never taken for an empty list, and never quoted: it may hold hashes."""
    with pytest.raises(
        UnexpectedAnswer, match=r"no JSON array of entries.*It is not taken for an empty list"
    ) as raised:
        ask(odd(lambda _: httpx.Response(200, content=body)))
    assert "Log in" not in str(raised.value)


def test_a_revision_is_sent_back_as_it_came() -> None:
    """However it is spelled, quotes and the mark of a weak one included."""
    sent = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["If-Match"])
        return httpx.Response(304 if sent[1:] else 200, headers={"ETag": 'W/"../17_a.b%20"'}, json=[])

    app = odd(answer)
    found = ask(app)
    assert found
    assert ask(app, revision=found.revision) is None
    assert sent == ["-1", 'W/"../17_a.b%20"']


@pytest.mark.parametrize("kind", ["401", "403"])
def test_a_refusal_is_not_asked_again(app: LivePersonAccountConfig, kind: str) -> None:
    """And says what to check."""
    app.faults.append(Fault(LISTS, kind))
    tally = Tally()
    with pytest.raises(CredentialsRejected, match="permission to read users"):
        ask(app, tally=tally)
    assert (tally.calls, tally.retries) == (1, 0)


def test_404_is_not_asked_again() -> None:
    tally = Tally()
    with pytest.raises(RequestRejected):
        ask(odd(httpx.Response(404, text="Not Found")), tally=tally)
    assert tally.calls == 1


@pytest.mark.parametrize("kind", ["429", "500", "503", "timeout", "connection", "cut_body", "cut_json", "dropped_body"])
def test_what_may_pass_is_asked_again(app: LivePersonAccountConfig, kind: str) -> None:
    """A busy or broken API, and a list that was cut short on its way."""
    app.faults.append(Fault(LISTS, kind, times=2))
    tally = Tally()
    found = ask(app, tally=tally)
    assert found
    assert len(json.loads(found.text)) == len(app.entities("users"))
    assert (tally.calls, tally.retries) == (3, 2)


@pytest.mark.parametrize(
    ("kind", "error"), [("500", ApiUnavailable), ("cut_body", DownloadIncomplete), ("empty", DownloadIncomplete)]
)
def test_what_does_not_pass_is_an_error(app: LivePersonAccountConfig, kind: str, error: type[Exception]) -> None:
    """After as many tries as the vendor asks for."""
    app.faults.append(Fault(LISTS, kind, times=99))
    with pytest.raises(error):
        ask(app)


def test_nothing_is_asked_without_an_account(app: LivePersonAccountConfig) -> None:
    """A missing setting is named before any request."""
    with pytest.raises(ConfigurationError, match="LIVEPERSON_ACCOUNT_ID"), SandboxedAccountConfig().connect():
        pass
    assert not app.requests


def test_hashes_are_dropped_before_anything_sees_them(app: LivePersonAccountConfig) -> None:
    """In any place and spelling; what merely tells of a password stays."""
    secret = {"passwordSh": HASH, "x": [{"OldPassword": HASH, "y": 1}], "changePwdNextLogin": True}
    body = json.dumps([{"id": 1, "confirm\\u0050assword": HASH, **secret}]).replace("\\\\u", "\\u").encode()
    found = ask(odd(lambda _: httpx.Response(200, content=body)))
    assert found
    assert json.loads(found.text) == [{"id": 1, "x": [{"y": 1}], "changePwdNextLogin": True}]
    app.leaks_hashes = True
    leaking = ask(app)
    assert leaking
    assert b"passwordSh" not in leaking.text


def test_a_list_without_hashes_is_kept_as_received() -> None:
    """Byte for byte: the archive is what the vendor said."""
    body = b' [ {"id": 12345678901234567890, "share": 1.10, "name": "caf\\u00e9 \xf0\x9f\x98\x80"} ]\n'
    found = ask(odd(lambda _: httpx.Response(200, content=body)))
    assert found
    assert found.text == body
    assert entries(body)[1] is False


def test_an_error_in_a_list_with_hashes_quotes_none() -> None:
    """A list that cannot be read is described by its size and type."""
    body = json.dumps([{"id": 1, "passwordSh": HASH}]).encode()[:-1] + b",]"
    with pytest.raises(UnexpectedAnswer) as raised:
        ask(odd(lambda _: httpx.Response(200, content=body)))
    assert HASH not in str(raised.value)
