"""Conversations: messaging conversations by the day they started, followed until they reach their final state."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy
import polars as pl
import pyarrow as pa

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset, Repeats
from contact_analytics.lib.record_list import RecordList
from contact_analytics.lib.schema import field, instant, many
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import conversation_messages as messages
from contact_analytics.liveperson import conversation_parts as parts
from contact_analytics.liveperson.conversation_checks import CONVERSATION_CHECKS
from contact_analytics.liveperson.conversation_pages import archived_day
from contact_analytics.liveperson.conversation_parts import NO_ID, UNASSIGNED, UNDEFINED, moment
from contact_analytics.liveperson.engagement_attributes import sde
from contact_analytics.liveperson.messaging import LATENESS, RETENTION, LivePersonMessagingResource
from contact_analytics.settings import PARTITIONS


class Conversations(dy.Schema):
    """One row a conversation that started on the day."""

    conversation_id = field(dy.String, "Conversation", key=True, section="info")
    brand_id = field(dy.String, "LivePerson account", section="info")
    status = field(dy.String, "OPEN or CLOSE", section="info")
    full_dialog_status = field(dy.String, "OPEN or CLOSE, the survey included", section="info")
    start_time = moment("startTime", "Start of the conversation; dates the row", section="info", required=True)
    end_time = moment("endTime", "End, moved by a survey's submission or timeout; null while open", section="info")
    conversation_end_time = moment("conversationEndTime", "End whatever the survey; null while open", section="info")
    full_dialog_end_time = moment("fullDialogEndTime", "End with the survey; null while open", section="info")
    conversation_duration = field(dy.Float64, "From start to end, without the survey", unit="s", derived=True)
    full_dialog_duration = field(dy.Float64, "From start to end, with the survey", unit="s", derived=True)
    duration = field(
        dy.Int64, "As the vendor sends it: unit uncertain, counted up to the request while open", section="info"
    )
    close_reason = field(dy.String, "Who closed it: AGENT, CONSUMER or SYSTEM", section="info")
    close_reason_description = field(dy.String, "How it was closed, such as MANUAL_CLOSE", section="info")
    first_conversation = field(dy.Bool, "Whether it is the consumer's first", section="info")
    csat_rate = field(dy.Int32, "Customer satisfaction", section="info", unit="1 to 5", also=("csat",))
    mcs = field(dy.Int32, "Meaningful connection score", section="info", unit="0 to 100")
    alerted_mcs = field(dy.Int32, "Alert of the score: -1, 0 or 1", section="info", wire="alertedMCS")
    source = field(dy.String, "Channel, such as APP, SHARK (web), SMS", section="info")
    device = field(dy.String, "DESKTOP, TABLET, MOBILE or NA", section="info", none=UNDEFINED)
    device_model = field(dy.String, "Model of the device", section="info", none=UNDEFINED)
    latest_skill_id = field(dy.Int64, "Last skill; joins skills; null if unassigned", section="info", none=NO_ID)
    latest_skill_name = field(dy.String, "Name of the last skill", section="info", none=UNASSIGNED)
    latest_agent_id = field(dy.String, "Last agent; joins users", section="info", none=("null", "-1", "undefined"))
    latest_agent_login_name = field(dy.String, "Last agent's login name", section="info", personal=True)
    latest_agent_nickname = field(dy.String, "Last agent's nickname", section="info")
    latest_agent_full_name = field(dy.String, "Last agent's full name", section="info", personal=True)
    agent_deleted = field(dy.Bool, "Whether the last agent was deleted since", section="info")
    latest_agent_group_id = field(dy.Int64, "Last agent's group; joins agent_groups", section="info", none=NO_ID)
    latest_agent_group_name = field(dy.String, "Name of the group", section="info", none=UNASSIGNED)
    browser = field(dy.String, "Browser", section="info", none=UNDEFINED)
    browser_version = field(dy.String, "Version of the browser", section="info", none=UNDEFINED)
    operating_system = field(dy.String, "WINDOWS, MAC_OSX, LINUX, IOS, ANDROID or NA", section="info", none=UNDEFINED)
    operating_system_version = field(dy.String, "Version of the operating system", section="info", none=UNDEFINED)
    latest_queue_state = field(dy.String, "IN_QUEUE or ACTIVE", section="info")
    is_partial = field(dy.Bool, "Whether the vendor cut the record even when asked for it by its id", section="info")
    session_id = field(dy.String, "LivePerson's session", section="info")
    interaction_context_id = field(dy.String, "Context within the session", section="info")
    time_zone = field(dy.String, "Consumer's time zone", section="info")
    features = many(field(dy.String, "Feature"), "Features of the consumer's client", section="info")
    language = field(dy.String, "Consumer's language", section="info")
    integration = field(dy.String, "mobile-sdk, web-sdk or brand-sdk", section="info")
    integration_version = field(dy.String, "Version of the integration", section="info")
    app_id = field(dy.String, "ConsumerApp, WebAgent or BrandAgent", section="info")
    app_version = field(dy.String, "Version of the application", section="info")
    ip_address = field(dy.String, "Consumer's address", section="info", personal=True)
    was_step_up = field(dy.Bool, "Whether the consumer was authenticated on the way", section="info")
    pending_agent_survey = field(dy.Bool, "Whether the agent has yet to answer a survey", section="info")
    first_intent_name = field(dy.String, "First intent", section="info")
    first_intent_label = field(dy.String, "Label of the first intent", section="info")

    campaign_engagement_id = field(dy.String, "Engagement of the campaign", section="campaign")
    campaign_engagement_name = field(dy.String, "Its name", section="campaign")
    campaign_id = field(dy.String, "Campaign", section="campaign")
    campaign_name = field(dy.String, "Its name", section="campaign")
    goal_id = field(dy.String, "Goal of the campaign", section="campaign")
    goal_name = field(dy.String, "Its name", section="campaign")
    engagement_agent_note = field(dy.String, "Note for the agent", section="campaign")
    engagement_source = field(dy.String, "Source, such as WEB_SITE", section="campaign")
    visitor_behavior_id = field(dy.String, "Behaviour targeted", section="campaign")
    visitor_behavior_name = field(dy.String, "Its name", section="campaign")
    engagement_application_id = field(dy.String, "Application", section="campaign")
    engagement_application_name = field(dy.String, "Its name", section="campaign")
    engagement_application_type_id = field(dy.String, "Type of the application", section="campaign")
    engagement_application_type_name = field(dy.String, "Its name", section="campaign")
    visitor_profile_id = field(dy.String, "Profile targeted", section="campaign")
    visitor_profile_name = field(dy.String, "Its name", section="campaign")
    lob_id = field(dy.Int64, "Line of business", section="campaign")
    lob_name = field(dy.String, "Its name", section="campaign")
    location_id = field(dy.String, "Location", section="campaign")
    location_name = field(dy.String, "Its name", section="campaign")
    behavior_system_default = field(dy.Bool, "Whether the behaviour is the system's default", section="campaign")
    profile_system_default = field(dy.Bool, "Whether the profile is the system's default", section="campaign")

    monitoring_country = field(dy.String, "Country", section="monitoring", wire="country")
    monitoring_country_code = field(dy.String, "Country code", section="monitoring", wire="countryCode")
    monitoring_state = field(dy.String, "State", section="monitoring", wire="state")
    monitoring_city = field(dy.String, "City", section="monitoring", wire="city")
    monitoring_isp = field(dy.String, "Internet provider", section="monitoring", wire="isp")
    monitoring_org = field(dy.String, "Organisation", section="monitoring", wire="org")
    monitoring_device = field(
        dy.String, "DESKTOP, TABLET, MOBILE or NA", section="monitoring", wire="device", none=UNDEFINED
    )
    monitoring_ip_address = field(dy.String, "Address", section="monitoring", wire="ipAddress", personal=True)
    monitoring_browser = field(dy.String, "Browser", section="monitoring", wire="browser")
    monitoring_operating_system = field(dy.String, "Operating system", section="monitoring", wire="operatingSystem")
    conversation_start_page = field(dy.String, "Page on which it started", section="monitoring")
    conversation_start_page_title = field(dy.String, "Title of that page", section="monitoring")

    summary_text = field(dy.String, "The agent's summary", section="summary", wire="text", personal=True)
    summary_last_updated_time = instant("Time of the summary", section="summary", wire="lastUpdatedTime", none=NO_ID)
    latest_effective_response_due_time = instant(
        "When a response is due; null while waiting for the consumer", section="responseTime", none=NO_ID
    )
    configured_response_time = field(
        dy.Int64, "Time to respond as configured; seen in ms, documented otherwise", section="responseTime", unit="ms"
    )

    message_records = many(messages.message_record(), "Messages", also=("messagesRecords",))
    agent_participants = many(parts.agent_participant(), "Agents who took part")
    agent_participants_leave = many(parts.agent_participant(), "Agents who left")
    agent_participants_active = many(parts.agent_participant(), "Agents who are in it")
    consumer_participants = many(parts.consumer_participant(), "Consumers who took part", also=("consumerParticipant",))
    transfers = many(parts.transfer(), "Transfers")
    interactions = many(parts.interaction(), "Interactions by agent")
    dialogs = many(parts.dialog(), "Dialogs: the main one and surveys")
    message_scores = many(messages.message_score(), "Scores of messages", also=("messageScore",))
    message_statuses = many(messages.message_status(), "Delivery of messages, several a message")
    conversation_surveys = many(parts.conversation_survey(), "Surveys of the consumer")
    co_browse_sessions = many(
        parts.co_browse_session(), "Co-browsing", section="coBrowseSessions", wire="coBrowseSessionsList"
    )
    sdes = many(
        sde(),
        "Engagement attributes, authenticated; the vendor lists the last of each kind",
        section="sdes",
        wire="events",
    )
    un_auth_sdes = many(sde(), "Engagement attributes, not authenticated", section="unAuthSdes", wire="events")
    skill_changes = field(dy.String, "Changes of skill, as JSON: the vendor documents no fields", avro="JSON")
    intents = many(parts.intent(), "Intents by message")
    unique_intents = many(parts.unique_intent(), "Intents of the conversation")
    latest_agent_survey = parts.agent_survey()
    previously_submitted_agent_surveys = many(parts.agent_survey(), "Surveys that agents submitted")


def durations(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what the vendor's own `duration` does not say reliably."""
    ends = {"conversation_duration": "conversation_end_time", "full_dialog_duration": "full_dialog_end_time"}
    return frame.with_columns(
        **{name: (pl.col(end) - pl.col("start_time")).dt.total_milliseconds() / 1000 for name, end in ends.items()}
    )


_LINK = pa.struct([("rel", pa.string()), ("href", pa.string())])
_SHARDS = pa.struct([("partialResult", pa.bool_()), ("failureShards", pa.int64()), ("totalShards", pa.int64())])
_METADATA = pa.struct(
    [
        ("count", pa.int64()),
        *((rel, _LINK) for rel in ("self", "next", "prev", "last")),
        ("shardsStatusResult", _SHARDS),
    ]
)
FORMAT = RecordList(Conversations, "conversationHistoryRecords", {"_metadata": _METADATA}, durations)
DATASET = Dataset(
    vendor="liveperson",
    name="conversations",
    schema=Conversations,
    grain="One row a messaging conversation that started on the day, in its latest state.",
    documentation="https://developers.liveperson.com/messaging-interactions-api-methods-conversations.html",
    event_time="start_time",
    retention=RETENTION,
    lateness=LATENESS,
    repeats=Repeats.LATEST,
    answers_reach_beyond=True,
    checks=CONVERSATION_CHECKS,
    measures={
        "open_conversations": "count(*) filter (where status = 'OPEN')",
        "messages": "sum(len(message_records))::bigint",
    },
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="liveperson_messaging"))
def conversations(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_messaging: LivePersonMessagingResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    connect = liveperson_messaging.connect
    yield from extract_days(context, DATASET, config, connect, FORMAT, archive, warehouse, archived_day)
