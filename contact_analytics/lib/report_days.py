"""How a run turns partitions into stored days of a report, and into pages."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import dagster as dg
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.errors import ContactAnalyticsError, DaysFailed, InputsMissing, in_our_words
from contact_analytics.lib.extractions import IS_STORED, extraction_of, extractions, prepare
from contact_analytics.lib.failures import note_failure
from contact_analytics.lib.materialization import done_before
from contact_analytics.lib.page import Page, Source, rendered
from contact_analytics.lib.report import BRAND, WINDOW_DAYS, Frames, Input, Report
from contact_analytics.lib.report_rows import checked, masked_sample, read_inputs, shown, store
from contact_analytics.lib.schema import literal
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.lib.whole_file import whole_file

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
        target = folder / f"{name}.html"
        with whole_file(target) as out:
            out.write(text.encode())
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

    What a day's partitions hold for the days around it is brought into those that are made already: they are stored
    anew, and materialized, if that changes them.

    `compute` makes the day's rows from the frames of the inputs, by their tables' names, and of the brand's files, by
    theirs; `paint` makes the page. Raises `DaysFailed` at the end with the days that could not be made, or the error
    itself if one day was asked.
    """
    making = _Making(context, report, compute, paint, warehouse, brand_files, pages)
    done = done_before(context, report.key)
    asked = [date.fromisoformat(key) for key in context.partition_keys]
    failures: dict[str, ContactAnalyticsError] = {}
    yield from making.make_all([day for day in asked if day not in done], failures)
    around = {day for one in asked for day in report.around(one)} - set(asked)
    yield from making.make_all(making.stored(around), failures)
    if len(asked) == 1 and failures:
        raise next(iter(failures.values()))
    if failures:
        raise DaysFailed(report.table, len(asked), failures)


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

    @cached_property
    def brand(self) -> dict[str, pl.DataFrame]:
        """The brand's files, by their names, as they are at the run's first day."""
        return {file.name: self.brand_files.read(file) for file in self.report.files}

    def make_all(
        self, days: Sequence[date], failures: dict[str, ContactAnalyticsError]
    ) -> Iterator[dg.AssetMaterialization]:
        """Make days one by one; those that fail are noted."""
        for number, day in enumerate(days, 1):
            try:
                with in_our_words(f"{self.report.table} {day}"):
                    materialization = self.make(day)
                if materialization:
                    yield materialization
                self.context.log.info(f"{self.report.table} {day}: day {number} of {len(days)}")
            except ContactAnalyticsError as error:
                failures[str(day)] = error
                note_failure(self.context, self.warehouse, self.report, day, error)

    def stored(self, days: Collection[date]) -> list[date]:
        """Those of the days that the report has, in order, and that all of its inputs have still."""
        with in_our_words(self.report.table), self.warehouse.reading() as connection:
            known = {day for day, each in extractions(connection, self.report).items() if each.is_stored}
            return [day for day in sorted(known & set(days)) if not _missing(connection, self.report, day)]

    def make(self, day: date) -> dg.AssetMaterialization | None:
        """Store a day and write its page; None if it was not asked for and is what it was.

        Raises `InputsMissing` before anything is changed.
        """
        report, run_id = self.report, self.context.run.run_id
        # In one turn, so that no input changes between what is read of it and what is stored.
        with self.warehouse.get_connection() as connection:
            prepare(connection)
            if missing := _missing(connection, report, day):
                raise InputsMissing(report.table, day, missing)
            sources = [*_sources(connection, report, day)]
            to_come = _to_come(connection, report, day)
            frames = read_inputs(connection, report, day) | self.brand
            made = checked(report, self.compute(day, frames), run_id)
            before = extraction_of(connection, report, day)
            if before and before.digest == made.digest and day.isoformat() not in self.context.partition_keys:
                return None
            store(connection, report, day, made)
            month = _month(connection, report, day)
            first_rows = masked_sample(connection, report, day)
        sources += [Source(f"{BRAND}/{name}", f"{rows.height:,} rows") for name, rows in self.brand.items()]
        page = self.paint(made.rows, month)
        page = replace(page, remarks=[*page.remarks, *to_come])
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


def _missing(connection: DuckDBPyConnection, report: Report, day: date) -> list[str]:
    """The inputs that are not stored, of the day or, of a history, at all."""
    return [
        each.table if each.history else f"{each.table} {day}"
        for each in report.used
        if not _states(connection, each, day, day)
    ]


def _sources(connection: DuckDBPyConnection, report: Report, day: date) -> Iterator[Source]:
    """What the day is made from: the inputs of the day, and of the days around it that may hold something for it."""
    for each in report.used:
        first, last = each.window(day)
        states = _states(connection, each, first, last)
        if each.history:
            yield Source(each.table, states[max(states)])
            continue
        yield Source(f"{each.table} {day}", states[day])
        if first < last:
            days = (last - first).days + 1
            yield Source(f"{each.table} {first} to {last}", f"{len(states)} of {days} days stored")


def _to_come(connection: DuckDBPyConnection, report: Report, day: date) -> list[str]:
    """What the next day's partitions may still bring."""
    tomorrow = day + timedelta(days=1)
    waiting = [
        each.table for each in report.used if each.days_after and not _states(connection, each, tomorrow, tomorrow)
    ]
    if not waiting:
        return []
    return [f"{', '.join(waiting)} of {tomorrow} may hold more of this day. This page is made again when it is in."]


def _states(connection: DuckDBPyConnection, of: Input, first: date, last: date) -> dict[date, str]:
    """The stored days of an input in a window, or all of a history, each with its state in words."""
    first, last = (date.min, date.max) if of.history else (first, last)
    rows = connection.execute(
        f"select {PARTITION}, rows, loaded_at from meta.extractions where dataset = {literal(of.table)} "
        f"and {IS_STORED} and {PARTITION} between ? and ?",
        [first, last],
    ).fetchall()
    return {stored: f"{count:,} rows, loaded {loaded_at:%Y-%m-%d %H:%M} UTC" for stored, count, loaded_at in rows}


def _month(connection: DuckDBPyConnection, report: Report, day: date) -> pl.DataFrame:
    first = day - timedelta(days=WINDOW_DAYS - 1)
    query = f"select * from {report.sql_name} where {PARTITION} between ? and ? order by {PARTITION}"
    return connection.execute(query, [first, day]).pl()
