"""LivePerson's Messaging Interactions API in miniature: conversations that open, change and close with the clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import httpx

from contact_analytics.sandbox import json_faults, liveperson_search
from contact_analytics.sandbox import liveperson_sdes as attributes
from contact_analytics.sandbox.app import Answer
from contact_analytics.sandbox.faults import search_failed
from contact_analytics.sandbox.liveperson_app import LivePersonApp
from contact_analytics.sandbox.liveperson_brand import DAY, Brand
from contact_analytics.sandbox.liveperson_conversation_info import CONTAINERS, record
from contact_analytics.sandbox.liveperson_conversations import EPOCH, Conversations, Life, Story
from contact_analytics.sandbox.liveperson_history import Fields, View, consumer_id
from contact_analytics.sandbox.liveperson_search import Range
from contact_analytics.sandbox.liveperson_spelling import in_older_spelling

_MILLISECOND = timedelta(milliseconds=1)
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True, eq=False)
class LivePersonMessaging(LivePersonApp):
    """The API with its conversations, each as it is at the time of the request.

    `volume` says how many conversations begin on a UTC day, `starts` when each of a day's does, in epoch
    milliseconds. `partial` is the share of conversations that lists cut short, `legacy` that of records in the older
    spelling. A conversation is found `freshness` after its start. Beyond `max_offset` a search fails.
    """

    volume: Mapping[date, int] = field(default_factory=dict[date, int])
    starts: Mapping[date, Sequence[int]] = field(default_factory=dict[date, Sequence[int]])
    partial: float = 0.0
    legacy: float = 0.0
    freshness: timedelta = timedelta(minutes=1)
    retention_days: int = 396
    max_offset: int = 10_000
    no_content_when_empty: bool = False

    segment: ClassVar[str] = "messaging_history"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._brand = Brand(self.account_id, self.seed, self.scale)
        self._all = Conversations(self._brand, self.volume, self.starts)
        self._updates: dict[str, list[tuple[int, Fields]]] = {}
        self._hidden: dict[str, int] = {}
        self._drifts: dict[bytes, tuple[int, int, int]] = {}

    def conversations(self, day: date, at: datetime | None = None, *, listed: bool = False) -> list[Fields]:
        """The records of the conversations that begin on a UTC day as they are at a time, now unless given.

        With every container, every attribute in its own type (`v=2`), never cut short; by start, then by id. Lists
        show the last attribute of each kind alone: `listed` says so of those that a list shows whole.
        """
        now = _milliseconds(at or self.now())
        lives = self._between(_of_day(day), now)
        return [self._record(life, now, tuple(CONTAINERS), listed=listed and not self._cut(life)) for life in lives]

    def latest_updates(self, day: date, at: datetime | None = None) -> dict[str, int]:
        """When each conversation that begins on a UTC day last changed until a time, by id, in epoch milliseconds."""
        now = _milliseconds(at or self.now())
        return {life.id: self._latest_update(life, now) for life in self._between(_of_day(day), now)}

    def update(self, conversation_id: str, when: datetime, **info: Any) -> None:
        """From a time on a conversation is another: a late answer to its survey, or what `info` says."""
        life = self._known(conversation_id)
        change = info or {"csatRate": 1 + life.roll("late answer", 5)}
        self._updates.setdefault(conversation_id, []).append((_milliseconds(when), change))

    def hide(self, conversation_id: str, until: datetime) -> None:
        """A conversation is found from a time on and not before, however long ago it began or changed."""
        self._hidden[self._known(conversation_id).id] = _milliseconds(until)

    def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        match request.method, parts:
            case "POST", ["messaging_history", "api", "account", account, "conversations", *rest]:
                self.admit(request, account)
                return self._search(request, rest)
            case _, ["messaging_history", *_]:
                raise Answer(405, "Method Not Allowed")
            case _:
                raise Answer(404, "Not Found")

    def _search(self, request: httpx.Request, rest: list[str]) -> httpx.Response:
        if rest not in (["search"], ["conversation", "search"], ["consumer", "search"]):
            raise Answer(404, "Not Found")
        by_id = rest[0] == "conversation"
        page = liveperson_search.page(request, source_required=not by_id)
        body, now = liveperson_search.body(request), _milliseconds(self.now())
        contents = liveperson_search.contents(body)
        if by_id:
            found = self._by_id(body, now)
        else:
            found = self._by_consumer(body, now) if rest[0] == "consumer" else self._by_filters(body, now)
        if page.offset + page.limit > self.max_offset:
            return search_failed()
        shift, more = self._drift(request, page.offset)
        shown, count = _shown(_sorted(found, page.sort, now), page, shift, more)
        if not count and self.no_content_when_empty:
            return httpx.Response(204)
        records = [self._spelled(life, now, contents, page.version, whole=by_id) for life in shown]
        return self._answered(request, page, count, records)

    def _drift(self, request: httpx.Request, offset: int) -> tuple[int, int]:
        """How far the page of the request's search has moved, and by how much its count differs."""
        if not offset:
            self._drifts.pop(request.content, None)
        elif fault := self.due(request, json_faults.DRIFTS):
            self._drifts[request.content] = (offset, *json_faults.DRIFTS[fault.kind])
        first, shift, more = self._drifts.get(request.content, (0, 0, 0))
        return (shift, more) if offset >= first else (0, 0)

    def _answered(
        self, request: httpx.Request, page: liveperson_search.Page, count: int, records: list[Fields]
    ) -> httpx.Response:
        link = request.url.copy_with(query=f"limit={page.limit}&offset={page.offset}".encode())
        answer = {
            "_metadata": {
                "count": count,
                "self": {"rel": "self", "href": str(link)},
                "shardsStatusResult": {"partialResult": False},
            },
            "conversationHistoryRecords": records,
        }
        # A fault of a record waits for an answer with one.
        if records and (spoil := self.due(request, json_faults.PAGES)):
            json_faults.PAGES[spoil.kind](answer, spoil.value)
        broken = self.due(request, json_faults.WIRES)
        return json_faults.answered(request, answer, fault=broken.kind if broken else "")

    def _by_filters(self, body: Fields, now: int) -> list[Life]:
        wanted = liveperson_search.filters(body, now)
        return [life for life in self._between(wanted.start, now) if self._matches(life, wanted, now)]

    def _between(self, start: Range, now: int) -> Iterable[Life]:
        """What searches find: it began in the range and a while ago, and has not been deleted."""
        first = max(start.first, now - self.retention_days * DAY)
        found = self._all.between(first, min(start.last, now - self.freshness // _MILLISECOND))
        return (life for life in found if self._hidden.get(life.id, 0) <= now) if self._hidden else found

    def _matches(self, life: Life, wanted: liveperson_search.Filters, now: int) -> bool:
        if len(wanted.statuses) == 1 and _status(life, now) not in wanted.statuses:
            return False
        if wanted.end and _end(life, now) not in wanted.end:
            return False
        return wanted.updated_since is None or self._latest_update(life, now) >= wanted.updated_since

    def _by_id(self, body: Fields, now: int) -> list[Life]:
        liveperson_search.check_names(body, {"conversationId", "conversationID", "contentToRetrieve"})
        identity = body.get("conversationId", body.get("conversationID"))
        if not isinstance(identity, str):
            raise Answer(400, "conversationId is required")
        life = self._all.find(identity)
        return (
            [life for life in self._between(Range(life.start, life.start), now) if life.id == identity] if life else []
        )

    def _by_consumer(self, body: Fields, now: int) -> list[Life]:
        liveperson_search.check_names(body, {"consumer", "status", "contentToRetrieve"})
        if not isinstance(body.get("consumer"), str):
            raise Answer(400, "consumer is required")
        statuses = liveperson_search.statuses(body.get("status"))
        numbers = (n for n in range(self._brand.customers) if self._consumer_id(n) == body["consumer"])
        number = next(numbers, None)
        lives = self._between(Range(0, now), now) if number is not None else ()
        return [life for life in lives if life.customer == number and _status(life, now) in statuses]

    def _consumer_id(self, number: int) -> str:
        return consumer_id(self.account_id, self.seed, number)

    def _known(self, conversation_id: str) -> Life:
        if life := self._all.find(conversation_id):
            return life
        raise ValueError(f"no such conversation: {conversation_id}")

    def _latest_update(self, life: Life, now: int) -> int:
        updates = [when for when, _ in self._updates.get(life.id, ()) if when <= now]
        if life.settled <= now:
            return max([life.settled, *updates])
        told = (time for time, _ in attributes.events(self._brand, life))
        changes = (*Story(self._brand, life).changes(), *told, *updates)
        return max(change for change in changes if change <= now)

    def _cut(self, life: Life) -> bool:
        return life.happens("partial", self.partial)

    def _spelled(self, life: Life, now: int, contents: Sequence[str], version: int, *, whole: bool) -> Fields:
        """The record as a search answers it."""
        shown = self._record(life, now, contents, listed=not whole)
        if self._cut(life) and not whole:
            json_faults.cut_short(shown)
        if version == 1:
            if "sdes" in shown:
                shown["sdes"] = attributes.as_text(shown["sdes"])
            if "unAuthSdes" in shown:
                shown["unAuthSdes"] = {"events": []}
        return shown

    def _record(self, life: Life, now: int, contents: Sequence[str], *, listed: bool) -> Fields:
        found = record(View(self._brand, Story(self._brand, life), now), contents)
        for when, change in self._updates.get(life.id, ()):
            found["info"] |= change if when <= now else {}
        for name in ("sdes", "unAuthSdes"):
            if listed and name in found:
                found[name]["events"] = attributes.last_of_a_kind(found[name]["events"])
        return in_older_spelling(found) if life.happens("legacy", self.legacy) else found


def _milliseconds(at: datetime) -> int:
    return (at - _ZERO) // _MILLISECOND


def _of_day(day: date) -> Range:
    first = (day.toordinal() - EPOCH) * DAY
    return Range(first, first + DAY - 1)


def _status(life: Life, now: int) -> str:
    return "CLOSE" if life.closed <= now else "OPEN"


def _end(life: Life, now: int) -> int | None:
    """When the conversation ended, its survey included once that is over; not yet where it is open."""
    return life.settled if life.settled <= now else life.closed if life.closed <= now else None


def _sorted(lives: list[Life], sort: str, now: int) -> list[Life]:
    """In the order that is asked for; the lives come by their start. What is open has no end yet: it is last."""
    if sort.startswith("end"):
        lives = sorted(lives, key=lambda life: _end(life, now) or life.closed + (1 << 50))
    return lives[::-1] if sort.endswith("desc") else lives


def _shown(lives: list[Life], page: liveperson_search.Page, shift: int, more: int) -> tuple[list[Life], int]:
    """The page of a list that has moved, and the length of the list, which is `more` than it was."""
    first, length = page.offset + shift, len(lives)
    # A list that moved back and is no longer has lost its last.
    last = min(first + page.limit, length if shift >= 0 or more else length - 1)
    return lives[first : max(first, last)], length + more
