"""The published copy: a file for readers, which is replaced when a run has changed what is known of a day.

A DuckDB file that is written has no readers. Who opens the copy read-only keeps nobody from writing or publishing, and
reads on in the copy that they have until they open it again.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

import dagster as dg
import duckdb
from duckdb import DuckDBPyConnection

from contact_analytics.lib.duckdb_file import check_room, checkpoint, replacing_file, wal_of
from contact_analytics.lib.errors import ConfigurationError, ContactAnalyticsError, WarehouseError
from contact_analytics.lib.schema import literal

_CHUNK_BYTES = 1 << 20
_HEADER, _MAGIC = 12, b"DUCK"
# What readers are to learn of. How long a day is left changes with each look at the clock, and is no news.
_DAYS = "select dataset, partition_date, state, epoch_us(loaded_at), rows, problem_type from {}meta.extractions"
_CLOCK = "select clock::varchar from (select * exclude (days_left) from {}meta.retention_clock) as clock"

News = set[tuple[object, ...]]


class PublicationFailed(WarehouseError, dg.DagsterError):
    """The copy is as it was before; what was loaded is stored.

    Of what is raised after a run's last step Dagster lets only its own errors fail the run. Any other would be a line
    in the log of a green run.
    """


@dataclass(frozen=True)
class Publication:
    """A copy that was published, and what it took."""

    path: Path
    bytes: int
    seconds: float


@contextmanager
def publishing(copy: str) -> Generator[None]:
    """Turn whatever goes wrong into one error that says what readers have now, and what to do."""
    try:
        yield
    except Exception as error:
        is_ours = isinstance(error, ContactAnalyticsError)
        raise PublicationFailed(
            f"The copy {copy} was not published: {error.happened if is_ours else f'{type(error).__name__}: {error}.'}",
            "What was loaded is in the warehouse; readers have the copy before, if there was one. "
            + (error.remedy if is_ours else "Check that the folder exists, can be written and has room.")
            + " The next run publishes what is missing, and so does the job compact_warehouse.",
        ) from error


def check_target(target: Path, warehouse: Path) -> None:
    """Raise `ConfigurationError` for a path where the copy would take a warehouse's place."""
    with suppress(OSError):  # A folder that one may not look into is told of when the copy is made.
        is_one_file = target.exists() and warehouse.exists() and target.samefile(warehouse)
        is_warehouse = is_one_file or target == warehouse.resolve()
        lock = target.with_name(f"{target.name}.lock")
        if is_warehouse or lock.exists():
            why = "the warehouse itself" if is_warehouse else f"another warehouse: beside it is {lock.name}"
            raise ConfigurationError(
                f"The copy is to be published at {target}, which is {why}.",
                "Set CONTACT_ANALYTICS_PUBLISH to a path of its own, or leave it empty to publish none.",
            )


def publish(
    connection: DuckDBPyConnection, warehouse: Path, file: IO[bytes], target: Path, *, anew: bool
) -> Publication | None:
    """Put a copy in the target's place where it does not say of each day what the warehouse does; `anew`, in any case.

    `file` is the warehouse, open for reading, and `connection` what keeps other programs from writing it meanwhile.
    """
    stored, published = _news(connection), _published_news(connection, warehouse, target)
    if not stored or (stored == published and not anew):
        return None
    started = monotonic()
    checkpoint(connection, warehouse)
    size = warehouse.stat().st_size
    check_room(target.parent, size)
    with replacing_file(target) as temporary:
        with temporary.open("xb") as out:
            shutil.copyfileobj(file, out, _CHUNK_BYTES)
        # What somebody has written into the old copy; DuckDB would take it for a part of the new one.
        wal_of(target).unlink(missing_ok=True)
    _note(warehouse, target)
    return Publication(target, size, monotonic() - started)


def _news(connection: DuckDBPyConnection, catalog: str = "") -> News | None:
    """What is known of each day; None if this is no warehouse of ours, or one that is not begun."""
    try:
        days = set(connection.execute(_DAYS.format(catalog)).fetchall())
    except duckdb.CatalogException:
        return None
    with suppress(duckdb.CatalogException):  # Nobody has looked at the clock yet.
        days |= set(connection.execute(_CLOCK.format(catalog)).fetchall())
    return days


def _published_news(connection: DuckDBPyConnection, warehouse: Path, target: Path) -> News | None:
    """What the copy says, None if that cannot be told. Raises if what is there is none, and not ours to replace."""
    if not target.exists() or not target.stat().st_size:
        return None
    with target.open("rb") as file:
        is_duckdb = file.read(_HEADER).endswith(_MAGIC)
    if not is_duckdb:
        raise _foreign(target)
    try:
        connection.execute(f"attach {literal(str(target))} as _published (read_only)")
    except duckdb.Error as error:  # Damaged, encrypted, or open for writing elsewhere.
        if _is_noted(warehouse, target):
            return None
        raise ConfigurationError(
            f"{target} cannot be opened, is not known as a copy of {warehouse.name}, and was not touched: "
            f"{str(error).partition(chr(10))[0]}.",
            "Close the program that has it open, set CONTACT_ANALYTICS_PUBLISH to a path of its own, or move it away.",
        ) from error
    try:
        news = _news(connection, "_published.")
    finally:
        connection.execute("detach _published")
    if news is None:
        raise _foreign(target)
    return news


def _note(warehouse: Path, target: Path) -> None:
    """Write down beside the warehouse which file is our copy, for when that cannot be seen by opening it."""
    note = _note_of(warehouse)
    note.touch(mode=0o600)
    note.write_text(_identity(target))


def _is_noted(warehouse: Path, target: Path) -> bool:
    note = _note_of(warehouse)
    return note.exists() and note.read_text() == _identity(target)


def _note_of(warehouse: Path) -> Path:
    return warehouse.with_name(f"{warehouse.name}.published")


def _identity(target: Path) -> str:
    """What tells a file from any that takes its place; who writes into it does not change it."""
    status = target.stat()
    return f"{target}\n{status.st_dev} {status.st_ino}\n"


def _foreign(target: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{target} is no copy of a warehouse, and was not touched.",
        "Set CONTACT_ANALYTICS_PUBLISH to a path of its own, or move that file away.",
    )
