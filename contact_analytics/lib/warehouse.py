"""The warehouse: daily tables in a DuckDB file or a lake, each day replaced whole or not at all.

A DuckDB file has one writer at a time and no readers beside it, so a connection is opened for a load and closed at
once. Runs take turns by a lock file; a program of someone else's that holds the file is waited for, then named. Writers
of a lake take turns as well; it has readers meanwhile.
"""

import os
import re
import shutil
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import stamina
from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection
from filelock import FileLock, Timeout
from pydantic import Field

from contact_analytics.lib.account import account
from contact_analytics.lib.dataset import PARTITION, Dataset, Repeats
from contact_analytics.lib.errors import ConfigurationError, DayHeldBack, WarehouseBusy, WarehouseError
from contact_analytics.lib.extractions import (
    Extraction,
    Quarantined,
    extraction_of,
    extractions,
    prepare,
    write_extraction,
    write_quarantine,
)
from contact_analytics.lib.lake import Lake, lake_of
from contact_analytics.lib.publication import Publication, check_target, publish, publishing
from contact_analytics.lib.schema import quoted, walk
from contact_analytics.lib.tables import insert
from contact_analytics.lib.transactions import transaction

_LOG = "4 MB"
# Those who write a lake are many, and none is a shell that somebody forgot: who waits for them, waits longer.
_LAKES_WRITERS = 10
# What a load may hold in memory: so much, and for each column and nested field the blocks that it begins with.
_LOAD_MEGABYTES, _FIELD_MEGABYTES = 128, 1
# `md:…`, `s3://…`, `:memory:`.
_NOT_A_FILE = re.compile(r"[A-Za-z0-9+_-]*:")


class WarehouseResource(DuckDBResource):
    """DuckDB or a lake, for one writer at a time: waits for its turn, always closes, keeps files to their owner."""

    wait_seconds: float = Field(
        default=120, description="How long to wait for another process to let go of the warehouse, in seconds."
    )
    lake_data: str = Field(default="", description="Where the files of a lake are: a folder, or `s3://…`.")
    publish: str = Field(
        default="",
        description="Path of a DuckDB file for readers: a copy, replaced after each run that changed what is known of "
        "a day. Empty: none.",
    )

    @property
    def lake(self) -> Lake | None:
        """The lake, where the warehouse is one and no file."""
        return lake_of(self.database, self.lake_data, account())

    @contextmanager
    def get_connection(self) -> Generator[DuckDBPyConnection]:
        """A connection for writing, opened when it is our turn and closed whatever happens."""
        with self._opened_in_turn() as connection:
            connection.execute("set timezone = 'UTC'")
            # The rows of a day have no order to keep, and to keep it costs DuckDB time.
            connection.execute("set preserve_insertion_order = false")
            # What a commit brings goes into the log while that is short; much is written once, into the file itself.
            connection.execute(f"set checkpoint_threshold = '{_LOG}'")
            yield connection

    @contextmanager
    def reading(self) -> Generator[DuckDBPyConnection]:
        """A connection to look at what is stored: of a lake it waits for nobody, a file has one user at a time."""
        if lake := self.lake:
            with lake.opened() as connection:
                connection.execute("set timezone = 'UTC'")
                yield connection
        else:
            with self.get_connection() as connection:
                yield connection

    @contextmanager
    def _opened_in_turn(self) -> Generator[DuckDBPyConnection]:
        if lake := self.lake:
            if self.publish:
                raise ConfigurationError(
                    "The warehouse is a lake and a copy of it is to be published, which only a file needs.",
                    "Leave CONTACT_ANALYTICS_PUBLISH empty: who reads a lake keeps nobody from writing.",
                )
            with lake.turn(_LAKES_WRITERS * self.wait_seconds), lake.opened() as connection:
                yield connection
        else:
            with self.turn() as path, closing(self.opened(path)) as connection:
                yield connection

    @contextmanager
    def turn(self) -> Generator[Path]:
        """The file, and no other run at it meanwhile. Programs of someone else's are kept off by a connection alone."""
        path = _file(self.database, "warehouse", "CONTACT_ANALYTICS_WAREHOUSE")
        turn = FileLock(f"{path}.lock", timeout=self.wait_seconds, mode=0o600)
        if target := self._target():  # What cannot be right is refused before anything is loaded.
            check_target(target, path)
        with _owner_only():
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                turn.acquire()
            except Timeout as error:
                raise _busy(path, self.wait_seconds, "another run of this project") from error
            except OSError as error:
                raise _unusable(path, str(error)) from error
            try:
                yield path
            finally:
                turn.release()

    def opened(self, path: Path) -> DuckDBPyConnection:
        """A connection to the file, for who has the turn."""

        @stamina.retry(on=_is_locked, attempts=None, timeout=self.wait_seconds, wait_initial=0.1, wait_max=5)
        def connected() -> DuckDBPyConnection:
            return duckdb.connect(self.database, config=self.connection_config)

        try:
            connection = connected()
        except duckdb.Error as error:
            if _is_locked(error):
                holder = re.search(r"held in (.+?)\.? (?:See also|However|$)", str(error))
                raise _busy(path, self.wait_seconds, holder[1] if holder else "another program") from error
            raise _unusable(path, str(error).partition("\n")[0]) from error
        # What a load that was killed has left of what did not fit into memory: nobody else has the file now.
        shutil.rmtree(f"{path}.tmp", ignore_errors=True)
        return connection

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """After a run's last step, and however that ended: publish what it has loaded."""
        if (publication := self.publish_copy()) and context.log:
            context.log.info(
                f"Published {publication.path}: {publication.bytes:,} bytes in {publication.seconds:.1f} s."
            )

    def publish_copy(self, *, anew: bool = False) -> Publication | None:
        """Replace the copy if it lacks what is stored now; `anew`, in any case. Raises `PublicationFailed`."""
        if not self.publish or self.lake:
            return None
        with publishing(self.publish), self.turn() as path:
            target = self._target()
            if not target or not path.exists():  # A run that ended before it had a warehouse.
                return None
            # In this order: a process that closes a file loses all its locks on it, those of its connections as well.
            with path.open("rb") as file, closing(self.opened(path)) as connection:
                return publish(connection, path, file, target, anew=anew)

    def _target(self) -> Path | None:
        return _file(self.publish, "published copy", "CONTACT_ANALYTICS_PUBLISH").resolve() if self.publish else None

    def prepare(self, dataset: Dataset) -> dict[date, Extraction]:
        """Bring the dataset's table and views up to date, and tell which days are in it.

        Of a day whose rows are not as many as its load counted, because someone has changed them, it is not known what
        it was made of, nor when it was listed.
        """
        with self.get_connection() as connection, transaction(connection):
            prepare(connection, dataset)
            counts: dict[date, int] = dict(
                connection.execute(f"select {PARTITION}, count(*) from {dataset.sql_name} group by all").fetchall()
            )
            known = extractions(connection, dataset)
        return {
            day: each if counts.get(day, 0) == each.rows else replace(each, digest=None, listed_at=None)
            for day, each in known.items()
            if each.is_stored
        }


@dataclass
class DayReplacement:
    """A day that is being replaced: `insert` any number of frames, then `finish`."""

    connection: DuckDBPyConnection
    dataset: Dataset
    day: date
    run_id: str
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def insert(self, frame: pl.DataFrame) -> None:
        """Rows with the schema's columns, `_extra` and `_source_file`."""
        constants = {PARTITION: self.day, "_extracted_at": self.loaded_at, "_run_id": self.run_id}
        insert(self.connection, self.dataset.sql_name, frame, **constants)

    def finish(self, extraction: Extraction, quarantine: Sequence[Quarantined], *, force: bool = False) -> None:
        """Write down what the day is now. Raises `DayHeldBack` if that is less than it was, unless forced."""
        stored = extraction_of(self.connection, self.dataset, self.day)
        if stored and not force:
            lost = self._lost() if self.dataset.repeats is Repeats.LATEST else 0
            _check_not_worse(self.dataset, self.day, stored, extraction, lost)
        write_quarantine(self.connection, self.dataset, self.day, quarantine, extraction)
        write_extraction(self.connection, self.dataset, self.day, extraction)

    def _lost(self) -> int:
        """How many of the rows that were stored are not there any more, nor on another day if they may move."""
        keys = ", ".join(map(quoted, self.dataset.primary_key))
        kept = "true" if self.dataset.versions else f"{PARTITION} = $day"
        [(lost,)] = self.connection.execute(
            f"select count(*) from temp.held anti join (select {keys} from {self.dataset.sql_name} where {kept} "
            f"or {PARTITION} = $day) using ({keys})",
            {"day": self.day},
        ).fetchall()
        return lost


@contextmanager
def replacing(
    connection: DuckDBPyConnection, dataset: Dataset, day: date, run_id: str, *, sparing: bool = True
) -> Generator[DayReplacement]:
    """Replace a day of a prepared table, with its quarantine and what is known of it, in one transaction.

    It may stay in the log until the warehouse is next opened for something else: into a table of many fields to write
    few rows takes long. Raises one of DuckDB's errors if it is to be `sparing` of memory and cannot be.
    """
    connection.execute("pragma disable_checkpoint_on_shutdown")
    with _sparing(connection, dataset) if sparing else nullcontext(), transaction(connection):
        if dataset.repeats is Repeats.LATEST:
            keys = ", ".join(map(quoted, dataset.primary_key))
            held = f"select {keys} from {dataset.sql_name} where {PARTITION} = ? and ({dataset.lasting})"
            connection.execute(f"create or replace temp table held as {held}", [day])
        connection.execute(f"delete from {dataset.sql_name} where {PARTITION} = ?", [day])
        yield DayReplacement(connection, dataset, day, run_id)


@contextmanager
def _sparing(connection: DuckDBPyConnection, dataset: Dataset) -> Generator[None]:
    """Little memory for a load: what does not fit waits on disk, and a second thread would only double it."""
    size = 1_000_000 * (_LOAD_MEGABYTES + _FIELD_MEGABYTES * sum(1 for _ in walk(dataset.schema)))
    # What a lake's connections before have left in DuckDB's caches comes on top.
    [(own, threads, limit)] = connection.execute(
        "select current_setting('memory_limit') as own, current_setting('threads'), "
        "least(parse_formatted_bytes(own), ? + (select sum(memory_usage_bytes) from duckdb_memory()))::bigint",
        [size],
    ).fetchall()
    connection.execute(f"set memory_limit = '{limit} bytes'; set threads = 1")
    try:
        yield
    finally:
        # A database that is no more says so by itself.
        with suppress(duckdb.FatalException):
            connection.execute(f"set memory_limit = '{own}'; set threads = {threads}")


def _check_not_worse(dataset: Dataset, day: date, stored: Extraction, new: Extraction, lost: int) -> None:
    counts = list[tuple[str, int, int]]()
    if dataset.repeats is Repeats.MERGED:  # Of answers that stand for those before them, fewer may hold as much.
        counts = [("files", stored.files, new.files), ("rows", stored.rows, new.rows)]
    less = [f"{was:,} {what} are stored and {now:,} would replace them" for what, was, now in counts if now < was]
    if lost:
        less.append(f"{lost:,} of the stored rows would be gone")
    if less:
        raise DayHeldBack(
            f"{dataset.table} {day}: held back, {' and '.join(less)}.",
            "The stored day stays as it is. If the smaller day is right, materialize it with `force: true`.",
        )


def _is_locked(error: Exception) -> bool:
    return isinstance(error, duckdb.IOException) and "lock on file" in str(error)


@contextmanager
def _owner_only() -> Generator[None]:
    """Files made in here are readable by their owner alone; DuckDB's write-ahead log is among them."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _file(value: str, what: str, setting: str) -> Path:
    if _NOT_A_FILE.match(value):
        or_lake = ", or ducklake:postgres:…" if what == "warehouse" else ""
        raise ConfigurationError(
            f"The {what} is set to {value.partition(':')[0]}:…, and it must be a file{or_lake}.",
            f"Set {setting} to the path of a DuckDB file; it is made if it is missing.",
        )
    return Path(value)


def _busy(path: Path, seconds: float, holder: str) -> WarehouseBusy:
    return WarehouseBusy(
        f"The warehouse {path} was held for {seconds:g} s by {holder}.",
        "Nothing was changed. Close that program (a DuckDB file has one user at a time), then materialize again.",
    )


def _unusable(path: Path, why: str) -> WarehouseError:
    return WarehouseError(
        f"The warehouse {path} cannot be opened: {why}.",
        "Nothing was changed. Check CONTACT_ANALYTICS_WAREHOUSE, the folder's permissions and free space.",
    )
