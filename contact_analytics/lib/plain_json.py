"""Plain JSON records, decoded into Arrow columns by a schema whose facts say how each field looks on the wire.

A field may lie in a `section` of its record, have other names (`also`), a text `twin` beside it, values that mean none
(`none`), or be a number that is sent as text. As in `avro_json`, what is exactly as declared is read columnar and
strictly, and a record that is not is read by itself: other spellings are accepted where nothing is lost, what the
schema does not know is kept as `_extra`, and what cannot be read is refused with its reason.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contact_analytics.lib.arrow_json import child
from contact_analytics.lib.avro_json import Array, Json
from contact_analytics.lib.schema import children, columns_of, facts, wire_name
from contact_analytics.lib.wire import (
    EXTRA,
    KINDS,
    RECORD,
    Fault,
    Findings,
    Node,
    as_object,
    instants,
    joined,
    plain_value,
)

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_FRACTION = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A number as JSON writes it: Arrow itself would also take `0x1F`.
_DECIMAL = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_TRUTH = {"true": True, "false": False}
# Java's `yyyy-MM-dd HH:mm:ss.SSSZ`, the same without zone, and its medium style.
_TIMES = ("%Y-%m-%d %H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%b %d, %Y %I:%M:%S %p")


@dataclass(frozen=True)
class Value:
    """A text, number, truth or time. `none` are values that mean none; `text` is a number that is sent as text.

    A time is epoch milliseconds on the wire, UTC, or `naive` where the vendor states no zone.
    """

    dtype: type[pl.DataType]
    none: tuple[Any, ...] = ()
    text: bool = False
    naive: bool = False

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        return pa.string() if self.text else KINDS[self.dtype].arrow

    def unwrap(self, array: pa.Array) -> pa.Array:
        if pa.types.is_string(array.type):
            array = self.telling(array)
        if self.text:
            array = _numbers(array, KINDS[self.dtype].arrow)
        if self.dtype is not pl.String:
            array = _without(array, self._none_values)
        if self.dtype is pl.Float64 and not pc.all(pc.is_finite(array), min_count=0).as_py():
            raise pa.ArrowInvalid("a number is not finite")
        if self.dtype is not pl.Datetime:
            return array
        return instants(array).cast(pa.timestamp("us")) if self.naive else instants(array)

    def telling(self, texts: pa.Array) -> pa.Array:
        """Texts without those that mean none."""
        return _without(texts, self._none_texts)

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        if value is None or self._means_none(value):
            return None
        if isinstance(value, str) and self.dtype is not pl.String:
            value = self._of_text(value.strip(), path)
        elif self.dtype is pl.Boolean and value in (0, 1):
            value = bool(value)
        if value is None:
            return None
        value = plain_value(self.dtype, value, path)
        if isinstance(value, float) and not math.isfinite(value):
            raise Fault(path, "expected a finite number")
        return None if self._means_none(value) else self.write(value)

    def write(self, value: Any) -> Any:
        return json.dumps(value) if self.text and value is not None else value

    @cached_property
    def _none_texts(self) -> pa.Array:
        return pa.array(map(str, self.none), pa.string())

    @cached_property
    def _none_values(self) -> pa.Array:
        """Those of `none` that are of this type, which is not text."""
        kind = KINDS[self.dtype]
        kinds = {int, float} if kind.python is float else {kind.python}
        return pa.array([value for value in self.none if type(value) in kinds], kind.arrow)

    def _means_none(self, value: Any) -> bool:
        if not self.none or not isinstance(value, str | int | float):
            return False
        return str(value) in map(str, self.none) or (type(value) is not bool and value in self.none)

    def _of_text(self, text: str, path: str) -> Any:
        """What a text stands for; the text itself where it stands for nothing of this type."""
        if not text:
            return None
        if self.dtype is pl.Datetime and not _WHOLE.fullmatch(text):
            return milliseconds(text, path)
        if self.dtype is pl.Boolean:
            return _TRUTH.get(text.lower(), text)
        if self.dtype is pl.Float64:
            return float(text) if _FRACTION.fullmatch(text) else text
        return int(text) if _WHOLE.fullmatch(text) else text


@dataclass(frozen=True)
class Member:
    """A field of a record: its name there, its type, the section that it lies in, and what else may hold it."""

    wire: str
    node: Node
    section: str = ""
    also: tuple[str, ...] = ()
    twin: str = ""


class Members:
    """A record of plain JSON: its fields by column name; with `extra`, a slot for what the schema does not know."""

    wrapper = None

    def __init__(self, fields: Mapping[str, Member], *, extra: bool = False) -> None:
        self.fields, self.extra = dict(fields), extra
        self._sections: dict[str, dict[str, Member]] = {}
        for member in self.fields.values():
            self._sections.setdefault(member.section, {})[member.wire] = member
        self._names = {section: _names(list(members.values())) for section, members in self._sections.items()}
        self._folded = {section.casefold(): section for section in self._sections if section}

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        fields = self._arrow_fields("", normalized=normalized)
        fields += [
            (section, pa.struct(self._arrow_fields(section, normalized=normalized)))
            for section in self._sections
            if section
        ]
        if self.extra:
            fields += [(EXTRA, pa.string() if normalized else pa.null())]
            fields += [(RECORD, pa.int64() if normalized else pa.null())]
        return pa.struct(fields)

    def unwrap(self, array: pa.Array) -> pa.Array:
        mask = pc.is_null(array) if array.null_count else None
        return pa.StructArray.from_arrays(list(self.columns(array).values()), list(self.fields), mask=mask)

    def columns(self, array: pa.Array) -> dict[str, pa.Array]:
        """The record's fields as columns of their own, by column name."""
        sections = {section: child(array, section) if section else array for section in self._sections}
        return {name: _column(sections[member.section], member) for name, member in self.fields.items()}

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        return None if value is None else self._known(as_object(value, path), "", path, findings)

    def write(self, value: Any) -> Any:
        """The wire form of a dictionary of columns."""
        if value is None:
            return None
        given: dict[str, Any] = {section: {} for section in self._sections if section}
        for name, member in self.fields.items():
            (given[member.section] if member.section else given)[member.wire] = member.node.write(value.get(name))
        return given

    def _arrow_fields(self, section: str, *, normalized: bool) -> list[tuple[str, pa.DataType]]:
        fields = dict[str, pa.DataType]()
        for wire, member in self._sections.get(section, {}).items():
            kind = member.node.arrow_type(normalized=normalized)
            fields[wire] = kind
            if not normalized:
                fields |= dict.fromkeys(member.also, kind)
                fields |= {member.twin: pa.string()} if member.twin else {}
        return list(fields.items())

    def _known(self, value: dict[str, Any], section: str, path: str, findings: Findings) -> dict[str, Any]:
        names = self._names.get(section, {})
        known: dict[str, Any] = {}
        twins: dict[str, tuple[str, Any]] = {}
        for key, inner in value.items():
            place = joined(path, key)
            wire, is_twin = names.get(key) or names.get(key.casefold(), ("", False))
            below = "" if section or wire else self._folded.get(key.casefold(), "")
            if below and below not in known and inner is not None:
                known[below] = self._known(as_object(inner, place), below, place, findings)
            elif below and inner is None:
                continue
            elif is_twin and wire not in twins:
                twins[wire] = (place, inner)
            elif not wire or is_twin or known.get(wire) is not None:
                if inner is not None or not wire:
                    findings.note(place, inner)
            else:
                known[wire] = self._sections[section][wire].node.read(inner, place, findings)
        for wire, (place, inner) in twins.items():
            if known.get(wire) is None:
                known[wire] = self._sections[section][wire].node.read(inner, place, findings)
            elif not (inner is None or isinstance(inner, str)):
                findings.note(place, inner)
        return known


class Key:
    """How a record tells its key."""

    def __init__(self, schema: type[dy.Schema]) -> None:
        columns = {name: column for name, column in columns_of(schema).items() if column.primary_key}
        self._record = Members(members(columns))

    def of(self, record: Any) -> tuple[Any, ...] | None:
        """A record's key, if it has one that can be read."""
        try:
            known = self._record.read(as_object(record, ""), "", Findings())
        except Fault:
            return None
        places = (
            (known.get(each.section, {}) if each.section else known, each) for each in self._record.fields.values()
        )
        key = tuple(place.get(each.wire) for place, each in places)
        return None if None in key else key


def members(columns: Mapping[str, dy.Column]) -> dict[str, Member]:
    """The fields of a record from the columns that hold them, without those that we derive."""
    found = dict[str, Member]()
    for name, column in columns.items():
        known = facts(column)
        if not known.derived:
            found[name] = Member(wire_name(name, column), node(column), known.section, known.also, known.twin)
    return found


def node(column: dy.Column) -> Node:
    """The wire type of a column."""
    known = facts(column)
    if known.avro == "JSON":
        return Json()
    if isinstance(column, dy.List):
        return Array(node(column.inner), bare=True)
    if isinstance(column, dy.Struct):
        return Members(members(children(column)))
    naive = isinstance(column, dy.Datetime) and column.dtype == pl.Datetime("us")
    return Value(type(column.dtype), known.none, known.text, naive)


def _names(fields: Sequence[Member]) -> dict[str, tuple[str, bool]]:
    """Every spelling of a field's name with the name itself, and whether it is the twin's."""
    names = dict[str, tuple[str, bool]]()
    for member in fields:
        names |= {spelling: (member.wire, False) for other in member.also for spelling in (other, other.casefold())}
        if member.twin:
            names |= dict.fromkeys((member.twin, member.twin.casefold()), (member.wire, True))
    for member in fields:
        names |= dict.fromkeys((member.wire, member.wire.casefold()), (member.wire, False))
    return names


def _column(record: pa.Array, member: Member) -> pa.Array:
    """A field of records, whichever of its names holds it."""
    array = child(record, member.wire)
    for other in member.also:
        if record.type.get_field_index(other) >= 0 and (second := child(record, other)).null_count < len(second):
            if array.null_count < len(array):
                raise pa.ArrowInvalid(f"{member.wire} goes by two names")
            array = second
    column = member.node.unwrap(array)
    if member.twin and record.type.get_field_index(member.twin) >= 0 and column.null_count:
        assert isinstance(member.node, Value)
        twin = member.node.telling(child(record, member.twin))
        if pc.any(pc.and_(pc.is_null(column), pc.is_valid(twin))).as_py():
            raise pa.ArrowInvalid(f"{member.twin} comes without {member.wire}")
    return column


def _without(array: pa.Array, values: pa.Array) -> pa.Array:
    """An array with null instead of some values."""
    return pc.if_else(pc.is_in(array, value_set=values), None, array) if len(values) else array


def _numbers(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Numbers that are sent as text."""
    numbers = texts.cast(kind)
    if numbers.null_count == len(numbers):
        return numbers
    if not pc.all(pc.match_substring_regex(texts, _DECIMAL)).as_py():
        raise pa.ArrowInvalid("a text is no number")
    return numbers


def milliseconds(text: str, path: str) -> int:
    """A time in one of the forms that vendors write, in epoch milliseconds; a `Fault` for any other text."""
    for form in _TIMES:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is read where there is one
        except ValueError:
            continue
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    raise Fault(path, f"expected a time, got text {json.dumps(text):.40}")
