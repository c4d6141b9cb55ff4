"""What a day's files hold for the days around it reaches them, whichever came first, and changes nothing else."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import dataframely as dy
import duckdb
import polars as pl
import pytest

from contact_analytics.lib import charts
from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.extractions import Extraction, prepare, write_extraction
from contact_analytics.lib.figures import Figure
from contact_analytics.lib.page import Page
from contact_analytics.lib.report import Frames, Input, Report
from contact_analytics.lib.report_days import PagesResource, make_report
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.fakes import Materialized, dataset_of, days_ago


class Orders(dy.Schema):
    """One row an order."""

    id = field(dy.Int64, "Order", key=True)
    placed_at = instant("When it was placed")


class Sold(dy.Schema):
    """One row a day."""

    orders = field(dy.Int64, "Orders placed on the day, not told of before", key=True)


TABLE = dataset_of("orders", Orders)
REPORT = Report(
    name="sold",
    title="Sold",
    schema=Sold,
    grain="One row a day.",
    rules="An order counts on the first day that tells of it, wherever it was filed.",
    inputs=(
        Input(
            "test.orders",
            "select id, placed_at from test.orders where partition_date between $first and $last",
            {"id": pl.Int64, "placed_at": pl.Datetime("us", "UTC")},
            days_before=2,
            days_after=1,
        ),
    ),
    has=lambda table: True,
)


def compute(day: date, frames: Frames) -> pl.DataFrame:
    first = frames["test.orders"].group_by("id").agg(pl.col("placed_at").min().dt.date())
    return pl.DataFrame({"orders": [first.filter(pl.col("placed_at") == day).height]})


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    chart = charts.lines(month, day="partition_date", value="orders")
    return Page({"Orders": str(rows["orders"].item())}, [Figure("Orders", "Orders a day.", chart)], [])


@dg.asset(**daily_report(REPORT, PARTITIONS))
def sold(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator["Shop"]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path, instance)


class Shop:
    """A warehouse with a table that a test fills, and the report over it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.warehouse = WarehouseResource(database=str(folder / "warehouse.duckdb"))

    def store(self, filed: date, *orders: tuple[int, date]) -> None:
        """What a day's files hold: orders with the days on which they were placed."""
        with self.warehouse.get_connection() as connection:
            prepare(connection)
            connection.execute("create schema if not exists test")
            connection.execute(
                "create table if not exists test.orders (partition_date date, id bigint, placed_at timestamptz)"
            )
            connection.execute("delete from test.orders where partition_date = ?", [filed])
            for number, placed in orders:
                moment = datetime.combine(placed, time(12), UTC)
                connection.execute("insert into test.orders values (?, ?, ?)", [filed, number, moment])
            now = datetime.now(UTC)
            write_extraction(connection, TABLE, filed, Extraction("loaded", rows=len(orders), loaded_at=now))

    def make(self, first: date, last: date | None = None) -> set[str]:
        """Make days of the report; those that were materialized."""
        result = dg.materialize(
            [sold],
            instance=self.instance,
            resources={
                "warehouse": self.warehouse,
                "brand_files": BrandFilesResource(),
                "pages": PagesResource(root=str(self.folder / "pages")),
            },
            tags={
                "dagster/asset_partition_range_start": str(first),
                "dagster/asset_partition_range_end": str(last or first),
            },
        )
        return set(Materialized(result, []).days)

    def sold(self) -> dict[date, int]:
        with duckdb.connect(self.folder / "warehouse.duckdb") as connection:
            return dict(connection.execute("select partition_date, orders from reports.sold").fetchall())


D = days_ago(10)
BEFORE, AFTER = D - timedelta(days=1), D + timedelta(days=1)


def test_a_day_filed_later_brings_the_one_before_up_to_date(shop: Shop) -> None:
    """In the run of the later day, which materializes both; a third day is as it was, and is not."""
    shop.store(BEFORE, (1, BEFORE))
    shop.store(D, (2, D))
    assert shop.make(BEFORE, D) == {str(BEFORE), str(D)}
    shop.store(AFTER, (3, AFTER), (4, D))
    assert shop.make(AFTER) == {str(AFTER), str(D)}
    assert shop.sold() == {BEFORE: 1, D: 2, AFTER: 1}


def test_an_older_day_that_comes_later_takes_what_was_its_own(shop: Shop) -> None:
    """An order is counted once, whichever of two days is loaded first."""
    shop.store(D, (1, D), (2, D))
    assert shop.make(D) == {str(D)}
    shop.store(BEFORE, (1, BEFORE))
    assert shop.make(BEFORE) == {str(BEFORE), str(D)}
    assert shop.sold() == {BEFORE: 1, D: 1}


def test_a_range_makes_each_of_its_days_once(shop: Shop) -> None:
    """Their neighbours are in it."""
    for day in (BEFORE, D, AFTER):
        shop.store(day, (day.toordinal(), day))
    assert shop.make(BEFORE, AFTER) == {str(BEFORE), str(D), str(AFTER)}


def test_days_around_that_are_not_made_stay_so(shop: Shop) -> None:
    """They have a condition of their own."""
    shop.store(BEFORE, (1, BEFORE))
    shop.store(D, (2, D))
    assert shop.make(D) == {str(D)}
    assert shop.sold() == {D: 1}


def test_a_day_of_which_the_next_is_lost_is_made(shop: Shop) -> None:
    """And its page says that the next day may hold more of it."""
    shop.store(D, (1, D))
    assert shop.make(D) == {str(D)}
    page = (shop.folder / "pages" / str(D) / "sold.html").read_text(encoding="utf-8")
    assert f"test.orders of {AFTER} may hold more of this day" in page
