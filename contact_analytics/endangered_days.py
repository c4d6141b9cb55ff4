"""The sensor that requests the days that a vendor is about to delete."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.retention import Day, clock, endangered, stretches
from contact_analytics.retention_clock import USED
from contact_analytics.settings import START_DATE, default_sensor_status

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
TAG = "contact_analytics/endangered_days"
# Days of which the vendor deletes the last trace within this time are requested.
_WITHIN_DAYS = 30
# In one run, so that the most endangered days of a table do not wait for the others.
_DAYS_A_RUN = 7
_NOT_AGAIN = timedelta(days=1)
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
WATCHED = [dataset for dataset in USED if dataset.retention is not None]


@dg.sensor(
    target=dg.AssetSelection.assets(*(dataset.key for dataset in WATCHED)),
    minimum_interval_seconds=60,
    default_status=default_sensor_status(),
    description=f"Requests the days that are missing and that a vendor deletes within {_WITHIN_DAYS} days, the most "
    f"endangered first: of each table one run of up to {_DAYS_A_RUN} days at a time, and a day again after a day.",
)
def endangered_days(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    requests = list(requested(context.instance, WATCHED, datetime.now(UTC)))
    return dg.SensorResult(requests) if requests else dg.SkipReason("Nothing is in danger that is not being loaded.")


def requested(instance: dg.DagsterInstance, datasets: Sequence[Dataset], now: datetime) -> Iterator[dg.RunRequest]:
    """The runs to request, the one with the most endangered day first; Dagster's queue takes them in that order."""
    busy = _busy(instance)
    missing = [day for dataset in datasets if dataset.key not in busy for day in _missing(instance, dataset, now)]
    begun = set[str]()
    for day in endangered(missing, _WITHIN_DAYS):
        table = day.dataset.table
        if table not in begun:
            begun.add(table)
            days = sorted(each.day for each in missing if each.dataset is day.dataset)
            [(first, last)] = [each for each in stretches(days, _DAYS_A_RUN) if each[0] <= day.day <= each[1]]
            yield dg.RunRequest(
                run_key=f"{table} {first} {last} {now:%Y-%m-%dT%H:%M:%S}",
                asset_selection=[day.dataset.key],
                tags={
                    RANGE_START: str(first),
                    RANGE_END: str(last),
                    TAG: table,
                    "dagster/priority": str(_WITHIN_DAYS - round(day.days_left or 0)),
                },
            )


def _missing(instance: dg.DagsterInstance, dataset: Dataset, now: datetime) -> list[Day]:
    """The days of a table that are in danger, but for those that were requested within the last day."""
    stored = instance.get_materialized_partitions(dataset.key)
    first = date.fromisoformat(START_DATE)
    days = [day for day in clock(dataset, {}, (), first, now) if str(day.day) not in stored]
    tried = _tried(instance, dataset, now)
    return [day for day in days if day.is_endangered(_WITHIN_DAYS) and day.day not in tried]


def _tried(instance: dg.DagsterInstance, dataset: Dataset, now: datetime) -> set[date]:
    runs = instance.get_runs(dg.RunsFilter(tags={TAG: dataset.table}, created_after=now - _NOT_AGAIN))
    spans = [(date.fromisoformat(run.tags[RANGE_START]), date.fromisoformat(run.tags[RANGE_END])) for run in runs]
    return {first + timedelta(days=number) for first, last in spans for number in range((last - first).days + 1)}


def _busy(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    """The tables that a run is at, or about to be."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return {key for run in runs for key in run.asset_selection or ()}
