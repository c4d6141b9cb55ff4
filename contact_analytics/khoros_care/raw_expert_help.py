"""Help requests: when agents asked an expert on the day."""

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


class RawExpertHelp(OfConversation):
    """One row a help request."""

    help_request_id = field(dy.String, "Help request", inferred=True)
    help_request_status = field(dy.String, "Whether it was answered", inferred=True)
    requesting_agent_display_id = field(dy.String, "Agent who asked; joins user and agents", inferred=True)
    requesting_agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)
    expert_email = field(dy.String, "Expert's e-mail address", inferred=True, personal=True)
    help_requested_date = instant("When it was asked", inferred=True)
    help_answered_date = instant("When it was answered", inferred=True)
    help_response_time = seconds("Time to the answer", inferred=True)


FORMAT = report_format(RawExpertHelp)
DATASET = report(
    "raw_expert_help",
    RawExpertHelp,
    grain="One row a help request.",
    event_time="help_requested_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def raw_expert_help(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
