"""The format of a Data Access file: envelopes of one session each, and the rows that a dataset takes from them."""

import json
from collections import Counter
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contact_analytics.lib.avro_json import (
    EXTRA,
    RECORD,
    Array,
    Fault,
    Findings,
    Node,
    Record,
    Scalar,
    documents,
    fields_of,
    list_of,
    node,
    read_strictly,
)
from contact_analytics.lib.daily import Decoded, Rejected
from contact_analytics.lib.schema import facts, wire_name
from contact_analytics.liveperson.records import NAMESPACE

_METADATA = NAMESPACE + "MetaData"


class FileFormat:
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

    def decode(self, text: bytes) -> Decoded:
        """The rows of a file's text as a frame of the schema's columns, `_extra` and `_record`, and what was refused.

        Memory: some four times the text. A record that breaks the format is refused, the others are read.
        """
        envelope = self.production if _METADATA.encode() in text[:4096] else self.documented
        try:
            return Decoded(self._rows(text, envelope), [], Counter())
        except pa.ArrowInvalid:
            lines, rejected, unknown = self._normalized(text)
            return Decoded(self._rows(lines, self.documented), rejected, unknown)

    def _rows(self, lines: bytes, envelope: Record) -> pl.DataFrame:
        if not lines or lines.isspace():
            return self._frame(pa.RecordBatch.from_pylist([], pa.schema(list(envelope.arrow_type))), envelope)
        table = read_strictly(lines, envelope)
        return pl.concat([self._frame(batch, envelope) for batch in table.to_batches()])

    def _normalized(self, text: bytes) -> tuple[bytes, list[Rejected], Counter[str]]:
        """The file in exactly the documented encoding, record by record, without what had to be refused."""
        lines, rejected, unknown = list[str](), list[Rejected](), Counter[str]()
        for document in documents(text):
            findings = Findings()
            try:
                if document.problem:
                    raise Fault("", document.problem)
                known = self._read(document.content, findings)
            except Fault as fault:
                rejected.append(Rejected(document.number, str(fault), document.raw))
                continue
            unknown.update(findings.unknown)
            rejected += [Rejected(document.number, why, json.dumps(row).encode()) for why, row in findings.faults]
            if findings.extra:
                known[EXTRA] = json.dumps(findings.extra)
                if not self._has_rows(known):
                    rejected.append(Rejected(document.number, "holds no row of this dataset", document.raw))
            known[RECORD] = document.number
            lines += map(json.dumps, self._split(known))
        return "\n".join(lines).encode(), rejected, unknown

    def _read(self, content: Any, findings: Findings) -> dict[str, Any]:
        """An envelope in the documented encoding, whichever of the two it came in."""
        if isinstance(content, dict):
            metadata = content.get("metaData")
            if isinstance(metadata, dict) and set(metadata) == {_METADATA}:
                content = {**content, "metaData": metadata[_METADATA]}
        known = self.documented.read(content, "", findings)
        if not isinstance(known, dict):
            raise Fault("", "expected an object, got null")
        return known

    def _has_rows(self, known: dict[str, Any]) -> bool:
        bodies = [part["body"] for part in known.get("recordCollection") or () if part and part.get("body")]
        if self._sessions:
            return bool(bodies)
        [(wire, _)] = self.branches.values()
        return any((body[wire].get(key) or {}).get("array") for body in bodies for key in body[wire] if key != "header")

    def _split(self, known: dict[str, Any]) -> list[dict[str, Any]]:
        """One envelope a visit: sections of several visits in one envelope are told apart by their headers."""
        if not self._sessions:
            return [known]
        visits: dict[str, list[Any]] = {}
        for part in known.get("recordCollection") or ():
            if part and part.get("body"):
                [branch] = part["body"].values()
                visits.setdefault(json.dumps((branch or {}).get("header")), []).append(part)
        return [{**known, "recordCollection": parts} for parts in visits.values()]

    def _frame(self, batch: pa.RecordBatch, envelope: Record) -> pl.DataFrame:
        columns = self._session_rows(batch, envelope) if self._sessions else self._item_rows(batch, envelope)
        frame = pl.from_arrow(pa.table({name: columns[name] for name in (*self._names, EXTRA, RECORD)}))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _parts(self, batch: pa.RecordBatch, envelope: Record) -> tuple[dict[str, pa.Array], pa.ListArray]:
        """What each envelope says of itself, and its bodies."""
        (metadata_wire, metadata), (bodies_wire, bodies) = envelope.fields["metadata"], envelope.fields["bodies"]
        assert isinstance(metadata, Record)
        assert isinstance(bodies, Array)
        numbers = pc.coalesce(batch[RECORD], pa.array(range(1, batch.num_rows + 1), pa.int64()))
        about = {**metadata.columns(batch[metadata_wire]), EXTRA: batch[EXTRA], RECORD: numbers}
        return about, bodies.list_array(batch[bodies_wire])

    def _item_rows(self, batch: pa.RecordBatch, envelope: Record) -> dict[str, pa.Array]:
        about, bodies = self._parts(batch, envelope)
        [(wire, branch)] = self.branches.values()
        body = pc.struct_field(pc.struct_field(bodies.flatten(), "body"), wire)
        header = self.header.columns(pc.struct_field(body, "header"))
        rows = self.items.list_array(pc.struct_field(body, branch.fields["rows"][0]))
        record = self.items.item
        assert isinstance(record, Record)
        items = rows.flatten()
        of_body = pc.list_parent_indices(rows)
        plain = pc.struct_field(items, record.wrapper) if record.wrapper else items
        if plain.null_count:
            raise pa.ArrowInvalid("a row is null")
        of_envelope = pc.list_parent_indices(bodies).take(of_body)
        columns = {name: array.take(of_envelope) for name, array in about.items()}
        columns |= {name: array.take(of_body) for name, array in header.items()}
        columns |= record.columns(items)
        columns[EXTRA] = _merged(columns[EXTRA], pc.struct_field(plain, EXTRA))
        return columns

    def _session_rows(self, batch: pa.RecordBatch, envelope: Record) -> dict[str, pa.Array]:
        about, bodies = self._parts(batch, envelope)
        body = pc.struct_field(bodies.flatten(), "body")
        lengths = pc.fill_null(pc.list_value_length(bodies), 0)
        branches = {name: pc.struct_field(body, wire) for name, (wire, _) in self.branches.items()}
        headers = [self.header.columns(pc.struct_field(branch, "header")) for branch in branches.values()]
        header = {name: pc.coalesce(*(columns[name] for columns in headers)) for name in self.header.fields}
        of_envelope = pc.list_parent_indices(bodies)
        starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
        firsts = pc.if_else(pc.equal(lengths, 0), None, starts)
        columns = about | {name: array.take(firsts) for name, array in header.items()}
        if not columns["visit_id"].take(of_envelope).equals(header["visit_id"]):
            raise pa.ArrowInvalid("an envelope holds several visits")
        for name, (_, branch) in self.branches.items():
            wire, items = branch.fields["rows"]
            assert isinstance(items, Array)
            columns[name] = _regrouped(items.unwrap(pc.struct_field(branches[name], wire)), bodies)
        return columns

    def write(self, row: dict[str, Any], *rows: dict[str, Any], production: bool = False) -> bytes:
        """One envelope as a line: `row` gives the session and the header, `rows` what its body holds.

        `production` writes the envelope's containers wrapped, as seen in production, instead of as documented.
        """
        if self._sessions:
            given = {name: row[name] for name in self.branches if row.get(name) is not None}
        else:
            given = {"rows": list(rows)}
        bodies = [{"body": {name: {**{"header": row}, "rows": items}}} for name, items in given.items()]
        envelope = self.production if production else self.documented
        return json.dumps(
            envelope.write({"data_type": self.data_type, "metadata": row, "bodies": bodies}),
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()


def _regrouped(lists: pa.ListArray, parents: pa.ListArray) -> pa.ListArray:
    """Lists of bodies joined into one list an envelope; null where no body had one."""
    of_parent = pc.list_parent_indices(parents)
    lengths = pc.list_value_length(lists)
    totals = pa.table({"parent": of_parent, "items": lengths}).group_by("parent").aggregate([("items", "sum")])
    by_parent = pa.table({"parent": pa.array(range(len(parents)), pa.int64())})
    totals = totals.set_column(0, "parent", totals["parent"].cast(pa.int64()))
    joined = by_parent.join(totals, "parent").sort_by("parent")["items_sum"].combine_chunks()
    return list_of(joined, lists.flatten())


def _merged(first: pa.Array, second: pa.Array) -> pa.Array:
    """Two columns of JSON objects as one; both are filled only in rare rows."""
    both = pc.and_(pc.is_valid(first), pc.is_valid(second))
    if not pc.any(both).as_py():
        return pc.coalesce(first, second)
    pairs = zip(first.to_pylist(), second.to_pylist(), strict=True)
    return pa.array(
        [json.dumps(json.loads(a) | json.loads(b)) if a and b else a or b for a, b in pairs], pa.string()
    )
