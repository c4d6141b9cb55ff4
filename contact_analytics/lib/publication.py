"""The published copy: a file for readers, which is replaced when a run has loaded something.

A DuckDB file that is written has no readers. Who opens the copy read-only keeps nobody from writing or publishing, and
reads on in the copy that they have until they open it again.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
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
_DAYS = (
    "select dataset, partition_date, epoch_us(loaded_at), rows from {}meta.extractions "
    "where state in ('loaded', 'empty')"
)

Days = set[tuple[str, date, int, int]]


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
    """Put a copy in the target's place where its days are not the warehouse's; `anew`, although they are.

    `file` is the warehouse, open for reading, and `connection` what keeps other programs from writing it meanwhile.
    """
    stored, published = _days(connection), _published_days(connection, target)
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
    return Publication(target, size, monotonic() - started)


def _days(connection: DuckDBPyConnection, catalog: str = "") -> Days | None:
    """The stored days as they were loaded last; None if this is no warehouse of ours, or one that is not begun."""
    try:
        return set(connection.execute(_DAYS.format(catalog)).fetchall())
    except duckdb.CatalogException:
        return None


def _published_days(connection: DuckDBPyConnection, target: Path) -> Days | None:
    """The days of the copy, None if that cannot be told. Raises if what is there is none, and not ours to replace."""
    if not target.exists() or not target.stat().st_size:
        return None
    with target.open("rb") as file:
        is_duckdb = file.read(_HEADER).endswith(_MAGIC)
    if not is_duckdb:
        raise _foreign(target)
    try:
        connection.execute(f"attach {literal(str(target))} as _published (read_only)")
    except duckdb.Error:  # Damaged, or open for writing elsewhere: another copy takes its place in any case.
        return None
    try:
        days = _days(connection, "_published.")
    finally:
        connection.execute("detach _published")
    if days is None:
        raise _foreign(target)
    return days


def _foreign(target: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{target} is no copy of a warehouse, and was not touched.",
        "Set CONTACT_ANALYTICS_PUBLISH to a path of its own, or move that file away.",
    )
