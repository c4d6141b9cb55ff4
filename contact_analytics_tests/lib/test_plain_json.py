"""Plain JSON, on a small record whose columns have every fact that says how a field looks on the wire."""

import json
from datetime import UTC, datetime
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pytest

from contact_analytics.lib.arrow_json import Root, read_strictly
from contact_analytics.lib.plain_json import Members, members
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.wire import EXTRA, Fault, Findings


class Ticket(dy.Schema):
    """A record with one column of each kind."""

    ticket_id = field(dy.String, "Text in a section", section="about")
    opened = instant("Time with a twin", section="about", wire="openedL", twin="opened", none=(-1, "undefined"))
    agent_id = field(dy.String, "Text with words for none", none=("null", "-1", "undefined"))
    phone = field(dy.String, "Text with a number for none", none=(0,))
    body = field(dy.String, "Any text")
    skill = field(dy.Int64, "Number with one for none", none=(-1,))
    score = field(dy.Int32, "Number of several names", also=("rating", "csatRate"))
    price = field(dy.Float64, "Fraction", none=(-1,))
    paid = field(dy.Bool, "Truth")
    sent = instant("Time sent as text", text=True, none=(-1,))
    size = field(dy.Int64, "Number sent as text", text=True)
    weight = field(dy.Float64, "Fraction sent as text", text=True, none=(-1,))
    local = field(dy.Datetime, "Time without zone")
    tags = many(field(dy.String, "Text", none=("undefined",)), "List of texts")
    odd = field(dy.String, "Undocumented", avro="JSON")
    steps = many(
        record(
            {
                "at": instant("Time", wire="timeL", twin="time", none=(-1, "undefined")),
                "who": field(dy.String, "Text in the item's section", section="actor"),
                "note": field(dy.String, "Text", also=("remark",)),
                "marks": many(record({"mark": field(dy.Int64, "Number", section="inner")}), "Records in records"),
                "odd": field(dy.String, "Undocumented", avro="JSON"),
            }
        ),
        "List of records",
        also=("stepList",),
    )
    owner = record({"owner_id": field(dy.Int64, "Number"), "role": field(dy.String, "Text")}, "Record", section="about")
    length = field(dy.Int64, "Ours", derived=True)


TICKET = Members(members(Ticket.columns()), extra=True)
TIME = "2024-06-01 00:10:24.565+0000"
AT = datetime(2024, 6, 1, 0, 10, 24, 565_000, UTC)
MILLISECONDS = 1_717_200_624_565


class Bare:
    """A record of its own, outside of a list."""

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        return TICKET.arrow_type(normalized=normalized)


BARE = Bare()


def table(text: bytes, root: Root = BARE, **options: Any) -> list[dict[str, Any]]:
    """Rows as the strict reader finds them, without what is null."""
    [batch] = read_strictly(text, root, **options).to_batches()
    frame = pl.from_arrow(pa.table(TICKET.columns(batch.to_struct_array())))
    assert isinstance(frame, pl.DataFrame)
    return [{name: value for name, value in row.items() if value is not None} for row in frame.to_dicts()]


def strictly(content: Any) -> dict[str, Any]:
    [row] = table(json.dumps(content).encode())
    return row


def leniently(content: Any) -> tuple[dict[str, Any], Findings]:
    """A record read by itself, by column name, and what it turned up."""
    findings = Findings()
    known = TICKET.read(content, "", findings)
    [row] = table(json.dumps(known).encode(), normalized=True)
    return row, findings


def naive(*parts: int) -> datetime:
    """A time without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


def step(**values: Any) -> dict[str, Any]:
    """An item as a column has it."""
    return {"at": None, "who": None, "note": None, "marks": None, "odd": None, **values}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, {}),
        ({"about": None}, {}),
        ({"about": {}}, {}),
        ({"about": {"ticketId": "a"}}, {"ticket_id": "a"}),
        ({"about": {"openedL": MILLISECONDS, "opened": TIME}}, {"opened": AT}),
        ({"about": {"openedL": MILLISECONDS, "opened": "another"}}, {"opened": AT}),
        ({"about": {"openedL": -1, "opened": "undefined"}}, {}),
        ({"about": {"openedL": None, "opened": "undefined"}}, {}),
        ({"about": {"opened": "undefined"}}, {}),
        ({"about": {"owner": {"ownerId": 1}}}, {"owner": {"owner_id": 1, "role": None}}),
        ({"agentId": "null"}, {}),
        ({"agentId": "-1"}, {}),
        ({"agentId": "None"}, {"agent_id": "None"}),
        ({"phone": "0"}, {}),
        ({"body": "undefined"}, {"body": "undefined"}),
        ({"body": ""}, {"body": ""}),
        ({"body": "a\u0000b\U0001f642"}, {"body": "a\u0000b\U0001f642"}),
        ({"skill": -1}, {}),
        ({"score": -1}, {"score": -1}),
        ({"rating": 4}, {"score": 4}),
        ({"rating": None, "score": 4, "csatRate": None}, {"score": 4}),
        ({"csatRate": 4, "score": None}, {"score": 4}),
        ({"price": 3}, {"price": 3.0}),
        ({"price": -1}, {}),
        ({"price": -1.0}, {}),
        ({"paid": False}, {"paid": False}),
        ({"sent": str(MILLISECONDS)}, {"sent": AT}),
        ({"sent": "-1"}, {}),
        ({"size": "9223372036854775807"}, {"size": 2**63 - 1}),
        ({"weight": "0.1"}, {"weight": 0.1}),
        ({"weight": "1e300"}, {"weight": 1e300}),
        ({"weight": "-1.0"}, {}),
        ({"local": 0}, {"local": naive(1970, 1, 1)}),
        ({"tags": []}, {"tags": []}),
        ({"tags": ["a", None, "undefined"]}, {"tags": ["a", None, None]}),
        ({"steps": [{"time": "undefined", "timeL": -1, "actor": None}]}, {"steps": [step()]}),
        ({"steps": [None, {"remark": "n"}]}, {"steps": [None, step(note="n")]}),
        ({"stepList": [{"actor": {"who": "w"}}]}, {"steps": [step(who="w")]}),
        (
            {"steps": [{"marks": [{"inner": {"mark": 1}}, {}]}, {"marks": []}]},
            {"steps": [step(marks=[{"mark": 1}, {"mark": None}]), step(marks=[])]},
        ),
    ],
)
def test_what_is_as_declared_is_read_alike_columnar_and_by_itself(content: Any, expected: dict[str, Any]) -> None:
    """Sections, other names, twins and values that mean none: both ways of reading end in the same columns."""
    assert strictly(content) == expected
    row, findings = leniently(content)
    assert row == expected
    assert not findings.extra


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"ABOUT": {"TicketID": "a"}}, {"ticket_id": "a"}),
        ({"about": {"opened": TIME}}, {"opened": AT}),
        ({"about": {"opened": TIME, "openedL": -1}}, {"opened": AT}),
        ({"about": {"opened": TIME, "openedL": ""}}, {"opened": AT}),
        ({"about": {"opened": "2024-06-01 02:10:24+0200"}}, {"opened": AT.replace(microsecond=0)}),
        ({"about": {"openedL": "2024-06-01 00:10:24"}}, {"opened": AT.replace(microsecond=0)}),
        ({"about": {"opened": "Sep 2, 2016 4:10:15 PM"}}, {"opened": datetime(2016, 9, 2, 16, 10, 15, tzinfo=UTC)}),
        ({"about": {"opened": MILLISECONDS}}, {"opened": AT}),
        ({"about": {"openedL": f" {MILLISECONDS} "}}, {"opened": AT}),
        ({"local": "2024-06-01 00:10:24"}, {"local": naive(2024, 6, 1, 0, 10, 24)}),
        ({"agentId": -1}, {}),
        ({"agentId": 7}, {"agent_id": "7"}),
        ({"phone": 0}, {}),
        ({"body": 1.5}, {"body": "1.5"}),
        ({"skill": "-1"}, {}),
        ({"skill": " -1"}, {}),
        ({"skill": -1.0}, {}),
        ({"skill": "+5"}, {"skill": 5}),
        ({"skill": "007"}, {"skill": 7}),
        ({"skill": 5.0}, {"skill": 5}),
        ({"skill": ""}, {}),
        ({"RATING": 4}, {"score": 4}),
        ({"price": "-1"}, {}),
        ({"price": "-1.00"}, {}),
        ({"price": ".5"}, {"price": 0.5}),
        ({"paid": "TRUE"}, {"paid": True}),
        ({"paid": "false"}, {"paid": False}),
        ({"paid": 1}, {"paid": True}),
        ({"paid": 0}, {"paid": False}),
        ({"sent": MILLISECONDS}, {"sent": AT}),
        ({"sent": -1}, {}),
        ({"sent": "-01"}, {}),
        ({"sent": ""}, {}),
        ({"size": 5}, {"size": 5}),
        ({"size": "+5"}, {"size": 5}),
        ({"weight": 0.5}, {"weight": 0.5}),
        ({"odd": {"x": [1, None]}}, {"odd": '{"x": [1, null]}'}),
        ({"odd": "text"}, {"odd": '"text"'}),
        ({"odd": "5"}, {"odd": '"5"'}),
        ({"steps": [{"odd": "text"}]}, {"steps": [step(odd='"text"')]}),
        ({"steps": [{"Time": TIME, "ACTOR": {"WHO": "w"}}]}, {"steps": [step(at=AT, who="w")]}),
    ],
)
def test_other_spellings_of_a_value_are_the_same_value(content: Any, expected: dict[str, Any]) -> None:
    """They are refused as undeclared, and read by themselves: nothing is lost, so nothing is kept beside."""
    with pytest.raises(pa.ArrowInvalid):
        strictly(content)
    row, findings = leniently(content)
    assert row == expected
    assert not findings.extra
    assert not findings.unknown


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"about": 5}, "about"),
        ({"about": {"ticketId": True}}, "about.ticketId"),
        ({"about": {"opened": "yesterday"}}, "about.opened"),
        ({"about": {"opened": "2024-02-30 00:00:00"}}, "about.opened"),
        ({"about": {"openedL": 253_402_300_800_000}}, "about.openedL"),
        ({"body": "\ud800"}, "body"),
        ({"body": ["a"]}, "body"),
        ({"skill": "five"}, "skill"),
        ({"skill": "5.5"}, "skill"),
        ({"skill": 5.5}, "skill"),
        ({"skill": True}, "skill"),
        ({"skill": 2**63}, "skill"),
        ({"skill": "9223372036854775808"}, "skill"),
        ({"skill": "9" * 5000}, "skill"),
        ({"score": 2**31}, "score"),
        ({"rating": "much"}, "rating"),
        ({"price": "1_000"}, "price"),
        ({"price": "1e999"}, "price"),
        ({"price": 10**400}, "price"),
        ({"price": float("nan")}, "price"),
        ({"price": float("-inf")}, "price"),
        ({"price": "Infinity"}, "price"),
        ({"paid": 2}, "paid"),
        ({"paid": "yes"}, "paid"),
        ({"sent": "0x1F"}, "sent"),
        ({"size": "0x1F"}, "size"),
        ({"size": "1.5"}, "size"),
        ({"weight": "1e999"}, "weight"),
        ({"weight": "inf"}, "weight"),
        ({"weight": "NaN"}, "weight"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", {}]}, "tags[1]"),
        ({"odd": float("nan")}, "odd"),
        ({"steps": [{}, 5]}, "steps[1]"),
        ({"steps": [{"marks": [{"inner": {"mark": "x"}}]}]}, "steps[0].marks[0].inner.mark"),
        ([], "record"),
    ],
)
def test_a_value_of_another_type_is_a_fault_at_its_path(content: Any, path: str) -> None:
    """Nothing is cut, rounded or guessed, whichever way it is read: the fault says where."""
    with pytest.raises(pa.ArrowInvalid):
        strictly(content)
    with pytest.raises(Fault) as raised:
        TICKET.read(content, "", Findings())
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "extra"),
    [
        ({"colour": None}, {"colour": None}),
        ({"about": {"colour": [1]}}, {"about.colour": [1]}),
        ({"ticketId": "a"}, {"ticketId": "a"}),
        ({"about": {}, "About": {"ticketId": "b"}}, {"About": {"ticketId": "b"}}),
        ({"score": 1, "rating": 2}, {"rating": 2}),
        ({"rating": 2, "score": 1}, {"score": 1}),
        ({"score": 1, "SCORE": 1}, {"SCORE": 1}),
        ({"about": {"openedL": 1, "opened": {"at": 1}}}, {"about.opened": {"at": 1}}),
        ({"about": {"opened": "undefined", "OPENED": "later"}}, {"about.OPENED": "later"}),
        ({"length": 5}, {"length": 5}),
        ({EXTRA: "theirs"}, {EXTRA: "theirs"}),
    ],
)
def test_what_the_schema_does_not_know_is_kept_at_its_path(content: Any, extra: dict[str, Any]) -> None:
    """Unknown fields, a second name of a field and a field outside of its section are neither errors nor lost."""
    with pytest.raises(pa.ArrowInvalid):
        strictly(content)
    _, findings = leniently(content)
    assert findings.extra == extra
    assert dict(findings.unknown) == dict.fromkeys(extra, 1)


def test_unknown_fields_of_items_are_counted_together() -> None:
    """The path in `_extra` names the item, the one that is counted does not."""
    _, findings = leniently({"steps": [{"x": 1}, {"marks": [{"inner": {"y": 2}}], "x": 3}]})
    assert findings.extra == {"steps[0].x": 1, "steps[1].marks[0].inner.y": 2, "steps[1].x": 3}
    assert dict(findings.unknown) == {"steps[].x": 2, "steps[].marks[].inner.y": 1}
