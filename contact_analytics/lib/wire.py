"""What every wire type has in common: how a value is read, what is wrong with it, and what nobody knew."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

EXTRA, RECORD = "_extra", "_record"


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


def json_text(value: Any, path: str) -> str:
    """A value as JSON, however odd; a `Fault` where JSON has no form for it."""
    try:
        return json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Fault(path, f"cannot be kept as JSON: {error}") from None


def as_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Fault(path, f"expected an object, got {shown(value)}")
    return value


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def shown(value: Any) -> str:
    if value is None:
        return "null"
    kind = {"dict": "an object", "list": "a list", "str": "text", "bool": "boolean"}.get(type(value).__name__, "number")
    return kind if isinstance(value, dict | list) else f"{kind} {json.dumps(value):.40}"


@dataclass(frozen=True)
class Kind:
    """A scalar type: what Python calls it, Avro's branch, the Arrow type on the wire, and the bounds of a number."""

    python: type
    branch: str
    arrow: pa.DataType
    bounds: tuple[int, int] | None = None


# Years 1 to 9999 in milliseconds: what DuckDB, Polars and Python can all show.
_INSTANTS = (-62_135_596_800_000, 253_402_300_799_999)
KINDS: dict[type[pl.DataType], Kind] = {
    pl.String: Kind(str, "string", pa.string()),
    pl.Int32: Kind(int, "int", pa.int32(), (-(2**31), 2**31 - 1)),
    pl.Int64: Kind(int, "long", pa.int64(), (-(2**63), 2**63 - 1)),
    pl.Datetime: Kind(int, "long", pa.int64(), _INSTANTS),
    pl.Float64: Kind(float, "double", pa.float64()),
    pl.Boolean: Kind(bool, "boolean", pa.bool_()),
}
# Whole numbers up to here are exact in a float.
_EXACT = 2**53
# Java writes them as text where JSON has no number for them.
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def plain_value(dtype: type[pl.DataType], value: Any, path: str) -> Any:
    """A value as its type has it, taken from another form where nothing is lost; a `Fault` for any other."""
    kind = KINDS[dtype]
    if kind.python is str and type(value) in {int, float}:
        value = str(value)
    elif kind.python is int and isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    elif kind.python is float and (type(value) is int or value in _NOT_FINITE):
        value = _float(value, path)
    if type(value) is not kind.python:
        raise Fault(path, f"expected {kind.branch}, got {shown(value)}")
    if kind.bounds and not kind.bounds[0] <= value <= kind.bounds[1]:
        raise Fault(path, f"{value!s:.40} is out of range")
    if isinstance(value, str) and not _encodes(value):
        raise Fault(path, "text that is not valid Unicode")
    return value


def instants(milliseconds: pa.Array) -> pa.Array:
    """Epoch milliseconds as points in time, UTC."""
    extremes = pc.min_max(milliseconds).as_py()
    if extremes["min"] is not None and not _INSTANTS[0] <= extremes["min"] <= extremes["max"] <= _INSTANTS[1]:
        raise pa.ArrowInvalid("a point in time is out of range")
    return milliseconds.cast(pa.timestamp("ms", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))


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
