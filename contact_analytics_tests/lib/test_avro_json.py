"""Avro's JSON encoding and JSON documents, on a small record."""

import json
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.arrow_json import read_strictly
from contact_analytics.lib.avro_json import Record, fields_of
from contact_analytics.lib.json_documents import documents
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.wire import EXTRA, Fault, Findings


class Order(dy.Schema):
    """A record with one column of each kind."""

    name = field(dy.String, "Text")
    kind = field(dy.String, "Enum", avro="Kind")
    version = field(dy.String, "Text without a wrapper", bare=True)
    count = field(dy.Int32, "Small number")
    total = field(dy.Int64, "Large number")
    price = field(dy.Float64, "Fraction")
    paid = field(dy.Bool, "Truth")
    at = instant("Point in time")
    tags = many(field(dy.String, "Text", bare=True), "List of texts")
    buyer = record({"id": field(dy.Int64, "Number")}, "Wrapped record", avro="Buyer")
    detail = record(
        {
            "card": record({"digits": field(dy.String, "Text")}, "Branch", avro="Card", bare=True),
            "cash": record({"coins": field(dy.Int64, "Number")}, "Branch", avro="Cash", bare=True),
        },
        "Union",
        union=True,
    )
    odd = field(dy.String, "Undocumented", avro="JSON")


ORDER = Record(fields_of(Order.columns(), "shop."), extra=True)


def strictly(line: bytes) -> dict[str, Any]:
    """The one record that the strict reader finds."""
    [batch] = read_strictly(line, ORDER).to_batches()
    frame = pl.from_arrow(pa.table(ORDER.columns(batch.to_struct_array())))
    assert isinstance(frame, pl.DataFrame)
    return frame.to_dicts()[0]


def leniently(content: Any) -> tuple[dict[str, Any], Findings]:
    """A record read by itself, by column name, and what it turned up."""
    findings = Findings()
    known = ORDER.read(content, "", findings)
    lines = json.dumps(known).encode()
    [batch] = read_strictly(lines, ORDER, normalized=True).to_batches()
    frame = pl.from_arrow(pa.table(ORDER.columns(batch.to_struct_array())))
    assert isinstance(frame, pl.DataFrame)
    return frame.to_dicts()[0], findings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"name": {"string": "a"}}, {"name": "a"}),
        ({"name": "a"}, {"name": "a"}),
        ({"NAME": "a"}, {"name": "a"}),
        ({"name": 5}, {"name": "5"}),
        ({"name": {"long": 5}}, {"name": "5"}),
        ({"name": 1.5}, {"name": "1.5"}),
        ({"kind": {"shop.Kind": "NEVER_SEEN"}}, {"kind": "NEVER_SEEN"}),
        ({"kind": {"string": "A"}}, {"kind": "A"}),
        ({"count": {"long": 5}}, {"count": 5}),
        ({"total": {"int": 5}}, {"total": 5}),
        ({"total": {"double": 5.0}}, {"total": 5}),
        ({"total": 9223372036854775807}, {"total": 9223372036854775807}),
        ({"price": 3}, {"price": 3.0}),
        ({"price": {"double": "Infinity"}}, {"price": float("inf")}),
        ({"price": {"float": 0.1}}, {"price": 0.1}),
        ({"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
        ({"buyer": {"id": 1}}, {"buyer": {"id": 1}}),
        ({"buyer": {"shop.Buyer": None}}, {"buyer": None}),
        ({"detail": {"coins": 3}}, {"detail": {"card": None, "cash": {"coins": 3}}}),
        ({"odd": {"x": [1, None]}}, {"odd": '{"x": [1, null]}'}),
        ({"odd": "text"}, {"odd": '"text"'}),
    ],
)
def test_other_spellings_of_a_value_are_the_same_value(content: Any, expected: dict[str, Any]) -> None:
    """Plain JSON, another number branch and another case of a name all end in the column that is declared."""
    row, findings = leniently(content)
    assert {name: value for name, value in row.items() if name in expected} == expected
    assert not findings.extra
    assert not findings.unknown


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"name": True}, "name"),
        ({"name": ["a"]}, "name"),
        ({"name": {"string": "\ud800"}}, "name"),
        ({"count": 2**31}, "count"),
        ({"total": 2**63}, "total"),
        ({"total": "5"}, "total"),
        ({"total": 5.5}, "total"),
        ({"total": 1e18}, "total"),
        ({"total": True}, "total"),
        ({"price": "much"}, "price"),
        ({"price": 10**400}, "price"),
        ({"paid": 1}, "paid"),
        ({"at": 253_402_300_800_000}, "at"),
        ({"tags": "a"}, "tags"),
        ({"tags": [1, {}]}, "tags[1]"),
        ({"buyer": {"shop.Buyer": {"id": "x"}}}, "buyer.id"),
        ({"buyer": 5}, "buyer"),
        ({"detail": {"shop.Cash": {"coins": "x"}}}, "detail.shop.Cash.coins"),
        ({"odd": float("nan")}, "odd"),
        (5, "record"),
    ],
)
def test_a_value_of_another_type_is_a_fault_at_its_path(content: Any, path: str) -> None:
    """Nothing is cut, rounded, wrapped around or guessed: the fault says where."""
    with pytest.raises(Fault) as raised:
        ORDER.read(content, "", Findings())
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "extra"),
    [
        ({"colour": {"string": "red"}}, {"colour": {"string": "red"}}),
        ({"colour": None}, {"colour": None}),
        ({"buyer": {"shop.Buyer": {"id": {"long": 1}, "age": 5}}}, {"buyer.age": 5}),
        ({"buyer": {"shop.Seller": {"id": 1}}}, {"buyer.shop.Seller": {"id": 1}}),
        ({"detail": {"shop.Cheque": {"bank": "B"}}}, {"detail.shop.Cheque": {"bank": "B"}}),
        ({"detail": {"bank": "B"}}, {"detail": {"bank": "B"}}),
        ({"name": "a", "NAME": "b"}, {"NAME": "b"}),
        ({EXTRA: "theirs"}, {EXTRA: "theirs"}),
    ],
)
def test_what_the_schema_does_not_know_is_kept_at_its_path(content: Any, extra: dict[str, Any]) -> None:
    """An unknown field or branch is neither an error nor lost."""
    _, findings = leniently(content)
    assert findings.extra == extra
    assert dict(findings.unknown) == dict.fromkeys(extra, 1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"name":"a"}',
        b'{"name":{"string":"a"},"name":{"string":"b"}}',
        b'{"name":{"string":"a","string":"b"}}',
        b'{"name":{"string":"\xff"}}',
        b'{"name":{"string":"\\ud800"}}',
        b'{"colour":null}',
        b'{"_extra":"theirs"}',
        b'{"_record":7}',
        b'{"odd":"text"}',
        b'{"odd":{"x":1}}',
        b'{"count":{"int":2147483648}}',
        b'{"price":{"double":1e999}}',
        b'{"buyer":{"shop.Seller":{"id":null}}}',
        b"null",
        b' null\n{"name":null}',
        b'{"name":null}\r\n\r\n null',
        b'{"name":null}\rnull',
        b"5",
        b"[]",
        b"{",
    ],
)
def test_the_strict_reader_refuses_what_is_not_declared(line: bytes) -> None:
    """It never picks one of two values, never skips a field, and a null record does not crash the process."""
    with pytest.raises(pa.ArrowInvalid):
        read_strictly(line, ORDER)


def test_a_time_out_of_range_is_refused() -> None:
    """A year that other tools cannot show does not reach a column."""
    with pytest.raises(pa.ArrowInvalid):
        strictly(b'{"at":{"long":253402300800000}}')


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(), values, max_size=3), max_size=4)


@given(objects, st.sampled_from(["\n", "\r\n", " ", "", "\n\n \n"]), st.sampled_from([None, 1, 2, "\t"]), st.booleans())
def test_documents_are_found_however_they_are_laid_out(
    contents: list[Any], between: str, indent: int | str | None, ascii_only: bool
) -> None:
    """One a line, several on a line or pretty-printed: the same documents, numbered from 1."""
    text = between.join(json.dumps(content, indent=indent, ensure_ascii=ascii_only) for content in contents)
    found = list(documents(text.encode("utf-8", "surrogatepass")))
    assert [(document.number, document.content, document.problem) for document in found] == [
        (number, content, None) for number, content in enumerate(contents, 1)
    ]


@given(st.lists(values, max_size=4), st.sampled_from([None, 2, "\t"]))
def test_the_items_of_one_array_are_documents(contents: list[Any], indent: int | str | None) -> None:
    """An array of all is read item by item, so that one bad item is refused alone."""
    found = list(documents(json.dumps(contents, indent=indent).encode()))
    assert [(document.number, document.content, document.problem) for document in found] == [
        (number, content, None) for number, content in enumerate(contents, 1)
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{"a": 1', "Expecting"),
        (b'{"a": tru}', "Expecting"),
        (b'{"a": 1}}', "more text"),
        (b'{"a": 1} x', "more text"),
        (b'{"a": "cut', "Unterminated"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'{"b": {"a": 1, "a": 1}}', "'a' is given twice"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "recursion"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
        (b"<html>\n<style>b {\n}</style>\n</html>", "Expecting"),
        (b"\x00\x01", "Expecting"),
    ],
)
def test_a_broken_document_is_refused_alone(broken: bytes, reason: str) -> None:
    """Reading goes on with the next document, and the broken one's bytes are kept as they came."""
    first, bad, last = documents(b'{"a": 1}\n' + broken + b'\n{"a": 3}\n')
    assert (first.content, last.content) == ({"a": 1}, {"a": 3})
    assert (first.number, bad.number, last.number) == (1, 2, 3)
    assert reason in (bad.problem or "")
    assert bad.raw == broken


def test_a_broken_item_of_an_array_is_refused_alone() -> None:
    """Where brackets close, the items after a broken one are read."""
    found = list(documents(b'[{"a": 1}, {"a": 1, "a": 2}, null, {"a": 4}]'))
    assert [document.content for document in found] == [{"a": 1}, None, None, {"a": 4}]
    assert [document.problem is None for document in found] == [True, False, True, True]


@given(st.binary(max_size=200))
def test_any_bytes_are_split_without_loss(text: bytes) -> None:
    """Nothing raises, and each byte that is not white space or array punctuation is in a document."""
    ignored = b" \t\r\n,[]"
    raw = b"".join(document.raw for document in documents(text))
    expected = text.removeprefix(b"\xef\xbb\xbf")
    assert raw.translate(None, ignored) == expected.translate(None, ignored)
