"""How a day that could not be made is noted, so that the UI, the clock and the next run know of it."""

from datetime import UTC, date, datetime

import dagster as dg

from contact_analytics.lib.dataset import Table
from contact_analytics.lib.errors import ContactAnalyticsError, RetentionExpired, UnexpectedProblem, in_our_words
from contact_analytics.lib.extractions import note_problem, prepare
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource


def note_failure(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    table: Table,
    day: date,
    error: ContactAnalyticsError,
) -> None:
    """Write down why a day failed; where the warehouse itself cannot be written, the log has it."""
    context.log.error(f"{day}: {error}", exc_info=error if isinstance(error, UnexpectedProblem) else None)
    state = "expired" if isinstance(error, RetentionExpired) else "failed"
    try:
        with in_our_words(f"{table.table} {day}"), warehouse.get_connection() as connection, transaction(connection):
            prepare(connection)
            note_problem(connection, table, day, error, state, datetime.now(UTC), context.run.run_id)
    except ContactAnalyticsError as second:
        context.log.error(f"{table.table} {day}: its failure could not be recorded: {second}")
