"""LivePerson Messaging Interactions: conversations by the time they started, whole and proven to be whole.

Source: LivePerson's Messaging Interactions API pages. The server rounds a window outward to ten minutes and includes
both ends, so that answers reach beyond a day; rows are taken by their start. What is inferred is said where it is used.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any

import httpx
from pydantic import Field

from contact_analytics.lib.bodies import BLANK, CutShort, gunzip
from contact_analytics.lib.delivery import Delivery, Order, all_of
from contact_analytics.lib.errors import AnswerIncomplete, UnexpectedAnswer
from contact_analytics.lib.http import Api, Caller, RetryRule, Tally, TryAgain, check
from contact_analytics.lib.links import shown
from contact_analytics.liveperson.account import LivePersonResource
from contact_analytics.liveperson.conversation_pages import (
    PAGE,
    Answer,
    DayPages,
    Drifted,
    Entry,
    Kind,
    Search,
    Window,
    missing_offsets,
    parse,
)

RETENTION = timedelta(days=395)  # 13 months
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
_BRIEFLY = ("summary",)
# Three months are the most that the server takes; the shortest three in a row have 89 days.
_LONGEST = timedelta(days=80)
# An update shows up within a minute, and the server's clock need not be ours.
_OVERLAP = timedelta(minutes=30)
# Search engines of this kind refuse to count further; the vendor documents no limit.
_DEEPEST = 10_000
_ROUNDS = 3
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

    @contextmanager
    def connect(self) -> Generator["Messaging"]:
        """The API, ready to be asked. Raises `ConfigurationError` if a setting is missing."""
        with self.client(lambda domain: domain.base_uri("msgHist"), _API) as client:
            yield Messaging(client, self.account_id, self.source, self.rule)


class Messaging:
    """The API's methods, over one open client."""

    def __init__(self, client: httpx.Client, account_id: str, source: str, rule: RetryRule) -> None:
        self._client, self._source, self._rule = client, source, rule
        self._path = f"/messaging_history/api/account/{account_id}/conversations"

    def search_conversations(
        self,
        window: Window,
        tally: Tally,
        *,
        offset: int = 0,
        updated_since: datetime | None = None,
        content: tuple[str, ...] = CONTENT,
    ) -> Answer:
        """A page of the conversations that started in a window, in the order of their starts."""
        body: dict[str, Any] = {
            # The last millisecond of the window: the server rounds it up to the window's end.
            "start": {"from": _milliseconds(window.start), "to": _milliseconds(window.end) - 1},
            "contentToRetrieve": content,
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
        return _Day(self, order).deliver()

    def changed_days(self, stored: Mapping[date, datetime], tally: Tally) -> list[date]:
        """The days whose conversations were updated since the earliest of the given times."""
        since = min(stored.values()) - _OVERLAP
        starts = {
            entry.start for window in _slices(min(stored), max(stored)) for entry in self._all(window, since, tally)
        }
        changed = {datetime.fromtimestamp(start / 1000, UTC).date() for start in starts if start is not None}
        return sorted(changed & stored.keys())

    def _all(self, window: Window, since: datetime, tally: Tally) -> list[Entry]:
        """The conversations of a window that were updated since a time, whatever number of pages they take."""
        for _ in range(_ROUNDS):
            first = self.search_conversations(window, tally, updated_since=since, content=_BRIEFLY)
            if first.count > _DEEPEST and window.halves:
                return [entry for half in window.halves for entry in self._all(half, since, tally)]
            entries = list(first.entries)
            for offset in range(PAGE, first.count, PAGE):
                page = self.search_conversations(window, tally, offset=offset, updated_since=since, content=_BRIEFLY)
                entries += page.entries
            if len({entry.id for entry in entries}) == first.count:
                return entries
        raise AnswerIncomplete(
            f"{_API.name}: the search for what was updated since {since:%Y-%m-%d %H:%M} UTC, asked {_ROUNDS} times, "
            "never gave as many conversations as it counted.",
            "Nothing stored was changed. Try again later.",
        )

    def _ask(self, method: str, params: dict[str, str], body: dict[str, Any], tally: Tally) -> Answer:
        caller = Caller(self._client, _API, self._rule, tally)
        headers = {"Accept-Encoding": "gzip"}
        return caller.send("POST", f"{self._path}/{method}", _answer, params=params, headers=headers, json=body)


class _Day:
    """One day's delivery: completes what the archive lacks of it, and asks for what was updated since it was asked."""

    def __init__(self, api: Messaging, order: Order) -> None:
        self._api, self._order = api, order
        self._pages = DayPages(order.archived, order.stored.file_names if order.stored else ())
        self._delivery = Delivery([])

    def deliver(self) -> Delivery:
        started, now, delivery, pages = monotonic(), datetime.now(UTC), self._delivery, self._pages
        whole = known = pages.whole()
        if not known or self._order.refetch or self._lacks(known):
            whole = [self._complete(Kind.ALL, known[-1].asked if known else None)]
        latest = whole[-1]
        while latest.asked < now:
            latest = self._complete(Kind.UPDATED, latest.asked, whole)
            whole += [latest] if latest.pages else []
        delivery.listed_at = latest.asked
        delivery.files = [file for search in whole for file in search.files]
        if not self._order.stored or {file.name for file in delivery.files} != set(self._order.stored.file_names):
            delivery.vendor_count = pages.conversations(whole)
        delivery.seconds["download"] = monotonic() - started
        return delivery

    def _lacks(self, known: list[Search]) -> bool:
        """Whether the vendor counts more conversations than we know: one showed up late, and as no update."""
        brief = self._api.search_conversations(self._pages.day, self._delivery.tally, content=_BRIEFLY)
        stored = self._order.stored
        expected = stored.vendor_count if stored else None
        return brief.count > (expected or 0) and brief.count > self._pages.found(known)

    def _complete(self, kind: Kind, last: datetime | None, known: Sequence[Search] = ()) -> Search:
        """A whole search: the one that was begun after the last one, else a new one; begun again if it drifts.

        It has no pages if it found no update, or none that is not `known`.
        """
        search = self._pages.begun(kind, last) or self._pages.begin(kind, datetime.now(UTC))
        since = last - _OVERLAP if last and kind is Kind.UPDATED else None
        drifts: list[str] = []
        while len(drifts) < _ROUNDS:
            try:
                self._fill(search, self._pages.day, since, known)
            except Drifted as drift:
                drifts.append(str(drift))
                search = self._pages.begin(kind, datetime.now(UTC))
            else:
                return search
        raise AnswerIncomplete(
            f"{_API.name}: the conversations of {self._order.day} do not add up, asked {_ROUNDS} times: "
            f"{'; '.join(drifts)}.",
            "Nothing stored was changed. Try again later; if it stays so, report it to LivePerson.",
        )

    def _fill(self, search: Search, window: Window, since: datetime | None, known: Sequence[Search]) -> None:
        """Bring what the archive lacks of a window. One that is too deep is divided."""
        if not search.of(window):
            if not search.goes_deeper(window):
                first = self._api.search_conversations(window, self._delivery.tally, updated_since=since)
                if since and first.count == len(first.entries) and self._pages.knows(known, first):
                    return
                if first.count <= _DEEPEST or not window.halves:
                    self._keep(search, window, 0, first)
            if not search.of(window):
                for half in window.halves or ():
                    self._fill(search, half, since, known)
                return
        self._fill_pages(search, window, since)

    def _fill_pages(self, search: Search, window: Window, since: datetime | None) -> None:
        def page(offset: int) -> None:
            tally = self._delivery.tally
            answer = self._api.search_conversations(window, tally, offset=offset, updated_since=since)
            self._keep(search, window, offset, answer)

        def single(conversation_id: str) -> None:
            self._keep(search, conversation_id, 0, self._api.conversation(conversation_id, self._delivery.tally))

        all_of(self._order.downloads, page, missing_offsets(search.of(window)))
        cut = {entry.id for entry in self._pages.cut(search.of(window).values()) if entry.id}
        all_of(self._order.downloads, single, sorted(cut - search.ids))

    def _keep(self, search: Search, part: Window | str, offset: int, answer: Answer) -> None:
        self._pages.keep(search, part, offset, answer)
        self._delivery.downloaded += 1


def _answer(response: httpx.Response) -> Answer:
    """An answer of the documented shape, whole; `TryAgain` where the server says that it is not."""
    if not response.is_success:
        response.read()
        check(response, _API)
    if response.status_code == 204:
        # It has no body; an empty answer of the documented shape stands for it in the archive.
        return parse(_NOTHING, _NOTHING)
    body = b"".join(response.iter_raw())
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and len(body) != int(announced):
        raise CutShort(f"{len(body):,} of {announced} bytes arrived")
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


def _slices(first: date, last: date) -> Iterator[Window]:
    """The windows that the server takes, from the start of one day to the end of another."""
    start, end = Window.of(first).start, Window.of(last).end
    while start < end:
        yield Window(start, min(start + _LONGEST, end))
        start += _LONGEST


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
