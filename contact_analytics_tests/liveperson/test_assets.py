"""The four daily assets keep what they promise, from the vendor's lists to the tables."""

import gzip
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from contact_analytics.lib.checks import CHECKS
from contact_analytics.lib.http import Tally
from contact_analytics.liveperson import survey
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import MODULES, PROVENANCE, Place, Unreachable, days_ago, impatient, in_order

NAMES = list(MODULES)
DAY = days_ago(5)
CHECK_NAMES = {check.name for check in CHECKS} | {"newest_due_day_is_in"}


def assert_true_rows(place: Place, name: str, day: date) -> None:
    dataset = MODULES[name].DATASET
    assert in_order(dataset, place.rows(name, day)) == in_order(dataset, place.truth(name, day))


@pytest.mark.parametrize("name", NAMES)
def test_adjacent_days_hold_exactly_the_vendors_records(place: Place, name: str) -> None:
    """No row is lost, doubled or in the wrong day; nested columns and 64-bit ids, emoji and newlines are as sent."""
    days = [days_ago(5), days_ago(4), days_ago(3)]
    run = place.materialize(name, days[0], days[-1])
    assert run.ok, run.problem
    for day in days:
        assert_true_rows(place, name, day)
        assert run.metadata(day)["dagster/partition_row_count"] == len(place.truth(name, day)) > 0
    assert len(place.rows(name)) == sum(len(place.rows(name, day)) for day in days)
    assert len(run.lists) == 3


@pytest.mark.parametrize("name", ["engagement", "web_session"])
def test_a_busy_day_is_as_exact_as_a_quiet_one(place: Place, name: str) -> None:
    """Hours in several files, and all hours filled."""
    place.app = LivePersonDataAccess(scale=0.3 if name == "engagement" else 0.08)
    assert place.materialize(name, DAY).ok
    assert_true_rows(place, name, DAY)
    assert len({file["_source_file"] for file in place.rows(name, DAY)}) > 20


def test_each_row_says_where_it_comes_from(place: Place) -> None:
    """The partition comes first, the provenance last; both name what was really loaded."""
    before = datetime.now(UTC)
    run = place.materialize("engagement", DAY)
    rows = place.rows("engagement")
    assert next(iter(rows[0])) == "partition_date"
    assert list(rows[0])[-4:] == PROVENANCE
    assert {row["_run_id"] for row in rows} == {run.result.run_id}
    assert {row["partition_date"] for row in rows} == {DAY}
    assert all(before <= row["_extracted_at"] <= datetime.now(UTC) for row in rows)
    assert {row["_source_file"] for row in rows} == {file.name for file in place.archived("engagement", DAY).files()}


def test_a_day_again_costs_one_list_and_changes_nothing(place: Place) -> None:
    """Materializing again is safe and cheap."""
    place.materialize("survey", DAY)
    before = place.rows("survey")
    again = place.materialize("survey", DAY)
    assert again.ok
    assert len(again.lists) == 1
    assert not again.downloads
    assert again.metadata(DAY)["state"] == "unchanged"
    assert place.rows("survey") == before


def test_a_late_file_loads_its_day_alone(place: Place) -> None:
    """Listing the last days again downloads what is new, and replaces only the day that changed."""
    days = [days_ago(4), days_ago(3)]
    late = place.app.files("survey", days[1])[-1]
    place.app.delays[late.name] = timedelta(days=20)
    first = place.materialize("survey", *days)
    assert len(place.rows("survey", days[1])) < len(place.truth("survey", days[1]))
    place.app.delays.clear()
    again = place.materialize("survey", *days)
    assert [again.metadata(day)["state"] for day in days] == ["unchanged", "loaded"]
    assert len(again.downloads) == 1
    assert_true_rows(place, "survey", days[1])
    assert {row["_run_id"] for row in place.rows("survey", days[0])} == {first.result.run_id}
    assert {row["_run_id"] for row in place.rows("survey", days[1])} == {again.result.run_id}


def test_refetch_downloads_every_file_again(place: Place) -> None:
    """For an archive that is not trusted any more."""
    first = place.materialize("survey", DAY)
    again = place.materialize("survey", DAY, refetch=True)
    assert sorted(again.downloads) == sorted(first.downloads)
    assert again.metadata(DAY)["files_downloaded"] == len(first.downloads)


def test_a_rebuild_from_the_archive_needs_no_vendor(place: Place) -> None:
    """`source: archive` works without credentials and without a request, also for a table that is gone."""
    place.materialize("survey", DAY)
    (place.folder / "warehouse.duckdb").unlink()
    resources = {"liveperson_data_access": Unreachable()}
    again = place.materialize("survey", DAY, source="archive", resources=resources)
    assert again.ok
    assert not again.requests
    assert_true_rows(place, "survey", DAY)
    nothing = place.materialize("survey", days_ago(6), source="archive", resources=resources)
    assert "the archive holds no file of this day" in nothing.problem


def test_a_rebuild_from_the_archive_keeps_what_the_vendors_list_said(place: Place) -> None:
    """Quiet hours stay explained when the day is loaded again without asking the vendor."""
    first = place.materialize("survey", DAY)
    again = place.materialize("survey", DAY, source="archive", force=True)
    assert first.checks["hours_are_listed_or_explained"].passed
    assert again.checks["hours_are_listed_or_explained"].passed


def test_force_loads_a_day_that_has_not_changed(place: Place) -> None:
    """A way out for a table that was changed by hand."""
    place.materialize("survey", DAY)
    again = place.materialize("survey", DAY, force=True)
    assert again.metadata(DAY)["state"] == "loaded"
    assert not again.downloads
    assert {row["_run_id"] for row in place.rows("survey")} == {again.result.run_id}


def test_rows_that_someone_deleted_come_back(place: Place) -> None:
    """A day counts as stored only while the table has as many rows as were loaded."""
    place.materialize("survey", DAY)
    place.select("delete from liveperson.survey where rowid = 0")
    again = place.materialize("survey", DAY)
    assert again.metadata(DAY)["state"] == "loaded"
    assert not again.downloads
    assert_true_rows(place, "survey", DAY)


@pytest.mark.parametrize("kind", ["duplicate_session", "session_in_two_files"])
@pytest.mark.parametrize("name", ["engagement", "web_session", "agent_activity"])
def test_the_same_session_twice_is_one_row(place: Place, name: str, kind: str) -> None:
    """The vendor repeats sessions within a file and across files."""
    second = place.app.files(name, DAY)[1]
    place.app.faults.append(Fault(second.href_name, kind))
    run = place.materialize(name, DAY)
    assert not place.app.faults
    assert_true_rows(place, name, DAY)
    assert run.checks["primary_key_is_unique"].passed


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
    assert run.checks["rows_come_from_the_days_files"].passed
    again = place.materialize("engagement", DAY, refetch=True)
    assert again.checks["nothing_is_quarantined"].passed
    assert not place.select("select * from meta.quarantine")


def test_unknown_fields_are_kept_and_named(place: Place) -> None:
    """A field that the schema does not know is in `_extra`, in the metadata and in a warning."""
    file = place.app.files("survey", DAY)[0]
    place.app.faults.append(Fault(file.href_name, "drifted_field", value={"mood": {"string": "sunny"}}))
    run = place.materialize("survey", DAY)
    extra = [row["_extra"] for row in place.rows("survey") if row["_extra"]]
    assert extra
    assert all("sunny" in text for text in extra)
    assert "mood" in run.metadata(DAY)["new_fields"]
    assert not run.checks["no_unknown_fields"].passed
    assert_true_rows(place, "survey", DAY)


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
    assert_true_rows(place, "survey", kept)
    assert_true_rows(place, "survey", whole)
    hours = run.checks["hours_are_listed_or_explained"]
    named = [record.data["day"] for record in hours.metadata["newest_failing_days"].value.records]
    assert not hours.passed
    assert str(partly) in named
    assert str(kept) in named
    assert (str(whole) in named) is (now >= survey.DATASET.begins_to_expire(whole))


def test_today_is_no_partition(place: Place) -> None:
    """Partitions end with yesterday, so a day that is not over cannot be asked for."""
    keys = survey.PARTITIONS.get_partition_keys()
    assert str(days_ago(1)) in keys
    assert str(days_ago(0)) not in keys


def test_an_empty_day_is_the_vendors_word(place: Place) -> None:
    """“No Available Files” makes an empty day: materialized, no rows, the table exists."""
    place.app = LivePersonDataAccess(scale=0.0001)
    assert not place.app.files("survey", DAY)
    run = place.materialize("survey", DAY)
    assert run.ok, run.problem
    assert run.metadata(DAY)["state"] == "empty"
    assert place.rows("survey") == []
    assert place.stored("survey", DAY).state == "empty"
    assert place.materialize("survey", DAY).metadata(DAY)["state"] == "unchanged"


def test_a_stored_day_that_the_vendor_lists_no_more_keeps_its_rows(place: Place) -> None:
    """What the archive holds counts, whatever the vendor still has."""
    place.materialize("survey", DAY)
    place.app.delays[""] = timedelta(days=50)
    run = place.materialize("survey", DAY)
    assert run.metadata(DAY)["state"] == "unchanged"
    assert_true_rows(place, "survey", DAY)


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
        assert_true_rows(place, "survey", day)


def test_the_ui_shows_the_facts_of_each_day(place: Place) -> None:
    """State, counts, cost, events and a sample in which personal data is masked."""
    run = place.materialize("engagement", DAY)
    shown, rows = run.metadata(DAY), place.rows("engagement")
    files = place.archived("engagement", DAY).files()
    assert shown["state"] == "loaded"
    assert shown["dagster/partition_row_count"] == len(rows)
    assert shown["files"] == shown["files_downloaded"] == len(files)
    assert shown["bytes"] == sum(file.bytes for file in files)
    assert shown["calls"] == len(run.requests) == len(files) + 2
    assert (shown["retries"], shown["quarantined"], shown["new_fields"]) == (0, 0, "none")
    assert shown["first_event"] == min(row["conversation_start_time"] for row in rows).timestamp()
    assert shown["last_event"] == max(row["conversation_start_time"] for row in rows).timestamp()
    assert all(shown[f"seconds_{phase}"] >= 0 for phase in ("list", "download", "decode", "load"))
    assert len(shown["rows_a_day"]) < 1000
    sample = run.days[str(DAY)].metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert 0 < len(sample.records) <= 5
    assert all(record.data["consumer_id"] in {"•••", "", "null"} for record in sample.records)
    private = {row["consumer_id"] for row in rows} | {row["start_url"] for row in rows} - {None, ""}
    assert not private & {value for record in sample.records for value in record.data.values()}
    assert run.days[str(DAY)].tags["dagster/data_version"] == place.stored("engagement", DAY).digest


def test_freshness_is_evaluated_by_the_run_that_loads(place: Place) -> None:
    """The newest due day turns the check green in the same run; days missing before it are named."""
    early = place.materialize("survey", days_ago(5))
    assert not early.checks["newest_due_day_is_in"].passed
    late = place.materialize("survey", days_ago(2), days_ago(1))
    fresh = late.checks["newest_due_day_is_in"]
    assert fresh.passed
    missing = fresh.metadata["missing_days"].value
    assert isinstance(missing, list)
    assert str(days_ago(4)) in missing
    assert str(days_ago(5)) not in missing


def test_a_table_of_an_older_schema_grows(place: Place) -> None:
    """Columns and nested fields that a newer schema has are added, stored days stay, and new days fill them."""
    older, newer = days_ago(6), days_ago(5)
    place.materialize("survey", older)
    before = place.rows("survey", older)
    place.select("alter table liveperson.survey drop column view_time")
    place.select("alter table liveperson.survey alter column contents type struct(question varchar, answer varchar)[]")
    place.select("alter table liveperson.survey alter column type type integer")
    place.select("alter table liveperson.survey add column gone_since integer")
    assert place.materialize("survey", newer).ok
    assert_true_rows(place, "survey", newer)
    kept = place.rows("survey", older)
    assert len(kept) == len(before)
    assert {row["view_time"] for row in kept} == {None}
    assert {item["survey_name"] for row in kept for item in row["contents"] or []} <= {None}
    assert place.materialize("survey", older, force=True).ok
    assert_true_rows(place, "survey", older)
    assert "gone_since" in place.rows("survey")[0]


def test_a_damaged_archived_file_never_reaches_the_table(place: Place) -> None:
    """It is named where the vendor is not asked, and fetched again where it is."""
    place.materialize("survey", DAY)
    victim = next((place.folder / "archive").rglob("*.gz"))
    size = victim.stat().st_size
    victim.write_bytes(gzip.compress(b"{}")[:size].ljust(size, b"\0"))
    run = place.materialize("survey", DAY, source="archive", force=True)
    assert victim.name in run.problem
    assert_true_rows(place, "survey", DAY)
    healed = place.materialize("survey", DAY)
    assert len(healed.downloads) == 1
    assert healed.metadata(DAY)["state"] == "unchanged"
    assert_true_rows(place, "survey", DAY)
