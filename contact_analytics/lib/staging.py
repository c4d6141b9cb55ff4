"""A day on its way into the warehouse: decoded files on disk, one row a key, and what breaks a rule set aside."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from contact_analytics.lib.dataset import Dataset, Decoded
from contact_analytics.lib.schema import quoted
from contact_analytics.lib.warehouse import Quarantined, StagedFile

_ORDER, _ROW = "_order", "_row"


class Staging:
    """Decoded files of one day, kept in a folder so that memory holds one file at a time.

    The same key in two files, or twice in one, is one row: a field has the value of the latest file that gives one,
    and a list holds the items of all, each once.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset, self.folder = dataset, folder
        self.quarantine: list[Quarantined] = []
        self.unknown: Counter[str] = Counter()
        self.schema_versions: set[str] = set()
        self.rows = 0
        self.first_event: datetime | None = None
        self.last_event: datetime | None = None
        self._files: list[tuple[str, Path]] = []
        self._keys: list[pl.DataFrame] = []
        self._rules = _with_provenance(dataset.schema)

    def add(self, source_file: str, decoded: Decoded) -> None:
        """Stage a file; files come in the order in which the vendor made them."""
        order = len(self._files)
        path = self.folder / f"{order}.arrow"
        decoded.frame.write_ipc(path, compression="uncompressed")
        keys = decoded.frame.select(pl.lit(order, pl.Int32).alias(_ORDER), *self.dataset.primary_key)
        self._keys.append(keys.with_row_index(_ROW))
        self._files.append((source_file, path))
        self.unknown.update(decoded.unknown)
        self.quarantine += [
            Quarantined(source_file, rejected.record, rejected.reason, rejected.raw.decode(errors="replace"))
            for rejected in decoded.rejected
        ]
        if "schema_version" in decoded.frame.columns:
            self.schema_versions.update(decoded.frame["schema_version"].drop_nulls().unique())

    def files(self) -> Iterator[StagedFile]:
        """What to load, file by file. After the last one `rows`, the events and the quarantine are complete."""
        repeated = self._repeated()
        merged: list[tuple[int, dict[str, Any]]] = []
        for order, (source_file, path) in enumerate(self._files):
            frame = pl.read_ipc(path)
            again = repeated.filter(pl.col(_ORDER) == order)[_ROW]
            if again.len():
                rows = frame.with_row_index(_ROW)
                merged += [(order, row) for row in rows.filter(pl.col(_ROW).is_in(again.implode())).to_dicts()]
                frame = rows.filter(~pl.col(_ROW).is_in(again.implode())).drop(_ROW)
            yield StagedFile(source_file, self._kept(source_file, frame))
        for order, rows in _one_row_a_key(merged, self.dataset.primary_key).items():
            source_file, path = self._files[order]
            schema = pl.read_ipc_schema(path)
            yield StagedFile(source_file, self._kept(source_file, pl.DataFrame(rows, schema=schema)))

    def _repeated(self) -> pl.DataFrame:
        key = self.dataset.primary_key
        if not self._keys:
            return pl.DataFrame(schema={_ORDER: pl.Int32, _ROW: pl.UInt32})
        keys = pl.concat(self._keys).drop_nulls(key)
        return keys.filter(pl.struct(key).is_duplicated()).select(_ORDER, _ROW)

    def _kept(self, source_file: str, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that keep the schema's rules; the others go to quarantine."""
        good, failure = self._rules.filter(frame)
        if len(failure):
            rules = [rule for rule in failure.counts()]
            for row in failure.details().to_dicts():
                broken = [rule for rule in rules if row.pop(rule) == "invalid"]
                reason = ", ".join(_in_words(rule) for rule in broken)
                self.quarantine.append(
                    Quarantined(source_file, row.pop("_record"), reason, json.dumps(row, default=str))
                )
        kept = good.drop("_record")
        self.rows += kept.height
        events = kept[self.dataset.event_time]
        self.first_event = _earliest(self.first_event, events.min())
        self.last_event = _latest(self.last_event, events.max())
        return kept


def _with_provenance(schema: type[dy.Schema]) -> type[dy.Schema]:
    """The schema's rules over staged frames, which also carry what is unknown and the record's number."""
    columns = {
        "extra": dy.String(nullable=True, alias="_extra"),
        "record": dy.Int64(nullable=True, alias="_record"),
    }
    return type(schema)(f"Staged{schema.__name__}", (schema,), columns)


def _one_row_a_key(rows: list[tuple[int, dict[str, Any]]], key: list[str]) -> dict[int, list[dict[str, Any]]]:
    """Rows of equal keys as one, by the latest file that has it."""
    merged: dict[tuple[Any, ...], tuple[int, dict[str, Any]]] = {}
    for order, row in rows:
        row.pop(_ROW)
        identity = tuple(row[name] for name in key)
        _, before = merged.get(identity, (0, {}))
        merged[identity] = (order, {name: _later(before.get(name), value) for name, value in row.items()})
    by_file: dict[int, list[dict[str, Any]]] = {}
    for order, row in merged.values():
        by_file.setdefault(order, []).append(row)
    return by_file


def _later(before: Any, value: Any) -> Any:
    if value is None or before is None:
        return before if value is None else value
    if isinstance(value, list):
        known = {repr(item) for item in before}
        return before + [item for item in value if repr(item) not in known]
    return value


def _in_words(rule: str) -> str:
    column, _, kind = rule.partition("|")
    return f"{quoted(column)} is missing" if kind == "nullability" else f"the rule {rule} does not hold"


def _earliest(known: datetime | None, other: Any) -> datetime | None:
    return other if known is None else known if other is None else min(known, other)


def _latest(known: datetime | None, other: Any) -> datetime | None:
    return other if known is None else known if other is None else max(known, other)
