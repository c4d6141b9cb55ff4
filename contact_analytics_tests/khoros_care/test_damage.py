"""A file that is damaged on its way never costs a row without a word."""

import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held

DAY = days_ago(9)
NAME = "response"
FILE = "/response/"
KINDS = [
    "dead_link",
    "dead_link_200",
    "web_page",
    "cut_file",
    "dropped_file",
    "cut_text",
    "no_bytes",
    "no_content",
]


def assert_true(place: KhorosPlace, name: str = NAME) -> None:
    assert held(place, name, DAY) == expected(name, place.sent(name, DAY)) != []


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_fetched_again(open_care: Open, kind: str, form: str) -> None:
    """From the same export; then the day is right."""
    place = open_care(scale=0.1)
    place.app.faults.append(Fault(FILE, kind))
    run = place.materialize(NAME, DAY, report_format=form)
    assert run.ok, run.problem
    assert_true(place)
    assert len(place.app.submissions) == 1


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_stays_damaged_fails_the_day(open_care: Open, kind: str, form: str) -> None:
    """No part of it is loaded or archived."""
    place = open_care(scale=0.1)
    place.app.faults.append(Fault(FILE, kind, times=999))
    run = place.materialize(NAME, DAY, report_format=form)
    assert not run.ok
    assert place.rows(NAME, DAY) == []
    assert place.stored(NAME, DAY).state == "failed"
    assert place.archived(NAME, DAY).files() == []


@pytest.mark.parametrize("kind", ["dead_link", "cut_text", "no_bytes"])
def test_a_stored_day_outlives_damage(open_care: Open, kind: str) -> None:
    """A file that stays damaged takes nothing back, and the next run gets it."""
    place = open_care(scale=0.1)
    assert place.materialize(NAME, DAY).ok
    place.app.faults.append(Fault(FILE, kind, times=999))
    assert not place.materialize(NAME, DAY, refetch=True).ok
    assert_true(place)
    assert place.stored(NAME, DAY).state == "loaded"
    place.app.faults.clear()
    assert place.materialize(NAME, DAY, refetch=True).ok
    assert_true(place)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_text_that_is_not_utf8_costs_its_row_alone(open_care: Open, form: str) -> None:
    """The row is set aside with the reason, every other is loaded."""
    place = open_care(scale=0.1)
    place.app.faults.append(Fault(FILE, "not_utf8"))
    run = place.materialize(NAME, DAY, report_format=form)
    assert run.ok, run.problem
    sent = expected(NAME, place.sent(NAME, DAY))
    stored = held(place, NAME, DAY)
    assert place.stored(NAME, DAY).quarantined == 1
    assert len(stored) == len(sent) - 1
    assert all(row in sent for row in stored)
    [aside] = place.select("select * from meta.quarantine")
    assert "not UTF-8" in aside["reason"]
    assert not run.checks["nothing_is_quarantined"].passed


def test_a_ragged_record_is_set_aside(open_care: Open) -> None:
    """A CSV record with more fields than the header is not shifted into other columns."""
    place = open_care(scale=0.1)
    place.app.faults.append(Fault(FILE, "ragged"))
    run = place.materialize(NAME, DAY, report_format="csv")
    assert run.ok, run.problem
    sent = place.sent(NAME, DAY)
    assert held(place, NAME, DAY) == expected(NAME, sent[1:])
    assert place.stored(NAME, DAY).quarantined == 1


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_order_of_columns_does_not_matter(open_care: Open, form: str) -> None:
    """Columns are found by their names, and a row is the same row."""
    place = open_care(scale=0.1)
    assert place.materialize(NAME, DAY, report_format=form).ok
    ids = {row["row_id"] for row in place.rows(NAME, DAY)}
    place.app.faults.append(Fault(FILE, "reordered"))
    run = place.materialize(NAME, DAY, report_format=form)
    assert run.ok, run.problem
    assert_true(place)
    assert {row["row_id"] for row in place.rows(NAME, DAY)} == ids


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_day_of_conversations_is_not_loaded_by_halves(open_care: Open, form: str) -> None:
    """If one of its two exports fails, the day fails; what has come is not asked for again as long as it serves."""
    place = open_care(scale=0.1)
    place.app.faults.append(Fault("/CLOSED-", "dead_link", times=999))
    run = place.materialize("conversation", DAY, report_format=form)
    assert not run.ok
    assert place.rows("conversation", DAY) == []
    assert place.stored("conversation", DAY).state == "failed"
