"""Whatever a file is like, each of its records is a row or is set aside with its reason, or the day is red."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import Materialized, days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import STORAGE, Tampered, with_file

NAME, DAY, NEXT = "qm_workflows", days_ago(6), days_ago(5)
Table = list[list[str]]


def tampered(change: Callable[[Table], object], place: CxonePlace) -> CxonePlace:
    """A place whose files are changed as tables."""

    def changed(body: bytes) -> bytes:
        table = list(csv.reader(io.StringIO(body.decode(), newline="")))
        change(table)
        out = io.StringIO(newline="")
        csv.writer(out).writerows(table)
        return out.getvalue().encode()

    place.app = Tampered(tamper=with_file(changed))
    return place


def fetched(run: Materialized) -> int:
    return sum(path.startswith(STORAGE) for _, path in run.requests)


EMPTY = [(NAME, "no_rows"), (NAME, "no_bytes"), (NAME, "no_content")]
EMPTY += [("qm_questions", "no_bytes"), ("recording_interaction_metadata", "no_rows")]


@pytest.mark.parametrize(("name", "kind"), EMPTY)
def test_a_range_without_rows_is_empty_days(open_place: OpenPlace, name: str, kind: str) -> None:
    """By a header alone, a file of no bytes, or an answer without one: the vendor's word, and green."""
    place = open_place(faults=[Fault(truth.entity(name), kind)])
    run = place.materialize(name, DAY, NEXT)
    assert run.ok, run.problem
    assert truth.states(run) == {DAY: "empty", NEXT: "empty"}
    assert place.rows(name) == []
    again = place.materialize(name, DAY, NEXT)
    assert truth.states(again) == {DAY: "loaded", NEXT: "loaded"}
    truth.assert_true(place, name, DAY, NEXT)


def test_a_stored_day_does_not_become_empty(open_place: OpenPlace) -> None:
    """Evaluations that were submitted are never taken back, so a file without them is a question for a person."""
    place = open_place()
    place.materialize(NAME, DAY)
    place.app.faults.append(Fault("qm-workflows", "no_bytes"))
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert "of the stored rows would be gone" in run.problem
    truth.assert_true(place, NAME, DAY)


@pytest.mark.parametrize("kind", ["cut_text", "cut_file", "dropped_file"])
def test_a_file_that_is_cut_is_fetched_again(open_place: OpenPlace, kind: str) -> None:
    """By its length, by its connection, or by a quoted text that does not end: nothing of it is kept."""
    place = open_place(scale=0.5, faults=[Fault("qm-workflows", kind, times=2)])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert (fetched(run), len(place.app.submissions)) == (3, 1)
    truth.assert_true(place, NAME, DAY)


@pytest.mark.parametrize("kind", ["cut_text", "cut_file", "dropped_file"])
def test_a_file_that_is_cut_each_time_is_a_red_day(open_place: OpenPlace, kind: str) -> None:
    """And what is stored stays as it is; the archive gets nothing."""
    place = open_place(scale=0.5)
    place.materialize(NAME, DAY)
    before, files = place.rows(NAME), place.archived(NAME, DAY).files()
    place.app.faults.append(Fault("qm-workflows", kind, times=99))
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert "Nothing" in run.problem
    assert place.stored(NAME, DAY).problem_type in {"DownloadIncomplete", "ApiUnavailable"}
    assert place.rows(NAME) == before
    assert place.archived(NAME, DAY).files() == files
    assert len(place.app.submissions) == 2


def test_a_damaged_export_is_not_taken_up_by_the_next_run(open_place: OpenPlace) -> None:
    """A file that arrives whole and ends within a record is so at the vendor's: only another export can be better."""
    place = open_place()
    damaged: list[str] = []

    def tamper(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
        if not request.url.path.startswith(STORAGE):
            return None
        damaged.append(request.url.path)
        return with_file(lambda body: body + b'"cut')(request, answer) if request.url.path == damaged[0] else None

    place.app = Tampered(tamper=tamper)
    assert not place.materialize(NAME, DAY).ok
    again = place.materialize(NAME, DAY)
    assert again.ok, again.problem
    assert len(place.app.submissions) == 2
    truth.assert_true(place, NAME, DAY)


def test_a_ragged_record_is_set_aside_and_no_other(open_place: OpenPlace) -> None:
    """Its bytes are in quarantine, with the reason."""
    place = open_place(faults=[Fault("qm-workflows", "ragged")], scale=0.3)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    [refused] = truth.quarantine(place)
    assert refused["reason"] == "record: it has 39 fields, the header 38"
    assert (refused["record"], "too many" in refused["raw"]) == (1, True)
    assert len(place.rows(NAME)) == len(truth.rows(place, NAME, DAY)) - 1
    assert not run.checks["nothing_is_quarantined"].passed


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_ragged_record_is_not_dated_by_another_column(open_place: OpenPlace, shift: int) -> None:
    """One field fewer or more puts a neighbour, which is of another day, in the place of the date."""

    def change(table: Table) -> None:
        place = table[0].index("Submission Date")
        for shifted in (place - 1, place + 1):
            table[1][shifted] = f"{NEXT}T12:00:00Z"
        table[1] = ["more", *table[1]] if shift == 1 else table[1][1:]

    place = tampered(change, open_place())
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(place.rows(NAME)) == len(truth.rows(place, NAME, DAY)) - 1
    [refused] = truth.quarantine(place)
    assert refused["partition_date"] == DAY
    assert refused["reason"] == f"record: it has {38 + shift} fields, the header 38"


@pytest.mark.parametrize("column", ["Tenant Name", "Submission Date", "LastName (Assigner)"])
def test_a_record_that_is_not_utf8_is_set_aside_and_no_other(open_place: OpenPlace, column: str) -> None:
    """Whichever column it is that cannot be read, that of the date included."""
    place = open_place()

    def change(table: Table) -> None:
        table[1][table[0].index(column)] += "\N{REPLACEMENT CHARACTER}"

    tampered(change, place)
    tamper = place.app.tamper
    mark = "\N{REPLACEMENT CHARACTER}".encode()

    def broken(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
        changed = tamper(request, answer)
        return with_file(lambda body: body.replace(mark, b"\xe9"))(request, changed) if changed else None

    place.app = Tampered(tamper=broken)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    [refused] = truth.quarantine(place)
    assert (refused["partition_date"], refused["reason"]) == (DAY, "record: text that is not UTF-8")
    assert len(place.rows(NAME)) == len(truth.rows(place, NAME, DAY)) - 1


@pytest.mark.parametrize("name", truth.MODULES)
def test_a_new_column_is_kept_and_reported(open_place: OpenPlace, name: str) -> None:
    """In `_extra` of each row, in the UI and by a check; the known columns are as they were."""
    place = open_place(faults=[Fault(truth.entity(name), "new_column", value={"Sentiment": "0.5", "Mood": "é, \n"})])
    run = place.materialize(name, DAY)
    assert run.ok, run.problem
    truth.assert_true(place, name, DAY)
    extra = [json.loads(row["_extra"]) for row in place.rows(name)]
    assert extra
    assert all(each == {"Sentiment": "0.5", "Mood": "é, \n"} for each in extra)
    assert run.metadata(DAY)["new_fields"] == f"`Mood` ({len(extra):,}), `Sentiment` ({len(extra):,})"
    assert not run.checks["no_unknown_fields"].passed


@pytest.mark.parametrize("name", truth.MODULES)
def test_the_order_of_the_columns_means_nothing(open_place: OpenPlace, name: str) -> None:
    """They are found by name."""
    place = open_place(faults=[Fault(truth.entity(name), "reordered")])
    assert place.materialize(name, DAY).ok
    truth.assert_true(place, name, DAY)


def test_a_column_that_is_not_sent_is_null(open_place: OpenPlace) -> None:
    """As long as rows can be told apart and dated without it."""
    place = open_place(dropped_columns={"Rank", "Score", "LastName (Eva)"})
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    truth.assert_true(place, NAME, DAY)
    assert {row["score"] for row in place.rows(NAME)} == {None}


MISSING = [
    ("qm_workflows", "Submission Date"),
    ("qm_workflows", "Start Date"),
    ("qm_questions", "WorkflowInstance ID"),
    ("qm_questions", "Question ID"),
    ("qm_questions", "Evaluation Submission Date"),
    ("recording_interaction_metadata", "Segment ID"),
    ("recording_interaction_metadata", "Start Date"),
]


@pytest.mark.parametrize(("name", "column"), MISSING)
def test_a_column_without_which_nothing_can_be_kept_is_an_error(open_place: OpenPlace, name: str, column: str) -> None:
    """It is named, and the day is red: never empty, and never all in quarantine."""
    place = open_place(faults=[Fault(truth.entity(name), "missing_column", value=column, times=99)])
    run = place.materialize(name, DAY)
    assert not run.ok
    assert column.lower().replace(" ", "") in run.problem.lower().replace(" ", "").replace("_", "")
    assert place.stored(name, DAY).state == "failed"
    assert (place.stored(name, DAY).problem_type, place.rows(name)) == ("UnexpectedAnswer", [])


def test_dates_in_a_form_that_nobody_knows_are_an_error(open_place: OpenPlace) -> None:
    """Days would look empty otherwise, and be green."""

    def change(table: Table) -> None:
        places = [table[0].index(name) for name in ("Submission Date", "Start Date")]
        for row in table[1:]:
            for place in places:
                row[place] = row[place] and "10 nov 2026, noonish"

    place = tampered(change, open_place())
    run = place.materialize(NAME, DAY, NEXT)
    assert not run.ok
    assert not run.days
    assert "writes dates in a form that is not known: 10 nov 2026, noonish" in run.problem


def test_a_value_that_is_not_what_its_column_says_is_kept_as_text(open_place: OpenPlace) -> None:
    """The row is loaded, the column is null, and the text is in `_extra`."""

    def change(table: Table) -> None:
        row = table[1]
        for column, text in {"Score": "ten", "Failed Critical Question": "maybe", "Last Updated": "soon"}.items():
            row[table[0].index(column)] = text

    place = tampered(change, open_place())
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    [odd] = [row for row in place.rows(NAME) if row["_extra"]]
    assert json.loads(odd["_extra"]) == {
        "Score (unreadable)": "ten",
        "Failed Critical Question (unreadable)": "maybe",
        "Last Updated (unreadable)": "soon",
    }
    assert (odd["score"], odd["failed_critical_question"], odd["last_updated"]) == (None, None, None)
    assert len(place.rows(NAME)) == len(truth.rows(place, NAME, DAY))


NO_FILES: list[tuple[bytes, str]] = [
    ("Tenant Name,Submission Date\n".encode("utf-16"), "has no column"),
    (b"\xff\xfe\x00\x01binary\n\x80", "has no column"),
    (b"\x1f\x8b\x08\x00gzip?", "has no column"),
    (b'{"message": "Internal error"}', "has no column"),
    (b"Tenant Name,Submission Date,Start Date\rA,2026-11-19,2026-11-19\r", "it is no CSV"),
    (b"  \r\n<html>Sign in</html>", "a web page in place of a file"),
]


@pytest.mark.parametrize(("body", "words"), NO_FILES, ids=lambda value: repr(value)[:30])
def test_what_is_no_such_file_is_a_red_day(open_place: OpenPlace, body: bytes, words: str) -> None:
    """Whatever its bytes, the error can be said, stored and shown, and the days behind it are still tried."""
    place = open_place({"days_an_export": 1})

    def tamper(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
        first = [each["id"] for each in place.app.submissions if each["startDate"] == str(DAY)]
        return with_file(lambda _: body)(request, answer) if any(id in request.url.path for id in first) else None

    place.app = Tampered(tamper=tamper)
    run = place.materialize(NAME, DAY, NEXT)
    assert not run.ok
    assert words in run.problem
    assert list(run.days) == [str(NEXT)]
    assert place.stored(NAME, DAY).state == "failed"
    truth.assert_true(place, NAME, NEXT)


def test_rows_that_are_repeated_are_one(open_place: OpenPlace) -> None:
    """The one that was updated last stands, wherever it is in the file."""

    def change(table: Table) -> None:
        older, newer = list(table[1]), list(table[1])
        updated, rank = table[0].index("Last Updated"), table[0].index("Rank")
        older[updated], older[rank] = f"{DAY - timedelta(days=9)}T00:00:00Z", "older"
        newer[updated], newer[rank] = f"{NEXT}T23:00:00Z", "newer"
        table[1:1] = [newer]
        table += [older]

    place = tampered(change, open_place())
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    rows = place.rows(NAME)
    assert len(rows) == len(truth.rows(place, NAME, DAY))
    assert [row["rank"] for row in rows if row["rank"] in {"older", "newer"}] == ["newer"]
