"""What the `@dg.asset` of tables have in common, as dictionaries of its options."""

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

from contact_analytics.lib import dimension_checks
from contact_analytics.lib.checks import check_specs
from contact_analytics.lib.dataset import Dataset, Dimension, Table

# One run a backfill is what keeps thirty days from costing thirty process starts; Dagster calls the option beta.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")

OWNERS = ["team:data-engineering"]
# The slowest vendor is done with a day 6 hours after its end; schedules run by 06:10, and the deadline leaves time to
# load.
SCHEDULE_CRON = "10 6 * * *"
DUE_CRON, _DUE = "0 8 * * *", timedelta(hours=8)


def daily_table(dataset: Dataset, partitions: dg.DailyPartitionsDefinition) -> dict[str, Any]:
    """The options of a daily table's asset: key, partitions, one run a backfill, what the UI shows, freshness."""
    return {
        **_table(dataset, _description(dataset), since=dataset.lateness),
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        # Days are logged one by one as they are stored, so the run itself adds no materialization.
        "output_required": False,
        "check_specs": check_specs(dataset),
    }


def dimension_table(dimension: Dimension) -> dict[str, Any]:
    """The options of a dimension's asset: as a daily table's, without partitions; each run materializes it."""
    return {
        **_table(dimension, _description_of_history(dimension), since=timedelta()),
        # The rows are in DuckDB when the function ends: there is nothing for an IO manager to store.
        "dagster_type": dg.Nothing,
        "check_specs": dimension_checks.check_specs(dimension),
    }


def _table(table: Table, description: str, since: timedelta) -> dict[str, Any]:
    """What all tables have; each is fresh if it was materialized after midnight and `since`, by the deadline."""
    return {
        "key": table.key,
        "group_name": table.vendor,
        "kinds": {"python", "duckdb", "polars"},
        "owners": OWNERS,
        "description": description,
        "metadata": {
            "dagster/column_schema": table.column_schema(),
            "dagster/table_name": table.table,
            "documentation": dg.MetadataValue.url(table.documentation),
            "dictionary": dg.MetadataValue.path(f"docs/dictionary.md#{table.vendor}{table.name}"),
        },
        "code_version": table.fingerprint(),
        "retry_policy": dg.RetryPolicy(max_retries=2, delay=120, backoff=dg.Backoff.EXPONENTIAL),
        "freshness_policy": dg.FreshnessPolicy.cron(deadline_cron=DUE_CRON, lower_bound_delta=_DUE - since),
    }


def _description(dataset: Dataset) -> str:
    is_dated = dataset.answers_reach_beyond or dataset.of_the_day
    day = f"`{dataset.event_time}`" if is_dated else dataset.day_of
    return _described(
        dataset,
        f"one partition a UTC day of {day}",
        f"**Retention** {dataset.retention_in_words}; the archive keeps it",
    )


def _description_of_history(dimension: Dimension) -> str:
    return _described(
        dimension,
        "a row held from `valid_from` until `valid_to`, and holds if `is_current`",
        "**Looked at** once a day; the archive keeps every list, and `source: archive` makes the history again",
    )


def _described(table: Table, rows: str, kept: str) -> str:
    keys = ", ".join(f"`{name}`" for name in table.primary_key)
    views = ", ".join(f"`{name}`" for name in table.views())
    flat = f"\n\n**Views** {views}" if views else ""
    return (
        f"{table.grain}\n\n**Key** {keys}\n\n**Table** `{table.table}`, {rows}{flat}\n\n{kept}"
        f"\n\n[The vendor's documentation]({table.documentation})"
    )
