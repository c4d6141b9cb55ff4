"""The warehouse: daily tables in DuckDB, each day replaced whole or not at all.

A DuckDB file has one writer at a time and no readers beside it, so a connection is opened for a load and closed at
once. Runs take turns by a lock file; a program of someone else's that holds the file is waited for, then named.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import stamina
from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection
from duckdb.sqltypes import DuckDBPyType
from filelock import FileLock, Timeout
from pydantic import Field

from contact_analytics.lib.dataset import PARTITION, Dataset, describe
from contact_analytics.lib.errors import DayHeldBack, SchemaConflict, WarehouseBusy, WarehouseError
from contact_analytics.lib.schema import duckdb_type, literal, quoted

_META = """
create schema if not exists meta;
create table if not exists meta.extractions (
    dataset VARCHAR, partition_date DATE, state VARCHAR, files INTEGER, file_names VARCHAR[], scopes TIMESTAMP WITH TIME ZONE[],
    bytes BIGINT, rows BIGINT, quarantined BIGINT, unknown_fields STRUCT(field VARCHAR, records BIGINT)[],
    digest VARCHAR, schema_versions VARCHAR[], first_event TIMESTAMP WITH TIME ZONE,
    last_event TIMESTAMP WITH TIME ZONE, calls INTEGER, retries INTEGER,
    seconds STRUCT("list" DOUBLE, download DOUBLE, decode DOUBLE, "load" DOUBLE), listed_at TIMESTAMP WITH TIME ZONE,
    loaded_at TIMESTAMP WITH TIME ZONE, run_id VARCHAR, problem VARCHAR, attempted_at TIMESTAMP WITH TIME ZONE
);
comment on table meta.extractions is 'One row a dataset and day: what the vendor had, what the table holds, at what cost';
comment on column meta.extractions.state is 'loaded, empty (the vendor confirmed zero), expired or failed';
comment on column meta.extractions.scopes is 'Starts of the hours that the files cover';
comment on column meta.extractions.digest is 'SHA-256 over the names and digests of the files and the schema';
comment on column meta.extractions.problem is 'Why the last attempt failed or was held back; null when it worked';
create table if not exists meta.quarantine (
    dataset VARCHAR, partition_date DATE, source_file VARCHAR, record BIGINT, reason VARCHAR, raw VARCHAR,
    extracted_at TIMESTAMP WITH TIME ZONE, run_id VARCHAR
);
comment on table meta.quarantine is 'Records that were not loaded, with the reason; the archive holds the whole files';
"""
_WIDER = {("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE")}
_RAW_CHARACTERS = 65_536


@dataclass(frozen=True)
class Extraction:
    """What is known of one stored day; the columns of `meta.extractions` beside its key."""

    state: str
    files: int = 0
    file_names: tuple[str, ...] = ()
    scopes: tuple[datetime, ...] = ()
    bytes: int = 0
    rows: int = 0
    quarantined: int = 0
    unknown_fields: tuple[dict[str, Any], ...] = ()
    digest: str | None = None
    schema_versions: tuple[str, ...] = ()
    first_event: datetime | None = None
    last_event: datetime | None = None
    calls: int = 0
    retries: int = 0
    seconds: dict[str, float] | None = None
    listed_at: datetime | None = None
    loaded_at: datetime | None = None
    run_id: str | None = None
    problem: str | None = None
    attempted_at: datetime | None = None


@dataclass(frozen=True)
class Quarantined:
    """A record that is not loaded."""

    source_file: str
    record: int
    reason: str
    raw: str


class WarehouseResource(DuckDBResource):
    """DuckDB for one writer at a time: waits for its turn, always closes, and keeps the files to their owner."""

    wait_seconds: float = Field(
        default=120, description="How long to wait for another process to let go of the file, in seconds."
    )

    @contextmanager
    def get_connection(self) -> Iterator[DuckDBPyConnection]:
        """A connection for writing, opened when it is our turn and closed whatever happens."""
        path = Path(self.database)
        turn = FileLock(f"{path}.lock", timeout=self.wait_seconds, mode=0o600)
        with _owner_only():
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                turn.acquire()
            except Timeout as error:
                raise _busy(path, self.wait_seconds, "another run of this project") from error
            except OSError as error:
                raise _unusable(path, str(error)) from error
            try:
                with closing(self._opened()) as connection:
                    yield connection
            finally:
                turn.release()

    def _opened(self) -> DuckDBPyConnection:
        path = Path(self.database)
        try:
            for attempt in stamina.retry_context(
                on=_is_locked, attempts=None, timeout=self.wait_seconds, wait_initial=0.1, wait_max=5
            ):
                with attempt:
                    connection = duckdb.connect(self.database, config=self.connection_config)
        except duckdb.Error as error:
            if _is_locked(error):
                holder = re.search(r"held in (.+?)\.? (?:See also|However|$)", str(error))
                raise _busy(path, self.wait_seconds, holder[1] if holder else "another program") from error
            raise _unusable(path, str(error).partition("\n")[0]) from error
        connection.execute("set timezone = 'UTC'")
        connection.execute(_META)
        return connection

    def stored_days(self, dataset: Dataset) -> dict[date, Extraction]:
        """The dataset's days whose rows are all in the table, as `meta.extractions` counts them."""
        with self.get_connection() as connection:
            known = extractions(connection, dataset)
            _prepare(connection, dataset)
            counts: dict[date, int] = dict(
                connection.execute(f"select {PARTITION}, count(*) from {dataset.sql_name} group by all").fetchall()
            )
        return {day: stored for day, stored in known.items() if counts.get(day, 0) == stored.rows}


def extractions(connection: DuckDBPyConnection, dataset: Dataset, day: date | None = None) -> dict[date, Extraction]:
    """What is stored of a dataset's days, or of one of them."""
    names = list(Extraction.__dataclass_fields__)
    rows = connection.execute(
        f"select partition_date, {', '.join(map(quoted, names))} from meta.extractions "
        "where dataset = ? and (? is null or partition_date = ?) order by partition_date",
        [dataset.table, day, day],
    ).fetchall()
    return {row[0]: Extraction(**dict(zip(names, row[1:], strict=True))) for row in rows}


def replace_day(
    connection: DuckDBPyConnection,
    dataset: Dataset,
    day: date,
    frames: Iterable[pl.DataFrame],
    summarize: Callable[[], tuple[Extraction, list[Quarantined]]],
    *,
    loaded_at: datetime,
    run_id: str,
    force: bool = False,
) -> Extraction:
    """Replace a day, its quarantine and its row of `meta.extractions` in one transaction.

    `frames` have the schema's columns, `_extra` and `_source_file`; `summarize` is asked when all are inserted. Raises `DayHeldBack` where the day would shrink, unless
    forced, and `SchemaConflict`; then nothing has changed.
    """
    stored = extractions(connection, dataset, day).get(day)
    with _transaction(connection):
        _prepare(connection, dataset)
        connection.execute(f"delete from {dataset.sql_name} where {PARTITION} = ?", [day])
        for frame in frames:
            connection.register("staged", frame)
            connection.execute(
                f"insert into {dataset.sql_name} by name select ?::date as {PARTITION}, *, "
                "?::timestamptz as _extracted_at, ? as _run_id from staged",
                [day, loaded_at, run_id],
            )
            connection.unregister("staged")
        extraction, quarantine = summarize()
        if stored and not force:
            _check_not_worse(dataset, day, stored, extraction)
        _replace_quarantine(connection, dataset, day, quarantine, extraction)
        _replace_extraction(connection, dataset, day, extraction)
    return extraction


def confirm_day(connection: DuckDBPyConnection, dataset: Dataset, day: date, listed_at: datetime | None) -> None:
    """Note that a stored day was listed again and nothing has changed."""
    connection.execute(
        "update meta.extractions set listed_at = ?, problem = null, attempted_at = null "
        "where dataset = ? and partition_date = ?",
        [listed_at, dataset.table, day],
    )


def record_attempt(connection: DuckDBPyConnection, dataset: Dataset, day: date, extraction: Extraction) -> None:
    """Note a failed attempt. A day that is stored stays as it is; only the problem is added to its row."""
    with _transaction(connection):
        stored = extractions(connection, dataset, day).get(day)
        if stored and stored.state in ("loaded", "empty"):
            connection.execute(
                "update meta.extractions set problem = ?, attempted_at = ? where dataset = ? and partition_date = ?",
                [extraction.problem, extraction.attempted_at, dataset.table, day],
            )
        else:
            _replace_extraction(connection, dataset, day, extraction)


@contextmanager
def _transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _check_not_worse(dataset: Dataset, day: date, stored: Extraction, new: Extraction) -> None:
    less = [
        f"{was:,} {what} are stored and {now:,} would replace them"
        for what, was, now in (("files", stored.files, new.files), ("rows", stored.rows, new.rows))
        if now < was
    ]
    if less:
        raise DayHeldBack(
            f"{dataset.table} {day}: held back, {' and '.join(less)}.",
            "The stored day stays as it is. If the smaller day is right, materialize it with `force: true`.",
        )


def _replace_quarantine(
    connection: DuckDBPyConnection, dataset: Dataset, day: date, quarantine: list[Quarantined], extraction: Extraction
) -> None:
    connection.execute("delete from meta.quarantine where dataset = ? and partition_date = ?", [dataset.table, day])
    if quarantine:
        rows = [
            (dataset.table, day, q.source_file, q.record, q.reason, q.raw[:_RAW_CHARACTERS])
            + (extraction.loaded_at, extraction.run_id)
            for q in quarantine
        ]
        connection.executemany("insert into meta.quarantine values (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _replace_extraction(
    connection: DuckDBPyConnection, dataset: Dataset, day: date, extraction: Extraction
) -> None:
    values: Mapping[str, Any] = {"dataset": dataset.table, PARTITION: day, **vars(extraction)}
    given = [list(value) if isinstance(value, tuple) else value for value in values.values()]
    connection.execute("delete from meta.extractions where dataset = ? and partition_date = ?", [dataset.table, day])
    connection.execute(
        f"insert into meta.extractions ({', '.join(map(quoted, values))}) values ({', '.join('?' * len(given))})", given
    )


def _prepare(connection: DuckDBPyConnection, dataset: Dataset) -> None:
    """Create the table, or add what the schema has gained; comments and flat views follow."""
    wanted = {name: duckdb_type(column.dtype) for name, column in dataset.columns().items()}
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in wanted.items())
    connection.execute(f"create schema if not exists {quoted(dataset.vendor)}")
    connection.execute(f"create table if not exists {dataset.sql_name} ({columns})")
    relation = connection.table(dataset.table)
    stored = dict(zip(relation.columns, relation.types, strict=True))
    for name, kind in wanted.items():
        if name not in stored:
            connection.execute(f"alter table {dataset.sql_name} add column {quoted(name)} {kind}")
            continue
        merged = _merged(stored[name], duckdb.type(kind), f"{dataset.table}.{name}")
        if merged != str(stored[name]):
            connection.execute(f"alter table {dataset.sql_name} alter column {quoted(name)} set data type {merged}")
    _describe(connection, dataset)
    for name, query in dataset.views().items():
        schema, _, view = name.partition(".")
        connection.execute(f"create or replace view {quoted(schema)}.{quoted(view)} as {query}")


def _merged(stored: DuckDBPyType, wanted: DuckDBPyType, path: str) -> str:
    """The type that holds both: fields of both structs, the wider of two numbers."""
    if str(stored) == str(wanted):
        return str(stored)
    if stored.id == wanted.id == "list":
        return _merged(stored.children[0][1], wanted.children[0][1], f"{path}[]") + "[]"
    if stored.id == wanted.id == "struct":
        have, want = dict(stored.children), dict(wanted.children)
        fields = {name: _merged(kind, want.get(name, kind), f"{path}.{name}") for name, kind in have.items()}
        fields |= {name: str(kind) for name, kind in want.items() if name not in have}
        return f"STRUCT({', '.join(f'{quoted(name)} {kind}' for name, kind in fields.items())})"
    if (str(stored), str(wanted)) in _WIDER:
        return str(wanted)
    if (str(wanted), str(stored)) in _WIDER:
        return str(stored)
    raise SchemaConflict(
        f"The warehouse has {path} as {stored}, the schema says {wanted}, and neither holds the other without loss.",
        "Nothing was changed. Rename the stored column, then materialize its days again with `source: archive`.",
    )


def _describe(connection: DuckDBPyConnection, dataset: Dataset) -> None:
    rows = connection.execute(
        "select column_name, comment from duckdb_columns() where schema_name = ? and table_name = ?",
        [dataset.vendor, dataset.name],
    ).fetchall()
    comments = dict(rows)
    connection.execute(f"comment on table {dataset.sql_name} is {literal(dataset.grain)}")
    for name, column in dataset.columns().items():
        if comments.get(name) != describe(column):
            connection.execute(
                f"comment on column {dataset.sql_name}.{quoted(name)} is {literal(describe(column))}"
            )


def _is_locked(error: Exception) -> bool:
    return isinstance(error, duckdb.IOException) and "lock on file" in str(error)


@contextmanager
def _owner_only() -> Iterator[None]:
    """Files made in here are readable by their owner alone; DuckDB's write-ahead log is among them."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


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
