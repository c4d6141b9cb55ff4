"""A day several ways, in turn, in one process: `python -m benchmarks.pairs <table> <day>`.

Through the asset from the archive, into a file and into a lake; with bare DuckDB from the same files; through the asset
from the vendor; and through the asset again when nothing has changed. Everything is done once before it is timed. It
prints a line of JSON: the seconds of each repetition, and what was counted.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from benchmarks.databases import database
from contact_analytics.definitions import defs
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.avro_json import Record
from contact_analytics.lib.bodies import GZIP, text_of
from contact_analytics.lib.record_list import RecordList
from contact_analytics.lib.schema import columns_of, duckdb_type, facts, literal, quoted
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.files import FileFormat

_RECORDS = "conversationHistoryRecords"
_SIDES = ("asset", "lake", "duckdb", "vendor", "again")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    parser.add_argument("table", help="vendor.table")
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("archive", help="where the day's files are")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--sides", nargs="*", choices=_SIDES, default=_SIDES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pairs-") as folder:
        day = _Day(options.table, options.day, options.archive, Path(folder))
        seconds: dict[str, list[float]] = {side: [] for side in options.sides}
        for repetition in range(options.repetitions + 1):
            for side in options.sides:
                spent = getattr(day, side)()
                if repetition:
                    seconds[side].append(spent)
        print(json.dumps({"seconds": seconds, "rows": day.rows, "said": day.said}))
    return 0


class _Day:
    """The day and what its last runs left: which files it is made of, its rows, and what each way said of itself."""

    def __init__(self, table: str, day: date, archive: str, folder: Path) -> None:
        self._table, self._day, self._archive, self._folder = table, day, archive, folder
        module = import_module(f"contact_analytics.{table}")
        self._asset: dg.AssetsDefinition = getattr(module, table.partition(".")[2])
        self._dataset, self._format = module.DATASET, module.FORMAT
        self.files: list[str] = []
        self.rows = 0
        self.said: dict[str, dict[str, float]] = {}

    def asset(self) -> float:
        """From the archive into a new warehouse."""
        return self._materialized("asset", self._archive, "archive", self._new("asset"))

    def lake(self) -> float:
        """The same into a new lake, its catalog in PostgreSQL, its files in a folder."""
        shutil.rmtree(self._folder / "lake", ignore_errors=True)
        with database() as conninfo:
            warehouse = WarehouseResource(
                database=f"ducklake:postgres:{conninfo}", lake_data=str(self._folder / "lake")
            )
            return self._materialized("lake", self._archive, "archive", warehouse)

    def vendor(self) -> float:
        """From the vendor into a new archive and a new warehouse."""
        shutil.rmtree(self._folder / "archive", ignore_errors=True)
        return self._materialized("vendor", str(self._folder / "archive"), "vendor", self._new("vendor"))

    def again(self) -> float:
        """Once more what `vendor` has just done."""
        warehouse = WarehouseResource(database=str(self._folder / "vendor.duckdb"))
        return self._materialized("again", str(self._folder / "archive"), "vendor", warehouse)

    def duckdb(self) -> float:
        """The same files with the wire types spelled out into a table of a new file."""
        path = self._folder / "bare.duckdb"
        path.unlink(missing_ok=True)
        reads = list(_typed_reads(self._format, self._dataset.schema, self.files))
        started = perf_counter()
        with duckdb.connect(str(path)) as connection:
            for number, (query, _) in enumerate(reads):
                connection.execute(f"create table day_{number} as {query}")
        spent = perf_counter() - started
        count = 0
        with duckdb.connect(str(path), read_only=True) as connection:
            for number, (_, rows) in enumerate(reads):
                [(part,)] = connection.execute(f"select {rows} from day_{number}").fetchall()
                count += part
        if count != self.rows:
            raise SystemExit(f"{self._table}: DuckDB has {count} rows, the asset {self.rows}: the comparison is void")
        return spent

    def _new(self, side: str) -> WarehouseResource:
        path = self._folder / f"{side}.duckdb"
        path.unlink(missing_ok=True)
        return WarehouseResource(database=str(path))

    def _materialized(self, side: str, archive: str, source: str, warehouse: WarehouseResource) -> float:
        with dg.DagsterInstance.ephemeral() as instance:
            started = perf_counter()
            result = dg.materialize(
                [self._asset],
                partition_key=self._day.isoformat(),
                instance=instance,
                resources={
                    **(defs.resources or {}),
                    "archive": ArchiveResource(root=archive),
                    "warehouse": warehouse,
                },
                run_config={
                    "ops": {self._asset.op.name: {"config": {"source": source}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
            spent = perf_counter() - started
            [said] = result.asset_materializations_for_node(self._asset.op.name)
        self.said[side] = {name: each.value for name, each in said.metadata.items() if _is_told(name)}
        self.rows = said.metadata["dagster/partition_row_count"].value
        with warehouse.reading() as connection:
            [(names,)] = connection.execute(
                "select file_names from meta.extractions where dataset = ?", [self._table]
            ).fetchall()
        archived = ArchiveResource(root=archive).day(*self._table.split("."), self._day)
        self.files = [str(Path((archived.folder / name).path)) for name in names]
        return spent


def _is_told(name: str) -> bool:
    return name in ("calls", "retries", "files", "files_downloaded", "bytes") or name.startswith("seconds_")


def _typed_reads(file_format: Any, schema: Any, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Queries that read files by their declared types, and how many rows of ours each of their results holds.

    Files of Data Access come in two encodings, of which each has types of its own.
    """
    if isinstance(file_format, FileFormat):
        for envelope in (file_format.documented, file_format.production):
            of_kind = [file for file in files if _is_of_production(file) == (envelope is file_format.production)]
            columns = _columns(envelope.arrow_type(normalized=False))
            query = f"select * from read_json({_list(of_kind)}, format = 'newline_delimited', columns = {{{columns}}})"
            if of_kind:
                yield query, _rows(file_format, envelope)
    elif isinstance(file_format, RecordList):
        columns = _columns(file_format.arrow_type(normalized=False))
        packed = "gzip" if Path(files[0]).read_bytes().startswith(GZIP) else "none"
        options = f"columns = {{{columns}}}, maximum_object_size = 100000000, compression = '{packed}'"
        yield f"select unnest({_RECORDS}) as record from read_json({_list(files)}, {options})", "count(*)"
    else:
        sent = {
            facts(column).wire: duckdb_type(column.dtype).removesuffix(" WITH TIME ZONE")
            for column in columns_of(schema).values()
            if not facts(column).derived
        }
        types = ", ".join(f"{quoted(name)}: {literal(kind)}" for name, kind in sent.items())
        yield f"select * from read_csv({_list(files)}, header = true, types = {{{types}}})", "count(*)"


def _is_of_production(file: str) -> bool:
    return b'"com.liveperson.dataaccess.MetaData"' in next(text_of([Path(file).read_bytes()]))[:4096]


def _rows(file_format: FileFormat, envelope: Record) -> str:
    """How many rows the envelopes of a table hold: the items of their bodies, or one if they are sessions."""
    [(wire, branch), *others] = file_format.branches.values()
    rows, _ = branch.fields["rows"]
    if others:
        return "count(*)"
    bodies = "recordCollection" if envelope is file_format.documented else "recordCollection.array"
    path = f"part.body.{quoted(wire)}.{quoted(rows)}.{quoted('array')}"
    return f"sum(list_sum(list_transform({bodies}, lambda part: len({path}))))::bigint"


def _list(files: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, files))}]"


def _columns(fields: pa.StructType) -> str:
    return ", ".join(f"{quoted(field.name)}: {literal(_type(field.type))}" for field in fields)


_NAMES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.null(): "JSON",  # parts that the vendor documents nowhere
}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{quoted(field.name)} {_type(field.type)}' for field in kind)})"
    return _NAMES[kind]


if __name__ == "__main__":
    sys.exit(main())
