"""What every peer's program takes and prints: its arguments, and a line of JSON with time, counts and memory."""

import argparse
import json
import resource
from collections.abc import Collection
from pathlib import Path

import duckdb

from benchmarks.peers.datasets import DATASETS


def arguments(program: str, about: str | None, forms: Collection[str]) -> argparse.Namespace:
    """Dataset, folder, database and form, as given on the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("dataset", choices=list(DATASETS))
    parser.add_argument("folder", type=Path, help="files of this dataset, and of no other")
    parser.add_argument("database", type=Path, help="a file that does not exist yet")
    parser.add_argument("--form", choices=list(forms), required=True)
    given = parser.parse_args()
    if given.database.exists():
        parser.error(f"{given.database} exists: rows would be added to those in it")
    given.database = given.database.absolute()
    return given


SELF, CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


def print_outcome(dataset: str, database: Path, seconds: float, version: str, *workers: int) -> None:
    """Count what was loaded and print the line; `workers` says which processes did the work, `SELF` or `CHILDREN`.

    Memory is that of the largest of them: what several hold at a time is not added up.
    """
    # Before the counting, which takes memory of its own.
    peak = max(resource.getrusage(who).ru_maxrss for who in workers) * 1024
    rows, items = counted(dataset, database)
    figures = {"seconds": round(seconds, 3), "rows": rows, "items": items, "peak_megabytes": round(peak / 1e6, 1)}
    print(json.dumps({**figures, "version": version}))


def counted(dataset: str, database: Path) -> tuple[int, int]:
    """Rows in the dataset's table, and items of its longest list: in a table of their own, a list or a JSON text."""
    items = DATASETS[dataset].items
    with duckdb.connect(str(database)) as connection:
        tables = {
            _folded(name): f'"{schema}"."{name}"'
            for schema, name in connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
        table = tables[_folded(dataset)]
        rows = _number(connection, f"select count(*) from {table}")
        if not items:
            return rows, 0
        if child := tables.get(_folded(dataset + items)):
            return rows, _number(connection, f"select count(*) from {child}")
        columns = connection.execute(f"describe {table}").fetchall()
        [(name, kind)] = [(name, kind) for name, kind, *_ in columns if _folded(name) == _folded(items)]
        length = "len" if kind.endswith("[]") else "json_array_length"
        return rows, _number(connection, f'select coalesce(sum({length}("{name}")), 0)::bigint from {table}')


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    [[number]] = connection.execute(query).fetchall()
    return number


def _folded(name: str) -> str:
    """A name whatever the spelling a loader gives it: `messageRecords` is `message_records` too."""
    return name.replace("_", "").lower()
