"""What a run leaves behind, to be searched for secrets: logs, output, Dagster's storage, errors, tables and files."""

import logging
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest


class Listener(logging.Handler):
    """Every record of every logger, as it would be written, traceback included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r} {vars(record)!r}")


@dataclass(frozen=True)
class Left:
    """All that a run has left, by where that is, and the exception that it ended with, if it did."""

    problem: str
    texts: dict[str, bytes]

    def found(self, needles: Iterable[bytes]) -> set[tuple[str, bytes]]:
        """Which needles are where."""
        searched = {*needles}
        return {(where, needle) for where, text in self.texts.items() for needle in searched if needle in text}


def leavings(
    asset: dg.AssetsDefinition,
    instance: dg.DagsterInstance,
    resources: dict[str, Any],
    folder: Path,
    *,
    capfd: pytest.CaptureFixture[str],
    day: date | None,
) -> Left:
    """Materialize an asset with every logger at debug; its warehouse and all else that it keeps are in the folder."""
    storage, problem = Path(instance.root_directory), ""
    runs, before = instance.get_runs_count(), _files(storage)
    with _listening() as listener:
        try:
            dg.materialize(
                [asset], instance=instance, partition_key=day.isoformat() if day else None, resources=resources
            )
        except Exception as error:  # noqa: BLE001 - whichever it is, it is searched
            problem = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert instance.get_runs_count() == runs + 1
    events = [repr(record) for record in instance.all_logs(instance.get_runs(limit=1)[0].run_id)]
    output = capfd.readouterr()
    # The storage has the runs before as well.
    changed = [path for path, state in _files(storage).items() if before.get(path) != state]
    paths = [*_files(folder), *changed]
    texts = {
        "log": "\n".join(listener.lines),
        "output": output.out + output.err,
        "events": "\n".join(events),
        "exception": problem,
        "tables": repr(_tables(folder / "warehouse.duckdb")),
        "names": "\n".join(map(str, paths)),
    }
    assert len(texts["log"]) > 500
    assert len(texts["events"]) > 1000
    kept = {str(path): path.read_bytes() for path in paths}
    return Left(problem, {**{where: text.encode() for where, text in texts.items()}, **kept})


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """The files of a folder, and what would change if one were written to."""
    found = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {path: (status.st_size, status.st_mtime_ns) for path, status in found}


@contextmanager
def _listening() -> Iterator[Listener]:
    """The root logger at debug, and Dagster's own beside it."""
    listener, before = Listener(), logging.root.level
    loggers = [logging.root, logging.getLogger("dagster")]
    for logger in loggers:
        logger.addHandler(listener)
    logging.root.setLevel(logging.DEBUG)
    try:
        yield listener
    finally:
        logging.root.setLevel(before)
        for logger in loggers:
            logger.removeHandler(listener)


def _tables(database: Path) -> dict[str, Any]:
    """Everything that the warehouse says of its days."""
    if not database.exists():
        return {}
    with duckdb.connect(str(database)) as connection:
        names = connection.execute("select table_name from duckdb_tables where schema_name = 'meta'").fetchall()
        return {name: connection.execute(f'select * from meta."{name}"').fetchall() for (name,) in names}
