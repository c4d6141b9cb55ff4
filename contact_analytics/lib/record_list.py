"""A document that holds a list of plain JSON records, and the rows that a table takes from it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contact_analytics.lib.arrow_json import child, read_strictly
from contact_analytics.lib.avro_json import Json
from contact_analytics.lib.formats import Decoded, Format, Rejected
from contact_analytics.lib.json_documents import documents, value_at
from contact_analytics.lib.plain_json import Key, Members, members
from contact_analytics.lib.schema import columns_of, walk, wire_name
from contact_analytics.lib.wire import EXTRA, RECORD, Fault, Findings, as_object, joined, json_text, shown

Part = TypeVar("Part", bound=Any)

_FEW = 4
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_BOM, _SPACE = b"\xef\xbb\xbf", b" \t\r\n"


class RecordList(Format):
    """Documents that hold a list of records: an array of them, or an object with the list under `key`.

    `envelope` is what the object may hold beside the list, as Arrow types by name; what else it holds is counted as
    unknown. `derive` adds the columns that are not on the wire.
    """

    def __init__(
        self,
        schema: type[dy.Schema],
        key: str = "",
        envelope: Mapping[str, pa.DataType] | None = None,
        derive: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    ) -> None:
        fields = members(columns_of(schema))
        self.record = Members(fields, extra=True)
        self._undeclared = [each.wire for each in fields.values() if isinstance(each.node, Json) and not each.section]
        names = [wire_name(path.rpartition(".")[2], column) for path, column in walk(schema)]
        # Those that no other field is called like can be found in a document's text.
        found = [wire for wire in self._undeclared if names.count(wire) == 1]
        self._marks = [f'"{wire}"'.encode() for wire in found]
        self._records = _AsTexts(self.record, dict.fromkeys(found, pa.string()))
        self._lines = _AsTexts(self.record, {RECORD: pa.int64()} | dict.fromkeys(self._undeclared, pa.string()))
        self._key, self._envelope, self._derive = key, dict(envelope or {}), derive
        self._names, self._record_key = list(columns_of(schema)), Key(schema)

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        """The type of a whole document with a key."""
        records = pa.list_(self._records.arrow_type(normalized=False))
        return pa.struct([*self._envelope.items(), (self._key, records)])

    def decode(self, text: bytes) -> Decoded:
        """The rows of a document as a frame of the schema's columns, `_extra` and `_record`, and what was refused.

        `_record` is a record's place in its list, from 1.
        """
        if self._key:
            try:
                lists = read_strictly(self._with_texts(text), self, whole=True)[self._key].combine_chunks()
                if lists.null_count or not len(lists):
                    raise pa.ArrowInvalid("a document has no list")
                return Decoded(self._frame(self._table(lists.flatten())))
            except pa.ArrowInvalid:
                pass  # One of its records is odd, or its envelope is.
        records, rejected, unknown = self._enveloped(text) if self._key else _listed(text)
        tables, odd = self._read_strictly(records)
        lines = list[str]()
        for number in odd:
            findings = Findings()
            try:
                lines.append(self._normalized(records[number], number, findings))
                unknown.update(findings.unknown)
            except Fault as fault:
                raw, key = _alone(records[number], text), self._record_key.of(records[number])
                rejected.append(Rejected(number, str(fault), raw, key))
        tables.append(self._table(_structs(read_strictly("\n".join(lines).encode(), self.record, normalized=True))))
        return Decoded(self._frame(pa.concat_tables(tables)).sort(RECORD), rejected, unknown)

    def _with_texts(self, text: bytes) -> bytes:
        """A document with the parts that have no declared fields as texts. Raises `pyarrow.ArrowInvalid` for others."""
        places = sorted(place for mark in self._marks for place in _places(text, mark))
        # A character a byte, so that places are the same in both.
        source, parts, end = text.decode("latin-1") if places else "", list[bytes](), 0
        try:
            for start in places:
                if start < end:  # It is within another such part, which is text now.
                    continue
                _, stop = value_at(source, start)
                value, _ = value_at(text[start:stop].decode(), 0)
                if value is not None:
                    parts += [text[end:start], json.dumps(json_text(value, "")).encode()]
                    end = stop
        except (ValueError, Fault, RecursionError) as error:
            raise pa.ArrowInvalid(str(error)) from error
        return b"".join([*parts, text[end:]]) if parts else text

    def _enveloped(self, text: bytes) -> tuple[dict[int, Any], list[Rejected], Counter[str]]:
        """The records of a text's documents by number, documents that were refused, and fields nobody knows."""
        records, rejected, findings = dict[int, Any](), list[Rejected](), Findings()
        known = pa.struct([*self._envelope.items(), (self._key, pa.null())])
        number = 0
        for document in documents(text):
            number = document.number
            try:
                if document.problem:
                    raise Fault("", document.problem)
                listed = as_object(document.content, "").get(self._key)
                if not isinstance(listed, list):
                    raise Fault(self._key, f"expected a list of records, got {shown(listed)}")
            except Fault as fault:
                rejected.append(Rejected(number, str(fault), document.raw))
            else:
                records |= dict(enumerate(listed, len(records) + 1))
                _note_unknown(document.content, known, "", findings)
        if not number:
            rejected.append(Rejected(1, str(Fault("", f"expected an object with {self._key}, got nothing")), text))
        return records, rejected, findings.unknown

    def _read_strictly(self, records: Mapping[int, Any]) -> tuple[list[pa.Table], list[int]]:
        """The columns of the records that are as declared, and the numbers of those that are not.

        What cannot be read is halved until it is small, so that one odd record costs little.
        """
        lines, odd = dict[int, str](), list[int]()
        for number, record in records.items():
            try:
                lines[number] = self._line(record, number)
            except (Fault, RecursionError):
                odd.append(number)

        def parsed(numbers: list[int]) -> pa.Table:
            return read_strictly("\n".join(lines[number] for number in numbers).encode(), self._lines)

        found, broken = _in_halves(list(lines), parsed)
        tables, unread = _in_halves(pa.concat_tables(found), lambda table: self._table(_structs(table)))
        for numbers in [*broken, *(table[RECORD].to_pylist() for table in unread)]:
            odd += numbers
        return tables, sorted(odd)

    def _line(self, record: Any, number: int) -> str:
        """A record with its number, and as text what has no declared fields; a `Fault` where it cannot be so."""
        if RECORD in as_object(record, ""):
            raise Fault(RECORD, "is a field of the vendor's")
        undeclared = {wire: json_text(record[wire], wire) for wire in self._undeclared if record.get(wire) is not None}
        return json.dumps({**record, **undeclared, RECORD: number}, separators=(",", ":"))

    def _normalized(self, record: Any, number: int, findings: Findings) -> str:
        """A record read by itself, as a line."""
        known = self.record.read(as_object(record, ""), "", findings)
        if findings.extra:
            known[EXTRA] = json_text(findings.extra, "")
        return json.dumps({**known, RECORD: number}, ensure_ascii=False)

    def _table(self, records: pa.StructArray) -> pa.Table:
        """The columns of records; those without a number are numbered from 1."""
        if records.null_count:
            raise pa.ArrowInvalid("a record is null")
        numbers = pa.array(range(1, len(records) + 1), pa.int64())
        columns = self.record.columns(records)
        columns[EXTRA] = child(records, EXTRA).cast(pa.string())
        columns[RECORD] = pc.coalesce(child(records, RECORD).cast(pa.int64()), numbers)
        return pa.table(columns)

    def _frame(self, table: pa.Table) -> pl.DataFrame:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return (self._derive(frame) if self._derive else frame).select([*self._names, EXTRA, RECORD])


def _places(text: bytes, mark: bytes) -> Iterator[int]:
    """Where the values of a field begin, by its name in quotes: those within a text have a backslash before them."""
    at = text.find(mark)
    while at >= 0:
        if (colon := _COLON.match(text, at + len(mark))) and text[at - 1 : at] != b"\\":
            yield colon.end()
        at = text.find(mark, at + len(mark))


class _AsTexts:
    """Records as `RecordList` writes them: parts without declared fields as texts, the rest as sent."""

    def __init__(self, record: Members, ours: Mapping[str, pa.DataType]) -> None:
        self._record, self._ours = record, ours

    def arrow_type(self, *, normalized: bool) -> pa.DataType:
        plain = self._record.arrow_type(normalized=normalized)
        return pa.struct([pa.field(each.name, self._ours.get(each.name, each.type)) for each in plain])


def _in_halves(whole: Part, read: Callable[[Part], pa.Table]) -> tuple[list[pa.Table], list[Part]]:
    """What a function makes of a whole, or of its parts where it refuses the whole, and what is small and refused."""
    try:
        return [read(whole)], []
    except pa.ArrowInvalid:
        middle = len(whole) // 2
        if len(whole) <= _FEW:
            return [read(whole[:0])], [whole]
        first, second = _in_halves(whole[:middle], read), _in_halves(whole[middle:], read)
        return first[0] + second[0], first[1] + second[1]


def _listed(text: bytes) -> tuple[dict[int, Any], list[Rejected], Counter[str]]:
    """The items of an array by number, and those that are no JSON."""
    array = text.removeprefix(_BOM).strip(_SPACE)
    if not (array.startswith(b"[") and array.endswith(b"]")):
        return {}, [Rejected(1, str(Fault("", "expected a list of records, from [ to ]")), text)], Counter()
    items = list(documents(text))
    broken = [Rejected(item.number, str(Fault("", item.problem)), item.raw) for item in items if item.problem]
    return {item.number: item.content for item in items if not item.problem}, broken, Counter()


def _note_unknown(value: Any, kind: pa.DataType, path: str, findings: Findings) -> None:
    """Note what an envelope holds beyond its type."""
    if isinstance(value, dict) and pa.types.is_struct(kind):
        for name, inner in value.items():
            place = joined(path, name)
            if kind.get_field_index(name) < 0:
                findings.note(place, inner)
            else:
                _note_unknown(inner, kind.field(name).type, place, findings)


def _alone(record: Any, text: bytes) -> bytes:
    """A record by itself; all of the text where it is nested too deeply for that."""
    try:
        return json.dumps(record).encode()
    except RecursionError:
        return text


def _structs(table: pa.Table) -> pa.StructArray:
    """The rows of a table as one array."""
    if not table.num_rows:
        return pa.array([], pa.struct(list(table.schema)))
    return table.combine_chunks().to_struct_array().combine_chunks()
