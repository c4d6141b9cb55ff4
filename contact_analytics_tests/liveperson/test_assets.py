"""The four daily assets keep what they promise, from the vendor's lists to the tables."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from contact_analytics.lib.checks import CHECKS, HOURLY_CHECKS
from contact_analytics.liveperson import survey
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import DATA_ACCESS, MODULES, PROVENANCE, Place, Unreachable, days_ago

NAMES = list(DATA_ACCESS)
DAY = days_ago(5)
CHECK_NAMES = {check.name for check in (*CHECKS, *HOURLY_CHECKS)} | {"newest_due_day_is_in"}


@pytest.mark.parametrize("name", NAMES)
def test_adjacent_days_hold_exactly_the_vendors_records(place: Place, name: str) -> None:
    """No row is lost, doubled or in the wrong day; nested columns and 64-bit ids, emoji and newlines are as sent."""
    days = [days_ago(5), days_ago(4), days_ago(3)]
    run = place.materialize(name, days[0], days[-1])
    assert run.ok, run.problem
    for day in days:
        place.assert_true(name, day)
        assert run.metadata(day)["dagster/partition_row_count"] == len(place.truth(name, day)) > 0
    assert len(place.rows(name)) == sum(len(place.rows(name, day)) for day in days)
    assert len(run.lists) == 3


@pytest.mark.parametrize("name", ["engagement", "web_session"])
def test_a_busy_day_is_as_exact_as_a_quiet_one(place: Place, name: str) -> None:
    """Hours in several files, and all hours filled."""
    place.app = LivePersonDataAccess(scale=0.3 if name == "engagement" else 0.08)
    assert place.materialize(name, DAY).ok
    place.assert_true(name, DAY)
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
    place.assert_true("survey", days[1])
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
    place.assert_true("survey", DAY)
    nothing = place.materialize("survey", days_ago(6), source="archive", resources=resources)
    assert "the archive does not hold this day" in nothing.problem


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
    place.assert_true("survey", DAY)


@pytest.mark.parametrize("kind", ["duplicate_session", "session_in_two_files"])
@pytest.mark.parametrize("name", ["engagement", "web_session", "agent_activity"])
def test_the_same_session_twice_is_one_row(place: Place, name: str, kind: str) -> None:
    """The vendor repeats sessions within a file and across files."""
    # A quiet day has one file.
    day, second = next(
        (day, files[1]) for day in map(days_ago, range(3, 25)) if len(files := place.app.files(name, day)) > 1
    )
    place.app.faults.append(Fault(second.href_name, kind))
    run = place.materialize(name, day)
    assert not place.app.faults
    place.assert_true(name, day)
    assert run.checks["primary_key_is_unique"].passed


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
    place.assert_true("survey", DAY)


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
    """The newest due day turns the check green in the same run, an older one does not; what is missing is named."""
    early = place.materialize("survey", days_ago(5))
    assert not early.checks["newest_due_day_is_in"].passed
    fresh = place.materialize("survey", days_ago(2), days_ago(1)).checks["newest_due_day_is_in"]
    assert fresh.passed
    missing = fresh.metadata["missing_days"].value
    assert isinstance(missing, list)
    assert set(missing) >= {str(days_ago(back)) for back in (6, 4, 3)}
    assert not set(missing) & {str(days_ago(back)) for back in (5, 2, 1)}


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
    place.assert_true("survey", newer)
    kept = place.rows("survey", older)
    assert len(kept) == len(before)
    assert {row["view_time"] for row in kept} == {None}
    assert {item["survey_name"] for row in kept for item in row["contents"] or []} <= {None}
    assert place.materialize("survey", older, force=True).ok
    place.assert_true("survey", older)
    assert "gone_since" in place.rows("survey")[0]


@pytest.mark.parametrize("name", NAMES)
def test_flat_views_show_every_item_of_every_list(place: Place, name: str) -> None:
    """For people who write SQL: key columns first, and as many rows as the lists of the day have items."""
    place.materialize(name, DAY)
    dataset = MODULES[name].DATASET
    for view in dataset.views():
        column = view.removeprefix(f"{dataset.table}_")
        items = place.select(f"from {view} order by all")
        assert len(items) == sum(len(row[column] or []) for row in place.rows(name))
        head = [column["column_name"] for column in place.select(f"describe {view}")]
        assert head[: len(dataset.primary_key) + 2] == ["partition_date", *dataset.primary_key, "position"]
