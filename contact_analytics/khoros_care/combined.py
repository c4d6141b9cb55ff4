"""Combined: posts and responses of the day in one table."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import OfConversation, report, seconds
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class Combined(OfConversation):
    """One row a post or a response."""

    entry_type = field(dy.String, "Whether it is a post or a response", inferred=True)
    entry_date = instant("When it was received or published", inferred=True)
    entry_content = field(dy.String, "Text", inferred=True, personal=True)
    external_post_id = field(dy.String, "Id of the post on the network", inferred=True)
    response_order = field(dy.Int64, "Of a response, its place in the conversation, from 1", inferred=True)
    responding_agent_display_id = field(dy.String, "Agent who answered; joins user and agents", inferred=True)
    responding_agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)
    response_tar = seconds("Time to agent response", inferred=True)


FORMAT = report_format(Combined)
DATASET = report(
    "combined",
    Combined,
    grain="One row a post or a response.",
    event_time="entry_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def combined(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
