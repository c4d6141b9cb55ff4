"""Customer satisfaction: which answers count for what, worked out by hand, and a second time in SQL over days."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.page import rendered
from contact_analytics.reports.customer_satisfaction import REPORT, compute, customer_satisfaction
from contact_analytics.reports.customer_satisfaction_page import paint
from contact_analytics_tests.fakes import Materialized
from contact_analytics_tests.reports.contact_places import (
    HALF_LOADED,
    Contacts,
    at,
    frames_of,
    queried,
)
from contact_analytics_tests.reports.places import DAYS, FIRST, LAST, ReadPage, make, report_asset, select

DAY = date(2026, 3, 10)
BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)
SURVEYS, CHATS, MESSAGING, SKILLS, USERS, GROUPS = (each.table for each in REPORT.inputs)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
NAMES: Rows = {
    SKILLS: [{"id": 7, "name": "Billing"}],
    USERS: [{"id": "42", "agent_group_id": 3}],
    GROUPS: [{"id": 3, "name": "Service"}],
}


def rows_of(tables: Rows) -> list[dict[str, Any]]:
    """What the report makes of rows of its inputs."""
    return REPORT.schema.validate(compute(DAY, frames_of(REPORT, {**NAMES, **tables}))).to_dicts()


def told(row: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def distribution(row: Mapping[str, Any]) -> list[int]:
    """How often each rating from 1 to 5 was given."""
    return [row[f"ratings_{rating}"] for rating in range(1, 6)]


SHOWN = ("surveys_shown", "surveys_answered")
CSAT = ("csat_answers", "csat_satisfied", "csat", "average_rating")
NPS = ("nps_answers", "nps_promoters", "nps_passives", "nps_detractors", "nps")
FCR = ("fcr_answers", "fcr_resolved", "fcr")
ASIDE = ("skipped_answers", "invalid_answers")


def chat(name: str, began: str = "09:00", **others: Any) -> dict[str, Any]:
    """A chat of the day as `engagement` has it."""
    return {
        "partition_date": DAY,
        "conversation_id": name,
        "type": "LIVE_CHAT",
        "source_origin": "Web",
        "agent_id": "42",
        "skill_id": 7,
        "started_at": at(DAY, began),
        **others,
    }


def said(
    name: str,
    answer: str | None = None,
    question: str | None = "Satisfied?",
    threshold: float | None = 4,
    **others: Any,
) -> dict[str, Any]:
    """An answer to an exit survey as the query has it; without a question, a survey that was only shown."""
    return {
        "conversation_id": name,
        "id": 1,
        "type": 2,
        "shown_at": at(DAY, "09:30"),
        "question": question,
        "answer": answer,
        "answer_submit_time": at(DAY, "09:31"),
        "csat_threshold": threshold,
        **others,
    }


def test_a_day_of_chats_worked_out_by_hand() -> None:
    """Five surveys shown, four answered: ratings 5, 4 and 2 to the question of a threshold, two of them satisfied.

    One wrote a comment alone and left the rating out: answered, and no rating. (5 + 4 + 2) / 3 = 3.67.
    """
    other: dict[str, Any] = {"question": "Was it answered?", "threshold": -1}
    surveys = [
        said("a", "5"),
        said("a", "Yes", **other),
        said("b", "4"),
        said("c", "2"),
        said("d", ""),
        said("d", "Took too long", "Tell us more", threshold=-1),
        said("e", question=None),
    ]
    [row] = rows_of({SURVEYS: surveys, CHATS: [chat(name) for name in "abcde"]})
    assert told(row, "media_type", "channel", "skill", "agent_group") == ("chat", "Web", "Billing", "Service")
    assert told(row, *SHOWN, "response_rate") == (5, 4, 0.8)
    assert told(row, *CSAT) == (3, 2, pytest.approx(2 / 3), pytest.approx(11 / 3))
    assert distribution(row) == [0, 1, 0, 1, 1]
    assert told(row, *ASIDE) == (1, 0)
    assert told(row, *NPS, *FCR) == (0, 0, 0, 0, None, 0, 0, None)


def test_a_chats_threshold_is_the_questions_own() -> None:
    """Three of five is satisfied where the question says so; a question that states none is none of CSAT."""
    thresholds = [3.0, 3.5, 5.0, -1.0, 0.0, None]
    surveys = [said("a", "3", f"Question {number}", threshold=each) for number, each in enumerate(thresholds)]
    [row] = rows_of({SURVEYS: surveys, CHATS: [chat("a")]})
    assert told(row, *CSAT) == (3, 1, pytest.approx(1 / 3), 3)
    assert told(row, *SHOWN) == (1, 1)


def test_answers_that_the_vendor_repeats_count_once() -> None:
    """Milliseconds apart, in two files, changed at last, or left out the second time: the last rating stands."""
    again: dict[str, Any] = {"answer_submit_time": at(DAY, "09:31:00.007")}
    surveys = [
        *(said("a", "5"), said("a", "5", **again), said("a", "5")),
        *(said("b", "1"), said("b", "4", **again)),
        *(said("c", "2"), said("c", "", **again), said("c", "?", **again)),
    ]
    [row] = rows_of({SURVEYS: surveys, CHATS: [chat(name) for name in "abc"]})
    assert told(row, *SHOWN) == (3, 3)
    assert distribution(row) == [0, 1, 0, 1, 1]
    assert told(row, *ASIDE) == (0, 0)


@pytest.mark.parametrize("answer", ["0", "6", "4.5", "very good", "-1", "55", "٣"])
def test_an_answer_that_is_none_on_the_scale_is_counted_as_such(answer: str) -> None:
    """The survey is answered, and its rating is nobody's guess."""
    [row] = rows_of({SURVEYS: [said("a", answer)], CHATS: [chat("a")]})
    assert told(row, *SHOWN, *CSAT, *ASIDE) == (1, 1, 0, 0, None, None, 0, 1)


def test_exit_surveys_of_chats_alone_count() -> None:
    """Not those before the chat, of the agent, or offline; those of messaging are in its own table."""
    others = [said("a", "5") | {"type": kind} for kind in (1, 3, 4, None)]
    assert rows_of({SURVEYS: others, CHATS: [chat("a")]}) == []
    tables = {SURVEYS: [said("a", "5")], CHATS: [chat("a") | {"type": "MESSAGING"}]}
    [row] = rows_of(tables)
    assert told(row, "media_type", "surveys_left_out", *SHOWN, "csat_answers") == ("messaging", 1, 0, 0, 0)
    frame = pl.DataFrame([row], REPORT.schema.create_empty().schema)
    [remark] = paint(frame, frame.with_columns(partition_date=pl.lit(DAY))).remarks
    assert remark == "Surveys of messaging in liveperson.survey, which liveperson.conversations has: 1."
    frames = frames_of(REPORT, {**NAMES, **tables})
    [row] = REPORT.schema.validate(compute(DAY, frames, has_conversations=False)).to_dicts()
    assert told(row, "media_type", "surveys_left_out", *SHOWN, "csat_answers") == ("messaging", 0, 1, 1, 1)


def test_a_survey_counts_on_the_day_on_which_its_chat_began() -> None:
    """Whenever it was answered; where the chat is not known, on the day on which it was shown."""
    surveys = [
        said("a", "5", shown_at=at(AFTER, "00:20")),
        said("b", "4", shown_at=at(DAY, "00:20")),
        said("unknown", "3", shown_at=at(DAY, "23:59:59")),
        said("later", "2", shown_at=at(AFTER, "00:00")),
    ]
    chats = [chat("a", "23:50", partition_date=AFTER), chat("b", started_at=at(BEFORE, "23:50"))]
    rows = rows_of({SURVEYS: surveys, CHATS: chats})
    assert [told(row, "skill", "agent_group", "average_rating") for row in rows] == [
        ("Billing", "Service", 5),
        ("not stated", "not stated", 3),
    ]


def asked(name: str, kind: str | None = None, answer: str | None = None, **others: Any) -> dict[str, Any]:
    """An answer of a messaging conversation as the query has it; `csat` alone where it has no surveys."""
    return {
        "conversation_id": name,
        "source": "APP",
        "latest_skill_name": "Orders",
        "latest_agent_group_name": None,
        "is_surveyed": True,
        "question_type": kind,
        "question_format": kind and "single",
        "answer": answer,
        "answer_id": kind and "1",
        "is_valid_answer": None if kind is None else True,
        "place": 1,
        **others,
    }


def test_a_day_of_messaging_worked_out_by_hand() -> None:
    """Seven asked, six with an answer. CSAT: 5, 4, 3 and 1. NPS of 10, 9, 8, 6 and 0: (2 - 2) / 5. FCR: 1 of 2.

    The one that nobody asked counts for nothing.
    """
    conversations = [
        *(asked("a", "csat", "5"), asked("a", "nps", "10"), asked("a", "custom", "So kind", question_format="open")),
        *(asked("b", "csat", "4"), asked("b", "nps", "9"), asked("b", "fcr", "Yes")),
        *(asked("c", csat_rate=3), asked("g"), asked("z", is_surveyed=False)),
        *(asked("d", "CSAT", " 1 "), asked("d", "nps", "8"), asked("d", "fcr", "no")),
        *(asked("e", "nps", "6"), asked("f", "csat", ""), asked("f", "nps", "0", is_valid_answer=None)),
    ]
    [row] = rows_of({MESSAGING: conversations})
    assert told(row, "media_type", "channel", "skill", "agent_group") == ("messaging", "App", "Orders", "not stated")
    assert told(row, *SHOWN) == (7, 6)
    assert told(row, *CSAT) == (4, 2, 0.5, 13 / 4)
    assert distribution(row) == [1, 0, 1, 1, 1]
    assert told(row, *NPS) == (5, 2, 1, 2, 0)
    assert told(row, *FCR) == (2, 1, 0.5)
    assert told(row, *ASIDE) == (1, 0)


def test_nps_is_the_percentage_of_promoters_less_that_of_detractors() -> None:
    """From 100 down to -100; nine promotes, seven and eight do neither, six detracts."""
    scores = {"10": 100, "9": 100, "8": 0, "7": 0, "6": -100, "0": -100}
    for answer, nps in scores.items():
        [row] = rows_of({MESSAGING: [asked("a", "nps", answer)]})
        assert row["nps"] == nps
    [row] = rows_of(
        {MESSAGING: [asked(str(place), "nps", answer) for place, answer in enumerate(("10", "9", "9", "3"))]}
    )
    assert row["nps"] == 50


def test_the_vendors_own_rating_of_a_conversation_stands() -> None:
    """One rating a conversation: `csat_rate`, as it is moved by late answers; a rate that is none leaves the answer."""
    [row] = rows_of(
        {
            MESSAGING: [
                *(asked("a", "csat", "5", csat_rate=2), asked("a", "csat", "4", csat_rate=2, place=2)),
                asked("b", "csat", "4", csat_rate=0),
                *(asked("c", "csat", "1"), asked("c", "csat", "3", place=2)),
            ]
        }
    )
    assert distribution(row) == [0, 1, 1, 1, 0]
    assert told(row, *SHOWN, *ASIDE) == (3, 3, 0, 0)


def test_what_the_vendor_refused_is_invalid() -> None:
    """By either of its signs, also where it looks like an answer; asked again and answered, it is one."""
    refused = {"is_valid_answer": False}
    [row] = rows_of(
        {
            MESSAGING: [
                asked("a", "nps", "9", **refused),
                asked("b", "nps", "9", answer_id="InvalidAnswer"),
                *(asked("c", "nps", "maybe", **refused), asked("c", "nps", "9", place=2)),
                asked("d", "fcr", "somewhat"),
                asked("e", "nps", "", **refused),
            ]
        }
    )
    assert told(row, *NPS) == (1, 1, 0, 0, 100)
    assert told(row, *SHOWN, *ASIDE) == (5, 2, 0, 4)


def test_open_text_is_ignored_whatever_is_asked() -> None:
    """The reason for a score is no score; it answers the survey."""
    open_text = [asked("a", kind, "10 days are too long", question_format="open") for kind in ("nps", "csat", "custom")]
    [row] = rows_of({MESSAGING: open_text})
    assert told(row, *SHOWN, *ASIDE, "csat_answers", "nps_answers") == (1, 1, 0, 0, 0, 0)


# What the queries read -----------------------------------------------------------------------------------------------


def test_a_survey_that_was_only_shown_is_a_row_without_a_question() -> None:
    """Its time is that of the display, else of the first answer, else of the session."""
    content = (
        "{'question': 'q', 'answer': '5', 'answer_submit_time': timestamptz '2026-03-10 11:00', 'csat_threshold': 4.0}"
    )
    rows = (
        "select date '2026-03-10' as partition_date, unnest(['a', 'b', 'c']) as conversation_id, 1 as id, 2 as type, "
        "unnest([timestamptz '2026-03-10 10:00', null, null]) as view_time, "
        "timestamptz '2026-03-10 12:00' as start_time, "
        f"unnest([null, [{content}, {content}], [{content}][2:]]) as contents"
    )
    found = [told(row, "conversation_id", "question") for row in queried(REPORT, SURVEYS, DAY, rows=rows)]
    assert sorted(found, key=str) == [("a", None), ("b", "q"), ("b", "q"), ("c", None)]
    hours = {row["conversation_id"]: row["shown_at"].hour for row in queried(REPORT, SURVEYS, DAY, rows=rows)}
    assert hours == {"a": 10, "b": 11, "c": 12}


def test_a_conversation_was_surveyed_if_anything_of_it_says_so() -> None:
    """A survey's dialog, a survey, or a rating; a conversation without any is one that nobody asked."""
    answer = "{'question_type': 'nps', 'question_format': '', 'answer': '9', 'answer_id': '1', 'is_valid_answer': true}"
    rows = (
        "select date '2026-03-10' as partition_date, unnest(['a', 'b', 'c', 'd', 'e']) as conversation_id, "
        "'APP' as source, 'Orders' as latest_skill_name, 'Sales' as latest_agent_group_name, "
        "unnest([null, null, 3, null, null]) as csat_rate, unnest("
        "[[{'dialog_type': 'MAIN'}, {'dialog_type': 'POST_SURVEY'}], [{'dialog_type': 'MAIN'}], null, null, null])"
        f" as dialogs, unnest([null, [{{'survey_data': [{answer}, {answer}]}}, {{'survey_data': null}}], null, "
        "[{'survey_data': null}], null]) as conversation_surveys"
    )
    found = queried(REPORT, MESSAGING, DAY, rows=rows)
    told_of = sorted(told(row, "conversation_id", "is_surveyed", "answer", "place") for row in found)
    assert [row[:3] for row in told_of] == [
        ("a", True, None),
        ("b", True, "9"),
        ("b", True, "9"),
        ("c", True, None),
        ("d", True, None),
        ("e", False, None),
    ]
    assert [row[3] for row in told_of if row[0] == "b"] == [1, 2]


# Any answers ---------------------------------------------------------------------------------------------------------

ANSWERS = st.none() | st.sampled_from(["", "yes", "no", "maybe"]) | st.integers(-1, 12).map(str)
SHOWN_ALONE = st.builds(said, st.sampled_from("abc"), st.none(), st.none(), st.none())
ANY_CHAT_ANSWER = SHOWN_ALONE | st.builds(
    said,
    st.sampled_from("abc"),
    ANSWERS,
    st.sampled_from(["p", "q"]),
    st.sampled_from([-1.0, 3.0, 4.0]),
)
ANY_MESSAGING_ANSWER = st.builds(
    asked,
    st.sampled_from("xyz"),
    st.sampled_from([None, "csat", "nps", "fcr", "custom"]),
    ANSWERS,
    is_valid_answer=st.booleans(),
    place=st.integers(1, 3),
)


@given(st.lists(ANY_CHAT_ANSWER, max_size=10), st.lists(ANY_MESSAGING_ANSWER, max_size=10), st.randoms())
def test_parts_make_up_the_whole_whatever_the_answers_and_their_order(
    chats: list[Any], conversations: list[Any], chance: Any
) -> None:
    """Each survey is shown once, a question asked is answered, left out or invalid, and the order changes nothing."""
    tables = {SURVEYS: chats, MESSAGING: conversations, CHATS: [chat(name) for name in "ab"]}
    rows = rows_of(tables)
    surveys = {row["conversation_id"] for row in (*chats, *conversations)}
    assert sum(row["surveys_shown"] for row in rows) == len(surveys)
    is_asked = [row for row in chats if row["question"] and row["csat_threshold"] > 0]
    scaled = [row for row in conversations if row["question_type"] in ("csat", "nps", "fcr")]
    questions = {(row["conversation_id"], row["question"]) for row in is_asked}
    questions |= {(row["conversation_id"], row["question_type"]) for row in scaled}
    outcomes = ("csat_answers", "nps_answers", "fcr_answers", *ASIDE)
    assert sum(row[name] for row in rows for name in outcomes) == len(questions)
    for each in tables.values():
        chance.shuffle(each)
    assert rows_of(tables) == rows


# Days of the sandbox's -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(contacts: Contacts) -> Materialized:
    return make(customer_satisfaction, contacts.folder, contacts.instance, FIRST, LAST)


# One row a survey, its answers as columns, by the flat views; a survey of a chat that is not stored counts when it
# was shown.
AGAIN = """
with chats as (
    select conversation_id, any_value(type) as type, any_value(source_origin) as channel,
        any_value(skills.name) as skill, any_value(agent_groups.name) as agent_group,
        min(conversation_start_time)::date as day
    from liveperson.engagement
    left join liveperson.skills on skills.id = skill_id and skills.is_current
    left join liveperson.users on users.id::varchar = agent_id and users.is_current
    left join liveperson.agent_groups on agent_groups.id = member_of.agent_group_id and agent_groups.is_current
    group by conversation_id
), chat_answers as (
    select conversation_id, survey_id_again as id, min(answer_submit_time) as answered_at,
        count(nullif(answer, '')) > 0 as answered,
        arg_max(answer, answer_submit_time) filter (csat_threshold = 4 and answer <> '') as rating,
        count(*) filter (csat_threshold = 4) > 0 as asked
    from (select conversation_id, id as survey_id_again, unnest(contents, recursive := true)
        from liveperson.survey where type = 2) group by all
), messaging_answers as (
    select conversation_id,
        max(answer) filter (question_type = 'nps' and is_valid_answer and answer <> '') as score,
        max(answer) filter (question_type = 'fcr' and answer <> '') as solved,
        count(*) filter (question_type in ('nps', 'fcr') and answer = '') as skipped,
        count(*) filter (not is_valid_answer) as invalid
    from (select conversation_id, unnest(survey_data, recursive := true)
        from liveperson.conversations_conversation_surveys) group by all
), surveys as (
    select 'chat' as media_type, coalesce(channel, 'not stated') as channel, skill, agent_group,
        coalesce(day, coalesce(view_time, answered_at, start_time)::date) as day, coalesce(answered, false) as answered,
        try_cast(rating as int) as rating, null::int as score, null as solved,
        (coalesce(asked, false) and rating is null)::int as skipped, 0 as invalid
    from (select conversation_id, id, min(view_time) as view_time, min(start_time) as start_time
        from liveperson.survey where type = 2 group by all)
    left join chat_answers using (conversation_id, id) left join chats using (conversation_id)
    where coalesce(type, 'LIVE_CHAT') = 'LIVE_CHAT'
    union all
    select 'messaging', case source when 'SHARK' then 'Web' when 'APP' then 'App' when 'FACEBOOK' then 'Facebook'
        else source end, latest_skill_name, latest_agent_group_name, start_time::date, csat_rate is not null, csat_rate,
        score::int, solved, coalesce(skipped, 0), coalesce(invalid, 0)
    from liveperson.conversations left join messaging_answers using (conversation_id)
    semi join (select * from liveperson.conversations_dialogs where dialog_type = 'POST_SURVEY') using (conversation_id)
)
select media_type, channel, coalesce(skill, 'not stated') as skill, coalesce(agent_group, 'not stated') as agent_group,
    count(*) as surveys_shown, sum(answered::int) as surveys_answered, avg(answered::int) as response_rate,
    count(rating) as csat_answers, count(*) filter (rating >= 4) as csat_satisfied,
    count(*) filter (rating = 1) as ratings_1, count(*) filter (rating = 2) as ratings_2,
    count(*) filter (rating = 3) as ratings_3, count(*) filter (rating = 4) as ratings_4,
    count(*) filter (rating = 5) as ratings_5, avg((rating >= 4)::int) as csat, avg(rating) as average_rating,
    count(score) as nps_answers, count(*) filter (score >= 9) as nps_promoters,
    count(*) filter (score in (7, 8)) as nps_passives, count(*) filter (score <= 6) as nps_detractors,
    avg(case when score >= 9 then 100 when score >= 7 then 0 when score >= 0 then -100 end) as nps,
    count(solved) as fcr_answers, count(*) filter (solved = 'yes') as fcr_resolved,
    avg((solved = 'yes')::int) as fcr, sum(skipped) as skipped_answers, sum(invalid) as invalid_answers
from surveys where day = $day::date group by all order by all
"""


def test_every_day_is_what_sql_makes_of_the_vendors_tables(contacts: Contacts, made: Materialized) -> None:
    """By another way: one row a survey with its answers beside each other, averages instead of ratios of counts."""
    assert made.ok, made.problem
    seen = set[str]()
    for day in DAYS:
        again = select(contacts.folder, AGAIN, day=str(day))
        named = f"select {', '.join(again[0])} from reports.customer_satisfaction where partition_date = $day"
        rows = select(contacts.folder, f"{named} and surveys_shown > 0 order by all", day=day)
        assert {str(row["media_type"]) for row in rows} == {"chat", "messaging"}
        assert rows == [pytest.approx(row) for row in again]
        seen |= {name for row in rows for name, value in row.items() if value}
    assert seen == REPORT.schema.columns().keys() - {"surveys_left_out"}
    left_out = "select sum(surveys_left_out)::int as n from reports.customer_satisfaction"
    of_messaging = (
        "select count(distinct (conversation_id, survey.id)) as n from liveperson.survey "
        "join liveperson.engagement using (conversation_id) where survey.type = 2 and engagement.type = 'MESSAGING' "
        "and conversation_start_time::date between $first and $last"
    )
    assert select(contacts.folder, left_out) == select(contacts.folder, of_messaging, first=FIRST, last=LAST)


def test_a_day_with_an_input_missing_is_not_made(contacts: Contacts, made: Materialized) -> None:
    """The message names the table and the day, and what is stored stays."""
    assert made.ok
    query = (
        "select partition_date, count(*) as rows, max(_computed_at) as at from reports.customer_satisfaction group by 1"
    )
    before = select(contacts.folder, f"{query} order by all")
    run = make(customer_satisfaction, contacts.folder, contacts.instance, HALF_LOADED)
    assert not run.ok
    assert f"liveperson.conversations {HALF_LOADED}" in run.problem
    assert select(contacts.folder, f"{query} order by all") == before
    assert not (contacts.folder / "pages" / str(HALF_LOADED) / "customer_satisfaction.html").exists()


def test_a_company_without_chat_has_the_report_of_its_messaging(
    contacts: Contacts, made: Materialized, tmp_path: Path
) -> None:
    """Tables that are not there are not waited for; messaging counts as it does beside chat."""
    assert made.ok
    shutil.copy(contacts.folder / "warehouse.duckdb", tmp_path)
    report = replace(REPORT, has=lambda table: table == MESSAGING)
    run = make(report_asset(report, compute, paint), tmp_path, contacts.instance, LAST)
    assert run.ok, run.problem
    query = "select * exclude (_computed_at, _run_id) from reports.customer_satisfaction where partition_date = $day"
    kept = f"{query} and media_type = 'messaging' and surveys_shown > 0 order by all"
    assert select(tmp_path, f"{query} order by all", day=LAST) == select(contacts.folder, kept, day=LAST)


def test_the_page_needs_nothing_and_can_be_heard(contacts: Contacts, made: Materialized) -> None:
    """Its headline is the ratio of the day's sums."""
    assert made.ok
    page = ReadPage((contacts.folder / "pages" / str(LAST) / "customer_satisfaction.html").read_text(encoding="utf-8"))
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    query = (
        "select printf('%.0f%%', 100 * sum(csat_satisfied) / sum(csat_answers)) as csat from "
        "reports.customer_satisfaction where partition_date = $day"
    )
    [total] = select(contacts.folder, query, day=LAST)
    assert total["csat"] in page.words


@pytest.mark.parametrize("skill", [None, "<script>x</script>"])
def test_a_page_of_little_or_nothing_is_whole_and_escaped(skill: str | None) -> None:
    """A day without surveys, and a skill with the name of a script, of which nothing was answered."""
    tables = {MESSAGING: [asked("a", latest_skill_name=skill)]} if skill else {}
    rows = compute(DAY, frames_of(REPORT, tables))
    painted = paint(rows, rows.with_columns(partition_date=pl.lit(DAY)))
    text = rendered("Customer satisfaction", DAY, painted, grain="", rules=[], sources=[], made_at=at(DAY, "12:00"))
    ReadPage(text).assert_needs_nothing()
    assert ("&lt;script&gt;" in text) is bool(skill)
