"""The files of NICE CXone's sandbox as they are written, stored and spoiled."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import httpx

from contact_analytics.sandbox.faults import ANSWERS, WIRES, Fault
from contact_analytics.sandbox.nice_cxone_segments import Value

DateForm = Literal["iso", "iso_z", "offset", "us"]
BooleanForm = Literal["mixed", "TRUE", "true"]
Row = dict[str, str]

# Documented in capitals, unlike the other columns.
_IN_CAPITALS = "Auto Acknowledged"


def timed(at: datetime, form: DateForm) -> str:
    """A time in one of the forms that clients have to read."""
    at = at.astimezone(UTC)
    match form:
        case "iso_z":
            return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
        case "iso":
            return at.strftime("%Y-%m-%d %H:%M:%S")
        case "offset":
            return at.isoformat(timespec="seconds")
        case "us":
            return f"{at.month}/{at.day}/{at.year} {at:%I:%M:%S %p}"


@dataclass(frozen=True)
class Spelling:
    """How values and lines are written."""

    dates: DateForm
    booleans: BooleanForm
    newline: str
    bom: bool

    def text(self, header: str, value: Value) -> str:
        """A value as the file has it."""
        if value is None:
            return ""
        if isinstance(value, datetime):
            return timed(value, self.dates)
        if isinstance(value, bool):
            capitals = self.booleans == "TRUE" or (self.booleans == "mixed" and header == _IN_CAPITALS)
            return str(value).upper() if capitals else str(value).lower()
        return f"{round(value, 2):g}" if isinstance(value, float | int) else value

    def file(self, columns: Sequence[str], records: Sequence[Sequence[str]]) -> bytes:
        """The bytes of a file."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator=self.newline)
        writer.writerow(columns)
        writer.writerows(records)
        return (b"\xef\xbb\xbf" if self.bom else b"") + out.getvalue().encode()


@dataclass(frozen=True)
class Table:
    """A file before it is written; `key` is the column that goes missing unless a fault names another."""

    columns: Sequence[str]
    rows: Sequence[Row]
    spelling: Spelling
    key: str

    def written(self, columns: Sequence[str] | None = None, more: Mapping[str, str] | None = None) -> bytes:
        """The bytes, of these columns, with one or more others at the end of each row."""
        chosen, new = self.columns if columns is None else columns, more or {}
        records = [[*(row.get(name, "") for name in chosen), *new.values()] for row in self.rows]
        return self.spelling.file([*chosen, *new], records)


def stored(body: bytes) -> httpx.Response:
    """A file as storage sends it."""
    headers = {"Content-Type": "text/csv", "Content-Length": str(len(body)), "ETag": f'"{len(body):032x}"'}
    return httpx.Response(200, headers=headers, content=body)


def refused(status: int, code: str, message: str) -> httpx.Response:
    """What storage says instead of a file."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return httpx.Response(status, headers={"Content-Type": "application/xml"}, text=text)


def expired(status: int = 403) -> httpx.Response:
    return refused(status, "AccessDenied", "Request has expired")


def _wire(kind: str, table: Table) -> httpx.Response:
    response = WIRES[kind](table.written())
    response.headers["Content-Type"] = "text/csv"
    return response


def _cut(table: Table, _: Fault) -> bytes:
    """The text up to the midst of a quoted field."""
    text = table.written().decode()
    quoted = [found.end() for found in re.finditer(r',"[^"]{4}', text)]
    return (text[: quoted[-1]] if quoted else text[: text.rfind(",") + 1] + '"cut').encode()


def _drifted(table: Table, fault: Fault) -> bytes:
    return table.written(more=fault.value or {"Sentiment": "0.5"})


def _without(table: Table, fault: Fault) -> bytes:
    gone = fault.value or table.key
    return table.written([name for name in table.columns if name != gone])


def _ragged(table: Table, _: Fault) -> bytes:
    records = [[row[name] for name in table.columns] for row in table.rows]
    return table.spelling.file(
        table.columns, [[*record, "too many"][: None if at == 0 else -1] for at, record in enumerate(records)]
    )


def _not_utf8(table: Table, _: Fault) -> bytes:
    head, newline, rest = table.written().partition(table.spelling.newline.encode())
    return head + newline + rest[:1] + b"\xff" + rest[1:]


# The file with another content, sent as any file is.
TEXTS: dict[str, Callable[[Table, Fault], bytes]] = {
    "cut_text": _cut,
    "new_column": _drifted,
    "missing_column": _without,
    "reordered": lambda table, _: table.written(table.columns[::-1]),
    "no_rows": lambda table, _: table.spelling.file(table.columns, []),
    "no_bytes": lambda table, _: b"",
    "ragged": _ragged,
    "not_utf8": _not_utf8,
}
# Another answer than the file.
_INSTEAD: dict[str, Callable[[Table, Fault], httpx.Response]] = {
    "dead_link": lambda table, _: expired(),
    "dead_link_200": lambda table, _: expired(200),
    "web_page": lambda table, fault: ANSWERS["html"](fault),
    "no_content": lambda table, _: httpx.Response(204),
    "cut_file": lambda table, _: _wire("cut_body", table),
    "dropped_file": lambda table, _: _wire("dropped_body", table),
}


def spoiled(fault: Fault, table: Table) -> httpx.Response:
    """The answer to a file's request with a fault in it."""
    if fault.kind in _INSTEAD:
        return _INSTEAD[fault.kind](table, fault)
    return stored(TEXTS[fault.kind](table, fault))
