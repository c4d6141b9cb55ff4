"""LivePerson's customer surveys of chat and messaging in the same columns, and what was answered."""

from datetime import date

import polars as pl

from contact_analytics.lib.report import REACH, Frames, Input, ratio
from contact_analytics.reports.channels import CONVERSATIONS, MESSAGING, NOT_STATED, messaging_channel
from contact_analytics.reports.people import AGENT_GROUPS, SKILLS, USERS, held_on_the_day, names

SURVEY, ENGAGEMENT = "liveperson.survey", "liveperson.engagement"
KEYS = ["media_type", "channel", "skill", "agent_group"]
# Of what is stated nowhere: four and five of five are satisfied.
THRESHOLD = 4.0
_EXIT = 2
_TIME = pl.Datetime("us", "UTC")
_SOLVED = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
_HIGHEST = {"csat": 5, "nps": 10, "fcr": 1}
_SHARED = {
    "survey": pl.String,
    "question_type": pl.String,
    "question": pl.String,
    "answer": pl.String,
    "is_accepted": pl.Boolean,
    "threshold": pl.Float64,
    "place": pl.Int64,
}

INPUTS = (
    Input(
        SURVEY,
        "select * exclude (content), content.question, content.answer, content.answer_submit_time, "
        "content.csat_threshold from (select conversation_id, id, type, coalesce(view_time, "
        "list_min([c.answer_submit_time for c in contents]), start_time, partition_date) as shown_at, "
        "unnest(coalesce(nullif(contents, []), [null])) as content "
        f"from {SURVEY} where partition_date between $first and $last)",
        {
            "conversation_id": pl.String,
            "id": pl.Int64,
            "type": pl.Int64,
            "shown_at": _TIME,
            "question": pl.String,
            "answer": pl.String,
            "answer_submit_time": _TIME,
            "csat_threshold": pl.Float64,
        },
        days_after=REACH,
    ),
    Input(
        ENGAGEMENT,
        "select partition_date, conversation_id, type, source_origin, agent_id, skill_id, "
        "coalesce(conversation_start_time, queue_start_time, start_time) as started_at "
        f"from {ENGAGEMENT} where partition_date between $first and $last",
        {
            "partition_date": pl.Date,
            "conversation_id": pl.String,
            "type": pl.String,
            "source_origin": pl.String,
            "agent_id": pl.String,
            "skill_id": pl.Int64,
            "started_at": _TIME,
        },
        days_before=REACH,
        days_after=REACH,
    ),
    Input(
        CONVERSATIONS,
        "select * exclude (said), said.question_type, said.question_format, said.answer, said.answer_id, "
        "said.is_valid_answer from (select conversation_id, source, latest_skill_name, latest_agent_group_name, "
        "csat_rate, coalesce(list_contains([d.dialog_type for d in dialogs], 'POST_SURVEY'), false) "
        "or coalesce(len(conversation_surveys), 0) > 0 or csat_rate is not null as is_surveyed, "
        "flatten([coalesce(s.survey_data, []) for s in conversation_surveys]) as answers, "
        "unnest(coalesce(nullif(answers, []), [null])) as said, generate_subscripts(answers, 1) as place "
        f"from {CONVERSATIONS} where partition_date = $day)",
        {
            "conversation_id": pl.String,
            "source": pl.String,
            "latest_skill_name": pl.String,
            "latest_agent_group_name": pl.String,
            "csat_rate": pl.Int64,
            "is_surveyed": pl.Boolean,
            "question_type": pl.String,
            "question_format": pl.String,
            "answer": pl.String,
            "answer_id": pl.String,
            "is_valid_answer": pl.Boolean,
            "place": pl.Int64,
        },
    ),
    names(SKILLS),
    held_on_the_day(
        USERS,
        {"id": pl.String, "agent_group_id": pl.Int64},
        selected="id::varchar as id, member_of.agent_group_id as agent_group_id",
    ),
    names(AGENT_GROUPS),
)


def surveys_and_answers(day: date, frames: Frames, *, has_conversations: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The surveys of conversations that began on a day, one row each, and their answers to questions with a scale.

    Exit surveys of messaging are left out, and say so, where the company `has_conversations`. An answer has its
    `value`, null if it was left out (`is_skipped`) or is none on its scale (`is_invalid`). Both have the keys of what
    they count for.
    """
    exits, messaging = _exit_surveys(day, frames), _of_messaging(frames[CONVERSATIONS])
    is_left_out = (pl.col("media_type") == "messaging") & pl.lit(has_conversations)
    chat, left_out = exits.filter(~is_left_out), exits.filter(is_left_out)
    said = pl.concat([_chat_answers(chat), _messaging_answers(messaging)])
    given = said.filter(pl.col("is_accepted") & pl.col("answer").is_not_null())
    counted = pl.concat([chat.select("survey", *KEYS), messaging.select("survey", *KEYS)])
    not_counted = left_out.select("survey", *KEYS, is_left_out=pl.lit(True))
    shown = pl.concat([counted.with_columns(is_left_out=pl.lit(False)), not_counted]).unique("survey")
    answered = given.select("survey", is_answered=pl.lit(True)).unique()
    surveys = shown.join(answered, on="survey", how="left").with_columns(pl.col("is_answered").fill_null(False))
    return surveys, _counted(said).join(shown, on="survey")


def _exit_surveys(day: date, frames: Frames) -> pl.DataFrame:
    """The exit surveys of conversations that began on the day, one row a question and time that it was answered."""
    talks = frames[ENGAGEMENT].sort("partition_date").unique("conversation_id", keep="last")
    groups = frames[USERS].join(frames[AGENT_GROUPS], left_on="agent_group_id", right_on="id", how="left")
    talks = (
        talks.join(frames[SKILLS].rename({"name": "skill"}), left_on="skill_id", right_on="id", how="left")
        .join(groups.rename({"name": "agent_group"}), left_on="agent_id", right_on="id", how="left")
        .select(
            "conversation_id", "started_at", "skill", "agent_group", conversation_type="type", channel="source_origin"
        )
    )
    surveys = frames[SURVEY].filter(pl.col("type") == _EXIT).join(talks, on="conversation_id", how="left")
    began = pl.coalesce("started_at", "shown_at").dt.date()
    is_messaging = pl.col("conversation_type").eq_missing(pl.lit(MESSAGING))
    return surveys.filter(began == day).with_columns(
        pl.col("channel", "skill", "agent_group").fill_null(NOT_STATED),
        survey=pl.format("{}/{}", "conversation_id", "id"),
        media_type=pl.when(is_messaging).then(pl.lit("messaging")).otherwise(pl.lit("chat")),
    )


def _of_messaging(conversations: pl.DataFrame) -> pl.DataFrame:
    """The conversations of which the customer was asked, one row an answer."""
    return conversations.filter("is_surveyed").with_columns(
        survey=pl.col("conversation_id"),
        media_type=pl.lit("messaging"),
        channel=messaging_channel().fill_null(NOT_STATED),
        skill=pl.col("latest_skill_name").fill_null(NOT_STATED),
        agent_group=pl.col("latest_agent_group_name").fill_null(NOT_STATED),
    )


def _chat_answers(surveys: pl.DataFrame) -> pl.DataFrame:
    is_csat = pl.col("csat_threshold") > 0
    return _shared(
        surveys.filter(pl.col("question").is_not_null() | pl.col("answer").is_not_null()),
        question_type=pl.when(is_csat).then(pl.lit("csat")),
        question=pl.col("question"),
        is_accepted=pl.lit(True),
        threshold=pl.col("csat_threshold"),
        place=pl.col("answer_submit_time").dt.epoch("us"),
    )


def _messaging_answers(surveys: pl.DataFrame) -> pl.DataFrame:
    kind = pl.col("question_type").str.to_lowercase()
    is_open = pl.col("question_format").str.to_lowercase() == "open"
    said = _shared(
        surveys.filter(pl.col("question_type").is_not_null() | pl.col("answer").is_not_null()),
        question_type=pl.when(~is_open.fill_null(False)).then(kind),
        question=kind,
        is_accepted=pl.col("is_valid_answer").fill_null(True) & pl.col("answer_id").ne_missing("InvalidAnswer"),
        threshold=pl.lit(THRESHOLD),
        place=pl.col("place"),
    )
    # The vendor's own figure of a conversation, after all that its surveys hold.
    rated = _shared(
        surveys.filter(pl.col("csat_rate").is_not_null()).with_columns(answer=pl.col("csat_rate").cast(pl.String)),
        question_type=pl.lit("csat"),
        question=pl.lit("csat"),
        is_accepted=pl.lit(True),
        threshold=pl.lit(THRESHOLD),
        place=pl.lit(2**62),
    )
    return pl.concat([said, rated])


def _shared(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """One row an answer, in the columns that chat and messaging share; an empty text is none."""
    answer = pl.col("answer").str.strip_chars().replace("", None)
    filled = {"survey": pl.col("survey"), "answer": answer} | columns
    return frame.select(filled[name].cast(kind).alias(name) for name, kind in _SHARED.items())


def _counted(said: pl.DataFrame) -> pl.DataFrame:
    """One answer to each question of a survey: the last that is on the scale, else the last that is not."""
    scaled = said.filter(pl.col("question_type").is_in(list(_HIGHEST)))
    number = pl.col("answer").str.extract(r"^([0-9]{1,2})$").cast(pl.Int64)
    solved = pl.col("answer").str.to_lowercase().replace_strict(_SOLVED, default=None, return_dtype=pl.Int64)
    value = pl.when(pl.col("question_type") == "fcr").then(solved).otherwise(number)
    lowest = pl.when(pl.col("question_type") == "csat").then(1).otherwise(0)
    highest = pl.col("question_type").replace_strict(_HIGHEST, return_dtype=pl.Int64)
    valued = scaled.with_columns(value=pl.when(pl.col("is_accepted") & value.is_between(lowest, highest)).then(value))
    is_skipped = pl.col("answer").is_null() & pl.col("is_accepted")
    ranked = valued.with_columns(
        is_skipped=is_skipped,
        is_invalid=pl.col("value").is_null() & ~is_skipped,
        _rank=pl.when(pl.col("value").is_not_null()).then(2).otherwise((~is_skipped).cast(pl.Int32)),
    )
    asked = ["survey", "question_type", "question"]
    return ranked.sort(*asked, "_rank", "place", "answer", "threshold").unique(asked, keep="last")


def with_ratios(counts: pl.DataFrame) -> pl.DataFrame:
    """Counts of surveys and answers with the ratios that follow from them; null where nothing was answered."""
    ratings = pl.sum_horizontal(pl.col(f"ratings_{rating}") * rating for rating in range(1, 6))
    summed = counts.with_columns(_ratings=ratings, _balance=pl.col("nps_promoters") - pl.col("nps_detractors"))
    return summed.with_columns(
        response_rate=ratio("surveys_answered", "surveys_shown"),
        csat=ratio("csat_satisfied", "csat_answers"),
        average_rating=ratio("_ratings", "csat_answers"),
        nps=ratio("_balance", "nps_answers") * 100,
        fcr=ratio("fcr_resolved", "fcr_answers"),
    ).drop("_ratings", "_balance")
