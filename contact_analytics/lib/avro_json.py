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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contact_analytics.lib.arrow_json import child, list_of
from contact_analytics.lib.schema import facts, wire_name
from contact_analytics.lib.wire import (
    EXTRA,
    KINDS,
    RECORD,
    Fault,
    FaultyRow,
    Findings,
    Node,
    as_object,
    instants,
    joined,
    json_text,
    plain_value,
    shown,
)

_PRIMITIVES = frozenset({"string", "long", "int", "double", "float", "boolean", "bytes"})


def _wrapped(array: pa.Array, branch: str | None) -> pa.Array:
    return child(array, branch) if branch else array


@dataclass(frozen=True)
class Scalar:
    """A text, number, boolean, enum or epoch-milliseconds value; `branch` names its wrapper, if it has one."""

    dtype: type[pl.DataType]
    branch: str | None

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        plain = KINDS[self.dtype].arrow
        return pa.struct([(self.branch, plain)]) if self.branch else plain

    def unwrap(self, array: pa.Array) -> pa.Array:
        plain = _wrapped(array, self.branch)
        return instants(plain) if self.dtype is pl.Datetime else plain

    def read(self, value: Any, path: str, findings: Findings) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            [(name, inner)] = value.items()
            if name in _PRIMITIVES or name == self.branch or "." in name:
                value = inner
        return None if value is None else self.write(plain_value(self.dtype, value, path))

    def write(self, value: Any) -> Any:
        return {self.branch: value} if self.branch and value is not None else value


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
        value = as_object(value, path)
        if self.wrapper and len(value) == 1:
            [(name, inner)] = value.items()
            if name == self.wrapper or (self.inferred and "." in name):
                return self._wrap(None if inner is None else self._known(as_object(inner, path), path, findings))
            if "." in name:
                findings.note(joined(path, name), inner)
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
                findings.note(joined(path, key), inner)
            else:
                known[wire] = self._by_wire[wire].read(inner, joined(path, key), findings)
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
            raise Fault(path, f"expected a list, got {shown(value)}")
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
            item = self.item.read(as_object(rows[index], ""), "", mine)
            extra = json_text(mine.extra, "") if mine.extra else None
            if item is None and not extra:
                raise Fault("", "expected an object, got null")
        except Fault as fault:
            findings.faulty.append(FaultyRow(Fault(joined(path, fault.path), fault.reason), rows, index))
            return None
        if item is None:
            for key, value in mine.extra.items():
                findings.note(joined(path, key), value)
        elif extra:
            findings.unknown.update(mine.unknown)
            wrapper = self.item.wrapper if isinstance(self.item, Record) else None
            (item[wrapper] if wrapper else item)[EXTRA] = extra
        return item


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
    branch = namespace + known.avro if known.avro else KINDS[dtype].branch
    return Scalar(dtype, None if known.bare else branch)


def fields_of(columns: Mapping[str, dy.Column], namespace: str, *, union: bool = False) -> dict[str, tuple[str, Node]]:
    """The fields of a record from the columns that hold them; a union's are named by their Avro types."""
    return {
        name: (namespace + facts(column).avro if union else wire_name(name, column), node(column, namespace))
        for name, column in columns.items()
    }
