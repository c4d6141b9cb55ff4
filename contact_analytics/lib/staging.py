"""A day on its way into the warehouse: decoded files on disk, one row a key, and what breaks a rule set aside."""

import json
import tempfile
import types
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO

import dataframely as dy
import polars as pl

from contact_analytics.lib.dataset import Dataset, Decoded, Repeats
from contact_analytics.lib.extractions import Quarantined
from contact_analytics.lib.schema import columns_of, quoted

_CHUNK, _ROW, _FIT = "_chunk", "_row", "_fit"
# Small files are staged together: a nested frame costs more by its columns than by its rows.
_CHUNK_BYTES = 64_000_000


class Staging:
    """Decoded files of one day, kept on disk so that memory holds a few files at a time.

    The same key in two files, or twice in one, is one row. Where the dataset merges them, a field has the value of the
    latest file that gives one, and a list holds the items of all, each as often as the file that has it most.
    """

    def __init__(self, dataset: Dataset, day: date) -> None:
        self.dataset, self.day = dataset, day
        self._refused: list[tuple[tuple[Any, ...] | None, Quarantined]] = []
        self._broken: list[Quarantined] = []
        self.unknown: Counter[str] = Counter()
        self.schema_versions: set[str] = set()
        self.rows = 0
        self.first_event: datetime | None = None
        self.last_event: datetime | None = None
        self._waiting: list[pl.DataFrame] = []
        self._waiting_bytes = 0
        self._chunks: list[BinaryIO] = []
        self._keys: list[pl.DataFrame] = []
        self._schema = pl.Schema()
        self._rules = _with_provenance(dataset.schema)
        required = [name for name, column in columns_of(dataset.schema).items() if not column.nullable]
        self._is_fit = pl.all_horizontal(pl.col(required).is_not_null())

    def add(self, source_file: str, decoded: Decoded) -> None:
        """Stage a file; files come in the order in which the vendor made them."""
        frame = self._of_the_day(source_file, decoded.frame)
        if self._refused and self.dataset.repeats is Repeats.LATEST:
            newer = set(frame.select(self.dataset.primary_key).iter_rows())
            self._refused = [(key, each) for key, each in self._refused if key not in newer]
        self._waiting.append(frame.with_columns(_source_file=pl.lit(source_file)))
        self.unknown.update(decoded.unknown)
        self._refused += [
            (each.key, Quarantined(source_file, each.record, each.reason, each.raw.decode(errors="replace")))
            for each in decoded.rejected
        ]
        self._waiting_bytes += self._waiting[-1].estimated_size()
        if self._waiting_bytes > _CHUNK_BYTES:
            self._flush()

    def frames(self) -> Iterator[pl.DataFrame]:
        """What to load: the schema's columns, `_extra` and `_source_file`.

        After the last one `rows`, the events and the quarantine are complete.
        """
        self._flush()
        repeated = self._repeated()
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for chunk, file in enumerate(self._chunks):
            file.seek(0)
            frame = pl.read_ipc(file)
            again = repeated.filter(pl.col(_CHUNK) == chunk)[_ROW]
            if again.len():
                rows = frame.with_row_index(_ROW)
                is_again = pl.col(_ROW).is_in(again.implode())
                if self.dataset.repeats is Repeats.MERGED:
                    self._merge(merged, rows.filter(is_again).drop(_ROW))
                frame = rows.filter(~is_again).drop(_ROW)
            if self.dataset.repeats is Repeats.LATEST and not (is_fit := frame.select(self._is_fit).to_series()).all():
                # A row that lacks something does not take the place of a good one, and is set aside by itself.
                yield self._kept(frame.filter(~is_fit))
                frame = frame.filter(is_fit)
            yield self._kept(frame)
        if merged:
            yield self._kept(pl.DataFrame(list(merged.values()), schema=self._schema))

    @property
    def quarantine(self) -> list[Quarantined]:
        """What was refused when it was decoded and stands in no later file, and what breaks a rule."""
        return [each for _, each in self._refused] + self._broken

    def close(self) -> None:
        """Give the disk back."""
        for file in self._chunks:
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
                self._broken.append(_set_aside(source_file, row, reason))
        return frame.filter(is_of_day)

    def _flush(self) -> None:
        if not self._waiting:
            return
        frame = pl.concat(self._waiting)
        keys = frame.select(
            pl.lit(len(self._chunks), pl.Int32).alias(_CHUNK), *self.dataset.primary_key, self._is_fit.alias(_FIT)
        )
        self._keys.append(keys.with_row_index(_ROW))
        # A file without a name: it is gone when the process is, however that ends.
        self._chunks.append(tempfile.TemporaryFile())  # noqa: SIM115 - closed by `close`
        frame.write_ipc(self._chunks[-1], compression="uncompressed")
        self._schema = frame.schema
        if "schema_version" in frame.columns:
            self.schema_versions.update(frame["schema_version"].drop_nulls().unique())
        self._waiting, self._waiting_bytes = [], 0

    def _repeated(self) -> pl.DataFrame:
        """Which rows share their key with another one, or with a later one where the last stands."""
        key = self.dataset.primary_key
        if not self._keys:
            return pl.DataFrame(schema={_CHUNK: pl.Int32, _ROW: pl.UInt32})
        keys = pl.concat(self._keys).drop_nulls(key)
        again = pl.struct(key).is_duplicated()
        if self.dataset.repeats is Repeats.LATEST:
            keys, again = keys.filter(_FIT), ~pl.struct(key).is_last_distinct()
        return keys.filter(again).select(_CHUNK, _ROW)

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
