"""Credentials are right for each request, renewed in time, and sent to LivePerson's own hosts only."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.errors import (
    ApiUnavailable,
    ConfigurationError,
    ContactAnalyticsError,
    CredentialsRejected,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import Tally
from contact_analytics.liveperson.auth import ClientCredentials, OAuth1
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.liveperson.survey import DATASET
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import Wire

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
DAY = date(2024, 6, 18)
TOKEN = "/sentinel/api/v2/account/10203040/app/token"
LOOKUP = "/api/account/10203040/service/sentinel/baseURI.json"
OAUTH2: dict[str, Any] = {
    "app_key": "",
    "client_id": LivePersonDataAccess.client_id,
    "client_secret": LivePersonDataAccess.client_secret,
}

Resource = Callable[..., LivePersonDataAccessResource]
Reply = Callable[[httpx.Request], httpx.Response]


class Recorder:
    """An app, and the requests that it got; `replies` answer in its place where a path ends like their key."""

    def __init__(self, app: Reply, **replies: httpx.Response) -> None:
        self.app, self.replies, self.requests = app, replies, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for name, reply in self.replies.items():
            if request.url.path.endswith(name):
                return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        return self.app(request)

    def authorized(self) -> dict[str, set[str]]:
        """The hosts that were asked, with the kinds of credentials that each was sent."""
        hosts: dict[str, set[str]] = {}
        for request in self.requests:
            kind = request.headers.get("Authorization", "none").partition(" ")[0]
            hosts.setdefault(request.url.host, set()).add(kind)
        return hosts

    def count(self, path: str) -> int:
        return sum(request.url.path == path for request in self.requests)


def sandbox(**options: Any) -> LivePersonDataAccess:
    return LivePersonDataAccess(**{"scale": 0.02, "now": lambda: NOON} | options)


def list_and_download(resource: LivePersonDataAccessResource, tmp_path: Path) -> Tally:
    """One list and one file, by the real client."""
    tally = Tally()
    with resource.connect() as api:
        files = api.list_day(DATASET, DAY, tally)
        archived = ArchiveResource(root=str(tmp_path)).day("liveperson", "survey", DAY)
        assert archived.read(api.download(files[0], archived, tally))
    return tally


def test_each_request_is_signed_for_its_own_host(data_access: Resource, tmp_path: Path) -> None:
    """The list's links lead to a sibling host, whose server accepts no signature for another one."""
    app = Recorder(sandbox())
    tally = list_and_download(data_access(app), tmp_path)
    assert app.authorized() == {"va.da.liveperson.net": {"OAuth"}, "va-a.da.liveperson.net": {"OAuth"}}
    assert (tally.calls, tally.retries) == (3, 0)


@pytest.mark.parametrize("wrong", ["app_key", "app_secret", "access_token", "access_token_secret"])
def test_a_wrong_key_is_refused_in_words(data_access: Resource, tmp_path: Path, wrong: str) -> None:
    """At once, with what to check, whichever of the four values it is."""
    app = Recorder(sandbox())
    with pytest.raises(CredentialsRejected, match="API key's four values"):
        list_and_download(data_access(app, **{wrong: "something else"}), tmp_path)
    assert len(app.requests) == 1


@pytest.mark.parametrize("query", ["a=[1]", "a=^b", "a=b|c"])
def test_a_link_that_cannot_be_signed_is_named_without_its_query(query: str) -> None:
    """OAuth 1.0a knows queries of a form's characters only."""
    request = httpx.Request("GET", httpx.URL("https://va.da.liveperson.net/file.gz").copy_with(query=query.encode()))
    with pytest.raises(UnexpectedAnswer, match=r"/file\.gz has a query") as raised:
        next(OAuth1("a", "b", "c", "d").auth_flow(request))
    assert query not in str(raised.value)


def test_a_token_comes_by_way_of_the_domain_lookup(data_access: Resource, tmp_path: Path) -> None:
    """One lookup and one token for all requests; neither is sent other credentials than the client's own."""
    app = Recorder(sandbox())
    list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert (app.count(LOOKUP), app.count(TOKEN)) == (1, 1)
    assert app.authorized() == {
        "api.liveperson.net": {"none"},
        "va.da.liveperson.net": {"Bearer"},
        "va-a.da.liveperson.net": {"Bearer"},
    }


def test_a_complete_api_key_goes_before_a_client(data_access: Resource, tmp_path: Path) -> None:
    """Where both are set, requests are signed."""
    app = Recorder(sandbox())
    list_and_download(data_access(app, client_id="a", client_secret="b"), tmp_path)
    assert {kind for kinds in app.authorized().values() for kind in kinds} == {"OAuth"}


class Clock:
    """The time, as a test sets it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


def client(app: Reply, clock: Callable[[], float]) -> httpx.Client:
    """A client with a token of the sandbox's, whose clock is the test's."""
    url = f"https://va.sentinel.liveperson.net{TOKEN}"
    auth = ClientCredentials(lambda: url, LivePersonDataAccess.client_id, LivePersonDataAccess.client_secret, clock)
    return httpx.Client(transport=Wire(app), auth=auth, base_url="https://va.da.liveperson.net/data_access_le")


def test_a_token_is_renewed_a_minute_before_it_expires() -> None:
    """So that none expires on its way."""
    clock = Clock()
    app = Recorder(sandbox(now=clock.now, token_seconds=3600))
    with client(app, clock) as http:
        for seconds, tokens in ((0, 1), (3539, 1), (3541, 2), (7080, 2), (7082, 3)):
            clock.seconds = seconds
            assert http.get("/account/10203040/le").status_code == 200
            assert app.count(TOKEN) == tokens


def test_a_token_shorter_than_a_minute_is_used_for_half_of_it() -> None:
    """It would otherwise be renewed for every request."""
    clock = Clock()
    app = Recorder(sandbox(now=clock.now, token_seconds=30))
    with client(app, clock) as http:
        for seconds, tokens in ((0, 1), (14, 1), (16, 2)):
            clock.seconds = seconds
            assert http.get("/account/10203040/le").status_code == 200
            assert app.count(TOKEN) == tokens


def test_threads_share_a_token_and_its_renewal() -> None:
    """Eight at once ask for one token, and for one more when the server has forgotten it."""
    server, clock = Clock(), Clock()
    app = Recorder(sandbox(now=server.now, token_seconds=3600))
    barrier = threading.Barrier(8)

    def ask(http: httpx.Client) -> int:
        barrier.wait()
        return http.get("/account/10203040/le").status_code

    with client(app, clock) as http, ThreadPoolExecutor(8) as executor:
        for tokens in (1, 2):
            assert list(executor.map(ask, [http] * 8)) == [200] * 8
            assert app.count(TOKEN) == tokens
            server.seconds += 4000


def test_a_revoked_token_is_renewed_once(data_access: Resource, tmp_path: Path) -> None:
    """The request that met a 401 is made again with the new one."""
    app = Recorder(sandbox(faults=[Fault("/data_access_le", "401")]))
    tally = list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert app.count(TOKEN) == 2
    assert tally.retries == 0


def test_a_client_that_is_refused_with_a_new_token_too_is_refused(data_access: Resource, tmp_path: Path) -> None:
    """No third try."""
    app = Recorder(sandbox(faults=[Fault("/data_access_le", "401", times=9)]))
    with pytest.raises(CredentialsRejected):
        list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert app.count(TOKEN) == 2


@pytest.mark.parametrize("wrong", ["client_id", "client_secret"])
def test_a_wrong_client_is_refused_in_words(data_access: Resource, tmp_path: Path, wrong: str) -> None:
    """At once, by the settings that it is made of, without the values."""
    app = Recorder(sandbox())
    with pytest.raises(CredentialsRejected, match="LIVEPERSON_CLIENT_ID and LIVEPERSON_CLIENT_SECRET") as raised:
        list_and_download(data_access(app, **OAUTH2 | {wrong: "something else"}), tmp_path)
    assert app.count(TOKEN) == 1
    assert "something else" not in str(raised.value)


@pytest.mark.parametrize("path", [TOKEN, LOOKUP])
@pytest.mark.parametrize("kind", ["503", "429", "500", "connection", "timeout"])
def test_trouble_on_the_way_to_a_token_passes(data_access: Resource, tmp_path: Path, path: str, kind: str) -> None:
    """The token's service is retried as the API itself is."""
    app = Recorder(sandbox(faults=[Fault(path, kind, times=2)]))
    list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert app.count(path) == 3


@pytest.mark.parametrize("path", [TOKEN, LOOKUP])
@pytest.mark.parametrize("kind", ["503", "connection"])
def test_lasting_trouble_on_the_way_to_a_token_ends(
    data_access: Resource, tmp_path: Path, path: str, kind: str
) -> None:
    """After three further tries, not three times three, by the address that is down."""
    app = Recorder(sandbox(faults=[Fault(path, kind, times=99)]))
    with pytest.raises(ApiUnavailable, match=path):
        list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert app.count(path) == 4


def test_a_retry_after_of_the_token_service_counts(data_access: Resource, tmp_path: Path) -> None:
    """One that asks for more than a call may take ends it without another try."""
    app = Recorder(sandbox(faults=[Fault(TOKEN, "429_retry_after", times=9, value=9999)]))
    with pytest.raises(ApiUnavailable):
        list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert app.count(TOKEN) == 1


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, html="<html>Log in</html>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"access_token": None}),
        httpx.Response(200, json={"access_token": ""}),
        httpx.Response(200, json={"access_token": {"a": 1}}),
        httpx.Response(200, json={"access_token": "s3cret\nX-Header: 1"}),
        httpx.Response(200, json={"access_token": "s3cret é"}),
        httpx.Response(200, json={"access_token": "s3cret", "expires_in": "soon"}),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(204),
        httpx.Response(302, headers={"Location": "https://login.example"}),
    ],
)
def test_an_answer_without_a_token_is_not_taken_for_one(
    data_access: Resource, tmp_path: Path, reply: httpx.Response
) -> None:
    """Nothing that cannot be a header becomes one, and nothing of it is shown."""
    app = Recorder(sandbox(), token=reply)
    with pytest.raises(UnexpectedAnswer, match="app/token") as raised:
        list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert "s3cret" not in str(raised.value)
    assert set(app.authorized()) == {"api.liveperson.net"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(200, json={"baseURI": "sentinel.evil.example"}), UnexpectedAnswer),
        (httpx.Response(200, json={"baseURI": "evil-liveperson.net"}), UnexpectedAnswer),
        (httpx.Response(200, json={"baseURI": "http://va.sentinel.liveperson.net"}), UnexpectedAnswer),
        (httpx.Response(200, json={"baseURI": "http://127.0.0.1:8000"}), UnexpectedAnswer),
        (httpx.Response(200, json={"baseURI": ""}), UnexpectedAnswer),
        (httpx.Response(200, json={"baseURI": None}), UnexpectedAnswer),
        (httpx.Response(200, json=["baseURI"]), UnexpectedAnswer),
        (httpx.Response(200, html="<html>Log in</html>"), UnexpectedAnswer),
        (httpx.Response(301, headers={"Location": "https://evil.example"}), UnexpectedAnswer),
        (httpx.Response(400, json={"error": "account or service is unknown"}), ConfigurationError),
    ],
)
def test_client_secrets_go_to_livepersons_own_hosts_only(
    data_access: Resource, tmp_path: Path, reply: httpx.Response, error: type[ContactAnalyticsError]
) -> None:
    """Whatever the domain lookup says."""
    app = Recorder(sandbox(), **{"baseURI.json": reply})
    with pytest.raises(error):
        list_and_download(data_access(app, **OAUTH2), tmp_path)
    assert [request.method for request in app.requests] == ["GET"]


@pytest.mark.parametrize(
    ("base", "file_host", "gets"),
    [
        ("", "lo.da.liveperson.net", True),
        ("", "evil-liveperson.net", False),
        ("", "liveperson.net.evil.com", False),
        ("", "storage.example", False),
        ("", "localhost", False),
        ("https://da.lp.co.uk", "files.lp.co.uk", True),
        ("https://da.lp.co.uk", "evil.co.uk", False),
        ("https://10.0.0.1", "10.9.8.1", False),
        ("http://127.0.0.1:8001", "localhost", True),
    ],
)
@pytest.mark.parametrize("credentials", [{}, OAUTH2])
def test_links_get_credentials_on_the_apis_own_site_only(
    data_access: Resource, tmp_path: Path, base: str, file_host: str, gets: bool, credentials: dict[str, Any]
) -> None:
    """The links of the base resource and those of files alike: a foreign host is asked, but told nothing."""
    app = Recorder(sandbox(file_host=file_host))
    resource = data_access(app, data_access_url=base, **credentials)
    if gets:
        list_and_download(resource, tmp_path)
    else:
        with pytest.raises(CredentialsRejected):
            list_and_download(resource, tmp_path)
    assert ("none" not in app.authorized()[file_host]) is gets


def test_another_port_on_this_machine_is_the_same_site(data_access: Resource, tmp_path: Path) -> None:
    """Sandboxes live on free ports."""
    app = sandbox()

    def moved(request: httpx.Request) -> httpx.Response:
        answer = app(request)
        return httpx.Response(answer.status_code, content=answer.content.replace(b"localhost:8001", b"localhost:9001"))

    recorder = Recorder(moved)
    list_and_download(data_access(recorder, data_access_url="http://127.0.0.1:8001"), tmp_path)
    assert {request.url.port for request in recorder.requests} == {8001, 9001}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"account_id": ""}, ["LIVEPERSON_ACCOUNT_ID"]),
        ({"account_id": "10 20"}, ["LIVEPERSON_ACCOUNT_ID", "10 20"]),
        ({"account_id": "../../x"}, ["LIVEPERSON_ACCOUNT_ID"]),
        ({"region": ""}, ["LIVEPERSON_REGION", "us, uk, apac"]),
        ({"region": "eu"}, ["LIVEPERSON_REGION", "eu", "us, uk, apac"]),
        ({"data_access_url": "http://va.da.liveperson.net"}, ["LIVEPERSON_DATA_ACCESS_URL", "https://"]),
        ({"data_access_url": "va.da.liveperson.net"}, ["LIVEPERSON_DATA_ACCESS_URL", "https://"]),
        ({"app_secret": "", "access_token": ""}, ["LIVEPERSON_APP_SECRET, LIVEPERSON_ACCESS_TOKEN not set"]),
        (
            {"app_key": "", "app_secret": "", "access_token": "", "access_token_secret": "", "client_id": "x"},
            [": LIVEPERSON_CLIENT_SECRET not set"],
        ),
        (
            {"app_key": "", "app_secret": "", "access_token": "", "access_token_secret": ""},
            ["LIVEPERSON_APP_KEY", "LIVEPERSON_ACCESS_TOKEN_SECRET", "LIVEPERSON_CLIENT_ID"],
        ),
        (OAUTH2 | {"domain_url": "http://api.liveperson.net"}, ["LIVEPERSON_DOMAIN_URL", "https://"]),
    ],
)
def test_a_missing_or_impossible_setting_is_named_before_any_request(
    data_access: Resource, fields: dict[str, Any], named: list[str]
) -> None:
    """By its variable, never by a credential's value."""
    app = Recorder(sandbox())
    with pytest.raises(ConfigurationError) as raised, data_access(app, **fields).connect():
        pass
    assert all(name in str(raised.value) for name in named)
    assert "sandbox-" not in str(raised.value)
    assert app.requests == []


def test_a_resource_does_not_show_its_credentials(data_access: Resource) -> None:
    """Whoever prints it, or an error that does."""
    shown = repr(data_access(sandbox(), client_id="sandbox-client-id", client_secret="sandbox-client-secret"))
    assert "sandbox-" not in shown
    assert "10203040" in shown
