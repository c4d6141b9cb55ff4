"""The retention clock as the person on call meets it: the asset, its checks, its message, and the sensor that loads."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from contact_analytics.endangered_days import RANGE_END, RANGE_START, TAG, WATCHED, requested
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.extractions import prepare
from contact_analytics.lib.webhook import WebhookResource
from contact_analytics.retention_clock import SAFE, USED, WHOLE, retention_clock
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import MODULES, Place, days_ago
from contact_analytics_tests.webhook_receiver import Answer, receiving

SURVEY: Dataset = MODULES["survey"].DATASET
# A fixed moment of the sensor's, far from any midnight.
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def looked_at(
    place: Place, webhook: WebhookResource | None = None
) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    """A look at the clock: its metadata and its checks."""
    resources = {"archive": place.archive, "warehouse": place.warehouse, "webhook": webhook or WebhookResource()}
    result = dg.materialize(
        [retention_clock], instance=place.instance, resources=resources, raise_on_error=webhook is None
    )
    [event] = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in metadata.items()}, checks


def states(place: Place, table: str) -> dict[date, str]:
    query = "select partition_date, state from meta.retention_clock where dataset = ?"
    return {row["partition_date"]: row["state"] for row in place.select(query, [table])}


def test_it_says_what_is_stored_missing_failed_and_archived(place: Place) -> None:
    """One row a table and day, from what the warehouse, the archive and the calendar say."""
    assert place.materialize("survey", days_ago(9), days_ago(6)).ok
    place.select("delete from meta.extractions where partition_date = ?", [days_ago(7)])
    place.app.faults.append(Fault("/survey", "403", times=99))
    assert not place.materialize("survey", days_ago(5)).ok
    metadata, checks = looked_at(place)
    found = states(place, "liveperson.survey")
    wanted = {9: "stored", 8: "stored", 7: "missing", 6: "stored", 5: "failed", 4: "missing"}
    assert {back: found[days_ago(back)] for back in wanted} == wanted
    assert len(place.select("select distinct dataset from meta.retention_clock")) == len(USED)
    assert metadata["days_failed"] == 1
    assert metadata["picture"].startswith("![plot](data:image/png;base64,")
    assert "| liveperson.survey | 3 |" in metadata["overview"]
    gaps = {record.data["day"] for record in checks[WHOLE].metadata["missing"].value.records}
    assert {str(days_ago(back)) for back in (7, 5, 4)} <= gaps
    assert str(days_ago(10)) not in gaps


@pytest.mark.parametrize(
    ("missing", "severity"),
    [(20, None), (25, dg.AssetCheckSeverity.WARN), (28, dg.AssetCheckSeverity.ERROR)],
)
def test_its_check_warns_at_seven_days_and_fails_at_three(
    place: Place, missing: int, severity: dg.AssetCheckSeverity | None
) -> None:
    """Of days that the vendor is about to delete, and that are stored nowhere; the check names them and their time."""
    for dataset in WATCHED:
        _pretend_stored(place, dataset, *(days_ago(back) for back in range(1, 400) if back != missing))
    metadata, checks = looked_at(place)
    tables = {dataset.table for dataset in USED if dataset.retention == timedelta(days=30)}
    assert checks[SAFE].passed == (severity is None)
    assert metadata["endangered_days"] == (len(tables) if severity else 0)
    if severity:
        assert checks[SAFE].severity is severity
        records = checks[SAFE].metadata["endangered"].value.records
        assert {(each.data["table"], each.data["day"]) for each in records} == {
            (table, str(days_ago(missing))) for table in tables
        }


def _pretend_stored(place: Place, dataset: Dataset, *days: date) -> None:
    listed_at = datetime.now(UTC)
    with place.warehouse.get_connection() as connection:
        prepare(connection)
        connection.execute(
            "insert into meta.extractions by name select ? as dataset, unnest(?::date[]) as partition_date, "
            "'loaded' as state, ?::timestamptz as listed_at",
            [dataset.table, [str(day) for day in days], listed_at],
        )


def test_the_webhook_is_told_once_of_each_day_in_danger(place: Place) -> None:
    """All of them when there is a new one, nothing while there is none; what could not be told is told next time."""
    for dataset in WATCHED:
        _pretend_stored(place, dataset, *(days_ago(back) for back in range(1, 400) if back not in (25, 26)))
    with receiving() as receiver:
        receiver.answers = [Answer(503)] * 3
        looked_at(place, receiver.webhook())
        assert len(receiver.messages) == 3
        for told in (1, 0):
            receiver.messages.clear()
            looked_at(place, receiver.webhook())
            assert len(receiver.messages) == told
        place.select("delete from meta.extractions where partition_date = ?", [days_ago(28)])
        looked_at(place, receiver.webhook())
        assert receiver.text.index(f"liveperson.survey, {days_ago(28)}") < receiver.text.index(str(days_ago(26)))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def store(instance: dg.DagsterInstance, dataset: Dataset, *days: date) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(dataset.key, partition=str(day)))


def day(back: int) -> date:
    return NOW.date() - timedelta(days=back)


def asked(instance: dg.DagsterInstance, *datasets: Dataset, now: datetime = NOW) -> list[tuple[str, date, date]]:
    """The runs that the sensor requests: table, first and last day, in their order."""
    return [
        (each.tags[TAG], date.fromisoformat(each.tags[RANGE_START]), date.fromisoformat(each.tags[RANGE_END]))
        for each in requested(instance, datasets, now)
    ]


def run(instance: dg.DagsterInstance, dataset: Dataset, first: date, last: date, status: dg.DagsterRunStatus) -> str:
    """A run that the sensor has requested, at a stage."""
    tags = {TAG: dataset.table, RANGE_START: str(first), RANGE_END: str(last)}
    made = dg.DagsterRun(
        "__ASSET_JOB", str(uuid4()), status=status, tags=tags, asset_selection=frozenset([dataset.key])
    )
    return instance.add_run(made).run_id


def test_the_sensor_requests_the_most_endangered_days_first(instance: dg.DagsterInstance) -> None:
    """Of each table one run, its most endangered days in it, and the table that is worst off before the others."""
    shorter = replace(SURVEY, name="short", retention=timedelta(days=20))
    store(instance, SURVEY, *(day(back) for back in range(1, 27)))
    store(instance, shorter, *(day(back) for back in range(1, 20)))
    assert asked(instance, SURVEY, shorter) == [
        ("liveperson.short", day(20), day(20)),
        ("liveperson.survey", day(30), day(27)),
    ]
    store(instance, shorter, day(20))
    assert asked(instance, SURVEY, shorter) == [("liveperson.survey", day(30), day(27))]
    store(instance, SURVEY, *(day(back) for back in range(27, 31)))
    assert not asked(instance, SURVEY, shorter)


def test_dagsters_queue_takes_the_more_endangered_run_first(instance: dg.DagsterInstance) -> None:
    """By the priority that a request carries."""
    shorter = replace(SURVEY, name="short", retention=timedelta(days=20))
    store(instance, shorter, *(day(back) for back in range(10, 21)))
    requests = list(requested(instance, [SURVEY, shorter], NOW))
    assert [each.tags[TAG] for each in requests] == ["liveperson.survey", "liveperson.short"]
    priorities = [int(each.tags["dagster/priority"]) for each in requests]
    assert priorities[0] > priorities[1]


def test_a_long_gap_is_loaded_from_its_dangerous_end(instance: dg.DagsterInstance) -> None:
    """A week a run, so that the days about to go wait for no others; the next week follows when that run is done."""
    assert asked(instance, SURVEY) == [("liveperson.survey", day(30), day(24))]
    going = run(instance, SURVEY, day(30), day(24), dg.DagsterRunStatus.STARTED)
    assert not asked(instance, SURVEY)
    store(instance, SURVEY, *(day(back) for back in range(24, 31)))
    instance.delete_run(going)
    assert asked(instance, SURVEY) == [("liveperson.survey", day(23), day(17))]


def test_days_that_failed_are_not_requested_again_at_once(instance: dg.DagsterInstance) -> None:
    """The others of the table go on; a day later it is tried once more."""
    now = datetime.now(UTC)
    first, last = now.date() - timedelta(days=26), now.date() - timedelta(days=25)
    run(instance, SURVEY, first, last, dg.DagsterRunStatus.FAILURE)
    store(instance, SURVEY, *(now.date() - timedelta(days=back) for back in range(27, 31)))
    assert asked(instance, SURVEY, now=now)[0][1] == last + timedelta(days=1)
    assert asked(instance, SURVEY, now=now + timedelta(hours=25))[0][1] == first


def test_a_table_that_a_run_is_at_is_left_alone(instance: dg.DagsterInstance) -> None:
    """A backfill of somebody's may hold the days; other tables do not wait for it."""
    backfill = dg.DagsterRun(
        "__ASSET_JOB",
        str(uuid4()),
        status=dg.DagsterRunStatus.STARTING,
        asset_selection=frozenset([SURVEY.key]),
    )
    instance.add_run(backfill)
    other = MODULES["engagement"].DATASET
    assert [table for table, *_ in asked(instance, SURVEY, other)] == ["liveperson.engagement"]


def test_what_nobody_deletes_is_not_requested(instance: dg.DagsterInstance) -> None:
    """And a day that the vendor is not done with is not missed yet."""
    assert not asked(instance, replace(SURVEY, retention=None))
    store(instance, SURVEY, *(day(back) for back in range(2, 31)))
    assert asked(instance, SURVEY, now=NOW.replace(hour=5)) == []
