"""Lists of plain JSON records: every record ends in a row or in a refusal, however it is written."""

import json
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.arrow_json import read_strictly
from contact_analytics.lib.formats import Decoded
from contact_analytics.lib.record_list import RecordList
from contact_analytics.lib.schema import field
from contact_analytics_tests.lib.spellings import spelled, stored, values
from contact_analytics_tests.lib.test_plain_json import TICKET, Ticket

ABOUT = pa.struct([("count", pa.int64()), ("next", pa.struct([("href", pa.string())]))])
ANSWER = RecordList(Ticket, "tickets", {"_metadata": ABOUT}, lambda frame: frame.with_columns(length=pl.lit(0)))
ARRAY = RecordList(Ticket, derive=lambda frame: frame.with_columns(length=pl.lit(0)))
COLUMNS = {name: column for name, column in Ticket.columns().items() if name != "length"}
tickets = st.fixed_dictionaries({name: values(column) for name, column in COLUMNS.items()})


def decoded(*tickets: Any, **beside: Any) -> Decoded:
    return ANSWER.decode(json.dumps({**beside, "tickets": tickets}).encode())


def rows(found: Decoded) -> list[dict[str, Any]]:
    """The rows without what is null, lists and records excepted."""
    return [{name: value for name, value in row.items() if value is not None} for row in found.frame.to_dicts()]


@given(st.lists(tickets, max_size=6), st.sampled_from([None, 1, "\t"]), st.data())
def test_the_same_facts_are_the_same_rows_however_they_are_written(
    given_rows: list[dict[str, Any]], indent: int | str | None, data: st.DataObject
) -> None:
    """As declared or in any other spelling, in an object or as an array, on one line or many."""
    expected = [
        {
            **{name: stored(column, row[name]) for name, column in COLUMNS.items()},
            "length": 0,
            "_extra": None,
            "_record": n,
        }
        for n, row in enumerate(given_rows, 1)
    ]
    plain = [TICKET.write(row) for row in given_rows]
    other = [data.draw(st.just(record) | spelled(COLUMNS, row)) for record, row in zip(plain, given_rows, strict=True)]
    for records in (plain, other):
        for found in (
            ANSWER.decode(json.dumps({"tickets": records}, indent=indent).encode()),
            ARRAY.decode(json.dumps(records, indent=indent, ensure_ascii=False).encode()),
        ):
            assert found.rejected == []
            assert found.frame.to_dicts() == expected
            assert dict(found.unknown) == {}


class Noted(dy.Schema):
    """One row a note, with a part that nobody documents."""

    id = field(dy.String, "Note", key=True)
    text = field(dy.String, "What it says")
    odd = field(dy.String, "Undocumented", avro="JSON")
    other = field(dy.String, "Undocumented as well", avro="JSON")


NOTES = RecordList(Noted, "notes")


@pytest.mark.parametrize("odd", [None, 1, "text", '"odd": 1', ["odd", {"odd": [None, "é"]}], {"a": {"odd": '\\"'}}, ""])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_part_without_fields_is_kept_as_its_json(odd: Any, indent: int | None) -> None:
    """Whatever it holds, and whatever other texts say; it is not read record by record for that."""
    note = {"id": "1", "text": '{"odd": [1]} and \\"odd\\": {', "odd": odd, "other": {"odd": [odd]}}
    found = NOTES.decode(json.dumps({"notes": [note, {"id": "2"}]}, indent=indent, ensure_ascii=False).encode())
    [first, second] = found.frame.to_dicts()
    assert (first["text"], second["odd"], found.rejected) == (note["text"], None, [])
    assert first["odd"] is None if odd is None else json.loads(first["odd"]) == odd
    assert json.loads(first["other"]) == {"odd": [odd]}


@given(st.lists(tickets.map(lambda row: {**row, "odd": None, "steps": None}), max_size=3))
def test_what_is_as_declared_is_read_at_once(given_rows: list[dict[str, Any]]) -> None:
    """The strict reader needs no help with what the schema's facts describe."""
    text = json.dumps({"_metadata": {"count": 1}, "tickets": [TICKET.write(row) for row in given_rows]})
    [found] = read_strictly(text.encode(), ANSWER, whole=True)["tickets"].to_pylist()
    assert len(found) == len(given_rows)


@given(
    st.lists(st.sampled_from([{"skill": 1}, {"skill": "1"}, {"skill": "x"}, {"about": {"opened": "x"}}]), max_size=30)
)
def test_odd_records_do_not_keep_the_others(records: list[dict[str, Any]]) -> None:
    """Rows and refusals together are all records, in order, each with its place in the list and its content."""
    found = decoded(*records)
    fine = [number for number, record in enumerate(records, 1) if record.get("skill") in (1, "1")]
    assert found.frame["_record"].to_list() == fine
    assert found.frame["skill"].to_list() == [1] * len(fine)
    assert [refused.record for refused in found.rejected] == sorted({*range(1, len(records) + 1)} - set(fine))
    for refused in found.rejected:
        assert json.loads(refused.raw) == records[refused.record - 1]
        assert refused.reason.startswith(("skill: expected long", "about.opened: expected a time"))


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        ("null", "record: expected an object, got null"),
        ("5", "record: expected an object, got number 5"),
        ("[{}]", "record: expected an object, got a list"),
        ('{"skill": true}', "skill: expected long, got boolean true"),
        ('{"skill": ' + "9" * 40 + "}", "skill: 9999"),
        ('{"price": NaN}', "price: expected a finite number"),
        ('{"price": -Infinity}', "price: expected a finite number"),
        ('{"price": ' + "9" * 400 + "}", "price: 9999"),
        ('{"odd": NaN}', "odd: cannot be kept as JSON"),
        ('{"colour": [NaN]}', "record: cannot be kept as JSON"),
        ('{"body": "\\ud800"}', "body: text that is not valid Unicode"),
        ('{"about": {"openedL": 100000000000000000}}', "about.openedL: 100000000000000000 is out of range"),
        ('{"steps": [{}, {"actor": 5}]}', "steps[1].actor: expected an object, got number 5"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_alone(ticket: str, reason: str) -> None:
    """Reason and place are told, the vendor's record is kept, and those beside it are rows."""
    for template, form in (
        ('{"tickets": [{"skill": 1}, %s, {"skill": 3}]}', ANSWER),
        ('[{"skill": 1}, %s, {"skill": 3}]', ARRAY),
    ):
        found = form.decode((template % ticket).encode())
        assert [(row["_record"], row["skill"]) for row in rows(found)] == [(1, 1), (3, 3)]
        [refused] = found.rejected
        assert refused.record == 2
        assert refused.reason.startswith(reason)
        assert repr(json.loads(refused.raw)) == repr(json.loads(ticket))


@pytest.mark.parametrize(
    ("ticket", "extra"),
    [
        ({"colour": {"string": "ü"}}, {"colour": {"string": "ü"}}),
        ({"steps": [{"colour": None}]}, {"steps[0].colour": None}),
        ({"score": 1, "rating": 2}, {"rating": 2}),
        ({"_record": 7, "_extra": "theirs"}, {"_record": 7, "_extra": "theirs"}),
        ({"colour": "\ud800", "\ud800": 10**40}, {"colour": "\ud800", "\ud800": 10**40}),
        ({"length": 5}, {"length": 5}),
    ],
)
def test_what_the_schema_does_not_know_stays_with_its_row(ticket: dict[str, Any], extra: dict[str, Any]) -> None:
    """As JSON, by path, and counted; rows beside it have none."""
    found = decoded({}, ticket)
    assert found.rejected == []
    assert found.frame["_record"].to_list() == [1, 2]
    assert found.frame["_extra"][0] is None
    assert json.loads(found.frame["_extra"][1]) == extra
    assert dict(found.unknown) == {name.replace("[0]", "[]"): 1 for name in extra}


def test_what_is_nested_deeply_has_an_outcome_at_any_depth() -> None:
    """Where it can be parsed but not written again, or not even parsed, it is refused with what came."""
    for depth in (100, 900, *range(930, 1000, 3), 100_000):
        nested = b"[" * depth + b"]" * depth
        for ticket in (b'{"colour":%s}', b'{"skill":%s}', b'{"odd":%s}', b'{"steps":[{"odd":%s}]}'):
            text = b'{"tickets":[{"skill":1},%s]}' % (ticket % nested)
            found = ANSWER.decode(text)
            assert found.frame.height + len(found.rejected) == (2 if found.frame.height else 1)
            assert all(nested in refused.raw.replace(b" ", b"") for refused in found.rejected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "got nothing"),
        (b" \n", "got nothing"),
        (b"\xef\xbb\xbf", "got nothing"),
        (b"[]", "got nothing"),
        (b"{}", "tickets: expected a list of records, got null"),
        (b'{"_metadata": {"count": 0}}', "tickets: expected a list of records, got null"),
        (b'{"tickets": null}', "tickets: expected a list of records, got null"),
        (b'{"tickets": {"skill": 1}}', "tickets: expected a list of records, got an object"),
        (b'{"Tickets": []}', "tickets: expected a list of records"),
        (b'[{"skill": 1}]', "tickets: expected a list of records"),
        (b"null", "record: expected an object, got null"),
        (b"5", "record: expected an object, got number 5"),
        (b'{"tickets": [{"skill": 1}', "invalid JSON"),
        (b'{"tickets": [{"skill": 1, "skill": 2}]}', "'skill' is given twice"),
        (b'{"tickets": [], "tickets": []}', "'tickets' is given twice"),
        (b'{"tickets": [{"price": 1e999}]}', "too large"),
        (b'{"tickets": [{"body": "\xff"}]}', "not UTF-8"),
        (b"<html></html>", "invalid JSON"),
    ],
)
def test_a_text_without_a_list_is_refused(text: bytes, reason: str) -> None:
    """It is not taken for a list that is empty: the whole text is kept with the reason."""
    found = ANSWER.decode(text)
    assert found.frame.height == 0
    [refused] = found.rejected
    assert reason in refused.reason
    assert refused.raw == (text.strip(b" \n[]") if text.startswith(b"[{") else text)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"skill": 1}', b"5", b'[{"skill": 1}', b'[{"skill": 1},', b"[]]x", b"["]
)
def test_a_text_that_is_no_array_is_refused(text: bytes) -> None:
    """One that was cut off is not taken for a shorter one."""
    [refused] = ARRAY.decode(text).rejected
    assert (refused.reason, refused.raw) == ("record: expected a list of records, from [ to ]", text)


def test_a_broken_item_of_an_array_is_refused_alone() -> None:
    """The items after it keep their places."""
    found = ARRAY.decode(b'[{"skill": 1}, {"skill": 2, "skill": 2}, {"skill": 3}]')
    assert found.frame["_record"].to_list() == [1, 3]
    [refused] = found.rejected
    assert (refused.record, refused.raw) == (2, b'{"skill": 2, "skill": 2}')


@pytest.mark.parametrize("form", [ANSWER, ARRAY])
def test_a_list_may_be_empty(form: RecordList) -> None:
    """No rows, in columns of the same types, and nothing refused."""
    found = form.decode(b'{"tickets": []}' if form is ANSWER else b" [ ] ")
    assert found.frame.schema == decoded({}).frame.schema
    assert (found.frame.height, found.rejected) == (0, [])


@pytest.mark.parametrize("between", ["", "\n", "\r\n\r\n"])
def test_records_of_several_documents_are_numbered_on(between: str) -> None:
    """Read at once or one by one; a document without a list is refused alone."""
    parts = ['{"tickets": [{"skill": 1}, {"skill": 2}]}', '{"tickets": [{"skill": 3}]}']
    for text, bad in ((between.join(parts), 0), (between.join([parts[0], "{}", parts[1]]), 1)):
        found = ANSWER.decode(b"\xef\xbb\xbf" + text.encode())
        assert [(row["_record"], row["skill"]) for row in rows(found)] == [(1, 1), (2, 2), (3, 3)]
        assert [(refused.record, refused.raw) for refused in found.rejected] == [(2, b"{}")] * bad


def test_what_an_envelope_holds_beyond_its_type_is_counted() -> None:
    """It belongs to no record; the records are rows as ever."""
    about = {"count": "many", "next": {"href": "x", "rel": "next"}, "took": 5}
    found = decoded({"skill": 1}, {"skill": 2}, _metadata=about, more=True)
    assert dict(found.unknown) == {"_metadata.next.rel": 1, "_metadata.took": 1, "more": 1}
    assert found.frame["_extra"].null_count() == found.frame.height == 2
    assert found.rejected == []


@given(st.binary(max_size=40) | st.text('{}[]":,tickeslN 01', max_size=40).map(str.encode))
def test_any_bytes_have_an_outcome(text: bytes) -> None:
    """Nothing raises, and nothing is taken for an empty answer that does not say so."""
    assert ANSWER.decode(text).rejected or b"tickets" in text
    assert ARRAY.decode(text).rejected or text.strip().startswith(b"[")
