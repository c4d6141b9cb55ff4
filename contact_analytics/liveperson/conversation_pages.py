"""Answers about conversations, as the archive keeps them: which search each belongs to, and whether one is whole.

A search is asked page by page and is whole when its pages hold as many different conversations as the vendor counts,
and each conversation that was cut has been fetched by its id. What a page is stands in its file's name, so that an
interrupted search goes on where it was. A day is its last whole search for all of it, with the whole searches for what
was updated since.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ListedFile
from contact_analytics.lib.delivery import Delivery
from contact_analytics.lib.errors import AnswerIncomplete, FileUnreadable
from contact_analytics.liveperson.conversation_answers import Answer, Entry, parse, states

PAGE = 100
_SOURCE = "messaging_history/conversations"
TEN_MINUTES = timedelta(minutes=10)
_STAMP = "%Y-%m-%dT%H%M%S.%fZ"
_NAME = re.compile(
    r"(?P<asked>[^_]+)_(?P<kind>all|again|updated)_"
    r"(?:(?P<start>\d{4})-(?P<end>\d{4})_(?P<offset>\d+)_of_(?P<count>\d+)|id_(?P<id>.+))\.json"
)


class Kind(Enum):
    """What a search asks for: all conversations of the day, with which it starts over, or which add to what is known;
    or those that were updated since a time."""

    ALL = "all"
    AGAIN = "again"
    UPDATED = "updated"


class Drifted(Exception):
    """The pages of a search do not add up: what it found changed while it was asked for."""


@dataclass(frozen=True, order=True)
class Window:
    """Start times of conversations, UTC, half-open, on full ten minutes."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, day: date) -> "Window":
        start = datetime.combine(day, time(), UTC)
        return cls(start, start + timedelta(days=1))

    @property
    def halves(self) -> tuple["Window", "Window"]:
        """The window in two, on full ten minutes, as the server rounds to them."""
        steps = (self.end - self.start) // TEN_MINUTES
        if steps < 2:
            raise AnswerIncomplete(
                f"More conversations started in the ten minutes from {self.start:%Y-%m-%d %H:%M} UTC than LivePerson "
                "may count to, and such a window cannot be divided.",
                "Nothing stored was changed. Report it.",
            )
        middle = self.start + steps // 2 * TEN_MINUTES
        return Window(self.start, middle), Window(middle, self.end)

    def holds(self, other: "Window") -> bool:
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True)
class Page:
    """An archived answer: of which search, and which part of it; `id` is that of a conversation fetched by it."""

    file: ArchivedFile
    asked: datetime
    kind: Kind
    window: Window | None = None
    offset: int = 0
    count: int = 0
    id: str | None = None


@dataclass
class Search:
    """One search of a day: when it was asked, and the pages that the archive has of it."""

    asked: datetime
    kind: Kind
    pages: list[Page] = field(default_factory=list[Page])

    def of(self, window: Window) -> dict[int, Page]:
        """The pages of exactly this window by offset."""
        return {page.offset: page for page in self.pages if page.window == window}

    def goes_deeper(self, window: Window) -> bool:
        """Whether the window was divided."""
        return any(page.window and page.window != window and window.holds(page.window) for page in self.pages)

    @property
    def fetched(self) -> set[str]:
        """The conversations that were fetched by their ids."""
        return {page.id for page in self.pages if page.id}

    @property
    def files(self) -> list[ArchivedFile]:
        """Its files in the order in which they stand for the state of a conversation."""
        return [page.file for page in sorted(self.pages, key=lambda page: (page.id is not None, page.file.name))]


class DayPages:
    """The searches of one day that the archive has. `proven` are names of files whose searches are known as whole."""

    def __init__(self, archived: ArchivedDay, proven: Collection[str] = ()) -> None:
        self._archived, self._proven = archived, frozenset(proven)
        self.day = Window.of(date.fromisoformat(archived.folder.name))
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self.searches: list[Search] = []
        for name in archived.unlisted():
            if _NAME.fullmatch(name):
                archived.holds(self._listed(name))
        self.damaged: list[str] = []
        for file in archived.files():
            if _NAME.fullmatch(file.name) and not archived.is_whole(file):
                self.damaged.append(file.name)
            elif page := self._page(file):
                self._place(page)
        self.searches.sort(key=lambda search: search.asked)

    def keep(self, search: Search, part: Window | str, offset: int, answer: Answer) -> None:
        """Put an answer into the archive; `part` is the window of a page, or the id of a single conversation."""
        if isinstance(part, str):
            where = f"id_{part}"
        else:
            clocks = f"{self._clock(part.start)}-{self._clock(part.end)}"
            where = f"{clocks}_{offset:06d}_of_{answer.count:06d}"
        name = f"{search.asked.strftime(_STAMP)}_{search.kind.value}_{where}.json"
        page = self._page(self._archived.store(self._listed(name), [answer.body], length=len(answer.body)))
        assert page
        self._entries[name] = answer.entries
        search.pages.append(page)

    def begin(self, kind: Kind, now: datetime) -> Search:
        search = Search(now, kind)
        self.searches.append(search)
        return search

    def whole(self) -> list[Search]:
        """The searches that make up the day: the last whole one that starts it over, and the whole ones since."""
        found: list[Search] = []
        for search in reversed(self.searches):
            if self.is_whole(search):
                found.insert(0, search)
                if search.kind is Kind.ALL:
                    return found
        return []

    def begun(self, kind: Kind, after: datetime | None) -> Search | None:
        """The newest search of a kind after a time, if it is not whole yet."""
        later = [search for search in self.searches if search.kind is kind and (not after or search.asked > after)]
        return later[-1] if later and not self.is_whole(later[-1]) else None

    def is_whole(self, search: Search) -> bool:
        if not self.damaged and all(page.file.name in self._proven for page in search.pages):
            return bool(search.pages)
        try:
            return self._covers(search, self.day)
        except Drifted:
            return False

    def _covers(self, search: Search, window: Window) -> bool:
        pages = search.of(window)
        if not pages:
            return search.goes_deeper(window) and all(self._covers(search, half) for half in window.halves)
        if missing_offsets(pages):
            return False
        return {entry.id for entry in self.cut(pages.values())} <= search.fetched

    def cut(self, pages: Iterable[Page]) -> list[Entry]:
        """The conversations of a window's pages that the vendor cut. Raises `Drifted` if the pages don't add up."""
        pages = list(pages)
        counts = {page.count for page in pages}
        entries = [(entry, page, place) for page in pages for place, entry in enumerate(self.entries(page))]
        # Records without an id are the decoder's to refuse; each is one of those counted.
        distinct = {entry.id or (page.file.name, place) for entry, page, place in entries}
        if counts != {len(distinct)}:
            said = " and ".join(f"{count:,}" for count in sorted(counts))
            raise Drifted(f"{len(distinct):,} different conversations came and {said} were counted")
        return [entry for entry, _, _ in entries if entry.is_partial and entry.id]

    def entries(self, page: Page) -> tuple[Entry, ...]:
        """The conversations of an archived page."""
        if page.file.name not in self._entries:
            text = self._archived.read(page.file)
            self._entries[page.file.name] = parse(b"", text).entries
        return self._entries[page.file.name]

    def found(self, searches: Iterable[Search]) -> set[object]:
        """The different conversations that the searches found, those beyond the day's end included."""
        return set(self._distinct(searches))

    def conversations(self, searches: Iterable[Search]) -> int:
        """How many different conversations of the day the searches found; those that say no start count too."""
        start, end = (round(edge.timestamp() * 1000) for edge in (self.day.start, self.day.end))
        starts = [entry.start for entry in self._distinct(searches).values()]
        return sum(each is None or start <= each < end for each in starts)

    def knows(self, searches: Iterable[Search], answer: Answer) -> bool:
        """Whether the searches have found every conversation of an answer just as it is there."""
        news = states(answer.text)
        if len(news) < len(answer.entries):
            return False
        if not news:
            return True
        for search in reversed(list(searches)):
            for file in reversed(search.files):
                known = states(self._archived.read(file))
                if any(record != known[key] for key, record in news.items() if key in known):
                    return False
                news = {key: record for key, record in news.items() if key not in known}
                if not news:
                    return True
        return False

    def _distinct(self, searches: Iterable[Search]) -> dict[object, Entry]:
        """The conversations that the searches found; a record without an id is one of its own."""
        return {
            entry.id or (page.file.name, place): entry
            for search in searches
            for page in search.pages
            if not page.id
            for place, entry in enumerate(self.entries(page))
        }

    def _listed(self, name: str) -> ListedFile:
        return ListedFile(name, _SOURCE, self.day.start, self.day.end)

    def _place(self, page: Page) -> None:
        for search in self.searches:
            if (search.asked, search.kind) == (page.asked, page.kind):
                search.pages.append(page)
                return
        self.searches.append(Search(page.asked, page.kind, [page]))

    def _clock(self, moment: datetime) -> str:
        minutes = (moment - self.day.start) // timedelta(minutes=1)
        return f"{minutes // 60:02d}{minutes % 60:02d}"

    def _page(self, file: ArchivedFile) -> Page | None:
        """What a file's name says; None for a file that no search of ours has made."""
        match = _NAME.fullmatch(file.name)
        if not match:
            return None
        asked = _asked(file.name)
        kind = Kind(match["kind"])
        if match["id"]:
            return Page(file, asked, kind, id=match["id"])
        start, end = (
            self.day.start + timedelta(hours=int(clock[:2]), minutes=int(clock[2:]))
            for clock in (match["start"], match["end"])
        )
        return Page(file, asked, kind, Window(start, end), int(match["offset"]), int(match["count"]))


def _asked(name: str) -> datetime:
    """When the search was asked that a file belongs to, by its name."""
    return datetime.strptime(name.partition("_")[0], _STAMP).replace(tzinfo=UTC)


def missing_offsets(pages: Mapping[int, Page]) -> list[int]:
    """The offsets of a window's pages that are yet to be asked for; at least one page is there."""
    count = max(page.count for page in pages.values())
    return [offset for offset in range(0, max(count, 1), PAGE) if offset not in pages]


def archived_day(archived: ArchivedDay) -> Delivery:
    """A day as the archive has it, its files in the order in which they were asked for; none if it is not whole."""
    pages = DayPages(archived)
    whole = pages.whole()
    damaged = [name for name in pages.damaged if not whole or _asked(name) >= whole[0].asked]
    if damaged:
        raise FileUnreadable(
            f"The archive of {archived.folder.name} is not whole: damaged are {', '.join(damaged)}.",
            "Materialize the day with `source: vendor`: these pages are asked for again.",
        )
    files = [file for search in whole for file in search.files]
    asked = whole[-1].asked if whole else None
    return Delivery(files, listed_at=asked, vendor_count=pages.conversations(whole))
