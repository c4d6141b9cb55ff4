"""What moves an evaluation, or gives it another id, is either followed or held back: never two rows and never none."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import Tampered

NAME = "qm_workflows"
DAYS = [days_ago(back) for back in (6, 5, 4)]
DAY = DAYS[0]


def test_an_evaluation_that_is_submitted_once_more_moves_in_two_runs(place: CxonePlace) -> None:
    """Its old day comes first and is held back, as nothing has it then; the next run finds it on the new one."""
    assert place.materialize(NAME, DAYS[0], DAYS[2]).ok
    moving = next(each for each in place.app.evaluations(DAYS[0]) if each.submitted)
    now = datetime.now(UTC).replace(microsecond=0)
    place.app.update(moving.id, now, submission_date=truth.start_of(DAYS[2]) + timedelta(hours=3))
    first = place.materialize(NAME, DAYS[0], DAYS[2])
    assert f"{DAYS[0]}: held back, 1 of the stored rows would be gone" in first.problem
    assert truth.states(first) == {DAYS[1]: "unchanged", DAYS[2]: "loaded"}
    assert not first.checks["reloads_never_shrink_a_day"].passed
    seen = f"select partition_date as day from nice_cxone.qm_workflows_latest where workflow_id = '{moving.id}'"
    assert place.select(seen) == [{"day": DAYS[2]}]
    second = place.materialize(NAME, DAYS[0], DAYS[2])
    assert second.ok, second.problem
    assert second.checks["reloads_never_shrink_a_day"].passed
    truth.assert_true(place, NAME, *DAYS, at=place.app.submissions[-1]["at"])


def test_a_version_with_other_ids_takes_a_stored_days_place_by_force_alone(place: CxonePlace) -> None:
    """Version 1 has none of its own, so all of the day's rows seem to be others."""
    day = DAYS[0]
    assert place.materialize(NAME, day, version="1").ok
    held_back = place.materialize(NAME, day)
    assert "of the stored rows would be gone" in held_back.problem
    truth.assert_true(place, NAME, day, version="1")
    forced = place.materialize(NAME, day, force=True)
    assert forced.ok, forced.problem
    truth.assert_true(place, NAME, day)


def test_a_version_with_a_dot_is_a_version(open_place: OpenPlace) -> None:
    """What comes of it is found in the archive again: a day must not be empty for its name."""

    def rewritten(request: httpx.Request) -> httpx.Request:
        body: Any = json.loads(request.read() or b"{}")
        if request.url.path.startswith("/data-extraction") and body.get("version") == "4.1":
            headers = {"authorization": request.headers["authorization"]}
            return httpx.Request(request.method, request.url, headers=headers, json=body | {"version": "4"})
        return request

    class Dotted(Tampered):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            return super().__call__(rewritten(request))

    place = open_place()
    place.app = Dotted()
    run = place.materialize(NAME, DAY, version="4.1")
    assert run.ok, run.problem
    truth.assert_true(place, NAME, DAY)
    [source] = {row["_source_file"] for row in place.rows(NAME)}
    assert source.endswith("_v4.1.csv")
    assert place.materialize(NAME, DAY, source="archive", force=True).ok
    truth.assert_true(place, NAME, DAY)
