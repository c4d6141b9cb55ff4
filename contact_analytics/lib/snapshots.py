"""Snapshots: the whole of a list that a vendor keeps, as it stood at a moment, in the archive and as rows.

A snapshot is a file of the day on which it was taken, `2026-11-22T061004.123Z_r1234.json`: the moment in UTC and the
vendor's revision, so that the names are in the order of time. Passwords and their hashes are dropped before it is kept.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from contact_analytics.lib import plain_json
from contact_analytics.lib.archive import ArchivedFile, ArchiveResource, ListedFile
from contact_analytics.lib.arrow_json import child, read_strictly
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.errors import FileUnreadable, UnexpectedAnswer
from contact_analytics.lib.extractions import Quarantined
from contact_analytics.lib.http import Tally
from contact_analytics.lib.plain_json import Members, members
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.wire import EXTRA, Fault, Findings, as_object

# `passwordSh`, `oldPassword`; `changePwdNextLogin` and `lastPwdChangeDate` hold none.
_SECRET = "password"  # noqa: S105 - a part of a field's name
_REVISION = re.compile(r"_r([^_]+)\.json")
_MILLISECOND = timedelta(milliseconds=1)

Key = tuple[Any, ...]


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


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot says: a row a key with the schema's columns and `_extra`, and what could not be read.

    `unread` are the keys of entries that could not be read; None if one of them does not even tell its key.
    """

    frame: pl.DataFrame
    quarantine: list[Quarantined]
    unknown: Counter[str]
    unread: list[Key] | None


def entries(text: bytes) -> tuple[list[Any], bool]:
    """The entries of a list without passwords and their hashes, and whether there were any to drop.

    Raises `ValueError` for anything that is not a JSON array; what it says quotes no value.
    """
    dropped = False

    def clean(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal dropped
        kept = [(key, value) for key, value in pairs if _SECRET not in key.casefold()]
        dropped = dropped or len(kept) < len(pairs)
        content = dict(kept)
        if len(content) < len(kept):
            raise ValueError("a key is given twice in one object")
        return content

    try:
        found = json.loads(text, object_pairs_hook=clean, parse_float=_finite, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1:,}") from None
    if not isinstance(found, list):
        raise ValueError("it is not a list")  # noqa: TRY004 - it is about a text's value
    return found, dropped


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


class SnapshotFormat:
    """How the entries of a dimension's list are read: each by itself, plain JSON, by the schema's names."""

    def __init__(self, dimension: Dimension) -> None:
        columns = columns_of(dimension.schema)
        self._dimension, self._names = dimension, list(columns)
        self._record = Members(members(columns), extra=True)
        self._key = plain_json.Key(dimension.schema)

    def read(self, file: str, text: bytes) -> Snapshot:
        """A snapshot's rows. Raises `UnexpectedAnswer` if one key stands for two different entries."""
        rows, refused, unknown = dict[Key, dict[str, Any]](), list[Quarantined](), Counter[str]()
        unread: list[Key] | None = []
        for number, entry in enumerate(self._entries(file, text), 1):
            findings = Findings()
            try:
                key, row = self._row(entry, findings)
            except Fault as fault:
                refused.append(Quarantined(file, number, str(fault), json.dumps(entry)))
                told = self._key.of(entry)
                unread = None if unread is None or told is None else [*unread, told]
                continue
            if rows.setdefault(key, row) != row:
                raise self._ambiguous(file, key)
            unknown.update(findings.unknown)
        return Snapshot(self._frame(list(rows.values())), refused, unknown, unread)

    def _entries(self, file: str, text: bytes) -> list[Any]:
        try:
            return entries(text)[0]
        except ValueError as error:
            raise UnexpectedAnswer(
                f"{self._dimension.table}: the archived snapshot {file} is no list of entries: {error}.",
                "It was passed over. Materialize again with `refetch: true` while the vendor has the list.",
            ) from error

    def _row(self, entry: Any, findings: Findings) -> tuple[Key, dict[str, Any]]:
        known = self._record.read(as_object(entry, ""), "", findings)
        key = self._key.of(entry)
        if key is None:
            raise Fault(", ".join(self._dimension.primary_key), "is missing")
        if findings.extra:
            # Sorted, so that another order of the same fields is no change.
            known[EXTRA] = json.dumps(findings.extra, sort_keys=True)
        return key, known

    def _frame(self, rows: list[dict[str, Any]]) -> pl.DataFrame:
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
        table = read_strictly(lines, self._record, normalized=True)
        kind = pa.struct(list(table.schema))
        records = pa.concat_arrays([pa.array([], kind), *(batch.to_struct_array() for batch in table.to_batches())])
        columns = self._record.columns(records) | {EXTRA: child(records, EXTRA)}
        frame = pl.from_arrow(pa.table(columns))
        assert isinstance(frame, pl.DataFrame)
        return frame.select([*self._names, EXTRA])

    def _ambiguous(self, file: str, key: Key) -> UnexpectedAnswer:
        named = ", ".join(f"{name} {value}" for name, value in zip(self._dimension.primary_key, key, strict=True))
        return UnexpectedAnswer(
            f"{self._dimension.table}: the list {file} has two different entries with the {named}.",
            "Nothing of it was applied, and what the table holds stays. The next list that names each entry once goes "
            "past it; report it to the vendor if it stays so.",
        )


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
        """Those that were taken on a UTC day."""
        return self._archive.day(self._vendor, self._name, day).files()

    def read(self, file: ArchivedFile) -> bytes:
        try:
            return self._archive.day(self._vendor, self._name, taken_on(file)).read(file)
        except FileUnreadable as error:
            raise FileUnreadable(
                error.happened, "Put a copy of it back, or go past it with `force: true`: the next list is whole again."
            ) from error

    def keep(self, answer: EntityList, now: datetime) -> ArchivedFile | None:
        """Archive a list as it was answered at a moment; None if it is the one that was archived last."""
        newest = next(self._newest_first(), None)
        digest = hashlib.sha256(answer.text).hexdigest()
        if newest and (newest.sha256, revision_of(newest.name)) == (digest, answer.revision) and self._holds(newest):
            return None
        moment = now.astimezone(UTC)
        moment -= timedelta(microseconds=moment.microsecond % 1000)
        if newest:
            # A clock that was set back must not change the order.
            moment = max(moment, newest.scope_start + _MILLISECOND)
        file = ListedFile(name_of(moment, answer.revision), answer.source, moment, moment)
        day = self._archive.day(self._vendor, self._name, moment.date())
        return day.store(file, [answer.text], length=len(answer.text))

    def _newest_first(self) -> Iterator[ArchivedFile]:
        for day in reversed(self._archive.days(self._vendor, self._name)):
            yield from reversed(self.of(day))

    def _holds(self, file: ArchivedFile) -> bool:
        listed = ListedFile(file.name, file.source, file.scope_start, file.scope_end)
        return self._archive.day(self._vendor, self._name, taken_on(file)).holds(listed) is not None


def name_of(moment: datetime, revision: str) -> str:
    """A snapshot's name in the archive."""
    milliseconds = moment.microsecond // 1000
    return f"{moment:%Y-%m-%dT%H%M%S}.{milliseconds:03}Z{f'_r{revision}' if revision else ''}.json"


def revision_of(name: str) -> str:
    """The vendor's revision in a snapshot's name; empty if it has none."""
    found = _REVISION.search(name)
    return found[1] if found else ""


def taken_on(file: ArchivedFile) -> date:
    return file.scope_start.astimezone(UTC).date()


def digest_of(dimension: Dimension, files: Mapping[str, str]) -> str:
    """Changes when a day's snapshots, given by name with their digests, would give another table."""
    parts = [dimension.fingerprint(), *sorted(f"{name} {digest}" for name, digest in files.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
