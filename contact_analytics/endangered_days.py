"""The sensor that requests the days that a vendor is about to delete."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from contact_analytics.lib.account import key_of
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.day_range import days_of, range_tags
from contact_analytics.lib.retention import REQUEST_DAYS, Day, clock, endangered, first_to_go, stretches
from contact_analytics.retention_clock import AT_RISK, LOOKED_AT, USED
from contact_analytics.retention_clock import TABLE as CLOCK
from contact_analytics.settings import START_DATE, default_sensor_status

TAG = "contact_analytics/endangered_days"
# In one run, so that the most endangered days of a table do not wait for the others.
_DAYS_A_RUN = 7
# Between two tries of a day passes this part of what is left of it: several fit in, however little that is.
_PART_OF_WHAT_IS_LEFT = 8
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=30), timedelta(days=1)
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_IN_VAIN = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_MOST_RECORDS = 1000
WATCHED = [dataset for dataset in USED if dataset.retention is not None]


@dg.sensor(
    target=dg.AssetSelection.assets(*(dataset.key for dataset in WATCHED)),
    minimum_interval_seconds=60,
    default_status=default_sensor_status(),
    description=f"Requests the days at risk that a vendor deletes within {REQUEST_DAYS} days, the most endangered ones "
    f"first: of each table one run of up to {_DAYS_A_RUN} days at a time. A day again, and a table of which a run has "
    "failed, after an eighth of the time that is left, half an hour at least and a day at most.",
)
def endangered_days(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    requests = list(requested(context.instance, WATCHED, datetime.now(UTC)))
    return dg.SensorResult(requests) if requests else dg.SkipReason("Nothing is in danger that is not being loaded.")


def requested(instance: dg.DagsterInstance, datasets: Sequence[Dataset], now: datetime) -> Iterator[dg.RunRequest]:
    """The runs to request, the one with the most endangered day first; Dagster's queue takes them in that order."""
    busy, at_risk = _busy(instance), _at_risk(instance)
    weeks = list[list[Day]]()
    for dataset in datasets:
        if dataset.key not in busy:
            missing = _missing(instance, dataset, at_risk.get(dataset.table, ()), now)
            if week := _next_week(missing, _tried(instance, dataset, now), now):
                weeks.append(week)
    for week in sorted(weeks, key=lambda days: min(map(first_to_go, days))):
        first, last = week[0].day, week[-1].day
        left = min(day.days_left or 0 for day in week)
        yield dg.RunRequest(
            run_key=f"{_tag(week[0].dataset)} {first} {last} {now:%Y-%m-%dT%H:%M:%S}",
            asset_selection=[week[0].dataset.key],
            tags={
                **range_tags(first, last),
                TAG: _tag(week[0].dataset),
                "dagster/priority": str(REQUEST_DAYS - round(left)),
            },
        )


def _missing(instance: dg.DagsterInstance, dataset: Dataset, at_risk: Collection[str], now: datetime) -> list[Day]:
    """The endangered days of a table that Dagster has no materialization of, or that the clock knows to be at risk."""
    stored = instance.get_materialized_partitions(dataset.key) - set(at_risk)
    days = clock(dataset, {}, (), date.fromisoformat(START_DATE), now)
    return [day for day in endangered(days, REQUEST_DAYS) if str(day.day) not in stored]


def _at_risk(instance: dg.DagsterInstance) -> Mapping[str, Collection[str]]:
    """The days that the clock's last look found at risk, by table, but for those that were materialized since.

    Some of them Dagster takes for stored: they were asked for too early, or are gone from the warehouse.
    """
    event = instance.get_latest_materialization_event(CLOCK.key)
    found = event.asset_materialization.metadata if event and event.asset_materialization else {}
    looked_at, at_risk = found.get(LOOKED_AT), found.get(AT_RISK)
    if not isinstance(looked_at, dg.TimestampMetadataValue) or not isinstance(at_risk, dg.JsonMetadataValue):
        return {}
    assert isinstance(at_risk.value, dict)
    by_table: dict[str, list[str]] = at_risk.value
    return {
        table: set(days) - _materialized(instance, key_of(table), days, looked_at.value)
        for table, days in by_table.items()
    }


def _materialized(instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str], since: float) -> set[str]:
    """Which of an asset's days were materialized since a time."""
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(days), after_timestamp=since)
    records = instance.fetch_materializations(asked, limit=_MOST_RECORDS).records
    return {record.partition_key for record in records if record.partition_key}


def _next_week(missing: Sequence[Day], tried: Sequence[dg.RunRecord], now: datetime) -> list[Day]:
    """The days of a table to request next, in order; none while it rests after a run that failed.

    `missing` has the most endangered day first, `tried` the last of the sensor's runs. Days that this failed to load
    come after the others: one that fails each time must not keep those from their turn.
    """
    if not missing:
        return []
    last = tried[0] if tried and tried[0].dagster_run.status in _IN_VAIN else None
    if last and now < _ended(last) + _wait(missing[0]):
        return []
    since = {day: _ended(run) for run in reversed(tried) for day in _days(run)}
    left = [day for day in missing if day.day not in since or now >= since[day.day] + _wait(day)]
    if not left:
        return []
    failed = set(_days(last)) if last else set[date]()
    head = next((day for day in left if day.day not in failed), left[0])
    by_day = {day.day: day for day in left}
    [(begin, end)] = [each for each in stretches(sorted(by_day), _DAYS_A_RUN) if each[0] <= head.day <= each[1]]
    return [by_day[day] for day in sorted(by_day) if begin <= day <= end]


def _wait(day: Day) -> timedelta:
    """How long a day is left alone after it was tried."""
    part = timedelta(days=(day.days_left or 0) / _PART_OF_WHAT_IS_LEFT)
    return min(max(part, _SHORTEST_WAIT), _LONGEST_WAIT)


def _tried(instance: dg.DagsterInstance, dataset: Dataset, now: datetime) -> Sequence[dg.RunRecord]:
    """The sensor's runs of a table that may have to be waited after, the last one first."""
    return instance.get_run_records(
        dg.RunsFilter(tags={TAG: _tag(dataset)}, updated_after=now - _LONGEST_WAIT), limit=_MOST_RECORDS
    )


def _tag(dataset: Dataset) -> str:
    """A table by its name, behind the account's where it has one."""
    return ".".join(dataset.key.path)


def _days(run: dg.RunRecord) -> Iterator[date]:
    span = days_of(run.dagster_run.tags)
    assert span
    first, last = map(date.fromisoformat, span)
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _ended(run: dg.RunRecord) -> datetime:
    """When a run ended, or was created where that is not known."""
    return datetime.fromtimestamp(run.end_time, UTC) if run.end_time else run.create_timestamp.replace(tzinfo=UTC)


def _busy(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    """The tables that a run is at, or about to be."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return {key for run in runs for key in run.asset_selection or _planned(instance, run)}


def _planned(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[dg.AssetKey]:
    """What a run of a job is to materialize: such a run, as schedules launch it, has no selection."""
    planned = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    events = [record.event_log_entry.dagster_event for record in planned.records]
    return {event.asset_key for event in events if event and event.asset_key}
