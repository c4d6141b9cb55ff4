"""Contact volume: how many contacts began in each hour, on which channel, and how soon they were answered."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.report import Frames, Report
from contact_analytics.lib.report_days import PagesResource, make_report
from contact_analytics.lib.schema import field, many
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.channels import CONVERSATIONS, HAS_CONVERSATIONS
from contact_analytics.reports.contact_volume_page import paint
from contact_analytics.reports.contacts import CARE, ENGAGEMENT, INPUTS, SEGMENTS, contacts
from contact_analytics.reports.people import USERS
from contact_analytics.settings import PARTITIONS, has_table

_STARTS = (
    f"{ENGAGEMENT}.start_time",
    f"{ENGAGEMENT}.conversation_start_time",
    f"{ENGAGEMENT}.queue_start_time",
    f"{CONVERSATIONS}.start_time",
    f"{CARE}.created_date",
    f"{SEGMENTS}.start_date",
)
_ANSWERS = (
    f"{ENGAGEMENT}.interaction_start_time",
    f"{CONVERSATIONS}.message_records",
    f"{CARE}.first_response_date",
    f"{CARE}.conversation_tar",
)
_TO_ANSWER = (*_STARTS[:-1], *_ANSWERS)
_HANDLING = (
    *_ANSWERS[:2],
    f"{ENGAGEMENT}.conversation_end_time",
    f"{CONVERSATIONS}.conversation_end_time",
    f"{CARE}.conversation_handle_time",
)


def _seconds(meaning: str, sources: tuple[str, ...]) -> Any:
    return field(dy.Float64, f"{meaning}; null where none is known", unit="s", sources=sources)


class ContactVolume(dy.Schema):
    """One row a vendor, media type, channel and hour in which contacts began."""

    vendor = field(dy.String, "liveperson, khoros_care or nice_cxone", key=True)
    media_type = field(
        dy.String,
        "chat, messaging, social, voice, or not stated",
        key=True,
        sources=(f"{ENGAGEMENT}.type", f"{SEGMENTS}.voice_recording_status"),
    )
    channel = field(
        dy.String,
        "Channel, such as Web, App, SMS or a social network, in the vendor's words",
        key=True,
        sources=(
            f"{ENGAGEMENT}.source_origin",
            f"{CONVERSATIONS}.source",
            f"{CARE}.network",
            f"{SEGMENTS}.voice_recording_status",
        ),
    )
    hour = field(
        dy.Int64, "Hour of the day in which the contacts began, UTC", key=True, unit="0 to 23", sources=_STARTS
    )
    contacts = field(
        dy.Int64,
        "Contacts that began in the hour",
        required=True,
        unit="contacts",
        sources=(
            f"{ENGAGEMENT}.conversation_id",
            f"{CONVERSATIONS}.conversation_id",
            f"{CARE}.conversation_id",
            f"{SEGMENTS}.acd_call_id",
            f"{SEGMENTS}.segment_id",
        ),
    )
    answered_contacts = field(
        dy.Int64,
        "Those of them that an agent or a bot answered; null where that is not known",
        unit="contacts",
        sources=(*_ANSWERS, f"{SEGMENTS}.agent_1_acd_id", f"{SEGMENTS}.agent_1_name"),
    )
    open_contacts = field(
        dy.Int64,
        "Those of them that were open when the report was made; null where the vendor has closed ones alone",
        unit="contacts",
        sources=(f"{CONVERSATIONS}.status", f"{CARE}.status", f"{CARE}.closed_date"),
    )
    bot_contacts = field(
        dy.Int64,
        "Those of them that bots alone had; null where that is not known",
        unit="contacts",
        sources=(f"{ENGAGEMENT}.agent_id", f"{USERS}.user_type_id", f"{CONVERSATIONS}.agent_participants"),
    )
    left_out = field(
        dy.Int64,
        "Further rows that are no contact of the hour: messaging that liveperson.conversations has, and conversations "
        "of Khoros Care without a creation time, which stand at hour 0",
        required=True,
        unit="rows",
        sources=(f"{ENGAGEMENT}.type", f"{CARE}.created_date"),
    )
    median_time_to_answer = _seconds("Median time from the start to the answer", _TO_ANSWER)
    p90_time_to_answer = _seconds("Time within which nine of ten of the answered were answered", _TO_ANSWER)
    median_handle_time = _seconds("Median handle time", _HANDLING)
    p90_handle_time = _seconds("Handle time that nine of ten do not exceed", _HANDLING)
    times_to_answer = many(
        field(dy.Float64, "Time to answer", unit="s"),
        "Time to answer of each contact of which it is known: medians of several rows come from these",
        unit="s",
        sources=_TO_ANSWER,
    )
    handle_times = many(
        field(dy.Float64, "Handle time", unit="s"),
        "Handle time of each contact of which it is known: medians of several rows come from these",
        unit="s",
        sources=_HANDLING,
    )

    @dy.rule()
    def parts_are_within_the_whole(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules are class methods
        parts = pl.max_horizontal("answered_contacts", "open_contacts", "bot_contacts")
        return parts.fill_null(0) <= pl.col("contacts")


REPORT = Report(
    name="contact_volume",
    title="Contact volume",
    schema=ContactVolume,
    grain="One row a vendor, media type, channel and hour in which contacts began, in UTC.",
    rules="""
        A contact counts once, in the hour in which it began, however many rows and days the vendor has of it.

        Chats are the rows of liveperson.engagement of type LIVE_CHAT; they begin as the visitor enters the queue. They
        are filed when they have ended: those that ended later count once they have, up to seven days later, when the
        day is made again.

        Messaging is liveperson.conversations. Rows of type MESSAGING of liveperson.engagement are the same
        conversations as Data Access sees them: they are left out, and counted as such. A company without
        liveperson.conversations has them as its messaging.

        Social is what Khoros Care has, whatever the network, by when a conversation was created and in its latest
        state. What has no creation time is left out, and counted as such on the day that it is filed with.

        Of NICE CXone there are recorded interactions alone: what nobody recorded is in none of its exports. Segments
        of one ACD call are one contact that began with the first of them; those of the day before are looked at where
        they are stored. It is voice if the state of a voice recording is given. Direction and times are not given.

        A chat is answered when agent and visitor are connected, messaging with the first message of an agent or a bot
        that the customer sees, social with the first response; a call if an agent is on one of its segments.

        The time to answer runs from the start to the answer. The handle time of chat and messaging runs from the answer
        to the end: in messaging with all waiting for the customer, without the survey. That of Khoros Care is the
        vendor's own, taken as seconds, as its unit is documented nowhere.

        Chats are known once they have ended, and calls once they are over: what is open is told of messaging and social
        alone.

        Bots alone had a chat if its last agent is a bot, and a messaging conversation if a bot and no human agent took
        part. Of other contacts that is not known.

        Contacts can be added up over rows. Medians and percentiles cannot: take them from the lists of times.
    """,
    inputs=INPUTS,
    has=has_table,
)


@dg.asset(**daily_report(REPORT, PARTITIONS))
def contact_volume(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


def compute(day: date, frames: Frames, *, has_conversations: bool = HAS_CONVERSATIONS) -> pl.DataFrame:
    """The rows of a day."""
    keys = ["vendor", "media_type", "channel", "hour"]
    every = contacts(frames, has_conversations=has_conversations)
    of_day = every.filter(pl.col("started_at").dt.date() == day)
    hours = of_day.with_columns(hour=pl.col("started_at").dt.hour().cast(pl.Int64))
    return (
        hours.group_by(keys)
        .agg(
            contacts=(~pl.col("is_left_out")).sum().cast(pl.Int64),
            answered_contacts=_known("is_answered"),
            open_contacts=_known("is_open"),
            bot_contacts=_known("is_bots"),
            left_out=pl.col("is_left_out").sum().cast(pl.Int64),
            median_time_to_answer=pl.col("time_to_answer").median(),
            p90_time_to_answer=pl.col("time_to_answer").quantile(0.9, "linear"),
            median_handle_time=pl.col("handle_time").median(),
            p90_handle_time=pl.col("handle_time").quantile(0.9, "linear"),
            times_to_answer=pl.col("time_to_answer").drop_nulls().sort(),
            handle_times=pl.col("handle_time").drop_nulls().sort(),
        )
        .sort(keys)
    )


def _known(fact: str) -> pl.Expr:
    """Of how many it is so; null where it is known of none."""
    return pl.when(pl.col(fact).is_not_null().any()).then(pl.col(fact).sum().cast(pl.Int64))
