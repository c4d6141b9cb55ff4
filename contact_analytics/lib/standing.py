"""What a history stands on: the lists that were applied, what they made, and whether they would make it again."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from duckdb import DuckDBPyConnection

from contact_analytics.lib.archive import ArchivedFile
from contact_analytics.lib.dataset import Dimension, Table
from contact_analytics.lib.entities import Snapshot
from contact_analytics.lib.errors import SnapshotHeldBack
from contact_analytics.lib.extractions import (
    Extraction,
    extraction_of,
    extractions,
    write_extraction,
    write_quarantine,
)
from contact_analytics.lib.schema import columns_of, quoted
from contact_analytics.lib.snapshots import digest_of, taken_on

# An account that really lost entries without a word is asked for whole this long.
_DOUBTED = timedelta(days=7)


@dataclass(frozen=True)
class Standing:
    """The list that a history stands on: the last one that was applied, with what is known of its day."""

    day: date
    stored: Extraction

    @property
    def list_name(self) -> str:
        return max(self.stored.file_names)

    @property
    def taken_at(self) -> datetime:
        return max(self.stored.scopes)


@dataclass(frozen=True)
class Held:
    """What a history held before it was made again; the keys are in a temporary table."""

    rows: int
    lists: frozenset[str]


def standing(connection: DuckDBPyConnection, dimension: Dimension) -> Standing | None:
    """What a history stands on; None before the first list."""
    stored = {day: each for day, each in extractions(connection, dimension).items() if each.is_stored}
    return Standing(max(stored), stored[max(stored)]) if stored else None


def clear_history(connection: DuckDBPyConnection, dimension: Dimension) -> Held:
    """Forget every row, and what is known of every day; tells what was held, for `check_nothing_is_lost`."""
    held = _held(connection, dimension)
    keys = ", ".join(map(quoted, dimension.primary_key))
    connection.execute(f"create or replace temp table keys_before as select distinct {keys} from {dimension.sql_name}")
    connection.execute(f"delete from {dimension.sql_name}")
    for table in ("extractions", "quarantine"):
        connection.execute(f"delete from meta.{table} where dataset = ?", [dimension.table])
    return held


def check_nothing_is_lost(connection: DuckDBPyConnection, dimension: Dimension, before: Held) -> None:
    """Raise `SnapshotHeldBack` if a history that was made again holds less than it did."""
    after = _held(connection, dimension)
    lost = sorted(before.lists - after.lists)
    keys = ", ".join(map(quoted, dimension.primary_key))
    query = f"select count(*) from temp.keys_before anti join {dimension.sql_name} using ({keys})"
    [(gone,)] = connection.execute(query).fetchall()
    less = [f"{len(lost):,} of the applied lists are gone or unreadable ({lost[0]} …)"] if lost else []
    if gone:
        less.append(f"{gone:,} entries would be gone")
    if after.rows < before.rows:
        less.append(f"{before.rows:,} rows are stored and {after.rows:,} would replace them")
    if less:
        raise SnapshotHeldBack(
            f"{dimension.table}: the rebuild from the archive is held back, {' and '.join(less)}.",
            "What the table holds stays. If the rebuilt history is right, materialize with `source: archive` and "
            "`force: true`.",
        )


def count(connection: DuckDBPyConnection, dimension: Dimension) -> tuple[int, int]:
    """How many rows are current, and how many there are."""
    query = f"select count(*) filter (is_current), count(*) from {dimension.sql_name}"
    [(current, total)] = connection.execute(query).fetchall()
    return current, total


def version_of(connection: DuckDBPyConnection, dimension: Dimension) -> str:
    """Tells what holds now from what held before: a look that has found no change leaves it as it was."""
    columns = ", ".join(map(quoted, [*columns_of(dimension.schema), "_extra", "valid_from"]))
    [(version,)] = connection.execute(
        "select sha256(coalesce(string_agg(told, '' order by told), '')) from (select sha256(item::varchar) as told "
        f"from (select {columns} from {dimension.sql_name} where is_current) as item)"
    ).fetchall()
    return version


def made_entries_vanish(connection: DuckDBPyConnection, dimension: Dimension, taken_at: datetime) -> bool:
    """Whether entries went missing in a list, or in one shortly before it, without a word that they are deleted."""
    keys = " and ".join(f"later.{quoted(name)} = gone.{quoted(name)}" for name in dimension.primary_key)
    deleted = "coalesce(gone.deleted, false)" if "deleted" in columns_of(dimension.schema) else "false"
    [(found,)] = connection.execute(
        f"select count(*) > 0 from {dimension.sql_name} as gone where valid_to between $since and $taken "
        f"and not {deleted} and not exists (select 1 from {dimension.sql_name} as later where {keys} "
        "and later.valid_from >= gone.valid_to)",
        {"since": taken_at - _DOUBTED, "taken": taken_at},
    ).fetchall()
    return found


def note_applied(
    connection: DuckDBPyConnection, dimension: Dimension, file: ArchivedFile, snapshot: Snapshot, cost: Extraction
) -> None:
    """Note what a day is with one more snapshot applied; `cost` says who applied it, when, and what it took."""
    day = taken_on(file)
    before = extraction_of(connection, dimension, day) or Extraction("empty")
    known = standing(connection, dimension)
    current, total = count(connection, dimension)
    extraction = replace(
        cost,
        state="loaded" if current else "empty",
        files=before.files + 1,
        file_names=(*before.file_names, file.name),
        scopes=(*before.scopes, file.scope_start),
        bytes=before.bytes + file.bytes,
        rows=total,
        rows_current=current,
        quarantined=len(snapshot.quarantine),
        unknown_fields=tuple({"field": name, "records": n} for name, n in sorted(snapshot.unknown.items())),
        # Upon rows that could not be made again, no list makes the table what its lists would make.
        digest=digest_of(dimension, file) if not known or known.stored.digest else None,
        listed_at=file.scope_start,
    )
    write_quarantine(connection, dimension, day, snapshot.quarantine, extraction)
    write_extraction(connection, dimension, day, extraction)


def forget_failures(connection: DuckDBPyConnection, table: Table) -> None:
    """What went wrong before a run that worked is over."""
    connection.execute("delete from meta.extractions where dataset = ? and state = 'failed'", [table.table])
    connection.execute(
        "update meta.extractions set problem = null, problem_type = null, attempted_at = null where dataset = ?",
        [table.table],
    )


def note_doubt(connection: DuckDBPyConnection, dimension: Dimension) -> None:
    """Note that the history is not what its lists would make now; it stays noted until they make it again."""
    connection.execute("update meta.extractions set digest = null where dataset = ?", [dimension.table])


def _held(connection: DuckDBPyConnection, dimension: Dimension) -> Held:
    stored = (each for each in extractions(connection, dimension).values() if each.is_stored)
    return Held(count(connection, dimension)[1], frozenset(name for each in stored for name in each.file_names))
