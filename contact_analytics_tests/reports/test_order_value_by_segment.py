"""Order value by segment: each order once, on its day, with its customer's segment, by hand and a second time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.page import rendered
from contact_analytics.reports.order_value_by_segment import REPORT, compute
from contact_analytics.reports.order_value_by_segment_page import paint
from contact_analytics_tests.reports.places import ReadPage

DAY, NOW = date(2026, 3, 10), datetime(2026, 3, 11, 8, tzinfo=UTC)
[TOLD] = REPORT.inputs
[MEMBERSHIP] = REPORT.files
MEMBERS = [("C-1", "gold", None, None, None), ("C-2", "gold", "eur", None, None), ("C-3", None, None, None, None)]
OF_CUSTOMERS = {"customers", "customers_with_several_rows"}
COUNTS = [name for name, kind in REPORT.schema.create_empty().schema.items() if kind == pl.Int64]
AMOUNTS = ("revenue", "refunded", "net_revenue", "value_without_order_id")


def at(clock: str, days: int = 0) -> datetime:
    return datetime.combine(DAY + timedelta(days=days), time.fromisoformat(clock), UTC)


def told(
    visit: str,
    kind: str,
    moment: datetime,
    order: str | None = None,
    total: float | None = None,
    who: str | None = None,
) -> dict[str, Any]:
    """What a visit told of: a purchase, an achieved goal, or a customer."""
    names = ("visit_id", "kind", "timestamp", "order_id", "total", "customer_id")
    return dict(zip(names, (visit, kind, moment, order, total, who), strict=True))


def bought(
    visit: str, clock: str, order: str | None, total: float | None, who: str | None = "C-1", days: int = 0
) -> list[dict[str, Any]]:
    """A visit whose customer buys something."""
    named = [told(visit, "customer", at("00:01", days), who=who)] if who else []
    return [*named, told(visit, "purchase", at(clock, days), order, total)]


def rows_of(
    *visits: list[dict[str, Any]], members: list[tuple[Any, ...]] | None = None, day: date = DAY
) -> list[dict[str, Any]]:
    """What the report makes of visits."""
    frames = {
        TOLD.table: pl.DataFrame([each for visit in visits for each in visit], dict(TOLD.columns)),
        MEMBERSHIP.name: pl.DataFrame(MEMBERS if members is None else members, dict(MEMBERSHIP.columns), orient="row"),
    }
    rows = compute(day, frames, currency="USD")
    return REPORT.schema.validate(rows.select(REPORT.schema.column_names())).to_dicts()


def figures(row: dict[str, Any]) -> dict[str, Any]:
    """The figures of a row that are not zero."""
    return {name: value for name, value in row.items() if name not in {"segment", "currency"} and value}


def test_a_day_worked_out_by_hand() -> None:
    """Gold in dollars: 100 and 50.5, of which 20 come back: an average of 75.25. Gold in euros is a row of its own."""
    rows = rows_of(
        bought("A", "09:00", "O-1", 100.0),
        bought("B", "10:00", "O-2", 50.5),
        bought("C", "11:00", "O-1", -20.0),
        bought("D", "12:00", "O-3", 80.0, who="C-2"),
        bought("E", "12:00", "O-4", 70.0, who="C-3"),
        bought("F", "13:00", "O-5", 60.0, who="C-99"),
        bought("G", "14:00", "O-6", 0.0, who=None),
    )
    assert [(row["segment"], row["currency"]) for row in rows] == [
        ("gold", "EUR"),
        ("gold", "USD"),
        ("no customer id", "USD"),
        ("no segment", "USD"),
        ("not in the membership file", "USD"),
    ]
    euros, gold, nobody, no_segment, unknown = rows
    assert figures(euros) == {
        "customers": 1,
        "orders": 1,
        "revenue": 80.0,
        "average_order_value": 80.0,
        "net_revenue": 80.0,
    }
    assert figures(gold) == {
        "customers": 1,
        "orders": 2,
        "revenue": 150.5,
        "average_order_value": 75.25,
        "refunds": 1,
        "refunded": 20.0,
        "net_revenue": 130.5,
    }
    assert (nobody["orders"], nobody["customers"], nobody["average_order_value"]) == (1, 0, 0.0)
    assert (no_segment["revenue"], unknown["revenue"], unknown["customers"]) == (70.0, 60.0, 1)


def test_refunds_alone_have_no_average() -> None:
    """Two amounts given back of one order are two refunds, the same amount told of twice is one."""
    [row] = rows_of(
        bought("A", "09:00", "O-1", -20.0), bought("B", "10:00", "O-1", -30.0), bought("C", "11:00", "O-1", -20.0)
    )
    assert row["average_order_value"] is None
    assert figures(row) == {"refunds": 2, "refunded": 50.0, "net_revenue": -50.0, "duplicates": 1}


def test_an_order_counts_once_on_its_first_day() -> None:
    """Told of by a page that loads again, by the goal, by another visit, and on the next day: one order, of DAY."""
    visits = [
        bought("A", "23:58", "O-1", 100.0),
        [told("A", "goal", at("23:58:01"), "O-1", 100.0), told("A", "purchase", at("23:59"), "O-1", 100.0)],
        bought("B", "09:00", "O-1", 100.0, who="C-2", days=1),
        [told("A", "purchase", at("00:10", 1), "O-1", 100.0)],
    ]
    [row] = rows_of(*visits)
    assert figures(row) == {
        "customers": 1,
        "orders": 1,
        "revenue": 100.0,
        "average_order_value": 100.0,
        "net_revenue": 100.0,
        "duplicates": 1,
        "goal_duplicates": 1,
    }
    after = rows_of(*visits, day=DAY + timedelta(days=1))
    assert [(row["currency"], figures(row)) for row in after] == [
        ("EUR", {"duplicates": 1}),
        ("USD", {"duplicates": 1}),
    ]


def test_a_goal_that_comes_first_makes_no_duplicate_of_its_purchase() -> None:
    """The two of them are the ordinary case, whichever was noted first; an order of a goal alone is an order."""
    [row] = rows_of(
        [told("A", "goal", at("08:59"), "O-1", 100.0), *bought("A", "09:00", "O-1", 100.0)],
        [told("B", "goal", at("09:30"), "O-2", 50.0), told("B", "customer", at("09:00"), who="C-1")],
    )
    assert (row["orders"], row["revenue"], row["goal_duplicates"], row["duplicates"]) == (2, 150.0, 1, 0)


def test_the_same_session_in_two_files_is_no_duplicate() -> None:
    """Files repeat sessions; a purchase is what it is by its visit and its time."""
    visit = bought("A", "09:00", "O-1", 100.0)
    assert rows_of(visit, visit) == rows_of(visit)


def test_a_purchase_without_an_order_id_is_counted_apart() -> None:
    """Once for each amount of a visit, since its goal and its page may repeat it; it is in no average."""
    [row] = rows_of(
        bought("A", "09:00", "O-1", 100.0),
        bought("B", "10:00", None, 40.0),
        [told("B", "goal", at("10:00:01"), None, 40.0), told("B", "purchase", at("10:05"), None, 40.0)],
        bought("B", "11:00", None, 45.5, who=None),
        bought("C", "12:00", None, 40.0),
        bought("D", "12:00", None, None),
    )
    assert (row["orders"], row["average_order_value"]) == (1, 100.0)
    assert (row["purchases_without_order_id"], row["value_without_order_id"]) == (4, 40.0 + 45.5 + 40.0)
    assert (row["goal_duplicates"], row["duplicates"]) == (1, 1)


def test_an_order_without_a_total_is_counted_apart_unless_another_word_of_it_has_one() -> None:
    """The goal of the first has the total; of the second nobody told one."""
    [row] = rows_of(
        bought("A", "09:00", "O-1", None),
        [told("A", "goal", at("09:00:01"), "O-1", 100.0)],
        bought("B", "10:00", "O-2", None),
    )
    assert (row["orders"], row["revenue"], row["orders_without_total"], row["goal_duplicates"]) == (1, 100.0, 1, 1)


def test_the_customer_is_who_was_named_last_before_the_purchase() -> None:
    """Two people at one computer; who is named after the purchase alone counts as well."""
    rows = rows_of(
        [
            told("A", "customer", at("08:00"), who="C-9"),
            told("A", "customer", at("09:00"), who="C-2"),
            told("A", "customer", at("10:00:01"), who="C-1"),
            told("A", "purchase", at("10:00"), "O-1", 10.0),
        ],
        [
            told("B", "customer", at("12:00"), who="C-9"),
            told("B", "customer", at("11:00"), who="C-1"),
            told("B", "purchase", at("10:00"), "O-2", 20.0),
        ],
    )
    assert [(row["segment"], row["currency"], row["revenue"]) for row in rows] == [
        ("gold", "EUR", 10.0),
        ("gold", "USD", 20.0),
    ]


def test_the_segment_is_that_of_the_day() -> None:
    """First and last day included; of two that hold, the one that began last; ids are compared as they are spelt."""
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    members = [
        ("C-1", "bronze", None, None, before),
        ("C-1", "silver", None, DAY, DAY),
        ("C-1", "gold", None, after, None),
        ("C-2", "bronze", None, None, None),
        ("C-2", "platinum", None, before, None),
        ("C-3", "bronze", None, None, before),
    ]
    rows = rows_of(*(bought(who, "09:00", who, 1.0, who=who) for who in ("C-1", "C-2", "C-3", "c-1")), members=members)
    assert {row["segment"]: row["orders"] for row in rows} == {
        "silver": 1,
        "platinum": 1,
        "not in the membership file": 2,
    }


def test_rows_of_the_membership_file_that_hold_alike_are_counted() -> None:
    """The last one counts, for refunds too, and the page says of how many customers that is so."""
    members = [
        ("C-1", "gold", None, None, None),
        ("C-1", "silver", None, None, None),
        ("C-2", "gold", None, None, None),
    ]
    rows = rows_of(
        bought("A", "09:00", "O-1", 5.0),
        bought("B", "09:00", "O-2", -7.0),
        bought("C", "09:00", "O-3", 1.0, who="C-2"),
        bought("D", "09:00", "O-4", 1.0, who=None),
        members=members,
    )
    several = {row["segment"]: row["customers_with_several_rows"] for row in rows}
    assert several == {"gold": 0, "no customer id": 0, "silver": 1}
    frame = pl.DataFrame(rows, REPORT.schema.create_empty().schema)
    remarks = paint(frame, frame.with_columns(partition_date=pl.lit(DAY))).remarks
    assert "Customers of whom the membership file has several rows alike, of which the last counts: 1." in remarks


@pytest.mark.parametrize(("site", "written"), [("eur", "EUR"), (" EUR", "EUR"), ("site currency", "site currency")])
def test_a_currency_is_one_however_its_code_is_spelt(site: str, written: str) -> None:
    """The site's and a member's are not two of the same name."""
    frames = {
        TOLD.table: pl.DataFrame(bought("A", "09:00", "O-1", 5.0), dict(TOLD.columns)),
        MEMBERSHIP.name: pl.DataFrame(MEMBERS, dict(MEMBERSHIP.columns), orient="row"),
    }
    assert compute(DAY, frames, currency=site)["currency"].to_list() == [written]


def test_without_a_membership_file_nobody_is_a_member() -> None:
    """The orders are all there."""
    rows = rows_of(bought("A", "09:00", "O-1", 5.0), bought("B", "09:00", "O-2", 7.0, who=None), members=[])
    assert {row["segment"]: row["revenue"] for row in rows} == {
        "not in the membership file": 5.0,
        "no customer id": 7.0,
    }
    assert rows_of(members=[]) == []


# Any purchases --------------------------------------------------------------------------------------------------------

IDS, WHOS = st.sampled_from(["O-1", "O-2", "O-3", None]), st.sampled_from(["C-1", "C-2", "C-9", None])
TOTALS = st.sampled_from([None, -20.0, -0.1, 0.0, 0.1, 0.2, 0.3, 99.99])
MOMENTS = st.integers(-1500, 3000).map(lambda minute: at("00:00") + timedelta(minutes=minute))
ANY = st.builds(told, st.sampled_from("AB"), st.sampled_from(["purchase", "goal"]), MOMENTS, IDS, TOTALS) | st.builds(
    lambda visit, moment, who: told(visit, "customer", moment, who=who), st.sampled_from("AB"), MOMENTS, WHOS
)


@given(st.lists(ANY, max_size=14), st.randoms())
def test_every_purchase_is_in_one_column_of_one_row(visits: list[dict[str, Any]], chance: Any) -> None:
    """In whatever order they come; and over days each order is counted once."""
    shuffled = chance.sample(visits, len(visits))
    days = [DAY + timedelta(days=offset) for offset in range(-2, 3)]
    rows = {day: rows_of(visits, day=day) for day in days}
    assert rows[DAY] == rows_of(shuffled)
    records = {tuple(each.values())[:5] for each in visits if each["kind"] != "customer"}
    for day in days:
        told_of = [record for record in records if record[2].date() == day]
        assert sum(row[name] for row in rows[day] for name in COUNTS if name not in OF_CUSTOMERS) == len(told_of)
        for row in rows[day]:
            assert row["net_revenue"] == pytest.approx(row["revenue"] - row["refunded"])
            assert row["orders"] or row["average_order_value"] is None
    orders = {record[3] for record in records if record[3] and record[4] is not None and record[4] >= 0}
    assert sum(row["orders"] for day in days for row in rows[day]) == len(orders)
    refunds = {record[3:] for record in records if record[3] and record[4] is not None and record[4] < 0}
    assert sum(row["refunds"] for day in days for row in rows[day]) == len(refunds)


def test_names_are_text_wherever_they_stand() -> None:
    """A segment or a currency that is markup is shown as it is spelt, and an empty day is a page as well."""
    evil = "<SCRIPT>ALERT(1)</SCRIPT>"
    rows = pl.DataFrame(
        rows_of(bought("A", "09:00", "O-1", 5.0), members=[("C-1", evil, evil, None, None)]),
        REPORT.schema.create_empty().schema,
    )
    for each in (rows, rows.clear()):
        page = paint(each, each.with_columns(partition_date=pl.lit(DAY)))
        text = rendered(REPORT.title, DAY, page, grain=REPORT.grain, rules=REPORT.counted, sources=[], made_at=NOW)
        read = ReadPage(text)
        read.assert_needs_nothing()
        read.assert_can_be_heard()
        assert (evil in "".join(read.words)) == bool(each.height)
