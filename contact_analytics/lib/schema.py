"""A dataset's schema: the one place where a column's type, meaning and wire name are written.

Schemas are `dataframely.Schema` classes whose columns are made by the four functions below. From a schema come the
wire types (`avro_json`), the DuckDB table with its comments, Dagster's column schema, the data dictionary, and the
sandbox's rows. Vendor facts that are inferred, not documented, carry `inferred=True` and are marked in the dictionary.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import dataframely as dy
import polars as pl


@dataclass(frozen=True)
class Facts:
    """What a column knows about itself beyond its type.

    `wire` is the vendor's field name, `also` others that it goes by, `twin` that of the same value as text; `section`
    is the container that holds it, `none` are values that mean none, `text` is a number that is sent as text. What is
    `derived` is not sent at all.

    In Avro's JSON encoding, `avro` is the type that wraps the value; `bare` values come without a union wrapper, and a
    `union` is a record with one nullable field a branch.

    In tables of texts, a `wire` name or one of `also` that ends with `*` stands for every name that begins so, and a
    `duration` may be written as `H:MM:SS`.

    `personal` data is masked in samples; `seen` is what the vendor does not document but others have met, `inferred`
    what nobody has; `unordered` is a list whose order means nothing: a history keeps it sorted. `sources` are the
    columns of other tables, as `vendor.table.column`, that a report's column is computed from.
    """

    wire: str = ""
    also: tuple[str, ...] = ()
    twin: str = ""
    none: tuple[Any, ...] = ()
    text: bool = False
    derived: bool = False
    avro: str = ""
    section: str = ""
    bare: bool = False
    union: bool = False
    unit: str = ""
    personal: bool = False
    seen: bool = False
    inferred: bool = False
    duration: bool = False
    unordered: bool = False
    sources: tuple[str, ...] = ()


def field(kind: type[dy.Column], meaning: str, *, key: bool = False, required: bool = False, **facts: Any) -> Any:
    """A scalar column: nullable unless it is part of the primary key or required."""
    # JSON has no infinite numbers, so that rule would only cost time.
    options: dict[str, Any] = {"allow_inf": True, "allow_nan": True} if kind is dy.Float64 else {}
    return kind(
        nullable=not (key or required),
        primary_key=key,
        description=meaning,
        metadata={"facts": Facts(**facts)},
        **options,
    )


def instant(meaning: str, *, key: bool = False, required: bool = False, **facts: Any) -> Any:
    """A point in time, UTC, that the vendor sends as epoch milliseconds."""
    facts.setdefault("unit", "UTC")
    return dy.Datetime(
        time_zone="UTC",
        nullable=not (key or required),
        primary_key=key,
        description=meaning,
        metadata={"facts": Facts(**facts)},
    )


def record(fields: dict[str, Any], meaning: str = "", **facts: Any) -> Any:
    """A nested record: a struct column."""
    return dy.Struct(fields, nullable=True, description=meaning, metadata={"facts": Facts(**facts)})


def many(item: Any, meaning: str, **facts: Any) -> Any:
    """Any number of items, in the vendor's order: a list column."""
    return dy.List(item, nullable=True, description=meaning, metadata={"facts": Facts(**facts)})


def facts(column: dy.Column) -> Facts:
    return (column.metadata or {}).get("facts", Facts())


def wire_name(name: str, column: dy.Column) -> str:
    """The vendor's field name: as declared, else the column's name in camel case."""
    return facts(column).wire or re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def children(column: dy.Column) -> dict[str, dy.Column]:
    """The fields of a struct, or of a list of structs; empty for every other column."""
    if isinstance(column, dy.List):
        return children(column.inner)
    return dict(column.inner) if isinstance(column, dy.Struct) else {}


@cache
def columns_of(schema: type[dy.Schema]) -> dict[str, dy.Column]:
    """A schema's columns by name, which dataframely makes anew each time it is asked; not to be changed."""
    return schema.columns()


def walk(schema: type[dy.Schema]) -> Iterator[tuple[str, dy.Column]]:
    """Every column and nested field, depth first, with its dotted path; `[]` marks the items of a list."""

    def visit(path: str, column: dy.Column) -> Iterator[tuple[str, dy.Column]]:
        yield path, column
        below = path + ("[]." if isinstance(column, dy.List) else ".")
        for name, child in children(column).items():
            yield from visit(below + name, child)

    for name, column in columns_of(schema).items():
        yield from visit(name, column)


_SCALARS: dict[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
}


def duckdb_type(dtype: pl.DataType) -> str:
    """The DuckDB type of a Polars type, nested ones included."""
    if isinstance(dtype, pl.List):
        return f"{duckdb_type(_instance(dtype.inner))}[]"
    if isinstance(dtype, pl.Struct):
        fields = ", ".join(f"{quoted(f.name)} {duckdb_type(_instance(f.dtype))}" for f in dtype.fields)
        return f"STRUCT({fields})"
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP WITH TIME ZONE" if dtype.time_zone else "TIMESTAMP"
    return _SCALARS[type(dtype)]


def _instance(dtype: Any) -> pl.DataType:
    """A Polars type given as a class or as an instance, as an instance."""
    return dtype() if isinstance(dtype, type) else dtype


def quoted(identifier: str) -> str:
    """An SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
