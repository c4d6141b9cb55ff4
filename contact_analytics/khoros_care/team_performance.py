"""Team performance: what each agent of a team did on the day."""

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
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class TeamPerformance(Row):
    """One row an agent of a team."""

    team_id = field(dy.String, "Team; joins teams", inferred=True)
    team = field(dy.String, "Name of the team", inferred=True)
    agent_display_id = field(dy.String, "Agent; joins user and agents", inferred=True)
    agent_email = field(dy.String, "E-mail address", inferred=True, personal=True)
    agent_enabled = field(dy.Bool, "Whether the agent is turned on", inferred=True)
    conversations_claimed = field(dy.Int64, "Conversations claimed", inferred=True)
    conversations_closed = field(dy.Int64, "Conversations closed", inferred=True)
    response_count = field(dy.Int64, "Responses sent", inferred=True)
    average_tar = seconds("Time to agent response, on average", inferred=True)


FORMAT = report_format(TeamPerformance)
DATASET = report("team_performance", TeamPerformance, grain="One row an agent of a team.")


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def team_performance(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
