"""Small days of one table put into a lake and into a DuckDB file, in turn: what a day costs whatever is in it."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import polars as pl

from benchmarks.databases import database
from contact_analytics.catalog import DATASETS
from contact_analytics.lib.extractions import Extraction
from contact_analytics.lib.warehouse import WarehouseResource, replacing
from contact_analytics.liveperson.survey import DATASET

_DAYS, _ROWS = 40, 1000
_FIRST = date(2024, 1, 1)


def small_days(_: float, repetitions: int) -> dict[str, Any]:
    """Median seconds of a day's transaction, and of bringing a table up to date that is, with all tables there."""
    sample = DATASET.schema.sample(_ROWS)
    rows = sample.with_columns(pl.lit(None, pl.String).alias("_extra"), _source_file=pl.lit("sample"))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, database() as conninfo:
        sides = {
            "lake": WarehouseResource(database=f"ducklake:postgres:{conninfo}", lake_data=f"{name}/lake"),
            "file": WarehouseResource(database=str(Path(name) / "warehouse.duckdb")),
        }
        for warehouse in sides.values():
            for dataset in DATASETS:
                warehouse.prepare(dataset)
        days = {side: list[float]() for side in sides}
        prepared = {side: list[float]() for side in sides}
        for number in range(_DAYS):
            for side, warehouse in sides.items():
                days[side].append(_stored(warehouse, rows, _FIRST + timedelta(number)))
        for _repetition in range(repetitions):
            for side, warehouse in sides.items():
                started = perf_counter()
                warehouse.prepare(DATASET)
                prepared[side].append(perf_counter() - started)
    return {
        "rows": _ROWS,
        "day_seconds": {side: round(median(seconds), 3) for side, seconds in days.items()},
        "prepare_seconds": {side: round(median(seconds), 3) for side, seconds in prepared.items()},
    }


def _stored(warehouse: WarehouseResource, rows: pl.DataFrame, day: date) -> float:
    started, now = perf_counter(), datetime.now(UTC)
    stored = Extraction("loaded", files=1, rows=rows.height, file_names=("sample",), scopes=(now,), loaded_at=now)
    with warehouse.get_connection() as connection, replacing(connection, DATASET, day, "benchmark") as replacement:
        replacement.insert(rows)
        replacement.finish(stored, ())
    return perf_counter() - started
