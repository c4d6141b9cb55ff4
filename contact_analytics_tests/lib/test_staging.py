"""Staging makes one row of each key, and lets nothing through that breaks a rule."""

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from contact_analytics.lib import staging as staging_module
from contact_analytics.lib.dataset import Dataset, Repeats
from contact_analytics.lib.formats import Decoded, Rejected
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.staging import Staging
from contact_analytics_tests.fakes import dataset_of

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Visit(dy.Schema):
    """One row a visit."""

    schema_version = field(dy.String, "Version")
    id = field(dy.String, "Visit", key=True)
    placed_at = instant("Time of the visit")
    name = field(dy.String, "Name")
    pages = many(record({"url": field(dy.String, "Address"), "n": field(dy.Int64, "Number")}), "Pages")


class Dated(Visit):
    """One row a visit whose time is known."""

    placed_at = instant("Time of the visit", required=True)


VISITS = dataset_of("visit", Visit)
LATEST = replace(VISITS, schema=Dated, repeats=Repeats.LATEST)
OF_THE_DAY = replace(LATEST, answers_reach_beyond=True)


def decoded(*rows: dict[str, Any], **facts: Any) -> Decoded:
    types = {name: column.dtype for name, column in Visit.columns().items()}
    types |= {"_extra": pl.String(), "_record": pl.Int64()}
    return Decoded(
        pl.DataFrame([{"_record": number, **row} for number, row in enumerate(rows, 1)], schema=types), **facts
    )


def staged(*files: Decoded, dataset: Dataset = VISITS) -> tuple[Staging, list[dict[str, Any]]]:
    with closing(Staging(dataset, NOON.date())) as staging:
        for number, file in enumerate(files, 1):
            staging.add(f"{number}.gz", file)
        frames = list(staging.frames())
    return staging, [row for frame in frames for row in frame.to_dicts()]


def page(number: int) -> dict[str, Any]:
    return {"url": f"/{number}", "n": number}


@pytest.fixture(params=[10**9, 0], ids=["in one chunk", "in a chunk a file"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are staged together up to some size; what comes out does not depend on it."""
    monkeypatch.setattr(staging_module, "_CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("chunks")
def test_rows_of_several_files_are_all_there() -> None:
    """Each row once, with the file that it is from."""
    staging, rows = staged(decoded({"id": "a"}, {"id": "b"}), decoded(), decoded({"id": "c"}))
    assert {(row["id"], row["_source_file"]) for row in rows} == {("a", "1.gz"), ("b", "1.gz"), ("c", "3.gz")}
    assert staging.rows == 3
    assert "_record" not in rows[0]


@pytest.mark.usefixtures("chunks")
def test_identical_rows_are_one() -> None:
    """The same record twice, in one file or in two."""
    row = {"id": "a", "name": "A", "placed_at": NOON, "pages": [page(1), page(1), page(2)]}
    _, [once] = staged(decoded(row, row), decoded(row))
    assert {name: once[name] for name in row} == row


@pytest.mark.usefixtures("chunks")
def test_of_differing_rows_the_latest_value_wins_and_lists_are_joined() -> None:
    """A value is never lost to a null; an item of a list is there as often as in the file that has it most."""
    _, rows = staged(
        decoded(
            {"id": "a", "name": "old", "placed_at": NOON, "pages": [page(1), page(2)], "_extra": '{"x": 1, "y": 1}'},
            {"id": "b"},
        ),
        decoded({"id": "a", "name": "new", "pages": [page(2), page(2), page(3)], "_extra": '{"y": 2}'}),
        decoded({"id": "a", "pages": None}),
    )
    merged = next(row for row in rows if row["id"] == "a")
    assert len(rows) == 2
    assert merged["name"] == "new"
    assert merged["placed_at"] == NOON
    assert merged["pages"] == [page(1), page(2), page(2), page(3)]
    assert merged["_source_file"] == "3.gz"
    assert json.loads(merged["_extra"]) == {"x": 1, "y": 2}


@pytest.mark.usefixtures("chunks")
def test_where_the_latest_stands_it_stands_whole() -> None:
    """Of the same key in one file or in several the last row is taken, with what is null in it, and no other."""
    first = {"id": "a", "name": "old", "placed_at": NOON, "pages": [page(1)], "_extra": '{"x": 1}'}
    staging, rows = staged(
        decoded(first, {"id": "b", "placed_at": NOON, "name": "B"}, first | {"name": "older"}),
        decoded({"id": "c", "placed_at": NOON}, {"id": "c", "placed_at": NOON, "name": "C"}),
        decoded({"id": "a", "placed_at": NOON, "pages": [page(2)]}),
        dataset=LATEST,
    )
    found = {row["id"]: row for row in rows}
    assert len(rows) == staging.rows == 3
    assert (found["a"]["name"], found["a"]["pages"], found["a"]["_extra"]) == (None, [page(2)], None)
    assert (found["a"]["_source_file"], found["b"]["name"], found["c"]["name"]) == ("3.gz", "B", "C")


@pytest.mark.usefixtures("chunks")
def test_a_latest_row_that_lacks_something_is_set_aside_and_the_older_one_stands() -> None:
    """A good row is not given up for one that cannot be loaded; rows without a key are no repetitions of each other."""
    staging, rows = staged(
        decoded({"id": "a", "placed_at": NOON}, {"placed_at": NOON}, {"placed_at": NOON}),
        decoded({"id": "a"}),
        dataset=LATEST,
    )
    assert [(row["id"], row["placed_at"]) for row in rows] == [("a", NOON)]
    assert sorted((q.source_file, q.record, q.reason) for q in staging.quarantine) == [
        ("1.gz", 2, '"id" is missing'),
        ("1.gz", 3, '"id" is missing'),
        ("2.gz", 1, '"placed_at" is missing'),
    ]


@pytest.mark.usefixtures("chunks")
def test_of_an_answer_that_reaches_beyond_the_day_only_the_day_is_taken() -> None:
    """From its first millisecond on, without the first of the next day; one without a time is set aside, not lost."""
    start = NOON.replace(hour=0)
    last = start + timedelta(days=1) - timedelta(milliseconds=1)
    around = [start - timedelta(milliseconds=1), start, NOON, last, last + timedelta(milliseconds=1), None]
    staging, rows = staged(
        decoded(*[{"id": str(number), "placed_at": at} for number, at in enumerate(around)]),
        decoded({"id": "6", "placed_at": start - timedelta(days=1)}),
        dataset=OF_THE_DAY,
    )
    assert sorted((row["id"], row["placed_at"]) for row in rows) == [("1", start), ("2", NOON), ("3", last)]
    assert (staging.first_event, staging.last_event, staging.rows) == (start, last, 3)
    [quarantined] = staging.quarantine
    assert (quarantined.record, quarantined.reason) == (6, '"placed_at" is missing')


def test_an_answer_that_does_not_reach_beyond_its_day_is_taken_as_it_is() -> None:
    """The vendor's files say which day they belong to; a session may start before it."""
    _, rows = staged(decoded({"id": "a", "placed_at": NOON - timedelta(days=1)}))
    assert [row["id"] for row in rows] == ["a"]


def test_refusals_and_unknown_fields_of_an_answer_do_not_depend_on_the_day() -> None:
    """What could not be read says no time, so that it is reported wherever it comes."""
    file = decoded({"id": "a", "placed_at": NOON + timedelta(days=1)}, rejected=[Rejected(2, "odd", b"{")])
    staging, rows = staged(replace(file, unknown=Counter(mood=1)), dataset=OF_THE_DAY)
    assert rows == []
    assert [quarantined.reason for quarantined in staging.quarantine] == ["odd"]
    assert staging.unknown == {"mood": 1}


@pytest.mark.usefixtures("chunks")
def test_rows_without_a_key_are_set_aside() -> None:
    """Two of them are no repetition of each other; reason, file, number and content are kept."""
    lost = {"name": "nobody", "placed_at": NOON}
    staging, rows = staged(decoded({"id": "a"}), decoded({"id": "b"}, lost, lost))
    assert {row["id"] for row in rows} == {"a", "b"}
    assert [(q.source_file, q.record, q.reason) for q in staging.quarantine] == [
        ("2.gz", 2, '"id" is missing'),
        ("2.gz", 3, '"id" is missing'),
    ]
    assert json.loads(staging.quarantine[0].raw)["name"] == "nobody"


def test_what_decoding_refused_is_counted_with_what_breaks_a_rule() -> None:
    """Bytes that are no text are kept as far as they are."""
    refused = decoded({"id": "a"}, rejected=[Rejected(7, "no JSON", b'{"a": \xff')], unknown=Counter(mood=3))
    staging, _ = staged(refused, decoded({"id": "b"}, unknown=Counter(mood=1, tone=1)))
    [quarantined] = staging.quarantine
    assert (quarantined.record, quarantined.reason, quarantined.raw) == (7, "no JSON", '{"a": \ufffd')
    assert staging.unknown == {"mood": 4, "tone": 1}


def test_the_day_is_summed_up() -> None:
    """First and last event and the vendor's schema versions, of the rows that are kept."""
    staging, _ = staged(
        decoded({"id": "a", "placed_at": NOON, "schema_version": "1"}),
        decoded({"id": "b", "schema_version": "2"}, {"id": "c", "placed_at": NOON.replace(hour=3)}),
    )
    assert (staging.first_event, staging.last_event) == (NOON.replace(hour=3), NOON)
    assert staging.schema_versions == {"1", "2"}


def test_a_day_without_files_has_no_frames() -> None:
    """An empty day is no error."""
    staging, rows = staged()
    assert rows == []
    assert (staging.rows, staging.first_event) == (0, None)


def test_a_row_of_another_day_is_set_aside_where_files_are_of_the_day() -> None:
    """An answer for this day alone that holds another day's row is a riddle: nothing of it is dropped."""
    dataset = replace(LATEST, of_the_day=True)
    rows = [
        {"id": "here", "placed_at": NOON},
        {"id": "there", "placed_at": NOON + timedelta(days=1)},
        {"id": "before", "placed_at": NOON - timedelta(days=1)},
    ]
    staging, found = staged(decoded(*rows), dataset=dataset)
    assert [row["id"] for row in found] == ["here"]
    assert [each.record for each in staging.quarantine] == [2, 3]
    assert all(each.reason.startswith("its placed_at is on another day") for each in staging.quarantine)
    assert [json.loads(each.raw)["id"] for each in staging.quarantine] == ["there", "before"]


@pytest.mark.usefixtures("chunks")
def test_what_is_staged_can_be_gone_through_again() -> None:
    """A load that had too little memory begins anew: the same rows, and nothing is set aside twice."""
    lost = {"id": None, "name": "nobody"}
    with closing(Staging(VISITS, NOON.date())) as staging:
        staging.add("1.gz", decoded({"id": "a", "name": "x"}, lost))
        staging.add("2.gz", decoded({"id": "a", "name": "y"}, {"id": "b"}))
        first = [row for frame in staging.frames() for row in frame.to_dicts()]
        told = staging.rows, staging.quarantine, staging.first_event
        assert [row for frame in staging.frames() for row in frame.to_dicts()] == first
        assert (staging.rows, staging.quarantine, staging.first_event) == told


@pytest.mark.usefixtures("chunks")
def test_the_last_change_within_a_file_stands_wherever_its_row_is() -> None:
    """Files come in order, their rows do not where a column tells when each was changed; a file may come in parts."""
    dataset = replace(LATEST, changed_at="placed_at")
    before, after = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    with closing(Staging(dataset, NOON.date())) as staging:
        staging.add("1.csv", decoded({"id": "a", "placed_at": after, "name": "first file"}))
        staging.add("2.csv", decoded({"id": "a", "placed_at": NOON, "name": "newest"}, {"id": "b", "placed_at": NOON}))
        staging.add("2.csv", decoded({"id": "a", "placed_at": before, "name": "older"}))
        rows = {row["id"]: row["name"] for frame in staging.frames() for row in frame.to_dicts()}
    assert rows == {"a": "newest", "b": None}


def test_a_table_without_times_has_no_events() -> None:
    """Its rows are loaded as any others."""
    staging, found = staged(decoded({"id": "a"}), dataset=replace(VISITS, event_time=""))
    assert len(found) == 1
    assert (staging.first_event, staging.last_event) == (None, None)
