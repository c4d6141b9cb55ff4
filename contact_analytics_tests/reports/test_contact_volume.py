"""Contact volume: what counts when and where, worked out by hand, and a second time in SQL over days."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.page import rendered
from contact_analytics.reports.contact_volume import REPORT, compute, contact_volume
from contact_analytics.reports.contact_volume_page import paint
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
CHATS, USERS, MESSAGING, CARE, SEGMENTS = (each.table for each in REPORT.inputs)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def rows_of(tables: Rows) -> list[dict[str, Any]]:
    """What the report makes of rows of its inputs."""
    return REPORT.schema.validate(compute(DAY, frames_of(REPORT, tables))).to_dicts()


def remarks_of(rows: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """What the page of rows remarks on."""
    frame = pl.DataFrame(rows, REPORT.schema.create_empty().schema)
    return paint(frame, frame.with_columns(partition_date=pl.lit(DAY))).remarks


def told(row: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


COUNTS = ("contacts", "answered_contacts", "open_contacts", "bot_contacts")
TIMES = ("times_to_answer", "median_time_to_answer", "p90_time_to_answer")
HANDLING = ("handle_times", "median_handle_time", "p90_handle_time")


def chat(name: str, queued: str, connected: str | None, ended: str, **others: Any) -> dict[str, Any]:
    """A chat of the day as `engagement` has it; `filed` is its partition."""
    return {
        "partition_date": others.pop("filed", DAY),
        "conversation_id": name,
        "type": "LIVE_CHAT",
        "source_origin": "Web",
        "started_at": at(DAY, queued),
        "interaction_start_time": connected and at(DAY, connected),
        "conversation_end_time": at(DAY, ended),
        **others,
    }


def test_chats_worked_out_by_hand() -> None:
    """Two in the hour from nine, one of a bot: 30 and 90 s to the answer, 600 and 300 s of handling.

    Nine of ten were answered within 30 + 0.9 * 60 = 84 s.
    """
    users = [{"id": "1", "user_type_id": 1}, {"id": "2", "user_type_id": 2}]
    first = chat("a", "09:00:00", "09:00:30", "09:10:30", agent_id="1")
    [row] = rows_of({CHATS: [first, chat("b", "09:59:59", "10:01:29", "10:06:29", agent_id="2")], USERS: users})
    assert told(row, "vendor", "media_type", "channel", "hour") == ("liveperson", "chat", "Web", 9)
    assert told(row, *COUNTS) == (2, 2, None, 1)
    assert told(row, *TIMES) == ([30, 90], 60, 84)
    assert told(row, *HANDLING) == ([300, 600], 450, 570)


def test_a_chat_counts_on_the_day_and_in_the_hour_in_which_it_began() -> None:
    """However late it is filed, and once if it is filed twice; the first moment of the day is in, the last one too."""
    yesterdays = chat("c", "00:10", "00:20", "01:00") | {"started_at": at(BEFORE, "23:59:59.999")}
    tomorrows = chat("d", "23:59", "23:59", "23:59", filed=AFTER) | {"started_at": at(AFTER, "00:00")}
    late = chat("a", "23:59:59.999", "23:59:59.999", "23:59:59.999", filed=AFTER)
    midnight = chat("b", "00:00", "00:01", "00:02")
    rows = rows_of({CHATS: [yesterdays, midnight, late, midnight | {"partition_date": AFTER}, tomorrows]})
    assert [told(row, "hour", "contacts") for row in rows] == [(0, 1), (23, 1)]


def test_messaging_seen_by_data_access_is_left_out() -> None:
    """A row of type MESSAGING is a conversation that `conversations` has: counted beside, in no other figure."""
    seen = chat("a", "09:00", "09:01", "09:02") | {"type": "MESSAGING"}
    same = {"source": "APP", "status": "CLOSE", "started_at": at(DAY, "09:00")}
    rows = rows_of({CHATS: [seen], MESSAGING: [same]})
    assert [told(row, "media_type", "channel", "contacts", "left_out") for row in rows] == [
        ("messaging", "App", 1, 0),
        ("messaging", "Web", 0, 1),
    ]
    assert told(rows[1], *COUNTS, *TIMES, *HANDLING) == (0, None, None, None, [], None, None, [], None, None)
    [said] = remarks_of(rows)
    assert said == "Rows of messaging in liveperson.engagement, which liveperson.conversations has: 1."


def test_a_company_without_conversations_has_its_messaging_from_data_access() -> None:
    """Five chats of type MESSAGING are five contacts, and a filed one twice is one."""
    seen = [chat(name, "09:00", "09:01", "09:02") | {"type": "MESSAGING"} for name in "abcde"]
    frames = frames_of(REPORT, {CHATS: [*seen, seen[0] | {"partition_date": AFTER}, chat("f", "09:00", None, "09:02")]})
    rows = REPORT.schema.validate(compute(DAY, frames, has_conversations=False)).to_dicts()
    assert [told(row, "media_type", *COUNTS[:2], "left_out") for row in rows] == [
        ("chat", 1, 0, 0),
        ("messaging", 5, 5, 0),
    ]
    assert told(rows[1], "median_time_to_answer", "median_handle_time") == (60, 60)


def test_a_conversation_without_a_creation_time_is_left_out() -> None:
    """It is counted as such on the day that it is filed with, and the page says so."""
    tweet = {"network": "Twitter", "status": "CLOSED", "first_response_date": at(DAY, "08:10")}
    rows = rows_of({CARE: [tweet | {"partition_date": DAY}, tweet | {"created_date": at(DAY, "08:00")}]})
    assert [told(row, "hour", "contacts", "left_out") for row in rows] == [(0, 0, 1), (8, 1, 0)]
    assert remarks_of(rows) == ["Conversations of Khoros Care without a creation time, which are in no figure: 1."]
    latest = (
        "select unnest([date '2026-03-10', '2026-03-11', '2026-03-10']) as partition_date, 'X' as network, "
        "'OPEN' as status, unnest([null, null, timestamptz '2026-03-10 08:00']) as created_date, "
        "null::timestamptz as first_response_date, null::timestamptz as closed_date, 1.0 as conversation_tar, "
        "1.0 as conversation_handle_time"
    )
    found = queried(REPORT, CARE, DAY, rows="select 1 as x", conversation_latest=latest)
    assert [told(row, "partition_date", "created_date") for row in found] == [(DAY, None), (DAY, at(DAY, "08:00"))]


def test_what_is_not_known_of_a_chat_is_null() -> None:
    """Nobody answered: no times, and no agent who could be a bot. A clock that runs backwards gives no time either."""
    backwards = chat("b", "12:00", "11:59:59", "12:05") | {"source_origin": None}
    unstated, unanswered = rows_of({CHATS: [chat("a", "13:00", None, "13:03"), backwards]})[::-1]
    assert told(unanswered, *COUNTS) == (1, 0, None, None)
    assert told(unanswered, *TIMES, *HANDLING) == ([], None, None, [], None, None)
    assert told(unstated, "channel", *TIMES, *HANDLING) == ("not stated", [], None, None, [301], 301, 301)


def test_messaging_worked_out_by_hand() -> None:
    """Of three in an hour two were answered, after 20 and 5 s; one of these by a bot alone, and still open.

    Where messages were not fetched, nobody knows whether there was an answer.
    """
    web = {"source": "SHARK", "has_messages": True, "bots": 0, "humans": 0}
    done = {
        "status": "CLOSE",
        "started_at": at(DAY, "09:05"),
        "answered_at": at(DAY, "09:05:20"),
        "humans": 1,
        "bots": 1,
    }
    waiting = {"status": "OPEN", "started_at": at(DAY, "09:40")}
    by_bot = {"status": "OPEN", "started_at": at(DAY, "09:50"), "answered_at": at(DAY, "09:50:05"), "bots": 1}
    bare = {"source": "APP", "status": "CLOSE", "started_at": at(DAY, "10:00"), "has_messages": False}
    ended = {"conversation_end_time": at(DAY, "09:15:20")}
    app, web_row = rows_of({MESSAGING: [web | done | ended, web | waiting, web | by_bot, bare]})
    assert told(web_row, "channel", "hour", *COUNTS) == ("Web", 9, 3, 2, 2, 1)
    assert told(web_row, *TIMES) == ([5, 20], 12.5, 18.5)
    assert told(web_row, *HANDLING) == ([600], 600, 600)
    assert told(app, "channel", *COUNTS) == ("App", 1, None, 0, None)


def test_social_worked_out_by_hand() -> None:
    """Answered after ten minutes, by the vendor's own time, and not; the second and the third are open."""
    tweet = {"network": "Twitter", "status": "OPEN"}
    closed = {"status": "CLOSED", "first_response_date": at(DAY, "08:10"), "conversation_tar": 480.0}
    rows = rows_of(
        {
            CARE: [
                tweet | closed | {"created_date": at(DAY, "08:00"), "conversation_handle_time": 700.0},
                tweet | {"created_date": at(DAY, "08:30"), "conversation_tar": 60.0},
                tweet | {"created_date": at(DAY, "08:45"), "status": "assigned"},
                tweet | {"created_date": at(BEFORE, "23:45"), "closed_date": at(DAY, "08:00")},
                {"network": None, "created_date": at(DAY, "08:50")},
            ]
        }
    )
    assert [told(row, "vendor", "channel", *COUNTS) for row in rows] == [
        ("khoros_care", "Twitter", 3, 2, 2, None),
        ("khoros_care", "not stated", 1, 0, None, None),
    ]
    assert told(rows[0], *TIMES, *HANDLING) == ([60, 600], 330, 546, [700], 700, 700)


def test_segments_of_a_call_are_one_contact_of_the_day_of_the_first() -> None:
    """A call that began before midnight is the day before's; without a recording's state it may be no call at all."""
    voice = {"voice_recording_status": "Success", "has_agent": True}
    unknown = {"voice_recording_status": None, "has_agent": False}
    rows = rows_of(
        {
            SEGMENTS: [
                voice | {"call_id": "A", "start_date": at(BEFORE, "23:58")},
                voice | {"call_id": "A", "start_date": at(DAY, "00:02")},
                voice | {"call_id": "B", "start_date": at(DAY, "00:59")},
                unknown | {"call_id": "B", "start_date": at(DAY, "01:02")},
                unknown | {"call_id": "C", "start_date": at(DAY, "00:30")},
            ]
        }
    )
    assert [told(row, "media_type", "channel", "hour", *COUNTS) for row in rows] == [
        ("not stated", "not stated", 0, 1, None, None, None),
        ("voice", "Phone", 0, 1, 1, None, None),
    ]
    assert all(told(row, *TIMES, *HANDLING) == ([], None, None, [], None, None) for row in rows)


# What the queries read -----------------------------------------------------------------------------------------------

_MESSAGE = (
    "{'time': '2026-03-10 %s'::timestamptz, 'sent_by': '%s', 'audience': '%s', 'participant_id': '%s', 'dialog_id': %s}"
)


def conversation(messages: str, people: str = "[{'user_type': '0'}]") -> str:
    return (
        f"select date '2026-03-10' as partition_date, 'c' as conversation_id, 'APP' as source, 'CLOSE' as status, "
        f"timestamptz '2026-03-10 09:00' as start_time, timestamptz '2026-03-10 10:00' as conversation_end_time, "
        f"{messages} as message_records, {people} as agent_participants"
    )


def test_the_answer_is_the_first_message_of_an_agent_that_the_customer_sees() -> None:
    """No line of the system, no note among agents, no survey's question, and none of the customer's own."""
    lines = [
        _MESSAGE % ("09:00:01", "Consumer", "ALL", "x", "'c'"),
        _MESSAGE % ("09:00:02", "Agent", "ALL", "0", "'c'"),
        _MESSAGE % ("09:00:03", "Agent", "AGENTS_AND_MANAGERS", "7", "'c'"),
        _MESSAGE % ("09:00:09", "Agent", "ALL", "7", "'c'"),
        _MESSAGE % ("09:00:08", "agent", "ALL", "7", "null"),
        _MESSAGE % ("09:00:04", "Agent", "ALL", "7", "'survey'"),
    ]
    people = "[{'user_type': '0'}, {'user_type': '2'}, {'user_type': null}]"
    [row] = queried(REPORT, MESSAGING, DAY, rows=conversation(f"[{', '.join(lines)}]", people))
    assert row["answered_at"] == at(DAY, "09:00:08")
    assert told(row, "has_messages", "bots", "humans") == (True, 1, 1)


def test_messages_that_were_not_fetched_are_no_silence() -> None:
    """Null says nothing of whether somebody answered; an empty list says that nobody did."""
    silent = conversation(f"[{_MESSAGE % ('09:00', 'Consumer', 'ALL', 'x', 'null::varchar')}]")
    [row] = queried(REPORT, MESSAGING, DAY, rows=silent)
    assert told(row, "has_messages", "answered_at", "bots", "humans") == (True, None, 0, 0)
    unknown = f"select * replace (if(false, message_records, null) as message_records) from ({silent})"
    [row] = queried(REPORT, MESSAGING, DAY, rows=unknown)
    assert told(row, "has_messages", "answered_at") == (False, None)


def test_a_chat_without_a_start_begins_in_its_queue_or_with_its_session() -> None:
    """What the vendor leaves out of one field is in another."""
    rows = (
        "select date '2026-03-10' as partition_date, unnest(['a', 'b', 'c', 'd']) as conversation_id, "
        "'LIVE_CHAT' as type, 'Web' as source_origin, '1' as agent_id, "
        "unnest([timestamptz '2026-03-10 09:00', null, null, '2026-03-09 09:00']) as conversation_start_time, "
        "unnest([null, timestamptz '2026-03-10 10:00', null, null]) as queue_start_time, "
        "timestamptz '2026-03-10 11:00' as start_time, null::timestamptz as interaction_start_time, "
        "null::timestamptz as conversation_end_time"
    )
    found = {row["conversation_id"]: row["started_at"].hour for row in queried(REPORT, CHATS, DAY, rows=rows)}
    assert found == {"a": 9, "b": 10, "c": 11}


def test_a_call_is_looked_for_on_the_day_before() -> None:
    """Its first segment may be there. A segment without an ACD call is a call of its own; a name is an agent too."""
    rows = (
        "select unnest([date '2026-03-09', '2026-03-10', '2026-03-10', '2026-03-11']) as partition_date, "
        "unnest(['A', 'A', null, 'B']) as acd_call_id, unnest(['1', '2', '3', '4']) as segment_id, "
        "timestamptz '2026-03-10 00:00' as start_date, null::varchar as voice_recording_status, "
        "unnest(['7', null, null, null]) as agent_1_acd_id, unnest([null, 'Mira', null, null]) as agent_1_name"
    )
    found = [told(row, "call_id", "has_agent") for row in queried(REPORT, SEGMENTS, DAY, rows=rows)]
    assert sorted(found) == [("3", False), ("A", True), ("A", True)]


# Any contacts --------------------------------------------------------------------------------------------------------

MOMENTS = st.integers(-7200, 93_600).map(lambda second: datetime.combine(DAY, time(), UTC) + timedelta(seconds=second))
ANY_CHAT = st.fixed_dictionaries(
    {
        "partition_date": st.just(DAY),
        "conversation_id": st.uuids().map(str),
        "type": st.sampled_from(["LIVE_CHAT", "MESSAGING"]),
        "source_origin": st.sampled_from(["Web", None]),
        "started_at": MOMENTS,
        "interaction_start_time": st.none() | MOMENTS,
        "conversation_end_time": st.none() | MOMENTS,
    }
)
ANY_CONVERSATION = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["APP", "SHARK", "SMS", None]),
        "status": st.sampled_from(["OPEN", "CLOSE"]),
        "started_at": MOMENTS,
        "answered_at": st.none() | MOMENTS,
        "has_messages": st.just(True),
        "bots": st.integers(0, 1),
        "humans": st.integers(0, 1),
    }
)
ANY_SEGMENT = st.fixed_dictionaries(
    {
        "call_id": st.sampled_from("ABC"),
        "start_date": MOMENTS,
        "voice_recording_status": st.sampled_from(["Success", None]),
        "has_agent": st.booleans(),
    }
)


@given(
    st.fixed_dictionaries(
        {
            CHATS: st.lists(ANY_CHAT, max_size=8, unique_by=lambda row: row["conversation_id"]),
            MESSAGING: st.lists(ANY_CONVERSATION, max_size=8),
            SEGMENTS: st.lists(ANY_SEGMENT, max_size=8),
        }
    ),
    st.randoms(),
)
def test_every_contact_of_the_day_counts_once_whatever_the_order(tables: dict[str, list[Any]], chance: Any) -> None:
    """The hours' contacts are those of the day, times are of contacts that count, and no row depends on the order."""
    rows = rows_of(tables)
    calls = {
        name: min(s["start_date"] for s in tables[SEGMENTS] if s["call_id"] == name)
        for name in "ABC"
        if any(s["call_id"] == name for s in tables[SEGMENTS])
    }
    began = [row["started_at"] for row in tables[CHATS] if row["type"] == "LIVE_CHAT"]
    began += [*(row["started_at"] for row in tables[MESSAGING]), *calls.values()]
    assert sum(row["contacts"] for row in rows) == sum(moment.date() == DAY for moment in began)
    assert all(len(row["times_to_answer"]) <= (row["answered_contacts"] or 0) for row in rows)
    for each in tables.values():
        chance.shuffle(each)
    assert rows_of(tables) == rows


# Days of the sandbox's -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(contacts: Contacts) -> Materialized:
    return make(contact_volume, contacts.folder, contacts.instance, FIRST, LAST)


# Over all days of the vendors' tables and their flat views, one row a contact.
AGAIN = """
with answers as (
    select conversation_id, min(m.time) as answered from liveperson.conversations_message_records m
    semi join (select dialog_id from liveperson.conversations_dialogs where dialog_type = 'MAIN') using (dialog_id)
    where sent_by = 'Agent' and audience = 'ALL' group by all
), people as (
    select conversation_id, bool_and(user_type_name = 'Bot') as only_bots
    from liveperson.conversations_agent_participants group by all
), began as (
    select 'liveperson' as vendor, 'chat' as media_type, any_value(source_origin) as channel,
        min(conversation_start_time) as began, min(interaction_start_time) as answered, null as has_agent,
        max(epoch_ms(conversation_end_time - interaction_start_time)) / 1000 as handled, null as is_open,
        bool_or(agent_id in (select id::varchar from liveperson.users where user_type_id = 2)) as is_bot,
        false as is_left_out
    from liveperson.engagement where type = 'LIVE_CHAT' group by conversation_id
    union all
    select 'liveperson', 'messaging', any_value(source_origin), min(conversation_start_time), null, null, null, null,
        null, true
    from liveperson.engagement where type = 'MESSAGING' group by conversation_id
    union all
    select 'liveperson', 'messaging', case source when 'SHARK' then 'Web' when 'APP' then 'App'
        when 'FACEBOOK' then 'Facebook' else source end, start_time, answered, null,
        epoch_ms(conversation_end_time - answered) / 1000, conversation_end_time is null, coalesce(only_bots, false),
        false
    from liveperson.conversations left join answers using (conversation_id) left join people using (conversation_id)
    union all
    select 'khoros_care', 'social', any_value(network), min(created_date), min(first_response_date), null,
        max(conversation_handle_time), max(closed_date) is null, null, false
    from khoros_care.conversation group by conversation_id
    union all
    select 'nice_cxone', if(max(voice_recording_status) is null, 'not stated', 'voice'),
        if(max(voice_recording_status) is null, 'not stated', 'Phone'), min(start_date), null,
        count(agent_1_name) > 0, null, null, null, false
    from nice_cxone.recording_interaction_metadata group by acd_call_id
)
select vendor, media_type, channel, hour(began) as hour, count(*) filter (not is_left_out) as contacts,
    sum(coalesce(has_agent, answered is not null)::int) filter (not is_left_out) as answered_contacts,
    sum(is_open::int) as open_contacts, sum(is_bot::int) as bot_contacts,
    count(*) filter (is_left_out) as left_out,
    median(epoch_ms(answered - began) / 1000) as median_time_to_answer,
    quantile_cont(epoch_ms(answered - began) / 1000, 0.9) as p90_time_to_answer,
    median(handled) as median_handle_time, quantile_cont(handled, 0.9) as p90_handle_time
from began where began >= $day::date and began < $day::date + 1 group by all order by all
"""


def test_every_day_is_what_sql_makes_of_the_vendors_tables(contacts: Contacts, made: Materialized) -> None:
    """By another way: one row a contact over all days, by flat views, with SQL's own medians and percentiles."""
    assert made.ok, made.problem
    seen = set[str]()
    for day in DAYS:
        again = select(contacts.folder, AGAIN, day=str(day))
        named = f"select {', '.join(again[0])} from reports.contact_volume where partition_date = $day order by all"
        rows = select(contacts.folder, named, day=day)
        assert {str(row["vendor"]) for row in rows} == {"liveperson", "khoros_care", "nice_cxone"}
        assert rows == [pytest.approx(row) for row in again]
        seen |= {name for row in rows for name in (*COUNTS, "left_out") if row[name]}
    assert seen == {*COUNTS, "left_out"}


def test_medians_of_more_rows_come_from_the_lists(contacts: Contacts, made: Materialized) -> None:
    """The lists hold what the medians are of."""
    assert made.ok
    query = (
        "select count(*) as rows, count(*) filter (abs(median_time_to_answer - list_median(times_to_answer)) > 1e-6 "
        "or abs(p90_handle_time - list_aggregate(handle_times, 'quantile_cont', 0.9)) > 1e-6 "
        "or (p90_handle_time is null) <> (len(handle_times) = 0)) as others from reports.contact_volume"
    )
    [found] = select(contacts.folder, query)
    assert found["rows"]
    assert found["others"] == 0


def test_a_day_with_an_input_missing_is_not_made(contacts: Contacts, made: Materialized) -> None:
    """The message names the table and the day, and what is stored stays."""
    assert made.ok
    query = "select partition_date, count(*) as rows, max(_computed_at) as at from reports.contact_volume group by all"
    before = select(contacts.folder, f"{query} order by all")
    run = make(contact_volume, contacts.folder, contacts.instance, HALF_LOADED)
    assert not run.ok
    assert f"liveperson.conversations {HALF_LOADED}" in run.problem
    assert select(contacts.folder, f"{query} order by all") == before
    assert not (contacts.folder / "pages" / str(HALF_LOADED) / "contact_volume.html").exists()


def test_a_company_with_one_vendor_has_the_report_of_it(contacts: Contacts, made: Materialized, tmp_path: Path) -> None:
    """Vendors that are not there are not waited for; what there is counts as it does beside the others."""
    assert made.ok
    shutil.copy(contacts.folder / "warehouse.duckdb", tmp_path)
    report = replace(REPORT, has=lambda table: table in {CHATS, CARE})
    alone = partial(compute, has_conversations=False)
    run = make(report_asset(report, alone, paint), tmp_path, contacts.instance, LAST)
    assert run.ok, run.problem
    query = "select vendor, media_type, channel, hour, contacts, median_handle_time from reports.contact_volume"
    query += " where partition_date = $day"
    kept = f"{query} and media_type in ('chat', 'social') order by all"
    assert select(tmp_path, kept, day=LAST) == select(contacts.folder, kept, day=LAST)
    # Its messaging is what is left out where there are conversations.
    sums = "select sum({0})::int as n from reports.contact_volume where partition_date = $day and {1}"
    left_out = select(contacts.folder, sums.format("left_out", "vendor = 'liveperson'"), day=LAST)
    assert select(tmp_path, sums.format("contacts", "media_type = 'messaging'"), day=LAST) == left_out
    assert left_out[0]["n"]
    # Who is a bot is not known without the users, so it is nobody's guess.
    assert select(
        tmp_path, "select sum(bot_contacts) as bots from reports.contact_volume where partition_date = $day", day=LAST
    ) == [{"bots": None}]


def test_the_page_needs_nothing_and_can_be_heard(contacts: Contacts, made: Materialized) -> None:
    """Its headline is the day's total, and it says that NICE CXone's are recorded interactions alone."""
    assert made.ok
    page = ReadPage((contacts.folder / "pages" / str(LAST) / "contact_volume.html").read_text(encoding="utf-8"))
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    [total] = select(
        contacts.folder,
        "select sum(contacts)::int as n from reports.contact_volume where partition_date = $day",
        day=LAST,
    )
    assert str(total["n"]) in page.words
    assert any("recorded interactions alone" in words for words in page.words)


@pytest.mark.parametrize(
    "tables", [{}, {CHATS: [chat("a", "09:00", None, "09:10") | {"source_origin": "<script>x</script>"}]}]
)
def test_a_page_of_little_or_nothing_is_whole_and_escaped(tables: Rows) -> None:
    """A day without contacts, and a channel with the name of a script."""
    rows = compute(DAY, frames_of(REPORT, tables))
    painted = paint(rows, rows.with_columns(partition_date=pl.lit(DAY)))
    text = rendered("Contact volume", DAY, painted, grain="", rules=[], sources=[], made_at=at(DAY, "12:00"))
    ReadPage(text).assert_needs_nothing()
    assert ("&lt;script&gt;" in text) is bool(tables)
