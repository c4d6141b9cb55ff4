"""Snapshots: the whole of a list that a vendor keeps, as it stood at a moment, in the archive.

A snapshot is a file of the day on which it was taken, `2026-11-22T061004.123Z_r1234.json`: the moment in UTC and the
vendor's revision, percent-encoded, so that the names are in the order of time. One that somebody forced is archived
once more as `…_r1234_forced.json`: so the archive alone tells what a history is made of.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from urllib.parse import quote, unquote

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ArchiveResource, ListedFile
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.errors import FileUnreadable
from contact_analytics.lib.http import Tally

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}\.\d{3})Z(?:_r([^_]+))?(_forced)?\.json")
_MOMENT = "%Y-%m-%dT%H%M%S.%f"
_MILLISECOND = timedelta(milliseconds=1)
# The archive keeps longer names by a digest, from which no revision can be told.
_LONGEST_REVISION = 100


@dataclass(frozen=True)
class EntityList:
    """A vendor's list as it was answered: a JSON array without secrets, its revision if it has one, and its address."""

    text: bytes
    revision: str
    source: str


class EntityLists(Protocol):
    """A vendor's API that offers whole lists."""

    def list_entities(self, name: str, revision: str, tally: Tally) -> EntityList | None:
        """The list; None if it still has the given revision. Without a revision the list is sent in any case."""
        ...


class Snapshots:
    """The archived snapshots of a dimension, in order."""

    def __init__(self, archive: ArchiveResource, dimension: Dimension) -> None:
        self._archive, self._vendor, self._name = archive, dimension.vendor, dimension.name

    def after(self, moment: datetime | None) -> list[ArchivedFile]:
        """Those that were taken after a moment, or all."""
        days = self._archive.days(self._vendor, self._name)
        recent = [day for day in days if moment is None or day >= moment.astimezone(UTC).date()]
        return [file for day in recent for file in self.of(day) if moment is None or file.scope_start > moment]

    def of(self, day: date) -> list[ArchivedFile]:
        """Those that were taken on a UTC day, with those that a killed run did not get into the manifest."""
        archived = self._day(day)
        for name in archived.unlisted():
            if moment := _moment_of(name):
                archived.holds(ListedFile(name, "", moment, moment))
        return archived.files()

    def newest(self) -> ArchivedFile | None:
        """The one that was taken last."""
        return next(self._newest_first(), None)

    def read(self, file: ArchivedFile) -> bytes:
        try:
            return self._day(taken_on(file)).read(file)
        except FileUnreadable as error:
            raise FileUnreadable(
                error.happened,
                "It may hold changes that no later list shows. Put a copy of it back, or rebuild without it: "
                "`source: archive` with `force: true`.",
            ) from error

    def keep(self, answer: EntityList, now: datetime) -> ArchivedFile | None:
        """Archive a list as it was answered at a moment; None if it is the one that was archived last."""
        newest = self.newest()
        digest = hashlib.sha256(answer.text).hexdigest()
        if (
            newest
            and newest.sha256 == digest
            and _tells(newest.name, answer.revision)
            and self._day(taken_on(newest)).is_whole(newest)
        ):
            return None
        moment = now.astimezone(UTC)
        moment -= timedelta(microseconds=moment.microsecond % 1000)
        if newest:
            # A clock that was set back must not change the order.
            moment = max(moment, newest.scope_start + _MILLISECOND)
        return self._store(name_of(moment, answer.revision), answer.source, moment, answer.text)

    def force(self, file: ArchivedFile) -> ArchivedFile:
        """Archive a list once more, under the name that says that it is to be applied whatever is missing from it."""
        name = name_of(file.scope_start, revision_of(file.name), forced=True)
        return self._store(name, file.source, file.scope_start, self.read(file))

    def _store(self, name: str, source: str, moment: datetime, text: bytes) -> ArchivedFile:
        return self._day(moment.date()).store(ListedFile(name, source, moment, moment), [text], length=len(text))

    def _newest_first(self) -> Iterator[ArchivedFile]:
        for day in reversed(self._archive.days(self._vendor, self._name)):
            yield from reversed(self.of(day))

    def _day(self, day: date) -> ArchivedDay:
        return self._archive.day(self._vendor, self._name, day)


def name_of(moment: datetime, revision: str, *, forced: bool = False) -> str:
    """A snapshot's name in the archive. A revision that is too long for a name is left out: it only spares a download.

    An underscore separates the parts of the name, so one in the revision is encoded too.
    """
    encoded = quote(revision, safe="").replace("_", "%5F")
    told = f"_r{encoded}" if 0 < len(encoded) <= _LONGEST_REVISION else ""
    return f"{moment.strftime(_MOMENT)[:-3]}Z{told}{'_forced' if forced else ''}.json"


def revision_of(name: str) -> str:
    """The vendor's revision in a snapshot's name; empty if it has none."""
    found = _NAME.fullmatch(name)
    return unquote(found[2] or "") if found else ""


def is_forced(name: str) -> bool:
    """Whether somebody decided that the snapshot is to be applied whatever is missing from it."""
    found = _NAME.fullmatch(name)
    return bool(found and found[3])


def taken_on(file: ArchivedFile) -> date:
    return file.scope_start.astimezone(UTC).date()


def digest_of(dimension: Dimension, file: ArchivedFile) -> str:
    """Changes when the snapshots up to this one would give another table."""
    return hashlib.sha256(f"{dimension.fingerprint} {file.name} {file.sha256}".encode()).hexdigest()


def _moment_of(name: str) -> datetime | None:
    """When a snapshot was taken; None for a name that is not a snapshot's."""
    found = _NAME.fullmatch(name)
    return datetime.strptime(found[1], _MOMENT).replace(tzinfo=UTC) if found else None


def _tells(name: str, revision: str) -> bool:
    """Whether a name tells a revision, be it none."""
    return revision_of(name) == revision_of(name_of(datetime.now(UTC), revision))
