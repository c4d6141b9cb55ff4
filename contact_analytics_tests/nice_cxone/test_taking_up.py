"""An export that was submitted by a run that died is taken up by the next one, if it still holds what is asked."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contact_analytics.lib.http import Tally
from contact_analytics.lib.tenant import Pace, Tenant
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import Clock, days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.processes import Launched, served
from contact_analytics_tests.nice_cxone.tampering import JOBS

NAME, DAY = "qm_workflows", days_ago(6)
ONE = timedelta(days=1)
URL = "https://na1.nice-incontact.com"


def looks(place: CxonePlace) -> int:
    """How often exports were looked at."""
    return sum(method == "GET" and path.startswith(f"{JOBS}/") for method, path in place.app.requests)


def test_a_run_that_is_killed_while_its_export_is_made_leaves_it_to_the_next(open_place: OpenPlace) -> None:
    """One submission in all: the same export is fetched, when the day is launched again."""
    place = open_place(export_seconds=3600)
    with served(place.app) as url:
        with Launched(place.folder, url, NAME, DAY, DAY) as run:
            run.kill_when(lambda: looks(place) > 2)
        [left] = place.app.submissions
        place.app.export_seconds = 0
        place.fields["url"] = url
        again = place.materialize(NAME, DAY)
        assert again.ok, again.problem
    assert place.app.submissions == [left]
    assert ("GET", f"{JOBS}/{left['id']}") in again.requests
    truth.assert_true(place, NAME, DAY, at=left["at"])
    assert place.stored(NAME, DAY).listed_at == pytest.approx(left["at"], abs=timedelta(seconds=5))
    assert place.app.violations == []
    assert known(place)["exports"] == []


def known(place: CxonePlace) -> Mapping[str, Any]:
    """What is known of the tenant."""
    [path] = (place.folder / "tenants").glob("nice_cxone-*.json")
    return json.loads(path.read_text())


def left_behind(
    place: CxonePlace, first: date, end: date, name: str = NAME, version: str = "4", ago: timedelta = timedelta()
) -> str:
    """An export that a run submitted, and noted, before it died."""
    request = {"entityName": truth.entity(name), "version": version, "startDate": str(first), "endDate": str(end)}
    with truth.connected(place, name) as api:
        job = api.create_job(request, Tally())
    tenant = Tenant(
        str(place.folder / "tenants"),
        "nice_cxone",
        f"{URL} {place.app.access_key_id}",
        Pace(1, 0),
        clock=(datetime.now(UTC) - ago).timestamp,
    )
    tenant.note(request, {"jobId": job})
    return job


RANGES = [
    # The export's days, those that are launched, and the exports that are submitted for the rest.
    ((DAY, DAY + ONE), (DAY, DAY), []),
    ((DAY - ONE, DAY + 2 * ONE), (DAY, DAY), []),
    ((DAY, DAY + ONE), (DAY, DAY + 2 * ONE), [(DAY + ONE, DAY + 3 * ONE)]),
    ((DAY - ONE, DAY + ONE), (DAY, DAY + ONE), [(DAY + ONE, DAY + 2 * ONE)]),
]


@pytest.mark.parametrize(("exported", "launched", "submitted"), RANGES)
def test_an_export_is_taken_up_for_the_days_that_it_holds(
    place: CxonePlace, exported: tuple[date, date], launched: tuple[date, date], submitted: list[tuple[date, date]]
) -> None:
    """Whatever range is launched; what it does not hold is submitted, and each day is exact."""
    job = left_behind(place, *exported)
    run = place.materialize(NAME, *launched)
    assert run.ok, run.problem
    assert ("GET", f"{JOBS}/{job}") in run.requests
    assert truth.submitted(place)[1:] == [(str(first), str(end)) for first, end in submitted]
    days = truth.days(launched[0], (launched[1] - launched[0]).days + 1)
    truth.assert_true(place, NAME, *days)
    assert {row["partition_date"] for row in place.rows(NAME)} == set(days)
    assert place.app.violations == []


OTHERS: list[dict[str, Any]] = [
    {"first": DAY, "end": DAY + ONE, "name": "qm_questions", "version": "1"},
    {"first": DAY, "end": DAY + ONE, "version": "3"},
    {"first": DAY - ONE, "end": DAY},
    {"first": DAY + ONE, "end": DAY + 3 * ONE},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: "-".join(map(str, other.values())))
def test_an_export_of_something_else_is_waited_for(open_place: OpenPlace, other: dict[str, Any]) -> None:
    """Of another entity, version or day: the vendor takes no second one before, and this one is not taken for it."""
    place = open_place(running_polls=4)
    job = left_behind(place, **other)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    asked = [(method, path) for method, path in run.requests if path.startswith(JOBS)]
    assert asked[:6] == [("GET", f"{JOBS}/{job}")] * 5 + [("POST", JOBS)]
    assert (place.app.violations, len(place.app.submissions)) == ([], 2)
    truth.assert_true(place, NAME, DAY)


def test_one_that_was_waited_for_is_still_taken_up_by_whom_it_is_for(place: CxonePlace) -> None:
    """It is done, and costs no second export."""
    left_behind(place, DAY, DAY + ONE, "qm_questions", "1")
    assert place.materialize(NAME, DAY).ok
    assert place.materialize("qm_questions", DAY).ok
    assert len(place.app.submissions) == 2
    truth.assert_true(place, "qm_questions", DAY)
    assert known(place)["exports"] == []


@pytest.mark.parametrize("kind", ["failed", "cancelled", "expired", "lost"])
@pytest.mark.parametrize("name", [NAME, "qm_questions"])
def test_one_that_ended_badly_is_neither_waited_for_nor_taken_up(open_place: OpenPlace, name: str, kind: str) -> None:
    """It is forgotten, and another one is submitted."""
    place = open_place(faults=[Fault(truth.entity(name), kind)], running_polls=0)
    left_behind(place, DAY, DAY + ONE, name, truth.newest(name))
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(place.app.submissions) == 2
    assert known(place)["exports"] == []
    truth.assert_true(place, NAME, DAY)


def test_a_stale_export_is_not_taken_up(open_place: OpenPlace) -> None:
    """What it holds is of hours ago: evaluations have changed since."""
    place = open_place(running_polls=0)
    left_behind(place, DAY, DAY + ONE, ago=timedelta(hours=3))
    changed = place.app.evaluations(DAY)[0]
    moment = datetime.now(UTC).replace(microsecond=0)
    place.app.update(changed.id, moment, workflow_status="Dispute")
    assert place.materialize(NAME, DAY).ok
    assert len(place.app.submissions) == 2
    truth.assert_true(place, NAME, DAY, at=place.app.submissions[1]["at"])
    assert known(place)["exports"] == []


def test_an_export_that_a_refetch_asks_for_is_a_new_one(place: CxonePlace) -> None:
    """Whoever wants a day again wants it as it is now."""
    left_behind(place, DAY, DAY + ONE)
    assert place.materialize(NAME, DAY, refetch=True).ok
    assert len(place.app.submissions) == 2


def test_an_export_that_outlived_its_deadline_is_looked_at_once_more(open_place: OpenPlace) -> None:
    """If it has ended by then it is taken; one that hangs still is given up."""
    clock = Clock()
    place = open_place({"deadline_minutes": 1 / 60, "poll_seconds": 0.02}, now=clock, export_seconds=600)
    assert "has not ended in" in place.materialize(NAME, DAY).problem
    clock.ahead = timedelta(minutes=11)
    again = place.materialize(NAME, DAY)
    assert again.ok, again.problem
    assert len(place.app.submissions) == 1
    truth.assert_true(place, NAME, DAY)


def test_nothing_of_a_killed_run_is_taken_for_a_day(place: CxonePlace) -> None:
    """A submission alone is no materialization, and the archive has nothing of the day."""
    left_behind(place, DAY, DAY + ONE)
    rebuilt = place.materialize(NAME, DAY, source="archive")
    assert "the archive does not hold this day" in rebuilt.problem
    assert rebuilt.requests == []
