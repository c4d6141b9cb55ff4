"""What runs by itself: the daily schedules, and the sensor that looks for the newest due day."""

from datetime import UTC, timedelta
from typing import Any

import dagster as dg

from contact_analytics.lib.account import key_of
from contact_analytics.lib.asset_options import SCHEDULE_CRON
from contact_analytics.lib.day_range import range_tags
from contact_analytics.retention_clock import TABLE as RETENTION_CLOCK
from contact_analytics.settings import PARTITIONS, default_schedule_status, number

# Files, posts and conversations that come late.
LAST_DAYS = max(1, round(number("CONTACT_ANALYTICS_LOOK_BACK_DAYS", 3)))
# Conversations show up within a minute.
MESSAGING_CRON = "10 0 * * *"
# Khoros' and NICE's data is there half an hour after a day's end.
KHOROS_CARE_CRON, NICE_CXONE_CRON = "40 0 * * *", "45 0 * * *"
# Evaluations are reviewed and disputed for days; one export of NICE's holds two weeks.
LOOK_BACK_DAYS = max(0, round(number("NICE_CXONE_LOOK_BACK_DAYS", 13)))


def last_days(
    context: dg.ScheduleEvaluationContext, days: int = LAST_DAYS, **options: Any
) -> dg.RunRequest | dg.SkipReason:
    """One run for the last complete days; `options` are further ones of the run request."""
    now = context.scheduled_execution_time.astimezone(UTC)
    keys = PARTITIONS.get_partition_keys(current_time=now + timedelta(seconds=1))[-days:]
    if not keys:
        return dg.SkipReason("No day is complete yet: CONTACT_ANALYTICS_START_DATE is today or later.")
    return dg.RunRequest(run_key=keys[-1], tags=range_tags(keys[0], keys[-1]), **options)


def _tables(vendor: str, *names: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(key_of(f"{vendor}.{name}") for name in names))


liveperson_data_access_job = dg.define_asset_job(
    "liveperson_data_access",
    selection=_tables("liveperson", "agent_activity", "engagement", "survey", "web_session"),
    description=f"Lists the last {LAST_DAYS} days again and loads those with new files.",
)

liveperson_messaging_job = dg.define_asset_job(
    "liveperson_messaging",
    selection=_tables("liveperson", "conversations"),
    description=f"Loads the last {LAST_DAYS} days, and refreshes stored days whose conversations have changed since.",
)

khoros_care_job = dg.define_asset_job(
    "khoros_care",
    selection=dg.AssetSelection.groups("khoros_care") - _tables("khoros_care", "teams", "agents"),
    description=f"Exports the last {LAST_DAYS} days again, as posts and conversations change, and loads what differs.",
)

nice_cxone_job = dg.define_asset_job(
    "nice_cxone",
    selection=dg.AssetSelection.groups("nice_cxone"),
    description=f"Exports the last {LOOK_BACK_DAYS + 1} days again, two weeks at a time, and loads those that differ.",
)


@dg.schedule(
    cron_schedule=SCHEDULE_CRON,
    job=liveperson_data_access_job,
    default_status=default_schedule_status(),
    description=f"Each morning, when the vendor has had its 6 hours: lists the last {LAST_DAYS} days again and loads "
    "those with new files, since some files come late.",
)
def liveperson_data_access_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return last_days(context)


@dg.schedule(
    cron_schedule=MESSAGING_CRON,
    job=liveperson_messaging_job,
    default_status=default_schedule_status(),
    description=f"Each night, shortly after the day has ended: loads the last {LAST_DAYS} days and follows the "
    "conversations of all stored days, refreshing those in which one has changed, until they are 13 months old.",
)
def liveperson_messaging_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    conversations = key_of("liveperson.conversations").to_python_identifier()
    return last_days(context, run_config={"ops": {conversations: {"config": {"follow": True}}}})


@dg.schedule(
    cron_schedule=KHOROS_CARE_CRON,
    job=khoros_care_job,
    default_status=default_schedule_status(),
    description=f"Each night, half an hour after the day has ended: exports the last {LAST_DAYS} days of every report.",
)
def khoros_care_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return last_days(context)


@dg.schedule(
    cron_schedule=NICE_CXONE_CRON,
    job=nice_cxone_job,
    default_status=default_schedule_status(),
    description="Each night, three quarters of an hour after the day has ended: exports the day and the "
    f"{LOOK_BACK_DAYS} days before it, which reviews and disputes may have changed.",
)
def nice_cxone_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return last_days(context, LOOK_BACK_DAYS + 1)


liveperson_account_config_job = dg.define_asset_job(
    "liveperson_account_config",
    selection=_tables("liveperson", "users", "skills", "agent_groups"),
    description="Asks for users, skills and agent groups, and notes what has changed since the last look.",
)
liveperson_account_config_daily = dg.ScheduleDefinition(
    name="liveperson_account_config_daily",
    job=liveperson_account_config_job,
    default_status=default_schedule_status(),
    cron_schedule=SCHEDULE_CRON,
    execution_timezone="UTC",
    description="Each morning: looks whether users, skills and agent groups have changed. A look that finds no change "
    "is a materialization too, so that the tables stay fresh.",
)


khoros_care_lists_job = dg.define_asset_job(
    "khoros_care_lists",
    selection=_tables("khoros_care", "teams", "agents"),
    description="Asks for teams and agents, and notes what has changed since the last look.",
)
khoros_care_lists_daily = dg.ScheduleDefinition(
    name="khoros_care_lists_daily",
    job=khoros_care_lists_job,
    default_status=default_schedule_status(),
    cron_schedule=SCHEDULE_CRON,
    execution_timezone="UTC",
    description="Each morning: looks whether teams and agents have changed.",
)


freshness_sensor = dg.AutomationConditionSensorDefinition(
    "freshness_checks",
    target=dg.AssetSelection.all_asset_checks(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="At the deadline of each table, looks whether its newest due day is in.",
)

retention_clock_job = dg.define_asset_job(
    "retention_clock",
    selection=dg.AssetSelection.assets(RETENTION_CLOCK.key),
    description="Looks which days are stored, which are in danger and which are lost. Asks no vendor.",
)
retention_clock_hourly = dg.ScheduleDefinition(
    name="retention_clock_hourly",
    job=retention_clock_job,
    cron_schedule="20 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each hour: which days are stored, which are in danger, which are lost. Asks no vendor.",
)


reports_sensor = dg.AutomationConditionSensorDefinition(
    "reports_when_complete",
    target=dg.AssetSelection.groups("reports"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes each report of a day when all tables that it reads have the day, and again when one of them has "
    "changed. Days older than thirty are made on request.",
)
