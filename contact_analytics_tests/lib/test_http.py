"""Requests end in a whole answer or in an error of ours, after as many tries as the rule allows."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.bodies import CutShort
from contact_analytics.lib.errors import (
    ApiUnavailable,
    ConfigurationError,
    ContactAnalyticsError,
    CredentialsRejected,
    DownloadIncomplete,
    RequestRejected,
    RequestTimedOut,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import (
    Api,
    Caller,
    RetryRule,
    Tally,
    TryAgain,
    excerpt,
    quiet_logs,
    retry_after,
)
from contact_analytics.lib.links import check_scheme, followed, same_site, shown
from contact_analytics_tests.fakes import Wire

NOW = datetime(2024, 6, 20, 12, tzinfo=UTC)
BASE = "https://api.vendor.example"
OUTAGE = ApiUnavailable("The vendor is down.", "Wait.")


class Vendor:
    """Answers in turn; the last one is repeated. An exception among them is raised."""

    def __init__(self, *answers: httpx.Response | httpx.TransportError) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.TransportError):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def caller(vendor: Callable[[httpx.Request], httpx.Response], tally: Tally | None = None, **rule: Any) -> Caller:
    client = httpx.Client(transport=Wire(vendor), base_url=BASE)
    return Caller(client, Api("Vendor", "Check the key."), RetryRule(**({"unit": 0} | rule)), tally or Tally())


def busy(seconds: float | None = None) -> TryAgain:
    return TryAgain(OUTAGE, busy=True, retry_after=seconds)


def failing(seconds: float | None = None) -> TryAgain:
    return TryAgain(OUTAGE, retry_after=seconds)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (busy(), [1, 2, 4, 8, 16, None]),
        (failing(), [5, 10, 15, None]),
        (busy(30), [30, 30, 30, 30, 30, None]),
        (failing(7), [7, 10, 15, None]),
        (busy(0), [1, 2, 4, 8, 16, None]),
    ],
)
def test_waits_are_the_vendors_or_longer_where_it_asks_for_longer(error: TryAgain, waits: list[float | None]) -> None:
    """A busy API gets a second and more, a failing one 5, 10 and 15; a Retry-After beyond that is honoured."""
    assert [RetryRule().wait(error, tries, 0) for tries in range(1, len(waits) + 1)] == waits


def test_no_wait_ends_behind_the_time_that_a_call_has() -> None:
    """A wait that cannot end in time is not begun."""
    rule = RetryRule(total_seconds=100)
    assert rule.wait(busy(90), 1, 10) == 90
    assert rule.wait(busy(90), 1, 10.1) is None
    assert rule.wait(busy(float("inf")), 1, 0) is None
    assert rule.wait(failing(), 1, 96) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 3 ", 3),
        ("0", 0),
        ("9" * 400, float("inf")),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW + timedelta(minutes=2)).replace("+0000", "-0000"), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("2024-06-20", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    """Both forms of the header count; anything else is as if it were not there."""
    response = httpx.Response(429, headers=[(b"Retry-After", value.encode())])
    assert retry_after(response, NOW) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_breaks_anything(value: str) -> None:
    """Whatever stands in the header is a number of seconds or nothing."""
    response = httpx.Response(429, headers=[(b"Retry-After", value.encode())])
    assert (retry_after(response, NOW) or 0) >= 0


@pytest.mark.parametrize(
    ("answer", "tries", "error"),
    [
        (httpx.Response(429), 6, ApiUnavailable),
        (httpx.Response(429, headers={"Retry-After": "0"}), 6, ApiUnavailable),
        (httpx.Response(429, headers={"Retry-After": "Thu, 20 Jun 2024 12:00:00 GMT"}), 6, ApiUnavailable),
        (httpx.Response(500), 4, ApiUnavailable),
        (httpx.Response(502), 4, ApiUnavailable),
        (httpx.Response(503, headers={"Retry-After": "0"}), 4, ApiUnavailable),
        (httpx.Response(599), 4, ApiUnavailable),
        (httpx.Response(504), 4, RequestTimedOut),
        (httpx.Response(408), 4, RequestTimedOut),
        (httpx.ReadTimeout("silence"), 4, RequestTimedOut),
        (httpx.ConnectTimeout("silence"), 4, ApiUnavailable),
        (httpx.ConnectError("refused"), 4, ApiUnavailable),
        (httpx.ReadError("reset"), 4, ApiUnavailable),
        (httpx.RemoteProtocolError("peer closed connection"), 4, ApiUnavailable),
        (httpx.Response(400), 1, RequestRejected),
        (httpx.Response(401), 1, CredentialsRejected),
        (httpx.Response(403), 1, CredentialsRejected),
        (httpx.Response(404), 1, RequestRejected),
        (httpx.Response(451), 1, RequestRejected),
        (httpx.Response(302, headers={"Location": "https://login.example/?t=1"}), 1, UnexpectedAnswer),
        (httpx.Response(307, headers={"Location": BASE}), 1, UnexpectedAnswer),
        (httpx.Response(304), 1, UnexpectedAnswer),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_not(
    answer: httpx.Response | httpx.TransportError, tries: int, error: type[ContactAnalyticsError]
) -> None:
    """A busy API gets five further tries, a failing one three, a refusal none; no redirect is followed."""
    vendor, tally = Vendor(answer), Tally()
    with pytest.raises(error) as raised:
        caller(vendor, tally).get("/things", params={"startTime": "1"})
    assert len(vendor.requests) == tries
    assert (tally.calls, tally.retries) == (tries, tries - 1)
    assert {request.url.host for request in vendor.requests} == {"api.vendor.example"}
    assert raised.value.retryable == isinstance(raised.value, ApiUnavailable)
    assert "https://api.vendor.example/things" in str(raised.value)
    assert "startTime" not in str(raised.value)


def test_an_answer_after_trouble_is_an_answer() -> None:
    """Trouble of several kinds that passes leaves nothing but its count."""
    vendor, tally = Vendor(httpx.Response(503), httpx.ReadError("reset"), httpx.Response(200, json=[1])), Tally()
    assert caller(vendor, tally).get("/things").json() == [1]
    assert (tally.calls, tally.retries) == (3, 2)


def test_a_retry_after_longer_than_the_call_may_take_ends_it_at_once() -> None:
    """Nobody waits for an hour in vain: the answer is an error without a second try."""
    vendor = Vendor(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(ApiUnavailable, match="429 Too Many Requests"):
        caller(vendor).get("/things")
    assert len(vendor.requests) == 1


def test_bytes_count_what_came_over_the_wire() -> None:
    """Bodies of errors and of discarded tries came as well, and are paid for."""
    vendor, tally = Vendor(httpx.Response(503, content=b"down"), httpx.Response(200, content=b"[1, 2]")), Tally()
    caller(vendor, tally).get("/things")
    assert tally.bytes == len(b"down") + len(b"[1, 2]")


def test_a_body_that_cannot_be_decompressed_is_trouble_of_the_network() -> None:
    """A proxy that breaks the encoding of an answer is tried again, and named."""

    def broken(request: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(b"this is not gzip")
        answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=iter(()))
        answer.stream = stream
        return answer

    tally = Tally()
    with pytest.raises(ApiUnavailable, match="DecodingError"):
        caller(broken, tally).get("/things")
    assert tally.calls == 4


def test_a_timeout_that_a_narrower_request_may_avoid_is_not_repeated() -> None:
    """Whoever can ask for less is told at once."""
    vendor = Vendor(httpx.ReadTimeout("silence"))
    with pytest.raises(RequestTimedOut):
        caller(vendor).get("/things", retry_timeouts=False)
    assert len(vendor.requests) == 1


def test_a_body_that_is_never_whole_is_named() -> None:
    """The error says which file and what is wrong with it."""
    vendor = Vendor(httpx.Response(200))

    def cut(response: httpx.Response) -> None:
        raise CutShort("3 of 5 bytes arrived")

    with pytest.raises(DownloadIncomplete, match=r"/file\.gz did not arrive whole: 3 of 5 bytes arrived"):
        caller(vendor).stream(f"{BASE}/file.gz?signature=abc", cut)
    assert len(vendor.requests) == 4


def test_an_error_that_is_an_answer_is_one() -> None:
    """`accept` decides, for any status."""
    response = caller(Vendor(httpx.Response(404, text="none"))).get("/things", accept=lambda answer: True)
    assert response.text == "none"


def test_an_excerpt_is_short_and_has_no_queries() -> None:
    """What a server says is shown, but neither whole nor with signed links."""
    text = (
        'Not found:\n https://storage.example/a?X-Sig=s3cret&b=c "/b?token=s3cret" https:\\/\\/x\\/y?s3cret really? yes'
    )
    said = excerpt(httpx.Response(404, text=text, request=httpx.Request("GET", BASE)))
    assert "s3cret" not in said
    assert "really? yes" in said
    assert len(excerpt(httpx.Response(500, text="x" * 10_000, request=httpx.Request("GET", BASE)))) < 400


@pytest.mark.parametrize(
    "request_",
    [
        httpx.Request("GET", BASE, headers={"Authorization": "Bearer s3cret/+token="}),
        httpx.Request("GET", BASE, headers={"Authorization": 'OAuth oauth_token="s3cret%2F%2Btoken%3D", x="1.0"'}),
        httpx.Request("POST", BASE, data={"client_secret": "s3cret/+token=", "grant_type": "client_credentials"}),
    ],
)
@pytest.mark.parametrize("said", ["bad s3cret/+token= given", "oauth_token%3D s3cret%2F%2Btoken%3D, you know"])
def test_credentials_that_a_server_repeats_are_not_repeated(request_: httpx.Request, said: str) -> None:
    """A careless server's error shows what was sent; ours does not."""
    assert "s3cret" not in excerpt(httpx.Response(401, text=said, request=request_))


@pytest.mark.parametrize("charset", ["hex", "rot13", "utf-16", "nonsense"])
def test_an_error_in_any_charset_is_shown(charset: str) -> None:
    """The charset is the server's word, and it may be none."""
    request = httpx.Request("GET", BASE)
    answer = httpx.Response(500, content=b"caf\xe9", headers={"Content-Type": f"text/plain; charset={charset}"})
    answer.request = request
    assert "caf" in excerpt(answer)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:pw@h.example:8443/a/b?token=x#frag", "https://h.example:8443/a/b"),
        ("https://h.example/a\nb", "no valid address"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, said: str) -> None:
    """Neither user, nor query, nor fragment."""
    assert shown(url) == said


@pytest.mark.parametrize(
    "url", ["https://h.example", "http://127.0.0.1:8000/x/", "http://localhost", "http://[::1]:80"]
)
def test_https_and_loopback_are_addresses_of_apis(url: str) -> None:
    """A sandbox on this machine needs no certificate."""
    assert check_scheme(url, "SETTING") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://h.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0",
        "ftp://h.example",
        "h.example",
        "https://",
        "",
        "https://h.example/\n",
        " https://h.example",
    ],
)
def test_any_other_address_is_refused_by_its_setting(url: str) -> None:
    """Before any request, in words."""
    with pytest.raises(ConfigurationError, match=r"^SETTING is "):
        check_scheme(url, "SETTING")


@pytest.mark.parametrize(
    ("link", "base", "same"),
    [
        ("https://va-a.da.liveperson.net/x", "https://va.da.liveperson.net", True),
        ("https://va.da.liveperson.net:8443/x", "https://va.da.liveperson.net", True),
        ("https://VA-A.DA.LivePerson.net/x", "https://va.da.liveperson.net", True),
        ("https://liveperson.net", "https://va.da.liveperson.net", True),
        ("http://va-a.da.liveperson.net/x", "https://va.da.liveperson.net", False),
        ("https://evil-liveperson.net/x", "https://va.da.liveperson.net", False),
        ("https://liveperson.net.evil.com/x", "https://va.da.liveperson.net", False),
        ("https://liveperson.com/x", "https://va.da.liveperson.net", False),
        ("https://va.da.liveperson.net@evil.com/x", "https://va.da.liveperson.net", False),
        ("https://b.co.uk", "https://a.co.uk", False),
        ("https://x.a.co.uk", "https://a.co.uk", True),
        ("https://evil.github.io", "https://mine.github.io", False),
        ("https://10.9.8.1", "https://10.0.0.1", False),
        ("https://1.evil.0.1", "https://10.0.0.1", False),
        ("https://10.0.0.1", "https://10.0.0.1:444", True),
        ("https://[2001:db8::2]", "https://[2001:db8::1]", False),
        ("http://localhost:9001/x", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:9001/x", "http://127.0.0.1:8000", True),
        ("https://localhost/x", "https://va.da.liveperson.net", False),
        ("https://va.da.liveperson.net", "https://localhost", False),
        ("https://b.corp", "https://a.corp", False),
        ("https://intranet2", "https://intranet", False),
    ],
)
def test_credentials_are_for_hosts_of_the_same_owner(link: str, base: str, same: bool) -> None:
    """The same registrable domain, or this machine; never by a common ending of letters."""
    assert same_site(link, base) is same


@pytest.mark.parametrize(
    ("link", "base", "asked"),
    [
        ("https://other.example/x?y=z", BASE, "https://other.example/x?y=z"),
        ("/x", BASE, f"{BASE}/x"),
        ("http://localhost:1/x", "http://127.0.0.1:2", "http://localhost:1/x"),
    ],
)
def test_links_are_followed_as_they_are(link: str, base: str, asked: str) -> None:
    """Verbatim, or from the API's own host where they name none."""
    assert followed(link, base, "Vendor") == asked


@pytest.mark.parametrize(
    ("link", "base"),
    [
        ("http://api.vendor.example/x?s3cret", BASE),
        ("http://127.0.0.1/x", BASE),
        ("http://h.example/x", "http://127.0.0.1"),
        ("ftp://h.example/x", BASE),
        ("file:///etc/passwd", BASE),
        ("https:///x", BASE),
        ("https://", BASE),
        ("https://h.example/\x00", BASE),
    ],
)
def test_links_that_leave_https_are_refused(link: str, base: str) -> None:
    """A vendor cannot make us send or fetch anything in the clear."""
    with pytest.raises(UnexpectedAnswer, match="not an https:// address") as raised:
        followed(link, base, "Vendor")
    assert "s3cret" not in str(raised.value)


def test_libraries_keep_urls_and_headers_to_themselves() -> None:
    """Also those of their loggers that somebody has set to debug by name."""
    talkative = [logging.getLogger(name) for name in ("httpx", "httpcore.http11", "oauthlib.oauth1.rfc5849")]
    talkative[2].setLevel(logging.DEBUG)
    quiet_logs()
    assert not any(logger.isEnabledFor(logging.INFO) for logger in talkative)


@pytest.mark.parametrize(
    ("options", "secrets"),
    [
        (
            {"json": {"accessKeyId": "AAAASECRET====", "accessKeySecret": 'B"BBB\\SECRET'}},
            ["AAAASECRET====", 'B"BBB\\SECRET'],
        ),
        ({"auth": ("analytics-user", "planted:password")}, ["analytics-user", "planted:password"]),
        ({"data": {"password": "planted/key+1=", "username": "planted-user"}}, ["planted/key+1=", "planted-user"]),
    ],
)
def test_credentials_that_an_error_repeats_are_not_shown(options: dict[str, Any], secrets: list[str]) -> None:
    """Whether they were sent as JSON, as a form or in the header."""

    def careless(request: httpx.Request) -> httpx.Response:
        said = " ".join(["no", *secrets, request.read().decode(), request.headers.get("Authorization", "")])
        return httpx.Response(401, text=said)

    with httpx.Client(transport=httpx.MockTransport(careless)) as client:
        shown_text = excerpt(client.post(BASE, **options))
    assert shown_text.startswith("“no ")
    assert not [secret for secret in secrets if secret in shown_text]
