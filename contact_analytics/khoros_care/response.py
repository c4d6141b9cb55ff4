"""Response: what agents and bots answered on the day."""

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


class Response(Row):
    """One row a response."""

    conversation_id = field(dy.String, "Conversation; joins conversation", seen=True)
    responding_agent_display_id = field(dy.String, "Agent who answered; joins user and agents", seen=True)
    responding_agent_email = field(dy.String, "Agent's e-mail address", seen=True, personal=True)
    response_order = field(dy.Int64, "Place among all responses of the conversation, from 1", seen=True)
    agent_response_order = field(dy.Int64, "Place among its agents' responses", seen=True)
    bot_response_order = field(dy.Int64, "Place among its bots' responses", seen=True)
    assistant_rht = seconds("Response handle time of assistants", seen=True)
    expert_rht = seconds("Response handle time of experts", seen=True)
    auto_tag = field(dy.String, "Tags set by rules, as the vendor separates them", seen=True)
    manual_tag = field(dy.String, "Tags set by agents", seen=True)
    response_tag = field(dy.String, "Tags of the response", seen=True)
    date_claimed = instant("When the agent claimed the conversation", seen=True)
    external_response_id = field(dy.String, "Id on the network", seen=True)
    handle_time_approving_agent = seconds("Time spent by who approved", seen=True)
    handle_time_other_agent = seconds("Time spent by others", seen=True)
    handle_time_responding_agent = seconds("Time spent by who answered", seen=True)
    handle_time_total_response = seconds("Time spent by all", seen=True)
    lsw_conversation_link = field(dy.String, "Address in Care", seen=True)
    lsw_responded_post_in_business_hour = field(dy.Bool, "Whether the post answered came in business hours", seen=True)
    lsw_responded_to_external_post_id = field(dy.String, "Id on the network of the post answered", seen=True)
    lsw_responded_to_post_author_uuid = field(dy.String, "Author of the post answered; joins author", seen=True)
    lsw_responded_to_post_content = field(dy.String, "Text of the post answered", seen=True, personal=True)
    lsw_responded_to_post_published_time = instant("When the post answered was published", seen=True)
    lsw_responded_to_post_received_time = instant("When it was received", seen=True)
    response_content = field(dy.String, "Text of the response", seen=True, personal=True)
    response_handle = field(dy.String, "Brand's handle", seen=True)
    response_language = field(dy.String, "Language", seen=True)
    response_location = field(dy.String, "Location", seen=True)
    response_provider = field(dy.String, "Social network", seen=True)
    response_type = field(dy.String, "Kind of response", seen=True)
    response_published_date = instant("When it was published", seen=True)
    response_sentiment = field(dy.String, "Sentiment", seen=True)
    sentiment_conversion = field(
        dy.String, "Change of sentiment; the source cuts the name off", inferred=True, also=("sentimentconversi*",)
    )
    response_tar = seconds("Time to agent response", seen=True)


FORMAT = report_format(Response)
DATASET = report(
    "response",
    Response,
    grain="One row a response.",
    event_time="response_published_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def response(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
