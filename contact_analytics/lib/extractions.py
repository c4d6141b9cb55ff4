"""What is known of each day: `meta.extractions` says what is stored and at what cost, `meta.quarantine` what is not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import PARTITION, MetaTable, Table
from contact_analytics.lib.schema import field, instant, many, quoted, record
from contact_analytics.lib.tables import evolve, insert

_RAW_CHARACTERS = 65_536
_STORED = ("loaded", "empty")
# Of a row of `meta.extractions`, as SQL: whether the table holds the day, be it with no rows.
IS_STORED = f"state in {_STORED}"


class Extractions(dy.Schema):
    """One row a dataset and day: what the vendor had, what the table holds, at what cost."""

    dataset = field(dy.String, "Table that the day belongs to", key=True)
    partition_date = field(dy.Date, "The day", key=True)
    state = field(dy.String, "loaded, empty (the vendor confirmed zero), expired or failed")
    files = field(dy.Int32, "Files that the rows come from")
    file_names = many(field(dy.String, "File"), "Their names in the archive")
    scopes = many(instant("Start of an hour"), "Starts of the hours that the files cover")
    bytes = field(dy.Int64, "Size of the files as received", unit="bytes")
    rows = field(dy.Int64, "Rows of the day in the table; of a history all of its rows, after the day's last list")
    rows_current = field(dy.Int64, "Of a history, those of its rows that were current then; null for daily tables")
    vendor_count = field(dy.Int64, "Rows that the day has by the vendor's count; null where it states none")
    quarantined = field(dy.Int64, "Records of the day in meta.quarantine")
    quarantined_before = field(dy.Int64, "How many were before the day was last loaded; null at its first load")
    unknown_fields = many(
        record({"field": field(dy.String, "Field"), "records": field(dy.Int64, "Records that have it")}),
        "Fields that the schema does not know; they are kept in `_extra`",
    )
    digest = field(
        dy.String,
        "SHA-256 over the files and the schema; null for a history that could not be made again from its lists",
    )
    schema_versions = many(field(dy.String, "Version"), "The vendor's schema versions in the files")
    first_event = instant("Earliest event of the rows")
    last_event = instant("Latest event of the rows")
    calls = field(dy.Int32, "Requests sent for the day")
    retries = field(dy.Int32, "How many of them were retries")
    seconds = record(
        {name: field(dy.Float64, f"To {name}", unit="s") for name in ("list", "download", "decode", "load")},
        "Time spent by phase",
    )
    listed_at = instant("When the vendor said what the day holds; null if that is not known")
    loaded_at = instant("When the rows were loaded")
    confirmed_at = instant("When the archive was last found to hold just what was loaded; null before it was")
    run_id = field(dy.String, "Dagster run that loaded them")
    problem = field(dy.String, "Why the last attempt failed or was held back; null when it worked")
    problem_type = field(dy.String, "The problem's name, such as ApiUnavailable or DayHeldBack")
    attempted_at = instant("When the last attempt failed")


class Quarantine(dy.Schema):
    """One row a record that was not loaded, with the reason; the archive holds the whole files."""

    dataset = field(dy.String, "Table that the record was meant for")
    partition_date = field(dy.Date, "Day of the record's file")
    source_file = field(dy.String, "Archived file that the record is in")
    record = field(dy.Int64, "Number of the record in the file, from 1")
    reason = field(dy.String, "Why it was not loaded")
    raw = field(dy.String, f"The record, up to {_RAW_CHARACTERS:,} characters", personal=True)
    extracted_at = instant("When the day was loaded")
    run_id = field(dy.String, "Dagster run that loaded it")


@dataclass(frozen=True)
class Extraction:
    """What is known of one day; the columns of `meta.extractions` beside its key."""

    state: str
    files: int = 0
    file_names: tuple[str, ...] = ()
    scopes: tuple[datetime, ...] = ()
    bytes: int = 0
    rows: int = 0
    rows_current: int | None = None
    vendor_count: int | None = None
    quarantined: int = 0
    quarantined_before: int | None = None
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
    confirmed_at: datetime | None = None
    run_id: str | None = None
    problem: str | None = None
    problem_type: str | None = None
    attempted_at: datetime | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the table holds the day, be it with no rows."""
        return self.state in _STORED


@dataclass(frozen=True)
class Quarantined:
    """A record that is not loaded."""

    source_file: str
    record: int
    reason: str
    raw: str


EXTRACTIONS = MetaTable(name="extractions", schema=Extractions, grain=Extractions.__doc__ or "")
QUARANTINE = MetaTable(name="quarantine", schema=Quarantine, grain=Quarantine.__doc__ or "")


def prepare(connection: DuckDBPyConnection, *tables: Table) -> None:
    """Create the tables of what is known of days, and those that are given, or bring them up to date."""
    evolve(connection, [EXTRACTIONS, QUARANTINE, *tables])


def extractions(
    connection: DuckDBPyConnection, dataset: Table, last: date | None = None, days: int | None = None
) -> dict[date, Extraction]:
    """What is known of a dataset's days: of all of them, or of the `days` days up to `last`."""
    first = last - timedelta(days=days - 1) if last and days else None
    names = [name.name for name in fields(Extraction)]
    rows = connection.execute(
        f"select {PARTITION}, {', '.join(map(quoted, names))} from meta.extractions where dataset = $dataset "
        f"and {PARTITION} >= coalesce($first, {PARTITION}) and {PARTITION} <= coalesce($last, {PARTITION}) "
        f"order by {PARTITION}",
        {"dataset": dataset.table, "first": first, "last": last},
    ).fetchall()
    return {row[0]: Extraction(**dict(zip(names, row[1:], strict=True))) for row in rows}


def extraction_of(connection: DuckDBPyConnection, dataset: Table, day: date) -> Extraction | None:
    """What is known of one day."""
    return extractions(connection, dataset, day, 1).get(day)


def write_extraction(connection: DuckDBPyConnection, dataset: Table, day: date, extraction: Extraction) -> None:
    """Put what is known of a day in place of what was; how much of it was quarantined then stays noted."""
    before = extraction_of(connection, dataset, day)
    quarantined = before.quarantined if before and before.is_stored else None
    row = vars(extraction) | {"quarantined_before": quarantined}
    _replace(connection, EXTRACTIONS, dataset, day, [row])


def write_quarantine(
    connection: DuckDBPyConnection, dataset: Table, day: date, records: Iterable[Quarantined], extraction: Extraction
) -> None:
    """Put a day's records that are not loaded in place of those that were not loaded before."""
    common = {"extracted_at": extraction.loaded_at, "run_id": extraction.run_id}
    rows = [{**vars(each), "raw": each.raw[:_RAW_CHARACTERS], **common} for each in records]
    _replace(connection, QUARANTINE, dataset, day, rows)


def confirm(connection: DuckDBPyConnection, dataset: Table, day: date, listed_at: datetime | None) -> None:
    """Note that a stored day was looked at again and nothing has changed."""
    connection.execute(
        "update meta.extractions set listed_at = ?, confirmed_at = now(), problem = null, problem_type = null, "
        f"attempted_at = null where dataset = ? and {PARTITION} = ?",
        [listed_at, dataset.table, day],
    )


def note_listed(connection: DuckDBPyConnection, dataset: Table, days: Sequence[date], listed_at: datetime) -> None:
    """Note that stored days were seen not to have changed; what is wrong with one stays noted."""
    connection.execute(
        f"update meta.extractions set listed_at = ? where dataset = ? and {PARTITION} in (select unnest(?::date[]))",
        [listed_at, dataset.table, [str(day) for day in days]],
    )


def note_problem(
    connection: DuckDBPyConnection,
    dataset: Table,
    day: date,
    problem: Exception,
    state: str,
    now: datetime,
    run_id: str,
) -> None:
    """Note a failed attempt. A day that is stored stays as it is; only the problem is added to its row."""
    stored = extraction_of(connection, dataset, day)
    kind = type(problem).__name__
    if stored and stored.is_stored:
        connection.execute(
            "update meta.extractions set problem = ?, problem_type = ?, attempted_at = ? "
            f"where dataset = ? and {PARTITION} = ?",
            [str(problem), kind, now, dataset.table, day],
        )
    else:
        attempt = Extraction(state, run_id=run_id, problem=str(problem), problem_type=kind, attempted_at=now)
        write_extraction(connection, dataset, day, attempt)


def _replace(
    connection: DuckDBPyConnection, table: MetaTable, dataset: Table, day: date, rows: list[dict[str, Any]]
) -> None:
    """Put rows about a day in place of those before."""
    connection.execute(f"delete from {table.sql_name} where dataset = ? and {PARTITION} = ?", [dataset.table, day])
    if rows:
        key = {"dataset": dataset.table, PARTITION: day}
        types = {name: column.dtype for name, column in table.columns().items()}
        insert(connection, table.sql_name, pl.DataFrame([key | row for row in rows], schema=types))
