"""What goes wrong costs what it hit and nothing else: no row that is stored, and no other day."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from contact_analytics.lib import warehouse
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.checks import CHECKS, HOURLY_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Check, Reasons
from contact_analytics.lib.http import Tally
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import survey
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.sandbox.faults import Fault
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.fakes import DATA_ACCESS, Place, days_ago, impatient

NAMES = list(DATA_ACCESS)
DAY = days_ago(5)
CHECK_NAMES = {check.name for check in (*CHECKS, *HOURLY_CHECKS)} | {"newest_due_day_is_in"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("missing_key", "is missing"), ("wrong_type", "expected"), ("invalid_json", "JSON")],
)
def test_a_faulty_record_goes_to_quarantine_and_the_rest_loads(place: Place, kind: str, reason: str) -> None:
    """Nothing is dropped in silence: reason, file and number of the record are kept, and a check warns."""
    file = place.app.files("engagement", DAY)[2]
    place.app.faults.append(Fault(file.href_name, kind))
    run = place.materialize("engagement", DAY)
    assert run.ok, run.problem
    [record] = place.select("select * from meta.quarantine")
    assert (record["dataset"], record["partition_date"]) == ("liveperson.engagement", DAY)
    assert record["source_file"].startswith(file.name.removesuffix(".gz"))
    assert record["record"] == 1
    assert reason in record["reason"]
    assert record["raw"]
    assert len(place.rows("engagement")) == len(place.truth("engagement", DAY)) - 1
    assert run.metadata(DAY)["quarantined"] == 1
    assert not run.checks["nothing_is_quarantined"].passed
    assert run.checks["nothing_is_quarantined"].severity is dg.AssetCheckSeverity.WARN
    assert run.checks["archive_and_table_agree"].passed
    again = place.materialize("engagement", DAY, refetch=True)
    assert again.checks["nothing_is_quarantined"].passed
    assert not place.select("select * from meta.quarantine")


def test_days_that_failed_are_named_although_a_check_failed_to_tell(place: Place) -> None:
    """The error that a retry and the webhook go by is that of the days; what is wrong with the check is in the log."""

    def failing(*_: object) -> Reasons:
        raise ValueError("a check of ours is wrong")

    odd = Check("it_can_be_told", "It can be told.", dg.AssetCheckSeverity.ERROR, failing)
    dataset = replace(survey.DATASET, checks=(*survey.DATASET.checks, odd))

    @dg.asset(**daily_table(dataset, PARTITIONS, "api") | {"retry_policy": None})
    def survey_of_ours(
        context: dg.AssetExecutionContext,
        config: ExtractionConfig,
        liveperson_data_access: LivePersonDataAccessResource,
        archive: ArchiveResource,
        warehouse: WarehouseResource,
    ) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
        connect = liveperson_data_access.connect
        yield from extract_days(context, dataset, config, connect, survey.FORMAT, archive, warehouse)

    bad = days_ago(4)
    place.app.faults.append(Fault(place.app.files("survey", bad)[0].href_name, "403", times=9))
    run = place.run(survey_of_ours, DAY, bad)
    assert run.days.keys() == {str(DAY)}
    assert run.problem.startswith(f"liveperson.survey: 1 of 2 days failed, 1 are stored.\n{bad}: ")
    said = [entry.user_message for entry in place.instance.all_logs(run.result.run_id)]
    assert any("a check of ours is wrong" in text for text in said)


def test_a_day_past_retention_is_refused_before_any_request(place: Place) -> None:
    """In words: retention, the day, the limit, what can be done. The table stays as it is."""
    place.materialize("survey", DAY)
    before, day = place.rows("survey"), days_ago(40)
    run = place.materialize("survey", day)
    assert not run.ok
    assert not run.requests
    assert all(word in run.problem for word in ("retention of 30 days", str(day), "source: archive"))
    assert place.rows("survey") == before
    assert place.stored("survey", day).state == "expired"
    assert run.checks.keys() == CHECK_NAMES


def test_days_past_retention_do_not_keep_others_of_a_range_from_loading(place: Place) -> None:
    """A range may hold days that are gone, days that only the archive has, and days that the vendor still has."""
    now = datetime.now(UTC)
    place.app.retention_days = 100
    gone, kept, partly, whole = (days_ago(days) for days in (32, 31, 30, 29))
    with place.data_access().connect() as api:
        archived = place.archived("survey", kept)
        for file in api.list_day(survey.DATASET, kept, Tally()):
            api.download(file, archived, Tally())
    place.app.retention_days = 30
    run = place.materialize("survey", gone, whole)
    assert list(run.days) == [str(kept), str(partly), str(whole)]
    assert "RetentionExpired" not in run.problem
    assert str(gone) in run.problem
    assert len(run.lists) == 2
    place.assert_true("survey", kept)
    place.assert_true("survey", whole)
    hours = run.checks["hours_are_listed_or_explained"]
    named = [record.data["day"] for record in hours.metadata["newest_failing_days"].value.records]
    assert not hours.passed
    assert str(partly) in named
    assert str(kept) in named
    assert (str(whole) in named) is survey.DATASET.begins_to_expire(whole, now)


def test_a_stored_day_that_the_vendor_lists_no_more_keeps_its_rows(place: Place) -> None:
    """What the archive holds counts, whatever the vendor still has."""
    place.materialize("survey", DAY)
    place.app.delays[""] = timedelta(days=50)
    run = place.materialize("survey", DAY)
    assert run.metadata(DAY)["state"] == "unchanged"
    place.assert_true("survey", DAY)


@pytest.mark.parametrize("kind", ["html", "403", "empty"])
def test_a_failed_list_never_becomes_an_empty_day(place: Place, kind: str) -> None:
    """An error is an error; the day has failed, and what is stored stays."""
    place.app.faults.append(Fault("/survey", kind))
    run = place.materialize("survey", DAY)
    assert not run.ok
    assert not run.days
    assert place.stored("survey", DAY).state == "failed"
    assert place.materialize("survey", DAY).ok
    before = place.rows("survey")
    place.app.faults.append(Fault("/survey", kind))
    assert not place.materialize("survey", DAY).ok
    assert place.rows("survey") == before
    stored = place.stored("survey", DAY)
    assert stored.state == "loaded"
    assert stored.problem


def test_a_day_that_would_shrink_is_held_back(place: Place) -> None:
    """With the archive lost and fewer files listed, the stored rows win, a check says so, and `force` decides."""
    place.materialize("survey", DAY)
    before = place.rows("survey")
    (place.folder / "archive").rename(place.folder / "lost")
    place.app.delays[place.app.files("survey", DAY)[-1].name] = timedelta(days=50)
    run = place.materialize("survey", DAY)
    assert not run.ok
    assert "held back" in run.problem
    assert "force: true" in run.problem
    assert place.rows("survey") == before
    check = run.checks["reloads_never_shrink_a_day"]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    forced = place.materialize("survey", DAY, force=True)
    assert forced.ok
    assert forced.checks["reloads_never_shrink_a_day"].passed
    assert len(place.rows("survey")) < len(before)


def test_days_that_fail_are_named_and_the_others_are_stored(place: Place) -> None:
    """One bad file costs one day: each good day is logged once, and the failure names every bad one with its reason."""
    days = [days_ago(back) for back in (6, 5, 4, 3)]
    place.materialize("survey", days[1])
    before = place.rows("survey", days[1])
    place.app.faults += [
        Fault(place.app.files("survey", day)[0].href_name, "403", times=9) for day in (days[1], days[3])
    ]
    run = place.materialize("survey", days[0], days[-1], refetch=True)
    assert not run.ok
    assert list(run.days) == [str(days[0]), str(days[2])]
    assert "2 of 4 days failed, 2 are stored" in run.problem
    assert all(str(day) in run.problem for day in (days[1], days[3]))
    assert place.rows("survey", days[1]) == before
    assert [place.stored("survey", day).state for day in days] == ["loaded", "loaded", "loaded", "failed"]
    assert [place.stored("survey", day).problem_type for day in days] == [None, "CredentialsRejected"] * 2
    assert run.checks.keys() == CHECK_NAMES
    known = place.instance.get_materialized_partitions(survey.DATASET.key)
    assert known == {str(day) for day in days[:3]}


def test_a_retry_of_the_step_does_the_failed_days_alone(place: Place) -> None:
    """Dagster runs a step again as a whole; days that are stored are not asked for, or logged, a second time."""
    days = [days_ago(back) for back in (5, 4, 3)]
    place.app.faults.append(Fault(place.app.files("survey", days[1])[0].href_name, "503", times=4))
    run = place.run(impatient("survey", retries=1), days[0], days[-1])
    assert run.ok, run.problem
    assert set(run.days) == {str(day) for day in days}
    assert len(run.lists) == 4
    for day in days:
        place.assert_true("survey", day)


def test_a_damaged_archived_file_never_reaches_the_table(place: Place) -> None:
    """It is named where the vendor is not asked, and fetched again where it is."""
    place.materialize("survey", DAY)
    victim = next((place.folder / "archive").rglob("*.gz"))
    size = victim.stat().st_size
    victim.write_bytes(gzip.compress(b"{}")[:size].ljust(size, b"\0"))
    run = place.materialize("survey", DAY, source="archive", force=True)
    assert victim.name in run.problem
    place.assert_true("survey", DAY)
    healed = place.materialize("survey", DAY)
    assert len(healed.downloads) == 1
    assert healed.metadata(DAY)["state"] == "unchanged"
    place.assert_true("survey", DAY)


def test_a_conflict_with_the_stored_table_stops_the_run_before_any_request(place: Place) -> None:
    """A column that someone gave another type is named with both types, and nothing is changed."""
    place.materialize("survey", DAY)
    place.select("alter table liveperson.survey alter column view_time type varchar")
    before = place.rows("survey")
    run = place.materialize("survey", days_ago(4))
    assert "liveperson.survey.view_time as VARCHAR, the schema says TIMESTAMP WITH TIME ZONE" in run.problem
    assert not run.requests
    assert place.rows("survey") == before


def test_a_day_that_needs_more_memory_than_a_load_is_given_is_loaded_with_all(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB says so before anything is changed; the log says it, too, and the day is whole."""
    monkeypatch.setattr(warehouse, "_LOAD_MEGABYTES", 2)
    monkeypatch.setattr(warehouse, "_FIELD_MEGABYTES", 0)
    run = place.materialize("engagement", DAY)
    assert run.ok, run.problem
    place.assert_true("engagement", DAY)
    said = [entry.user_message for entry in place.instance.all_logs(run.result.run_id)]
    assert any("once more with all memory" in text for text in said)
