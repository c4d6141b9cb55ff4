"""What every daily table's `@dg.asset` has in common, as a dictionary of its options."""

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

from contact_analytics.lib.checks import check_specs
from contact_analytics.lib.dataset import Dataset

# One run a backfill is what keeps thirty days from costing thirty process starts; Dagster calls the option beta.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")

OWNERS = ["team:data-engineering"]
# The vendor is done with a day 6 hours after its end; the schedule runs at 06:10 and the deadline leaves time to load.
SCHEDULE_CRON = "10 6 * * *"
DUE_CRON = "0 8 * * *"


def daily_table(dataset: Dataset, partitions: dg.DailyPartitionsDefinition) -> dict[str, Any]:
    """The options of a daily table's asset: key, partitions, one run a backfill, what the UI shows, freshness."""
    return {
        "key": dataset.key,
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        # Days are logged one by one as they are stored, so the run itself adds no materialization.
        "output_required": False,
        "check_specs": check_specs(dataset),
        "group_name": dataset.vendor,
        "kinds": {"python", "duckdb", "polars"},
        "owners": OWNERS,
        "description": _description(dataset),
        "metadata": {
            "dagster/column_schema": dataset.column_schema(),
            "dagster/table_name": dataset.table,
            "documentation": dg.MetadataValue.url(dataset.documentation),
            "dictionary": dg.MetadataValue.path(f"docs/dictionary.md#{dataset.vendor}{dataset.name}"),
        },
        "code_version": dataset.fingerprint(),
        "retry_policy": dg.RetryPolicy(max_retries=2, delay=120, backoff=dg.Backoff.EXPONENTIAL),
        "freshness_policy": dg.FreshnessPolicy.cron(deadline_cron=DUE_CRON, lower_bound_delta=timedelta(hours=2)),
    }


def _description(dataset: Dataset) -> str:
    keys = ", ".join(f"`{name}`" for name in dataset.primary_key)
    views = ", ".join(f"`{name}`" for name in dataset.views())
    flat = f"\n\n**Flat views** {views}" if views else ""
    return (
        f"{dataset.grain}\n\n**Key** {keys}\n\n**Table** `{dataset.table}`, one partition a UTC day of the vendor's "
        f"files{flat}\n\n**Retention** the vendor deletes a day after {dataset.retention.days} days; the archive keeps "
        f"it\n\n[The vendor's documentation]({dataset.documentation})"
    )
