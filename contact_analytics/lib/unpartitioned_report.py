"""How a run makes a report without partitions: the whole table anew, and its page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.errors import ContactAnalyticsError, InputsMissing, in_our_words
from contact_analytics.lib.extractions import IS_STORED, prepare
from contact_analytics.lib.failures import note_failure
from contact_analytics.lib.page import Page, Source, rendered
from contact_analytics.lib.report import Frames, UnpartitionedReport
from contact_analytics.lib.report_days import PagesResource
from contact_analytics.lib.report_rows import checked, masked_sample, read_inputs, shown, store
from contact_analytics.lib.standing import forget_failures
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource


@dataclass(frozen=True)
class Recipe:
    """How a report is made: its rows from the frames of its inputs, its page, and the counts that Dagster plots."""

    compute: Callable[[Frames], pl.DataFrame]
    paint: Callable[[pl.DataFrame], Page]
    measure: Callable[[pl.DataFrame], Mapping[str, int]]


def make_unpartitioned_report(
    context: dg.AssetExecutionContext,
    report: UnpartitionedReport,
    recipe: Recipe,
    warehouse: WarehouseResource,
    pages: PagesResource,
) -> dg.MaterializeResult[Any]:
    """The body of the report's asset: its rows in place of all before, and the page of today.

    Raises `InputsMissing` before anything is changed if nothing is stored of an input.
    """
    today = datetime.now(UTC).date()
    try:
        with in_our_words(report.table):
            return _made(context.run.run_id, today, report, recipe, warehouse, pages)
    except ContactAnalyticsError as error:
        note_failure(context, warehouse, report, today, error)
        raise


def _made(
    run_id: str,
    today: date,
    report: UnpartitionedReport,
    recipe: Recipe,
    warehouse: WarehouseResource,
    pages: PagesResource,
) -> dg.MaterializeResult[Any]:
    # In one turn, so that no input changes between what is read of it and what is stored.
    with warehouse.get_connection() as connection:
        prepare(connection)
        sources = _sources(connection, report, today)
        made = checked(report, recipe.compute(read_inputs(connection, report, today)), run_id)
        store(connection, report, today, made)
        with transaction(connection):
            forget_failures(connection, report)
        first_rows = masked_sample(connection, report, today)
    page = recipe.paint(made.rows)
    text = rendered(
        report.title, today, page, grain=report.grain, rules=report.counted, sources=sources, made_at=made.at
    )
    metadata = {
        "dagster/row_count": made.rows.height,
        **recipe.measure(made.rows),
        **shown(report, page, pages.write(today, report.name, text), sources),
        "sample": first_rows,
    }
    return dg.MaterializeResult(asset_key=report.key, metadata=metadata, data_version=dg.DataVersion(made.digest))


def _sources(connection: DuckDBPyConnection, report: UnpartitionedReport, today: date) -> list[Source]:
    """What is stored of each input. Raises `InputsMissing` if it is nothing."""
    found, missing = list[Source](), list[str]()
    for table in report.tables:
        [(days, newest, loaded_at)] = connection.execute(
            f"select count(*), max({PARTITION}), max(loaded_at) from meta.extractions where dataset = ? "
            f"and {IS_STORED}",
            [table],
        ).fetchall()
        if days:
            found.append(Source(table, f"stored up to {newest}, loaded {loaded_at:%Y-%m-%d %H:%M} UTC"))
        else:
            missing.append(table)
    if missing:
        raise InputsMissing(report.table, today, missing)
    return found
