"""Avro's JSON encoding, decoded into Arrow columns by a declared wire type.

Avro writes a nullable value as `null` or as an object of one key that names the union's branch: `{"long": 1}`,
`{"array": [...]}`, `{"com.vendor.Campaign": {...}}`. A tree of nodes states what is expected:

* `arrow_type` and `unwrap` read exactly the documented encoding, columnar and strict: a field, branch or type that is
  not declared is refused, never skipped;
* `read` takes a single record that was refused and returns it normalized, that is, in the documented encoding: plain
  JSON without wrappers, other spellings of a name, other number branches. What the schema does not know is kept as
  JSON, unknown fields and branches as `_extra`, and a value of another type is a `Fault`;
* `write` is the inverse, for the sandbox.

So the fast path never guesses, the slow path never loses, and both end in the same columns.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from contact_analytics.lib.schema import facts, wire_name

EXTRA, RECORD = "_extra", "_record"
_PRIMITIVES = frozenset({"string", "long", "int", "double", "float", "boolean", "bytes"})
_BLOCK_BYTES = 4 << 20


class Fault(Exception):
    """A value that is not what the schema says; the record or row that holds it goes to quarantine."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'record'}: {reason}")
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class FaultyRow:
    """A row that was left out: why, the vendor's list that holds it, and its place in there."""

    fault: Fault
    rows: list[Any]
    index: int


@dataclass
class Findings:
    """What reading a record turned up: unknown parts by path, and rows that were left out."""

    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown: Counter[str] = field(default_factory=Counter[str])
    faulty: list[FaultyRow] = field(default_factory=list[FaultyRow])

    def note(self, path: str, value: Any) -> None:
        self.extra[path] = value
        self.unknown[re.sub(r"\[\d+\]", "[]", path)] += 1


class Node(Protocol):
    """One place in the wire type."""

    def arrow_type(self, *, normalized: bool) -> pa.DataType: ...

    def unwrap(self, array: pa.Array) -> pa.Array: ...

    def read(self, value: Any, path: str, findings: Findings) -> Any: ...

    def write(self, value: Any) -> Any: ...


@dataclass(frozen=True)
class _Kind:
    """A scalar type: what Python calls it, Avro's branch, the Arrow type on the wire, and the bounds of a number."""

    python: type
    branch: str
    arrow: pa.DataType
    bounds: tuple[int, int] | None = None


# Years 1 to 9999 in milliseconds: what DuckDB, Polars and Python can all show.
_INSTANTS = (-62_135_596_800_000, 253_402_300_799_999)
_KINDS: dict[type[pl.DataType], _Kind] = {
    pl.String: _Kind(str, "string", pa.string()),
    pl.Int32: _Kind(int, "int", pa.int32(), (-(2**31), 2**31 - 1)),
    pl.Int64: _Kind(int, "long", pa.int64(), (-(2**63), 2**63 - 1)),
    pl.Datetime: _Kind(int, "long", pa.int64(), _INSTANTS),
    pl.Float64: _Kind(float, "double", pa.float64()),
    pl.Boolean: _Kind(bool, "boolean", pa.bool_()),
}


# Whole numbers up to here are exact in a float.
_EXACT = 2**53
# Java writes them as text where JSON has no number for them.
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def child(array: pa.Array, name: str) -> pa.Array:
    """A field of decoded objects. Arrow's reader makes it null where its object is, so no mask need be applied."""
    return array.field(name)


def _wrapped(array: pa.Array, branch: str | None) -> pa.Array:
    return child(array, branch) if branch else array


@dataclass(frozen=True)
class Scalar:
    """A text, number, boolean, enum or epoch-milliseconds value; `branch` names its wrapper, if it has one."""

    dtype: type[pl.DataType]
    branch: str | None

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        plain = _KINDS[self.dtype].arrow
        return pa.struct([(self.branch, plain)]) if self.branch else plain

    def unwrap(self, array: pa.Array) -> pa.Array:
        plain = _wrapped(array, self.branch)
        if self.dtype is not pl.Datetime:
            return plain
        extremes = pc.min_max(plain).as_py()
        if extremes["min"] is not None and not _INSTANTS[0] <= extremes["min"] <= extremes["max"] <= _INSTANTS[1]:
            raise pa.ArrowInvalid("a point in time is out of range")
        return plain.cast(pa.timestamp("ms", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            [(name, inner)] = value.items()
            if name in _PRIMITIVES or name == self.branch or "." in name:
                value = inner
        return None if value is None else self.write(self._plain(value, path))

    def write(self, value: Any) -> Any:
        return {self.branch: value} if self.branch and value is not None else value

    def _plain(self, value: Any, path: str) -> Any:
        kind = _KINDS[self.dtype]
        if kind.python is str and type(value) in {int, float}:
            value = str(value)
        elif kind.python is int and isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
            value = int(value)
        elif kind.python is float and (type(value) is int or value in _NOT_FINITE):
            value = _float(value, path)
        if type(value) is not kind.python:
            raise Fault(path, f"expected {kind.branch}, got {_shown(value)}")
        if kind.bounds and not kind.bounds[0] <= value <= kind.bounds[1]:
            raise Fault(path, f"{value!s:.40} is out of range")
        if isinstance(value, str) and not _encodes(value):
            raise Fault(path, "text that is not valid Unicode")
        return value


class Json:
    """A part that the vendor documents nowhere: its JSON text."""

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        # As the vendor sends it, only null has a known type.
        return pa.string() if normalized else pa.null()

    def unwrap(self, array: pa.Array) -> pa.Array:
        return array.cast(pa.string())

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        return None if value is None else json_text(value, path)

    def write(self, value: Any) -> Any:
        return None if value is None else json.loads(value)


class Record:
    """An object with known fields, by column name: the vendor's name and the node.

    `wrapper` is the full name of its Avro type where the value is wrapped in it. A `union` has one field a branch.
    `inferred` accepts a wrapper of any name. With `extra` there is a slot for what the schema does not know.
    """

    def __init__(
        self,
        fields: Mapping[str, tuple[str, Node]],
        *,
        wrapper: str | None = None,
        union: bool = False,
        inferred: bool = False,
        extra: bool = False,
    ) -> None:
        self.fields = dict(fields)
        self.wrapper, self.union, self.inferred, self.extra = wrapper, union, inferred, extra
        self._by_wire = dict(self.fields.values())
        self._by_folded = {wire.casefold(): wire for wire in self._by_wire}

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        fields = [(wire, node.arrow_type(normalized=normalized)) for wire, node in self.fields.values()]
        if self.extra:
            # The slots are ours: a vendor's field of that name is unknown like any other.
            slots = (pa.string(), pa.int64()) if normalized else (pa.null(), pa.null())
            fields += zip((EXTRA, RECORD), slots, strict=True)
        plain = pa.struct(fields)
        return pa.struct([(self.wrapper, plain)]) if self.wrapper else plain

    def unwrap(self, array: pa.Array) -> pa.Array:
        plain = _wrapped(array, self.wrapper)
        mask = pc.is_null(plain) if plain.null_count else None
        return pa.StructArray.from_arrays(list(self.columns(array).values()), list(self.fields), mask=mask)

    def columns(self, array: pa.Array) -> dict[str, pa.Array]:
        """The record's fields as columns of their own, by column name."""
        plain = _wrapped(array, self.wrapper)
        return {name: node.unwrap(child(plain, wire)) for name, (wire, node) in self.fields.items()}

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        if value is None:
            return None
        value = _object(value, path)
        if self.wrapper and len(value) == 1:
            [(name, inner)] = value.items()
            if name == self.wrapper or (self.inferred and "." in name):
                return self._wrap(None if inner is None else self._known(_object(inner, path), path, findings))
            if "." in name:
                findings.note(_join(path, name), inner)
                return None
        if self.union and value and not any("." in name for name in value):
            return self._branch(value, path, findings)
        return self._wrap(self._known(value, path, findings))

    def write(self, value: Any) -> Any:
        """The wire form of a dictionary of columns: every field is written, as Avro does."""
        if value is None:
            return None
        given = {wire: node.write(value.get(name)) for name, (wire, node) in self.fields.items()}
        if self.union:
            given = {wire: inner for wire, inner in given.items() if inner is not None}
        return self._wrap(given)

    def _wrap(self, value: Any) -> Any:
        return {self.wrapper: value} if self.wrapper and value is not None else value

    def _known(self, value: dict[str, Any], path: str, findings: Findings) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for key, inner in value.items():
            wire = key if key in self._by_wire else self._by_folded.get(key.casefold())
            if wire is None or wire in known:
                findings.note(_join(path, key), inner)
            else:
                known[wire] = self._by_wire[wire].read(inner, _join(path, key), findings)
        return known

    def _branch(self, value: dict[str, Any], path: str, findings: Findings) -> Any:
        """Plain JSON names no branch: the one that knows most of the keys is meant, and lacks the fewest."""
        branches = {wire: node for wire, node in self._by_wire.items() if isinstance(node, Record)}
        known = {wire: sum(key.casefold() in node._by_folded for key in value) for wire, node in branches.items()}
        best = max(known, key=lambda wire: (known[wire], -len(branches[wire].fields)))
        if not known[best]:
            findings.note(path, value)
            return None
        return {best: branches[best].read(value, path, findings)}


class Array:
    """A list, wrapped as `{"array": [...]}` unless `bare`. Items that are `rows` of the table fail one by one."""

    def __init__(self, item: Node, *, bare: bool = False, rows: bool = False) -> None:
        self.item, self.bare, self.rows = item, bare, rows

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        plain = pa.list_(self.item.arrow_type(normalized=normalized))
        return plain if self.bare else pa.struct([("array", plain)])

    def list_array(self, array: pa.Array) -> pa.ListArray:
        """The list without its wrapper, items as they came."""
        return array if self.bare else child(array, "array")

    def unwrap(self, array: pa.Array) -> pa.Array:
        plain = self.list_array(array)
        return list_of(pc.list_value_length(plain), self.item.unwrap(plain.flatten()))

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        if isinstance(value, dict) and set(value) == {"array"}:
            value = value["array"]
        if value is None:
            return None
        if not isinstance(value, list):
            raise Fault(path, f"expected a list, got {_shown(value)}")
        if self.rows:
            read = (self._row(value, index, f"{path}[{index}]", findings) for index in range(len(value)))
            items = [item for item in read if item is not None]
        else:
            items = [self.item.read(item, f"{path}[{index}]", findings) for index, item in enumerate(value)]
        return items if self.bare else {"array": items}

    def write(self, value: Any) -> Any:
        if value is None:
            return None
        items = [self.item.write(item) for item in value]
        return items if self.bare else {"array": items}

    def _row(self, rows: list[Any], index: int, path: str, findings: Findings) -> Any:
        """A faulty row is left out and reported; what it holds beyond the schema stays with it."""
        mine = Findings()
        try:
            item = self.item.read(_object(rows[index], ""), "", mine)
            extra = json_text(mine.extra, "") if mine.extra else None
            if item is None and not extra:
                raise Fault("", "expected an object, got null")
        except Fault as fault:
            findings.faulty.append(FaultyRow(Fault(_join(path, fault.path), fault.reason), rows, index))
            return None
        if item is None:
            for key, value in mine.extra.items():
                findings.note(_join(path, key), value)
        elif extra:
            findings.unknown.update(mine.unknown)
            wrapper = self.item.wrapper if isinstance(self.item, Record) else None
            (item[wrapper] if wrapper else item)[EXTRA] = extra
        return item


def list_of(lengths: pa.Array, items: pa.Array) -> pa.ListArray:
    """Lists of the given lengths, null where the length is, over consecutive items."""
    mask = pc.is_null(lengths) if lengths.null_count else None
    return pa.ListArray.from_arrays(running_total(lengths), items, mask=mask)


def running_total(counts: pa.Array) -> pa.Array:
    """The sum of what comes before each place and, last, of all: the offsets of lists of these lengths."""
    ends = pc.cumulative_sum(pc.fill_null(counts, 0))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])


def node(column: dy.Column, namespace: str) -> Node:
    """The wire type of a column; type names are prefixed with the vendor's namespace."""
    known = facts(column)
    if known.avro == "JSON":
        return Json()
    if isinstance(column, dy.List):
        return Array(node(column.inner, namespace))
    if isinstance(column, dy.Struct):
        return Record(
            fields_of(column.inner, namespace, union=known.union),
            wrapper=None if known.bare or not known.avro else namespace + known.avro,
            union=known.union,
            inferred=known.inferred,
        )
    dtype = type(column.dtype)
    branch = namespace + known.avro if known.avro else _KINDS[dtype].branch
    return Scalar(dtype, None if known.bare else branch)


def fields_of(columns: Mapping[str, dy.Column], namespace: str, *, union: bool = False) -> dict[str, tuple[str, Node]]:
    """The fields of a record from the columns that hold them; a union's are named by their Avro types."""
    return {
        name: (namespace + facts(column).avro if union else wire_name(name, column), node(column, namespace))
        for name, column in columns.items()
    }


@cache
def _schema(root: Record, normalized: bool) -> pa.Schema:
    """The wire type of a document; hundreds of nested fields, and the same for each of a day's files."""
    return pa.schema(list(root.arrow_type(normalized=normalized)))


def read_strictly(lines: bytes, root: Record, *, normalized: bool = False) -> pa.Table:
    """Decode documents in exactly the declared encoding, or in the `normalized` one, which comes one a line.

    Raises `pyarrow.ArrowInvalid` for anything else: a field, branch or key that is not declared or given twice, another
    type, broken JSON, text that is not UTF-8, as the vendor's text a document of more than a few megabytes.
    """
    schema = _schema(root, normalized)
    if not lines or lines.isspace():
        return schema.empty_table()
    if not lines.isascii():
        _check_utf8(lines)
    # Arrow crashes on a null that starts a block (its issue 47409), and blocks start at line ends.
    if _NULL_FIRST.match(lines) or any(null.search(lines) for null in _NULL_LINES):
        raise pa.ArrowInvalid("a document is null")
    longest = max(map(len, lines.split(b"\n"))) + 1 if normalized else 0
    return arrow_json.read_json(
        pa.BufferReader(lines),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=max(_BLOCK_BYTES, longest)),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


_NULL_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NULL_LINES = (re.compile(rb"\n\s*null"), re.compile(rb"\r\s*null"))


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid(f"not UTF-8: {error}") from None


def json_text(value: Any, path: str) -> str:
    """A value as JSON, however odd; a `Fault` where JSON has no form for it."""
    try:
        return json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Fault(path, f"cannot be kept as JSON: {error}") from None


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Fault(path, f"expected an object, got {_shown(value)}")
    return value


def _float(value: int | str, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Fault(path, f"{value!s:.40} is out of range") from None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    kind = {"dict": "an object", "list": "a list", "str": "text", "bool": "boolean"}.get(type(value).__name__, "number")
    return kind if isinstance(value, dict | list) else f"{kind} {json.dumps(value):.40}"
