"""The reading that a user of a loader has to write: vendors' files as batches of plain rows.

Rows hold what the vendor sends: Avro's wrappers are removed, times stay numbers or text, a CSV file's texts stay texts
and are null where they are empty.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks.peers.datasets import DATASETS, files, is_branch, text

Row = dict[str, Any]


def batches(dataset: str, folder: Path) -> Iterator[list[Row]]:
    """The rows of a dataset, a file at a time."""
    for file in files(folder):
        yield rows(dataset, text(file))


def rows(dataset: str, text: bytes) -> list[Row]:
    """The rows of a file's text."""
    about = DATASETS[dataset]
    if about.documents is None:
        records = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))
        return [{name: value or None for name, value in record.items()} for record in records]
    of_document = _of_envelope if about.header else _of_page
    return [row for document in about.documents(text) for row in of_document(orjson.loads(document), about.rows)]


def unwrapped(value: Any) -> Any:
    """An object or a list without the wrappers of Avro's JSON encoding."""
    if type(value) is list:
        return [unwrapped(item) if type(item) in _CONTAINERS else item for item in value]
    if len(value) == 1:
        [(name, inner)] = value.items()
        if is_branch(name):
            return unwrapped(inner) if type(inner) in _CONTAINERS else inner
    return {name: unwrapped(inner) if type(inner) in _CONTAINERS else inner for name, inner in value.items()}


_CONTAINERS = (dict, list)


def _of_envelope(envelope: Row, rows: str) -> list[Row]:
    plain = unwrapped(envelope)
    return [
        {**plain["metaData"], **record["body"]["header"], **item}
        for record in plain["recordCollection"]
        for item in record["body"][rows]
    ]


def _of_page(page: Row, rows: str) -> list[Row]:
    return page[rows]
