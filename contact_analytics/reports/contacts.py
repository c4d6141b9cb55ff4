"""Contacts of every vendor in the same columns: what began when, on which channel, and what became of it."""

from typing import Any

import polars as pl

from contact_analytics.lib.report import REACH, Frames, Input
from contact_analytics.reports.channels import CONVERSATIONS, MESSAGING, NOT_STATED, messaging_channel
from contact_analytics.reports.people import USERS, held_on_the_day

ENGAGEMENT, CARE = "liveperson.engagement", "khoros_care.conversation"
SEGMENTS = "nice_cxone.recording_interaction_metadata"
_BOT = 2
_TIME = pl.Datetime("us", "UTC")

INPUTS = (
    Input(
        ENGAGEMENT,
        "select partition_date, conversation_id, type, source_origin, agent_id, "
        "coalesce(conversation_start_time, queue_start_time, start_time) as started_at, interaction_start_time, "
        f"conversation_end_time from {ENGAGEMENT} where partition_date between $first and $last "
        "and coalesce(conversation_start_time, queue_start_time, start_time) between $day and $day + 1",
        {
            "partition_date": pl.Date,
            "conversation_id": pl.String,
            "type": pl.String,
            "source_origin": pl.String,
            "agent_id": pl.String,
            "started_at": _TIME,
            "interaction_start_time": _TIME,
            "conversation_end_time": _TIME,
        },
        days_after=REACH,
    ),
    held_on_the_day(USERS, {"id": pl.String, "user_type_id": pl.Int64}, selected="id::varchar as id, user_type_id"),
    Input(
        CONVERSATIONS,
        # What the customer sees of the main dialog: no note among agents, no line of the system, no survey.
        "select source, status, start_time as started_at, conversation_end_time, "
        "message_records is not null as has_messages, "
        "list_min([m.time for m in message_records if m.sent_by ilike 'agent' "
        "and m.audience is distinct from 'AGENTS_AND_MANAGERS' and m.participant_id is distinct from '0' "
        "and coalesce(m.dialog_id, conversation_id) = conversation_id]) as answered_at, "
        "len([p for p in agent_participants if p.user_type = '2']) as bots, "
        "len([p for p in agent_participants if coalesce(p.user_type, '1') not in ('0', '2')]) as humans "
        f"from {CONVERSATIONS} where partition_date = $day",
        {
            "source": pl.String,
            "status": pl.String,
            "started_at": _TIME,
            "conversation_end_time": _TIME,
            "has_messages": pl.Boolean,
            "answered_at": _TIME,
            "bots": pl.Int64,
            "humans": pl.Int64,
        },
    ),
    Input(
        CARE,
        "select partition_date, network, status, created_date, first_response_date, closed_date, conversation_tar, "
        f"conversation_handle_time from {CARE}_latest where created_date between $day and $day + 1 "
        "or (created_date is null and partition_date = $day)",
        {
            "partition_date": pl.Date,
            "network": pl.String,
            "status": pl.String,
            "created_date": _TIME,
            "first_response_date": _TIME,
            "closed_date": _TIME,
            "conversation_tar": pl.Float64,
            "conversation_handle_time": pl.Float64,
        },
        days_after=REACH,
    ),
    Input(
        SEGMENTS,
        "select coalesce(acd_call_id, segment_id) as call_id, start_date, voice_recording_status, "
        "coalesce(agent_1_acd_id, agent_1_name) is not null as has_agent "
        f"from {SEGMENTS} where partition_date between $first and $last",
        {
            "call_id": pl.String,
            "start_date": _TIME,
            "voice_recording_status": pl.String,
            "has_agent": pl.Boolean,
        },
        days_before=1,
    ),
)


def contacts(frames: Frames, *, has_conversations: bool) -> pl.DataFrame:
    """One row a contact of those that the inputs hold, in the columns that all vendors share.

    What is left out is among them, and says so: Data Access's rows of messaging where the company `has_conversations`,
    and what has no start.
    """
    return pl.concat(
        [
            _engagements(frames[ENGAGEMENT], frames[USERS], has_conversations=has_conversations),
            _messaging(frames[CONVERSATIONS]),
            _social(frames[CARE]),
            _calls(frames[SEGMENTS]),
        ]
    )


def _engagements(engagement: pl.DataFrame, users: pl.DataFrame, *, has_conversations: bool) -> pl.DataFrame:
    is_messaging = pl.col("type") == MESSAGING
    known = engagement.filter(is_messaging | (pl.col("type") == "LIVE_CHAT"))
    last = known.sort("partition_date", "conversation_end_time").unique("conversation_id", keep="last")
    return _shared(
        last.join(users, left_on="agent_id", right_on="id", how="left"),
        "liveperson",
        media_type=pl.when(is_messaging).then(pl.lit("messaging")).otherwise(pl.lit("chat")),
        is_left_out=is_messaging & pl.lit(has_conversations),
        channel=pl.col("source_origin"),
        is_answered=pl.col("interaction_start_time").is_not_null(),
        time_to_answer=_between("started_at", "interaction_start_time"),
        handle_time=_between("interaction_start_time", "conversation_end_time"),
        is_bots=pl.col("user_type_id") == _BOT,
    )


def _messaging(conversations: pl.DataFrame) -> pl.DataFrame:
    return _shared(
        conversations,
        "liveperson",
        media_type=pl.lit("messaging"),
        channel=messaging_channel(),
        is_answered=pl.when("has_messages").then(pl.col("answered_at").is_not_null()),
        time_to_answer=_between("started_at", "answered_at"),
        handle_time=_between("answered_at", "conversation_end_time"),
        is_open=pl.col("status") == "OPEN",
        is_bots=(pl.col("bots") > 0) & (pl.col("humans") == 0),
    )


def _social(care: pl.DataFrame) -> pl.DataFrame:
    closed = pl.col("closed_date").is_not_null() | (pl.col("status").str.to_uppercase() == "CLOSED")
    return _shared(
        care.with_columns(started_at=pl.coalesce("created_date", pl.col("partition_date").cast(_TIME))),
        "khoros_care",
        media_type=pl.lit("social"),
        channel=pl.col("network"),
        is_left_out=pl.col("created_date").is_null(),
        is_answered=pl.any_horizontal(pl.col("first_response_date", "conversation_tar").is_not_null()),
        time_to_answer=pl.coalesce(_between("started_at", "first_response_date"), "conversation_tar"),
        handle_time=pl.col("conversation_handle_time"),
        is_open=~closed,
    )


def _calls(segments: pl.DataFrame) -> pl.DataFrame:
    calls = segments.group_by("call_id").agg(
        started_at=pl.col("start_date").min(),
        is_voice=pl.col("voice_recording_status").is_not_null().any(),
        has_agent=pl.col("has_agent").any(),
    )
    return _shared(
        calls,
        "nice_cxone",
        media_type=pl.when("is_voice").then(pl.lit("voice")),
        channel=pl.when("is_voice").then(pl.lit("Phone")),
        is_answered=pl.when("has_agent").then(pl.lit(True)),
    )


_FACTS: dict[str, Any] = {
    "is_answered": pl.Boolean,
    "is_open": pl.Boolean,
    "is_bots": pl.Boolean,
    "time_to_answer": pl.Float64,
    "handle_time": pl.Float64,
}


def _shared(
    frame: pl.DataFrame,
    vendor: str,
    media_type: pl.Expr,
    channel: pl.Expr,
    is_left_out: pl.Expr | None = None,
    **facts: pl.Expr,
) -> pl.DataFrame:
    """The shared columns; a fact that is not given is not known, nor is one of what is left out."""
    left_out = pl.lit(False) if is_left_out is None else is_left_out
    return frame.select(
        "started_at",
        vendor=pl.lit(vendor),
        media_type=media_type.fill_null(NOT_STATED),
        channel=channel.fill_null(NOT_STATED),
        is_left_out=left_out,
        **{name: pl.when(~left_out).then(facts.get(name)).cast(kind) for name, kind in _FACTS.items()},
    )


def _between(first: str, last: str) -> pl.Expr:
    """The seconds between two times; null where a clock has the second before the first."""
    seconds = (pl.col(last) - pl.col(first)).dt.total_milliseconds() / 1000
    return pl.when(seconds >= 0).then(seconds)
