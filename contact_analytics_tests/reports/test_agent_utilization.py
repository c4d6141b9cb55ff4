"""Agent utilization: minutes by state and the part of the capacity in use, worked out by hand and a second time."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.page import rendered
from contact_analytics.reports.agent_utilization import REPORT, compute
from contact_analytics.reports.agent_utilization_page import paint
from contact_analytics_tests.reports.contact_places import queried
from contact_analytics_tests.reports.places import ReadPage

DAY, NOW = date(2026, 3, 10), datetime(2026, 3, 11, 8, tzinfo=UTC)
ACTIVITY, GROUPS = (each for each in REPORT.inputs)
[WORKFORCE] = REPORT.files
_NUMBERS = {"offline": 1, "online": 2, "back_soon": 3, "away": 4, "nowhere": 0}
_DAYS = {"": 0, "before": -1, "after": 1, "later": 3}


def session(name: str, *changes: str, agent: int = 1, login: str | None = "mira", group: int | None = -1) -> list[Any]:
    """The events of an agent's session, each as `[before|after|later] HH:MM[:SS] state [chats of most]`."""
    rows = list[dict[str, Any]]()
    for change in changes:
        *when, clock, state, chats, _, most = [*change.split(), *([] if " of " in change else ["0", "of", "-9"])]
        moment = datetime.combine(DAY + timedelta(days=_DAYS["".join(when)]), time.fromisoformat(clock), UTC)
        kind = {"login": 3, "logout": 4}.get(state, 1)
        before = rows[-1]["state"] if rows else 1
        now = {"login": 0, "logout": 1}.get(state) if kind != 1 else _NUMBERS[state]
        rows.append(
            {
                "agent_session_id": name,
                "agent_id": agent,
                "agent_loginname": login,
                "agent_group_id": group,
                "timestamp": moment,
                "type": kind,
                "state": now,
                "prev_state": before,
                "concurrent_eng": int(chats),
                "max_concurrent_eng": int(most),
            }
        )
    return rows


def rows_of(
    *sessions: list[Any], groups: dict[int, str] | None = None, workforce: list[tuple[Any, ...]] | None = None
) -> list[dict[str, Any]]:
    """What the report makes of events."""
    events = [event for each in sessions for event in each]
    frames = {
        ACTIVITY.table: pl.DataFrame(events, dict(ACTIVITY.columns)),
        GROUPS.table: pl.DataFrame(list((groups or {}).items()), dict(GROUPS.columns), orient="row"),
        WORKFORCE.name: pl.DataFrame(workforce or [], dict(WORKFORCE.columns), orient="row"),
    }
    return REPORT.schema.validate(compute(DAY, frames).select(REPORT.schema.column_names())).to_dicts()


def minutes(row: dict[str, Any]) -> dict[str, float]:
    """The minutes by state that are not zero."""
    return {name.removeprefix("minutes_"): row[name] for name in row if name.startswith("minutes_") and row[name]}


WORKDAY = session(
    "S",
    "08:00 login",
    "08:00:30 online 0 of 4",
    "09:00 online 2 of 4",
    "10:00 online 3 of 4",
    "10:30 away 1 of 4",
    "11:00 back_soon 0 of 4",
    "11:10 offline 0 of 4",
    "11:30 online 1 of 4",
    "12:30 logout",
)


def test_a_day_worked_out_by_hand() -> None:
    """Online 08:00:30 to 10:30 and 11:30 to 12:30: 209.5 minutes, of which 60 with 2, 30 with 3, 60 with 1 engagement.

    The chat that goes on while the agent is away is not time online.
    """
    [row] = rows_of(WORKDAY)
    assert minutes(row) == {"other": 0.5, "online": 209.5, "away": 30, "back_soon": 10, "offline": 20}
    assert row["engagement_minutes"] == 60 * 2 + 30 * 3 + 60 * 1 == 270
    assert row["capacity_minutes"] == 209.5 * 4 == 838
    assert row["load_minutes"] == 209.5
    assert row["concurrency"] == pytest.approx(270 / 209.5)
    assert row["max_concurrency"] == 4
    assert row["utilization"] == pytest.approx(270 / 838)
    assert (row["sessions"], row["sessions_across_midnight"], row["sessions_without_logout"]) == (1, 0, 0)


def test_time_counts_for_the_day_that_it_lies_in() -> None:
    """22:00 to 02:00 on either side of midnight: two hours of the day each, and the session is said to reach on."""
    [row] = rows_of(
        session("before", "before 22:00 login", "before 22:00 online 1 of 2", "02:00 logout"),
        session("after", "22:00 login", "22:00 online 2 of 2", "after 02:00 logout"),
        session("gone", "before 20:00 online 1 of 2", "before 21:00 logout"),
        session("to come", "after 10:00 online 1 of 2", "after 21:00 logout"),
    )
    assert minutes(row) == {"online": 240}
    assert row["engagement_minutes"] == 120 * 1 + 120 * 2
    assert row["utilization"] == 360 / 480
    assert (row["sessions"], row["sessions_across_midnight"]) == (2, 2)


def test_a_session_that_is_longer_than_the_day_fills_it() -> None:
    """A bot that logged in on the day before and out three days later, without an event on the day."""
    [row] = rows_of(session("S", "before 06:00 login", "before 06:01 online 5 of 10", "later 07:00 logout"))
    assert minutes(row) == {"online": 1440}
    assert row["utilization"] == 0.5
    assert (row["sessions"], row["sessions_across_midnight"]) == (1, 1)


def test_midnight_itself_belongs_to_the_next_day() -> None:
    """A session from midnight to midnight is not one across it, and one that ends as the day begins is none of it."""
    [row] = rows_of(
        session("S", "00:00 login", "00:00 online 1 of 1", "after 00:00 logout"),
        session("gone", "before 20:00 online 1 of 2", "00:00 logout"),
    )
    assert minutes(row) == {"online": 1440}
    assert (row["sessions"], row["sessions_across_midnight"]) == (1, 0)


def test_a_session_without_a_logout_counts_up_to_its_last_event() -> None:
    """Nobody knows what came after; a session that is one event has no time, so the agent is not in the report."""
    rows = rows_of(
        session("S", "08:00 login", "08:00 online 0 of 2", "09:00 online 1 of 2"),
        session("later", "12:00 online 0 of 2", "12:30 logout"),
        session("alone", "08:00 login", agent=2),
    )
    assert [row["agent_id"] for row in rows] == [1]
    assert minutes(rows[0]) == {"online": 60 + 30}
    assert (rows[0]["sessions"], rows[0]["sessions_without_logout"]) == (2, 1)


def test_overlapping_sessions_are_not_counted_twice() -> None:
    """The last event in either says the state: back soon from 10:00, by B, until A's event at 11:00."""
    [row] = rows_of(
        session("A", "08:00 login", "08:00 online 1 of 2", "11:00 online 2 of 2", "12:00 logout"),
        session("B", "09:00 login", "09:00 online 0 of 2", "10:00 back_soon 0 of 2", "11:30 logout"),
    )
    assert minutes(row) == {"online": 60 + 60 + 60, "back_soon": 60}
    assert row["engagement_minutes"] == 60 * 1 + 60 * 0 + 60 * 2
    assert row["sessions"] == 2


@pytest.mark.parametrize("end", ["10:00 logout", "10:00 online 0 of 2"])
def test_a_session_that_ends_does_not_end_another_that_goes_on(end: str) -> None:
    """A second window that is closed at 10:00, with a logout or without, leaves the first one as it was: away."""
    [row] = rows_of(
        session("A", "08:00 login", "08:00 away 0 of 2", "12:00 logout"),
        session("B", "09:00 login", "09:00 online 0 of 2", end),
    )
    assert minutes(row) == {"away": 60 + 120, "online": 60}


def test_a_session_that_follows_at_once_loses_nothing() -> None:
    """Logout and login at the same instant, whatever the sessions' names."""
    [row] = rows_of(
        session("B", "08:00 login", "08:00 online 1 of 2", "09:00 logout"),
        session("A", "09:00 login", "09:00 online 2 of 2", "10:00 logout"),
    )
    assert minutes(row) == {"online": 120}
    assert row["utilization"] == 180 / 240


def test_of_events_at_one_instant_the_one_that_follows_the_others_stands() -> None:
    """A chat ends and sends its agent away in the same millisecond; rows of a table have no order of their own."""
    events = session("S", "08:00 login", "08:00 online 1 of 2", "09:00 online 0 of 2", "09:00 away 0 of 2")
    events += session("S", "10:00 logout")
    for order in (events, events[::-1]):
        [row] = rows_of(order)
        assert minutes(row) == {"online": 60, "away": 60}


def test_the_same_event_in_two_files_counts_once() -> None:
    """A session that was filed again on the next day, in part or whole."""
    [row] = rows_of(WORKDAY, WORKDAY, WORKDAY[3:5])
    assert [row] == rows_of(WORKDAY)


def test_time_without_a_stated_most_is_left_out_of_the_utilization() -> None:
    """-9 and null are no capacity: one hour of 2 of 4, and one of 3 of nobody knows what."""
    events = session("S", "08:00 login", "08:00 online 2 of 4", "09:00 online 3 of -9", "10:00 logout")
    unknown = [event | {"max_concurrent_eng": None} if event["max_concurrent_eng"] == -9 else event for event in events]
    for each in (events, unknown):
        [row] = rows_of(each)
        assert (row["engagement_minutes"], row["capacity_minutes"]) == (120 + 180, 240)
        assert (row["utilization"], row["max_concurrency"], row["concurrency"]) == (0.5, 4, 2.5)


def test_an_unknown_number_of_engagements_is_not_none() -> None:
    """Time in which the vendor does not say how many there were is neither use nor capacity."""
    events = session("S", "08:00 login", "08:00 online 2 of 4", "09:00 online 0 of 4", "10:00 logout")
    for unknown in (None, -1):
        events[2]["concurrent_eng"] = unknown
        [row] = rows_of(events)
        assert minutes(row) == {"online": 120}
        assert (row["engagement_minutes"], row["capacity_minutes"], row["utilization"]) == (120, 240, 0.5)
        assert (row["load_minutes"], row["concurrency"]) == (60, 2)


def test_an_agent_who_was_never_online_has_no_utilization() -> None:
    """Null, and not zero of nothing."""
    [row] = rows_of(session("S", "08:00 login", "08:00 away 1 of 4", "09:00 logout"))
    assert minutes(row) == {"away": 60}
    assert (row["utilization"], row["concurrency"], row["max_concurrency"]) == (None, None, None)


def test_groups_by_name_by_number_and_none() -> None:
    """A group's newest name; a group that the list does not have is its number; -1 and null are no group."""
    rows = rows_of(
        *(
            session(f"S{agent}", "08:00 online 0 of 2", "09:00 logout", agent=agent, group=group)
            for agent, group in enumerate((7, 8, -1, None))
        ),
        groups={7: "Billing"},
    )
    assert [row["agent_group"] for row in rows] == ["Billing", "group 8", "no group", "no group"]


def test_region_and_shift_are_those_of_the_login_on_the_day() -> None:
    """In whatever case; the first and the last day of a stretch belong to it, and the one that began last stands."""
    day, before, after = DAY, DAY - timedelta(days=1), DAY + timedelta(days=1)
    workforce = [
        ("Mira@Example.com", "EMEA", "early", None, None),
        ("mira@example.com", "EMEA", "late", day, day),
        ("jonas", "Americas", "early", None, before),
        ("jonas", "Americas", "late", after, None),
        ("wei", "APAC", "early", None, before),
        ("wei", "APAC", "late", day, None),
        ("olga", None, "night", None, None),
        ("nobody", "EMEA", "early", None, None),
    ]
    logins = ("MIRA@example.com", "jonas", "wei", "olga", None)
    rows = rows_of(
        *(
            session(f"S{agent}", "08:00 online 0 of 2", "09:00 logout", agent=agent, login=login)
            for agent, login in enumerate(logins)
        ),
        workforce=workforce,
    )
    unknown = "not in the workforce file"
    assert [(row["region"], row["shift"]) for row in rows] == [
        ("EMEA", "late"),
        (unknown, unknown),
        ("APAC", "late"),
        ("no region", "night"),
        (unknown, unknown),
    ]


def test_rows_of_the_workforce_file_that_hold_alike_are_counted() -> None:
    """The last one counts, and the page says of how many agents that is so."""
    twice = [("mira", "EMEA", "early", None, None), ("MIRA", "APAC", "late", None, None)]
    dated = [("jonas", "EMEA", "early", None, None), ("jonas", "EMEA", "late", DAY, None)]
    rows = rows_of(
        session("A", "08:00 online 0 of 2", "09:00 logout"),
        session("B", "08:00 online 0 of 2", "09:00 logout", agent=2, login="jonas"),
        session("C", "08:00 online 0 of 2", "09:00 logout", agent=3, login="wei"),
        workforce=[*twice, *dated],
    )
    assert [(row["region"], row["shift"]) for row in rows[:2]] == [("APAC", "late"), ("EMEA", "late")]
    assert [row["workforce_rows"] for row in rows] == [2, 1, 0]
    frame = pl.DataFrame(rows, REPORT.schema.create_empty().schema)
    remarks = paint(frame, frame.with_columns(partition_date=pl.lit(DAY))).remarks
    assert "Agents of whom the workforce file has several rows alike, of which the last counts: 1." in remarks


def test_an_agent_counts_for_the_last_group_of_the_day() -> None:
    """Whoever went from one group to another during the day is whole in the second."""
    [row] = rows_of(
        session("A", "08:00 online 0 of 2", "12:00 logout", group=7),
        session("B", "13:00 online 0 of 2", "14:00 online 1 of 2", "15:00 logout", group=8),
        groups={7: "Sales", 8: "Service"},
    )
    assert (row["agent_group"], row["minutes_online"]) == ("Service", 360)


def test_a_group_has_the_name_that_it_had_on_the_day() -> None:
    """When the day ended; before anybody looked it has its first known name, and one that is gone its last."""
    renamed = (
        "(7, 'Sales', timestamptz '2026-03-01'), (7, 'Sales EMEA', '2026-03-10 23:59:59'), (7, 'EU', '2026-03-11')"
    )
    history = f"select * from (values {renamed}, (8, 'New', '2026-04-01')) as h (id, name, valid_from)"
    days = (date(2026, 2, 1), date(2026, 3, 9), DAY, DAY + timedelta(days=1))
    found = {day: {row["id"]: row["name"] for row in queried(REPORT, GROUPS.table, day, rows=history)} for day in days}
    assert [found[day][7] for day in days] == ["Sales", "Sales", "Sales EMEA", "EU"]
    assert {found[day][8] for day in days} == {"New"}


def test_sessions_of_an_agent_that_follow_each_other_cost_no_more_than_their_events() -> None:
    """Three thousand of a bot's in a day, each of which overlaps the next: they are cut where they overlap alone."""
    events, step = list[dict[str, Any]](), timedelta(seconds=28)
    for number in range(3_000):
        began = datetime.combine(DAY, time(), UTC) + number * step
        one = session(f"S{number}", "08:00 online 1 of 2", "08:00 online 2 of 2", "08:00 logout")
        events += [event | {"timestamp": began + place * timedelta(seconds=15)} for place, event in enumerate(one)]
    [row] = rows_of(events)
    assert row["sessions"] == 3_000
    assert row["minutes_online"] == pytest.approx((2_999 * 28 + 30) / 60)


def test_a_day_without_events_is_a_day_without_rows() -> None:
    """An empty table of the right columns."""
    assert rows_of() == []


# Any sessions --------------------------------------------------------------------------------------------------------

CHANGES = st.tuples(st.integers(-300, 1800), st.sampled_from(list(_NUMBERS)), st.integers(0, 3))


@st.composite
def any_session(draw: st.DrawFn, name: str) -> list[Any]:
    """Events at whole minutes of the day and of some hours around it, each at a minute of its own."""
    changes = sorted(draw(st.lists(CHANGES, min_size=1, max_size=6, unique_by=lambda change: change[0])))
    start = datetime.combine(DAY, time(), UTC)
    rows = session(
        name, *("00:00 login" if not place else f"00:00 {c[1]} {c[2]} of 3" for place, c in enumerate(changes))
    )
    for row, change in zip(rows, changes, strict=True):
        row["timestamp"] = start + timedelta(minutes=change[0])
    if draw(st.booleans()):
        rows[-1] |= {"type": 4, "state": 1}
    return rows


def by_the_minute(sessions: list[list[Any]]) -> dict[str, float]:
    """Minutes by state and of engagements, by looking at each minute which open session had the last event."""
    found: dict[str, float] = {}
    began = {each[0]["agent_session_id"]: (each[0]["timestamp"], each[0]["agent_session_id"]) for each in sessions}
    start = datetime.combine(DAY, time(), UTC)
    for minute in range(1440):
        now = start + timedelta(minutes=minute)
        spans = [span for each in sessions for span in pairwise(each)]
        held = [span[0] for span in spans if span[0]["timestamp"] <= now < span[1]["timestamp"]]
        if not held:
            continue
        last = max(held, key=lambda event: (event["timestamp"], began[event["agent_session_id"]]))
        state = {1: "offline", 2: "online", 3: "back_soon", 4: "away"}.get(last["state"], "other")
        found[state] = found.get(state, 0) + 1
        if state == "online":
            found["engagements"] = found.get("engagements", 0) + last["concurrent_eng"]
    return found


@given(
    st.lists(st.integers(), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(*(any_session(str(name)) for name in names))
    ),
    st.randoms(),
)
def test_minutes_are_those_of_a_look_at_each_minute(sessions: tuple[list[Any], ...], chance: Any) -> None:
    """Whatever the sessions, their overlaps and ends, and in whatever order the rows come."""
    events = [event for each in sessions for event in each]
    chance.shuffle(events)
    expected = by_the_minute(list(sessions))
    engagements = expected.pop("engagements", 0)
    [row] = rows_of(events) or [{}]
    assert minutes(row) == expected
    assert row.get("engagement_minutes", 0) == engagements
    assert sum(minutes(row).values()) <= 1440


def test_names_are_text_wherever_they_stand() -> None:
    """A login, a group or a region that is markup is shown as it is spelt, and an empty day is a page as well."""
    evil = "<script>alert(1)</script>"
    rows = pl.DataFrame(
        rows_of(
            session("S", "08:00 online 1 of 2", "09:00 logout", login=evil, group=7),
            groups={7: evil},
            workforce=[(evil, evil, evil, None, None)],
        ),
        REPORT.schema.create_empty().schema,
    )
    for each in (rows, rows.clear()):
        page = paint(each, each.with_columns(partition_date=pl.lit(DAY)))
        text = rendered(REPORT.title, DAY, page, grain=REPORT.grain, rules=REPORT.counted, sources=[], made_at=NOW)
        read = ReadPage(text)
        read.assert_needs_nothing()
        read.assert_can_be_heard()
        assert (evil in "".join(read.words)) == bool(each.height)
