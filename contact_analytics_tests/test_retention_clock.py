"""The retention clock as the person on call meets it: the asset, its checks, its message, and the sensor that loads."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from contact_analytics.automation import liveperson_data_access_job
from contact_analytics.definitions import defs
from contact_analytics.endangered_days import TAG, WATCHED, requested
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.day_range import days_of, range_tags
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


def test_a_damaged_manifest_stops_nothing_but_is_told(place: Place) -> None:
    """The clock is stored, its checks are evaluated, the day has the problem, and the run fails with it at the end."""
    assert place.materialize("survey", days_ago(6)).ok
    manifest = place.archived("engagement", days_ago(7)).folder / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("[{")
    _, checks = looked_at(place, WebhookResource())
    assert checks.keys() == {SAFE, WHOLE}
    query = "select dataset, partition_date, problem from meta.retention_clock where problem is not null"
    [found] = place.select(query)
    assert (found["dataset"], found["partition_date"]) == ("liveperson.engagement", days_ago(7))
    assert "manifest.json is damaged" in found["problem"]
    assert "Put a copy of it back" in found["problem"]
    assert states(place, "liveperson.survey")[days_ago(6)] == "stored"
    [run] = place.instance.get_runs(limit=1)
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_what_is_stored_in_part_is_named(place: Place) -> None:
    """With count and days in the metadata; it endangers nothing, as there is nothing more to be had."""
    for dataset in WATCHED:
        _pretend_stored(place, dataset, *(days_ago(back) for back in range(1, 400)))
    place.select(
        "update meta.extractions set listed_at = partition_date + interval 30 day + interval 1 hour "
        "where dataset = 'liveperson.survey' and partition_date = ?",
        [days_ago(40)],
    )
    metadata, checks = looked_at(place)
    assert metadata["days_stored_in_part"] == 1
    [record] = metadata["stored_in_part"].records
    assert (record.data["table"], record.data["day"]) == ("liveperson.survey", str(days_ago(40)))
    assert checks[SAFE].passed


def test_the_clock_keeps_the_days_that_it_had(place: Place) -> None:
    """Of a table that never had anything stored: what the vendor had at the first look does not vanish unsaid."""
    looked_at(place)
    place.select(
        "insert into meta.retention_clock by name select 'liveperson.survey' as dataset, ?::date as partition_date, "
        "'missing' as state, true as is_at_risk",
        [days_ago(60)],
    )
    looked_at(place)
    found = states(place, "liveperson.survey")
    assert {found[days_ago(back)] for back in range(31, 61)} == {"lost"}
    assert min(found) == days_ago(60)


def _pretend_stored(place: Place, dataset: Dataset, *days: date) -> None:
    listed_at = datetime.now(UTC)
    with place.warehouse.get_connection() as connection:
        prepare(connection)
        connection.execute(
            "insert into meta.extractions by name select ? as dataset, unnest(?::date[]) as partition_date, "
            "'loaded' as state, []::timestamptz[] as scopes, "
            "least(partition_date + interval 2 day, ?)::timestamptz as listed_at",
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
    requests = list(requested(instance, datasets, now))
    spans = [days_of(each.tags) or ("", "") for each in requests]
    return [
        (each.tags[TAG], date.fromisoformat(first), date.fromisoformat(last))
        for each, (first, last) in zip(requests, spans, strict=True)
    ]


def run(instance: dg.DagsterInstance, dataset: Dataset, first: date, last: date, status: dg.DagsterRunStatus) -> str:
    """A run that the sensor has requested, at a stage."""
    tags = {TAG: dataset.table, **range_tags(first, last)}
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


def ended(instance: dg.DagsterInstance, run_id: str) -> datetime:
    """When a run was created, which is the clock's time: a run that ends does so now."""
    return instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))[0].create_timestamp


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
@pytest.mark.parametrize(
    ("days_left", "wait"),
    [
        (-0.5, timedelta(minutes=30)),
        (0.1, timedelta(minutes=30)),
        (4.0, timedelta(hours=12)),
        (20.0, timedelta(days=1)),
    ],
)
def test_after_a_run_that_failed_a_table_rests_for_a_part_of_what_is_left(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, days_left: float, wait: timedelta
) -> None:
    """A day that goes within hours is tried several times, and a vendor that is down is not asked week by week."""
    missing = datetime.now(UTC).date() - timedelta(days=3)
    failed = ended(instance, run(instance, SURVEY, missing, missing, status))
    keeps = replace(SURVEY, retention=failed - SURVEY.start(missing) + timedelta(days=days_left))
    # Today may be due by the time that the wait is over.
    for back in (*range(3), *range(4, 40)):
        store(instance, SURVEY, failed.date() - timedelta(days=back))
    assert not asked(instance, keeps, now=failed + wait * 0.8)
    assert asked(instance, keeps, now=failed + wait) == [("liveperson.survey", missing, missing)]


def test_days_that_failed_let_the_others_have_their_turn(instance: dg.DagsterInstance) -> None:
    """One day that fails each time keeps no other one from being loaded, and is tried again after it."""
    today = datetime.now(UTC).date()
    bad, others = today - timedelta(days=26), (today - timedelta(days=22), today - timedelta(days=21))
    stored = (back for back in range(1, 31) if back not in (26, 22, 21))
    store(instance, SURVEY, *(today - timedelta(days=back) for back in stored))
    failed = ended(instance, run(instance, SURVEY, bad, bad, dg.DagsterRunStatus.FAILURE))
    later = failed + timedelta(hours=13)
    assert asked(instance, SURVEY, now=failed + timedelta(minutes=1)) == []
    assert asked(instance, SURVEY, now=later) == [("liveperson.survey", *others)]
    store(instance, SURVEY, *others)
    assert asked(instance, SURVEY, now=later) == [("liveperson.survey", bad, bad)]


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


def test_a_table_that_a_job_is_at_is_left_alone(instance: dg.DagsterInstance) -> None:
    """The schedules launch jobs, whose runs have no selection of assets; which ones they load is planned."""
    job = defs.resolve_job_def(liveperson_data_access_job.name)
    made = instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.NOT_STARTED, tags=range_tags(day(3), day(1)), asset_selection=None
    )
    assert made.asset_selection is None
    other = MODULES["conversations"].DATASET
    assert [table for table, *_ in asked(instance, SURVEY, other)] == ["liveperson.conversations"]


def test_yesterday_is_left_to_the_schedule(instance: dg.DagsterInstance) -> None:
    """A sensor that looked each minute would take the newest day as soon as it is due, before the schedule does."""
    store(instance, SURVEY, *(day(back) for back in range(2, 31)))
    assert not asked(instance, SURVEY, now=NOW.replace(hour=23))
    assert asked(instance, SURVEY, now=NOW + timedelta(days=1)) == [("liveperson.survey", day(1), day(1))]


def test_what_the_clock_has_at_risk_the_sensor_requests(place: Place) -> None:
    """A day that was asked for too early, and one that is gone from a restored warehouse, until they are loaded."""
    early, gone = days_ago(20), days_ago(10)
    store(place.instance, SURVEY, *(days_ago(back) for back in range(1, 40)))
    for dataset in USED:
        _pretend_stored(place, dataset, *(days_ago(back) for back in range(1, 400) if days_ago(back) != gone))
    place.select(
        "update meta.extractions set listed_at = partition_date + interval 25 hour where partition_date = ?", [early]
    )
    assert not asked(place.instance, SURVEY, now=datetime.now(UTC))
    metadata, _ = looked_at(place)
    assert metadata["at_risk"]["liveperson.survey"] == [str(early), str(gone)]
    assert asked(place.instance, SURVEY, now=datetime.now(UTC)) == [("liveperson.survey", early, early)]
    store(place.instance, SURVEY, early)
    assert asked(place.instance, SURVEY, now=datetime.now(UTC)) == [("liveperson.survey", gone, gone)]
    store(place.instance, SURVEY, gone)
    assert not asked(place.instance, SURVEY, now=datetime.now(UTC))


def test_what_nobody_deletes_is_not_requested(instance: dg.DagsterInstance) -> None:
    """And a day that the vendor is not done with is not missed yet."""
    assert not asked(instance, replace(SURVEY, retention=None))
    store(instance, SURVEY, *(day(back) for back in range(2, 31)))
    assert asked(instance, SURVEY, now=NOW.replace(hour=5)) == []
