"""Conversation actions: what was done with conversations on the day."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import OfConversation, report
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class ConversationActions(OfConversation):
    """One row an action."""

    action = field(dy.String, "What was done", inferred=True)
    action_date = instant("When it was done", inferred=True)
    agent_display_id = field(dy.String, "Who did it; joins user and agents; null for a rule", inferred=True)
    agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)


FORMAT = report_format(ConversationActions)
DATASET = report(
    "conversation_actions",
    ConversationActions,
    grain="One row an action.",
    event_time="action_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def conversation_actions(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
