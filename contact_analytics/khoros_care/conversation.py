"""Conversation: those created, those closed and, if asked for, those left open on the day, in their latest state."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import report, seconds
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.dataset import PARTITION, Repeats
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class Conversation(dy.Schema):
    """One row a conversation that was created or closed on the day, in its latest state."""

    conversation_id = field(dy.String, "Conversation", key=True)
    status = field(dy.String, "Status, such as OPEN or CLOSED")
    assigned_agent_display_id = field(dy.String, "Agent who has it; joins user and agents")
    assigned_agent_email = field(dy.String, "Agent's e-mail address", inferred=True, personal=True)
    team = field(dy.String, "Agent's team; joins teams", inferred=True)
    network = field(dy.String, "Social network", inferred=True, also=("provider",))
    priority = field(dy.Int64, "Priority, 0 to 5", inferred=True)
    work_queue = field(dy.String, "Work queue", inferred=True)
    author_uuid = field(dy.String, "Author; joins author", inferred=True)
    author_handle = field(dy.String, "Author's handle on the network", inferred=True, personal=True)
    conversation_tags = field(dy.String, "Tags, as the vendor separates them", inferred=True, also=("tags",))
    language = field(dy.String, "Language", inferred=True)
    sentiment = field(dy.String, "Sentiment", inferred=True)
    created_date = instant("When it was created", inferred=True)
    claimed_date = instant("When an agent claimed it", inferred=True)
    first_response_date = instant("When it was first answered", inferred=True)
    closed_date = instant("When it was closed; null while open", inferred=True)
    incoming_post_count = field(dy.Int64, "Posts received", inferred=True)
    response_count = field(dy.Int64, "Responses sent", inferred=True)
    conversation_tar = seconds("Time to the first response", inferred=True)
    conversation_handle_time = seconds("Time that agents spent", inferred=True)
    conversation_link = field(dy.String, "Address in Care", inferred=True)


# An answer tells how conversations are when it is asked for, but that of the open ones how they were at the day's end.
_STATE_AT = (
    f"case when contains(_source_file, 'Z_open') then strftime({PARTITION} + 1, '%Y-%m-%d') else _source_file end"
)

FORMAT = report_format(Conversation)
DATASET = report(
    "conversation",
    Conversation,
    grain="One row a conversation that was created or closed on the day, in its latest state.",
    event_time="created_date",
    repeats=Repeats.LATEST,
    versions=(_STATE_AT,),
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def conversation(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
