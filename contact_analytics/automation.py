"""What runs by itself: the daily schedules, and the sensor that looks for the newest due day."""

from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from contact_analytics.lib.asset_options import SCHEDULE_CRON
from contact_analytics.settings import PARTITIONS

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
LAST_DAYS = 3
# Conversations show up within a minute.
MESSAGING_CRON = "10 0 * * *"


def last_days(context: dg.ScheduleEvaluationContext, **options: Any) -> dg.RunRequest | dg.SkipReason:
    """One run for the last complete days; `options` are further ones of the run request."""
    now = context.scheduled_execution_time.astimezone(UTC)
    days = PARTITIONS.get_partition_keys(current_time=now + timedelta(seconds=1))[-LAST_DAYS:]
    if not days:
        return dg.SkipReason("No day is complete yet: CONTACT_ANALYTICS_START_DATE is today or later.")
    return dg.RunRequest(run_key=days[-1], tags={RANGE_START: days[0], RANGE_END: days[-1]}, **options)


def _tables(*names: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(f"liveperson/{name}" for name in names))


liveperson_data_access_job = dg.define_asset_job(
    "liveperson_data_access",
    selection=_tables("agent_activity", "engagement", "survey", "web_session"),
    description=f"Lists the last {LAST_DAYS} days again and loads those with new files.",
)

liveperson_messaging_job = dg.define_asset_job(
    "liveperson_messaging",
    selection=_tables("conversations"),
    description=f"Loads the last {LAST_DAYS} days, and refreshes stored days whose conversations have changed since.",
)


@dg.schedule(
    cron_schedule=SCHEDULE_CRON,
    job=liveperson_data_access_job,
    description=f"Each morning, when the vendor has had its 6 hours: lists the last {LAST_DAYS} days again and loads "
    "those with new files, since some files come late.",
)
def liveperson_data_access_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return last_days(context)


@dg.schedule(
    cron_schedule=MESSAGING_CRON,
    job=liveperson_messaging_job,
    description=f"Each night, shortly after the day has ended: loads the last {LAST_DAYS} days and follows the "
    "conversations of all stored days, refreshing those in which one has changed, until they are 13 months old.",
)
def liveperson_messaging_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return last_days(context, run_config={"ops": {"liveperson__conversations": {"config": {"follow": True}}}})


liveperson_account_config_job = dg.define_asset_job(
    "liveperson_account_config",
    selection=_tables("users", "skills", "agent_groups"),
    description="Asks for users, skills and agent groups, and notes what has changed since the last look.",
)
liveperson_account_config_daily = dg.ScheduleDefinition(
    name="liveperson_account_config_daily",
    job=liveperson_account_config_job,
    cron_schedule=SCHEDULE_CRON,
    execution_timezone="UTC",
    description="Each morning: looks whether users, skills and agent groups have changed. A look that finds no change "
    "is a materialization too, so that the tables stay fresh.",
)


freshness_sensor = dg.AutomationConditionSensorDefinition(
    "freshness_checks",
    target=dg.AssetSelection.all_asset_checks(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Each morning, looks whether the newest due day of each table is in.",
)
