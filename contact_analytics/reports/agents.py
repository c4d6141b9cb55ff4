"""Agents: who is who across the vendors, by rules with a confidence."""

import hashlib
from collections import ChainMap
from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.asset_options import unpartitioned_report
from contact_analytics.lib.record_linkage import Entry, Link, Person, persons
from contact_analytics.lib.report import Frames, UnpartitionedReport
from contact_analytics.lib.report_days import PagesResource
from contact_analytics.lib.schema import field, many, record
from contact_analytics.lib.unpartitioned_report import Recipe, make_unpartitioned_report
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.agent_identities import (
    EVALUATED_AGENTS,
    EVALUATED_SEGMENTS,
    KHOROS_AGENTS,
    RECORDED_AGENTS,
    RULES,
    SYSTEMS,
    USERS,
    Identity,
    identities,
    values,
)
from contact_analytics.reports.agents_page import paint
from contact_analytics.settings import has_table

UNMATCHED = "unmatched"
_LP, _KHOROS = "liveperson.users", "khoros_care.agents"
_QM, _RECORDED = "nice_cxone.qm_workflows", "nice_cxone.recording_interaction_metadata"
_NAMES = (
    *(f"{_LP}.full_name", f"{_LP}.nickname", f"{_KHOROS}.name"),
    *(f"{_QM}.agent_first_name", f"{_QM}.agent_last_name", f"{_RECORDED}.agent_1_name", f"{_RECORDED}.agent_2_name"),
)
_EMAILS = (f"{_LP}.email", f"{_LP}.login_name", f"{_KHOROS}.email")
_EMPLOYEE_IDS = (f"{_LP}.employee_id", f"{_KHOROS}.employee_id")
_IDS = {
    "liveperson_user_id": (f"{_LP}.id",),
    "khoros_care_agent_id": (f"{_KHOROS}.agent_display_id",),
    "nice_cxone_agent_id": (f"{_QM}.agent_id",),
    "nice_cxone_acd_id": (f"{_RECORDED}.agent_1_acd_id", f"{_RECORDED}.agent_2_acd_id"),
}
_EVERY_ID = tuple(source for sources in _IDS.values() for source in sources)
# By these CXone's newest name and team of an agent are found.
_LAST = (f"{_QM}.dated_at", f"{_QM}.workflow_id", f"{_RECORDED}.start_date")
_EVIDENCE = (*_EMAILS, *_EMPLOYEE_IDS, *_NAMES, f"{_QM}.segment_id", f"{_RECORDED}.segment_id")


def _pair(meaning: str) -> Any:
    """Two ids that a rule brings together."""
    return many(
        record(
            {
                "rule": field(dy.String, "Rule"),
                "confidence": field(dy.Float64, "How sure it is", unit="0 to 1"),
                "system": field(dy.String, "Column of the id"),
                "id": field(dy.String, "Id"),
                "other_system": field(dy.String, "Column of the other id"),
                "other_id": field(dy.String, "The other id"),
            }
        ),
        meaning,
        sources=_EVIDENCE,
    )


class Agents(dy.Schema):
    """One row a person."""

    agent_key = field(
        dy.String, "Person: a digest of the first of the ids that follow, in their order", key=True, sources=_EVERY_ID
    )
    name = field(dy.String, "Name", personal=True, sources=(*_NAMES, *_LAST))
    email = field(dy.String, "E-mail address", personal=True, sources=_EMAILS)
    employee_id = field(dy.String, "Employee id", personal=True, sources=_EMPLOYEE_IDS)
    liveperson_user_id = field(
        dy.Int64, "LivePerson's user; joins users.id, agent_activity.agent_id", sources=_IDS["liveperson_user_id"]
    )
    khoros_care_agent_id = field(
        dy.String, "Khoros Care's agent; joins agents.agent_display_id", sources=_IDS["khoros_care_agent_id"]
    )
    nice_cxone_agent_id = field(
        dy.String, "CXone's agent; joins qm_workflows.agent_id", sources=_IDS["nice_cxone_agent_id"]
    )
    nice_cxone_acd_id = field(
        dy.String,
        "CXone's agent at its automatic call distributor; joins recording_interaction_metadata.agent_1_acd_id",
        sources=_IDS["nice_cxone_acd_id"],
    )
    liveperson_pid = field(
        dy.String, "LivePerson's process id; joins messaging's ids of agents", sources=(f"{_LP}.pid",)
    )
    liveperson_login_name = field(dy.String, "Login name", personal=True, sources=(f"{_LP}.login_name",))
    liveperson_user_type = field(dy.String, "human, bot or system", sources=(f"{_LP}.user_type_id",))
    liveperson_agent_group_id = field(
        dy.Int64, "Group; joins agent_groups", sources=(f"{_LP}.member_of", f"{_LP}.agent_groups")
    )
    nice_cxone_team_name = field(
        dy.String,
        "Team when last seen",
        sources=(f"{_QM}.team_name", f"{_RECORDED}.agent_1_team", f"{_RECORDED}.agent_2_team", *_LAST),
    )
    nice_cxone_last_seen = field(
        dy.Date,
        "Last stored day on which CXone names the agent",
        sources=(f"{_QM}.partition_date", f"{_RECORDED}.partition_date"),
    )
    vendors = field(dy.Int64, "Vendors that have the person", unit="vendors", sources=_EVERY_ID)
    rule = field(dy.String, f"Rule of the weakest link; `{UNMATCHED}` with one id", required=True, sources=_EVIDENCE)
    confidence = field(dy.Float64, "Confidence of the weakest link; null with one id", unit="0 to 1", sources=_EVIDENCE)
    keys = many(
        field(dy.String, "Key"),
        "The key that each of the ids has alone: one that was the person's before a match is among them",
        sources=_EVERY_ID,
    )
    links = _pair("The links that make the ids one person")
    candidates = _pair("Pairs of an id and one of another person, who may be the same, as more than one may be")

    @dy.rule()
    def confidence_is_known_with_two_ids_or_more(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules are class methods
        ids = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in SYSTEMS)
        return (ids > 1) == pl.col("confidence").is_not_null()


REPORT = UnpartitionedReport(
    name="agents",
    title="Agents across vendors",
    schema=Agents,
    grain="One row a person who is an agent of a vendor at least, now.",
    rules="""
        Of LivePerson and Khoros Care, it is those who are agents now; of CXone, which has no list, everyone whom a
        stored day names: by the agent id of evaluations, and by the id at the call distributor.

        Two ids are one person by the first of these rules that says so: the same e-mail address (confidence 1.0); the
        same employee id (0.9); a login name of LivePerson that is an e-mail address of the other (0.9); in CXone, the
        same name in an evaluated segment, where no other of its agents has it (0.9); the same full name of two words
        or more (0.6). LivePerson's nickname stands in for a full name that is empty. Case, spaces around, and how an
        accent is written do not count.

        A person has one id of a kind. What a value would join to a second one is not joined: everyone with that value
        stays apart under that rule, and is listed as a candidate of the others. Stronger rules go first, and what they
        have joined counts as one. Employee ids join nobody whose e-mail addresses differ and whose names have no word
        in common: these are candidates as well.

        The key follows from the first id that a person has now: LivePerson's, Khoros Care's, CXone's. With a new match
        the person keeps the key of the stronger id, and the other key ends as one of its own; it stays among `keys`, in
        one row alone. Who is no longer in the vendor's list of the first id has the key of the next id from then on,
        and the one before is in no row.

        Whoever has one id is a row too, `unmatched`. Confidence is that of the weakest link.
    """,
    inputs=(USERS, KHOROS_AGENTS, EVALUATED_AGENTS, RECORDED_AGENTS, EVALUATED_SEGMENTS),
    has=has_table,
)


@dg.asset(**unpartitioned_report(REPORT))
def agents(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, pages: PagesResource
) -> dg.MaterializeResult[Any]:
    return make_unpartitioned_report(context, REPORT, Recipe(compute, paint, measure), warehouse, pages)


def compute(frames: Frames) -> pl.DataFrame:
    """The persons."""
    known = {one.entry: one for one in identities(frames)}
    found = persons(known, values(list(known.values()), frames))
    rows = [_row(person, [known[entry] for entry in person.entries]) for person in found]
    schema = {name: column.dtype for name, column in Agents.columns().items()}
    return pl.DataFrame(rows, schema=schema).sort("agent_key")


def measure(rows: pl.DataFrame) -> dict[str, int]:
    """How many links each rule has made, and how many ids of each kind are with no other vendor's."""
    rules = rows.explode("links")["links"].struct.field("rule")
    alone = rows.filter(pl.col("vendors") == 1)
    return {f"links_{rule.name.replace(' ', '_')}": int((rules == rule.name).sum()) for rule in RULES} | {
        f"unmatched_{name}": alone[name].count() for name in SYSTEMS
    }


def key_of(entry: Entry) -> str:
    """The key of a person who has this id first."""
    return hashlib.sha256(f"{entry.system} {entry.id}".encode()).hexdigest()[:16]


def _row(person: Person, known: list[Identity]) -> dict[str, Any]:
    weakest = max((link.rule for link in person.links), key=RULES.index, default=None)
    ids = {entry.system: entry.id for entry in person.entries}
    user = ids.get("liveperson_user_id")
    return {
        "agent_key": key_of(person.entries[0]),
        "name": _first([*(one.name for one in known), *(one.nickname for one in known)]),
        "email": _first(one.email or (one.login if "@" in one.login else "") for one in known),
        "employee_id": _first(one.employee_id for one in known),
        **ids,
        "liveperson_user_id": int(user) if user else None,
        **_merged(known),
        "vendors": len({SYSTEMS[entry.system] for entry in person.entries}),
        "rule": weakest.name if weakest else UNMATCHED,
        "confidence": weakest.confidence if weakest else None,
        "keys": [key_of(entry) for entry in person.entries],
        "links": [_told(link) for link in person.links],
        "candidates": [_told(_seen_from(person, link)) for link in person.candidates],
    }


def _first(texts: Iterable[str]) -> str | None:
    return next(filter(None, texts), None)


def _merged(known: Iterable[Identity]) -> dict[str, Any]:
    """What single vendors fill: of CXone by the id that was seen last."""
    last = sorted(known, key=lambda one: one.columns.get("nice_cxone_last_seen") or date.min)
    parts = ({name: value for name, value in one.columns.items() if value is not None} for one in last)
    return dict(ChainMap(*reversed([*parts])))


def _seen_from(person: Person, link: Link) -> Link:
    """A pair with the person's own id first."""
    return link if link.one in person.entries else Link(link.rule, link.other, link.one)


def _told(link: Link) -> dict[str, Any]:
    return {
        "rule": link.rule.name,
        "confidence": link.rule.confidence,
        "system": link.one.system,
        "id": link.one.id,
        "other_system": link.other.system,
        "other_id": link.other.id,
    }
