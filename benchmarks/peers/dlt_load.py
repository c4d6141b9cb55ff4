"""dlt into DuckDB, in four forms.

`default` is dlt as its introduction shows it. `nested` and `flat` are tuned by its performance guide: Parquet files,
files that rotate, several processes to normalize. `nested` gives a nested list a table of its own, dlt's way; `flat`
keeps it as a column of JSON. `arrow` yields an Arrow table, which dlt passes through without looking at rows.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import dlt

from benchmarks.peers.outcome import CHILDREN, SELF, arguments, print_outcome
from benchmarks.peers.polars_load import by_arrow
from benchmarks.peers.rows import batches

_QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
# A file is normalized by one process, so that a day has to be in several.
_TUNED = {"SOURCES__DATA_WRITER__FILE_MAX_ITEMS": "5000", "NORMALIZE__WORKERS": "2"}


def main() -> int:
    given = arguments("benchmarks.peers.dlt_load", __doc__, FORMS)
    os.environ.update(_QUIET)
    with tempfile.TemporaryDirectory(prefix="dlt-") as state:
        _import_all(Path(state))
        loaded = _pipeline("measured", given.database, state)
        started = perf_counter()
        FORMS[given.form](loaded, given.dataset, given.folder)
        seconds = perf_counter() - started
    print_outcome(given.dataset, given.database, seconds, f"dlt {dlt.__version__}", SELF, CHILDREN)
    return 0


def default(pipeline: dlt.Pipeline, dataset: str, folder: Path) -> None:
    """Yield rows, a file at a time; everything else is dlt's choice."""
    pipeline.run(batches(dataset, folder), table_name=dataset)


def nested(pipeline: dlt.Pipeline, dataset: str, folder: Path) -> None:
    """Tuned, with a table for each nested list."""
    _tune()
    pipeline.run(batches(dataset, folder), table_name=dataset, loader_file_format="parquet")


def flat(pipeline: dlt.Pipeline, dataset: str, folder: Path) -> None:
    """Tuned, with nested values as JSON."""
    _tune()
    resource = dlt.resource(batches(dataset, folder), name=dataset, max_table_nesting=0)
    pipeline.run(resource, loader_file_format="parquet")


def arrow(pipeline: dlt.Pipeline, dataset: str, folder: Path) -> None:
    """Decoded by pyarrow and made rows by Polars, in one table."""
    pipeline.run(by_arrow(dataset, folder)().to_arrow(), table_name=dataset)


FORMS: dict[str, Callable[[dlt.Pipeline, str, Path], None]] = {
    "default": default,
    "nested": nested,
    "flat": flat,
    "arrow": arrow,
}


def _tune() -> None:
    # What the caller sets stands, such as other numbers of processes.
    os.environ.update(_TUNED | dict(os.environ))


def _pipeline(name: str, database: Path, state: str) -> dlt.Pipeline:
    destination = dlt.destinations.duckdb(str(database))
    return dlt.pipeline(name, destination=destination, dataset_name="loaded", pipelines_dir=state)


def _import_all(folder: Path) -> None:
    """Load a row elsewhere: dlt imports much of itself when it is first used."""
    _pipeline("imports", folder / "imports.duckdb", str(folder)).run([{"warm": "up"}], table_name="imports")


if __name__ == "__main__":
    sys.exit(main())
