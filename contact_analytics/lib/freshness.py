"""Freshness: whether the newest day that a vendor has promised is stored, whatever else was loaded meanwhile."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from contact_analytics.lib.dataset import Dataset, in_words

CHECK = "newest_due_day_is_in"
# What it takes to load a day once the vendor is done with it.
GRACE = timedelta(hours=2)
_WINDOW_DAYS = 30


def deadline(dataset: Dataset) -> timedelta:
    """How long after its end a day must be stored."""
    return dataset.lateness + GRACE


def deadline_cron(dataset: Dataset) -> str:
    """The minute of each day, UTC, at which another day must be stored."""
    minutes = int(deadline(dataset) / timedelta(minutes=1))
    return f"{minutes % 60} {minutes // 60 % 24} * * *"


def freshness_check(
    dataset: Dataset, partitions: dg.DailyPartitionsDefinition, *, is_used: bool = True
) -> dg.AssetChecksDefinition:
    """A check of its own, which the daemon evaluates at each day's deadline, or after a run that is at the table then.

    Of a table that is not used it is evaluated on request alone. Dagster's freshness policies look at the latest
    materialization of any partition, so that a backfill of an old day would make a table fresh that lacks yesterday.
    """
    at_deadline = dg.AutomationCondition.cron_tick_passed(deadline_cron(dataset))
    is_wanted = at_deadline.since(dg.AutomationCondition.newly_requested())

    @dg.asset_check(
        asset=dataset.key,
        name=CHECK,
        automation_condition=is_wanted & ~dg.AutomationCondition.in_progress() if is_used else None,
        description=f"The newest day that is due is stored. The vendor promises a day {in_words(dataset.lateness)} "
        f"after its end, and {in_words(GRACE)} more are for loading it.",
    )
    def newest_due_day_is_in(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return newest_due_day(context.instance, dataset, partitions, datetime.now(UTC))

    return newest_due_day_is_in


def newest_due_day(
    instance: dg.DagsterInstance, dataset: Dataset, partitions: dg.PartitionsDefinition[str], now: datetime
) -> dg.AssetCheckResult:
    """Whether the newest day whose deadline has passed is stored. Missing days of the last thirty are named as well.

    They fail nothing: `meta/retention_clock` says which of them are in danger.
    """
    due = [
        key
        for key in partitions.get_partition_keys(current_time=now)[-_WINDOW_DAYS:]
        if now >= dataset.end(date.fromisoformat(key)) + deadline(dataset)
    ]
    have = instance.get_materialized_partitions(dataset.key)
    missing = [key for key in due if key not in have]
    return dg.AssetCheckResult(
        asset_key=dataset.key,
        check_name=CHECK,
        passed=bool(due) and due[-1] in have,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "newest_due_day": due[-1] if due else "none",
            "newest_stored_day": max(have, default="none"),
            "missing_days": dg.MetadataValue.json(missing),
        },
    )
