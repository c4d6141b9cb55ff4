"""The retention clock tells of each day what became of it, and how long the vendor still has it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import dataframely as dy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.extractions import Extraction
from contact_analytics.lib.retention import Day, clock, endangered, stretches
from contact_analytics.lib.schema import field, instant
from contact_analytics_tests.fakes import dataset_of


class Orders(dy.Schema):
    """One row an order."""

    id = field(dy.Int64, "Order", key=True)
    placed_at = instant("When it was placed")


# Kept for 30 days, promised 6 hours after a day's end.
DATASET = dataset_of("orders", Orders)
NOW = datetime(2026, 3, 31, 5, tzinfo=UTC)
LOADED = Extraction("loaded", rows=3, listed_at=NOW)


def day(back: int) -> date:
    return NOW.date() - timedelta(days=back)


def days(
    known: dict[date, Extraction] | None = None,
    archived: tuple[date, ...] = (),
    shown: tuple[date, ...] = (),
    now: datetime = NOW,
    **facts: object,
) -> dict[date, Day]:
    dataset = replace(DATASET, **facts)  # type: ignore[arg-type]
    return {each.day: each for each in clock(dataset, known or {}, archived, date(2026, 1, 1), now, shown)}


def test_what_the_vendor_has_is_on_the_clock() -> None:
    """From the oldest day that is not deleted whole up to yesterday; what was deleted before all beginnings is not."""
    found = days()
    assert list(found) == [day(back) for back in range(30, 0, -1)]
    assert {each.state for each in found.values()} == {"missing", "not due"}


def test_a_day_is_lost_from_when_anything_was_begun() -> None:
    """Once a day is stored, every later one that the vendor deletes unstored is a loss that stays in sight."""
    asked_in_vain = Extraction("expired", problem="past the vendor's retention")
    in_time = replace(LOADED, listed_at=NOW - timedelta(days=33))
    found = days({day(50): asked_in_vain, day(40): in_time, day(35): in_time}, archived=(day(38),))
    assert min(found) == day(40)
    assert found[day(40)].state == "stored"
    assert found[day(38)].state == "archived"
    assert [back for back in range(40, 0, -1) if found[day(back)].state == "lost"] == [39, 37, 36, 34, 33, 32, 31]
    assert not any(found[day(back)].is_at_risk for back in range(31, 41))


def test_a_day_that_was_tried_in_vain_is_lost_and_not_forgotten() -> None:
    """Also where nothing was ever stored: every day of three months has failed."""
    failed = Extraction("failed", problem="the vendor was down")
    found = days({day(back): failed for back in range(1, 91)})
    assert min(found) == max(day(90), date(2026, 1, 1))
    assert [found[day(back)].state for back in (60, 31)] == ["lost", "lost"]
    assert [found[day(back)].state for back in (30, 2)] == ["failed", "failed"]


def test_the_clock_forgets_no_day_that_was_on_it() -> None:
    """A company that begins today sees thirty days in danger; those that it lets go are lost, and stay in sight."""
    begun = {day(back): LOADED for back in range(2, 6)}
    shown = tuple(days(begun))
    later = NOW + timedelta(days=40)
    found = days(begun, shown=shown, now=later)
    assert [found[each].state for each in shown] == [*["lost"] * 25, *["stored"] * 4, "lost"]
    assert min(days(begun, now=later)) == day(5)


GONE_IN_PART = DATASET.start(day(10)) + timedelta(days=30, hours=20)
HOURS = tuple(DATASET.start(day(10)) + timedelta(hours=hour) for hour in range(24))


@pytest.mark.parametrize(
    ("listed_at", "scopes", "now", "state"),
    [
        (GONE_IN_PART, HOURS[20:], GONE_IN_PART, "stored in part"),
        (GONE_IN_PART, (), GONE_IN_PART, "stored in part"),
        (GONE_IN_PART, HOURS, GONE_IN_PART, "stored"),
        (HOURS[0] + timedelta(days=29), HOURS[20:], GONE_IN_PART, "stored"),
        (HOURS[0] + timedelta(hours=25), HOURS, GONE_IN_PART, "stored early"),
        (HOURS[0] + timedelta(hours=25), HOURS, GONE_IN_PART + timedelta(hours=4), "stored in part"),
    ],
)
def test_what_was_asked_for_too_late_or_too_early_is_stored_in_part(
    listed_at: datetime, scopes: tuple[datetime, ...], now: datetime, state: str
) -> None:
    """Deleted hours cannot be told from quiet ones; what was early is at risk while the vendor has the day."""
    stored = Extraction("loaded" if scopes else "empty", scopes=scopes, listed_at=listed_at)
    found = days({day(10): stored}, now=now)[day(10)]
    assert (found.state, found.is_at_risk) == (state, state == "stored early")


@pytest.mark.parametrize(
    ("stored", "state", "is_at_risk"),
    [
        (LOADED, "stored", False),
        (replace(LOADED, state="empty"), "stored", False),
        (replace(LOADED, listed_at=None), "stored", False),
        (replace(LOADED, listed_at=DATASET.end(day(5)) + timedelta(hours=5)), "stored early", True),
        (Extraction("failed", problem="the vendor was down"), "failed", True),
        (None, "missing", True),
    ],
)
def test_a_day_has_a_state(stored: Extraction | None, state: str, is_at_risk: bool) -> None:
    """What was asked for before the vendor was due may lack late files, and can still be asked for again."""
    found = days({day(5): stored} if stored else {})[day(5)]
    assert (found.state, found.is_at_risk) == (state, is_at_risk)
    assert found.problem == (stored.problem if stored else None)


def test_yesterday_is_not_due_while_the_vendor_has_hours_left() -> None:
    """Stored early it is no more of a risk than missing: the vendor is not late."""
    assert days()[day(1)].state == "not due"
    early = replace(LOADED, listed_at=DATASET.end(day(1)) + timedelta(hours=1))
    assert days({day(1): early})[day(1)].state == "stored"


def test_the_time_left_ends_when_the_deletion_begins() -> None:
    """The first of a day's files goes when it is as old as the retention; the whole day a day later."""
    found = days()
    assert found[day(29)].deleted_from == datetime(2026, 4, 1, tzinfo=UTC)
    assert found[day(29)].days_left == pytest.approx(19 / 24, abs=0.001)
    assert found[day(30)].days_left == pytest.approx(-5 / 24, abs=0.001)


def test_the_most_endangered_come_first() -> None:
    """Those at risk within a time, across tables, the first to be deleted first."""
    slow = replace(DATASET, name="visits", retention=timedelta(days=28))
    found = [*days({day(29): LOADED}).values(), *clock(slow, {}, (), date(2026, 1, 1), NOW)]
    order = [(each.dataset.name, each.day) for each in endangered(found, 2)]
    assert order == [
        ("orders", day(30)),
        ("visits", day(28)),
        ("visits", day(27)),
        ("orders", day(28)),
        ("visits", day(26)),
    ]


def test_a_vendor_without_a_retention_endangers_nothing() -> None:
    """Its missing days are named, and may be had for as long as the vendor cares to keep them."""
    found = days(retention=None)
    assert len(found) == 30
    assert all(each.deleted_from is None and not each.is_at_risk for each in found.values())
    assert not endangered(found.values(), 10_000)


@given(st.sets(st.integers(0, 60)), st.integers(1, 9))
def test_ranges_hold_every_day_once(backs: set[int], longest: int) -> None:
    """In order, without a gap inside, none longer than allowed, none that could be joined with the next."""
    wanted = sorted(map(day, backs))
    found = stretches(wanted, longest)
    held = [first + timedelta(days=n) for first, last in found for n in range((last - first).days + 1)]
    assert held == wanted
    assert all((last - first).days < longest for first, last in found)
    for (first, last), (following, _) in pairwise(found):
        assert following != last + timedelta(days=1) or (last - first).days == longest - 1
