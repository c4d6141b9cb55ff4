"""The tenant's limits are kept by all runs together: one export at a time, and a while between two."""

import threading
from datetime import timedelta
from itertools import pairwise
from time import monotonic

import pytest

from contact_analytics.lib.tenant import Pace, Tenant
from contact_analytics.sandbox.serve import CALL_INTERVAL_SECONDS
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.processes import PATIENCE, Launched, served, until

NAME, DAY = "qm_workflows", days_ago(6)


def spacing(place: CxonePlace) -> float:
    """The shortest time between two exports, in seconds."""
    at = [each["at"] for each in place.app.submissions]
    return min((after - before).total_seconds() for before, after in pairwise(at))


def test_two_processes_at_one_tenant_take_turns(open_place: OpenPlace) -> None:
    """Neither breaks a limit of the vendor's, none waits for ever, and each of their days is exact."""
    place = open_place(scale=0.02, interval=0.9 * CALL_INTERVAL_SECONDS, running_polls=10)
    days = truth.days(days_ago(20), 15)
    other_name = "recording_interaction_metadata"
    with (
        served(place.app) as url,
        Launched(place.folder, url, NAME, days[0], days[-1]) as one,
        Launched(place.folder, url, other_name, days[0], days[0]) as other,
    ):
        one.succeeds()
        other.succeeds()
    assert place.app.violations == []
    assert sorted(each["entityName"] for each in place.app.submissions) == [
        "qm-workflows",
        "qm-workflows",
        "recording-interaction-metadata",
    ]
    assert spacing(place) >= 0.9 * CALL_INTERVAL_SECONDS
    truth.assert_true(place, NAME, *days)
    truth.assert_true(place, other_name, days[0])


def test_the_exports_of_one_run_are_a_while_apart(open_place: OpenPlace) -> None:
    """Retries of a submission included: each waits for the tenant's turn."""
    place = open_place({"days_an_export": 1, "call_interval_seconds": 0.4}, interval=0.2, scale=0.05)
    run = place.materialize(NAME, DAY, DAY + timedelta(days=2))
    assert run.ok, run.problem
    assert (len(place.app.submissions), place.app.violations) == (3, [])
    assert spacing(place) >= 0.19


def test_tables_of_one_tenant_wait_for_each_other_and_other_tenants_do_not(open_place: OpenPlace) -> None:
    """The time of the last export is noted for the next run, whatever it asks for; another key is another tenant."""
    place = open_place({"call_interval_seconds": 0.6}, interval=0.55)
    assert place.materialize(NAME, DAY).ok
    assert place.materialize("qm_questions", DAY).ok
    assert place.app.violations == []
    assert spacing(place) >= 0.55
    other = open_place({"call_interval_seconds": 600}, interval=600, access_key_id="OTHERKEYID====")
    started = monotonic()
    assert other.materialize("recording_interaction_metadata", DAY).ok
    assert monotonic() - started < 300
    assert len(list((place.folder / "tenants").glob("nice_cxone-*.json"))) == 2


def held(place: CxonePlace, release: threading.Event) -> threading.Thread:
    """Another run's export of the tenant, until it is released."""
    name = f"https://na1.nice-incontact.com {place.app.access_key_id}"
    tenant = Tenant(str(place.folder / "tenants"), "nice_cxone", name, Pace(1, 0))
    taken = threading.Event()

    def hold() -> None:
        with tenant.alone(1):
            taken.set()
            release.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    until(taken.is_set, lambda: "the tenant was not to be had")
    return thread


def test_a_tenant_that_another_run_does_not_let_go_is_a_red_day(open_place: OpenPlace) -> None:
    """Nothing was asked but a token at most, and the error says what is the matter."""
    place = open_place({"deadline_minutes": 0.1 / 60})
    release = threading.Event()
    other = held(place, release)
    run = place.materialize(NAME, DAY)
    release.set()
    other.join()
    assert not run.ok
    assert "another process has been at an export of this tenant" in run.problem
    assert place.stored(NAME, DAY).problem_type == "TenantBusy"
    assert place.app.submissions == []
    assert place.materialize(NAME, DAY).ok


def test_a_run_that_waits_gets_its_turn(open_place: OpenPlace) -> None:
    """As soon as the other one has let go."""
    place = open_place()
    release = threading.Event()
    other = held(place, release)
    threading.Timer(0.3, release.set).start()
    run = place.materialize(NAME, DAY)
    other.join()
    assert run.ok, run.problem
    truth.assert_true(place, NAME, DAY)


@pytest.mark.parametrize("kind", ["damaged", "a folder"])
def test_what_is_known_of_the_tenant_is_said_to_be_damaged(open_place: OpenPlace, kind: str) -> None:
    """With what to do, before anything is submitted: a limit that is not known is not broken."""
    place = open_place()
    assert place.materialize(NAME, DAY).ok
    [path] = (place.folder / "tenants").glob("nice_cxone-*.json")
    path.unlink()
    if kind == "damaged":
        path.write_text('{"calls": [')
    else:
        path.mkdir()
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert len(place.app.submissions) == 1
    assert "tenants" in run.problem
    assert "defect" not in run.problem
