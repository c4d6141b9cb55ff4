"""The data dictionary: what every table and column means, written from the schemas as Markdown."""

from collections.abc import Iterable, Iterator, Sequence

import dataframely as dy

from contact_analytics.lib.dataset import Dataset, Partition, Provenance
from contact_analytics.lib.schema import children, duckdb_type, facts, walk, wire_name

_INTRODUCTION = """\
# Data dictionary

Written from the schemas by `make dictionary`; a test fails while it is not current. Every table is partitioned by UTC
day. `a.b` is field `b` of the nested column `a`, `a[].b` that field of each item of the list `a`.

| mark | meaning |
| --- | --- |
| key | part of the primary key |
| personal | personal data: masked in the samples that Dagster's UI shows |
| inferred | seen or concluded, not in the vendor's documentation |
"""

_VIEWS = """\
Beside a table stands a flat view for each of its lists of records: one row an item, with the partition and the primary
key first, then `position`, the item's place in its list from 1, then the item's fields. A field that has the name of a
key column carries the list's name in front."""


def markdown(datasets: Sequence[Dataset]) -> str:
    """The dictionary of the given datasets, in their order."""
    contents = [f"- [`{d.vendor}/{d.name}`](#{_anchor(d)}): {d.grain}" for d in datasets]
    parts = [_INTRODUCTION, "\n".join(contents), _shared(), *(_section(dataset) for dataset in datasets)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _shared() -> str:
    columns = [*walk(Partition), *walk(Provenance)]
    rows = ([_code(path), _code(_type(column)), _null(column), _meaning(column)] for path, column in columns)
    table = _table(("column", "type", "null", "meaning"), rows)
    return f"## Columns of every table\n\nThe first comes first, the others last.\n\n{table}\n\n{_VIEWS}"


def _section(dataset: Dataset) -> str:
    key = ", ".join(map(_code, dataset.primary_key))
    hours = dataset.lateness.total_seconds() / 3600
    promises = [
        f"- Table: `{dataset.table}`",
        f"- Primary key: {key}",
        f"- Retention: the vendor deletes a day after {dataset.retention.days} days; the archive keeps it",
        f"- Due: {hours:g} hours after the day's end",
        f"- [The vendor's documentation]({dataset.documentation})",
    ]
    columns = _table(("column", "type", "null", "unit", "meaning", "vendor's field", "marks"), _columns(dataset))
    views = [f"- `{view}`" for view in dataset.views()]
    flat = "\n\nFlat views:\n\n" + "\n".join(views) if views else ""
    return f"## {dataset.vendor}/{dataset.name}\n\n{dataset.grain}\n\n" + "\n".join(promises) + f"\n\n{columns}{flat}"


def _columns(dataset: Dataset) -> Iterator[list[str]]:
    key, columns = set(dataset.primary_key), dict(walk(dataset.schema))
    for path, column in columns.items():
        parent = columns.get(path.rpartition(".")[0].removesuffix("[]"))
        yield [
            _code(path),
            _code(_type(column)),
            _null(column),
            facts(column).unit,
            _meaning(column),
            _code(_vendor_field(path, column, parent)),
            ", ".join(_marks(column, key=path in key)),
        ]


def _type(column: dy.Column) -> str:
    """DuckDB's type; the fields of a nested one have lines of their own."""
    if isinstance(column, dy.List):
        return _type(column.inner) + "[]"
    return "STRUCT" if children(column) else duckdb_type(column.dtype)


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
    if facts(column).inferred:
        yield "inferred"


def _null(column: dy.Column) -> str:
    return "yes" if column.nullable else ""


def _meaning(column: dy.Column) -> str:
    return column.description or ""


def _anchor(dataset: Dataset) -> str:
    """The address that Markdown viewers give to a dataset's heading."""
    return f"{dataset.vendor}{dataset.name}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
