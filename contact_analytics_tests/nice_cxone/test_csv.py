"""Every record of a CSV file is a row or is refused by itself, whatever its bytes."""

import csv
import io
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contact_analytics.lib.bodies import CutShort
from contact_analytics.lib.csv_text import Record, by_records, read_csv, records

# What CSV's grammar is about, in bytes: quotes, line ends, letters of one and several bytes, and no letters at all.
PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r\n",
    b"a",
    b" ",
    b"\xc3\xa9",
    b"\xff",
    b"\x00",
    b"\xe2\x80\xa8",
    b'""',
    b"\xef\xbb\xbf",
]
BYTES = st.lists(st.sampled_from(PIECES), max_size=24).map(b"".join)
TEXT = st.text(st.sampled_from('a,"\n\r é😀;\t\u2028\ufeff\x00'), max_size=6)


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1)),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
    st.booleans(),
)
@example([["a"], ["\ufeff"]], "\n", csv.QUOTE_MINIMAL, False, False)
@example([["a", "b"], ["\ufeffx", "y"]], "\n", csv.QUOTE_MINIMAL, True, True)
def test_what_is_written_as_csv_is_read_as_it_was(
    table: list[list[str]], end: str, quoting: int, bom: bool, ended: bool
) -> None:
    """To the letter, with quotes, commas and line ends in it, with a BOM or without, ended by a line end or not."""
    if quoting == csv.QUOTE_MINIMAL:
        table = [[text.replace("\r", "") for text in row] for row in table]
    table[0] = [f"column {number}" for number in range(len(table[0]))]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(table)
    body = (b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode()
    body = body if ended else body.removesuffix(end.encode())
    found = list(records(BytesIO(body)))
    assert [record.fields for record in found] == table
    assert b"".join(record.raw for record in found) == body.removeprefix(b"\xef\xbb\xbf")
    read = read_csv(body)
    assert (list(read.names), [list(row) for row in read.frame.iter_rows()], read.rejected) == (table[0], table[1:], [])
    assert list(read.numbers) == list(range(1, len(table)))


def found_in(body: bytes) -> tuple[list[Record], bool]:
    """The records of a file, and whether it ends within one."""
    found: list[Record] = []
    try:
        for record in records(BytesIO(body)):
            found += [record]
    except CutShort:
        return found, True
    return found, False


@given(BYTES)
@example(b'a,b\nx,"y\n1,2\n')
@example(b"a,b\nx\ry,z\n1,2\n")
@example(b'a,b\n "x,y",z\n')
@example(b"a,b\n\xff,1\n2,3")
def test_no_record_is_lost_in_silence_whatever_the_bytes(body: bytes) -> None:
    """As many rows and refusals as records, and the rows that are whole are what Python's reader makes of them."""
    body = b"one,two\n" + body
    found, is_cut = found_in(body)
    read = read_csv(body)
    assert read.frame.height + len(read.rejected) == len(found) - 1 + is_cut
    whole = [record.fields for record in found[1:] if len(record.fields) == 2 and record.is_utf8]
    assert [list(row) for row in read.frame.iter_rows()] == whole
    assert sorted([*read.numbers, *(each.record for each in read.rejected)]) == list(range(1, len(found) + is_cut))


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=5), st.data())
def test_a_file_that_is_cut_is_never_read_as_another(table: list[list[str]], data: st.DataObject) -> None:
    """What comes before the cut is as it was; what the cut went through is refused, unless it was the last field."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *table])
    body = out.getvalue().encode()
    cut = body[: data.draw(st.integers(16, len(body)))]
    read = read_csv(cut)
    rows = [list(row) for row in read.frame.iter_rows()]
    assert rows[:-1] == table[: len(rows)][:-1]
    with suppress(IndexError):
        assert rows[-1][:2] == table[len(rows) - 1][:2]
        assert table[len(rows) - 1][2].startswith(rows[-1][2]) or read.rejected


def test_a_record_that_cannot_be_read_spoils_no_other() -> None:
    """A carriage return in a field that is not quoted is what some writers leave there."""
    read = read_csv(b"a,b\n1,2\nx\ry,z\n3,4\n")
    assert [list(row) for row in read.frame.iter_rows()] == [["1", "2"], ["3", "4"]]
    assert [(each.record, each.reason, each.raw) for each in read.rejected] == [
        (2, "record: a line end in a field that is not quoted", b"x\ry,z\n")
    ]


def test_a_header_that_cannot_be_read_is_an_error() -> None:
    """A file with bare carriage returns for line ends has one line: it must not pass for one without rows."""
    with pytest.raises(CutShort, match="it is no CSV"):
        list(records(BytesIO(b"a,b\r1,2\r3,4\r")))
    assert read_csv(b"a,b\r1,2\r3,4\r").rejected


def held(*parts: bytes) -> tuple[list[tuple[int, tuple[str, ...]]], list[tuple[int, str, bytes]]]:
    """The records of a file's parts by their numbers in the file, and those that were refused."""
    rows, refused, before = list[tuple[int, tuple[str, ...]]](), list[tuple[int, str, bytes]](), 0
    for part in parts:
        read = read_csv(part)
        rows += [(before + number, row) for number, row in zip(read.numbers, read.frame.iter_rows(), strict=True)]
        refused += [(before + each.record, each.reason, each.raw) for each in read.rejected]
        before += len(read.numbers) + len(read.rejected)
    return rows, refused


CELLS = st.sampled_from(["a", "", "x,y", 'q"r', '""', "l\nm", '"', "\r\n", "é", '5" pipe', ' "a"', "x,", "x\n"])


@given(
    st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.integers(1, 40),
    st.integers(60, 120),
)
def test_a_file_in_parts_holds_what_it_holds_whole(
    table: list[list[str]], end: str, quoting: int, bom: bytes, piece: int, part: int
) -> None:
    """Each record once, by its number, wherever the file is cut: not within quotes, and not behind a doubled one."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(table)
    body = bom + out.getvalue().encode()
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
    assert held(*by_records(pieces, part)) == held(body)


@pytest.mark.parametrize("odd", [b'1,5" pipe\n', b'1," and no end\n', b'1,"a"b"\n', b"1\n", b"1,2,3\n", b"1,\xff\n"])
def test_what_follows_on_an_odd_record_is_read_as_ever(odd: bytes) -> None:
    """A quote out of its place ends the counting of quotes: what follows is one part."""
    body = b"a,b\n" + b'1,"x\ny"\n' * 30 + odd + b'2,"z"\n' * 30
    assert held(*by_records([body[:100], body[100:]], 50)) == held(body)
