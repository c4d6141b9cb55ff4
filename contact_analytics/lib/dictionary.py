"""The data dictionary: what every table and column means, written from the schemas as Markdown."""

from collections.abc import Iterable, Iterator, Sequence

import dataframely as dy

from contact_analytics.lib.dataset import Dataset, Dimension, History, Partition, Provenance, Table, in_words
from contact_analytics.lib.report import Computed, Report
from contact_analytics.lib.schema import children, duckdb_type, facts, walk, wire_name

_INTRODUCTION = """\
# Data dictionary

Written from the schemas by `make dictionary`; a test fails while it is not current. Daily tables are partitioned by
UTC day; histories have a row a state of an entry, from when until when it held. `a.b` is field `b` of the nested column
`a`, `a[].b` that field of each item of the list `a`.

| mark | meaning |
| --- | --- |
| key | part of the primary key |
| personal | personal data: masked in the samples that Dagster's UI shows |
| seen | not in the vendor's documentation; met in a real answer, or used by another client |
| inferred | not in the vendor's documentation; concluded from what is, or assumed |
"""

_VIEWS = """\
Beside a table stands a flat view for each of its lists of records: one row an item, with the partition and the primary
key first (of a history the primary key and `valid_from`), then `position`, the item's place in its list from 1, then
the item's fields. A field that has the name of a key column carries the list's name in front."""

_AS_OF = """\
A row holds from `valid_from`, included, until `valid_to`, excluded: `where valid_from <= t and (valid_to is null or t <
valid_to)` gives the list as it was at `t`. An entry that the vendor lists as deleted has a last row with `deleted`; one
that was deleted before it was first seen has a row that never held."""


def markdown(tables: Sequence[Table]) -> str:
    """The dictionary of the given tables, in their order."""
    contents = [f"- [`{t.vendor}/{t.name}`](#{_anchor(t)}): {t.grain}" for t in tables]
    histories = any(isinstance(table, Dimension) for table in tables)
    reports = any(isinstance(table, Report) for table in tables)
    shared = _shared(histories=histories, reports=reports)
    parts = [_INTRODUCTION, "\n".join(contents), shared, *(_section(table) for table in tables)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _shared(*, histories: bool, reports: bool) -> str:
    columns = _plain([*walk(Partition), *walk(Provenance)])
    text = "## Columns of every table\n\nThe first is that of daily tables and comes first, the others last."
    text = f"{text}\n\n{columns}\n\n{_VIEWS}"
    if histories:
        text += f"\n\n## Columns of every history\n\nAfter the table's own.\n\n{_plain(walk(History))}\n\n{_AS_OF}"
    if reports:
        text += f"\n\n## Columns of every report\n\nInstead of the provenance.\n\n{_plain(walk(Computed))}"
    return text


def _plain(columns: Iterable[tuple[str, dy.Column]]) -> str:
    """Columns that are not the vendor's."""
    rows = ([_code(path), _code(_type(column)), _null(column), _meaning(column)] for path, column in columns)
    return _table(("column", "type", "null", "meaning"), rows)


def _section(table: Table) -> str:
    promises = [
        f"- Table: `{table.table}`",
        f"- Primary key: {', '.join(map(_code, table.primary_key))}{_of_current(table)}",
        *_promises(table),
    ]
    origin = "made from" if isinstance(table, Report) else "vendor's field"
    columns = _table(("column", "type", "null", "unit", "meaning", origin, "marks"), _columns(table))
    views = [f"- `{view}`" for view in table.views()]
    flat = "\n\nFlat views:\n\n" + "\n".join(views) if views else ""
    return f"## {table.vendor}/{table.name}\n\n{table.grain}\n\n" + "\n".join(promises) + f"\n\n{columns}{flat}"


def _of_current(table: Table) -> str:
    return ", of the current rows; with `valid_from` of all" if isinstance(table, Dimension) else ""


def _promises(table: Table) -> Iterator[str]:
    if isinstance(table, Report):
        yield from (f"- {rule}" for rule in table.counted)
        return
    if isinstance(table, Dataset):
        yield f"- Retention: {table.retention_in_words}; the archive keeps it"
        yield f"- Due: {in_words(table.lateness)} after the day's end"
    else:
        yield "- Looked at once a day; what changed and changed back between two looks is not seen"
    yield f"- [The vendor's documentation]({table.documentation})"


def _columns(table: Table) -> Iterator[list[str]]:
    key, columns = set(table.primary_key), dict(walk(table.schema))
    for path, column in columns.items():
        parent = columns.get(path.rpartition(".")[0].removesuffix("[]"))
        yield [
            _code(path),
            _code(_type(column)),
            _null(column),
            facts(column).unit,
            _meaning(column),
            _origin(table, path, column, parent),
            ", ".join(_marks(column, key=path in key)),
        ]


def _type(column: dy.Column) -> str:
    """DuckDB's type; the fields of a nested one have lines of their own."""
    if isinstance(column, dy.List):
        return _type(column.inner) + "[]"
    return "STRUCT" if children(column) else duckdb_type(column.dtype)


def _origin(table: Table, path: str, column: dy.Column, parent: dy.Column | None) -> str:
    """Where a column comes from: the vendor's field, or the columns that a report computes it from."""
    if isinstance(table, Report):
        return ", ".join(map(_code, facts(column).sources))
    return _code(_vendor_field(path, column, parent))


def _vendor_field(path: str, column: dy.Column, parent: dy.Column | None) -> str:
    """The vendor's name, after the container that was flattened away; a union's branch goes by its record's type."""
    known = facts(column)
    if parent is not None and facts(parent.inner if isinstance(parent, dy.List) else parent).union:
        return known.avro
    return ".".join(filter(None, (known.section, wire_name(path.rpartition(".")[2], column))))


def _marks(column: dy.Column, *, key: bool) -> Iterator[str]:
    if key:
        yield "key"
    if facts(column).personal:
        yield "personal"
    if facts(column).seen:
        yield "seen"
    if facts(column).inferred:
        yield "inferred"


def _null(column: dy.Column) -> str:
    return "yes" if column.nullable else ""


def _meaning(column: dy.Column) -> str:
    return column.description or ""


def _anchor(table: Table) -> str:
    """The address that Markdown viewers give to a table's heading."""
    return f"{table.vendor}{table.name}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
