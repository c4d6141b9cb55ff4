"""A run that Dagster's own storage failed is begun anew; one that failed by itself is not."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy.exc
import yaml

from contact_analytics.sandbox.dagster_processes import ROOT
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import YESTERDAY, Materialized, Place, days_ago, impatient

_STORED = "ASSET_MATERIALIZATION"


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Place]:
    """A place whose runs are retried as on many machines."""
    settings = yaml.safe_load((ROOT / "deploy/celery/dagster.yaml").read_text())
    (tmp_path / "dagster").mkdir()
    kept = {name: settings[name] for name in ("run_retries", "telemetry")}
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), kept) as instance:
        yield Place(tmp_path, instance)


def restarted(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    """Let the storage be away just when the first materialization is to be stored."""
    store, lost = instance.event_log_storage.store_event, list[dg.EventLogEntry]()

    def store_event(event: dg.EventLogEntry) -> None:
        if not lost and event.dagster_event and event.dagster_event.event_type_value == _STORED:
            lost.append(event)
            raise sqlalchemy.exc.OperationalError("INSERT", {}, OSError("server closed the connection unexpectedly"))
        store(event)

    monkeypatch.setattr(instance.event_log_storage, "store_event", store_event)


def will_retry(place: Place, run: Materialized) -> str | None:
    found = place.instance.get_run_by_id(run.result.run_id)
    assert found
    return found.tags.get("dagster/will_retry")


def test_a_run_that_dagsters_storage_failed_is_begun_anew(deployed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its step's retry policy does not know of such failures; and what it had stored is there once."""
    restarted(monkeypatch, deployed.instance)
    failed = deployed.materialize("survey", YESTERDAY)
    assert not failed.ok
    assert "server closed the connection" in failed.problem
    assert will_retry(deployed, failed) == "true"
    again = deployed.materialize("survey", YESTERDAY)
    assert again.ok
    assert again.metadata(YESTERDAY)["state"] == "unchanged"
    deployed.assert_true("survey", YESTERDAY)


def test_a_run_that_failed_by_itself_is_not(deployed: Place) -> None:
    """Another run would meet the same: the day is past the vendor's retention."""
    failed = deployed.materialize("survey", days_ago(40))
    assert not failed.ok
    assert will_retry(deployed, failed) == "false"


def test_a_run_whose_vendor_is_down_has_had_its_retries(deployed: Place) -> None:
    """Its step's, by the retry policy."""
    deployed.app.faults.append(Fault("data_access", "503", times=99))
    failed = deployed.run(impatient("survey", retries=1), YESTERDAY)
    assert not failed.ok
    assert will_retry(deployed, failed) == "false"
