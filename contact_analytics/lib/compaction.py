"""Compaction: the warehouse written anew, without the room that replaced days have left in its file."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from contact_analytics.lib.duckdb_file import check_room, checkpoint, replacing_file, sweep
from contact_analytics.lib.errors import WarehouseError, in_our_words
from contact_analytics.lib.schema import literal, quoted
from contact_analytics.lib.tables import row_digest
from contact_analytics.lib.warehouse import WarehouseResource

# The share of a file's blocks that must be free for a rewrite to be worth the wait.
WORTHWHILE = 0.1
# What a file holds beside its rows, as DuckDB lists it.
_CATALOG = {
    "duckdb_tables": "schema_name, table_name, sql, comment",
    "duckdb_columns": "schema_name, table_name, column_name, data_type, column_default, comment",
    "duckdb_views": "schema_name, view_name, sql, comment",
    "duckdb_indexes": "schema_name, index_name, sql, comment",
    "duckdb_functions": "schema_name, function_name, parameters, macro_definition, comment",
}


@dataclass(frozen=True)
class Compaction:
    """What a compaction found and did; sizes in bytes."""

    before: int
    after: int
    free_share: float
    is_rewritten: bool


def compact(warehouse: WarehouseResource, *, force: bool = False) -> Compaction:
    """Write the warehouse anew if at least a tenth of its blocks are free, or if forced.

    The new file is compared with the old one, table by table, and then takes its place. Until then nothing is changed,
    however it ends. Who wants to write waits meanwhile.
    """
    with in_our_words("Compaction"), warehouse.turn() as path, closing(warehouse.opened(path)) as connection:
        checkpoint(connection, path)
        before = path.stat().st_size
        free_share, used_bytes = _blocks(connection)
        target = path.resolve()
        try:
            sweep(target)
            if free_share < WORTHWHILE and not force:
                return Compaction(before, before, free_share, is_rewritten=False)
            check_room(target.parent, used_bytes)
            # It is renamed while the connection keeps other programs from the old file: what they wrote would be lost.
            with replacing_file(target) as temporary:
                _rewrite(connection, temporary)
        except OSError as error:
            raise WarehouseError(
                f"The warehouse could not be written anew: {error}.",
                "Nothing was changed. Check the permissions of the warehouse's folder and its free space.",
            ) from error
        return Compaction(before, path.stat().st_size, free_share, is_rewritten=True)


def _blocks(connection: DuckDBPyConnection) -> tuple[float, int]:
    """The share of the file's blocks that is free, and the bytes of the others."""
    [(total, used, size)] = connection.execute(
        "select total_blocks, used_blocks, block_size from pragma_database_size() "
        "where database_name = current_database()"
    ).fetchall()
    return (total - used) / total if total else 0.0, used * size


def _rewrite(connection: DuckDBPyConnection, path: Path) -> None:
    """Write everything into a new file. Raises `WarehouseError` if something is not in it as it was."""
    [(old,)] = connection.execute("select current_database()").fetchall()
    new = "_compacted"
    connection.execute(f"attach {literal(str(path))} as {new}")
    try:
        connection.execute(f"copy from database {quoted(old)} to {new}")
        connection.execute(f"checkpoint {new}")
        different = _different(connection, old, new)
    finally:
        connection.execute(f"detach {new}")
    if different:
        raise WarehouseError(
            f"The warehouse written anew would not be what it was: {', '.join(different)}.",
            "Nothing was changed. Please report it: the file is as good as it was, only not smaller.",
        )


def _different(connection: DuckDBPyConnection, old: str, new: str) -> list[str]:
    """What the two files do not have in common: catalog entries, and tables by their rows' number and digest."""
    different = [
        listing
        for listing, columns in _CATALOG.items()
        if _listed(connection, listing, columns, old) != _listed(connection, listing, columns, new)
    ]
    for schema, table in _listed(connection, "duckdb_tables", "schema_name, table_name", old):
        name = f"{quoted(schema)}.{quoted(table)}"
        if row_digest(connection, f"{quoted(old)}.{name}") != row_digest(connection, f"{new}.{name}"):
            different.append(name)
    return different


def _listed(connection: DuckDBPyConnection, listing: str, columns: str, catalog: str) -> list[tuple[Any, ...]]:
    query = f"select {columns} from {listing}() where database_name = ? order by all"
    return connection.execute(query, [catalog]).fetchall()
