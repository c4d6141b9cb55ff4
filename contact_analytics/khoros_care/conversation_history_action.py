"""Conversation history: what was done with conversations on the day, and what it changed.

The vendor gives 500 actions a conversation, or 2,000.
"""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import OfConversation, report
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.history_checks import NOT_TRUNCATED
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class ConversationHistoryAction(OfConversation):
    """One row an action, with what it changed."""

    action = field(dy.String, "What was done", inferred=True)
    action_date = instant("When it was done", inferred=True)
    agent_display_id = field(dy.String, "Who did it; joins user and agents; null for a rule", inferred=True)
    agent_email = field(dy.String, "That agent's e-mail address", inferred=True, personal=True)
    action_order = field(dy.Int64, "Place among the conversation's actions, from 1", inferred=True)
    previous_value = field(dy.String, "Value before", inferred=True)
    new_value = field(dy.String, "Value after", inferred=True)


FORMAT = report_format(ConversationHistoryAction)
DATASET = report(
    "conversation_history_action",
    ConversationHistoryAction,
    grain="One row an action, with what it changed.",
    event_time="action_date",
    checks=(NOT_TRUNCATED,),
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def conversation_history_action(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
