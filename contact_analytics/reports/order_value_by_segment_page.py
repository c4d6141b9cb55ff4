"""The page of order value by segment."""

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Page, decimal, listing, percent
from contact_analytics.lib.report import ratio

NO_CUSTOMER, NOT_A_MEMBER, NO_SEGMENT = "no customer id", "not in the membership file", "no segment"
_UNKNOWN = (NO_CUSTOMER, NOT_A_MEMBER)
_AMOUNTS = {"average_order_value": 2, "revenue": 2, "refunded": 2, "net_revenue": 2}
# As many lines as can be told apart.
_MOST_LINES = 8


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    """The page of a day. Averages of different currencies cannot be compared, so plots show the most used one."""
    main = _most_used(month)
    in_main, of_month = rows.filter(pl.col("currency") == main), month.filter(pl.col("currency") == main)
    total = _summed(in_main, "currency")
    orders = _sum(rows, "orders")
    of_members = _sum(rows.filter(~pl.col("segment").is_in(_UNKNOWN)), "orders")
    unit = f", {main}" if main else ""
    return Page(
        headline={
            "Orders": f"{orders:,}",
            f"Average order value{unit}": decimal(total["average_order_value"].item() if total.height else None),
            f"Revenue{unit}": decimal(float(in_main["revenue"].sum())),
            "Refunds": f"{_sum(rows, 'refunds'):,}",
            "Orders by members": percent(of_members / orders if orders else None),
        },
        figures=[
            figures.bars(
                f"Average order value by segment{unit}",
                _ranked(in_main, main).drop_nulls("average_order_value"),
                category="segment",
                value="average_order_value",
                table="By segment and currency",
                said=decimal,
                titles={"average_order_value": f"average order value{unit}"},
            ),
            figures.lines(
                f"Average order value over thirty days{unit}",
                of_month.filter(pl.col("segment").is_in(_largest(of_month))).drop_nulls("average_order_value"),
                day="partition_date",
                value="average_order_value",
                colour="segment",
                order=_largest(of_month),
                said=decimal,
                titles={"average_order_value": f"average order value{unit}"},
            ),
        ],
        listings=[
            listing(
                "By segment and currency",
                _ranked(rows, main).select(
                    "segment",
                    "currency",
                    "customers",
                    "orders",
                    "average_order_value",
                    "revenue",
                    "refunds",
                    "refunded",
                    "net_revenue",
                ),
                decimals=_AMOUNTS,
            ),
            listing(
                "Thirty days by segment and currency",
                _ranked(_summed(month, "segment", "currency"), main).select(
                    "segment",
                    "currency",
                    "orders",
                    "average_order_value",
                    "revenue",
                    "refunds",
                    "refunded",
                    "net_revenue",
                ),
                decimals=_AMOUNTS,
            ),
            listing(
                "Counted apart",
                _ranked(rows, main).select(
                    "segment",
                    "currency",
                    "duplicates",
                    "goal_duplicates",
                    "purchases_without_order_id",
                    "value_without_order_id",
                    "orders_without_total",
                ),
                decimals={"value_without_order_id": 2},
                titles={"goal_duplicates": "told of by a goal as well"},
            ),
        ],
        remarks=_remarks(rows, main),
    )


def _sum(rows: pl.DataFrame, count: str) -> int:
    return int(rows[count].sum())


def _most_used(month: pl.DataFrame) -> str:
    """The currency of most orders; empty if there are none."""
    used = month.group_by("currency").agg(pl.col("orders").sum()).sort("orders", "currency", descending=[True, False])
    return used["currency"][0] if used.height else ""


def _largest(month: pl.DataFrame) -> list[str]:
    """The segments with most orders, in the order of their names."""
    sized = month.group_by("segment").agg(pl.col("orders").sum()).sort("orders", "segment", descending=[True, False])
    return sorted(sized["segment"].head(_MOST_LINES).to_list())


def _summed(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Days or segments added up: averages of all orders, not of averages."""
    amounts = ("orders", "revenue", "refunds", "refunded", "net_revenue")
    summed = rows.group_by(by, maintain_order=True).agg(pl.col(amounts).sum())
    return summed.with_columns(average_order_value=ratio("revenue", "orders"))


def _ranked(rows: pl.DataFrame, main: str) -> pl.DataFrame:
    """The most used currency first; in it segments by their average, the highest first, then orders of nobody known."""
    return rows.sort(
        pl.col("currency") != main,
        "currency",
        pl.col("segment").is_in(_UNKNOWN),
        -pl.col("average_order_value"),
        "segment",
        nulls_last=True,
    )


def _remarks(rows: pl.DataFrame, main: str) -> list[str]:
    said = list[str]()
    currencies = rows["currency"].unique().sort().to_list()
    if len(currencies) > 1:
        said.append(f"Currencies: {', '.join(currencies)}. Plots and figures above show {main}, the tables all.")
    for segment, whose in ((NO_CUSTOMER, "visits that named no customer"), (NOT_A_MEMBER, f"customers {NOT_A_MEMBER}")):
        if orders := _sum(rows.filter(pl.col("segment") == segment), "orders"):
            said.append(f"Orders of {whose}: {orders:,}.")
    if several := _sum(rows, "customers_with_several_rows"):
        said.append(
            f"Customers of whom the membership file has several rows alike, of which the last counts: {several:,}."
        )
    if without := _sum(rows, "purchases_without_order_id") + _sum(rows, "orders_without_total"):
        said.append(f"Purchases that lack an order id or a total and are in no average: {without:,}.")
    return said
