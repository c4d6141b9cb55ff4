"""What runs by itself does what it says."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics import automation
from contact_analytics.catalog import DATASETS, DIMENSIONS
from contact_analytics.definitions import defs
from contact_analytics.lib.asset_options import SCHEDULE_CRON
from contact_analytics.lib.day_range import days_of
from contact_analytics_tests.fakes import DATA_ACCESS, MODULES, Clock, Place, days_ago, in_order
from contact_analytics_tests.histories import Account

LISTS = [dimension for dimension in DIMENSIONS if dimension.vendor == "liveperson"]


def request_at(moment: datetime) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_schedule_context(scheduled_execution_time=moment)
    result = automation.liveperson_data_access_daily(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


def range_of(request: dg.RunRequest | dg.SkipReason) -> tuple[str, str]:
    assert isinstance(request, dg.RunRequest)
    found = days_of(request.tags)
    assert found
    return found


@pytest.mark.parametrize("hour", [0, 6, 23])
def test_the_schedule_asks_for_the_last_three_complete_days(hour: int) -> None:
    """Files come late, so that the days before yesterday are listed again."""
    request = request_at(datetime(2025, 3, 10, hour, 10, tzinfo=UTC))
    assert range_of(request) == ("2025-03-07", "2025-03-09")
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2025-03-09"


def test_the_schedule_reads_the_clock_in_utc() -> None:
    """Wherever the daemon runs."""
    evening = datetime(2025, 3, 9, 22, 10, tzinfo=UTC).astimezone(tz=None)
    assert range_of(request_at(evening)) == ("2025-03-06", "2025-03-08")


def test_the_schedule_begins_with_the_first_partition() -> None:
    """Fewer days where there are no more, and none with a reason before the first is over."""
    assert range_of(request_at(datetime(2025, 1, 3, 6, 10, tzinfo=UTC))) == ("2025-01-01", "2025-01-02")
    assert isinstance(request_at(datetime(2025, 1, 1, 6, 10, tzinfo=UTC)), dg.SkipReason)


def test_the_schedule_runs_when_the_vendor_has_had_its_hours() -> None:
    """Shortly after the grace of every dataset has passed."""
    minute, hour, *_ = map(int, SCHEDULE_CRON.split()[:2])
    since_midnight = timedelta(hours=hour, minutes=minute)
    assert timedelta() <= since_midnight - max(dataset.lateness for dataset in DATASETS) < timedelta(hours=1)


def executed(job: str, instance: dg.DagsterInstance, resources: dict[str, object], **options: Any) -> Any:
    """A job in one process, as a daemon would start it."""
    wired = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=defs.jobs,
        executor=dg.in_process_executor,
        resources={**(defs.resources or {}), **resources},
    )
    config = options.pop("run_config", {}) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return wired.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=config, raise_on_error=False, **options
    )


def test_what_the_schedule_asks_for_loads_every_table(place: Place) -> None:
    """The job in one process, as a daemon would start it: all four tables, three days, every check."""
    request = request_at(datetime.now(UTC))
    first, last = (date.fromisoformat(day) for day in range_of(request))
    assert (first, last) == (days_ago(3), days_ago(1))
    assert isinstance(request, dg.RunRequest)
    result = executed("liveperson_data_access", place.instance, place.resources(), tags=request.tags)
    assert result.success
    evaluated = {(check.asset_key, check.check_name) for check in result.get_asset_check_evaluations()}
    for name, module in ((name, MODULES[name]) for name in DATA_ACCESS):
        dataset = module.DATASET
        assert place.instance.get_materialized_partitions(dataset.key) == {str(days_ago(back)) for back in (3, 2, 1)}
        truth = [row for back in (3, 2) for row in place.truth(name, days_ago(back))]
        rows = [row for back in (3, 2) for row in place.stated(name, days_ago(back))]
        assert in_order(dataset, rows) == in_order(dataset, truth)
        assert (dataset.key, "newest_due_day_is_in") in evaluated


def test_the_nightly_run_follows_conversations(open_place: Any) -> None:
    """The last three days, and the stored day in which one has changed."""
    clock, old = Clock(), days_ago(9)
    place = open_place(volume=dict.fromkeys((old, *map(days_ago, (3, 2, 1))), 3), now=clock)
    assert place.materialize("conversations", old).ok
    changed = place.app.conversations(old)[0]["info"]["conversationId"]
    place.app.update(changed, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    context = dg.build_schedule_context(scheduled_execution_time=datetime.now(UTC))
    request = automation.liveperson_messaging_daily(context)
    assert isinstance(request, dg.RunRequest)
    resources = place.resources()
    result = executed(
        "liveperson_messaging", place.instance, resources, tags=request.tags, run_config=dict(request.run_config)
    )
    assert result.success
    days = {event.partition for event in result.get_asset_materialization_events()}
    assert days == {str(day) for day in (old, *map(days_ago, (3, 2, 1)))}
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [changed])
    assert row == {"csat_rate": 1}


def test_the_account_configuration_is_looked_at_each_morning(tmp_path: Path) -> None:
    """One run over the three histories, none of them partitioned."""
    schedule = automation.liveperson_account_config_daily
    assert schedule.cron_schedule == SCHEDULE_CRON
    assert schedule.execution_timezone == "UTC"
    with dg.DagsterInstance.ephemeral() as instance:
        account = Account(tmp_path, instance)
        result = executed(str(schedule.job_name), instance, account.resources())
        assert result.success
        assert {event.asset_key for event in result.get_asset_materialization_events()} == {d.key for d in LISTS}
        assert all(account.rows(dimension.name) for dimension in LISTS)
