"""Engagement: each conversation with its transcript and transfers."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.checks import HOURLY_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LATENESS, RETENTION, LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import VisitorRecord
from contact_analytics.settings import PARTITIONS

_FILE_TYPES = "JPG, PNG, GIF, TXT or PDF"


def _unspecified(meaning: str) -> Any:
    """A container whose fields LivePerson documents nowhere: kept as its JSON text."""
    return field(dy.String, f"{meaning}; the vendor documents no fields, kept as JSON", avro="JSON", inferred=True)


class Engagement(VisitorRecord):
    """One row a conversation."""

    conversation_id = field(dy.String, "Conversation", key=True)
    type = field(dy.String, "LIVE_CHAT or MESSAGING", avro="ConversationType")
    conversation_start_time = instant("Visitor entered the queue")
    interaction_start_time = instant("Agent and visitor were connected")
    conversation_end_time = instant("Conversation ended")
    consumer_id = field(dy.String, "Consumer", personal=True)
    is_interactive = field(dy.Bool, "Visitor wrote a line in the last part of the conversation")
    source_origin = field(dy.String, "Where the conversation came from, such as Web")
    source_device = field(dy.String, "NA, DESKTOP, TABLET or MOBILE", avro="DeviceType")
    end_reason_id = field(
        dy.Int32,
        "101 representative stopped the chat in a transfer, 106 reassigned to a skill, 201 representative stopped, "
        "202 representative disconnected, 205 visitor disconnected, 208 visitor no longer in chat, 210 visitor closed",
    )
    campaign_data = record(
        {
            "campaign_id": field(dy.Int64, "Campaign"),
            "campaign_engagement_id": field(dy.Int64, "Engagement of the campaign"),
        },
        "Campaign that led to the conversation",
        avro="CampaignData",
    )
    agent_id = field(dy.String, "Last agent")
    skill_id = field(dy.Int64, "Last skill", wire="skillID")
    skills = many(field(dy.Int64, "Skill", bare=True), "Skills of the conversation")
    start_reason_id = field(dy.Int32, "0 visitor's request, 2 transfer, 3 failed transfer")
    start_page = field(dy.String, "Title of the page where the conversation began")
    start_url = field(dy.String, "Address of the page where the conversation began", personal=True)
    transcripts = many(
        record(
            {
                "text": field(dy.String, "Text of the line", personal=True),
                "timestamp": instant("Time of the line"),
                "by": field(dy.String, "Visitor's name, agent's nickname, or info", personal=True),
                "type": field(
                    dy.String,
                    "0 visitor line, 1 representative line, 2 control line, 3 representative URL line, "
                    "4 representative HTML line, 5 representative comment line",
                ),
                "control_type": field(dy.String, "Type of predefined content"),
                "agent_id": field(dy.String, "Agent; 0 for none"),
                "content_format": field(
                    dy.String, "NA, TEXT_PLAIN, IMG, TEXT_HTML, LINK, HOSTED_FILE; files also hold Text"
                ),
                "message_id": field(dy.String, "Line"),
                "dialog_id": field(dy.String, "Dialog"),
                "file_data": record(
                    {
                        "caption": field(dy.String, "Caption of the file", personal=True),
                        "file_type": field(dy.String, _FILE_TYPES),
                    },
                    "File sent in the line",
                    avro="FileData",
                ),
                "link_data": record(
                    {
                        "external_file_link": field(dy.String, "Address of the file", personal=True),
                        "file_type": field(dy.String, _FILE_TYPES),
                        "caption": field(dy.String, "Caption of the link", personal=True),
                    },
                    "Link sent in the line",
                    avro="LinkData",
                ),
                "mcs": _unspecified("Meaningful Connection Score of the line"),
            }
        ),
        "Lines of the conversation",
    )
    transfers = many(
        record(
            {
                "timestamp": field(dy.String, "Time of the transfer, as the vendor's text"),
                "skill_id": field(dy.Int64, "Skill that transferred"),
                "target_skill_id": field(dy.Int64, "Skill transferred to"),
                "agent_id": field(dy.String, "Agent who transferred"),
                "target_agent_id": field(dy.String, "Agent transferred to"),
                "reason": field(dy.Int64, "Reason; the vendor lists no values"),
                "queue_start_time": instant("Visitor entered the queue"),
                "queue_end_time": instant("Visitor left the queue"),
                "is_interactive": field(dy.Bool, "Visitor wrote a line in this part of the conversation"),
            }
        ),
        "Transfers between agents and skills",
    )
    secure_forms = many(_unspecified("Secure form"), "Secure forms sent in the conversation")
    mcs = _unspecified("Meaningful Connection Score")
    queue_start_time = instant("Visitor entered the queue")
    queue_end_time = instant("Visitor left the queue")


FORMAT = FileFormat(
    Engagement, "Engagement", "VisitorHeader", body="EngagementData", rows="engagements", item="Conversation"
)
DATASET = Dataset(
    vendor="liveperson",
    name="engagement",
    schema=Engagement,
    grain="One row a conversation, with its lines and transfers as nested columns.",
    documentation="https://developers.liveperson.com/data-access-api-methods-engagement.html",
    event_time="conversation_start_time",
    retention=RETENTION,
    lateness=LATENESS,
    checks=HOURLY_CHECKS,
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="liveperson_data_access"))
def engagement(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_data_access: LivePersonDataAccessResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_days(context, DATASET, config, liveperson_data_access.connect, FORMAT, archive, warehouse)
