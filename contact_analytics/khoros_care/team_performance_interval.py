"""Team performance by interval: what each team did in each hour of the day, or whatever interval is asked for."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import Row, report, seconds
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class TeamPerformanceInterval(Row):
    """One row a team and interval."""

    interval_start_date = instant("Start of the interval", inferred=True)
    interval_end_date = instant("End of the interval", inferred=True)
    team_id = field(dy.String, "Team; joins teams", inferred=True)
    team = field(dy.String, "Name of the team", inferred=True)
    agent_count = field(dy.Int64, "Agents of the team", inferred=True)
    conversations_claimed = field(dy.Int64, "Conversations claimed", inferred=True)
    conversations_closed = field(dy.Int64, "Conversations closed", inferred=True)
    response_count = field(dy.Int64, "Responses sent", inferred=True)
    average_tar = seconds("Time to agent response, on average", inferred=True)


FORMAT = report_format(TeamPerformanceInterval)
DATASET = report(
    "team_performance_interval",
    TeamPerformanceInterval,
    grain="One row a team and interval.",
    event_time="interval_start_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def team_performance_interval(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
