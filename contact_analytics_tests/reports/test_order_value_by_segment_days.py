"""Order value by segment of days of the sandbox's, through Dagster and a warehouse, against plain SQL.

As many days as CONTACT_ANALYTICS_TESTED_DAYS says: 27 are a month.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from contact_analytics.lib.tables import insert
from contact_analytics.liveperson.web_session import DATASET as VISITS
from contact_analytics.reports.order_value_by_segment import CURRENCY, REPORT, compute, order_value_by_segment
from contact_analytics.reports.order_value_by_segment_page import paint
from contact_analytics.sandbox.brand_files import write_brand_files
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import TODAY, Place, days_ago
from contact_analytics_tests.reports.places import FIRST, LAST, Days, ReadPage, make, report_asset

[MEMBERSHIP] = REPORT.files


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("orders")
    with dg.DagsterInstance.ephemeral() as instance:
        place = Place(folder, instance, LivePersonDataAccess(scale=0.1))
        assert place.materialize("web_session", FIRST, LAST + timedelta(days=1)).ok
        written = write_brand_files(folder / "brand", TODAY, scale=0.1)
        files = {MEMBERSHIP.name: Path(written["CONTACT_ANALYTICS_MEMBERSHIP"])}
        yield Days(place, files, make(order_value_by_segment, folder, instance, FIRST, LAST, files=files))


# By orders, over all stored days at once: the first word of each is its day and its visit's customer the buyer.
BY_ORDER = """
with words as (
    select visit_id, item.timestamp as told_at, item.data.purchase.total as total,
        nullif(item.data.purchase.order_id, '') as order_id
    from (select visit_id, unnest(engagement_attributes) as item from liveperson.web_session)
    where item.data.purchase is not null
    union all
    select visit_id, item.timestamp, item.goal_meta_data.purchase.total,
        nullif(item.goal_meta_data.purchase.order_id, '')
    from (select visit_id, unnest(achieved_goals) as item from liveperson.web_session)
    where item.goal_meta_data.purchase is not null
), buyers as (
    select visit_id, max(nullif(item.data.customer_info.customer_id, '')) as customer_id
    from (select visit_id, unnest(engagement_attributes) as item from liveperson.web_session) group by visit_id
), events as (
    select 'orders' as what, arg_min(visit_id, told_at) as visit_id, min(told_at) as told_at, max(total) as total
    from words where order_id is not null and total >= 0 group by order_id
    union all
    select 'refunds', arg_min(visit_id, told_at), min(told_at), -total
    from words where order_id is not null and total < 0 group by order_id, total
    union all
    select 'without id', visit_id, min(told_at), total from words where order_id is null group by visit_id, total
    union all
    select 'without total', arg_min(visit_id, told_at), min(told_at), null
    from words where order_id is not null group by order_id having count(total) = 0
    union all
    select 'words', visit_id, told_at, null from words
)
select
    coalesce(segment, if(customer_id is null, 'no customer id', 'not in the membership file')) as segment,
    coalesce(currency, $currency) as currency,
    count(distinct customer_id) filter (what = 'orders') as customers,
    count(*) filter (what = 'orders') as orders,
    coalesce(sum(total) filter (what = 'orders'), 0) as revenue,
    avg(total) filter (what = 'orders') as average_order_value,
    count(*) filter (what = 'refunds') as refunds,
    coalesce(sum(total) filter (what = 'refunds'), 0) as refunded,
    count(*) filter (what = 'without id') as purchases_without_order_id,
    coalesce(sum(total) filter (what = 'without id'), 0) as value_without_order_id,
    count(*) filter (what = 'without total') as orders_without_total,
    2 * count(*) filter (what = 'words') - count(*) as told_again
from events left join buyers using (visit_id) left join read_parquet($membership) using (customer_id)
where told_at >= $day::date and told_at < $day::date + 1
group by all order by all
"""


def test_every_day_is_what_sql_makes_of_the_table(days: Days) -> None:
    """By another way: from orders to days, over all that is stored, and not from a day's purchases back."""
    assert days.run.ok, days.run.problem
    for day in (FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)):
        rows = days.select("from reports.order_value_by_segment where partition_date = $day order by all", day=day)
        again = days.select(BY_ORDER, day=str(day), currency=CURRENCY, membership=str(days.files[MEMBERSHIP.name]))
        assert len(rows) == len(again) > 0
        for row, other in zip(rows, again, strict=True):
            assert row["duplicates"] + row["goal_duplicates"] == other.pop("told_again")
            assert {name: row[name] for name in other} == pytest.approx(other)
        assert days.run.metadata(day)["dagster/partition_row_count"] == len(rows)


def test_a_day_that_is_not_stored_is_named_and_nothing_is_changed(days: Days) -> None:
    """The report of a stored day stays as it was."""
    before = days.select("from reports.order_value_by_segment order by all")
    day = FIRST - timedelta(days=1)
    run = make(order_value_by_segment, days.place.folder, days.place.instance, day, files=days.files)
    assert f"not stored yet: liveperson.web_session {day}. Nothing was changed." in run.problem
    assert days.select("from reports.order_value_by_segment order by all") == before


def test_the_newest_day_says_what_is_to_come(days: Days) -> None:
    """The next day's files may hold purchases of the day: the page says so until they are in."""
    page = Path(days.run.metadata(LAST)["page"]).read_text()
    assert "may hold more of this day" not in page
    newest = LAST + timedelta(days=1)
    run = make(order_value_by_segment, days.place.folder, days.place.instance, newest, files=days.files)
    to_come = f"liveperson.web_session of {newest + timedelta(days=1)} may hold more of this day"
    assert to_come in run.metadata(newest)["remarks"]
    days.select("delete from reports.order_value_by_segment where partition_date = $day", day=newest)


def test_a_company_without_visits_has_an_empty_report(place: Place) -> None:
    """A table that is not in use is no input: nothing waits for it, and nobody is told of orders that are not known."""
    report = replace(REPORT, has=lambda table: False)
    asset = report_asset(report, compute, paint)
    assert asset.asset_deps[asset.key] == {MEMBERSHIP.key}
    run = make(asset, place.folder, place.instance, LAST)
    assert run.ok, run.problem
    assert place.select("from reports.order_value_by_segment") == []


def test_the_page_needs_nothing_and_can_be_heard(days: Days) -> None:
    """As it lies in the folder of the day."""
    path = Path(days.run.metadata(LAST)["page"])
    assert path == days.place.folder / "pages" / str(LAST) / "order_value_by_segment.html"
    page = ReadPage(path.read_text())
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    [total] = days.select(
        "select sum(orders) as orders, sum(revenue) filter (currency = $currency) as revenue "
        "from reports.order_value_by_segment where partition_date = $day",
        day=LAST,
        currency=CURRENCY,
    )
    assert f"{total['orders']:,}" in page.words
    assert f"{total['revenue']:,.2f}" in page.words


# Odd visits -----------------------------------------------------------------------------------------------------------


def visit(
    name: str, filed: date, *, start: datetime | None = None, **sections: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """A row of the table of visits."""
    return {"partition_date": filed, "visit_id": name, "start_time": start, "_source_file": "f", **sections}


def purchase(moment: datetime | None, order: str | None, total: float | None) -> dict[str, Any]:
    return {"timestamp": moment, "data": {"purchase": {"order_id": order, "total": total}}}


def customer(moment: datetime | None, who: str | None) -> dict[str, Any]:
    return {"timestamp": moment, "data": {"customer_info": {"customer_id": who, "customer_status": "gold"}}}


def test_purchases_are_found_wherever_their_visits_were_filed(place: Place) -> None:
    """Of visits that ended on the day or up to a week later; blanks around ids mean nothing.

    100 of C-1 at 23:50, filed on the next day, 50 of C-1 without a time in a visit that began on the day, 30 of nobody,
    filed five days later. 7 was ordered ninety days before and 8 on the next day.
    """
    day = days_ago(9)
    place.app = LivePersonDataAccess(scale=0.001)
    assert place.materialize("web_session", day, day + timedelta(days=1)).ok
    noon, later = datetime.combine(day, time(12), UTC), datetime.combine(day, time(23, 50), UTC)
    visits = [
        visit(
            "A", day + timedelta(days=1), engagement_attributes=[customer(noon, " C-1 "), purchase(later, "O-1", 100)]
        ),
        visit("B", day, start=noon, engagement_attributes=[customer(None, "C-1"), purchase(None, "O-2", 50.0)]),
        visit("C", day + timedelta(days=5), engagement_attributes=[customer(noon, ""), purchase(noon, "O-3", 30.0)]),
        visit(
            "D",
            day - timedelta(days=90),
            start=noon - timedelta(days=90),
            engagement_attributes=[purchase(None, "O-4", 7.0)],
        ),
        visit("E", day, engagement_attributes=[customer(noon, "C-1"), purchase(noon, "O-4 ", 7.0)]),
        visit("F", day + timedelta(days=1), engagement_attributes=[purchase(noon + timedelta(days=1), "O-5", 8.0)]),
        visit("G", day, start=noon, achieved_goals=[], engagement_attributes=None),
        visit(
            "B",
            day + timedelta(days=1),
            start=noon,
            achieved_goals=[{"timestamp": noon, "goal_meta_data": {"purchase": {"order_id": "O-2", "total": 50.0}}}],
        ),
    ]
    schema = {name: column.dtype for name, column in VISITS.columns().items()}
    with place.warehouse.get_connection() as connection:
        connection.execute("delete from liveperson.web_session")
        insert(connection, VISITS.sql_name, pl.DataFrame(visits, schema))
    members = place.folder / "membership.csv"
    members.write_text("customer_id,segment\nC-1,gold\n")
    run = make(order_value_by_segment, place.folder, place.instance, day, files={"membership": members})
    assert run.ok, run.problem
    rows = place.select("from reports.order_value_by_segment order by segment")
    assert [(row["segment"], row["currency"], row["orders"], row["revenue"]) for row in rows] == [
        ("gold", CURRENCY, 2, 150.0),
        ("no customer id", CURRENCY, 1, 30.0),
    ]
    assert [(row["duplicates"], row["goal_duplicates"]) for row in rows] == [(1, 1), (0, 0)]
