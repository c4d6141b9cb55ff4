"""Who the vendors say their agents are, and the rules by which two of them are one person."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import polars as pl

from contact_analytics.lib.record_linkage import Entry, LinkRule, Shared
from contact_analytics.lib.report import Frames, Input

# By the columns of the dimension that hold the ids, the strongest first.
SYSTEMS = {
    "liveperson_user_id": "LivePerson",
    "khoros_care_agent_id": "Khoros Care",
    "nice_cxone_agent_id": "CXone",
    "nice_cxone_acd_id": "CXone",
}
_USER, _KHOROS, _CXONE, _ACD = SYSTEMS

EMAIL = LinkRule("same e-mail", 1.0)
EMPLOYEE_ID = LinkRule("same employee id", 0.9)
LOGIN = LinkRule("login name is e-mail", 0.9)
SEGMENT = LinkRule("same segment and name", 0.9)
NAME = LinkRule("same full name", 0.6)
RULES = (EMAIL, EMPLOYEE_ID, LOGIN, SEGMENT, NAME)
# `N/A` and `0` are employee ids of people who have nothing in common.
EMPLOYEE_ID_ALONE = LinkRule("same employee id, but another e-mail and name", 0.3, joins=False)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_USER_TYPES = {0: "system", 1: "human", 2: "bot"}
_RECORDINGS, _WORKFLOWS = "nice_cxone.recording_interaction_metadata", "nice_cxone.qm_workflows"
_SAID = "lower(nfc_normalize(regexp_replace(trim(name), '\\s+', ' ', 'g')))"


def _legs(condition: str) -> str:
    """Both agents of each segment of which a condition holds."""
    return " union all ".join(
        f"select agent_{leg}_acd_id as id, agent_{leg}_name as name, agent_{leg}_team as team_name, partition_date, "
        f"start_date, segment_id from {_RECORDINGS} where trim(agent_{leg}_acd_id) <> '' and {condition}"
        for leg in (1, 2)
    )


USERS = Input(
    "liveperson.users",
    "select id, pid, login_name, email, employee_id, full_name, nickname, user_type_id, "
    "coalesce(member_of.agent_group_id, agent_groups[1].agent_group_id) as agent_group_id "
    "from liveperson.users where is_current",
    {
        "id": pl.Int64,
        **dict.fromkeys(("pid", "login_name", "email", "employee_id", "full_name", "nickname"), pl.String),
        "user_type_id": pl.Int64,
        "agent_group_id": pl.Int64,
    },
    history=True,
)
KHOROS_AGENTS = Input(
    "khoros_care.agents",
    "select agent_display_id as id, name, email, employee_id from khoros_care.agents where is_current",
    dict.fromkeys(("id", "name", "email", "employee_id"), pl.String),
    history=True,
)
EVALUATED_AGENTS = Input(
    _WORKFLOWS,
    "select distinct on (agent_id) agent_id as id, concat_ws(' ', agent_first_name, agent_last_name) as name, "
    f"team_name, partition_date as last_seen from {_WORKFLOWS} where trim(agent_id) <> '' "
    "order by agent_id, partition_date desc, dated_at desc, workflow_id desc",
    {**dict.fromkeys(("id", "name", "team_name"), pl.String), "last_seen": pl.Date},
)
RECORDED_AGENTS = Input(
    _RECORDINGS,
    f"""
    with spans as (
        select id, name, team_name, max(partition_date) as last_seen, max(start_date) as latest
        from ({_legs("true")}) group by all
    )
    select distinct on (id) id, name, team_name, last_seen from spans order by id, latest desc, name, team_name
    """,
    {**dict.fromkeys(("id", "name", "team_name"), pl.String), "last_seen": pl.Date},
)
# Of the agents of an evaluated segment, the one with the evaluated agent's name, if no other has it.
EVALUATED_SEGMENTS = Input(
    _RECORDINGS,
    f"""
    with named as (
        select segment_id, agent_id, concat_ws(' ', agent_first_name, agent_last_name) as name
        from {_WORKFLOWS} where trim(agent_id) <> ''
    ), evaluated as (select distinct segment_id, agent_id, {_SAID} as name from named), talked as (
        select segment_id, {_SAID} as name, min(id) as acd_id
        from ({_legs(f"segment_id in (select segment_id from {_WORKFLOWS})")}) group by all having min(id) = max(id)
    )
    select distinct agent_id, acd_id from evaluated join talked using (segment_id, name) where name <> ''
    """,
    {"agent_id": pl.String, "acd_id": pl.String},
    beside=(_WORKFLOWS,),
    name="evaluated_segments",
)


@dataclass(frozen=True)
class Identity:
    """What a vendor knows of an agent; `columns` are those of the dimension that only this vendor fills."""

    entry: Entry
    name: str = ""
    nickname: str = ""
    email: str = ""
    login: str = ""
    employee_id: str = ""
    columns: dict[str, Any] = field(default_factory=dict[str, Any])


def identities(frames: Frames) -> list[Identity]:
    """The agents of all vendors."""
    return [
        *map(_user, frames[USERS.frame_name].iter_rows(named=True)),
        *map(_khoros_agent, frames[KHOROS_AGENTS.frame_name].iter_rows(named=True)),
        *(_cxone_agent(_CXONE, row) for row in frames[EVALUATED_AGENTS.frame_name].iter_rows(named=True)),
        *(_cxone_agent(_ACD, row) for row in frames[RECORDED_AGENTS.frame_name].iter_rows(named=True)),
    ]


def values(known: Sequence[Identity], frames: Frames) -> list[tuple[LinkRule, Shared]]:
    """What agents have in common, by the rules in their order."""
    pairs = frames[EVALUATED_SEGMENTS.frame_name].iter_rows(named=True)
    segments = {
        f"{row['agent_id']} {row['acd_id']}": (entry_of(_CXONE, row["agent_id"]), entry_of(_ACD, row["acd_id"]))
        for row in pairs
    }
    employee_ids = _shared(known, lambda one: _folded(one.employee_id))
    of = {one.entry: one for one in known}
    contradicted = {
        told
        for told, entries in employee_ids.items()
        # More entries than systems join nobody anyway.
        if len(entries) <= len(SYSTEMS)
        and any(_contradict(of[one], of[other]) for one, other in combinations(entries, 2))
    }
    return [
        (EMAIL, _shared(known, lambda one: _address(one.email))),
        (EMPLOYEE_ID, {told: had for told, had in employee_ids.items() if told not in contradicted}),
        (EMPLOYEE_ID_ALONE, {told: had for told, had in employee_ids.items() if told in contradicted}),
        (LOGIN, _shared(known, lambda one: _address(one.login or one.email))),
        (SEGMENT, segments),
        (NAME, _shared(known, lambda one: _full_name(one.name or one.nickname))),
    ]


def entry_of(system: str, id: str) -> Entry:  # noqa: A002 - what the systems call it
    return Entry(list(SYSTEMS).index(system), system, id)


def _user(row: dict[str, Any]) -> Identity:
    return Identity(
        entry_of(_USER, str(row["id"])),
        _tidy(row["full_name"]),
        _tidy(row["nickname"]),
        _tidy(row["email"]),
        _tidy(row["login_name"]),
        _tidy(row["employee_id"]),
        {
            "liveperson_pid": row["pid"],
            "liveperson_login_name": row["login_name"],
            "liveperson_user_type": _USER_TYPES.get(row["user_type_id"]),
            "liveperson_agent_group_id": row["agent_group_id"],
        },
    )


def _khoros_agent(row: dict[str, Any]) -> Identity:
    return Identity(
        entry_of(_KHOROS, row["id"]),
        _tidy(row["name"]),
        email=_tidy(row["email"]),
        employee_id=_tidy(row["employee_id"]),
    )


def _cxone_agent(system: str, row: dict[str, Any]) -> Identity:
    seen = {"nice_cxone_team_name": row["team_name"], "nice_cxone_last_seen": row["last_seen"]}
    return Identity(entry_of(system, row["id"]), _tidy(row["name"]), columns=seen)


def _shared(known: Sequence[Identity], value: Callable[[Identity], str]) -> Shared:
    """The agents by a value, without those that have none."""
    found = defaultdict[str, list[Entry]](list)
    for one in known:
        if told := value(one):
            found[told].append(one.entry)
    return found


def _contradict(one: Identity, other: Identity) -> bool:
    """Whether both have e-mail addresses and names, of which no address and no word of a name is the same."""
    addresses = [{*filter(None, (_address(each.email), _address(each.login)))} for each in (one, other)]
    words = [{*_folded(f"{each.name} {each.nickname}").split()} for each in (one, other)]
    return all(all(told) and told[0].isdisjoint(told[1]) for told in (addresses, words))


def _tidy(text: str | None) -> str:
    return " ".join((text or "").split())


def _folded(text: str) -> str:
    """A text as it is compared: case, spaces and the way in which accents are written do not count."""
    return unicodedata.normalize("NFKC", text).casefold()


def _address(text: str) -> str:
    """An e-mail address as it is compared; none where the text is not one."""
    return _folded(text) if _EMAIL.fullmatch(text) else ""


def _full_name(text: str) -> str:
    """A name as it is compared; none where it is a single word, which many have."""
    return _folded(text) if " " in text else ""
