"""The newest due day is what makes a table fresh: not the newest materialization, and not before the deadline."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import dataframely as dy
import pytest

from contact_analytics.catalog import DATASETS
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.freshness import GRACE, deadline, deadline_cron, freshness_check, newest_due_day
from contact_analytics.lib.schema import field, instant
from contact_analytics_tests.fakes import dataset_of

DAY = date(2026, 3, 10)
PARTITIONS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC")


class Orders(dy.Schema):
    """One row an order."""

    id = field(dy.Int64, "Order", key=True)
    placed_at = instant("When it was placed")


DATASET = dataset_of("orders", Orders)
DEADLINE = DATASET.end(DAY) + deadline(DATASET)


def instance_with(*days: date) -> dg.DagsterInstance:
    instance = dg.DagsterInstance.ephemeral()
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(DATASET.key, partition=str(day)))
    return instance


def before(days: int) -> date:
    return DAY - timedelta(days=days)


def test_a_day_is_missed_from_its_deadline_on() -> None:
    """The vendor's hours and the grace for loading: until they are over, the day before counts."""
    with instance_with(before(1)) as instance:
        early = newest_due_day(instance, DATASET, PARTITIONS, DEADLINE - timedelta(seconds=1))
        late = newest_due_day(instance, DATASET, PARTITIONS, DEADLINE)
    assert early.passed
    assert early.metadata["newest_due_day"].value == str(before(1))
    assert not late.passed
    assert late.metadata["newest_due_day"].value == str(DAY)
    assert late.metadata["newest_stored_day"].value == str(before(1))


@pytest.mark.parametrize("stored", [(), (DAY,), (DAY, before(1), before(2))])
def test_an_old_backfill_changes_nothing(stored: tuple[date, ...]) -> None:
    """Neither to green, where the newest day is missing, nor to red, where it is stored and the old ones have gaps."""
    with instance_with(*stored) as instance:
        was = newest_due_day(instance, DATASET, PARTITIONS, DEADLINE)
        for day in (before(20), before(9)):
            instance.report_runless_asset_event(dg.AssetMaterialization(DATASET.key, partition=str(day)))
        now = newest_due_day(instance, DATASET, PARTITIONS, DEADLINE)
    assert was.passed is now.passed is bool(stored)


def test_missing_days_are_named() -> None:
    """Those of the last thirty that are due, whether or not they fail the check."""
    with instance_with(DAY, before(2)) as instance:
        result = newest_due_day(instance, DATASET, PARTITIONS, DEADLINE)
    assert result.passed
    missing = result.metadata["missing_days"].value
    assert isinstance(missing, list)
    assert len(missing) == 28
    assert str(before(1)) in missing
    assert not {str(DAY), str(before(2))} & set(missing)


def test_nothing_is_due_before_the_first_day() -> None:
    """A start date in the future is no success."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = newest_due_day(instance, DATASET, PARTITIONS, datetime(2000, 1, 1, tzinfo=UTC))
    assert not result.passed
    assert result.metadata["newest_due_day"].value == "none"


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.table)
def test_each_vendors_promise_makes_its_deadline(dataset: Dataset) -> None:
    """Six hours for Data Access, half an hour for exports, at once for conversations; two more for loading."""
    minute, hour, *rest = deadline_cron(dataset).split()
    assert rest == ["*", "*", "*"]
    assert timedelta(hours=int(hour), minutes=int(minute)) == dataset.lateness + GRACE
    expected = {"liveperson": "0 8", "khoros_care": "30 2", "nice_cxone": "30 2"}
    wanted = "1 2" if dataset.name == "conversations" else expected[dataset.vendor]
    assert f"{minute} {hour}" == wanted


@dg.asset(key=DATASET.key, partitions_def=PARTITIONS)
def orders() -> None:
    """A table that nobody loads."""


def test_the_daemon_evaluates_it_at_the_deadline() -> None:
    """Not before, once at each, and whether or not anything was loaded."""
    check = freshness_check(DATASET, PARTITIONS)
    defs = dg.Definitions(assets=[orders], asset_checks=[check])
    selection = dg.AssetSelection.all_asset_checks()
    midnight = DATASET.end(DAY)
    moments = [timedelta(hours=7, minutes=59), timedelta(hours=8, seconds=30), timedelta(hours=8, minutes=1)]
    cursor, requested = None, list[int]()
    with dg.DagsterInstance.ephemeral() as instance:
        for moment in (timedelta(hours=1), *moments, timedelta(days=1, hours=8, seconds=30)):
            result = dg.evaluate_automation_conditions(
                defs, instance, asset_selection=selection, evaluation_time=midnight + moment, cursor=cursor
            )
            cursor = result.cursor
            requested.append(result.total_requested)
    assert requested == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_run_at_the_deadline_is_waited_for(status: dg.DagsterRunStatus) -> None:
    """Whatever becomes of it, the check is evaluated once it has ended, and not a second time."""
    check = freshness_check(DATASET, PARTITIONS)
    job = dg.define_asset_job("orders_job", selection=[DATASET.key])
    defs = dg.Definitions(assets=[orders], asset_checks=[check], jobs=[job])
    midnight, cursor, requested = DATASET.end(DAY), None, list[int]()
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            defs.resolve_job_def("orders_job"), status=status, tags={"dagster/partition": str(DAY)}
        )
        for moment in (timedelta(hours=7), timedelta(hours=8, seconds=30), timedelta(hours=9), timedelta(hours=20)):
            if moment == timedelta(hours=9):
                instance.report_run_failed(run)
            result = dg.evaluate_automation_conditions(
                defs,
                instance,
                asset_selection=dg.AssetSelection.all_asset_checks(),
                evaluation_time=midnight + moment,
                cursor=cursor,
            )
            cursor = result.cursor
            requested.append(result.total_requested)
    assert requested == [0, 0, 1, 0]


def test_of_a_table_that_is_not_used_nothing_is_evaluated_by_itself() -> None:
    """The check is there for who asks, and the daemon leaves it alone."""
    [spec] = freshness_check(DATASET, PARTITIONS, is_used=False).check_specs
    assert spec.automation_condition is None
    [spec] = freshness_check(DATASET, PARTITIONS).check_specs
    assert spec.automation_condition
