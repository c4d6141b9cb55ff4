"""Dimensions: how a run brings the history of a vendor's list up to date, whatever the vendor.

A run applies what the archive has and the table has not, asks for the list by the revision that it knows, archives a
new list, and applies that. The table follows from the archived snapshots in their order, so it can be made again from
them. A snapshot that cannot be right is passed over: the next whole one goes past it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.config import Source
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension_checks import evaluate
from contact_analytics.lib.dimension_metadata import history_metadata
from contact_analytics.lib.errors import ContactAnalyticsError, UnexpectedProblem, WarehouseError, in_our_words
from contact_analytics.lib.extractions import confirm, note_problem
from contact_analytics.lib.history import newest_day, prepare_history
from contact_analytics.lib.replay import Replay
from contact_analytics.lib.snapshots import EntityLists, Snapshots, revision_of
from contact_analytics.lib.warehouse import WarehouseResource, transaction


class DimensionConfig(dg.Config):
    """What to do differently this once."""

    refetch: bool = Field(default=False, description="Ask for the whole list even if the vendor has not changed it.")
    source: Source = Field(
        default=Source.vendor,
        description="`archive` rebuilds the whole history from the archived lists and asks the vendor nothing.",
    )
    force: bool = Field(
        default=False,
        description="Apply a list even if most entries are missing from it, go past a damaged one, and rebuild from an "
        "archive that has fewer lists than were applied.",
    )


def keep_history(
    context: dg.AssetExecutionContext,
    dimension: Dimension,
    config: DimensionConfig,
    connect: Callable[[], AbstractContextManager[EntityLists]],
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """The body of a dimension's asset: one materialization, also where nothing has changed, and every check."""
    snapshots = Snapshots(archive, dimension)
    replay = Replay(dimension, snapshots, warehouse, context.run.run_id, context.log, config.force)
    keeper = Keeper(context, dimension, config, warehouse, snapshots, replay)
    failure: ContactAnalyticsError | None = None
    try:
        with in_our_words(dimension.table):
            keeper.run(connect)
            result = keeper.materialization()
    except ContactAnalyticsError as error:
        failure = error
        keeper.note_failure(error)
    else:
        yield result
    yield from keeper.checked(failure)
    if failure:
        raise failure


@dataclass
class Keeper:
    """One run over one dimension."""

    context: dg.AssetExecutionContext
    dimension: Dimension
    config: DimensionConfig
    warehouse: WarehouseResource
    snapshots: Snapshots
    replay: Replay

    def run(self, connect: Callable[[], AbstractContextManager[EntityLists]]) -> None:
        """Bring the table up to date. Raises what is wrong with the newest list, if something is."""
        with self.warehouse.get_connection() as connection, transaction(connection):
            prepare_history(connection, self.dimension)
        if self.config.source is Source.archive:
            problem = self.replay.rebuild()
        else:
            problem = self.replay.renew() if self.replay.is_stale() else self.replay.catch_up()
        if self.config.source is Source.vendor:
            problem = self._ask(connect, problem)
        if problem:
            raise problem

    def materialization(self) -> dg.MaterializeResult[Any]:
        with self.warehouse.get_connection() as connection:
            metadata = history_metadata(
                connection, self.dimension, self.replay.change, self.replay.tally, self.replay.seconds
            )
            newest = newest_day(connection, self.dimension)
        metadata["state"] = "loaded" if self.replay.applied else "unchanged"
        metadata["snapshots_applied"] = self.replay.applied
        version = dg.DataVersion(newest[1].digest or "") if newest else None
        return dg.MaterializeResult(asset_key=self.dimension.key, metadata=metadata, data_version=version)

    def checked(self, failure: ContactAnalyticsError | None) -> Iterator[dg.AssetCheckResult]:
        """Every check's result; where the run has failed, an error of the warehouse is only logged."""
        try:
            with in_our_words(f"The checks of {self.dimension.table}"), self.warehouse.get_connection() as connection:
                results = evaluate(connection, self.dimension)
        except WarehouseError as error:
            if not failure:
                raise
            self.context.log.error(str(error))
        else:
            yield from results

    def note_failure(self, error: ContactAnalyticsError) -> None:
        """Write down why the run failed; where the warehouse itself cannot be written, the log has it."""
        now = datetime.now(UTC)
        self.context.log.error(str(error), exc_info=error if isinstance(error, UnexpectedProblem) else None)
        try:
            with self.warehouse.get_connection() as connection, transaction(connection):
                prepare_history(connection, self.dimension)
                note_problem(connection, self.dimension, now.date(), error, "failed", now, self.context.run.run_id)
        except (WarehouseError, duckdb.Error) as second:
            self.context.log.error(f"{self.dimension.table}: its failure could not be recorded: {second}")

    def _ask(
        self,
        connect: Callable[[], AbstractContextManager[EntityLists]],
        problem: ContactAnalyticsError | None,
    ) -> ContactAnalyticsError | None:
        """Ask the vendor for a list that is newer than the applied one, and apply it."""
        with self.warehouse.get_connection() as connection:
            newest = newest_day(connection, self.dimension)
        revision = "" if self.config.refetch or not newest else revision_of(max(newest[1].file_names))
        started = monotonic()
        with connect() as api:
            answer = api.list_entities(self.dimension.name, revision, self.replay.tally)
        self.replay.seconds["list"] = monotonic() - started
        now = datetime.now(UTC)
        if answer:
            if self.snapshots.keep(answer, now):
                problem = self.replay.catch_up()
        else:
            problem = None  # The applied list is the vendor's: one that was passed over is none.
        if not self.replay.applied and not problem:
            self._confirm(now)
        return problem

    def _confirm(self, now: datetime) -> None:
        with self.warehouse.get_connection() as connection, transaction(connection):
            if newest := newest_day(connection, self.dimension):
                confirm(connection, self.dimension, newest[0], now)
