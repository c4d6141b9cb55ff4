"""Order value by segment: what members of each segment of the brand's programme order, and for how much."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource, in_force
from contact_analytics.lib.report import REACH, Frames, Input, Report, ratio
from contact_analytics.lib.report_days import PagesResource, make_report
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.membership import MEMBERSHIP
from contact_analytics.reports.order_value_by_segment_page import NO_CUSTOMER, NO_SEGMENT, NOT_A_MEMBER, paint
from contact_analytics.settings import PARTITIONS, has_table, site_currency

_VISITS = "liveperson.web_session"
_ATTRIBUTES, _GOALS = f"{_VISITS}.engagement_attributes", f"{_VISITS}.achieved_goals"
_PURCHASES = (_ATTRIBUTES, _GOALS, f"{_VISITS}.visit_id", f"{_VISITS}.start_time")
CURRENCY = site_currency()
_CUSTOMER, _PURCHASE, _GOAL = "customer", "purchase", "goal"
# What a purchase may be, by the column that it is counted in.
_COUNTED = (
    "orders",
    "refunds",
    "duplicates",
    "goal_duplicates",
    "purchases_without_order_id",
    "orders_without_total",
)
# How far back an order is looked for: the visits of as many days are read for each day that is made.
_LOOK_BACK_DAYS = 90
# No currency has more decimal places; what is beyond them comes of adding up.
_PLACES = 4
# The letters of a currency's code in ISO 4217.
_CODE = 3


def _count(meaning: str, unit: str = "orders") -> Any:
    return field(dy.Int64, meaning, unit=unit, sources=_PURCHASES)


def _amount(meaning: str) -> Any:
    return field(dy.Float64, meaning, unit="`currency`", sources=_PURCHASES)


class OrderValueBySegment(dy.Schema):
    """One row a segment and currency."""

    segment = field(
        dy.String,
        "Segment by the membership file, or why there is none",
        key=True,
        sources=("brand.membership.segment", "brand.membership.customer_id", _ATTRIBUTES),
    )
    currency = field(
        dy.String,
        "Currency of the amounts",
        key=True,
        sources=("brand.membership.currency", "brand.membership.customer_id", _ATTRIBUTES),
    )
    customers = _count("Customers who ordered, of those whose id is known", unit="customers")
    customers_with_several_rows = _count(
        "Customers with a purchase of whom the membership file has several rows that hold alike: the last one counts",
        unit="customers",
    )
    orders = _count("Orders, each once")
    revenue = _amount("Value of the orders, before refunds")
    average_order_value = _amount("Revenue over orders; null without any")
    refunds = _count("Refunds", unit="refunds")
    refunded = _amount("Value of the refunds, above zero")
    net_revenue = _amount("Revenue less refunds")
    duplicates = _count("Further times that an order or a refund was told of", unit="purchases")
    goal_duplicates = _count("Orders told of both as a purchase and as an achieved goal")
    purchases_without_order_id = _count("Purchases without an order id, in none of the above", unit="purchases")
    value_without_order_id = _amount("Value of the purchases without an order id")
    orders_without_total = _count("Orders without a total, in none of the above")


REPORT = Report(
    name="order_value_by_segment",
    title="Order value by membership segment",
    schema=OrderValueBySegment,
    grain="One row a membership segment and currency with purchases on the day, in UTC.",
    rules=f"""
        A purchase counts for the UTC day of its own time, whichever day's file has its visit: LivePerson files a visit
        once it is over. One that is over later counts once it is, up to seven days later, when the day is made again. A
        purchase without a time counts for the day on which its visit began.

        An order counts once, by its order id: when the site first told of it with a total, in any visit of the
        {_LOOK_BACK_DAYS} days before; when one of them is loaded later, the day is made again. Pages that are loaded
        again and later visits tell of it once more; these are duplicates. An achieved goal that records the order, too,
        is ordinary and counted beside them.

        A total below zero is a refund. Orders, revenue and averages are before refunds, which have columns of their
        own; refunds of an order count once for each amount.

        A purchase without an order id cannot be told from its repetition. It is counted apart, once for each amount of
        a visit, and so is an order without a total; neither is in an average.

        The customer is the one whom the visit named last before the purchase, or else first after it. The segment is
        the one that the membership file has for that customer id on the day. Of rows that hold alike, such as two
        without dates, the last one in the file counts.

        LivePerson's Data Access states no currency. It is the customer's in the membership file if that has one, else
        the site's, which CONTACT_ANALYTICS_CURRENCY names. Amounts of two currencies are never added up.
    """,
    inputs=(
        Input(
            _VISITS,
            f"""
            with visits as not materialized (
                select visit_id, coalesce(start_time, partition_date) as began, engagement_attributes, achieved_goals
                from {_VISITS} where partition_date between $first and $last
            ), told as materialized (
                select visit_id, if(item.data.purchase is null, '{_CUSTOMER}', '{_PURCHASE}') as kind,
                    coalesce(item.timestamp, began) as timestamp, item.data.purchase.total as total,
                    nullif(trim(item.data.purchase.order_id), '') as order_id,
                    nullif(trim(item.data.customer_info.customer_id), '') as customer_id
                from (select visit_id, began, unnest(engagement_attributes) as item from visits)
                where item.data.purchase is not null or item.data.customer_info.customer_id is not null
                union all by name
                select visit_id, '{_GOAL}' as kind, coalesce(item.timestamp, began) as timestamp,
                    item.goal_meta_data.purchase.total as total,
                    nullif(trim(item.goal_meta_data.purchase.order_id), '') as order_id
                from (select visit_id, began, unnest(achieved_goals) as item from visits)
                where item.goal_meta_data.purchase is not null
            ), of_the_day as (
                select visit_id, order_id from told
                where kind <> '{_CUSTOMER}' and timestamp >= $day and timestamp < $day + 1
            )
            select * from told where visit_id in (select visit_id from of_the_day)
                or (timestamp < $day + 1 and order_id in (select order_id from of_the_day))
            """,
            {
                "visit_id": pl.String,
                "kind": pl.String,
                "timestamp": pl.Datetime("us", "UTC"),
                "order_id": pl.String,
                "total": pl.Float64,
                "customer_id": pl.String,
            },
            days_before=_LOOK_BACK_DAYS,
            days_after=REACH,
        ),
    ),
    files=(MEMBERSHIP,),
    has=has_table,
)


@dg.asset(**daily_report(REPORT, PARTITIONS))
def order_value_by_segment(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


def compute(day: date, frames: Frames, currency: str = CURRENCY) -> pl.DataFrame:
    """The rows of a day; `currency` is the site's."""
    told = frames[_VISITS]
    purchases = _in_segments(day, _named(_purchases(day, told), told), frames[MEMBERSHIP.name], currency)
    is_order = pl.col("is") == "orders"
    summed = purchases.group_by("segment", "currency").agg(
        *((pl.col("is") == name).sum().cast(pl.Int64).alias(name) for name in _COUNTED),
        customers_with_several_rows=_customers(pl.col("alike") > 1),
        customers=_customers(is_order),
        revenue=_sum(is_order),
        refunded=_sum(pl.col("is") == "refunds").abs(),
        value_without_order_id=_sum(pl.col("is") == "purchases_without_order_id"),
    )
    return summed.with_columns(
        average_order_value=ratio("revenue", "orders"),
        net_revenue=(pl.col("revenue") - pl.col("refunded")).round(_PLACES),
    ).sort("segment", "currency")


def _customers(of: pl.Expr) -> pl.Expr:
    return pl.col("customer_id").filter(of).drop_nulls().n_unique().cast(pl.Int64)


def _sum(of: pl.Expr) -> pl.Expr:
    return pl.col("total").filter(of).sum().round(_PLACES)


def _purchases(day: date, told: pl.DataFrame) -> pl.DataFrame:
    """The purchases of the day, each with the column that it `is` counted in."""
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    no_id, amount = pl.col("order_id").is_null(), pl.col("total")
    known = told.filter((pl.col("kind") != _CUSTOMER) & (pl.col("timestamp") < end)).drop("customer_id").unique()
    in_order = known.with_columns(
        _visit=pl.when(no_id).then("visit_id"), _amount=pl.when(no_id | (amount < 0)).then(amount)
    ).sort(amount.is_null(), "timestamp", pl.col("kind") == _GOAL, "visit_id", "order_id", "total")
    order = ("order_id", "_visit", "_amount")
    is_repeated = ~pl.struct(order).is_first_distinct()
    is_first_of_kind = pl.struct(*order, "kind").is_first_distinct()
    what = (
        pl.when(is_repeated & is_first_of_kind)
        .then(pl.lit("goal_duplicates"))
        .when(is_repeated)
        .then(pl.lit("duplicates"))
        .when(no_id)
        .then(pl.lit("purchases_without_order_id"))
        .when(amount.is_null())
        .then(pl.lit("orders_without_total"))
        .when(amount < 0)
        .then(pl.lit("refunds"))
        .otherwise(pl.lit("orders"))
    )
    return in_order.with_columns(what.alias("is")).filter(pl.col("timestamp") >= start)


def _named(purchases: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Purchases with the customer whom their visit named last before them, or first after."""
    customers = told.drop_nulls("customer_id").select("visit_id", "customer_id", named="timestamp")
    wait = pl.col("named") - pl.col("timestamp")
    candidates = purchases.with_row_index("_purchase").join(customers, on="visit_id", how="left")
    nearest = candidates.sort("_purchase", wait > timedelta(), wait.abs(), "customer_id")
    return nearest.unique("_purchase", keep="first", maintain_order=True)


def _in_segments(day: date, purchases: pl.DataFrame, membership: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Purchases with the segment and the currency that the membership file has for their customers on the day."""
    members = in_force(membership, day, "customer_id").select(
        "customer_id", "currency", "alike", segment=pl.col("segment").fill_null(NO_SEGMENT)
    )
    why_none = pl.when(pl.col("customer_id").is_null()).then(pl.lit(NO_CUSTOMER)).otherwise(pl.lit(NOT_A_MEMBER))
    return purchases.join(members, on="customer_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("segment", why_none), pl.col("currency").str.to_uppercase().fill_null(_code(currency))
    )


def _code(currency: str) -> str:
    """A currency as amounts are told apart by it: codes of three letters are written in capitals."""
    return currency.strip().upper() if len(currency.strip()) == _CODE else currency
