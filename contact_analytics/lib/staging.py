"""A day on its way into the warehouse: decoded files on disk, one row a key, and what breaks a rule set aside."""

import json
import tempfile
import types
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from itertools import chain
from typing import Any, BinaryIO

import dataframely as dy
import polars as pl
import pyarrow as pa

from contact_analytics.lib.dataset import Dataset, Repeats
from contact_analytics.lib.extractions import Quarantined
from contact_analytics.lib.formats import Decoded
from contact_analytics.lib.schema import columns_of, quoted

_CHUNK, _ROW, _FILE, _KEY, _FIT, _CHANGED = "_chunk", "_row", "_file", "_key", "_fit", "_changed"
# What is held in memory: parts are staged together, as a nested frame costs more by its columns than by its rows.
_CHUNK_BYTES = 8_000_000


class Staging:
    """Decoded files of one day, of which memory holds a few at a time; the others are on disk.

    The same key in two files, or twice in one, is one row. Where the dataset merges them, a field has the value of the
    latest file that gives one, and a list holds the items of all, each as often as the file that has it most.
    """

    def __init__(self, dataset: Dataset, day: date) -> None:
        self.dataset, self.day = dataset, day
        self._refused: list[tuple[tuple[Any, ...] | None, Quarantined]] = []
        self._elsewhere: list[Quarantined] = []
        self._broken: list[Quarantined] = []
        self.unknown: Counter[str] = Counter()
        self.schema_versions: set[str] = set()
        self.rows = 0
        self.first_event: datetime | None = None
        self.last_event: datetime | None = None
        self._waiting: list[pl.DataFrame] = []
        self._last: list[pl.DataFrame] = []
        self._waiting_bytes = 0
        self._spilled: list[BinaryIO] = []
        self._keys: list[pl.DataFrame] = []
        self._schema = pl.Schema()
        self._rules = _with_provenance(dataset.schema)
        required = [name for name, column in columns_of(dataset.schema).items() if not column.nullable]
        self._is_fit = pl.all_horizontal(pl.col(required).is_not_null())
        self._files: dict[str, int] = {}
        self._told = _told(dataset, self._is_fit)

    def add(self, source_file: str, decoded: Decoded) -> None:
        """Stage a file; files come in the order in which the vendor made them."""
        frame = self._of_the_day(source_file, decoded.frame)
        if self._refused and self.dataset.repeats is Repeats.LATEST:
            newer = set(frame.select(self.dataset.primary_key).iter_rows())
            self._refused = [(key, each) for key, each in self._refused if key not in newer]
        place = {_CHUNK: len(self._spilled), _FILE: self._files.setdefault(source_file, len(self._files))}
        before = sum(waiting.height for waiting in self._waiting)
        keys = frame.select(*(pl.lit(number, pl.Int32).alias(name) for name, number in place.items()), **self._told)
        self._keys.append(keys.with_row_index(_ROW, before))
        self._waiting.append(frame.with_columns(_source_file=pl.lit(source_file)))
        self.unknown.update(decoded.unknown)
        self._refused += [
            (each.key, Quarantined(source_file, each.record, each.reason, each.raw.decode(errors="replace")))
            for each in decoded.rejected
        ]
        self._waiting_bytes += self._waiting[-1].estimated_size()
        if self._waiting_bytes > _CHUNK_BYTES:
            self._spill()

    def frames(self) -> Iterator[pl.DataFrame]:
        """What to load: the schema's columns, `_extra` and `_source_file`.

        After the last one `rows`, the events and the quarantine are complete. It may be gone through again.
        """
        self._last = self._last or self._chunk()
        self._broken, self.rows, self.first_event, self.last_event = [], 0, None, None
        repeated = self._repeated()
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for chunk, frame in enumerate(chain(self._read_back(), self._last)):
            again = repeated.filter(pl.col(_CHUNK) == chunk)[_ROW]
            yield from map(self._kept, self._fit_and_unfit(self._once(frame, again, merged)))
        if merged:
            yield self._kept(pl.DataFrame(list(merged.values()), schema=self._schema))

    @property
    def quarantine(self) -> list[Quarantined]:
        """What was refused when it was decoded and stands in no later file, and what breaks a rule."""
        return [each for _, each in self._refused] + self._elsewhere + self._broken

    def close(self) -> None:
        """Give the disk back."""
        for file in self._spilled:
            file.close()

    def _of_the_day(self, source_file: str, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that belong to the day; one that says no time is for the schema's rules."""
        if not (self.dataset.answers_reach_beyond or self.dataset.of_the_day):
            return frame
        event = pl.col(self.dataset.event_time)
        start, end = self.dataset.start(self.day), self.dataset.end(self.day)
        is_of_day = event.is_null() | event.is_between(start, end, closed="left")
        if self.dataset.of_the_day:
            reason = f"its {self.dataset.event_time} is on another day, which was not asked for"
            for row in frame.filter(~is_of_day).iter_rows(named=True):
                self._elsewhere.append(_set_aside(source_file, row, reason))
        return frame.filter(is_of_day)

    def _chunk(self) -> list[pl.DataFrame]:
        """What waits as one frame, if anything does."""
        if not self._waiting:
            return []
        frame = pl.concat(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        self._schema = frame.schema
        if "schema_version" in frame.columns:
            self.schema_versions.update(frame["schema_version"].drop_nulls().unique())
        return [frame]

    def _spill(self) -> None:
        for frame in self._chunk():
            # A file without a name: it is gone when the process is, however that ends.
            self._spilled.append(tempfile.TemporaryFile())  # noqa: SIM115 - closed by `close`
            frame.write_ipc(self._spilled[-1], compression="uncompressed")

    def _read_back(self) -> Iterator[pl.DataFrame]:
        for file in self._spilled:
            file.seek(0)
            # By Arrow, whose buffers go back to the system at once.
            frame = pl.from_arrow(pa.ipc.open_file(file).read_all())
            assert isinstance(frame, pl.DataFrame)
            yield frame

    def _repeated(self) -> pl.DataFrame:
        """Which rows share their key with another one, or with a later one where the last stands."""
        if not self._keys:
            return pl.DataFrame(schema={_CHUNK: pl.Int32, _ROW: pl.UInt32})
        keys, again = pl.concat(self._keys).drop_nulls(_KEY), pl.col(_KEY).is_duplicated()
        if self.dataset.repeats is Repeats.LATEST:
            keys, again = keys.filter(_FIT).sort(_FILE, _CHANGED, maintain_order=True), ~pl.col(_KEY).is_last_distinct()
        return keys.filter(again).select(_CHUNK, _ROW)

    def _once(
        self, frame: pl.DataFrame, again: pl.Series, merged: dict[tuple[Any, ...], dict[str, Any]]
    ) -> pl.DataFrame:
        """The rows that share their key with no other one; those that do are merged, or stand elsewhere."""
        if not again.len():
            return frame
        rows, is_again = frame.with_row_index(_ROW), pl.col(_ROW).is_in(again.implode())
        if self.dataset.repeats is Repeats.MERGED:
            self._merge(merged, rows.filter(is_again).drop(_ROW))
        return rows.filter(~is_again).drop(_ROW)

    def _fit_and_unfit(self, frame: pl.DataFrame) -> list[pl.DataFrame]:
        """Rows that lack something by themselves: where the latest stands, they do not take the place of good ones."""
        if self.dataset.repeats is Repeats.MERGED or (is_fit := frame.select(self._is_fit).to_series()).all():
            return [frame]
        return [frame.filter(~is_fit), frame.filter(is_fit)]

    def _merge(self, merged: dict[tuple[Any, ...], dict[str, Any]], rows: pl.DataFrame) -> None:
        for row in rows.iter_rows(named=True):
            identity = tuple(row[name] for name in self.dataset.primary_key)
            before = merged.get(identity, {})
            merged[identity] = {
                name: (_both if name == "_extra" else _later)(before.get(name), value) for name, value in row.items()
            }

    def _kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that keep the schema's rules; the others go to quarantine."""
        if self._rules.is_valid(frame):  # the common case, and it copies nothing
            good, failure = frame, None
        else:
            good, failure = self._rules.filter(frame)
        if failure is not None:
            rules = list(failure.counts())
            for row in failure.details().to_dicts():
                broken = [rule for rule in rules if row.pop(rule) == "invalid"]
                # Rows without a key look like repetitions of each other; that they lack it is the reason.
                reason = ", ".join(map(_in_words, [rule for rule in broken if rule != "primary_key"] or broken))
                self._broken.append(_set_aside(row.pop("_source_file"), row, reason))
        kept = good.drop("_record")
        self.rows += kept.height
        if self.dataset.event_time:
            events = kept[self.dataset.event_time]
            self.first_event = _earliest(self.first_event, events.min())
            self.last_event = _latest(self.last_event, events.max())
        return kept


def _told(dataset: Dataset, is_fit: pl.Expr) -> dict[str, pl.Expr]:
    """What tells rows apart, and which of them is the last; they have no key where a part of it is missing."""
    key = dataset.primary_key
    # Rows that are merged are told apart once more, by the key itself, so a hash does, which is smaller.
    told = pl.struct(key).hash() if dataset.repeats is Repeats.MERGED else pl.struct(key)
    return {
        _KEY: pl.when(pl.all_horizontal(pl.col(key).is_not_null())).then(told),
        _FIT: is_fit,
        _CHANGED: pl.col(dataset.changed_at) if dataset.changed_at else pl.lit(None),
    }


def _with_provenance(schema: type[dy.Schema]) -> type[dy.Schema]:
    """The schema's rules over staged frames, which also carry what is unknown, and where each row is from."""
    columns = {
        "extra": dy.String(nullable=True, alias="_extra"),
        "record": dy.Int64(nullable=True, alias="_record"),
        "source_file": dy.String(nullable=True, alias="_source_file"),
    }
    return types.new_class(f"Staged{schema.__name__}", (schema,), exec_body=lambda namespace: namespace.update(columns))


def _set_aside(source_file: str, row: dict[str, Any], reason: str) -> Quarantined:
    return Quarantined(source_file, row.pop("_record"), reason, json.dumps(row, default=str))


def _later(before: Any, value: Any) -> Any:
    if value is None or before is None:
        return before if value is None else value
    if isinstance(value, list):
        known = Counter(map(repr, before))
        return before + [item for item in value if not _taken(known, repr(item))]
    if isinstance(value, dict):
        return {name: _later(before.get(name), inner) for name, inner in value.items()}
    return value


def _both(before: str | None, value: str | None) -> str | None:
    """Two JSON objects of unknown fields as one; where both have a field, the later value."""
    if before is None or value is None:
        return before or value
    return json.dumps(json.loads(before) | json.loads(value))


def _taken(counter: Counter[str], item: str) -> bool:
    counter[item] -= 1
    return counter[item] >= 0


def _in_words(rule: str) -> str:
    column, _, kind = rule.partition("|")
    return f"{quoted(column)} is missing" if kind == "nullability" else f"the rule {rule} does not hold"


def _earliest(known: datetime | None, other: Any) -> datetime | None:
    return other if known is None else known if other is None else min(known, other)


def _latest(known: datetime | None, other: Any) -> datetime | None:
    return other if known is None else known if other is None else max(known, other)
