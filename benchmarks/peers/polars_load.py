"""Polars, then DuckDB: the shortest code that ends with the same rows.

`default` leaves the types to `read_ndjson`, which looks at the first 100 documents. `schema` gives them to
`json_decode`, as a pipeline in production would: they are found beforehand, in a process of its own and outside of the
time. `arrow` leaves decoding and types to pyarrow, which looks at all documents.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.json as arrow_json

from benchmarks.peers.datasets import DATASETS, files, is_branch, text
from benchmarks.peers.outcome import SELF, arguments, print_outcome

# Arrow takes no document that is longer than a block.
_BLOCK_BYTES = 16 << 20


def main() -> int:
    given = arguments("benchmarks.peers.polars_load", __doc__, FORMS)
    read = FORMS[given.form](given.dataset, given.folder)
    started = perf_counter()
    with duckdb.connect(str(given.database)) as connection:
        connection.register("frame", read())
        connection.execute(f"create table {given.dataset} as select * from frame")
    seconds = perf_counter() - started
    print_outcome(given.dataset, given.database, seconds, f"polars {pl.__version__}", SELF)
    return 0


def by_default(dataset: str, folder: Path) -> Callable[[], pl.DataFrame]:
    """Read with types that Polars takes from the first rows."""
    if DATASETS[dataset].documents is None:
        return lambda: pl.read_csv(files(folder))
    return lambda: rows(dataset, pl.read_ndjson(b"\n".join(_documents(dataset, folder))))


def by_schema(dataset: str, folder: Path) -> Callable[[], pl.DataFrame]:
    """Read with the types of all documents, which are known before."""
    if DATASETS[dataset].documents is None:
        return lambda: pl.read_csv(files(folder), infer_schema=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        schema = process.submit(_schema, dataset, folder).result()
    return lambda: rows(dataset, _texts(dataset, folder).str.json_decode(schema).struct.unnest())


def by_arrow(dataset: str, folder: Path) -> Callable[[], pl.DataFrame]:
    """Read with the types that pyarrow finds."""
    if DATASETS[dataset].documents is None:
        return lambda: pl.read_csv(files(folder), infer_schema=False)
    return lambda: rows(dataset, pl.DataFrame(_decoded_by_arrow(b"\n".join(_documents(dataset, folder)))))


FORMS = {"default": by_default, "schema": by_schema, "arrow": by_arrow}


def rows(dataset: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame of documents."""
    about = DATASETS[dataset]
    if not about.header:
        return frame.select(about.rows).explode(about.rows).unnest(about.rows)
    plain = frame.select(unwrapped(pl.col(name), frame.schema[name]).alias(name) for name in _OF_ENVELOPE)
    bodies = plain.unnest("metaData").explode("recordCollection").unnest("recordCollection").unnest("body")
    return bodies.unnest("header").explode(about.rows).unnest(about.rows)


_OF_ENVELOPE = ("metaData", "recordCollection")


def unwrapped(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A value without the wrappers of Avro's JSON encoding; an object that is null stays null."""
    match kind:
        case pl.List():
            return value.list.eval(unwrapped(pl.element(), kind.inner))
        case pl.Struct(fields=[field]) if is_branch(field.name):
            return unwrapped(value.struct.field(field.name), field.dtype)
        case pl.Struct():
            parts = [unwrapped(value.struct.field(each.name), each.dtype).alias(each.name) for each in kind.fields]
            return pl.when(value.is_not_null()).then(pl.struct(parts))
        case _:
            return value


def _documents(dataset: str, folder: Path) -> list[bytes]:
    split = DATASETS[dataset].documents
    assert split
    return [document for file in files(folder) for document in split(text(file))]


def _texts(dataset: str, folder: Path) -> pl.Series:
    return pl.Series([document.decode() for document in _documents(dataset, folder)])


def _schema(dataset: str, folder: Path) -> pl.Struct:
    return pl.Struct(pl.read_ndjson(b"\n".join(_documents(dataset, folder)), infer_schema_length=None).schema)


def _decoded_by_arrow(documents: bytes) -> pa.Table:
    options = arrow_json.ReadOptions(block_size=_BLOCK_BYTES)
    return arrow_json.read_json(pa.BufferReader(documents), options)


if __name__ == "__main__":
    sys.exit(main())
