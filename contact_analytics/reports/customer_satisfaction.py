"""Customer satisfaction: how many surveys were answered, and what they say: CSAT, NPS, and whether it was solved."""

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
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.channels import CONVERSATIONS, HAS_CONVERSATIONS
from contact_analytics.reports.customer_satisfaction_page import paint
from contact_analytics.reports.people import AGENT_GROUPS, SKILLS, USERS
from contact_analytics.reports.survey_answers import (
    ENGAGEMENT,
    INPUTS,
    KEYS,
    SURVEY,
    surveys_and_answers,
    with_ratios,
)
from contact_analytics.settings import PARTITIONS, has_table

# By these a survey counts on a day.
_BEGAN = tuple(f"{ENGAGEMENT}.{time}" for time in ("conversation_start_time", "queue_start_time", "start_time"))
_EXITS = (*(f"{SURVEY}.{column}" for column in ("conversation_id", "id", "type", "view_time", "start_time")), *_BEGAN)
_SHOWN = (
    *_EXITS,
    *(f"{CONVERSATIONS}.{column}" for column in ("conversation_id", "dialogs", "conversation_surveys")),
)
_CHAT, _MESSAGING = (f"{SURVEY}.contents",), (f"{CONVERSATIONS}.conversation_surveys",)
_CSAT = (*_CHAT, *_MESSAGING, f"{CONVERSATIONS}.csat_rate")
_ANSWERED = tuple(dict.fromkeys((*_SHOWN, *_CSAT)))


def _count(meaning: str, sources: tuple[str, ...], unit: str = "answers") -> Any:
    return field(dy.Int64, meaning, required=True, unit=unit, sources=sources)


class CustomerSatisfaction(dy.Schema):
    """One row a media type, channel, skill and agent group with surveys."""

    media_type = field(dy.String, "chat or messaging", key=True, sources=(f"{ENGAGEMENT}.type",))
    channel = field(
        dy.String,
        "Channel, such as Web, App or SMS",
        key=True,
        sources=(f"{ENGAGEMENT}.source_origin", f"{CONVERSATIONS}.source"),
    )
    skill = field(
        dy.String,
        "Last skill",
        key=True,
        sources=(f"{ENGAGEMENT}.skill_id", f"{SKILLS}.name", f"{CONVERSATIONS}.latest_skill_name"),
    )
    agent_group = field(
        dy.String,
        "Group of the last agent",
        key=True,
        sources=(
            f"{ENGAGEMENT}.agent_id",
            f"{USERS}.member_of",
            f"{AGENT_GROUPS}.name",
            f"{CONVERSATIONS}.latest_agent_group_name",
        ),
    )
    surveys_shown = _count("Surveys that customers were shown", _SHOWN, "surveys")
    surveys_left_out = _count(
        "Exit surveys in liveperson.survey of messaging, of which liveperson.conversations has the surveys",
        (*_EXITS, f"{ENGAGEMENT}.type"),
        "surveys",
    )
    surveys_answered = _count("Those of them with an answer", _ANSWERED, "surveys")
    response_rate = field(dy.Float64, "Part of the surveys that was answered", unit="0 to 1", sources=_ANSWERED)
    csat_answers = _count("Ratings of 1 to 5", _CSAT)
    csat_satisfied = _count("Those of them at or above the threshold", _CSAT)
    ratings_1 = _count("Ratings of 1", _CSAT)
    ratings_2 = _count("Ratings of 2", _CSAT)
    ratings_3 = _count("Ratings of 3", _CSAT)
    ratings_4 = _count("Ratings of 4", _CSAT)
    ratings_5 = _count("Ratings of 5", _CSAT)
    csat = field(
        dy.Float64,
        "CSAT: part of the ratings at or above the threshold; null without any",
        unit="0 to 1",
        sources=_CSAT,
    )
    average_rating = field(dy.Float64, "Average rating; null without any", unit="1 to 5", sources=_CSAT)
    nps_answers = _count("Answers of 0 to 10 to whether the customer would recommend the brand", _MESSAGING)
    nps_promoters = _count("Those of them of 9 or 10", _MESSAGING)
    nps_passives = _count("Those of them of 7 or 8", _MESSAGING)
    nps_detractors = _count("Those of them of 0 to 6", _MESSAGING)
    nps = field(
        dy.Float64,
        "Net promoter score: percentage of promoters less that of detractors; null without answers",
        unit="-100 to 100",
        sources=_MESSAGING,
    )
    fcr_answers = _count("Answers to whether the first contact solved it", _MESSAGING)
    fcr_resolved = _count("Those of them that say so", _MESSAGING)
    fcr = field(dy.Float64, "First contact resolution; null without answers", unit="0 to 1", sources=_MESSAGING)
    skipped_answers = _count("Questions of CSAT, NPS or FCR that were left out", (*_CHAT, *_MESSAGING), "questions")
    invalid_answers = _count("Answers to such questions that are none on their scale", _CSAT)

    @dy.rule()
    def parts_make_up_the_whole(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules are class methods
        return (
            (pl.col("surveys_answered") <= pl.col("surveys_shown"))
            & (pl.sum_horizontal("^ratings_.$") == pl.col("csat_answers"))
            & (pl.sum_horizontal("nps_promoters", "nps_passives", "nps_detractors") == pl.col("nps_answers"))
        )


REPORT = Report(
    name="customer_satisfaction",
    title="Customer satisfaction",
    schema=CustomerSatisfaction,
    grain="One row a media type, channel, skill and agent group of which customers were surveyed.",
    rules="""
        A survey counts on the UTC day on which its conversation began, as contacts do in contact_volume, so that the
        two can be set against each other. Surveys are answered later: the day is made again when the next day's are in,
        and when a conversation of the day has changed.

        Chat is the exit surveys (type 2) of liveperson.survey, shown or answered, of up to seven days after. Those of
        conversations of type MESSAGING are left out, as messaging has them, and counted as such; a company without
        liveperson.conversations has them as its messaging. One whose conversation is not in
        liveperson.engagement counts on its own day, its channel, skill and agent group not stated.

        Messaging is liveperson.conversations: of a conversation with a survey's dialog, a survey or a rating, one
        survey was shown.

        A survey is answered if any of its questions is, those of open text included. Otherwise open text and questions
        of the brand's own are ignored.

        CSAT is the part of ratings at or above the threshold. In chat, the questions are those that state a threshold,
        and it is theirs. Messaging states none: satisfied are 4 and 5 of 5. A messaging conversation's rating is the
        vendor's figure (csat_rate) or, without one, its last accepted answer.

        NPS and FCR are asked in messaging alone. Promoters answered 9 or 10, detractors 0 to 6; NPS is the percentage
        of promoters less that of detractors. FCR is the part that answered yes.

        A question counts once a survey, with the last answer that is on its scale, as the vendor repeats answers within
        milliseconds. What the vendor refused or is not on the scale is invalid, what is empty was left out; neither
        counts for CSAT, NPS and FCR.

        Skill and agent group are the last of the conversation, by the names that they had when the day ended; of a
        chat's agent it is the group that the agent was in then. Where nobody had looked before, it is what is known
        first.

        Counts can be added up over rows. Ratios cannot: divide the sums.
    """,
    inputs=INPUTS,
    has=has_table,
)


@dg.asset(**daily_report(REPORT, PARTITIONS))
def customer_satisfaction(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


def compute(day: date, frames: Frames, *, has_conversations: bool = HAS_CONVERSATIONS) -> pl.DataFrame:
    """The rows of a day."""
    surveys, answers = surveys_and_answers(day, frames, has_conversations=has_conversations)
    shown = surveys.group_by(KEYS).agg(
        surveys_shown=(~pl.col("is_left_out")).sum().cast(pl.Int64),
        surveys_left_out=pl.col("is_left_out").sum().cast(pl.Int64),
        surveys_answered=pl.col("is_answered").sum().cast(pl.Int64),
    )
    value, kind = pl.col("value"), pl.col("question_type")
    given = {name: value.is_not_null() & (kind == name) for name in ("csat", "nps", "fcr")}
    wanted = {
        "csat_answers": given["csat"],
        "csat_satisfied": given["csat"] & (value >= pl.col("threshold")),
        **{f"ratings_{rating}": given["csat"] & (value == rating) for rating in range(1, 6)},
        "nps_answers": given["nps"],
        "nps_promoters": given["nps"] & (value >= 9),
        "nps_passives": given["nps"] & value.is_between(7, 8),
        "nps_detractors": given["nps"] & (value <= 6),
        "fcr_answers": given["fcr"],
        "fcr_resolved": given["fcr"] & (value == 1),
        "skipped_answers": pl.col("is_skipped"),
        "invalid_answers": pl.col("is_invalid"),
    }
    said = answers.group_by(KEYS).agg(**{name: held.sum().cast(pl.Int64) for name, held in wanted.items()})
    counts = shown.join(said, on=KEYS, how="left").with_columns(pl.col(*wanted).fill_null(0))
    return with_ratios(counts).sort(KEYS)
