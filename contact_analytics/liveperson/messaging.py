"""LivePerson Messaging Interactions: conversations by the time they started, whole and proven to be whole.

Source: LivePerson's Messaging Interactions API pages. The server rounds a window outward to ten minutes and includes
both ends, so that answers reach beyond a day; rows are taken by their start. What is inferred is said where it is used.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
from pydantic import Field

from contact_analytics.lib.bodies import BLANK, CutShort, gunzip
from contact_analytics.lib.delivery import Delivery, Order
from contact_analytics.lib.errors import AnswerIncomplete, UnexpectedAnswer
from contact_analytics.lib.http import Api, Caller, RetryRule, Tally, TryAgain, announced_length, check
from contact_analytics.lib.links import shown
from contact_analytics.liveperson.account import LivePersonResource
from contact_analytics.liveperson.conversation_answers import Answer, Entry, parse
from contact_analytics.liveperson.conversation_day import BRIEFLY, OVERLAP, ROUNDS, ConversationDay
from contact_analytics.liveperson.conversation_pages import PAGE, Window

# 13 months are 393 days or more, and a conversation is deleted by its own start: until then a day is whole.
RETENTION = timedelta(days=392)
LATENESS = timedelta(minutes=1)
# Every type must be named, the default ones included, or it is left out.
CONTENT = (
    "campaign",
    "messageRecords",
    "agentParticipants",
    "agentParticipantsLeave",
    "agentParticipantsActive",
    "consumerParticipants",
    "transfers",
    "interactions",
    "messageScores",
    "messageStatuses",
    "conversationSurveys",
    "coBrowseSessions",
    "summary",
    "sdes",
    "unAuthSdes",
    "monitoring",
    "dialogs",
    "responseTime",
    "skillChanges",
    "intents",
    "uniqueIntents",
    "latestAgentSurvey",
    "previouslySubmittedAgentSurveys",
)
# Three months are the most that the server takes; the shortest three in a row have 89 days.
_LONGEST = timedelta(days=80)
_NOTHING = b'{"_metadata":{"count":0},"conversationHistoryRecords":[]}'
_API = Api(
    "LivePerson Messaging Interactions",
    "Check the API key's four values or the OAuth client in the settings, that the key is for this account, and that "
    "it may read messaging interactions (category Data).",
)


class LivePersonMessagingResource(LivePersonResource):
    """The Messaging Interactions API of one account."""

    source: str = Field(
        default="ContactAnalyticsData", max_length=20, description="How requests introduce themselves to LivePerson."
    )
    # Search engines of this kind count so far by default; the vendor documents no limit.
    deepest: int = Field(
        default=10_000, gt=PAGE, description="Conversations that a search counts before its window is divided."
    )

    @contextmanager
    def connect(self) -> Generator["Messaging"]:
        """The API, ready to be asked. Raises `ConfigurationError` if a setting is missing."""
        with self.client(lambda domain: domain.base_uri("msgHist"), _API) as client:
            yield Messaging(client, self.account_id, self.source, self.rule, self.deepest)


class Messaging:
    """The API's methods, over one open client."""

    def __init__(self, client: httpx.Client, account_id: str, source: str, rule: RetryRule, deepest: int) -> None:
        self._client, self._source, self._rule, self.deepest = client, source, rule, deepest
        self._path = f"/messaging_history/api/account/{account_id}/conversations"

    def search_conversations(
        self,
        window: Window,
        tally: Tally,
        *,
        offset: int = 0,
        updated_since: datetime | None = None,
        content: Sequence[str] | None = None,
    ) -> Answer:
        """A page of the conversations that started in a window, in the order of their starts."""
        body: dict[str, Any] = {
            # The last millisecond of the window: the server rounds it up to the window's end.
            "start": {"from": _milliseconds(window.start), "to": _milliseconds(window.end) - 1},
            "contentToRetrieve": CONTENT if content is None else content,
        }
        if updated_since:
            body["latestUpdateTime"] = {"from": _milliseconds(updated_since)}
        params = {"v": "2", "offset": str(offset), "limit": str(PAGE), "sort": "start:asc", "source": self._source}
        return self._ask("search", params, body, tally)

    def conversation(self, conversation_id: str, tally: Tally) -> Answer:
        """One conversation, whole, by its id."""
        body = {"conversationId": conversation_id, "contentToRetrieve": CONTENT}
        answer = self._ask("conversation/search", {"v": "2", "source": self._source}, body, tally)
        if [entry.id for entry in answer.entries] != [conversation_id]:
            raise AnswerIncomplete(
                f"{_API.name}: the conversation {conversation_id} was cut in the search, and asked for by its id "
                f"{len(answer.entries)} others or none came.",
                "Nothing stored was changed. Try again later.",
            )
        return answer

    def deliver(self, order: Order) -> Delivery:
        """The conversations that started on a UTC day, in the archive: all of them, or those updated since."""
        return ConversationDay(self, order).deliver()

    def changed_days(self, stored: Mapping[date, datetime], tally: Tally) -> list[date]:
        """The days with conversations that were updated since the given times, or since shortly before them."""
        changed: set[date] = set()
        # Most were listed on one day; one that fails each time must not make all others be asked for from then on.
        for listed_on in {listed_at.date() for listed_at in stored.values()}:
            days = {day: at for day, at in stored.items() if at.date() == listed_on}
            since = min(days.values()) - OVERLAP
            for window in _slices(min(days), max(days)):
                starts = {entry.start for entry in self._all(window, since, tally)}
                # Of a record that does not say when it started, only the window is known.
                everywhere = days.keys() if None in starts else set[date]()
                changed |= {day for day in everywhere if window.holds(Window.of(day))}
                changed |= days.keys() & {_day_of(start) for start in starts if start is not None}
        return sorted(changed)

    def _all(self, window: Window, since: datetime, tally: Tally) -> list[Entry]:
        """The conversations of a window that were updated since a time, whatever number of pages they take."""
        for _ in range(ROUNDS):
            first = self.search_conversations(window, tally, updated_since=since, content=BRIEFLY)
            if first.count >= self.deepest:
                return [entry for half in window.halves for entry in self._all(half, since, tally)]
            entries = list(first.entries)
            for offset in range(PAGE, first.count, PAGE):
                page = self.search_conversations(window, tally, offset=offset, updated_since=since, content=BRIEFLY)
                entries += page.entries
            # A record without an id is one of those counted.
            if len({entry.id or place for place, entry in enumerate(entries)}) == first.count:
                return entries
        raise AnswerIncomplete(
            f"{_API.name}: the search for what was updated since {since:%Y-%m-%d %H:%M} UTC, asked {ROUNDS} times, "
            "never gave as many conversations as it counted.",
            "Nothing stored was changed. Try again later.",
        )

    def _ask(self, method: str, params: dict[str, str], body: dict[str, Any], tally: Tally) -> Answer:
        caller = Caller(self._client, _API, self._rule, tally)
        headers = {"Accept-Encoding": "gzip"}
        return caller.send("POST", f"{self._path}/{method}", _answer, params=params, headers=headers, json=body)


def _answer(response: httpx.Response) -> Answer:
    """An answer of the documented shape, whole; `TryAgain` where the server says that it is not."""
    if not response.is_success:
        response.read()
        check(response, _API)
    if response.status_code == 204:
        # It has no body; an empty answer of the documented shape stands for it in the archive.
        return parse(_NOTHING, _NOTHING)
    body = b"".join(response.iter_raw())
    announced = announced_length(response)
    if announced is not None and len(body) != announced:
        raise CutShort(f"{len(body):,} of {announced:,} bytes arrived")
    text = gunzip(body)
    if not text.lstrip(BLANK).startswith(b"{"):
        raise UnexpectedAnswer(
            f"{_API.name}: {shown(response.request.url)} was answered {response.status_code} without JSON.",
            "Nothing of it was kept. A proxy or a login page may stand in between: check the network.",
        )
    try:
        answer = parse(body, text)
    except json.JSONDecodeError as error:
        raise CutShort(f"its JSON is broken: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnexpectedAnswer(
            f"{_API.name}: {shown(response.request.url)} was answered in an unknown shape "
            f"({type(error).__name__}: {error}).",
            "It is not taken for an empty answer. Report it: the vendor's format has changed.",
        ) from error
    if answer.is_partial_result:
        raise TryAgain(
            AnswerIncomplete(
                f"{_API.name}: {shown(response.request.url)} gave a part of the result (`partialResult`).",
                "Nothing stored was changed. Some of the vendor's servers did not answer: try again later.",
            )
        )
    return answer


def _day_of(start: int) -> date:
    return datetime.fromtimestamp(start / 1000, UTC).date()


def _slices(first: date, last: date) -> Iterator[Window]:
    """The windows that the server takes, from the start of one day to the end of another."""
    start, end = Window.of(first).start, Window.of(last).end
    while start < end:
        yield Window(start, min(start + _LONGEST, end))
        start += _LONGEST


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
