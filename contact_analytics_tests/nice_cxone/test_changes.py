"""Evaluations change after they were submitted: days that are asked for again follow them, and lose nothing."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contact_analytics.sandbox.nice_cxone_evaluations import Evaluation
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.truth import assert_true, held, ordered

NAME = "qm_workflows"
DAYS = [days_ago(back) for back in (6, 5, 4)]


def now() -> datetime:
    """A moment of the sandbox's that is over, of whole milliseconds as its files have them."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)


def unsubmitted(place: CxonePlace, day: date) -> Evaluation:
    return next(each for each in place.app.evaluations(day) if each.submitted is None)


def states(place: CxonePlace, **config: object) -> list[str]:
    """What becomes of the days, asked for once more."""
    run = place.materialize(NAME, DAYS[0], DAYS[-1], **config)
    assert run.ok, run.problem
    return [run.metadata(day)["state"] for day in DAYS]


def test_a_dispute_changes_its_day_and_no_other(place: CxonePlace) -> None:
    """The look-back asks for all of its days in one export, and loads those that changed."""
    assert states(place) == ["loaded"] * 3
    disputed = place.app.evaluations(DAYS[1])[0]
    place.app.update(disputed.id, now(), workflow_status="Dispute", user_review_comments='"Not me",\r\nshe said')
    assert states(place) == ["unchanged", "loaded", "unchanged"]
    assert len(place.app.submissions) == 2
    assert_true(place, NAME, *DAYS, at=place.app.submissions[-1]["at"])
    [row] = place.select(f"select * from nice_cxone.qm_workflows where workflow_id = '{disputed.id}'")
    assert (row["workflow_status"], row["user_review_comments"]) == ("Dispute", '"Not me",\r\nshe said')
    assert states(place) == ["unchanged"] * 3


@pytest.mark.parametrize("name", ["qm_workflows", "qm_questions"])
def test_what_is_submitted_moves_to_its_day(place: CxonePlace, name: str) -> None:
    """The old day is not held back for it, and afterwards each evaluation is in one day."""
    assert place.materialize(name, DAYS[0], DAYS[-1]).ok
    moving = unsubmitted(place, DAYS[0])
    key = "workflow_id" if name == "qm_workflows" else "workflow_instance_id"
    placed = f"select distinct partition_date as day from nice_cxone.{name} where {key} = '{moving.id}' order by day"
    assert [row["day"] for row in place.select(placed)] == [DAYS[0]]
    submitted = datetime.combine(DAYS[2], datetime.min.time(), UTC)
    place.app.update(moving.id, now(), submission_date=submitted, workflow_status="Sent to Agent")
    again = place.materialize(name, DAYS[0], DAYS[-1])
    assert again.ok, again.problem
    assert [row["day"] for row in place.select(placed)] == [DAYS[2]]


def test_the_view_shows_each_evaluation_once_in_its_newest_state(place: CxonePlace) -> None:
    """Where only the new day was asked for again, the old row stays in the table, and out of the view."""
    assert states(place) == ["loaded"] * 3
    moving = unsubmitted(place, DAYS[0])
    submitted = datetime.combine(DAYS[2], datetime.min.time(), UTC)
    place.app.update(moving.id, now(), submission_date=submitted, workflow_status="Sent to Agent")
    assert place.materialize(NAME, DAYS[2]).ok
    of_it = f"where workflow_id = '{moving.id}'"
    assert len(place.select(f"select * from nice_cxone.qm_workflows {of_it}")) == 2
    [latest] = place.select(f"select * from nice_cxone.qm_workflows_latest {of_it}")
    assert (latest["partition_date"], latest["workflow_status"]) == (DAYS[2], "Sent to Agent")
    ids = [row["workflow_id"] for row in place.select("select workflow_id from nice_cxone.qm_workflows_latest")]
    assert len(ids) == len({*ids}) == len({row["workflow_id"] for row in place.rows(NAME)})


def test_a_day_that_lost_an_evaluation_is_held_back_until_forced(open_place: OpenPlace) -> None:
    """A submitted evaluation is never taken back, so one that is missing is a question for a person."""
    place = open_place()
    assert place.materialize(NAME, DAYS[0]).ok
    before = ordered(held(place, NAME))
    gone = next(each for each in place.app.evaluations(DAYS[0]) if each.submitted)
    place.app.update(gone.id, now(), submission_date=datetime.combine(days_ago(30), datetime.min.time(), UTC))
    again = place.materialize(NAME, DAYS[0])
    assert not again.ok
    assert "DayHeldBack" in str(place.select("select problem_type from meta.extractions"))
    assert ordered(held(place, NAME)) == before
    assert not again.checks["reloads_never_shrink_a_day"].passed
    forced = place.materialize(NAME, DAYS[0], force=True)
    assert forced.ok, forced.problem
    assert_true(place, NAME, DAYS[0], at=place.app.submissions[-1]["at"])
    assert forced.checks["reloads_never_shrink_a_day"].passed


def test_ids_that_are_made_up_stay_the_same(place: CxonePlace) -> None:
    """Version 1 names no evaluation: one that changed is still the one it was."""
    assert states(place, version="1") == ["loaded"] * 3
    before = {row["workflow_id"] for row in place.rows(NAME)}
    place.app.update(place.app.evaluations(DAYS[1])[0].id, now(), workflow_status="Dispute", score=1.5)
    assert states(place, version="1") == ["unchanged", "loaded", "unchanged"]
    assert {row["workflow_id"] for row in place.rows(NAME)} == before


def test_the_version_is_the_launchs_then_the_settings_then_the_newest(open_place: OpenPlace) -> None:
    """A new version is configuration."""
    place = open_place()
    assert place.materialize(NAME, DAYS[0]).ok
    place.fields["versions"] = '{"qm-workflows": 3}'
    assert place.materialize(NAME, DAYS[0]).ok
    assert place.materialize(NAME, DAYS[0], version="4").ok
    assert [each["version"] for each in place.app.submissions] == ["4", "3", "4"]


@pytest.mark.parametrize("name", ["qm_workflows", "recording_interaction_metadata"])
def test_the_archive_rebuilds_the_table_without_a_request(place: CxonePlace, name: str) -> None:
    """Also for a table that is gone."""
    assert place.materialize(name, DAYS[0], DAYS[-1]).ok
    before = ordered(held(place, name))
    (place.folder / "warehouse.duckdb").unlink()
    again = place.materialize(name, DAYS[0], DAYS[-1], source="archive")
    assert again.ok, again.problem
    assert again.requests == []
    assert ordered(held(place, name)) == before
