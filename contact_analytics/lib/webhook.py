"""Messages to people, by an incoming webhook: Slack's format, which Mattermost and others take as well.

Slack shows `blocks`; `text` says the same to receivers that know no blocks. The webhook's URL is a secret, as whoever
has it may post: it is in no log line and no error, and errors are raised apart from httpx's, which carry the request.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import httpx
from pydantic import Field

from contact_analytics.lib.errors import ApiUnavailable, ConfigurationError, RequestRejected, UnexpectedAnswer
from contact_analytics.lib.http import RetryRule, TryAgain, retry_after
from contact_analytics.lib.links import check_scheme
from contact_analytics.lib.resource import ApiResource

_log = logging.getLogger(__name__)

URL, UI_URL = "CONTACT_ANALYTICS_WEBHOOK_URL", "CONTACT_ANALYTICS_UI_URL"
# Slack's limits. Mattermost takes less than half of the text that Slack does.
_BLOCK_CHARACTERS, _BLOCKS, _TEXT_CHARACTERS = 3000, 50, 16_000
# Dagster gives a sensor's tick a minute, in which up to five runs are told of.
_TIMEOUT, _WAITS, _TOTAL_SECONDS = 4.0, (1, 2), 6.0
_ANSWER_CHARACTERS = 300
# As many characters in a row as tell something of a secret; `no_service` is a word of Slack's that tells nothing.
_TELLING = 8
_NOBODY = "Nobody was told."


class WebhookResource(ApiResource):
    """Where messages go. Without a URL nothing is sent."""

    url: str = Field(default="", repr=False, description="The incoming webhook's URL; empty: nothing is sent.")
    ui_url: str = Field(default="", description="Base URL of Dagster's UI, for links; empty: runs are named only.")

    @property
    def rule(self) -> RetryRule:
        return RetryRule(
            unit=self.retry_wait_seconds, busy_waits=_WAITS, failure_waits=_WAITS, total_seconds=_TOTAL_SECONDS
        )

    def post(self, title: str, lines: Sequence[str], *, name: str, path: str) -> None:
        """Send a title, lines of plain text, and at the end `name`, a page of Dagster's UI, with its address.

        Raises `ConfigurationError` for a URL that cannot be used, `RequestRejected`, `UnexpectedAnswer`, or
        `ApiUnavailable` after some seconds of tries.
        """
        if not self.url:
            return
        self._check_url()
        message = _message(title, lines, self._link(name, path))
        with self.open_client() as client:
            tries, started = 0, monotonic()
            while problem := self._problem(client, title, message):
                tries += 1
                wait = self.rule.wait(problem, tries, monotonic() - started)
                if wait is None:
                    raise problem.outcome
                _log.warning(f"{problem.outcome.happened} Try {tries + 1} in {wait:g} s.")
                sleep(wait)

    def _check_url(self) -> None:
        with suppress(ConfigurationError):
            check_scheme(self.url, URL)
            return
        raise ConfigurationError(
            f"{URL} is not an https:// address.",
            "Plain http:// is accepted for loopback only. The value is not shown, as whoever has it may post.",
        )

    def _link(self, name: str, path: str) -> str:
        address = f": <{_escaped(self.ui_url.rstrip('/'))}/{path}>" if self.ui_url else ""
        return f"{_escaped(name)}{address}"

    def _problem(self, client: httpx.Client, title: str, message: dict[str, Any]) -> TryAgain | None:
        """What came of one try: nothing to say, or what may pass. Raises for a refusal."""
        try:
            response = client.post(self.url, json=message, timeout=_TIMEOUT)
        except httpx.RequestError as error:
            said = f"The webhook gave no answer to “{title}”: {type(error).__name__} {self._blotted(str(error))}."
            return TryAgain(ApiUnavailable(said, f"{_NOBODY} Check the network and {URL}."))
        status, body = response.status_code, response.content.decode(errors="replace")
        reason = f"{status} {httpx.codes.get_reason_phrase(status)}".rstrip()
        excerpt = self._blotted(" ".join(body[:_ANSWER_CHARACTERS].split())) or "(no text)"
        said, metadata = f"The webhook answered “{title}” with {reason}: {excerpt}.", {"status": status}
        if status in (408, 429) or status >= 500:
            outcome = ApiUnavailable(said, f"{_NOBODY} The receiver was busy or down through all tries.", metadata)
            return TryAgain(outcome, busy=status == 429, retry_after=retry_after(response, datetime.now(UTC)))
        if not response.is_success:
            remedy = f"{_NOBODY} Check {URL}: it may be withdrawn, or its channel gone."
            raise RequestRejected(said, remedy, metadata)
        if body.lstrip().startswith("<"):
            raise UnexpectedAnswer(said, f"{_NOBODY} That is a web page and no webhook: check {URL}.", metadata)
        return None

    def _blotted(self, text: str) -> str:
        """A text without what it shares with the URL: a careless receiver repeats the address in its error."""
        url = self.url.lower()
        starts = (at for at in range(len(text) - _TELLING + 1) if text[at : at + _TELLING].lower() in url)
        shared = {at + n for at in starts for n in range(_TELLING)}
        return re.sub("…+", "…", "".join("…" if at in shared else text[at] for at in range(len(text))))


def _message(title: str, lines: Sequence[str], link: str) -> dict[str, Any]:
    said = [f"*{_cut(_escaped(title), _BLOCK_CHARACTERS - 2)}*", *map(_escaped, lines)]
    pieces = list(_pieces(said))
    if len(pieces) >= _BLOCKS:
        pieces = [*pieces[: _BLOCKS - 2], "…"]
    text = _cut("\n".join(pieces), _TEXT_CHARACTERS - len(link) - 1)
    return {
        "text": f"{text}\n{link}",
        "blocks": [
            # Verbatim: a name in an error mentions nobody, and a URL in it is no link.
            {"type": "section", "text": {"type": "mrkdwn", "text": piece, "verbatim": True}}
            for piece in (*pieces, link)
        ],
    }


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together to texts that fit into a block each; a longer line is cut."""
    piece = ""
    for line in (_cut(line, _BLOCK_CHARACTERS) for line in lines):
        if piece and len(piece) + 1 + len(line) > _BLOCK_CHARACTERS:
            yield piece
            piece = line
        else:
            piece = f"{piece}\n{line}" if piece else line
    yield piece


def _escaped(text: str) -> str:
    """A text in which nothing is markup to Slack; half characters, which no JSON takes, are question marks."""
    text = text.encode(errors="replace").decode()
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(escaped: str, characters: int) -> str:
    if len(escaped) <= characters:
        return escaped
    whole, half, rest = escaped[: characters - 1].rpartition("&")
    return (whole if half and ";" not in rest else escaped[: characters - 1]) + "…"
