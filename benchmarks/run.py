"""A day through the asset against bare DuckDB on the same files: `make bench`.

The asset's side: digest, gunzip, strict decode, unwrapping, rules, duplicates, quarantine, one transaction, metadata,
checks, all inside a Dagster run. DuckDB's side: `read_json` with the wire types spelled out, into a table, wrappers
and all. Both read the same archived gzip files of one generated day and must end with as many records. Each side runs
several times in turn; the median of the ratios pair by pair is what counts, seconds are this machine's.
"""

import argparse
import gzip
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import dagster as dg
import duckdb
import pyarrow as pa

from contact_analytics.catalog import DATASET_MODULES
from contact_analytics.lib.archive import ArchiveResource, ListedFile
from contact_analytics.lib.schema import literal, quoted
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.sandbox.liveperson_brand import Brand
from contact_analytics.sandbox.liveperson_files import DATASETS, HourFiles

# A busy weekday: the sandbox gives the same day for the same seed on every machine.
DAY = date(2026, 1, 14)
RESULTS = Path(__file__).with_name("results.json")
# Volume of the sandbox at which a day of each dataset is a little over 100 MB of JSON.
SCALES = {"agent_activity": 75, "engagement": 26, "web_session": 17}
PACKAGES = ("dagster", "duckdb", "polars", "pyarrow", "dataframely")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the size of the day (default 1: 100 MB)")
    parser.add_argument("datasets", nargs="*", default=list(SCALES))
    options = parser.parse_args()
    results = {name: measure(name, SCALES[name] * options.scale, options.repetitions) for name in options.datasets}
    about = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
    }
    RESULTS.write_text(json.dumps({**about, "results": results}, indent=1) + "\n")
    return 0


def measure(name: str, scale: float, repetitions: int) -> dict[str, float]:
    """Time a dataset's day both ways, in turn; print and return medians."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        archive = ArchiveResource(root=f"{folder}/archive")
        size, rows = generate(name, scale, DAY, archive)
        files = sorted(str(path) for path in Path(folder).rglob("*.gz"))
        sides: dict[str, Callable[[Path], float]] = {
            "asset": lambda warehouse: through_asset(name, DAY, archive, warehouse, rows),
            "duckdb": lambda warehouse: bare_duckdb(name, files, warehouse),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for repetition in range(repetitions + 1):
            for side, run in sides.items():
                spent = run(Path(folder) / f"{side}-{repetition}.duckdb")
                if repetition:  # the first of each is a warm-up
                    seconds[side].append(spent)
    ratios = [a / b for a, b in zip(seconds["asset"], seconds["duckdb"], strict=True)]
    result = {
        "raw_megabytes": round(size / 1e6, 1),
        "rows": rows,
        "asset_seconds": round(statistics.median(seconds["asset"]), 2),
        "duckdb_seconds": round(statistics.median(seconds["duckdb"]), 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_lowest": round(min(ratios), 2),
        "ratio_highest": round(max(ratios), 2),
    }
    print(f"{name}: " + ", ".join(f"{key} {value:,}" for key, value in result.items()))
    return result


def generate(name: str, scale: float, day: date, archive: ArchiveResource) -> tuple[int, int]:
    """Put a day of hourly files into an archive, containers as documented; bytes of JSON and rows."""
    [dataset] = [dataset for dataset in DATASETS if dataset.name == name]
    hours = HourFiles(Brand("10203040", seed=1, scale=scale))
    archived = archive.day("liveperson", name, day)
    size = rows = 0
    for file in hours.of_day(dataset, day):
        lines: list[bytes] = []
        for session, items in dataset.sessions(hours.brand, file.hour, file.numbers):
            lines.append(dataset.format.write(session, *items))
            rows += len(items) or 1
        text = b"\n".join(lines) + b"\n"
        size += len(text)
        listed = ListedFile(
            f"{file.name.removesuffix('.gz')}.gz", "https://example.com/", file.scope_start, file.scope_end
        )
        archived.store(listed, [gzip.compress(text, 6, mtime=0)])
    return size, rows


def through_asset(name: str, day: date, archive: ArchiveResource, warehouse: Path, rows: int) -> float:
    """Materialize the day from the archive into a new warehouse; seconds, Dagster's own included."""
    [module] = [module for module in DATASET_MODULES if module.DATASET.name == name]
    asset = getattr(module, name)
    with dg.DagsterInstance.ephemeral() as instance:
        started = perf_counter()
        result = dg.materialize(
            [asset],
            partition_key=day.isoformat(),
            instance=instance,
            resources={
                "archive": archive,
                "warehouse": WarehouseResource(database=str(warehouse)),
                "liveperson_data_access": LivePersonDataAccessResource(),
            },
            run_config={
                "ops": {asset.op.name: {"config": {"source": "archive"}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
        spent = perf_counter() - started
        [materialization] = result.asset_materializations_for_node(asset.op.name)
    loaded = materialization.metadata["dagster/partition_row_count"].value
    if loaded != rows:
        raise SystemExit(f"{name}: {loaded} rows were loaded, {rows} generated: the comparison is void")
    return spent


def bare_duckdb(name: str, files: Sequence[str], database: Path) -> float:
    """Read the same files into a table of a new file with DuckDB alone, the wire types spelled out; seconds."""
    [module] = [module for module in DATASET_MODULES if module.DATASET.name == name]
    fields = module.FORMAT.documented.arrow_type(normalized=False)
    columns = ", ".join(f"{quoted(field.name)}: {literal(_duckdb_type(field.type))}" for field in fields)
    started = perf_counter()
    connection = duckdb.connect(str(database))
    try:
        connection.execute(
            f"create table day as select * from read_json([{', '.join(map(literal, files))}], "
            f"format = 'newline_delimited', columns = {{{columns}}})"
        )
    finally:
        connection.close()
    return perf_counter() - started


_NAMES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.null(): "JSON",  # parts that the vendor documents nowhere
}


def _duckdb_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_duckdb_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{quoted(field.name)} {_duckdb_type(field.type)}' for field in kind)})"
    return _NAMES[kind]


if __name__ == "__main__":
    sys.exit(main())
