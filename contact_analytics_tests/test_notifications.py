"""Who watches the channel reads what failed, of which days, why, whether it runs again, and what to press."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.errors import CredentialsRejected, DaysFailed
from contact_analytics.lib.retention import MISSING, Day
from contact_analytics.lib.webhook import URL
from contact_analytics.liveperson.survey import DATASET as SURVEY
from contact_analytics.notifications import notify_endangered, notify_failed_checks, notify_failures
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import Place, days_ago, impatient
from contact_analytics_tests.webhook_receiver import PARTS, PATH, Answer, Receiver, receiving

DAYS = dg.DailyPartitionsDefinition(start_date="2025-01-01")
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
RANGE = {FIRST: "2025-03-07", LAST: "2025-03-09"}
KEY = dg.AssetKey(["vendor", "visits"])
ADVICE = (
    "Dagster does not run it again by itself. When the cause is gone, press Materialize… on the asset and choose the "
    "days, or Re-execute from failure on the run. What is stored stays."
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def failing(error: Exception, name: str = "visits") -> dg.AssetsDefinition:
    """A daily asset that fails."""

    @dg.asset(key=["vendor", name], partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def asset() -> None:
        raise error

    return asset


def checked(*results: dg.AssetCheckResult, error: Exception | None = None) -> dg.AssetsDefinition:
    """An asset whose checks have these results, and that fails after them if it is to."""

    specs = [dg.AssetCheckSpec(str(result.check_name), asset=KEY) for result in results]

    @dg.asset(key=KEY, output_required=False, check_specs=specs)
    def asset() -> Iterator[dg.AssetCheckResult]:
        yield from results
        if error:
            raise error

    return asset


def result(
    name: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    *,
    passed: bool = False,
    rows: Sequence[dg.TableRecord] = (),
    description: str | None = None,
) -> dg.AssetCheckResult:
    metadata = {"failing_days": len(rows), "newest_failing_days": dg.MetadataValue.table(rows)} if rows else {}
    return dg.AssetCheckResult(
        check_name=name, severity=severity, passed=passed, metadata=metadata, description=description
    )


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, **tags: str) -> dg.ExecuteInProcessResult:
    quiet = {"console": {"config": {"log_level": "CRITICAL"}}}
    return dg.materialize(assets, instance=instance, tags=tags, run_config={"loggers": quiet}, raise_on_error=False)


def tell(receiver: Receiver, instance: dg.DagsterInstance, run_id: str, **fields: Any) -> Any:
    """The sensor that is for the run, as Dagster calls it."""
    found = instance.get_run_by_id(run_id)
    assert found
    ends = {dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE}
    [record] = instance.get_records_for_run(run_id, of_type=ends).records
    assert record.event_log_entry.dagster_event
    sensor = notify_failures if found.status is dg.DagsterRunStatus.FAILURE else notify_failed_checks
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=record.event_log_entry.dagster_event,
        dagster_instance=instance,
        dagster_run=found,
        resources={"webhook": receiver.webhook(**fields)},
    )
    return sensor(context)


def test_a_day_that_failed_is_told_of(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Asset, day, the kind of error, what the error says, what to press, and where."""
    error = CredentialsRejected("The vendor answered 401.", "Check the key.")
    done = run(instance, failing(error), **{"dagster/partition": "2025-03-08"})
    tell(receiver, instance, done.run_id, ui_url="https://dagster.example")
    assert receiver.text.splitlines() == [
        "*vendor/visits failed*",
        "vendor/visits, 2025-03-08: CredentialsRejected: The vendor answered 401. Check the key.",
        ADVICE,
        f"Run {done.run_id}: <https://dagster.example/runs/{done.run_id}>",
    ]


def test_of_a_range_the_failed_days_are_named(receiver: Receiver, place: Place) -> None:
    """A real table, two of whose days the vendor refuses: those two, with each one's reason, and no other."""
    bad = [days_ago(5), days_ago(3)]
    place.app.faults += [Fault(place.app.files("survey", day)[0].href_name, "403", times=9) for day in bad]
    done = place.run(impatient("survey"), days_ago(6), days_ago(2))
    tell(receiver, place.instance, done.result.run_id)
    _, told, *reasons = receiver.text.splitlines()
    assert told.startswith(f"liveperson/survey, {bad[0]}, {bad[1]}: DaysFailed: liveperson.survey: 2 of 5 days failed")
    assert [reason[:10] for reason in reasons[:2]] == [str(day) for day in bad]
    assert "403 Forbidden" in receiver.text
    assert str(days_ago(4)) not in receiver.text


def test_where_no_day_is_named_the_runs_days_are(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """The whole range failed, by an error that is none of ours: it is told without what links carry."""
    done = run(instance, failing(ValueError("<!here> https://x.example/f?sig=planted")), **RANGE)
    tell(receiver, instance, done.run_id)
    told = receiver.text.splitlines()[1]
    assert told == ("vendor/visits, 2025-03-07 to 2025-03-09: ValueError: &lt;!here&gt; https://x.example/f?…")


def test_a_long_error_is_cut_and_still_says_what_to_do(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Its beginning and its end; of the days the first ten."""
    days = [str(days_ago(back)) for back in range(40, 10, -1)]
    error = DaysFailed("vendor.visits", 30, {day: CredentialsRejected("No. " * 50, "Check.") for day in days})
    tell(receiver, instance, run(instance, failing(error), **RANGE).run_id)
    assert f"{', '.join(days[:10])}, and 20 more: DaysFailed: vendor.visits: 30 of 30 days failed" in receiver.text
    assert "Materialize the failed days again when their cause is gone" in receiver.text
    assert len(receiver.text) < 1600


def test_every_asset_of_a_run_that_failed_is_named(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """With its own reason, up to five."""
    assets = [failing(ValueError(f"reason {number}"), f"table_{number}") for number in range(7)]
    tell(receiver, instance, run(instance, *assets, **RANGE).run_id)
    title, *told = receiver.text.splitlines()
    assert (
        title == "*vendor/table_0, vendor/table_1, vendor/table_2, vendor/table_3, vendor/table_4, and 2 more failed*"
    )
    assert [line.rpartition(": ")[2] for line in told[:6]] == [*(f"reason {n}" for n in range(5)), "and 2 more"]


@pytest.mark.parametrize(("retries", "again"), [("1", True), ("0", False)])
def test_it_is_told_whether_dagster_tries_again(receiver: Receiver, tmp_path: Path, retries: str, again: bool) -> None:
    """As Dagster itself decides, by the run's tags."""
    settings = {"run_retries": {"enabled": True}}
    tags = {"dagster/max_retries": retries, "dagster/retry_number": "2"}
    with dg.DagsterInstance.local_temp(str(tmp_path), settings) as instance:
        tell(receiver, instance, run(instance, failing(ValueError()), **RANGE, **tags).run_id)
    assert ("runs it again by itself: nothing to press now. This was its retry 2." in receiver.text) is again
    assert ("does not run it again by itself. This was its retry 2. When" in receiver.text) is not again


def test_a_run_whose_process_died_names_what_it_has_not_done(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """No step could say why: Dagster's own word is told, and the assets that were to be made."""
    job = dg.Definitions(assets=[failing(ValueError())], jobs=[dg.define_asset_job("nightly")]).resolve_job_def(
        "nightly"
    )
    begun = instance.create_run_for_job(job, tags=RANGE)
    instance.report_run_failed(begun, "The run's process is gone.")
    tell(receiver, instance, begun.run_id)
    assert receiver.text.splitlines()[:2] == [
        "*vendor/visits failed*",
        "vendor/visits, 2025-03-07 to 2025-03-09: The run's process is gone.",
    ]


def test_a_run_that_failed_before_its_steps_says_why(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """A resource that cannot be made, such as one without its setting."""

    @dg.resource
    def warehouse() -> None:
        raise ValueError("no such folder")

    @dg.asset(key=KEY, required_resource_keys={"warehouse"})
    def asset() -> None: ...

    done = dg.materialize([asset], instance=instance, resources={"warehouse": warehouse}, raise_on_error=False)
    tell(receiver, instance, done.run_id)
    assert receiver.text.splitlines()[:2] == ["*vendor/visits failed*", "vendor/visits: ValueError: no such folder"]


def test_failed_checks_of_a_run_that_succeeded_are_told_of(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Those of severity ERROR: asset, check, the first days and reasons. A warning waits until somebody looks."""
    rows = [dg.TableRecord({"day": f"2025-03-0{day}", "reason": f"{day} rows too many"}) for day in range(9, 4, -1)]
    asset = checked(
        result("keys_are_unique", rows=rows),
        result("nothing_is_odd", dg.AssetCheckSeverity.WARN),
        result("rows_are_there", passed=True),
    )
    reasons = [f"2025-03-0{day}: {day} rows too many" for day in (9, 8, 7)]
    done = run(instance, asset)
    assert done.success
    tell(receiver, instance, done.run_id)
    assert receiver.text.splitlines() == [
        "*Checks failed*",
        f"vendor/visits: the check keys_are_unique failed: {'; '.join(reasons)}; and 2 more",
        "The run itself succeeded. The checks' pages have all days and reasons.",
        f"Run {done.run_id}",
    ]


def test_a_run_without_failed_checks_is_not_told_of(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Nobody reads a channel that says that all is well."""
    done = run(instance, checked(result("nothing_is_odd", dg.AssetCheckSeverity.WARN)))
    assert done.success
    assert tell(receiver, instance, done.run_id) is None
    assert not receiver.messages


def test_a_check_that_goes_on_failing_is_told_of_once_a_day(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Some look each hour; once it has passed, its next failure is news."""
    first, second, passed, third = (
        run(instance, checked(result("keys_are_unique", passed=passed))) for passed in (False, False, True, False)
    )
    days = [instance.get_run_stats(done.run_id).end_time for done in (first, second)]
    is_one_day = len({datetime.fromtimestamp(day or 0, UTC).date() for day in days}) == 1
    for done in (first, second, passed, third):
        tell(receiver, instance, done.run_id)
    told = [message["text"].rpartition(" ")[2] for message in receiver.messages]
    assert told == [first.run_id, *([] if is_one_day else [second.run_id]), third.run_id]


def test_a_check_that_was_a_warning_is_told_of_when_it_is_an_error(
    receiver: Receiver, instance: dg.DagsterInstance
) -> None:
    """As of the retention clock, whose days come closer."""
    for severity in (dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR):
        tell(receiver, instance, run(instance, checked(result("rows_are_there", severity))).run_id)
    assert "rows_are_there failed" in receiver.text


def test_failed_checks_of_a_failed_run_are_in_its_message(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """One message a run."""
    asset = checked(result("keys_are_unique"), result("rows_are_there", description="None."), error=ValueError("x"))
    tell(receiver, instance, run(instance, asset).run_id)
    assert receiver.text.splitlines()[1:4] == [
        "vendor/visits: ValueError: x",
        "vendor/visits: the check keys_are_unique failed.",
        "vendor/visits: the check rows_are_there failed: None.",
    ]
    assert "on the asset, or Re-execute" in receiver.text


def tick(sensor: dg.SensorDefinition, receiver: Receiver, instance: dg.DagsterInstance, cursor: str | None) -> Any:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"webhook": receiver.webhook()}, sensor_name=sensor.name
    )
    return sensor.evaluate_tick(context)


def test_each_failed_run_is_told_of_once(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """Whatever started it; those from before the sensor was switched on are not."""
    run(instance, failing(ValueError("before")), **RANGE)
    begun = tick(notify_failures, receiver, instance, None)
    run(instance, failing(ValueError("after")), **RANGE)
    told = tick(notify_failures, receiver, instance, begun.cursor)
    assert "ValueError: after" in receiver.text
    assert [reaction.error for reaction in told.dagster_run_reactions] == [None]
    tick(notify_failures, receiver, instance, told.cursor)
    assert len(receiver.messages) == 1


def test_a_receiver_that_is_down_makes_the_tick_fail(receiver: Receiver, instance: dg.DagsterInstance) -> None:
    """The tick says what could not be told, without the URL, and does not try forever."""
    receiver.always = Answer(500, f"cannot post to {PATH}")
    begun = tick(notify_failures, receiver, instance, None)
    run(instance, failing(ValueError("x")), **RANGE)
    told = tick(notify_failures, receiver, instance, begun.cursor)
    [reaction] = told.dagster_run_reactions
    assert "“vendor/visits failed” with 500" in reaction.error.message
    assert not [part for part in PARTS if part in repr(told)]
    assert len(receiver.messages) == 3
    tick(notify_failures, receiver, instance, told.cursor)
    assert len(receiver.messages) == 3


@pytest.mark.parametrize("error", [ValueError("x"), None])
def test_without_a_url_the_tick_says_that_nobody_is_told(
    receiver: Receiver, instance: dg.DagsterInstance, error: Exception | None
) -> None:
    """Where somebody switches a sensor on by hand."""
    done = run(instance, checked(result("keys_are_unique"), error=error))
    assert done.success is not bool(error)
    skipped = tell(receiver, instance, done.run_id, url="")
    assert skipped.skip_message == f"{URL} is not set: nobody is told."
    assert not receiver.messages


@pytest.mark.parametrize(("url", "status"), [("https://hooks.example/x", "RUNNING"), ("", "STOPPED")])
def test_the_sensors_are_on_where_the_url_is_set(tmp_path: Path, url: str, status: str) -> None:
    """Nothing else is to be switched on; loading them warns of nothing, and asks nobody."""
    strictly = ("-W", "error", "-W", "ignore:Parameter `backfill_policy` of")
    words = "from contact_analytics.notifications import notify_failures as a, notify_failed_checks as b"
    done = subprocess.run(
        [sys.executable, *strictly, "-c", f"{words}; print(a.default_status.value, b.default_status.value)"],
        cwd=tmp_path,
        env=os.environ | {URL: url, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == ([status] * 2, "")


NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)


def endangered(name: str, days_left: float, back: int = 29) -> Day:
    vendor, _, table = name.partition(".")
    dataset = replace(SURVEY, vendor=vendor, name=table)
    return Day(dataset, NOW.date() - timedelta(days=back), MISSING, days_left, None)


def test_endangered_days_are_told_of_in_one_message_the_first_ones_first(receiver: Receiver) -> None:
    """Table, day, how long there is left, until when, in UTC."""
    days = [endangered("a.late", 3.25, back=26), endangered("b.soon", 0.5), endangered("c.now", -0.5, back=30)]
    notify_endangered(receiver.webhook(ui_url="http://localhost:3000"), days)
    assert receiver.text.splitlines() == [
        "*Days to load before the vendor deletes them: 3*",
        "c.now, 2025-03-02: 0.0 days left, until 2025-04-01 00:00 UTC",
        "b.soon, 2025-03-03: 0.5 days left, until 2025-04-02 00:00 UTC",
        "a.late, 2025-03-06: 3.2 days left, until 2025-04-05 00:00 UTC",
        "Press Materialize… on these assets and choose these days, the first ones first.",
        "Retention clock: <http://localhost:3000/assets/meta/retention_clock>",
    ]


def test_of_many_endangered_days_the_first_twenty_are_named(receiver: Receiver) -> None:
    """And how many more there are."""
    notify_endangered(receiver.webhook(), [endangered(f"v.t{number}", number) for number in range(25, 0, -1)])
    named = receiver.text.splitlines()[1:-2]
    assert [line.partition(",")[0] for line in named] == [*(f"v.t{number}" for number in range(1, 21)), "and 5 more"]


def test_where_no_day_is_endangered_nothing_is_sent(receiver: Receiver) -> None:
    """Neither is it without a URL."""
    notify_endangered(receiver.webhook(), [])
    notify_endangered(receiver.webhook(url=""), [endangered("v.t", 1)])
    assert not receiver.messages
