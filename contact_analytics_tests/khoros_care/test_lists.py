"""Teams and agents are histories of the company's lists."""

import json
from typing import Any

import dagster as dg
import pytest

from contact_analytics.khoros_care import agents, teams
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import Materialized, days_ago
from contact_analytics_tests.khoros_care.conftest import Open

MODULES = {"teams": teams, "agents": agents}
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def look(place: KhorosPlace, name: str, **config: Any) -> Materialized:
    """Materialize a list once, without retries."""
    module = MODULES[name]
    options: dict[str, Any] = dimension_table(module.DIMENSION, "lists") | {"retry_policy": None}
    asset = dg.asset(**options)(getattr(module, name).op.compute_fn.decorated_fn)
    place.app.requests.clear()
    result = dg.materialize(
        [asset],
        instance=place.instance,
        resources=place.resources(),
        run_config={"ops": {asset.op.name: {"config": config}}, "loggers": _QUIET},
        raise_on_error=False,
    )
    return Materialized(result, list(place.app.requests))


def test_teams_are_those_of_the_vendor(care: KhorosPlace) -> None:
    """Every field of each."""
    run = look(care, "teams")
    assert run.ok, run.problem
    rows = care.select(
        "select uuid, team_id, name, description, number_of_members, is_current from khoros_care.teams order by team_id"
    )
    told = [tuple(team.values()) for team in care.app.teams()]
    assert [tuple(row.values())[:5] for row in rows] == sorted(told, key=lambda team: team[1])
    assert all(row["is_current"] for row in rows)


def test_agents_are_those_of_the_vendor(care: KhorosPlace) -> None:
    """Those that are turned off included; each once, with its teams."""
    run = look(care, "agents")
    assert run.ok, run.problem
    users = care.sent("user", days_ago(1), include_disabled=True)
    told = {
        user["AGENT_DISPLAY_ID"]: (user["NAME"], user["EMAIL"], user["ROLE"], user["ENABLED"], [str(user["TEAM_ID"])])
        for user in users
    }
    rows = care.select("select * from khoros_care.agents")
    assert len(rows) == len(told)
    assert {
        row["agent_display_id"]: (row["name"], row["email"], row["role"], row["enabled"], row["team_ids"])
        for row in rows
    } == told
    assert {row["enabled"] for row in rows} == {True, False}


@pytest.mark.parametrize("name", MODULES)
def test_a_second_look_that_finds_the_same_adds_nothing(care: KhorosPlace, name: str) -> None:
    """No row and no archived list."""
    assert look(care, name).ok
    before = care.select(f"select * from khoros_care.{name} order by all")
    assert look(care, name).ok
    assert care.select(f"select * from khoros_care.{name} order by all") == before
    assert look(care, name, source="archive").ok


def test_an_agent_in_two_teams_is_one_row() -> None:
    """The export has a row a user and team; the time that each was logged in is left out."""
    text = (
        b'[{"AGENT_DISPLAY_ID":"7","NAME":"Ann","TEAM_ID":6102,"TOTAL_TIME":"1:00:00"},'
        b'{"AGENT_DISPLAY_ID":"8","NAME":"Bob","TEAM_ID":null,"TOTAL_TIME":"0:00:00"},'
        b'{"AGENT_DISPLAY_ID":"7","NAME":"Ann","TEAM_ID":6101,"TOTAL_TIME":"2:00:00"}]'
    )
    found = json.loads(agents.agents_of(text))
    assert [(one["agent_display_id"], one["team_ids"]) for one in found] == [("7", ["6101", "6102"]), ("8", [])]


def test_agents_without_an_id_are_an_error(open_care: Open) -> None:
    """Nothing is applied, and the error names the column."""
    place = open_care(dropped_columns=["AGENT_DISPLAY_ID"])
    run = look(place, "agents")
    assert not run.ok
    assert "agent id" in run.problem


@pytest.mark.parametrize("kind", ["401", "html", "503"])
@pytest.mark.parametrize(("name", "part"), [("teams", "/teams?"), ("agents", "/reports/report/user?")])
def test_a_list_that_cannot_be_had_changes_nothing(care: KhorosPlace, name: str, part: str, kind: str) -> None:
    """What is stored stays."""
    assert look(care, name).ok
    before = care.select(f"select * from khoros_care.{name} order by all")
    care.app.faults.append(Fault(part, kind, times=99))
    assert not look(care, name).ok
    assert care.select(f"select * from khoros_care.{name} order by all") == before


def test_an_agents_list_without_rows_is_held_back(care: KhorosPlace) -> None:
    """An empty answer is not taken for a company without agents."""
    assert look(care, "agents").ok
    before = care.select("select * from khoros_care.agents order by all")
    care.app.faults.append(Fault("/user/", "no_rows"))
    run = look(care, "agents")
    assert not run.ok
    assert care.select("select * from khoros_care.agents order by all") == before
