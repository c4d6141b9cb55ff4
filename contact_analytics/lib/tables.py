"""Tables made from a schema: created, widened when the schema has grown, described, never narrowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import cast

import duckdb
import polars as pl
from duckdb import DuckDBPyConnection
from duckdb.sqltypes import DuckDBPyType

from contact_analytics.lib.account import ACCOUNT, COLUMN, account
from contact_analytics.lib.dataset import META, PARTITION, Table, describe
from contact_analytics.lib.errors import ConfigurationError, SchemaConflict
from contact_analytics.lib.lake import is_lake, partitioned
from contact_analytics.lib.schema import duckdb_type, literal, quoted

# In DuckDB's own listings, which have all databases that are attached.
_OF_TABLES = "database_name = current_database() and schema_name || '.' || table_name in (select unnest(?))"
_WIDER = {("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE")}


@dataclass(frozen=True)
class _ListedColumn:
    comment: str | None
    default: str | None


@dataclass(frozen=True)
class _Listed:
    """A table as DuckDB lists it; one that is not there has no columns."""

    comment: str | None = None
    columns: dict[str, _ListedColumn] = field(default_factory=dict[str, _ListedColumn])


def evolve(connection: DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Create tables and their views, or add what their columns have gained; what a schema has lost stays, as nulls.

    Raises `SchemaConflict`; a transaction around it keeps the rest as it was.
    """
    for schema in dict.fromkeys(table.vendor for table in tables):
        connection.execute(f"create schema if not exists {quoted(schema)}")
    # Once for all, as a lake asks its database.
    listed = _listed(connection, [table.table for table in tables])
    for table in tables:
        _evolve(connection, table, listed[table.table])
    if views := {view: query for table in tables for view, query in table.views().items()}:
        _replace_views(connection, views)


def _evolve(connection: DuckDBPyConnection, table: Table, listed: _Listed) -> None:
    wanted = {column: duckdb_type(kind.dtype) for column, kind in table.columns().items()}
    if not listed.columns:
        declared = ", ".join(f"{quoted(column)} {kind}" for column, kind in wanted.items())
        connection.execute(f"create table {table.sql_name} ({declared})")
        if table.vendor != META and PARTITION in wanted and is_lake(connection):
            partitioned(connection, table.sql_name, PARTITION)
    relation = connection.table(table.sql_name)
    stored = dict(zip(relation.columns, relation.types, strict=True))
    for column, kind in wanted.items():
        if column not in stored:
            connection.execute(f"alter table {table.sql_name} add column {quoted(column)} {kind}")
        elif (merged := _merged(stored[column], _type(kind), f"{table.table}.{column}")) != str(stored[column]):
            connection.execute(f"alter table {table.sql_name} alter column {quoted(column)} set data type {merged}")
            listed.columns.pop(column, None)
    _describe(connection, table, listed)
    _mark(connection, table, listed, account())


def _replace_views(connection: DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Make each `schema.view` show what its query gives; those that do stay, or all readers would look again."""
    found = connection.execute(
        "select schema_name || '.' || view_name, sql from duckdb_views() where database_name = current_database()"
    ).fetchall()
    stored: dict[str, str] = dict(found)
    # As DuckDB writes them itself, which is how it lists them.
    written = connection.execute(
        "select query, json_deserialize_sql(json_serialize_sql(query)) from (select unnest(?) as query)",
        [[*views.values()]],
    ).fetchall()
    texts: dict[str, str] = dict(written)
    for view, query in views.items():
        if not stored.get(view, "").endswith(f" AS {texts[query]};"):
            schema, _, name = view.partition(".")
            connection.execute(f"create or replace view {quoted(schema)}.{quoted(name)} as {query}")


def insert(connection: DuckDBPyConnection, sql_name: str, frame: pl.DataFrame, **constants: object) -> None:
    """Append a frame's rows by the names of its columns; `constants` are columns of one value."""
    columns = "".join(f", ${name} as {quoted(name)}" for name in constants)
    # DuckDB finds it by the name of this variable, as no table is called. What is registered instead stays in memory
    # until the transaction ends.
    frame_to_insert = frame
    connection.execute(f"insert into {sql_name} by name select *{columns} from frame_to_insert", constants)
    del frame_to_insert


def _mark(connection: DuckDBPyConnection, table: Table, listed: _Listed, owner: str) -> None:
    """Let every row tell whose it is, where accounts have names. Raises `ConfigurationError` for another's table."""
    found = listed.columns.get(COLUMN)
    if not found and owner:
        connection.execute(f"alter table {table.sql_name} add column {quoted(COLUMN)} varchar default {literal(owner)}")
        connection.execute(f"comment on column {table.sql_name}.{quoted(COLUMN)} is {literal(ACCOUNT)}")
    elif found and found.default != literal(owner):
        raise ConfigurationError(
            f"The warehouse's {table.table} is marked as {found.default}'s, and CONTACT_ANALYTICS_ACCOUNT is "
            f"{owner!r}.",
            "Each account has a warehouse and an archive of its own: set CONTACT_ANALYTICS_WAREHOUSE and "
            "CONTACT_ANALYTICS_ARCHIVE of one of the two to others. Nothing was changed.",
        )


def row_digest(connection: DuckDBPyConnection, sql_name: str) -> tuple[int, int | None]:
    """The number of a table's rows, and a digest of them whatever their order."""
    query = f"select count(*), sum(hash(_row_)::hugeint) from {sql_name} as _row_"
    [found] = connection.execute(query).fetchall()
    return found


def _merged(stored: DuckDBPyType, wanted: DuckDBPyType, path: str) -> str:
    """The type that holds both: fields of both structs, the wider of two numbers."""
    if str(stored) == str(wanted):
        return str(stored)
    if stored.id == wanted.id == "list":
        return _merged(_parts(stored)["child"], _parts(wanted)["child"], f"{path}[]") + "[]"
    if stored.id == wanted.id == "struct":
        have, want = _parts(stored), _parts(wanted)
        fields = {name: _merged(kind, want.get(name, kind), f"{path}.{name}") for name, kind in have.items()}
        fields |= {name: str(kind) for name, kind in want.items() if name not in have}
        return f"STRUCT({', '.join(f'{quoted(name)} {kind}' for name, kind in fields.items())})"
    if (str(stored), str(wanted)) in _WIDER:
        return str(wanted)
    if (str(wanted), str(stored)) in _WIDER:
        return str(stored)
    raise SchemaConflict(
        f"The warehouse has {path} as {stored}, the schema says {wanted}, and neither holds the other without loss.",
        "Nothing was changed. Rename the stored column, then materialize its days again with `source: archive`.",
    )


def _parts(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """What a nested type is made of, by name."""
    return dict(cast("list[tuple[str, DuckDBPyType]]", kind.children))


# Many columns have few types, and DuckDB reads each.
@cache
def _type(kind: str) -> DuckDBPyType:
    return duckdb.type(kind)


def _describe(connection: DuckDBPyConnection, table: Table, listed: _Listed) -> None:
    if listed.comment != table.grain:
        connection.execute(f"comment on table {table.sql_name} is {literal(table.grain)}")
    for name, column in table.columns().items():
        text, stored = describe(column), listed.columns.get(name)
        if stored is None or stored.comment != text:
            connection.execute(f"comment on column {table.sql_name}.{quoted(name)} is {literal(text)}")


def _listed(connection: DuckDBPyConnection, tables: Sequence[str]) -> dict[str, _Listed]:
    comments = connection.execute(
        f"select schema_name || '.' || table_name, comment from duckdb_tables() where {_OF_TABLES}", [tables]
    ).fetchall()
    listed = {table: _Listed() for table in tables} | {table: _Listed(comment) for table, comment in comments}
    columns = connection.execute(
        "select schema_name || '.' || table_name, column_name, comment, column_default from duckdb_columns() "
        f"where {_OF_TABLES}",
        [tables],
    ).fetchall()
    for table, name, *words in columns:
        listed[table].columns[name] = _ListedColumn(*words)
    return listed
