"""Agents are one person where a rule says so and nobody else is meant: worked out by hand, and for any agents."""

from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.report import Input
from contact_analytics.reports.agent_identities import (
    EMPLOYEE_ID_ALONE,
    EVALUATED_AGENTS,
    EVALUATED_SEGMENTS,
    KHOROS_AGENTS,
    RECORDED_AGENTS,
    RULES,
    SYSTEMS,
    USERS,
    entry_of,
)
from contact_analytics.reports.agents import REPORT, compute, key_of
from contact_analytics_tests.reports.contact_places import frames_of

LP, KHOROS, CXONE, ACD = SYSTEMS
Row = dict[str, Any]


def found(
    users: Sequence[Row] = (),
    khoros: Sequence[Row] = (),
    evaluated: Sequence[Row] = (),
    recorded: Sequence[Row] = (),
    segments: Sequence[tuple[str, str]] = (),
) -> list[Row]:
    """The rows that agents of each vendor come to; `segments` are pairs of an agent's id and a distributor's."""
    rows: Mapping[str, Sequence[Row]] = {
        USERS.frame_name: users,
        KHOROS_AGENTS.frame_name: khoros,
        EVALUATED_AGENTS.frame_name: evaluated,
        RECORDED_AGENTS.frame_name: recorded,
        EVALUATED_SEGMENTS.frame_name: [{"agent_id": one, "acd_id": other} for one, other in segments],
    }
    return REPORT.schema.validate(compute(frames_of(REPORT, rows))).to_dicts()


def persons(rows: Sequence[Row]) -> dict[str, str]:
    """Each person's ids with the rule of the weakest link."""
    return {" ".join(str(row[name]) for name in SYSTEMS if row[name] is not None): row["rule"] for row in rows}


@pytest.mark.parametrize(
    ("user", "agent", "rule"),
    [
        ({"email": " Mira@Example.com "}, {"email": "mira@example.COM"}, "same e-mail"),
        ({"employee_id": " E-07"}, {"employee_id": "e-07 "}, "same employee id"),
        ({"login_name": "Mira@example.com"}, {"email": "mira@Example.com"}, "login name is e-mail"),
        ({"full_name": "Ana  MARÍA Ruiz"}, {"name": " ana mari\N{COMBINING ACUTE ACCENT}a ruiz"}, "same full name"),
        ({"full_name": "", "nickname": "Mira L."}, {"name": "mira l."}, "same full name"),
        ({"full_name": "Mira Lind", "nickname": "Mira L."}, {"name": "Mira L."}, "unmatched"),
        ({"full_name": "Mira"}, {"name": "Mira"}, "unmatched"),
        ({"email": "n/a", "login_name": "none"}, {"email": "N/A"}, "unmatched"),
        ({"employee_id": " "}, {"employee_id": ""}, "unmatched"),
        ({"employee_id": "007"}, {"employee_id": "7"}, "unmatched"),
        ({"email": "mira@example.com"}, {"email": "mira@example.org"}, "unmatched"),
        ({}, {}, "unmatched"),
    ],
)
def test_two_are_one_by_the_rule_that_says_so(user: Row, agent: Row, rule: str) -> None:
    """Case, spaces and the way an accent is written do not count; blanks, words and what is no address tell nothing."""
    rows = found([{"id": 1, **user}], [{"id": "k", **agent}])
    assert persons(rows) == ({"1": rule, "k": rule} if rule == "unmatched" else {"1 k": rule})
    confidence = {each.name: each.confidence for each in RULES}.get(rule)
    assert {row["confidence"] for row in rows} == {confidence}


def test_the_strongest_rule_is_the_one_that_is_told() -> None:
    """All of them say so."""
    known = {"email": "m@x.org", "employee_id": "7"}
    user = {"id": 1, "login_name": "m@x.org", "full_name": "Mira Lind", **known}
    [row] = found([user], [{"id": "k", "name": "Mira Lind", **known}])
    assert row["rule"] == "same e-mail"
    assert row["links"] == [
        {"rule": "same e-mail", "confidence": 1.0, "system": LP, "id": "1", "other_system": KHOROS, "other_id": "k"}
    ]


def test_a_person_of_all_vendors() -> None:
    """By e-mail, by an evaluated segment and by the name: the weakest link is the row's."""
    [row] = found(
        [{"id": 1, "pid": "p", "email": "m@x.org", "login_name": "mira", "nickname": "Mi", "user_type_id": 1}],
        [{"id": "k", "email": "m@x.org", "name": "Mira Lind", "employee_id": "E-1"}],
        [{"id": "q", "name": "mira lind", "team_name": "Old team", "last_seen": date(2026, 1, 1)}],
        [{"id": "9", "name": "Mira Lind", "team_name": "New team", "last_seen": date(2026, 2, 1)}],
        [("q", "9")],
    )
    assert [row[name] for name in SYSTEMS] == [1, "k", "q", "9"]
    assert (row["name"], row["email"], row["employee_id"]) == ("Mira Lind", "m@x.org", "E-1")
    assert (row["liveperson_pid"], row["liveperson_login_name"], row["liveperson_user_type"]) == ("p", "mira", "human")
    assert (row["nice_cxone_team_name"], row["nice_cxone_last_seen"]) == ("New team", date(2026, 2, 1))
    assert (row["vendors"], row["rule"], row["confidence"]) == (3, "same full name", 0.6)
    assert [(link["rule"], link["id"], link["other_id"]) for link in row["links"]] == [
        ("same e-mail", "1", "k"),
        ("same segment and name", "q", "9"),
        ("same full name", "k", "q"),
    ]
    assert row["agent_key"] == key_of(entry_of(LP, "1"))
    assert row["keys"] == [key_of(entry_of(system, id)) for system, id in zip(SYSTEMS, "1kq9", strict=True)]


def test_ids_of_one_vendor_alone_are_one_vendor() -> None:
    """CXone's two ids of an agent."""
    [row] = found(evaluated=[{"id": "q", "name": "A B"}], recorded=[{"id": "9", "name": "A B"}], segments=[("q", "9")])
    assert (row["vendors"], row["rule"], row["confidence"]) == (1, "same segment and name", 0.9)


def test_who_shares_a_value_with_another_of_the_vendor_is_listed_and_not_joined() -> None:
    """Two of Khoros' have the name of one of CXone's; an employee id that several have is nobody's."""
    rows = found(
        [{"id": 1, "employee_id": "0"}],
        [
            {"id": "k1", "name": "Wei Tan", "employee_id": "0"},
            {"id": "k2", "name": "wei tan", "employee_id": "0"},
        ],
        [{"id": "q", "name": "Wei Tan"}],
    )
    assert persons(rows) == dict.fromkeys(["1", "k1", "k2", "q"], "unmatched")
    might_be = {
        str(row[candidate["system"]]): {other["other_id"] for other in row["candidates"]}
        for row in rows
        for candidate in row["candidates"]
    }
    assert might_be == {"1": {"k1", "k2"}, "k1": {"1", "q"}, "k2": {"1", "q"}, "q": {"k1", "k2"}}


def test_an_employee_id_that_all_else_contradicts_joins_nobody() -> None:
    """`N/A` is of two people with other addresses and names; an address or a word of a name that is the same, or that
    is not known, contradicts nothing.
    """
    user = {"id": 1, "employee_id": "N/A", "full_name": "Ann Bo", "email": "ann@x.org"}
    stranger = {"id": "k", "employee_id": "n/a", "name": "Cy Do", "email": "cy@x.org"}
    rows = found([user], [stranger])
    assert persons(rows) == {"1": "unmatched", "k": "unmatched"}
    assert {candidate["rule"] for row in rows for candidate in row["candidates"]} == {EMPLOYEE_ID_ALONE.name}
    for agreeing in ({"name": "Ann Do"}, {"email": None}, {"name": None}):
        assert persons(found([user], [stranger | agreeing])) == {"1 k": "same employee id"}
    assert persons(found([user | {"login_name": "CY@x.org"}], [stranger])) == {"1 k": "same employee id"}


def test_a_name_of_two_is_that_of_one_where_a_stronger_rule_has_joined_them() -> None:
    """The two who have it are one person."""
    user, agent = {"id": 1, "email": "w@x.org", "full_name": "Wei Tan"}, {"id": "k", "email": "w@x.org"}
    rows = found([user], [{**agent, "name": "Wei Tan"}], [{"id": "q", "name": "Wei Tan"}])
    assert persons(rows) == {"1 k q": "same full name"}


def test_an_agent_who_was_evaluated_in_segments_of_two_is_neither() -> None:
    """Both are listed."""
    rows = found(evaluated=[{"id": "q"}], recorded=[{"id": "8"}, {"id": "9"}], segments=[("q", "8"), ("q", "9")])
    assert persons(rows) == dict.fromkeys(["q", "8", "9"], "unmatched")
    [row] = [row for row in rows if row["nice_cxone_agent_id"]]
    assert {candidate["other_id"] for candidate in row["candidates"]} == {"8", "9"}


def test_a_key_outlives_a_match() -> None:
    """The stronger id's key stays the person's, and the weaker one's is found in the same row."""
    user, agent = {"id": 1}, {"id": "k", "email": "m@x.org"}
    before = {row["rule"]: row["agent_key"] for row in found([], [agent])}
    apart = {row["agent_key"] for row in found([user], [agent])}
    [row] = found([{**user, "email": "m@x.org"}], [agent])
    assert before["unmatched"] in apart
    assert {*row["keys"]} == apart
    assert row["agent_key"] == key_of(entry_of(LP, "1")) != before["unmatched"]


def test_a_key_goes_with_the_id_that_it_is_of() -> None:
    """Who leaves LivePerson has the key of Khoros Care's id from then on, and the one before is in no row."""
    user, agent = {"id": 1, "email": "m@x.org"}, {"id": "k", "email": "m@x.org"}
    [before], [after] = found([user], [agent]), found([], [agent])
    assert after["agent_key"] == before["keys"][1]
    assert before["agent_key"] not in after["keys"]


def test_without_agents_there_are_no_rows() -> None:
    """A company that has none of the tables."""
    assert found() == []


_WORKFLOWS = """
    select * from (values
        ('w1', 'q1', 'Ann', 'Bo', 'Old', date '2026-01-01', timestamptz '2026-01-01 08:00:00+00', 's1'),
        ('w2', 'q1', 'Ann', 'Bo-Ek', 'New', date '2026-01-02', timestamptz '2026-01-02 08:00:00+00', 's2'),
        ('w3', 'q2', ' ANN', 'bo ', null, date '2026-01-02', timestamptz '2026-01-02 08:00:00+00', 's2'),
        ('w4', 'q2', 'Ann', 'Bo', null, date '2026-01-02', timestamptz '2026-01-02 09:00:00+00', 's3'),
        ('w5', 'q3', null, null, 'T', date '2026-01-02', timestamptz '2026-01-02 09:00:00+00', 's4'),
        ('w6', ' ', 'Ann', 'Bo', 'T', date '2026-01-02', timestamptz '2026-01-02 09:00:00+00', 's1'),
        ('w7', null, 'Ann', 'Bo', 'T', date '2026-01-02', timestamptz '2026-01-02 09:00:00+00', 's1')
    ) as w (workflow_id, agent_id, agent_first_name, agent_last_name, team_name, partition_date, dated_at, segment_id)
"""
_RECORDINGS = """
    select *, date '2026-01-01' + number as partition_date, timestamptz '2026-01-01' + to_days(number) as start_date
    from (values
        (1, 's1', '11', 'ann bo', 'Old', '12', 'Cy Do', 'T'),
        (2, 's2', '13', 'Cy Do', 'T', '11', 'Ann  Bo', 'New'),
        (3, 's3', '11', 'Ann Bo', 'New', '14', 'Ann Bo', 'T'),
        (4, 's4', '15', '', 'T', ' ', null, null),
        (5, 's9', '11', 'Ann Bo-Ek', 'Newest', null, null, null)
    ) as r (number, segment_id, agent_1_acd_id, agent_1_name, agent_1_team, agent_2_acd_id, agent_2_name, agent_2_team)
"""


def asked(of: Input) -> list[tuple[Any, ...]]:
    """What a query reads of the tables above."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; create schema nice_cxone")
        connection.execute(f"create table {EVALUATED_AGENTS.table} as {_WORKFLOWS}")
        connection.execute(f"create table {RECORDED_AGENTS.table} as {_RECORDINGS}")
        return sorted(connection.execute(of.query).pl().select(list(of.columns)).rows())


def test_agents_of_cxone_are_known_by_their_newest_name_and_team() -> None:
    """Of evaluations and of both agents of a recording; a blank is no id."""
    jan = [date(2026, 1, day) for day in range(1, 7)]
    assert asked(EVALUATED_AGENTS) == [
        ("q1", "Ann Bo-Ek", "New", jan[1]),
        ("q2", "Ann Bo", None, jan[1]),
        ("q3", "", "T", jan[1]),
    ]
    assert asked(RECORDED_AGENTS) == [
        ("11", "Ann Bo-Ek", "Newest", jan[5]),
        ("12", "Cy Do", "T", jan[1]),
        ("13", "Cy Do", "T", jan[2]),
        ("14", "Ann Bo", "T", jan[3]),
        ("15", "", "T", jan[4]),
    ]


def test_an_evaluated_segment_tells_who_an_agent_is_by_the_name() -> None:
    """s1 says that q1 is 11, s2 that q2 is; in s3 two agents have the name, and in s4 nobody has one."""
    assert asked(EVALUATED_SEGMENTS) == [("q1", "11"), ("q2", "11")]


_TEXTS = st.sampled_from([None, "", "a@x.org", "b@x.org", "Ann Bo", "Cy Do", "7", "8"])
_USER = st.fixed_dictionaries(dict.fromkeys(("login_name", "email", "employee_id", "full_name", "nickname"), _TEXTS))
_AGENT = st.fixed_dictionaries(dict.fromkeys(("email", "employee_id", "name"), _TEXTS))
_CXONE_AGENT = st.fixed_dictionaries({"name": _TEXTS})


def _numbered(rows: Sequence[Row], kind: type = str) -> list[Row]:
    return [{"id": kind(place), **row} for place, row in enumerate(rows)]


@given(
    st.lists(_USER, max_size=4),
    st.lists(_AGENT, max_size=4),
    st.lists(_CXONE_AGENT, max_size=3),
    st.lists(_CXONE_AGENT, max_size=3),
    st.lists(st.tuples(st.sampled_from("012"), st.sampled_from("012")), max_size=3),
    st.randoms(use_true_random=False),
)
def test_each_id_is_in_one_row_whatever_the_order(
    users: list[Row],
    khoros: list[Row],
    evaluated: list[Row],
    recorded: list[Row],
    pairs: list[tuple[str, str]],
    chance: Random,
) -> None:
    """Every id of every vendor, no id twice, each old key in one row; another order of the input changes nothing."""
    pairs = [(one, other) for one, other in pairs if int(one) < len(evaluated) and int(other) < len(recorded)]
    of_vendors = _numbered(users, int), _numbered(khoros), _numbered(evaluated), _numbered(recorded)
    rows = found(*of_vendors, pairs)
    for name, known in zip(SYSTEMS, of_vendors, strict=True):
        held = [row[name] for row in rows if row[name] is not None]
        assert sorted(held) == sorted(one["id"] for one in known)
    keys = [key for row in rows for key in row["keys"]]
    assert len(keys) == len({*keys}) == sum(map(len, of_vendors))
    assert all(row["agent_key"] == row["keys"][0] for row in rows)
    for known in (*of_vendors, pairs):
        chance.shuffle(known)
    assert found(*of_vendors, pairs) == rows
