"""The API is found by its address, its area or its tenant's token, and only its own site gets credentials."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.nice_cxone.entities import ENTITIES
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import JOBS, TOKEN, Tamper, Tampered, answering

NAME, DAY = "qm_workflows", days_ago(6)
OAUTH = {"area": "", "client_id": NiceCxone.client_id, "client_secret": NiceCxone.client_secret}
OPENID, CONFIGURATION = "/.well-known/openid-configuration", "/.well-known/cxone-configuration"


def hosts(place: CxonePlace, path: str) -> set[str]:
    """The hosts that were asked for a path."""
    return {call.url.host for call in place.app.calls if call.url.path.endswith(path)}


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({"area": "na1"}, "na1.nice-incontact.com"),
        ({"area": "au1"}, "au1.nice-incontact.com"),
        ({"area": "eu1"}, "eu1.niceincontact.com"),
        ({"area": " EU1 "}, "eu1.niceincontact.com"),
        ({"area": "", "url": "https://api-na2.niceincontact.com"}, "api-na2.niceincontact.com"),
        ({"area": "eu1", "url": "https://api-jp1.niceincontact.com/"}, "api-jp1.niceincontact.com"),
    ],
)
def test_the_api_is_at_its_areas_host_or_where_the_settings_say(
    open_place: OpenPlace, fields: dict[str, str], host: str
) -> None:
    """With the hyphen where the vendor writes one; the access key goes to the same host."""
    place = open_place(fields)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert hosts(place, JOBS) == hosts(place, TOKEN) == {host}
    truth.assert_true(place, NAME, DAY)


@dataclass(kw_only=True, eq=False)
class Below(NiceCxone):
    """The sandbox behind a gateway: all that is the API's lies below a path."""

    path: str

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "s3." in request.url.host:
            return super().__call__(request)
        assert request.url.path.startswith(f"{self.path}/"), request.url
        url = request.url.copy_with(path=request.url.path.removeprefix(self.path))
        return super().__call__(httpx.Request(request.method, url, headers=request.headers, content=request.read()))


def test_the_api_may_lie_below_a_path(open_place: OpenPlace) -> None:
    """And the tenant's limits are kept there as well."""
    place = open_place({"url": "https://gate.example/nice", "call_interval_seconds": 0.3, "days_an_export": 1})
    place.app = Below(path="/nice", interval=0.27, scale=0.1)
    run = place.materialize(NAME, DAY, days_ago(5))
    assert run.ok, run.problem
    assert (len(place.app.submissions), place.app.violations) == (2, [])


def test_an_oauth_client_finds_the_token_service_and_its_tenants_api(open_place: OpenPlace) -> None:
    """The issuer tells where tokens are, the token which tenant it is for, and the issuer where that one's API is."""
    place = open_place(OAUTH)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert hosts(place, JOBS) == {"api-na1.niceincontact.com"}
    assert hosts(place, OPENID) == hosts(place, CONFIGURATION) == hosts(place, "/auth/token")
    assert hosts(place, "/auth/token") == {"cxone.niceincontact.com"}
    [asked] = [call for call in place.app.calls if call.url.path == CONFIGURATION]
    assert asked.url.params["tenantId"] == place.app.tenant_id
    assert not hosts(place, TOKEN)
    truth.assert_true(place, NAME, DAY)


def test_an_oauth_client_with_an_address_asks_for_none(open_place: OpenPlace) -> None:
    """Where the settings say where the API is, or its area, only the token's service is looked for."""
    for number, where in enumerate(({"url": "https://api-na1.niceincontact.com"}, {"area": "na1"})):
        place = open_place(OAUTH | where, folder=str(number))
        assert place.materialize(NAME, DAY).ok
        assert not hosts(place, CONFIGURATION)


def test_another_issuer_is_the_settings(open_place: OpenPlace) -> None:
    """Such as that of the United States' government, which also tells addresses of its own site alone."""
    place = open_place(OAUTH | {"issuer_url": "https://cxone-gov.niceincontact.com/"})
    assert place.materialize(NAME, DAY).ok
    assert hosts(place, OPENID) == {"cxone-gov.niceincontact.com"}


def telling(path: str, name: str, value: Any) -> Tamper:
    """Discovery that says something else."""

    def tamper(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
        return httpx.Response(200, json=answer.json() | {name: value}) if request.url.path == path else None

    return tamper


ELSEWHERE = [
    "https://evil.example/auth/token",
    "https://niceincontact.com.evil.example/auth/token",
    "https://evil-niceincontact.com/auth/token",
    "http://cxone.niceincontact.com/auth/token",
    "//evil.example",
    "",
    None,
    7,
]


@pytest.mark.parametrize("value", ELSEWHERE, ids=repr)
@pytest.mark.parametrize(("path", "name"), [(OPENID, "token_endpoint"), (CONFIGURATION, "api_endpoint")])
def test_an_address_on_another_site_is_refused(open_place: OpenPlace, path: str, name: str, value: Any) -> None:
    """Whoever answers the discovery does not get the key or the token sent elsewhere."""
    place = open_place(OAUTH)
    place.app = Tampered(tamper=telling(path, name, value))
    with pytest.raises(UnexpectedAnswer, match=f"does not say {name}") as caught, truth.connected(place, NAME):
        pass
    assert "NICE_CXONE_ISSUER_URL" in str(caught.value)
    assert {call.url.host for call in place.app.calls} == {"cxone.niceincontact.com"}
    assert all(call.url.scheme == "https" for call in place.app.calls)


@pytest.mark.parametrize("path", [OPENID, CONFIGURATION])
def test_a_page_in_place_of_the_discovery_is_an_error(open_place: OpenPlace, path: str) -> None:
    """As a red day, whose words name the setting that makes discovery needless."""
    place = open_place(OAUTH)
    place.app = Tampered(
        tamper=answering(lambda request: request.url.path == path, lambda: httpx.Response(200, html="<html>Hi"))
    )
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert "set NICE_CXONE_URL to the root of the API yourself" in run.problem
    assert not hosts(place, JOBS)


def token(**claims: str) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("answer", "is_found"),
    [
        ({"access_token": "opaque", "id_token": token(tenantId="t")}, True),
        ({"access_token": token(tenantId="t")}, True),
        ({"access_token": token(sub="x"), "id_token": token(sub="x")}, False),
        ({"access_token": "opaque"}, False),
        ({"access_token": "a.b.c"}, False),
        ({"access_token": None, "id_token": 7}, False),
        ([], False),
    ],
)
def test_the_tenant_is_the_one_that_a_token_names(open_place: OpenPlace, answer: Any, *, is_found: bool) -> None:
    """The access token or the one that identifies the user; where neither does, the error says what to set."""
    place = open_place(OAUTH)
    place.app = Tampered(
        tenant_id="t",
        tamper=answering(lambda request: request.url.path == "/auth/token", lambda: httpx.Response(200, json=answer)),
    )
    if is_found:
        with truth.connected(place, NAME):
            assert hosts(place, CONFIGURATION) == {"cxone.niceincontact.com"}
        return
    words = "Set NICE_CXONE_URL to the root of the API yourself"
    with pytest.raises(UnexpectedAnswer, match=words), truth.connected(place, NAME):
        pass
    assert not hosts(place, CONFIGURATION)


MISSING: list[tuple[dict[str, str], list[str]]] = [
    ({"access_key_id": ""}, ["NICE_CXONE_ACCESS_KEY_ID"]),
    ({"access_key_secret": "", "area": ""}, ["NICE_CXONE_ACCESS_KEY_SECRET", "NICE_CXONE_URL or NICE_CXONE_AREA"]),
    ({"area": ""}, ["NICE_CXONE_URL or NICE_CXONE_AREA"]),
    ({"client_id": "x"}, ["NICE_CXONE_CLIENT_SECRET"]),
    ({"client_secret": "x"}, ["NICE_CXONE_CLIENT_ID"]),
]


@pytest.mark.parametrize(("fields", "names"), MISSING, ids=lambda value: "-".join(value) or "none")
def test_settings_that_are_missing_are_named_before_any_request(
    open_place: OpenPlace, fields: dict[str, str], names: list[str]
) -> None:
    """All of them at once."""
    place = open_place(fields)
    resource = place.extraction()
    resource.apps[""] = place.app
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert f"NICE CXone's settings are not complete: {', '.join(names)} not set" in run.problem
    assert run.requests == []


WRONG: list[tuple[dict[str, str], str]] = [
    ({"url": "http://api-na1.niceincontact.com"}, "NICE_CXONE_URL is http://api-na1.niceincontact.com, which is not"),
    (OAUTH | {"issuer_url": "http://cxone.niceincontact.com"}, "NICE_CXONE_ISSUER_URL is http://"),
    ({"versions": "3"}, "NICE_CXONE_VERSIONS is no JSON object of versions by entity"),
    ({"versions": "null"}, "NICE_CXONE_VERSIONS is no JSON object of versions by entity"),
    ({"versions": '{"qm-workflows": 3'}, "NICE_CXONE_VERSIONS is no JSON object of versions by entity"),
    ({"versions": '{"qm_workflow": "3"}'}, "NICE_CXONE_VERSIONS names qm-workflow;"),
    ({"versions": '{"qm-workflows": "../3"}'}, "is no version"),
    ({"versions": '{"qm-workflows": {"a": 1}}'}, "is no version"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=lambda value: str(value)[:60])
def test_settings_that_cannot_work_are_named_before_any_request(
    open_place: OpenPlace, fields: dict[str, str], words: str
) -> None:
    """Such as plain http, and versions of an entity that there isn't: a day must not be of another version unsaid."""
    run = open_place(fields).materialize(NAME, DAY)
    assert not run.ok
    assert words in run.problem
    assert run.requests == []


def test_every_entity_may_have_a_version_in_the_settings() -> None:
    """Those that tables are made of, and no others."""
    assert {module.ENTITY.name for module in truth.MODULES.values()} == ENTITIES
