"""Move a warehouse: `python -m contact_analytics.move FROM TO`, from a DuckDB file into a lake, or back.

Each is a DuckDB file's path or `ducklake:postgres:…`; a password comes from PGPASSWORD or libpq's password file. All
tables, views and comments are copied in one transaction, each table is compared by its rows' number and digest, and
FROM stays as it is. No run may be going: what is stored in FROM meanwhile is not in TO.
"""

import argparse
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection
from rich.console import Console

from contact_analytics.lib.account import VARIABLE
from contact_analytics.lib.dataset import META, PARTITION
from contact_analytics.lib.errors import ConfigurationError, ContactAnalyticsError, WarehouseError, in_our_words
from contact_analytics.lib.lake import TURNS, lake_of, name_of, partitioned
from contact_analytics.lib.schema import literal, quoted
from contact_analytics.lib.tables import row_digest
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import path


@dataclass(frozen=True)
class Moved:
    """A table that was copied, and its rows."""

    table: str
    rows: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics.move", description=__doc__)
    parser.add_argument("source", metavar="FROM", help="a DuckDB file, or ducklake:postgres:…")
    parser.add_argument("target", metavar="TO", help="the same; it must not hold tables yet")
    parser.add_argument(
        "--lake-data",
        default=path("CONTACT_ANALYTICS_LAKE_DATA"),
        help="where the lake's files are (default CONTACT_ANALYTICS_LAKE_DATA)",
    )
    parser.add_argument("--account", default="", help="whose it is, where accounts have names: a schema of the lake")
    options = parser.parse_args()
    if options.account:
        os.environ[VARIABLE] = options.account
    console, rows, tables = Console(), 0, 0
    try:
        for moved in move(options.source, options.target, options.lake_data):
            console.print(f"{moved.table}: {moved.rows:,} rows", highlight=False)
            rows, tables = rows + moved.rows, tables + 1
    except ContactAnalyticsError as error:
        Console(stderr=True).print(f"Nothing was moved. {error}", highlight=False, markup=False)
        return 1
    console.print(
        f"{tables} tables, {rows:,} rows, equal in both. Now set CONTACT_ANALYTICS_WAREHOUSE to where they are."
    )
    return 0


def move(source: str, target: str, data: str) -> Iterator[Moved]:
    """Copy a warehouse into one that has no tables; what is yielded counts when the last one has been.

    Raises `ConfigurationError` if there is nothing to move or the target is in use.
    """
    lakes = [place for place in (source, target) if lake_of(place, data)]
    if len(lakes) != 1:
        raise ConfigurationError(
            f"Of the two places {'both are lakes' if lakes else 'none is a lake'}.",
            "Name a DuckDB file and a lake, ducklake:postgres:…; a file is copied as a file, when no run is going.",
        )
    if source not in lakes and not Path(source).is_file():
        raise ConfigurationError(f"There is no file {source}.", "Name the warehouse's file.")
    lake = WarehouseResource(database=lakes[0], lake_data=data)
    file = WarehouseResource(database=target if source in lakes else source)
    with in_our_words("The move"), file.turn() as path, lake.get_connection() as connection:
        lake_name = name_of(connection)
        with _attached(connection, path, read_only=source not in lakes) as file_name:
            names = (lake_name, file_name) if source in lakes else (file_name, lake_name)
            connection.execute(f"use {names[1]}")  # A transaction writes one database.
            with transaction(connection):
                yield from _copied(connection, *names, is_lake=target in lakes)


def _copied(connection: DuckDBPyConnection, old: str, new: str, *, is_lake: bool) -> Iterator[Moved]:
    if taken := _tables(connection, new):
        raise ConfigurationError(
            f"The target holds {len(taken)} tables already, the first of them {'.'.join(taken[0][:2])}.",
            "Name one that holds none: two warehouses are not made into one.",
        )
    tables = _tables(connection, old)
    if not tables:
        raise ConfigurationError("The source holds no table.", "Name the warehouse that is to be moved.")
    for schema, table, comment in tables:
        name = f"{quoted(schema)}.{quoted(table)}"
        columns = connection.execute(
            "select column_name, data_type, comment, column_default from duckdb_columns() "
            "where database_name = ? and schema_name = ? and table_name = ? order by column_index",
            [old, schema, table],
        ).fetchall()
        declared = ", ".join(
            f"{quoted(column)} {kind}{f' default {default}' if default else ''}" for column, kind, _, default in columns
        )
        connection.execute(f"create schema if not exists {new}.{quoted(schema)}")
        connection.execute(f"create table {new}.{name} ({declared})")
        if is_lake and schema != META and PARTITION in (column for column, *_ in columns):
            partitioned(connection, f"{new}.{name}", PARTITION)
        if comment:
            connection.execute(f"comment on table {new}.{name} is {literal(comment)}")
        for column, _, about, _ in columns:
            if about:
                connection.execute(f"comment on column {new}.{name}.{quoted(column)} is {literal(about)}")
        connection.execute(f"insert into {new}.{name} by name select * from {old}.{name}")
        before, after = row_digest(connection, f"{old}.{name}"), row_digest(connection, f"{new}.{name}")
        if before != after:
            raise WarehouseError(
                f"{schema}.{table} has {before[0]:,} rows, and its copy, of {after[0]:,}, is not the same.",
                "The target was left empty. Please report it with the names of the columns.",
            )
        yield Moved(f"{schema}.{table}", after[0])
    views = connection.execute(
        "select schema_name, sql from duckdb_views() where database_name = ? and not internal order by view_oid", [old]
    ).fetchall()
    for schema, sql in views:
        connection.execute(f"use {new}.{quoted(schema)}")  # A lake writes down the view's name alone.
        connection.execute(sql)


def _tables(connection: DuckDBPyConnection, database: str) -> list[tuple[str, str, str | None]]:
    """The tables of a database but for what a lake has for itself."""
    query = (
        "select schema_name, table_name, comment from duckdb_tables() where database_name = ? "
        "and schema_name || '.' || table_name <> ? order by all"
    )
    return connection.execute(query, [database, TURNS]).fetchall()


@contextmanager
def _attached(connection: DuckDBPyConnection, path: Path, *, read_only: bool) -> Generator[str]:
    name = "file_to_read" if read_only else "file_to_write"
    connection.execute(f"attach {literal(str(path))} as {name}{' (read_only)' if read_only else ''}")
    try:
        yield name
    finally:
        connection.execute(f"use memory; detach {name}")


if __name__ == "__main__":
    sys.exit(main())
