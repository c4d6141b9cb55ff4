"""A day of conversations on its way into the archive."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from contact_analytics.lib.delivery import Delivery, Order, all_of
from contact_analytics.lib.errors import AnswerIncomplete
from contact_analytics.liveperson.conversation_answers import Answer
from contact_analytics.liveperson.conversation_pages import (
    DayPages,
    Drifted,
    Kind,
    Search,
    Window,
    missing_offsets,
)

if TYPE_CHECKING:
    from contact_analytics.liveperson.messaging import Messaging

# What is asked for where the conversations' ids and times are enough.
BRIEFLY = ("summary",)
# An update shows up within a minute, and the server's clock need not be ours.
OVERLAP = timedelta(minutes=30)
ROUNDS = 3


class ConversationDay:
    """One day's delivery: completes what the archive lacks of it, and asks for what was updated since it was asked."""

    def __init__(self, api: "Messaging", order: Order) -> None:
        self._api, self._order = api, order
        self._pages = DayPages(order.archived, order.stored.file_names if order.stored else ())
        self._delivery = Delivery([])
        self._kept: list[str] = []

    def deliver(self) -> Delivery:
        started, now, delivery, pages = monotonic(), datetime.now(UTC), self._delivery, self._pages
        whole = known = pages.whole()
        if not known or (self._order.refetch and self._order.force):
            whole = [self._complete(Kind.ALL, known[-1].asked if known else None)]
        elif self._order.refetch or self._lacks(known):
            # What the vendor has no more stays, as nobody has decided to give it up.
            whole = [*known, self._complete(Kind.AGAIN, known[-1].asked)]
        latest = whole[-1]
        while latest.asked < now:
            latest = self._complete(Kind.UPDATED, latest.asked, whole)
            whole += [latest] if latest.pages else []
        delivery.listed_at = latest.asked
        delivery.files = [file for search in whole for file in search.files]
        delivery.downloaded = len(self._kept)
        stored = self._order.stored
        if stored and {file.name for file in delivery.files} == set(stored.file_names):
            delivery.vendor_count = stored.vendor_count
        if delivery.vendor_count is None:
            delivery.vendor_count = pages.conversations(whole)
        delivery.seconds["download"] = monotonic() - started
        return delivery

    def _lacks(self, known: list[Search]) -> bool:
        """Whether the vendor has conversations that we do not know: one showed up late, and as no update."""
        brief = self._api.search_conversations(self._pages.day, self._delivery.tally, content=BRIEFLY)
        if len(brief.entries) == brief.count:
            return not {entry.id for entry in brief.entries if entry.id} <= self._pages.found(known)
        stored = self._order.stored
        expected = (stored.vendor_count if stored else None) or 0
        return brief.count > expected and brief.count > len(self._pages.found(known))

    def _complete(self, kind: Kind, last: datetime | None, known: Sequence[Search] = ()) -> Search:
        """A whole search: the one that was begun after the last one, else a new one; begun again if it drifts.

        It has no pages if it found no update, or none that is not `known`.
        """
        search = self._pages.begun(kind, last) or self._pages.begin(kind, datetime.now(UTC))
        since = last - OVERLAP if last and kind is Kind.UPDATED else None
        drifts: list[str] = []
        while len(drifts) < ROUNDS:
            try:
                self._fill(search, self._pages.day, since, known)
            except Drifted as drift:
                drifts.append(str(drift))
                search = self._pages.begin(kind, datetime.now(UTC))
            else:
                return search
        raise AnswerIncomplete(
            f"LivePerson: the conversations of {self._order.day} do not add up, asked {ROUNDS} times: "
            f"{'; '.join(drifts)}.",
            "Nothing stored was changed. Try again later; if it stays so, report it to LivePerson.",
        )

    def _fill(self, search: Search, window: Window, since: datetime | None, known: Sequence[Search]) -> None:
        """Bring what the archive lacks of a window. One that is too deep is divided."""
        if not search.of(window):
            if not search.goes_deeper(window):
                first = self._api.search_conversations(window, self._delivery.tally, updated_since=since)
                is_all = window == self._pages.day and first.count == len(first.entries)
                if since and is_all and self._pages.knows(known, first):
                    return
                if first.count < self._api.deepest:
                    self._keep(search, window, 0, first)
            if not search.of(window):
                for half in window.halves:
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
        all_of(self._order.downloads, single, sorted(cut - search.fetched))

    def _keep(self, search: Search, part: Window | str, offset: int, answer: Answer) -> None:
        self._pages.keep(search, part, offset, answer)
        self._kept.append(search.kind.value)
