"""Dimensions: how a run brings the history of a vendor's list up to date, whatever the vendor.

A run asks for the list by the revision that it knows, archives a new one, and applies what the archive has and the
table has not. The table follows from the archived snapshots in their order, so it can be made again from them. A
snapshot that cannot be right is passed over: the next whole one goes past it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection
from pydantic import Field

from contact_analytics.lib.archive import ArchivedFile, ArchiveResource
from contact_analytics.lib.config import Source
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension_checks import evaluate
from contact_analytics.lib.dimension_metadata import history_metadata
from contact_analytics.lib.entities import Snapshot, SnapshotFormat
from contact_analytics.lib.errors import (
    ContactAnalyticsError,
    FileUnreadable,
    RequestRejected,
    SnapshotHeldBack,
    UnexpectedAnswer,
    UnexpectedProblem,
    in_our_words,
)
from contact_analytics.lib.extractions import Extraction, confirm, note_problem, prepare
from contact_analytics.lib.history import Change, HistoryTable, Origin
from contact_analytics.lib.http import Tally
from contact_analytics.lib.snapshots import EntityLists, Snapshots, digest_of, is_forced, revision_of
from contact_analytics.lib.standing import (
    check_nothing_is_lost,
    clear_history,
    count,
    forget_failures,
    made_entries_vanish,
    note_applied,
    note_doubt,
    standing,
    version_of,
)
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource

Result = dg.MaterializeResult[Any] | dg.AssetCheckResult
Connect = Callable[[], AbstractContextManager[EntityLists]]


class DimensionConfig(dg.Config):
    """What to do differently this once."""

    refetch: bool = Field(default=False, description="Ask for the whole list even if the vendor has not changed it.")
    source: Source = Field(
        default=Source.vendor,
        description="`archive` rebuilds the whole history from the archived lists and asks the vendor nothing.",
    )
    force: bool = Field(
        default=False,
        description="Apply the vendor's newest list although most entries are missing from it. With `source: archive` "
        "instead go past damaged and missing lists, and take a history that holds less.",
    )


def extract_history(
    context: dg.AssetExecutionContext,
    dimension: Dimension,
    config: DimensionConfig,
    connect: Connect,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[Result]:
    """The body of a dimension's asset: one materialization, also where nothing has changed, and every check."""
    run = HistoryRun(context, dimension, config, Snapshots(archive, dimension), warehouse)
    try:
        with in_our_words(dimension.table):
            results = run.results(connect)
    except ContactAnalyticsError as error:
        yield from run.failed(error)
        raise
    yield from results


@dataclass
class HistoryRun:
    """One run over one dimension: how many lists it applied, what they changed, and what it took."""

    context: dg.AssetExecutionContext
    dimension: Dimension
    config: DimensionConfig
    snapshots: Snapshots
    warehouse: WarehouseResource
    applied: int = 0
    change: Change = field(default_factory=Change)
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("list", "decode", "load"), 0.0))

    def __post_init__(self) -> None:
        self._format = SnapshotFormat(self.dimension)

    def results(self, connect: Connect) -> Sequence[Result]:
        """Bring archive and table up to date. Raises what is wrong with the vendor or the newest list."""
        with self.warehouse.get_connection() as connection, transaction(connection):
            prepare(connection, self.dimension)
            revision = self._revision(connection)
        failure = self._ask(connect, revision) if self.config.source is Source.vendor else None
        now = datetime.now(UTC)
        with self.warehouse.get_connection() as connection:
            # Who forces a list has seen it: it is the vendor's newest one, not what is left of an earlier run.
            asked = self.config.source is Source.vendor and not failure
            problem = self._load(connection, force_newest=self.config.force and asked)
            if error := failure or problem:
                raise error
            with transaction(connection):
                forget_failures(connection, self.dimension)
            if asked and not self.applied:
                self._confirm(connection, now)
            return [self._materialization(connection), *evaluate(connection, self.dimension)]

    def failed(self, error: ContactAnalyticsError) -> Sequence[Result]:
        """Write down why the run failed, and evaluate the checks; where the warehouse refuses, the log has it."""
        now, log = datetime.now(UTC), self.context.log
        log.error(str(error), exc_info=error if isinstance(error, UnexpectedProblem) else None)
        what = f"{self.dimension.table}, noting its failure"
        try:
            with in_our_words(what), self.warehouse.get_connection() as connection:
                with transaction(connection):
                    prepare(connection)
                    note_problem(connection, self.dimension, now.date(), error, "failed", now, self.context.run.run_id)
                return evaluate(connection, self.dimension)
        except ContactAnalyticsError as second:
            log.error(str(second))
            return []

    def _revision(self, connection: DuckDBPyConnection) -> str:
        """The revision to ask by; empty to get the list in any case, where it may correct what the table stands on."""
        known, newest = standing(connection, self.dimension), self.snapshots.newest()
        if self.config.refetch or self.config.force or not known or not newest or newest.name != known.list_name:
            return ""
        return "" if made_entries_vanish(connection, self.dimension, known.taken_at) else revision_of(newest.name)

    def _ask(self, connect: Connect, revision: str) -> ContactAnalyticsError | None:
        """Ask the vendor for the list, and archive it. An error waits until what is archived is applied."""
        started = monotonic()
        try:
            with connect() as api:
                answer = api.list_entities(self.dimension.name, revision, self.tally)
        except ContactAnalyticsError as error:
            return error
        self.seconds["list"] = monotonic() - started
        if answer:
            self.snapshots.keep(answer, datetime.now(UTC))
        return None

    def _confirm(self, connection: DuckDBPyConnection, now: datetime) -> None:
        if known := standing(connection, self.dimension):
            with transaction(connection):
                confirm(connection, self.dimension, known.day, now)

    def _load(self, connection: DuckDBPyConnection, *, force_newest: bool) -> ContactAnalyticsError | None:
        """Apply what is archived and not applied. What is wrong with the newest list is returned."""
        if self.config.source is Source.archive:
            return self._rebuild(connection, force_newest=force_newest)
        if self._is_stale(connection):
            try:
                return self._rebuild(connection, force_newest=force_newest)
            except (FileUnreadable, RequestRejected, SnapshotHeldBack) as error:
                self.context.log.warning(f"The history is kept as it is and goes on from here: {error}")
                self.applied, self.change = 0, Change()  # What was begun has been rolled back.
                note_doubt(connection, self.dimension)
        known = standing(connection, self.dimension)
        files = self.snapshots.after(known.taken_at if known else None)
        return self._apply_all(connection, files, transaction, force_newest=force_newest)

    def _is_stale(self, connection: DuckDBPyConnection) -> bool:
        """Whether the table is not what its snapshots would make of it now: another schema, or changed by hand."""
        known = standing(connection, self.dimension)
        if not known:
            return False
        archived = {file.name: file for file in self.snapshots.of(known.day)}.get(known.list_name)
        digest = digest_of(self.dimension, archived) if archived else None
        counted = (known.stored.rows_current, known.stored.rows)
        return not digest or digest != known.stored.digest or count(connection, self.dimension) != counted

    def _rebuild(self, connection: DuckDBPyConnection, *, force_newest: bool) -> ContactAnalyticsError | None:
        """Make the whole history again from the archive, in one transaction that leaves no less than there was."""
        files = self.snapshots.after(None)
        if not files:
            raise RequestRejected(
                f"{self.dimension.table}: the archive holds no list, and `source: archive` asks for nothing else.",
                "Materialize it with `source: vendor`.",
            )
        self.context.log.info(f"{self.dimension.table}: the history is made again from {len(files)} lists")
        with transaction(connection):
            held = clear_history(connection, self.dimension)
            problem = self._apply_all(connection, files, nullcontext, force_newest=force_newest)
            if not self._may_lose:
                check_nothing_is_lost(connection, self.dimension, held)
        return problem

    @property
    def _may_lose(self) -> bool:
        """Whether somebody has decided for a history that holds less."""
        return self.config.force and self.config.source is Source.archive

    def _apply_all(
        self,
        connection: DuckDBPyConnection,
        files: Sequence[ArchivedFile],
        within: Callable[[DuckDBPyConnection], AbstractContextManager[object]],
        *,
        force_newest: bool,
    ) -> ContactAnalyticsError | None:
        """Apply snapshots in order. What is wrong with the last one is returned, those before it are passed over."""
        problem: ContactAnalyticsError | None = None
        for number, file in enumerate(files, 1):
            problem = None
            try:
                with within(connection):
                    self._apply(connection, file, may_force=force_newest and number == len(files))
            except (SnapshotHeldBack, UnexpectedAnswer) as error:
                problem = error
            except FileUnreadable as error:
                if not self._may_lose:
                    raise
                problem = error
            if problem:
                self.context.log.warning(f"{file.name} is passed over: {problem}")
        return problem

    def _apply(self, connection: DuckDBPyConnection, file: ArchivedFile, *, may_force: bool) -> None:
        """Apply one snapshot, and write down what the table is now. The decision to force it is kept in the archive."""
        started = monotonic()
        snapshot = self._format.read(file.name, self.snapshots.read(file))
        self.seconds["decode"] += monotonic() - started
        started = monotonic()
        try:
            change = self._applied(connection, file, snapshot)
        except SnapshotHeldBack:
            if not may_force:
                raise
            file = self.snapshots.force(file)
            change = self._applied(connection, file, snapshot)
        self.seconds["load"] += monotonic() - started
        self.applied += 1
        self.change.add(change)

    def _applied(self, connection: DuckDBPyConnection, file: ArchivedFile, snapshot: Snapshot) -> Change:
        origin = Origin(file.scope_start, file.name, datetime.now(UTC), self.context.run.run_id)
        change = HistoryTable(connection, self.dimension).apply(snapshot, origin, force=is_forced(file.name))
        cost = Extraction(
            "loaded",
            calls=self.tally.calls,
            retries=self.tally.retries,
            seconds={"download": 0.0, **self.seconds},
            loaded_at=origin.loaded_at,
            run_id=origin.run_id,
        )
        note_applied(connection, self.dimension, file, snapshot, cost)
        return change

    def _materialization(self, connection: DuckDBPyConnection) -> dg.MaterializeResult[Any]:
        metadata = history_metadata(connection, self.dimension, self.change, self.tally, self.seconds)
        metadata["state"] = "loaded" if self.applied else "unchanged"
        metadata["snapshots_applied"] = self.applied
        version = dg.DataVersion(version_of(connection, self.dimension))
        return dg.MaterializeResult(asset_key=self.dimension.key, metadata=metadata, data_version=version)
