"""The entries of a vendor's list: read from a snapshot's JSON, each by itself, without passwords and their hashes."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa

from contact_analytics.lib import plain_json
from contact_analytics.lib.arrow_json import child, read_strictly
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.extractions import Quarantined
from contact_analytics.lib.plain_json import Members, members
from contact_analytics.lib.schema import columns_of, facts, wire_name
from contact_analytics.lib.wire import EXTRA, Fault, Findings, as_object

# `passwordSh`, `oldPassword`; `changePwdNextLogin` and `lastPwdChangeDate` hold none.
_SECRET = "password"  # noqa: S105 - a part of a field's name

Key = tuple[Any, ...]


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
        kept = [pair for pair in pairs if not _is_secret(pair[0])]
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


@cache
def _is_secret(name: str) -> bool:
    return _SECRET in name.casefold()


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


@dataclass(frozen=True)
class _Entry:
    """An entry that was read: its key, its row as a line of normalized JSON, and what nobody knew."""

    key: Key
    line: str
    unknown: Counter[str]


class SnapshotFormat:
    """How the entries of a dimension's lists are read: each by itself, plain JSON, by the schema's names.

    Lists that follow each other are nearly the same, so an entry that was in the one before is not read again.
    """

    def __init__(self, dimension: Dimension) -> None:
        columns = columns_of(dimension.schema)
        self._dimension, self._columns = dimension, [*columns, EXTRA]
        self._record = Members(members(columns), extra=True)
        self._key = plain_json.Key(dimension.schema)
        self._key_names = [wire_name(name, columns[name]) for name in dimension.primary_key]
        self._unordered = [wire_name(name, column) for name, column in columns.items() if facts(column).unordered]
        self._before: dict[str, _Entry] = {}

    def read(self, file: str, text: bytes) -> Snapshot:
        """A snapshot's rows. Raises `UnexpectedAnswer` if one key stands for two different entries."""
        read, lines = dict[str, _Entry](), dict[Key, str]()
        refused, unknown = list[Quarantined](), Counter[str]()
        unread: list[Key] | None = []
        for number, sent in enumerate(self._entries(file, text), 1):
            same = json.dumps(sent)
            try:
                entry = self._before.get(same) or self._entry(sent)
            except Fault as fault:
                refused.append(Quarantined(file, number, str(fault), same))
                told = self._key.of(sent)
                unread = None if unread is None or told is None else [*unread, told]
                continue
            read[same] = entry
            if lines.setdefault(entry.key, entry.line) != entry.line:
                raise self._ambiguous(file, entry.key)
            unknown.update(entry.unknown)
        self._before = read
        return Snapshot(self._frame("\n".join(lines.values()).encode()), refused, unknown, unread)

    def _entries(self, file: str, text: bytes) -> list[Any]:
        try:
            return entries(text)[0]
        except ValueError as error:
            raise UnexpectedAnswer(
                f"{self._dimension.table}: the archived snapshot {file} is no list of entries: {error}.",
                "It was passed over. Materialize again with `refetch: true` while the vendor has the list.",
            ) from error

    def _entry(self, sent: Any) -> _Entry:
        findings = Findings()
        known = self._record.read(as_object(sent, ""), "", findings)
        key = tuple(known.get(name) for name in self._key_names)
        if None in key:
            raise Fault(", ".join(self._dimension.primary_key), "is missing")
        # Sorted, so that another order of fields, or of items whose order means nothing, is no change.
        for name in self._unordered:
            known[name] = _sorted(known.get(name))
        if findings.extra:
            known[EXTRA] = json.dumps(findings.extra, sort_keys=True)
        return _Entry(key, json.dumps(known, ensure_ascii=False, sort_keys=True), findings.unknown)

    def _frame(self, lines: bytes) -> pl.DataFrame:
        table = read_strictly(lines, self._record, normalized=True)
        kind = pa.struct(list(table.schema))
        records = pa.concat_arrays([pa.array([], kind), *(batch.to_struct_array() for batch in table.to_batches())])
        frame = pl.from_arrow(pa.table(self._record.columns(records) | {EXTRA: child(records, EXTRA)}))
        assert isinstance(frame, pl.DataFrame)
        return frame.select(self._columns)

    def _ambiguous(self, file: str, key: Key) -> UnexpectedAnswer:
        named = ", ".join(f"{name} {value}" for name, value in zip(self._dimension.primary_key, key, strict=True))
        return UnexpectedAnswer(
            f"{self._dimension.table}: the list {file} has two different entries with the {named}.",
            "Nothing of it was applied, and what the table holds stays. The next list that names each entry once goes "
            "past it; report it to the vendor if it stays so.",
        )


def _sorted(items: list[Any] | None) -> list[Any] | None:
    """Items in an order that depends on nothing but them; ids by size."""

    def place(item: Any) -> tuple[int, str]:
        text = json.dumps(item, sort_keys=True)
        return len(text), text

    return items and sorted(items, key=place)
