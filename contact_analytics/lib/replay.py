"""A dimension's table made from its archived snapshots: the new ones applied in order, or all of them again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.archive import ArchivedFile
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.errors import (
    ContactAnalyticsError,
    FileUnreadable,
    RequestRejected,
    SnapshotHeldBack,
    UnexpectedAnswer,
)
from contact_analytics.lib.extractions import Extraction, extraction_of, write_extraction, write_quarantine
from contact_analytics.lib.history import (
    Change,
    HistoryTable,
    Origin,
    applied_days,
    clear_history,
    count,
    newest_day,
)
from contact_analytics.lib.http import Tally
from contact_analytics.lib.snapshots import Snapshot, SnapshotFormat, Snapshots, digest_of, taken_on
from contact_analytics.lib.warehouse import WarehouseResource, transaction


@dataclass
class Replay:
    """One run's snapshots on their way into the table: how many, what they changed, and what it took.

    A snapshot that cannot be right is passed over, because the next whole one goes past it; what is wrong with the
    last one is returned.
    """

    dimension: Dimension
    snapshots: Snapshots
    warehouse: WarehouseResource
    run_id: str
    log: dg.DagsterLogManager
    force: bool
    applied: int = 0
    change: Change = field(default_factory=Change)
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("list", "decode", "load"), 0.0))

    def catch_up(self) -> ContactAnalyticsError | None:
        """Apply the archived snapshots that are later than the table, each in a transaction of its own."""
        with self.warehouse.get_connection() as connection:
            newest = newest_day(connection, self.dimension)
            files = self.snapshots.after(max(newest[1].scopes) if newest else None)

            def apply(file: ArchivedFile) -> None:
                with transaction(connection):
                    self._apply(connection, file, force=self.force)

            return self._apply_all(files, apply)

    def rebuild(self) -> ContactAnalyticsError | None:
        """Make the whole history again from the archive, in one transaction.

        A list that was applied before is applied again, be it that it was by force.
        """
        files = self.snapshots.after(None)
        if not files:
            raise RequestRejected(
                f"{self.dimension.table}: the archive holds no list, and `source: archive` asks for nothing else.",
                "Materialize it with `source: vendor`.",
            )
        with self.warehouse.get_connection() as connection:
            missing = [] if self.force else self._not_archived(connection)
            if missing:
                raise SnapshotHeldBack(
                    f"{self.dimension.table}: held back, {len(missing):,} of the applied lists are not in the "
                    f"archive ({missing[0]} …), so that a rebuild would lose history.",
                    "What the table holds stays. Put them back, or rebuild without them with `force: true`.",
                )
            self.log.info(f"{self.dimension.table}: the history is made again from {len(files)} lists")
            accepted = self._applied(connection)

            def apply(file: ArchivedFile) -> None:
                self._apply(connection, file, force=self.force or file.name in accepted)

            with transaction(connection):
                clear_history(connection, self.dimension)
                return self._apply_all(files, apply)

    def is_stale(self) -> bool:
        """Whether the table is not what its snapshots would make of it now: another schema, or changed by hand."""
        with self.warehouse.get_connection() as connection:
            newest, (current, _) = newest_day(connection, self.dimension), count(connection, self.dimension)
            if not newest:
                return False
            day, stored = newest
            archived = {file.name: file.sha256 for file in self.snapshots.of(day)}
            applied = {name: archived.get(name, "") for name in stored.file_names}
            if digest_of(self.dimension, applied) == stored.digest and current == stored.rows:
                return False
            missing = self._not_archived(connection)
        if missing:
            self.log.warning(
                f"{self.dimension.table}: the schema or the table has changed, and {len(missing)} of its lists are not "
                f"in the archive any more ({missing[0]} …). The history is kept as it is and goes on from here."
            )
        return not missing

    def renew(self) -> ContactAnalyticsError | None:
        """Make the history again if the archive is whole; go on from what there is otherwise."""
        try:
            return self.rebuild()
        except FileUnreadable as error:
            self.log.warning(f"The history is kept as it is and goes on from here: {error}")
            self.applied, self.change = 0, Change()  # What was begun has been rolled back.
            return self.catch_up()

    def _not_archived(self, connection: DuckDBPyConnection) -> list[str]:
        """The applied snapshots that the archive does not have."""
        archived = {file.name for file in self.snapshots.after(None)}
        return sorted(self._applied(connection) - archived)

    def _applied(self, connection: DuckDBPyConnection) -> set[str]:
        """The names of the snapshots that the table is made of."""
        return {name for stored in applied_days(connection, self.dimension).values() for name in stored.file_names}

    def _apply_all(
        self, files: Sequence[ArchivedFile], apply: Callable[[ArchivedFile], None]
    ) -> ContactAnalyticsError | None:
        """Apply snapshots in order. What is wrong with the last one is returned, those before it are passed over."""
        problem: ContactAnalyticsError | None = None
        for file in files:
            problem = None
            try:
                apply(file)
            except (SnapshotHeldBack, UnexpectedAnswer) as error:
                problem = error
            except FileUnreadable as error:
                if not self.force:
                    raise
                problem = error
            if problem:
                self.log.warning(f"{file.name} is passed over: {problem}")
        return problem

    def _apply(self, connection: DuckDBPyConnection, file: ArchivedFile, *, force: bool) -> None:
        """Apply one snapshot, and write down what the table is now."""
        started = monotonic()
        snapshot = SnapshotFormat(self.dimension).read(file.name, self.snapshots.read(file))
        self.seconds["decode"] += monotonic() - started
        started = monotonic()
        origin = Origin(file.scope_start, file.name, datetime.now(UTC), self.run_id)
        change = HistoryTable(connection, self.dimension).apply(snapshot, origin, force=force)
        self.seconds["load"] += monotonic() - started
        day = taken_on(file)
        extraction = self._extraction(connection, file, snapshot, origin)
        write_quarantine(connection, self.dimension, day, snapshot.quarantine, extraction)
        write_extraction(connection, self.dimension, day, extraction)
        self.applied += 1
        self.change.add(change)

    def _extraction(
        self, connection: DuckDBPyConnection, file: ArchivedFile, snapshot: Snapshot, origin: Origin
    ) -> Extraction:
        """What is known of a day with one more snapshot applied; its rows are the current ones."""
        day = taken_on(file)
        before = extraction_of(connection, self.dimension, day) or Extraction("empty")
        names = (*before.file_names, file.name)
        archived = {each.name: each.sha256 for each in self.snapshots.of(day)}
        current, _ = count(connection, self.dimension)
        return Extraction(
            state="loaded" if current else "empty",
            files=len(names),
            file_names=names,
            scopes=(*before.scopes, file.scope_start),
            bytes=before.bytes + file.bytes,
            rows=current,
            quarantined=len(snapshot.quarantine),
            unknown_fields=tuple({"field": name, "records": n} for name, n in sorted(snapshot.unknown.items())),
            digest=digest_of(self.dimension, {name: archived.get(name, "") for name in names}),
            calls=self.tally.calls,
            retries=self.tally.retries,
            seconds={"download": 0.0, **self.seconds},
            listed_at=file.scope_start,
            loaded_at=origin.loaded_at,
            run_id=origin.run_id,
        )
