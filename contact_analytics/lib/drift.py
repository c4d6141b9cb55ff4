"""Drift: what the vendor sends otherwise than the schema says, or than in the days before.

Examples show how a value is written and never what it is: its letters are `x`, its digits `9`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import PARTITION, Check, Dataset, Known, Reasons
from contact_analytics.lib.schema import columns_of, facts, quoted

_SHAPE_CHARACTERS = 40
# Of how many days, and of how many of a day's fields, an example is looked for, and in how many rows.
_EXAMPLE_DAYS, _EXAMPLE_FIELDS, _EXAMPLE_ROWS = 7, 20, 20
# How a table of texts names what its column cannot hold, among the unknown fields.
_UNREADABLE = " (unreadable)"
# How a value of another type is refused: where it is, what was expected, what came, and how it begins.
_REFUSED = r"^(.+?): expected (.+?), got (null|an object|a list|text|boolean|number)\b(.*)$"
_INDEX = r"\[\d+\]"
_JUDGED_DAYS, _DAYS_BEFORE, _FEWEST_ROWS, _FIRST_ROWS = 7, 7, 20, 100
_OF_DAYS = f"{PARTITION} in (select unnest(?::date[]))"

# Of each day, fields and how many records have them.
Fields = Mapping[date, Mapping[str, int]]


def shape(value: Any) -> str:
    """How a value is written as JSON, up to 40 characters."""
    return _masked(json.dumps(value, ensure_ascii=False))


def _masked(text: str) -> str:
    """A text with `9` for digits, and `x` for letters and all that is not a sign of ASCII."""
    shown = "".join(
        "9" if each.isnumeric() else each if each.isascii() and each.isprintable() and not each.isalpha() else "x"
        for each in text[:_SHAPE_CHARACTERS]
    )
    return shown if len(text) <= _SHAPE_CHARACTERS else f"{shown[:-1]}…"


def _new(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    fields = {day: {name: n for name, n in found if not name.endswith(_UNREADABLE)} for day, found in _unknown(known)}
    return _joined(_with_examples(connection, dataset, fields))


def _retyped(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    """Fields whose value is kept as text beside a null, and those for which a record was refused."""
    fields = {day: {name: n for name, n in found if name.endswith(_UNREADABLE)} for day, found in _unknown(known)}
    reasons = _with_examples(connection, dataset, fields)
    refused = connection.execute(
        f"select {PARTITION}, regexp_replace(part.field, $index, '[]', 'g') as field, part.expected, part.kind, "
        f"min(part.rest), count(*) from (select {PARTITION}, regexp_extract(reason, $refused, "
        "['field', 'expected', 'kind', 'rest']) as part from meta.quarantine where dataset = $dataset "
        "and regexp_matches(reason, $refused)) group by all order by all",
        {"index": _INDEX, "refused": _REFUSED, "dataset": dataset.table},
    ).fetchall()
    for day, field, expected, kind, rest, records in refused:
        came = f"{kind}{_masked(rest)}"
        reasons[day].append(f"`{field}` in {records:,} records that were refused: {came} where {expected} is expected")
    return _joined(reasons)


def _vanished(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    """Columns that are null on a day, by the share of rows that had them in the days before."""
    columns = [name for name, each in columns_of(dataset.schema).items() if each.nullable and not facts(each).derived]
    found = connection.execute(f"select distinct {PARTITION} from {dataset.sql_name}").fetchall()
    stored = (day for (day,) in found if day in known and known[day].is_stored)
    days = sorted(stored)[-(_JUDGED_DAYS + _DAYS_BEFORE) :]
    reasons = defaultdict[date, list[str]](list)
    for place, day in list(enumerate(days))[1:][-_JUDGED_DAYS:]:
        height, empty = _empty(connection, dataset, columns, day)
        before = _filled(connection, dataset, empty, _OF_DAYS, [days[max(0, place - _DAYS_BEFORE) : place]])
        height_before = sum(each[0] for each in before)
        for name, *filled in zip(empty, *(each[1:] for each in before), strict=True):
            share = sum(filled) / height_before
            if all(filled) and min(height_before, share * height) >= _FEWEST_ROWS:
                reasons[day].append(
                    f"`{name}` is empty in all {height:,} rows, and filled in {share:.0%} of those of the "
                    f"{len(before)} stored days before"
                )
    return _joined(reasons)


def _empty(
    connection: DuckDBPyConnection, dataset: Dataset, columns: Sequence[str], day: date
) -> tuple[int, list[str]]:
    """How many rows a day has, and the columns that are null in all of them."""
    # To read all of a list of records takes long, and its first rows nearly always tell that it is there.
    first = f"rowid in (select rowid from {dataset.sql_name} where {_OF_DAYS} limit {_FIRST_ROWS})"
    height, empty = 0, list(columns)
    for rows in (first, _OF_DAYS):
        [(height, *filled)] = _filled(connection, dataset, empty, rows, [[day]])
        empty = [name for name, count in zip(empty, filled, strict=True) if not count]
    return height, empty


def _filled(
    connection: DuckDBPyConnection, dataset: Dataset, columns: Sequence[str], rows: str, values: list[list[date]]
) -> list[tuple[int, ...]]:
    """Of each day of some rows: how many of them there are, and how many have each column."""
    counts = "".join(f", count({quoted(name)})" for name in columns)
    query = f"select count(*){counts} from {dataset.sql_name} where {rows} group by {PARTITION}"
    return connection.execute(query, values).fetchall()


def _unknown(known: Known) -> Iterator[tuple[date, list[tuple[str, int]]]]:
    """The fields of each day that the schema does not know."""
    for day, stored in known.items():
        yield day, [(entry["field"], entry["records"]) for entry in stored.unknown_fields]


def _with_examples(connection: DuckDBPyConnection, dataset: Dataset, fields: Fields) -> defaultdict[date, list[str]]:
    """Each day's fields in words; those of the newest days with the shape of a value."""
    failing = sorted((day for day, found in fields.items() if found), reverse=True)
    reasons = defaultdict[date, list[str]](list)
    for place, day in enumerate(failing):
        for number, (name, records) in enumerate(fields[day].items()):
            is_shown = place < _EXAMPLE_DAYS and number < _EXAMPLE_FIELDS
            example = _example(connection, dataset, day, name) if is_shown else None
            such_as = f", such as {example}" if example else ""
            reasons[day].append(f"`{name}` in {records:,} records{such_as}")
    return reasons


def _example(connection: DuckDBPyConnection, dataset: Dataset, day: date, field: str) -> str | None:
    """The shape of a value of a field of `_extra`; None if its rows were refused, or are none of the first."""
    # Paths are kept there with the places of a list's items, which differ; so the end of one is looked for.
    end = json.dumps(field.rpartition("[]")[2])[1:]
    rows = connection.execute(
        f"select _extra from {dataset.sql_name} where {PARTITION} = ? and contains(_extra, ?) limit {_EXAMPLE_ROWS}",
        [day, end],
    ).fetchall()
    values = (pair for (extra,) in rows for pair in json.loads(extra).items())
    return next((shape(value) for name, value in values if re.sub(_INDEX, "[]", name) == field), None)


def _joined(reasons: Mapping[date, Sequence[str]]) -> Reasons:
    return {day: "; ".join(each) for day, each in reasons.items()}


_EXAMPLES = "Examples show how a value is written, not what it is: letters are `x`, digits are `9`."
DRIFT_CHECKS = (
    Check(
        "no_unknown_fields",
        f"The vendor sent no field that the schema does not know; such fields are kept in `_extra`. {_EXAMPLES}",
        dg.AssetCheckSeverity.WARN,
        _new,
    ),
    Check(
        "no_field_changed_type",
        "Every value is of the type that its column says. Where texts are read, others are null and kept in `_extra` "
        f"as *unreadable*; elsewhere their records are in `meta.quarantine`. {_EXAMPLES}",
        dg.AssetCheckSeverity.WARN,
        _retyped,
    ),
    Check(
        "no_field_vanished",
        f"No column is empty on one of the newest {_JUDGED_DAYS} stored days that was filled on each of the up to "
        f"{_DAYS_BEFORE} stored days before it, where {_FEWEST_ROWS} rows or more should have it by its share of those "
        "days' rows. The fields of nested columns are not looked at.",
        dg.AssetCheckSeverity.WARN,
        _vanished,
    ),
)
