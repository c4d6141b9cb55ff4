"""Random values of a column, and the forms in which a vendor might write them as plain JSON."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
from hypothesis import strategies as st

from contact_analytics.lib.schema import children, facts, wire_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
texts = st.text(st.characters(codec="utf-8"), max_size=5) | st.integers().map(str) | st.sampled_from(["true", "null"])
numbers = {
    pl.Int32: st.integers(-(2**31), 2**31 - 1),
    pl.Int64: st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
    pl.Float64: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float),
    # The years 1 to 9999; Python's own dates end there.
    pl.Datetime: st.integers(-62_135_596_800_000, 253_402_300_799_999),
    pl.Boolean: st.booleans(),
}
documents = st.recursive(
    st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=3
)


def values(column: dy.Column) -> st.SearchStrategy[Any]:
    """What a column may hold; points in time are milliseconds."""
    known = facts(column)
    if known.avro == "JSON":
        return st.none() | documents.map(json.dumps)
    if isinstance(column, dy.List):
        return st.none() | st.lists(values(column.inner), max_size=3)
    if isinstance(column, dy.Struct):
        return st.none() | st.fixed_dictionaries({name: values(inner) for name, inner in children(column).items()})
    nones = {str(value) for value in known.none}
    told = numbers.get(type(column.dtype), texts).filter(lambda value: str(value).removesuffix(".0") not in nones)
    return st.none() | told


def stored(column: dy.Column, value: Any) -> Any:
    """A value as the frame has it."""
    if value is None:
        return None
    if isinstance(column, dy.List):
        return [stored(column.inner, item) for item in value]
    if isinstance(column, dy.Struct):
        return {name: stored(inner, value[name]) for name, inner in children(column).items()}
    if isinstance(column, dy.Datetime):
        at = EPOCH + timedelta(milliseconds=value)
        return at if column.dtype == pl.Datetime("us", "UTC") else at.replace(tzinfo=None)
    return value


@st.composite
def spelled(draw: st.DrawFn, columns: dict[str, dy.Column], row: dict[str, Any]) -> dict[str, Any]:
    """A record as any vendor might write it: under any name, in any form that loses nothing."""

    def cased(name: str) -> str:
        return draw(st.sampled_from([name, name, name.upper(), name.lower(), name.title()]))

    found: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        known = facts(column)
        part = found
        if known.section:
            part = sections.setdefault(known.section, {})
        wire = cased(draw(st.sampled_from([wire_name(name, column), *known.also])))
        value = draw(form(column, row[name]))
        has_text = known.twin and row[name] is not None and row[name] >= 0 and draw(st.booleans())
        if has_text:
            part[cased(known.twin)] = str(EPOCH + timedelta(milliseconds=row[name]))
            value = draw(st.sampled_from([value, None, *known.none]))
        elif known.twin and value is not None:
            part[cased(known.twin)] = "undefined"
        if value is not None or draw(st.booleans()):
            part[wire] = value
    return found | {cased(name): part for name, part in sections.items() if part or draw(st.booleans())}


def form(column: dy.Column, value: Any) -> st.SearchStrategy[Any]:
    """The forms that a value may have."""
    known, kind = facts(column), type(column.dtype)
    if known.avro == "JSON":
        return st.just(None if value is None else json.loads(value))
    if value is None:
        empty = [None, *known.none]
        return st.sampled_from(
            empty if kind in {pl.String, pl.List, pl.Struct} else [*empty, *map(str, known.none), ""]
        )
    if isinstance(column, dy.List):
        return st.tuples(*(form(column.inner, item) for item in value)).map(list)
    if isinstance(column, dy.Struct):
        return spelled(children(column), value)
    if isinstance(value, bool):
        return st.sampled_from([value, int(value), str(value), str(value).lower()])
    if isinstance(value, str):
        number = value.removeprefix("-").isdecimal() and value.isascii() and str(int(value)) == value
        return st.sampled_from([value, int(value)] if number else [value])
    whole = [float(value)] if isinstance(value, int) and abs(value) <= 2**53 else []
    return st.sampled_from([value, str(value), f" {value} ", *whole])
