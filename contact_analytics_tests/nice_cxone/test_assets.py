"""The three tables hold exactly what NICE CXone exports, whatever the version and the spelling."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.schema import columns_of
from contact_analytics.nice_cxone.qm_workflows import QmWorkflows
from contact_analytics.sandbox.nice_cxone import ENTITIES, NiceCxone
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import PROVENANCE, days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace

DAY, NEXT = days_ago(6), days_ago(5)
VERSIONS = [(name, version) for name in truth.MODULES for version in ENTITIES[truth.entity(name)]]


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_a_day_holds_every_row_of_the_vendors_column_by_column(open_place: OpenPlace, name: str, version: str) -> None:
    """In every version that is known; the newest is asked for unless the settings say another."""
    settings = {} if version == truth.newest(name) else {truth.entity(name): version}
    place = open_place({"versions": json.dumps(settings)}, scale=0.3)
    run = place.materialize(name, DAY, NEXT)
    assert run.ok, run.problem
    truth.assert_true(place, name, DAY, NEXT, version=version)
    assert [(each["entityName"], each["version"]) for each in place.app.submissions] == [(truth.entity(name), version)]
    assert place.app.violations == []
    assert run.metadata(DAY)["dagster/partition_row_count"] == len(truth.rows(place, name, DAY, version)) > 0
    assert len(place.rows(name)) == sum(len(truth.rows(place, name, day, version)) for day in (DAY, NEXT))
    assert (run.metadata(DAY)["quarantined"], run.metadata(DAY)["new_fields"]) == (0, "none")
    assert all(check.passed for check in run.checks.values() if check.check_name != "newest_due_day_is_in")


def test_all_37_columns_and_the_workflows_id_are_filled(open_place: OpenPlace) -> None:
    """None of them is lost on its way: over some days each has a value, and the free texts are as they were typed."""
    place = open_place(scale=1.0)
    days = truth.days(days_ago(20), 3)
    assert place.materialize("qm_workflows", days[0], days[-1]).ok
    truth.assert_true(place, "qm_workflows", *days)
    found = truth.held(place, "qm_workflows")
    assert len(found[0]) == len(columns_of(QmWorkflows)) == 37 + len(("workflow_id", "dated_at"))
    assert {name for row in found for name, value in row.items() if value is not None} == found[0].keys()
    comments = "".join(row["user_review_comments"] or "" for row in found)
    assert all(letter in comments for letter in '\n",Кお')
    assert {str(row["phone_number"])[:1] for row in found} >= {"+", "0"}


FORMS: list[dict[str, Any]] = [
    {"date_form": "iso", "boolean_form": "TRUE", "bom": True},
    {"date_form": "iso_z", "boolean_form": "true", "newline": "\n"},
    {"date_form": "offset", "en_dash": True, "newline": "\n", "bom": True},
    {"date_form": "us", "end_inclusive": False},
    {"date_form": "us", "en_dash": True, "bom": True, "end_inclusive": False, "boolean_form": "true"},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
@pytest.mark.parametrize("name", truth.MODULES)
def test_the_table_is_the_same_in_every_spelling(open_place: OpenPlace, name: str, form: dict[str, Any]) -> None:
    """Dates, booleans, a BOM, an en dash, line ends, and an end of the range that is or isn't one of its days."""
    place = open_place(**form)
    run = place.materialize(name, DAY, NEXT)
    assert run.ok, run.problem
    truth.assert_true(place, name, DAY, NEXT)
    assert (run.metadata(DAY)["quarantined"], run.metadata(NEXT)["quarantined"]) == (0, 0)
    assert place.app.violations == []


def test_a_day_is_the_same_however_the_range_ends(open_place: OpenPlace) -> None:
    """Alone, and where the vendor gives the day behind it as well, whose rows are that day's."""
    with_end, without = open_place(folder="with"), open_place(folder="without", end_inclusive=False)
    for place in (with_end, without):
        assert place.materialize("qm_workflows", DAY).ok
        truth.assert_true(place, "qm_workflows", DAY)
        assert {row["partition_date"] for row in place.rows("qm_workflows")} == {DAY}
        assert truth.submitted(place) == [(str(DAY), str(NEXT))]


def test_each_row_says_where_it_comes_from(place: CxonePlace) -> None:
    """The partition comes first, the provenance last; the file is the day's own, in the archive."""
    before = datetime.now(UTC)
    run = place.materialize("qm_questions", DAY)
    rows = place.rows("qm_questions")
    assert next(iter(rows[0])) == "partition_date"
    assert list(rows[0])[-4:] == PROVENANCE
    assert {row["_run_id"] for row in rows} == {run.result.run_id}
    assert all(before <= row["_extracted_at"] <= datetime.now(UTC) for row in rows)
    [source] = {row["_source_file"] for row in rows}
    whole = [file.name for file in place.archived("qm_questions", DAY).files() if file.name != source]
    assert whole == [source.removesuffix(".csv") + f"_{DAY}_{NEXT}.csv.gz"]
    assert source.startswith(str(before.date()))
    assert source.endswith("Z_v1.csv")
    assert place.stored("qm_questions", DAY).file_names == [source]


def test_the_archive_keeps_the_export_as_it_was_received(open_place: OpenPlace) -> None:
    """Compressed, to the byte, beside the files of its days: each the header and that day's records."""
    place = open_place(bom=True)
    place.materialize("qm_workflows", DAY, NEXT)
    days = (DAY, NEXT, NEXT + timedelta(days=1))
    columns = place.app.columns("qm-workflows", "4")
    sent = {day: [list(row.values()) for row in place.app.rows("qm-workflows", "4", day)] for day in days}

    def kept(day: date, number: int) -> bytes:
        archived = place.archived("qm_workflows", day)
        return archived.read(archived.files()[number])

    def read(text: bytes) -> list[list[str]]:
        return list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True))

    whole = kept(DAY, 1)
    assert whole.startswith(b"\xef\xbb\xbfTenant Name,")
    assert read(whole) == [columns, *sent[days[0]], *sent[days[1]], *sent[days[2]]]
    for day in (DAY, NEXT):
        assert read(kept(day, 0)) == [columns, *sent[day]]
        assert kept(day, 0).partition(b"\n")[2] in whole


def test_the_ui_shows_the_facts_of_each_day(place: CxonePlace) -> None:
    """State, counts and cost of each day, also where several came in one export, and the table's own measures."""
    run = place.materialize("qm_workflows", DAY, NEXT)
    assert [run.metadata(day)["files_downloaded"] for day in (DAY, NEXT)] == [1, 1]
    # The export, two looks at it, and the file, beside a token; the next day was in it.
    assert [run.metadata(day)["calls"] for day in (DAY, NEXT)] == [4, 0]
    assert len(run.requests) == 5
    for day in (DAY, NEXT):
        shown, rows = run.metadata(day), truth.rows(place, "qm_workflows", day)
        assert (shown["state"], shown["files"]) == ("loaded", 1)
        assert shown["bytes"] == place.archived("qm_workflows", day).files()[0].bytes
        scores = [row["score_percentage"] for row in rows if row["score_percentage"] is not None]
        assert shown["average_score"] == pytest.approx(sum(scores) / len(scores))
        assert shown["not_submitted"] == sum(row["submission_date"] is None for row in rows)
        assert shown["first_event"] == min(row["dated_at"] for row in rows).timestamp()
        assert shown["last_event"] == max(row["dated_at"] for row in rows).timestamp()


def test_personal_data_is_masked_in_the_sample(place: CxonePlace) -> None:
    """Names, numbers and what was written in a dispute are in the table, and not in Dagster's UI."""
    run = place.materialize("qm_workflows", DAY)
    sample = run.days[str(DAY)].metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    private = {
        row[column]
        for row in truth.rows(place, "qm_workflows", DAY)
        for column in ("phone_number", "agent_last_name", "evaluator_first_name", "user_review_comments")
    } - {None}
    assert private
    assert not private & {value for record in sample.records for value in record.data.values()}


def test_unsubmitted_evaluations_are_of_the_day_they_were_begun(open_place: OpenPlace) -> None:
    """They are rows as any other, without a submission and without a score, and so are their questions."""
    place = open_place(scale=0.5)
    for name, column in (("qm_workflows", "submission_date"), ("qm_questions", "evaluation_submission_date")):
        assert place.materialize(name, DAY).ok
        open_ = [row for row in place.rows(name) if row[column] is None]
        assert open_
        assert {row["dated_at"].date() for row in open_} == {DAY}
        truth.assert_true(place, name, DAY)


def test_a_segment_appears_half_an_hour_after_it_ended(open_place: OpenPlace) -> None:
    """A day that is asked for before has fewer; asked for again, it has them all."""
    name = "recording_interaction_metadata"

    def just_after(day: date) -> datetime:
        return truth.start_of(day) + timedelta(days=1, minutes=1)

    place = open_place(scale=1.0, now=lambda: early)
    early = datetime.now(UTC)
    # Not on every day is somebody spoken to in its last half hour.
    day, few = next(
        (day, len(rows))
        for day in map(days_ago, range(2, 28))
        if len(rows := truth.rows(place, name, day, at=just_after(day))) < len(truth.rows(place, name, day))
    )
    early = just_after(day)
    assert place.materialize(name, day).ok
    truth.assert_true(place, name, day, at=early)
    place.app = NiceCxone(scale=1.0, interval=0)
    assert truth.states(place.materialize(name, day)) == {day: "loaded"}
    truth.assert_true(place, name, day)
    assert len(place.rows(name)) > few
