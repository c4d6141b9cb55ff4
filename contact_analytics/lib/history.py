"""A dimension's history in DuckDB: what a snapshot changes in it, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.entities import Snapshot
from contact_analytics.lib.errors import SnapshotHeldBack
from contact_analytics.lib.schema import columns_of, quoted
from contact_analytics.lib.standing import count
from contact_analytics.lib.tables import insert

# Of the entries that are current, so many may go at once without the vendor's word that they are deleted.
_MOST_VANISHED = 0.5


@dataclass(frozen=True)
class Origin:
    """Where the rows of a snapshot come from."""

    taken_at: datetime
    source_file: str
    loaded_at: datetime
    run_id: str


@dataclass
class Change:
    """What snapshots did to a history: rows opened and closed, and entries that vanished without a word."""

    opened: int = 0
    closed: int = 0
    deleted: int = 0
    vanished: list[str] = field(default_factory=list[str])

    def add(self, other: "Change") -> None:
        self.opened += other.opened
        self.closed += other.closed
        self.deleted += other.deleted
        self.vanished += other.vanished


class HistoryTable:
    """The table of a dimension within a transaction."""

    def __init__(self, connection: DuckDBPyConnection, dimension: Dimension) -> None:
        self._connection, self._table = connection, dimension.sql_name
        self._dimension = dimension
        self._keys = ", ".join(map(quoted, dimension.primary_key))
        self._columns = [*columns_of(dimension.schema), "_extra"]
        # A list without such a column never says that an entry is deleted.
        self._says_deleted = "deleted" in columns_of(dimension.schema)

    def apply(self, snapshot: Snapshot, origin: Origin, *, force: bool = False) -> Change:
        """Bring the history to the state of a later snapshot.

        A row that differs is closed and its new state opened; a deleted entry's row is closed for good. An entry that
        is missing without a word is closed too, unless it may be one of those that could not be read. Raises
        `SnapshotHeldBack` before anything is changed if most entries are missing.
        """
        self._stage(snapshot)
        vanished = self._vanished(snapshot)
        current, _ = count(self._connection, self._dimension)
        if not force:
            self._check_not_worse(origin.source_file, snapshot, current, vanished)
        change = Change(self._select_opened(), vanished=[_shown(key) for key in vanished])
        self._select_born_deleted()
        change.deleted = self._close_deleted(origin)
        change.closed = change.deleted + self._close("opened", origin) + self._close("vanished", origin)
        constants = {"taken": origin.taken_at, "file": origin.source_file, "loaded": origin.loaded_at}
        constants["run"] = origin.run_id
        provenance = '$file as "_source_file", $loaded as "_extracted_at", $run as "_run_id"'
        for rows, until, is_current in (("opened", "null", "true"), ("born_deleted", "$taken", "false")):
            self._connection.execute(
                f"insert into {self._table} by name select *, $taken as valid_from, {until} as valid_to, "
                f"{is_current} as is_current, {provenance} from temp.{rows}",
                constants,
            )
        return change

    def _stage(self, snapshot: Snapshot) -> None:
        """The snapshot as a table with the stored types, so that nested values can be compared."""
        names = ", ".join(map(quoted, self._columns))
        self._make("snapshot", f"select {names} from {self._table} limit 0")
        insert(self._connection, "temp.snapshot", snapshot.frame)
        self._make("listed", f"select {self._keys} from temp.snapshot")
        if snapshot.unread:
            keys = snapshot.frame.select(self._dimension.primary_key).schema
            insert(self._connection, "temp.listed", pl.DataFrame(snapshot.unread, schema=keys, orient="row"))

    def _vanished(self, snapshot: Snapshot) -> Sequence[tuple[object, ...]]:
        """Keys of current rows that the list does not name, in any form."""
        known = "true" if snapshot.unread is not None else "false"
        query = f"from {self._table} anti join temp.listed using ({self._keys}) where is_current and {known}"
        self._make("vanished", f"select {self._keys} {query}")
        return self._connection.execute(f"from temp.vanished order by {self._keys}").fetchall()

    def _check_not_worse(
        self, file: str, snapshot: Snapshot, current: int, vanished: Sequence[tuple[object, ...]]
    ) -> None:
        missing = len(vanished)
        nothing_listed = snapshot.frame.is_empty() and not snapshot.quarantine
        if missing and (nothing_listed or (missing > 1 and missing > _MOST_VANISHED * current)):
            raise SnapshotHeldBack(
                f"{self._dimension.table}: the list {file} is held back, {missing:,} of {current:,} current entries "
                "are not in it, nor listed as deleted.",
                "What the table holds stays. The vendor's next whole list goes past this one; if it is right, "
                "materialize with `force: true`.",
            )

    def _select_opened(self) -> int:
        """States that are new: entries that are not deleted, and are not current just so."""
        same = " and ".join(f"held.{quoted(name)} is not distinct from listed.{quoted(name)}" for name in self._columns)
        keys = " and ".join(f"held.{quoted(name)} = listed.{quoted(name)}" for name in self._dimension.primary_key)
        self._make(
            "opened",
            f"select listed.* from temp.snapshot as listed where not {self._deleted('listed')} and not exists "
            f"(select 1 from {self._table} as held where held.is_current and {keys} and {same})",
        )
        [(opened,)] = self._connection.execute("select count(*) from temp.opened").fetchall()
        return opened

    def _select_born_deleted(self) -> None:
        """Entries that are deleted already when they are first seen."""
        self._make(
            "born_deleted",
            f"from temp.snapshot as listed anti join {self._table} using ({self._keys}) "
            f"where {self._deleted('listed')}",
        )

    def _close_deleted(self, origin: Origin) -> int:
        """Close the last row of each deleted entry for good, and say of one that had vanished why."""
        if not self._says_deleted:
            return 0
        self._make(
            "deleted",
            f"select {self._keys}, max(valid_from) as valid_from from {self._table} "
            f"semi join (from temp.snapshot as listed where {self._deleted('listed')}) using ({self._keys}) "
            "group by all",
        )
        identity = " and ".join(f"held.{quoted(name)} = gone.{quoted(name)}" for name in self._dimension.identity)
        return self._changed(
            f"update {self._table} as held set deleted = true, is_current = false, "
            f"valid_to = coalesce(held.valid_to, $taken) from temp.deleted as gone "
            f"where {identity} and (held.is_current or held.deleted is distinct from true)",
            origin,
        )

    def _close(self, which: str, origin: Origin) -> int:
        keys = " and ".join(f"held.{quoted(name)} = gone.{quoted(name)}" for name in self._dimension.primary_key)
        return self._changed(
            f"update {self._table} as held set valid_to = $taken, is_current = false from temp.{which} as gone "
            f"where held.is_current and {keys}",
            origin,
        )

    def _changed(self, query: str, origin: Origin) -> int:
        [(rows,)] = self._connection.execute(query, {"taken": origin.taken_at}).fetchall()
        return rows

    def _deleted(self, alias: str) -> str:
        return f"coalesce({alias}.deleted, false)" if self._says_deleted else "false"

    def _make(self, name: str, query: str) -> None:
        self._connection.execute(f"create or replace temp table {name} as {query}")


def _shown(key: Sequence[object]) -> str:
    return ", ".join(map(str, key))
