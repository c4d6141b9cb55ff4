"""What the `@dg.asset` of tables have in common, as dictionaries of its options."""

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

from contact_analytics.lib import dimension_checks
from contact_analytics.lib.account import key_of, pool_of
from contact_analytics.lib.checks import check_specs
from contact_analytics.lib.dataset import Dataset, Dimension, Table
from contact_analytics.lib.reexecution import begin_anew_if_storage_failed
from contact_analytics.lib.report import (
    BRAND,
    BrandFile,
    Report,
    UnpartitionedReport,
    all_inputs_are_in,
    any_input_has_changed,
)
from contact_analytics.lib.schema import duckdb_type

# One run a backfill is what keeps thirty days from costing thirty process starts; Dagster calls the option beta.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")

OWNERS = ["team:data-engineering"]
# The slowest vendor is done with a day 6 hours after its end.
SCHEDULE_CRON = "10 6 * * *"
# A list is looked at between midnight and this time of each day.
_LOOKED_AT_CRON, _LOOKED_AT = "0 8 * * *", timedelta(hours=8)
# A vendor that is down, a warehouse that is held.
_RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=120, backoff=dg.Backoff.EXPONENTIAL)


def daily_table(dataset: Dataset, partitions: dg.DailyPartitionsDefinition, pool: str) -> dict[str, Any]:
    """The options of a daily table's asset: key, partitions, one run a backfill, its API's pool, what the UI shows."""
    return {
        **_vendors_table(dataset, _description(dataset), pool),
        **_daily(partitions),
        "check_specs": check_specs(dataset),
    }


def dimension_table(dimension: Dimension, pool: str) -> dict[str, Any]:
    """The options of a dimension's asset: as a daily table's, without partitions; each run materializes it."""
    return {
        **_vendors_table(dimension, _description_of_history(dimension), pool),
        # Of daily tables, `newest_due_day_is_in` tells: to a policy, any day is as good as the newest.
        "freshness_policy": dg.FreshnessPolicy.cron(deadline_cron=_LOOKED_AT_CRON, lower_bound_delta=_LOOKED_AT),
        # The rows are in DuckDB when the function ends: there is nothing for an IO manager to store.
        "dagster_type": dg.Nothing,
        "check_specs": dimension_checks.check_specs(dimension),
    }


def daily_report(report: Report, partitions: dg.DailyPartitionsDefinition) -> dict[str, Any]:
    """The options of a report's asset: a daily table's, its inputs, and the condition on which it runs by itself."""
    return {
        **_report(report, "one partition a UTC day"),
        "deps": [each.key for each in (*report.used, *report.files)],
        **_daily(partitions),
        "automation_condition": all_inputs_are_in(report),
    }


def unpartitioned_report(report: UnpartitionedReport) -> dict[str, Any]:
    """The options of the asset of a report without partitions: each run makes the whole table."""
    return {
        **_report(report, "made anew as a whole"),
        "deps": [key_of(table) for table in report.tables],
        "dagster_type": dg.Nothing,
        "automation_condition": any_input_has_changed(),
    }


def _report(report: Report, rows: str) -> dict[str, Any]:
    """What all reports have."""
    rules = "\n".join(f"- {rule}" for rule in report.counted)
    keys = ", ".join(f"`{name}`" for name in report.primary_key)
    description = (
        f"{report.grain}\n\n**Key** {keys}\n\n**Table** `{report.table}`, {rows}, and a page in "
        f"`CONTACT_ANALYTICS_REPORTS`\n\n{rules}"
    )
    return _table(report, description, {"dagster/column_lineage": report.lineage()})


def brand_file(file: BrandFile) -> dg.AssetSpec:
    """A file of the brand's as an asset that others make."""
    columns = [
        dg.TableColumn(
            name, type=duckdb_type(kind()), constraints=dg.TableColumnConstraints(nullable=name in file.optional)
        )
        for name, kind in file.columns.items()
    ]
    return dg.AssetSpec(
        file.key,
        group_name=BRAND,
        description=f"{file.grain}\n\nThe brand's own file, CSV or Parquet: `CONTACT_ANALYTICS_{file.name.upper()}`. "
        "Reports read it each time that they are made.",
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
        kinds={"file"},
    )


def _daily(partitions: dg.DailyPartitionsDefinition) -> dict[str, Any]:
    """What all that has days has: one run a backfill."""
    return {
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        # Days are logged one by one as they are stored, so the run itself adds no materialization.
        "output_required": False,
    }


def _vendors_table(table: Table, description: str, pool: str) -> dict[str, Any]:
    """What all vendors' tables have."""
    return {
        **_table(table, description, {"documentation": dg.MetadataValue.url(table.documentation)}),
        "pool": pool_of(pool),
    }


def _table(table: Table, description: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """What all tables have; `metadata` is what some have beside it."""
    return {
        "key": table.key,
        "group_name": table.vendor,
        "kinds": {"python", "duckdb", "polars"},
        "owners": OWNERS,
        "description": description,
        "metadata": {
            "dagster/column_schema": table.column_schema(),
            "dagster/table_name": table.table,
            **metadata,
            "dictionary": dg.MetadataValue.path(f"docs/dictionary.md#{table.vendor}{table.name}"),
        },
        "code_version": table.fingerprint,
        "retry_policy": _RETRY_POLICY,
        "hooks": {begin_anew_if_storage_failed},
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
