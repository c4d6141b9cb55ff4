"""Conversations open at the day's end are told as they were then, and never take a later state's place."""

from typing import Any

import pytest

from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.khoros_care.altered import DAY, NEXT
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held


def newest(place: KhorosPlace, *kinds: str) -> dict[str, Any]:
    """By id, the row of the first of some exports that has it."""
    rows = [row for kind in reversed(kinds) for row in place.sent("conversation", DAY, kind=kind)]
    return {row["CONVERSATION_ID"]: row for row in rows}


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_the_state_at_the_days_end_is_not_the_latest(open_care: Open, seed: int) -> None:
    """The three exports are submitted at once, in any order: what was created or closed tells of now, always."""
    place = open_care(seed=seed, scale=0.2)
    snapshot, now = newest(place, "OPEN_AT_END"), newest(place, "CREATED", "CLOSED")
    assert any(row["STATUS"] != now[id]["STATUS"] for id, row in snapshot.items() if id in now)
    run = place.materialize("conversation", DAY, open_at_end=True)
    assert run.ok, run.problem
    assert held(place, "conversation", DAY) == expected("conversation", (snapshot | now).values())
    assert place.materialize("conversation", DAY, open_at_end=True).metadata(DAY)["state"] == "unchanged"


def test_a_later_snapshot_does_not_take_back_an_earlier_answer(open_care: Open) -> None:
    """Also one that was asked for by a later run: it is of the same day's end."""
    place = open_care(scale=0.2)
    assert place.materialize("conversation", DAY).ok
    before = {row["conversation_id"]: row["status"] for row in place.rows("conversation", DAY)}
    assert place.materialize("conversation", DAY, open_at_end=True).ok
    after = {row["conversation_id"]: row["status"] for row in place.rows("conversation", DAY)}
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_the_view_of_latest_states_is_of_the_latest(open_care: Open) -> None:
    """A conversation that a day was asked for after its close is closed in the view, whatever other days say of it."""
    place = open_care(scale=0.2)
    assert place.materialize("conversation", DAY, NEXT, open_at_end=True).ok
    latest = {row["conversation_id"]: row["status"] for row in place.select("from khoros_care.conversation_latest")}
    several = place.select(
        "select conversation_id from khoros_care.conversation group by all having count(distinct status) > 1"
    )
    assert several
    assert {latest[row["conversation_id"]] for row in several} == {"CLOSED"}
    rows = place.select("select count(distinct conversation_id) as n from khoros_care.conversation")
    assert rows == [{"n": len(latest)}]


def test_a_snapshot_is_the_latest_where_it_is_all_there_is(open_care: Open) -> None:
    """Of two days' ends, the second one's."""
    place = open_care(scale=0.6)
    assert place.materialize("conversation", DAY, NEXT, open_at_end=True).ok
    still = {
        row["CONVERSATION_ID"]: row
        for day in (DAY, NEXT)
        for row in place.sent("conversation", day, kind="OPEN_AT_END")
    }
    told = {
        row["CONVERSATION_ID"]
        for day in (DAY, NEXT)
        for kind in ("CREATED", "CLOSED")
        for row in place.sent("conversation", day, kind=kind)
    }
    alone = still.keys() - told
    assert alone
    latest = {row["conversation_id"]: row for row in place.select("from khoros_care.conversation_latest")}
    assert {id: latest[id]["status"] for id in alone} == {id: still[id]["STATUS"] for id in alone}
    assert all(latest[id]["response_count"] == still[id]["RESPONSE_COUNT"] for id in alone)
