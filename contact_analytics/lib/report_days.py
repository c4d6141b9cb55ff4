"""How a run turns partitions into stored days of a report, and into pages."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.errors import ContactAnalyticsError, DaysFailed, InputsMissing, in_our_words
from contact_analytics.lib.extractions import prepare
from contact_analytics.lib.page import Page, Source, rendered
from contact_analytics.lib.report import BRAND, WINDOW_DAYS, Frames, Input, Report
from contact_analytics.lib.report_rows import checked, masked_sample, note_failure, read_inputs, shown, store
from contact_analytics.lib.schema import literal
from contact_analytics.lib.warehouse import WarehouseResource

_TO_COME = "not in yet"
Compute = Callable[[date, Frames], pl.DataFrame]
# The day's rows, and those of the thirty days up to it.
Paint = Callable[[pl.DataFrame, pl.DataFrame], Page]


class PagesResource(dg.ConfigurableResource[None]):
    """The folder that reports' pages are written to, by day."""

    root: str

    def write(self, day: date, name: str, text: str) -> Path:
        """Put a page in place of the one that was; it is there whole or not at all, and its owner's alone."""
        folder = Path(self.root) / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary, target = folder / f".{uuid4().hex}.part", folder / f"{name}.html"
        try:
            with os.fdopen(
                os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
            ) as out:
                out.write(text)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target


def make_report(
    context: dg.AssetExecutionContext,
    report: Report,
    compute: Compute,
    paint: Paint,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    """The body of a report's asset: a materialization for each of the run's days as soon as it is stored.

    `compute` makes the day's rows from the frames of the inputs, by their tables' names, and of the brand's files, by
    theirs; `paint` makes the page. Raises `DaysFailed` at the end with the days that could not be made, or the error
    itself if one day was asked.
    """
    making = _Making(context, report, compute, paint, warehouse, brand_files, pages)
    days = [date.fromisoformat(key) for key in context.partition_keys]
    failures: dict[str, ContactAnalyticsError] = {}
    for number, day in enumerate(days, 1):
        try:
            with in_our_words(f"{report.table} {day}"):
                materialization = making.make(day)
            yield materialization
            context.log.info(f"{report.table} {day}: day {number} of {len(days)}")
        except ContactAnalyticsError as error:
            failures[str(day)] = error
            note_failure(context, warehouse, report, day, error)
    if len(days) == 1 and failures:
        raise next(iter(failures.values()))
    if failures:
        raise DaysFailed(report.table, len(days), failures)


@dataclass
class _Making:
    """One run over one report."""

    context: dg.AssetExecutionContext
    report: Report
    compute: Compute
    paint: Paint
    warehouse: WarehouseResource
    brand_files: BrandFilesResource
    pages: PagesResource

    def make(self, day: date) -> dg.AssetMaterialization:
        """Store a day and write its page. Raises `InputsMissing` before anything is changed."""
        report, run_id = self.report, self.context.run.run_id
        brand = {file.name: self.brand_files.read(file) for file in report.files}
        # In one turn, so that no input changes between what is read of it and what is stored.
        with self.warehouse.get_connection() as connection:
            sources = _sources(connection, report, day)
            frames = read_inputs(connection, report, day) | brand
            made = checked(report, self.compute(day, frames), run_id)
            store(connection, report, day, made)
            month = _month(connection, report, day)
            first_rows = masked_sample(connection, report, day)
        sources += [Source(f"{BRAND}/{name}", f"{rows.height:,} rows") for name, rows in brand.items()]
        page = self.paint(made.rows, month)
        page = replace(page, remarks=[*page.remarks, *_to_come(sources)])
        text = rendered(
            report.title, day, page, grain=report.grain, rules=report.counted, sources=sources, made_at=made.at
        )
        path = self.pages.write(day, report.name, text)
        return dg.AssetMaterialization(
            asset_key=report.key,
            partition=day.isoformat(),
            metadata={
                "dagster/partition_row_count": made.rows.height,
                **shown(report, page, path, sources),
                "sample": first_rows,
            },
            tags={"dagster/data_version": made.digest},
        )


def _sources(connection: DuckDBPyConnection, report: Report, day: date) -> list[Source]:
    """What the day is made from. Raises `InputsMissing` where something is not stored that must be."""
    prepare(connection)
    found, missing = list[Source](), list[str]()
    for each in report.used:
        states = _states(connection, each, day)
        if each.history:
            found.append(Source(each.table, states[0][1] if states else "not stored"))
        for place, wanted in enumerate(each.days(day)):
            state = dict(states).get(wanted)
            found.append(Source(f"{each.table} {wanted}", state or _TO_COME))
            if not state and not place:
                missing.append(f"{each.table} {wanted}")
        if each.history and not states:
            missing.append(each.table)
    if missing:
        raise InputsMissing(report.table, day, missing)
    return found


def _states(connection: DuckDBPyConnection, of: Input, day: date) -> Sequence[tuple[date, str]]:
    """The stored days of an input that a day is made from, newest first, each with its state in words."""
    first, last = (date.min, date.max) if of.history else (day, day + timedelta(days=of.days_after))
    rows = connection.execute(
        f"select {PARTITION}, rows, loaded_at from meta.extractions where dataset = {literal(of.table)} "
        f"and state in ('loaded', 'empty') and {PARTITION} between ? and ? order by {PARTITION} desc",
        [first, last],
    ).fetchall()
    return [(stored, f"{count:,} rows, loaded {loaded_at:%Y-%m-%d %H:%M} UTC") for stored, count, loaded_at in rows]


def _to_come(sources: Sequence[Source]) -> list[str]:
    """What a later day's files may still bring."""
    return [
        f"{each.name} is not in yet: what went on past midnight is in it. This page is made again then."
        for each in sources
        if each.state == _TO_COME
    ]


def _month(connection: DuckDBPyConnection, report: Report, day: date) -> pl.DataFrame:
    first = day - timedelta(days=WINDOW_DAYS - 1)
    query = f"select * from {report.sql_name} where {PARTITION} between ? and ? order by {PARTITION}"
    return connection.execute(query, [first, day]).pl()
