"""A run that Dagster's own storage failed is begun anew; one that failed by itself is not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy.exc
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG, WILL_RETRY_TAG

from contact_analytics.lib.day_range import range_tags
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import YESTERDAY, Materialized, Place, days_ago, deployed_instance, impatient


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Place]:
    """A place whose runs are retried as on many machines."""
    with deployed_instance(tmp_path / "dagster", "celery/dagster.yaml", "run_retries") as instance:
        yield Place(tmp_path, instance)


def away(monkeypatch: pytest.MonkeyPatch, place: Place, times: int, at: Callable[[dg.EventLogEntry], bool]) -> None:
    """Let the storage be away from an event on, for as many of them."""
    storage, lost = place.instance.event_log_storage, list[dg.EventLogEntry]()
    store = storage.store_event

    def store_event(event: dg.EventLogEntry) -> None:
        if (lost or at(event)) and len(lost) < times:
            lost.append(event)
            raise sqlalchemy.exc.OperationalError("INSERT", {}, OSError("server closed the connection unexpectedly"))
        store(event)

    monkeypatch.setattr(storage, "store_event", store_event)


def is_of_a_stored_day(event: dg.EventLogEntry) -> bool:
    return bool(event.dagster_event and event.dagster_event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION)


def is_progress(event: dg.EventLogEntry) -> bool:
    return event.dagster_event is None and "day 1 of 1" in event.user_message


def tags(place: Place, run: Materialized) -> dict[str, str]:
    found = place.instance.get_run_by_id(run.result.run_id)
    assert found
    return dict(found.tags)


def kinds(run: Materialized) -> set[dg.DagsterEventType]:
    return {event.event_type for event in run.result.all_events}


def test_a_run_whose_event_was_not_stored_is_begun_anew(deployed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its step's retry policy, which does not know of it; the day that it had stored is there once."""
    away(monkeypatch, deployed, 1, is_of_a_stored_day)
    failed = deployed.run(impatient("survey", retries=1), YESTERDAY)
    assert not failed.ok
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds(failed)
    assert "server closed the connection" in failed.problem
    assert tags(deployed, failed)[WILL_RETRY_TAG] == "true"
    again = deployed.materialize("survey", YESTERDAY)
    assert again.ok
    assert again.metadata(YESTERDAY)["state"] == "unchanged"
    deployed.assert_true("survey", YESTERDAY)


def test_a_line_of_the_log_that_is_not_stored_costs_another_try(
    deployed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster stores in its place that it could not; where that fails as well, it is no defect of ours."""
    away(monkeypatch, deployed, 2, is_progress)
    run = deployed.run(impatient("survey", retries=1), YESTERDAY)
    assert run.ok, run.problem
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY in kinds(run)
    deployed.assert_true("survey", YESTERDAY)


def test_a_storage_that_stays_away_has_the_run_begun_anew(deployed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the step's own tries are used up."""
    away(monkeypatch, deployed, 2, is_progress)
    failed = deployed.materialize("survey", YESTERDAY)
    assert not failed.ok
    assert tags(deployed, failed)[WILL_RETRY_TAG] == "true"


def test_a_run_that_failed_by_itself_is_not(deployed: Place) -> None:
    """Another run would meet the same: the day is past the vendor's retention."""
    failed = deployed.materialize("survey", days_ago(40))
    assert not failed.ok
    assert tags(deployed, failed)[WILL_RETRY_TAG] == "false"


def test_a_run_that_was_begun_anew_and_failed_by_itself_is_not(deployed: Place) -> None:
    """Though Dagster hands on the mark of the run before."""
    day = days_ago(40)
    failed = dg.materialize(
        [impatient("survey")],
        instance=deployed.instance,
        resources=deployed.resources(),
        tags={**range_tags(day, day), RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true"},
        raise_on_error=False,
    )
    assert not failed.success
    assert tags(deployed, Materialized(failed, []))[WILL_RETRY_TAG] == "false"


def test_a_run_whose_vendor_is_down_has_had_its_retries(deployed: Place) -> None:
    """Its step's, by the retry policy."""
    deployed.app.faults.append(Fault("data_access", "503", times=99))
    failed = deployed.run(impatient("survey", retries=1), YESTERDAY)
    assert not failed.ok
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY in kinds(failed)
    assert tags(deployed, failed)[WILL_RETRY_TAG] == "false"
