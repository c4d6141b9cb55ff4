"""CSV as vendors write it: records by their bytes, and columns of text by the names of the header.

Fields are separated by commas and may be quoted, with doubled quotes, commas and line ends inside. What is regular is
read columnar; a file with records of another length, or bytes that are not UTF-8, is read record by record, and only
those records are refused.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from contact_analytics.lib.bodies import CutShort
from contact_analytics.lib.formats import Rejected
from contact_analytics.lib.text_table import Texts

_BOM = b"\xef\xbb\xbf"
_ENDS = b"\r\n"
_BLOCK_BYTES = 8 << 20
# A comment may be longer than the 128 KiB that Python takes for a field unless told otherwise.
_LONGEST_FIELD = 1 << 30


@dataclass(frozen=True)
class Record:
    """One record: its bytes with the line end, and its fields, of which there are none where it cannot be read.

    Bytes that are not UTF-8 are lone surrogates in the fields.
    """

    raw: bytes
    fields: list[str]

    @property
    def names(self) -> list[str]:
        """The fields as they can be shown and stored."""
        return [field.encode(errors="surrogateescape").decode(errors="replace") for field in self.fields]

    @property
    def is_utf8(self) -> bool:
        return all(field.isascii() or field.encode(errors="replace").decode() == field for field in self.fields)


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of a file, header included, blank lines left out. Raises `CutShort` if it ends within a record."""
    csv.field_size_limit(_LONGEST_FIELD)
    taken, is_over, width = list[bytes](), False, 0

    def texts() -> Iterator[str]:
        nonlocal is_over
        for number, line in enumerate(lines):
            taken.append(line if number else line.removeprefix(_BOM))
            yield taken[-1].decode("utf-8", "surrogateescape")
        is_over = True

    reader = csv.reader(texts())
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if not width:
                raise CutShort(f"it is no CSV: {error}") from error
            # A carriage return in a field that is not quoted: it spoils its record, and no other.
            fields, is_broken = [], True
        else:
            is_broken = False
        raw = b"".join(taken)
        taken.clear()
        width = width or len(fields)
        # The reader asks for no line beyond a record's end, so one that met the file's end has none.
        if is_over or (len(fields) < width and not raw.endswith((b"\n", b"\r"))):
            raise CutShort("it ends within a record")
        if fields or is_broken:
            yield Record(raw, fields)


def by_records(pieces: Iterable[bytes], part_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """A file in parts of at least a size that end with a record, the header before each.

    Where a quote stands in a field that is not quoted, what follows is one part: there, records cannot be told quickly.
    """
    pieces, held, header, wanted = iter(pieces), b"", b"", part_bytes
    for piece in pieces:
        held += piece
        if len(held) < wanted:
            continue
        if not header:
            held = held.removeprefix(_BOM).lstrip(_ENDS)
            header = _header(held)
        end = _end_of_records(held, len(header)) if header else 0
        if not end:
            held = b"".join([held, *pieces])
        elif end > len(header):
            yield held[:end]
            held, wanted = header + held[end:], part_bytes
        else:  # To look again at each piece would take long.
            wanted = 2 * len(held)
    if held:
        yield held


def _header(text: bytes) -> bytes:
    """The header's bytes with the line end; none if there is none."""
    try:
        return next((record.raw for record in records(BytesIO(text))), b"")
    except CutShort:
        return b""


def _end_of_records(text: bytes, start: int) -> int:
    """Where the last record that is whole ends; 0 if that cannot be told by counting quotes."""
    quotes = _quotes(text, start)
    if quotes is None:
        return 0
    opening = quotes[::2]
    for place in range(len(quotes) // 2, -1, -1):
        first = int(quotes[2 * place - 1]) if place else start
        last = int(opening[place]) if place < len(opening) else len(text)
        if (end := text.rfind(b"\n", first, last)) >= 0:
            return end + 1
    return start


def _quotes(text: bytes, start: int) -> "np.ndarray[Any, Any] | None":
    """Where the quotes are from a place on, in pairs; None if one is where no field begins or ends."""
    data = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(data[start:] == ord('"')) + start
    opening = quotes[::2]
    # The first of a pair begins a field, or goes on with one in which a quote is doubled.
    is_doubled = np.isin(opening - 1, quotes[1::2])
    is_first = np.isin(data[opening - 1], [ord(","), *_ENDS])
    return quotes if np.all(is_doubled | is_first) else None


def _is_regular(text: bytes, start: int) -> bool:
    """Whether Arrow reads as `records` does: it closes quotes at a file's end, and ends a record at a lone return."""
    quotes = _quotes(text, start)
    return quotes is not None and len(quotes) % 2 == 0 and text.count(b"\r") == text.count(b"\r\n")


def read_csv(text: bytes) -> Texts:
    """The columns of a file; a file without a header has none."""
    found = records(BytesIO(text))
    try:
        header = next(found, None)
    except CutShort as error:
        return Texts([], pl.DataFrame(), [], [Rejected(1, f"record: {error}", text)])
    if header is None:
        return Texts([], pl.DataFrame(), [], [])
    plain = text.removeprefix(_BOM).lstrip(_ENDS)
    try:
        if _is_regular(plain, len(header.raw)):
            frame = _columns(plain[len(header.raw) :], len(header.fields))
            return Texts(header.names, frame, range(1, frame.height + 1), [])
    except pa.ArrowInvalid:
        pass
    return _read_singly(header.names, found)


def _read_singly(header: list[str], found: Iterator[Record]) -> Texts:
    good, numbers, rejected, number = list[bytes](), list[int](), list[Rejected](), 0
    try:
        for number, record in enumerate(found, 1):
            if not record.fields:
                rejected.append(Rejected(number, "record: a line end in a field that is not quoted", record.raw))
            elif len(record.fields) != len(header):
                reason = f"record: it has {len(record.fields)} fields, the header {len(header)}"
                rejected.append(Rejected(number, reason, record.raw))
            elif not record.is_utf8:
                rejected.append(Rejected(number, "record: text that is not UTF-8", record.raw))
            else:
                good.append(record.raw.rstrip(_ENDS) + b"\n")
                numbers.append(number)
    except CutShort as error:
        rejected.append(Rejected(number + 1, f"record: {error}", b""))
    return Texts(header, _columns(b"".join(good), len(header)), numbers, rejected)


def _columns(body: bytes, width: int) -> pl.DataFrame:
    """The columns of records by their places. Raises `pyarrow.ArrowInvalid` for a record of another length."""
    names = [str(place) for place in range(width)]
    if not body.strip(_ENDS):
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    if body.startswith(_BOM):  # It is a text's, as the file's own is before the header; Arrow would leave it out.
        body = b"\n" + body
    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=_block(body)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _block(body: bytes) -> int:
    """The bytes to read at a time: a record must fit."""
    return max(_BLOCK_BYTES, len(body)) if len(body) < 1 << 30 else 1 << 30
