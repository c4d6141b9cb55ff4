"""Tables of text become typed frames, and nothing that was sent is lost on the way."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contact_analytics.lib.csv_text import read_csv, records
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.formats import Decoded
from contact_analytics.lib.json_texts import read_json
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.text_table import TextTable


class Call(dy.Schema):
    """One row a call."""

    id = field(dy.String, "Call", key=True, wire="Workflow ID")
    at = instant("Time", wire="Start Date")
    share = field(dy.Float64, "Share", wire="Score - Percentage")
    count = field(dy.Int64, "Count")
    is_good = field(dy.Bool, "Whether it is good")
    lasted = field(dy.Float64, "Span", duration=True)
    number = field(dy.String, "Number", wire="ACD Call ID*")


TABLE = TextTable(Call)


def row(text: str, name: str, **options: Any) -> Decoded:
    """A table of one row with one value."""
    table = io.StringIO()
    csv.writer(table).writerows([["Workflow ID", name], ["1", text]])
    return TABLE.read(read_csv(table.getvalue().encode()), **options)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Score - Percentage", "share"),
        ("Score – Percentage", "share"),
        ("SCORE_PERCENTAGE", "share"),
        ("  scorePercentage ", "share"),
        ("ＳＣＯＲＥ percentage", "share"),
        ("start date", "at"),
        ("is good", "is_good"),
        ("ACD Call ID (Contact)", "number"),
    ],
)
def test_columns_are_found_whatever_the_spelling(name: str, column: str) -> None:
    """Dashes, case, width and blanks say nothing."""
    found = row("", name)
    assert not found.unknown
    assert row("x", name).unknown == ({} if column == "number" else {f"{name} (unreadable)": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T10:11:12.123Z", datetime(2024, 3, 5, 10, 11, 12, 123_000, tzinfo=UTC)),
        ("2024-03-05 10:11:12", datetime(2024, 3, 5, 10, 11, 12, tzinfo=UTC)),
        ("2024-03-05T10:11", datetime(2024, 3, 5, 10, 11, tzinfo=UTC)),
        ("2024-03-05", datetime(2024, 3, 5, tzinfo=UTC)),
        ("2024-03-05T10:11:12+02:00", datetime(2024, 3, 5, 8, 11, 12, tzinfo=UTC)),
        ("2024-03-05 10:11:12.5 -0530", datetime(2024, 3, 5, 15, 41, 12, 500_000, tzinfo=UTC)),
        ("2024-03-05T10:11:12.123456789Z", datetime(2024, 3, 5, 10, 11, 12, 123_456, tzinfo=UTC)),
        ("3/5/2024 1:02:03 PM", datetime(2024, 3, 5, 13, 2, 3, tzinfo=UTC)),
        ("03/05/2024 12:02 am", datetime(2024, 3, 5, 0, 2, tzinfo=UTC)),
        ("03/05/2024 13:02:03", datetime(2024, 3, 5, 13, 2, 3, tzinfo=UTC)),
        (" 2024-03-05 10:11:12 ", datetime(2024, 3, 5, 10, 11, 12, tzinfo=UTC)),
    ],
)
def test_times_in_every_spelling(text: str, expected: datetime) -> None:
    """Those that say no zone are UTC."""
    found = row(text, "Start Date")
    assert found.frame["at"].to_list() == [expected]
    assert not found.unknown


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_a_time_with_an_offset_is_the_instant_that_it_names(naive: datetime, minutes: int) -> None:
    """To the microsecond."""
    assume(1 < naive.year < 9999)
    offset = timedelta(minutes=minutes)
    sign, (hours, rest) = ("-" if minutes < 0 else "+"), divmod(abs(minutes), 60)
    found = row(f"{naive.isoformat(timespec='microseconds')}{sign}{hours:02}:{rest:02}", "Start Date")
    assert found.frame["at"].to_list() == [(naive - offset).replace(tzinfo=UTC)]


def test_times_without_a_zone_are_in_the_one_that_was_asked_for() -> None:
    """Summer and winter, and an hour that there was twice is the first of both."""
    instants = {
        "2024-07-01 12:00:00": datetime(2024, 7, 1, 17, tzinfo=UTC),
        "2024-01-01 12:00:00": datetime(2024, 1, 1, 18, tzinfo=UTC),
        "2024-11-03 01:30:00": datetime(2024, 11, 3, 6, 30, tzinfo=UTC),
    }
    for text, expected in instants.items():
        assert row(text, "Start Date", zone="America/Chicago").frame["at"].to_list() == [expected]


@pytest.mark.parametrize(
    ("name", "column", "text", "expected"),
    [
        ("count", "count", "12", 12),
        ("count", "count", "-7.0", -7),
        ("count", "count", str(2**63 - 1), 2**63 - 1),
        ("Score - Percentage", "share", "85.5", 85.5),
        ("Score - Percentage", "share", " 85.5% ", 85.5),
        ("Score - Percentage", "share", "1e2", 100.0),
        ("is_good", "is_good", "TRUE", True),
        ("is_good", "is_good", "false", False),
        ("lasted", "lasted", "1:02:03", 3723.0),
        ("lasted", "lasted", "2d 1:00:00.5", 176_400.5),
        ("lasted", "lasted", "90", 90.0),
        ("ACD Call ID", "number", "+0049 1", "+0049 1"),
        ("ACD Call ID", "number", " x ", " x "),
    ],
)
def test_values_by_their_type(name: str, column: str, text: str, expected: object) -> None:
    """Numbers, truths and spans as vendors write them; a text stays as it is."""
    found = row(text, name)
    assert found.frame[column].to_list() == [expected]
    assert not found.unknown


@pytest.mark.parametrize(
    ("name", "column", "text"),
    [
        ("count", "count", "1.5"),
        ("count", "count", "99999999999999999999"),
        ("Score - Percentage", "share", "1e999"),
        ("Score - Percentage", "share", "1,5"),
        ("Score - Percentage", "share", "NaN"),
        ("is_good", "is_good", "maybe"),
        ("lasted", "lasted", "1:99:00"),
        ("Start Date", "at", "yesterday"),
        ("Start Date", "at", "2024-13-05"),
        ("Start Date", "at", "13/13/2024 1:00"),
    ],
)
def test_what_is_no_such_value_is_kept_as_text(name: str, column: str, text: str) -> None:
    """The column is null, and the report of unknown fields says which."""
    found = row(text, name)
    assert found.frame[column].to_list() == [None]
    assert json.loads(found.frame["_extra"][0]) == {f"{name} (unreadable)": text}
    assert found.unknown == {f"{name} (unreadable)": 1}


def test_unknown_columns_are_kept_and_counted() -> None:
    """By the vendor's name, blank ones left out; a name that comes twice is two."""
    found = TABLE.read(read_csv(b"New,Workflow ID,New,count,Count\n1,a,2,3,4\n,b,,5,\n"))
    assert found.frame["count"].to_list() == [3, 5]
    assert [extra and json.loads(extra) for extra in found.frame["_extra"]] == [
        {"New": "1", "New (2)": "2", "Count": "4"},
        None,
    ]
    assert found.unknown == {"New": 1, "New (2)": 1, "Count": 1}


def test_a_column_without_which_no_row_can_be_kept_is_named() -> None:
    """A file in another language, or a subset without the key, is an error and not a table of nulls."""
    with pytest.raises(UnexpectedAnswer, match=r"no column for id; it has Kennung, count"):
        TABLE.read(read_csv(b"Kennung,count\n1,2\n"))


@pytest.mark.parametrize(
    "text", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"Workflow ID,count\r\n", b"\xef\xbb\xbfWorkflow ID\n"]
)
def test_no_rows_are_no_rows(text: bytes) -> None:
    """A header alone, and nothing at all."""
    assert TABLE.read(read_csv(text)).frame.height == 0


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), st.sampled_from(["\r\n", "\n"]), st.booleans())
def test_csv_comes_back_as_it_was_written(rows: list[tuple[str, str]], end: str, bom: bool) -> None:
    """Commas, quotes, line ends of every kind and any letters, by columns and by records."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    text = (b"\xef\xbb\xbf" if bom else b"") + table.getvalue().encode()
    found = read_csv(text)
    assert found.names == ["a", "b"]
    assert found.frame.rows() == rows
    assert not found.rejected
    each = list(records(io.BytesIO(text)))
    assert [tuple(record.fields) for record in each] == [("a", "b"), *rows]
    assert b"".join(record.raw for record in each) == text.removeprefix(b"\xef\xbb\xbf")


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.data())
def test_a_cut_file_is_never_taken_for_a_whole_one(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    """What is left is as it was sent, and a record that was cut is refused; between two, only the length could tell."""
    table = io.StringIO(newline="")
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    text = table.getvalue().encode()
    cut = text[: data.draw(st.integers(0, len(text)))]
    found = read_csv(cut)
    if cut.endswith(b","):  # A last field that is empty and one that was cut off look alike.
        assert found.frame.rows()[:-1] == rows[: max(0, found.frame.height - 1)]
    else:
        assert found.frame.rows() == rows[: found.frame.height]


def test_odd_records_are_refused_and_the_others_kept() -> None:
    """One with another number of fields, one that is not UTF-8, each with its bytes and number."""
    text = b'Workflow ID,count\n1,2\n3\n4,5,6\n\xff,7\n8,"9\n"\n'
    found = TABLE.read(read_csv(text))
    assert found.frame["id"].to_list() == ["1", "8"]
    assert found.frame["_record"].to_list() == [1, 5]
    assert [(each.record, each.raw) for each in found.rejected] == [(2, b"3\n"), (3, b"4,5,6\n"), (4, b"\xff,7\n")]


VALUES = st.none() | st.booleans() | st.integers() | TEXTS | st.lists(st.integers(), max_size=2)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), max_size=6), st.sampled_from("anr"))
def test_json_in_each_of_its_forms(rows: list[dict[str, Any]], form: str) -> None:
    """An array, an object around it, one record a line: the same rows, whatever field each has."""
    forms = {
        "a": json.dumps(rows),
        "n": "\n".join(map(json.dumps, rows)),
        "r": json.dumps({"result": rows}),
    }
    found = read_json(forms[form].encode())
    assert not found.rejected
    assert found.frame.height == len(rows)
    for place, name in enumerate(found.names):
        expected = [row.get(name) for row in rows]
        texts = [None if each is None else each if isinstance(each, str) else json.dumps(each) for each in expected]
        assert found.frame[str(place)].to_list() == texts


def test_rows_without_a_key_are_told_apart() -> None:
    """By what they hold, whatever the order of columns; equal ones by their number."""

    class Row(dy.Schema):
        row_id = field(dy.String, "Digest", key=True, derived=True)
        a = field(dy.String, "A")

    table = TextTable(Row, row_id="row_id")
    first = table.read(read_csv(b"a,new\n1,2\n1,2\n1,3\n")).frame["row_id"].to_list()
    second = table.read(read_csv(b"new,a\n2,1\n2,1\n3,1\n")).frame["row_id"].to_list()
    assert first == second
    assert len(set(first)) == 3
    assert first[1] == f"{first[0]}-2"
    assert table.read(read_csv(b"a,new\n1,2\n")).frame["row_id"].dtype == pl.String
