"""A message reaches the receiver whole and within its limits, or ends in an error; and nothing tells the URL."""

import logging
import traceback
from collections.abc import Iterator

import pytest

from contact_analytics.lib.errors import (
    ApiUnavailable,
    ConfigurationError,
    ContactAnalyticsError,
    RequestRejected,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import TryAgain
from contact_analytics.lib.webhook import URL, WebhookResource
from contact_analytics_tests.webhook_receiver import PARTS, PATH, Answer, Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def post(webhook: WebhookResource, title: str = "A title", *lines: str) -> None:
    webhook.post(title, lines, name="Run 1", path="runs/1")


def test_a_message_is_blocks_for_slack_and_the_same_as_text_for_others(receiver: Receiver) -> None:
    """Title, lines, and the page's address at the end, which Slack and Markdown both make a link of."""
    post(receiver.webhook(ui_url="https://dagster.example/ui/"), "A title", "one", "two")
    assert receiver.text == "*A title*\none\ntwo\nRun 1: <https://dagster.example/ui/runs/1>"
    assert {block["type"] for block in receiver.messages[0]["blocks"]} == {"section"}
    assert all(block["text"]["verbatim"] for block in receiver.messages[0]["blocks"])


def test_without_the_address_of_the_ui_its_page_is_named(receiver: Receiver) -> None:
    """Nothing is made up."""
    post(receiver.webhook())
    assert receiver.text == "*A title*\nRun 1"


def test_without_a_url_nothing_is_sent(receiver: Receiver) -> None:
    """Off is no error."""
    post(receiver.webhook(url=""))
    assert not receiver.messages


def test_nothing_in_a_line_is_markup(receiver: Receiver) -> None:
    """An error's text mentions no channel and makes no link, and odd characters do not keep it from being sent."""
    post(receiver.webhook(), "a & b", "<!channel> <https://x.example|y> &amp; “ü” 漢 \ud800 \0")
    assert "*a &amp; b*" in receiver.text
    assert "&lt;!channel&gt; &lt;https://x.example|y&gt; &amp;amp; “ü” 漢 ? \0" in receiver.text


@pytest.mark.parametrize("line", ["x" * 10_000, "&" * 10_000, "x" * 2994 + "&" * 9])
def test_a_line_that_is_too_long_is_cut(receiver: Receiver, line: str) -> None:
    """A block takes 3,000 characters, and no cut leaves half an escaped one."""
    post(receiver.webhook(), "A title", line, "the next")
    _, cut, *_ = texts = [block["text"]["text"] for block in receiver.messages[0]["blocks"]]
    assert 2990 < len(cut) <= 3000
    assert cut.endswith("…")
    assert cut.removesuffix("…").replace("&amp;", "").replace("x", "") == ""
    assert texts[-2:] == ["the next", "Run 1"]


def test_a_message_that_is_too_long_keeps_its_beginning_and_its_link(receiver: Receiver) -> None:
    """Slack takes 50 blocks; the text is for receivers that take less."""
    post(receiver.webhook(), "A title", *(f"{number} {'x' * 2000}" for number in range(100)))
    [message] = receiver.messages
    texts = [block["text"]["text"] for block in message["blocks"]]
    assert len(texts) == 50
    assert all(0 < len(text) <= 3000 for text in texts)
    assert texts[0].startswith("*A title*\n0 x")
    assert texts[-2:] == ["…", "Run 1"]
    assert len(message["text"]) <= 16_000
    assert message["text"].endswith("…\nRun 1")


def test_a_failure_that_passes_is_no_error(receiver: Receiver) -> None:
    """Down twice, then there."""
    receiver.answers += [Answer(500), Answer(429, headers={"Retry-After": "0"})]
    post(receiver.webhook())
    assert len(receiver.messages) == 3
    assert receiver.messages[0] == receiver.messages[-1]


def test_tries_are_over_long_before_the_sensors_minute(receiver: Receiver) -> None:
    """Three tries; the receiver's word on waiting counts, and one that is too long ends them at once."""
    receiver.always = Answer(503)
    with pytest.raises(ApiUnavailable, match=r"“A title” with 503 Service Unavailable: ok\. Nobody was told"):
        post(receiver.webhook())
    assert len(receiver.messages) == 3
    receiver.answers.append(Answer(429, "slow down", {"Retry-After": "3600"}))
    with pytest.raises(ApiUnavailable, match="429 Too Many Requests: slow down"):
        post(receiver.webhook())
    assert len(receiver.messages) == 4
    rule, busy = WebhookResource().rule, TryAgain(ApiUnavailable("", ""), busy=True, retry_after=4)
    assert [rule.wait(busy, tries, elapsed=0) for tries in (1, 2, 3)] == [4, 4, None]
    assert rule.wait(busy, 1, elapsed=3) is None


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(404, "no_service"), RequestRejected, f"404 Not Found: no_service. Nobody was told. Check {URL}"),
        (Answer(403, "invalid_token"), RequestRejected, "403 Forbidden: invalid_token."),
        (Answer(400, "invalid_blocks"), RequestRejected, "400 Bad Request: invalid_blocks."),
        (Answer(302, "", {"Location": f"https://login.example{PATH}"}), RequestRejected, "302 Found: (no text)."),
        (Answer(200, "\n<!DOCTYPE html><html>Log in</html>"), UnexpectedAnswer, "a web page and no webhook"),
    ],
)
def test_a_refusal_is_told_at_once(
    receiver: Receiver, answer: Answer, error: type[ContactAnalyticsError], said: str
) -> None:
    """Asking again would change nothing; the receiver's word says why."""
    receiver.always = answer
    with pytest.raises(error) as raised:
        post(receiver.webhook())
    assert said in str(raised.value)
    assert len(receiver.messages) == 1


REPEATED = f"no hook at {PATH}, {PATH.replace('/', '%2F')}, {PATH.upper()}, {PARTS[-1][:12]}"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(500, REPEATED),
        Answer(404, REPEATED, {"X-Url": PATH}),
        Answer(307, REPEATED, {"Location": PATH}),
        Answer(200, f"<html>{REPEATED}</html>"),
        Answer(200, "cut", {"Content-Length": "999999"}),
        Answer(429, REPEATED, {"Retry-After": "3600"}),
        None,
    ],
    ids=["ok", "down", "refused", "redirect", "web page", "cut", "busy", "no receiver"],
)
def test_the_url_is_told_nowhere(
    receiver: Receiver, answer: Answer | None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in a log line of any library, nor in an error or what it came from, whatever a careless receiver says."""
    receiver.always = answer or Answer()
    webhook = receiver.webhook(url=receiver.url if answer else f"http://127.0.0.1:1{PATH}")
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    left = [repr(webhook), str(webhook)]
    problem = None
    with caplog.at_level(logging.DEBUG):
        try:
            post(webhook)
        except ContactAnalyticsError as error:
            problem = error
    assert (problem is None) is (answer == Answer())
    if problem:
        assert problem.__cause__ is None
        assert problem.__context__ is None
        left += [*traceback.format_exception(problem), repr(problem), repr(vars(problem))]
    left += [f"{record.getMessage()} {vars(record)!r}" for record in caplog.records]
    left += capfd.readouterr()
    found = {part for part in (*PARTS, PARTS[-1][:12]) if part.lower() in "\n".join(left).lower()}
    assert not found


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.slack.example{PATH}",
        f"ftp://127.0.0.1{PATH}",
        f"https://{PATH}",
        f"https://x.example{PATH}\n",
        PATH,
    ],
)
def test_a_url_that_is_not_https_is_refused_without_being_shown(url: str) -> None:
    """What is sent would travel in the clear, and so would the URL itself."""
    with pytest.raises(ConfigurationError, match=f"{URL} is not an https:// address") as raised:
        post(WebhookResource(url=url))
    assert raised.value.__context__ is None
    assert not [part for part in PARTS if part in "".join(traceback.format_exception(raised.value))]
