"""What runs by itself: the daily schedule, and the sensor that looks for the newest due day."""

from datetime import UTC, timedelta

import dagster as dg

from contact_analytics.lib.asset_options import SCHEDULE_CRON
from contact_analytics.settings import PARTITIONS

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
LAST_DAYS = 3

liveperson_data_access_job = dg.define_asset_job(
    "liveperson_data_access",
    selection=dg.AssetSelection.groups("liveperson"),
    description=f"Lists the last {LAST_DAYS} days again and loads those with new files.",
)


@dg.schedule(
    cron_schedule=SCHEDULE_CRON,
    job=liveperson_data_access_job,
    description=f"Each morning, when the vendor has had its 6 hours: lists the last {LAST_DAYS} days again and loads "
    "those with new files, since some files come late.",
)
def liveperson_data_access_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    now = context.scheduled_execution_time.astimezone(UTC)
    days = PARTITIONS.get_partition_keys(current_time=now + timedelta(seconds=1))[-LAST_DAYS:]
    if not days:
        return dg.SkipReason("No day is complete yet: CONTACT_ANALYTICS_START_DATE is today or later.")
    return dg.RunRequest(run_key=days[-1], tags={RANGE_START: days[0], RANGE_END: days[-1]})


freshness_sensor = dg.AutomationConditionSensorDefinition(
    "freshness_checks",
    target=dg.AssetSelection.all_asset_checks(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Each morning, looks whether the newest due day of each table is in.",
)
