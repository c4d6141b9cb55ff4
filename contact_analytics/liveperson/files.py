"""The format of a Data Access file: envelopes of one session each, and the rows that a dataset takes from them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contact_analytics.lib.arrow_json import child, in_parts, read_strictly, running_total
from contact_analytics.lib.avro_json import Array, Record, Scalar, fields_of, node
from contact_analytics.lib.bodies import by_documents
from contact_analytics.lib.formats import Decoded, Format, Rejected
from contact_analytics.lib.json_documents import Document, documents
from contact_analytics.lib.schema import facts, wire_name
from contact_analytics.lib.wire import EXTRA, RECORD, Fault, FaultyRow, Findings, Node, json_text
from contact_analytics.liveperson.records import NAMESPACE

_METADATA = NAMESPACE + "MetaData"


class FileFormat(Format):
    """How a dataset's envelopes are laid out.

    `body` is the branch that holds the dataset's rows, `rows` the list in it, `item` the type that wraps each row.
    Without a body the row is the session itself, and each column with a section of its own is a branch.
    """

    def __init__(
        self, schema: type[dy.Schema], data_type: str, header: str, body: str = "", rows: str = "", item: str = ""
    ) -> None:
        columns = schema.columns()
        sections = {name: c for name, c in columns.items() if facts(c).section not in ("metaData", "header")}
        self.data_type = data_type
        self._names = list(columns)
        self._sessions = not body
        self.header = Record(self._fields(columns, "header"), wrapper=NAMESPACE + header)
        if body:
            wrapper = NAMESPACE + item if item else None
            self.items = Array(Record(fields_of(sections, NAMESPACE), wrapper=wrapper, extra=True), rows=True)
            branches = {"rows": (NAMESPACE + body, self._branch(rows, self.items))}
        else:
            branches = {
                name: (NAMESPACE + facts(c).section, self._branch(wire_name(name, c), node(c, NAMESPACE)))
                for name, c in sections.items()
            }
        self.branches = branches
        # Two encodings of the containers exist: as documented, and wrapped once more, as seen in production.
        self.documented = self._envelope(columns, production=False)
        self.production = self._envelope(columns, production=True)

    def _branch(self, rows: str, items: Node) -> Record:
        return Record({"header": ("header", self.header), "rows": (rows, items)})

    def _fields(self, columns: dict[str, dy.Column], section: str) -> dict[str, tuple[str, Node]]:
        return fields_of({name: c for name, c in columns.items() if facts(c).section == section}, NAMESPACE)

    def _envelope(self, columns: dict[str, dy.Column], *, production: bool) -> Record:
        bodies = Array(Record({"body": ("body", Record(self.branches, union=True))}), bare=not production)
        metadata = Record(self._fields(columns, "metaData"), wrapper=_METADATA if production else None)
        return Record(
            {
                "data_type": ("dataType", Scalar(pl.String, NAMESPACE + "DataTypeEnum")),
                "metadata": ("metaData", metadata),
                "bodies": ("recordCollection", bodies),
            },
            extra=True,
        )

    def parts(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        return by_documents(pieces)

    def decode(self, text: bytes) -> Decoded:
        """The rows of a file's text as a frame of the schema's columns, `_extra` and `_record`, and what was refused.

        `_record` counts the file's documents from 1. A document or row that breaks the format is refused with its
        reason, the others are read.
        """
        envelope = self.production if _METADATA.encode() in text[:4096] else self.documented
        records, parts = in_parts(text, partial(self._strict, envelope), self._normalized)
        return Decoded(
            pl.concat([part.frame for part in parts]),
            [rejected for part in parts for rejected in part.rejected],
            sum((part.unknown for part in parts), Counter[str]()),
            records,
        )

    def _strict(self, envelope: Record, text: bytes, before: int) -> tuple[int, Decoded]:
        table = read_strictly(text, envelope)
        return table.num_rows, Decoded(self._rows(table, envelope, before))

    def _rows(self, table: pa.Table, envelope: Record, before: int) -> pl.DataFrame:
        frames = list[pl.DataFrame]()
        for batch in table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
            frames.append(self._frame(batch, before, envelope))
            before += batch.num_rows
        return pl.concat(frames)

    def _normalized(self, text: bytes, before: int) -> tuple[int, Decoded]:
        """A text read tolerantly, document by document, without what had to be refused."""
        lines, rejected, unknown = list[str](), list[Rejected](), Counter[str]()
        number = before
        for each in documents(text):
            document = replace(each, number=before + each.number)
            number, findings = document.number, Findings()
            try:
                known = self._read(document, findings)
            except Fault as fault:
                rejected.append(Rejected(number, str(fault), document.raw))
                continue
            unknown.update(findings.unknown)
            rejected += [Rejected(number, str(row.fault), _alone(document, row)) for row in findings.faulty]
            if findings.extra and not self._has_rows(known):
                rejected.append(Rejected(number, "holds no row of this dataset", document.raw))
            lines += [json.dumps(envelope, ensure_ascii=False) for envelope in self._split(known)]
        table = read_strictly("\n".join(lines).encode(), self.documented, normalized=True)
        return number - before, Decoded(self._rows(table, self.documented, before), rejected, unknown)

    def _read(self, document: Document, findings: Findings) -> dict[str, Any]:
        """An envelope in the documented encoding, whichever of the two it came in."""
        content = document.content
        if document.problem:
            raise Fault("", document.problem)
        if isinstance(content, dict):
            metadata = content.get("metaData")
            if isinstance(metadata, dict) and set(metadata) == {_METADATA}:
                content = {**content, "metaData": metadata[_METADATA]}
        known = self.documented.read(content, "", findings)
        if known is None:
            raise Fault("", "expected an object, got null")
        if known.get("recordCollection") is None:
            raise Fault("recordCollection", "expected a list, got null")
        if findings.extra:
            known[EXTRA] = json_text(findings.extra, "")
        return {**known, RECORD: document.number}

    def _has_rows(self, known: dict[str, Any]) -> bool:
        branches = _branches(known)
        [key, *_] = [branch.fields["rows"][0] for _, branch in self.branches.values()]
        return bool(branches) if self._sessions else any((branch.get(key) or {}).get("array") for _, branch in branches)

    def _split(self, known: dict[str, Any]) -> list[dict[str, Any]]:
        """One envelope a visit, one branch a body: sections of several visits are told apart by their headers."""
        if not self._sessions:
            return [known]
        wrapper = str(self.header.wrapper)
        visits: list[tuple[dict[str, Any], list[Any]]] = []
        for wire, branch in _branches(known):
            header = (branch.get("header") or {}).get(wrapper) or {}
            given = {name: value for name, value in header.items() if value is not None}
            same = [
                visit for visit in visits if all(visit[0].get(name, value) == value for name, value in given.items())
            ]
            if not same:
                same = [({}, [])]
                visits += same
            same[0][0].update(given)
            same[0][1].append((wire, branch))
        return [
            {
                **known,
                "recordCollection": [
                    {"body": {wire: {**branch, "header": {wrapper: header}}}} for wire, branch in sections
                ],
            }
            for header, sections in visits
        ]

    def _frame(self, batch: pa.RecordBatch, before: int, envelope: Record) -> pl.DataFrame:
        """The rows of a batch, whose documents come after `before` others."""
        (metadata_wire, metadata), (bodies_wire, bodies) = envelope.fields["metadata"], envelope.fields["bodies"]
        assert isinstance(metadata, Record)
        assert isinstance(bodies, Array)
        lists = bodies.list_array(batch[bodies_wire])
        if lists.null_count:
            raise pa.ArrowInvalid("a document has no records")
        numbers = pa.array(range(before + 1, before + batch.num_rows + 1), pa.int64())
        about = {
            **metadata.columns(batch[metadata_wire]),
            EXTRA: batch[EXTRA].cast(pa.string()),
            RECORD: pc.coalesce(batch[RECORD].cast(pa.int64()), numbers),
        }
        rows = self._session_rows(about, lists) if self._sessions else self._item_rows(about, lists)
        frame = pl.from_arrow(rows.select([*self._names, EXTRA, RECORD]))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _item_rows(self, about: dict[str, pa.Array], bodies: pa.ListArray) -> pa.Table:
        [(wire, branch)] = self.branches.values()
        body = child(child(bodies.flatten(), "body"), wire)
        header = self.header.columns(child(body, "header"))
        rows = self.items.list_array(child(body, branch.fields["rows"][0]))
        record = self.items.item
        assert isinstance(record, Record)
        items = rows.flatten()
        plain = child(items, record.wrapper) if record.wrapper else items
        if plain.null_count:
            raise pa.ArrowInvalid("a row is null")
        of_body = pc.list_parent_indices(rows)
        of_envelope = pc.list_parent_indices(bodies).take(of_body)
        columns = {name: array.take(of_envelope) for name, array in about.items()}
        columns |= {name: array.take(of_body) for name, array in header.items()}
        columns |= record.columns(items)
        columns[EXTRA] = _merged(columns[EXTRA], child(plain, EXTRA).cast(pa.string()))
        return pa.table(columns)

    def _session_rows(self, about: dict[str, pa.Array], bodies: pa.ListArray) -> pa.Table:
        body = child(bodies.flatten(), "body")
        branches = {name: child(body, wire) for name, (wire, _) in self.branches.items()}
        if sum(len(branch) - branch.null_count for branch in branches.values()) != len(body) or body.null_count:
            raise pa.ArrowInvalid("a body has no branch, or several")
        headers = [self.header.columns(child(branch, "header")) for branch in branches.values()]
        header = {name: pc.coalesce(*(columns[name] for columns in headers)) for name in self.header.fields}
        lengths = pc.list_value_length(bodies)
        offsets = running_total(lengths)
        firsts = pc.if_else(pc.equal(lengths, 0), None, offsets[:-1])
        of_envelope = pc.list_parent_indices(bodies)
        columns = about | {name: array.take(firsts) for name, array in header.items()}
        if not all(columns[name].take(of_envelope).equals(array) for name, array in header.items()):
            raise pa.ArrowInvalid("the headers of an envelope differ")
        for name, (_, branch) in self.branches.items():
            wire, items = branch.fields["rows"]
            columns[name] = _joined(items.unwrap(child(branches[name], wire)), offsets)
        return pa.table(columns).filter(pc.greater(lengths, 0))

    def write(self, row: dict[str, Any], *rows: dict[str, Any], production: bool = False) -> bytes:
        """One envelope as a line: `row` gives the session and the header, `rows` what its body holds.

        `production` writes the envelope's containers wrapped, as seen in production, instead of as documented.
        """
        if self._sessions:
            given = {name: row[name] for name in self.branches if row.get(name) is not None}
        else:
            given = {"rows": list(rows)}
        bodies = [{"body": {name: {"header": row, "rows": items}}} for name, items in given.items()]
        envelope = self.production if production else self.documented
        return json.dumps(
            envelope.write({"data_type": self.data_type, "metadata": row, "bodies": bodies}),
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()


def _branches(known: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The branches that a normalized envelope's bodies hold, by the vendor's name."""
    bodies = [part["body"] for part in known["recordCollection"] if part and part.get("body")]
    return [(wire, branch) for body in bodies for wire, branch in body.items() if branch]


def _alone(document: Document, row: FaultyRow) -> bytes:
    """A document with one of its rows: what it takes to read a faulty row again."""
    try:
        return json_text(_pruned(document.content, row), "").encode()
    except (Fault, RecursionError):
        return document.raw


def _pruned(value: Any, row: FaultyRow) -> Any:
    """A value whose lists hold the faulty row alone, wherever they lead to it."""
    if value is row.rows:
        return [row.rows[row.index]]
    if isinstance(value, dict):
        for key, inner in value.items():
            if (pruned := _pruned(inner, row)) is not inner:
                return {**value, key: pruned}
    elif isinstance(value, list):
        for item in value:
            if (pruned := _pruned(item, row)) is not item:
                return [pruned]
    return value


def _joined(lists: pa.ListArray, offsets: pa.Array) -> pa.ListArray:
    """The lists from each offset to the next as one; null where all of them are."""
    filled = running_total(pc.is_valid(lists).cast(pa.int32())).take(offsets)
    return pa.ListArray.from_arrays(lists.offsets.take(offsets), lists.values, mask=pc.equal(filled[1:], filled[:-1]))


def _merged(envelopes: pa.Array, rows: pa.Array) -> pa.Array:
    """What is unknown of envelope and row as one column of JSON objects; both are filled only in rare rows."""
    both = pc.and_(pc.is_valid(envelopes), pc.is_valid(rows))
    if not pc.any(both).as_py():
        return pc.coalesce(envelopes, rows)
    pairs = zip(envelopes.to_pylist(), rows.to_pylist(), strict=True)
    return pa.array([_both(outer, inner) if outer and inner else outer or inner for outer, inner in pairs], pa.string())


def _both(envelope: str, row: str) -> str:
    """Two JSON objects as one; a key of both is the row's, the other is marked as the envelope's."""
    of_row = json.loads(row)
    of_envelope = {f"envelope.{key}" if key in of_row else key: part for key, part in json.loads(envelope).items()}
    return json.dumps(of_envelope | of_row)
