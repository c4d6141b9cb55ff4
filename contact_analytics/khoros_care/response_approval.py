"""Response approval: responses that somebody had to approve, by the day they were submitted."""

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


class ResponseApproval(OfConversation):
    """One row a response that needed approval."""

    response_order = field(dy.Int64, "Place among the conversation's responses, from 1", inferred=True)
    requesting_agent_display_id = field(dy.String, "Agent who asked; joins user and agents", inferred=True)
    requesting_agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)
    team = field(dy.String, "That agent's team; joins teams", inferred=True)
    approving_agent_display_id = field(dy.String, "Agent who decided; joins user and agents", inferred=True)
    approving_agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)
    approval_status = field(dy.String, "What was decided", inferred=True)
    response_content = field(dy.String, "Text of the response", inferred=True, personal=True)
    approval_requested_date = instant("When it was asked for", inferred=True)
    approval_date = instant("When it was decided; null while pending", inferred=True)
    approval_time = seconds("Time to the decision", inferred=True)


FORMAT = report_format(ResponseApproval)
DATASET = report(
    "response_approval",
    ResponseApproval,
    grain="One row a response that needed approval.",
    event_time="approval_requested_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def response_approval(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
