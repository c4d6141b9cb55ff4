"""Agent utilization of days of the sandbox's, through Dagster and a warehouse, against plain SQL."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.reports.agent_utilization import REPORT, agent_utilization, compute
from contact_analytics.reports.agent_utilization_page import paint
from contact_analytics.sandbox.brand_files import write_brand_files
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import TODAY, Materialized, Place
from contact_analytics_tests.histories import Account
from contact_analytics_tests.reports.places import FIRST, LAST, ReadPage, make, report_asset

[WORKFORCE] = REPORT.files


@dataclass
class Month:
    """A warehouse with days of agent activity, the brand's workforce file, and the run that made the report of them."""

    place: Place
    files: dict[str, Path]
    run: Materialized

    @property
    def folder(self) -> Path:
        return self.place.folder

    def select(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        return self.place.select(query, parameters or None)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    folder = tmp_path_factory.mktemp("utilization")
    with dg.DagsterInstance.ephemeral() as instance:
        place = Place(folder, instance, LivePersonDataAccess(scale=0.2))
        assert place.materialize("agent_activity", FIRST, LAST + timedelta(days=1)).ok
        assert Account(folder, instance).run("agent_groups").ok
        set_ = write_brand_files(folder / "brand", TODAY, scale=0.2)
        files = {WORKFORCE.name: Path(set_["CONTACT_ANALYTICS_WORKFORCE"])}
        yield Month(place, files, make(agent_utilization, folder, instance, FIRST, LAST, files=files))


# An integral by its steps: each event adds what it changes, for the rest of the day.
BY_STEPS = """
with steps as (
    select *, (epoch_ms($day::date + 1) - epoch_ms(greatest($day::timestamptz, least(($day::date + 1)::timestamptz,
        timestamp)))) / 60000 as rest, max(max_concurrent_eng) over (partition by agent_id) as most
    from (select distinct on (agent_session_id, timestamp, type, state) * from liveperson.agent_activity)
), agents as (
    select agent_id, any_value(agent_loginname) as login, any_value(agent_group_id) as group_id,
        sum(rest * ((state = 2)::int - (prev_state = 2)::int)) as online,
        sum(rest * ((state = 3)::int - (prev_state = 3)::int)) as back_soon,
        sum(rest * ((state = 4)::int - (prev_state = 4)::int)) as away,
        sum(rest * ((state = 0)::int - (prev_state = 0)::int)) as other,
        sum(rest * (if(state = 2, concurrent_eng, 0) - if(prev_state = 2, prev_concurrent_eng, 0))) as engagements,
        sum(rest * most * ((state = 2)::int - (prev_state = 2)::int)) as capacity
    from steps group by agent_id
), sessions as (
    select agent_id, count(*) as sessions,
        count(*) filter (began < $day::timestamptz or ended > $day::date + 1) as across
    from (select agent_id, min(timestamp) as began, max(timestamp) as ended from liveperson.agent_activity
        group by agent_id, agent_session_id)
    where began < $day::date + 1 and ended > $day::timestamptz group by agent_id
)
select agents.*, sessions, across, coalesce(region, 'not in the workforce file') as region, shift,
    coalesce(name, 'no group') as group_name
from agents join sessions using (agent_id)
left join read_csv($workforce) as file on lower(file.login) = lower(agents.login)
    and $day::date between coalesce(valid_from, date '0001-01-01') and coalesce(valid_to, date '9999-12-31')
left join liveperson.agent_groups on id = group_id and is_current
order by agent_id
"""


def test_every_day_of_a_month_is_what_sql_makes_of_the_table(month: Month) -> None:
    """By another way: each event's change times the rest of the day, from what the vendor says was before it."""
    assert month.run.ok, month.run.problem
    regions = set[str]()
    for day in (FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)):
        rows = month.select("from reports.agent_utilization where partition_date = $day order by agent_id", day=day)
        again = month.select(BY_STEPS, day=str(day), workforce=str(month.files[WORKFORCE.name]))
        assert len(rows) == len(again) > 0
        for row, other in zip(rows, again, strict=True):
            expected = {name: other[name] for name in ("online", "back_soon", "away", "other")}
            assert {name: row[f"minutes_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
            assert row["minutes_offline"] == 0
            assert row["engagement_minutes"] == pytest.approx(other["engagements"], abs=1e-6)
            assert row["capacity_minutes"] == pytest.approx(other["capacity"], abs=1e-6)
            assert row["utilization"] == pytest.approx(other["engagements"] / other["capacity"])
            assert (row["sessions"], row["sessions_across_midnight"]) == (other["sessions"], other["across"])
            assert (row["agent_login"], row["region"]) == (other["login"], other["region"])
            assert row["agent_group"] == other["group_name"]
            regions.add(row["region"])
        assert month.run.metadata(day)["dagster/partition_row_count"] == len(rows)
    assert "not in the workforce file" in regions
    assert len(regions) > 1
    across = month.select("select sum(sessions_across_midnight) as across from reports.agent_utilization")
    assert across[0]["across"] > 0


def test_an_agent_who_changed_shift_is_on_the_new_one_from_that_day_on(month: Month) -> None:
    """The workforce file has two stretches of the agent; each day has the one that holds on it."""
    shifts = month.select(
        "select partition_date, shift from reports.agent_utilization where agent_login = 'agent000@example.com'"
    )
    assert shifts
    changed = TODAY - timedelta(days=8)
    assert all((row["shift"] == "night") == (row["partition_date"] < changed) for row in shifts)


def test_a_day_that_is_not_stored_is_named_and_nothing_is_changed(month: Month) -> None:
    """The report of a stored day stays as it was."""
    before = month.select("from reports.agent_utilization order by all")
    day = FIRST - timedelta(days=1)
    run = make(agent_utilization, month.folder, month.place.instance, day, files=month.files)
    assert f"not stored yet: liveperson.agent_activity {day}. Nothing was changed." in run.problem
    assert month.select("from reports.agent_utilization order by all") == before


def test_a_company_without_agent_groups_has_their_numbers(month: Month) -> None:
    """A table that is not in use is no input: nothing waits for it."""
    report = replace(REPORT, has=lambda table: table != "liveperson.agent_groups")
    asset = report_asset(report, compute, paint)
    assert asset.asset_deps[asset.key] == {dg.AssetKey(["liveperson", "agent_activity"]), WORKFORCE.key}
    with dg.DagsterInstance.ephemeral() as instance:
        assert month.place.folder
        run = make(asset, month.folder, instance, LAST, files=month.files)
        assert run.ok, run.problem
        groups = month.select(
            "select distinct agent_group from reports.agent_utilization where partition_date = $day", day=LAST
        )
        assert {group["agent_group"] for group in groups} <= {"no group", "group 1", "group 2", "group 3"}
        assert make(agent_utilization, month.folder, instance, LAST, files=month.files).ok


def test_the_page_needs_nothing_and_can_be_heard(month: Month) -> None:
    """As it lies in the folder of the day."""
    path = Path(month.run.metadata(LAST)["page"])
    assert path == month.folder / "pages" / str(LAST) / "agent_utilization.html"
    page = ReadPage(path.read_text())
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    [total] = month.select(
        "select sum(minutes_online) / 60 as hours, count(*) as agents from reports.agent_utilization "
        "where partition_date = $day",
        day=LAST,
    )
    assert f"{total['hours']:,.1f}" in page.words
    assert f"{total['agents']}" in page.words
