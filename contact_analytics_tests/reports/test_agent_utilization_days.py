"""Agent utilization of days of the sandbox's, through Dagster and a warehouse, against plain SQL.

As many days as CONTACT_ANALYTICS_TESTED_DAYS says: 27 are a month.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from contact_analytics.reports.agent_utilization import REPORT, agent_utilization, compute
from contact_analytics.reports.agent_utilization_page import paint
from contact_analytics.sandbox.brand_files import write_brand_files
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics_tests.fakes import TODAY, Place
from contact_analytics_tests.histories import Account
from contact_analytics_tests.reports.places import DAYS, FIRST, LAST, Days, ReadPage, make, report_asset

[WORKFORCE] = REPORT.files


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("utilization")
    with dg.DagsterInstance.ephemeral() as instance:
        place = Place(folder, instance, LivePersonDataAccess(scale=0.2))
        assert place.materialize("agent_activity", FIRST, LAST + timedelta(days=1)).ok
        assert Account(folder, instance).run("agent_groups").ok
        set_ = write_brand_files(folder / "brand", TODAY, scale=0.2)
        files = {WORKFORCE.name: Path(set_["CONTACT_ANALYTICS_WORKFORCE"])}
        yield Days(place, files, make(agent_utilization, folder, instance, FIRST, LAST, files=files))


# By the pieces between any two events of an agent: what the session says of each that had the last event before it.
BY_PIECES = """
with events as (
    select distinct agent_id, agent_session_id, agent_loginname, agent_group_id, timestamp, type, state, concurrent_eng,
        max_concurrent_eng from liveperson.agent_activity
), spans as (
    select *, lead(timestamp) over (partition by agent_id, agent_session_id order by timestamp) as until from events
), clipped as (
    select *, greatest(timestamp, $day::timestamptz) as start, least(until, ($day::date + 1)::timestamptz) as stop
    from spans where until > $day::timestamptz and timestamp < ($day::date + 1)::timestamptz
), edges as (
    select distinct agent_id, unnest([start, stop]) as edge from clipped
), pieces as (
    select agent_id, edge, lead(edge) over (partition by agent_id order by edge) as next from edges
), held as (
    select epoch_ms(next - edge) / 60000 as minutes, unnest(arg_max(clipped, timestamp))
    from pieces join clipped on pieces.agent_id = clipped.agent_id and edge >= start and next <= stop
    group by pieces.agent_id, edge, next
), agents as (
    select agent_id, any_value(agent_loginname) as login, any_value(agent_group_id) as group_id,
        coalesce(sum(minutes) filter (state = 2), 0) as online,
        coalesce(sum(minutes) filter (state = 3), 0) as back_soon,
        coalesce(sum(minutes) filter (state = 4), 0) as away,
        coalesce(sum(minutes) filter (state = 1), 0) as offline,
        coalesce(sum(minutes) filter (state = 0), 0) as other,
        coalesce(sum(minutes * concurrent_eng) filter (state = 2), 0) as engagements,
        coalesce(sum(minutes * max_concurrent_eng) filter (state = 2), 0) as capacity
    from held group by agent_id
), sessions as (
    select agent_id, count(*) as sessions,
        count(*) filter (began < $day::timestamptz or ended > $day::date + 1) as across,
        count(*) filter (not has_logout) as unfinished
    from (select agent_id, min(timestamp) as began, max(timestamp) as ended, bool_or(type = 4) as has_logout
        from events group by agent_id, agent_session_id)
    where began < $day::date + 1 and ended > $day::timestamptz group by agent_id
)
select agents.*, sessions, across, unfinished, coalesce(region, 'not in the workforce file') as region, shift,
    coalesce(name, 'no group') as group_name
from agents join sessions using (agent_id)
left join read_csv($workforce) as file on lower(file.login) = lower(agents.login)
    and $day::date between coalesce(valid_from, date '0001-01-01') and coalesce(valid_to, date '9999-12-31')
left join liveperson.agent_groups on id = group_id and is_current
order by agent_id
"""


def test_every_day_is_what_sql_makes_of_the_table(days: Days) -> None:
    """By a join of the events' spans with all pieces of the day; sessions overlap, lack a logout and go offline."""
    assert days.run.ok, days.run.problem
    regions = set[str]()
    for day in DAYS:
        rows = days.select("from reports.agent_utilization where partition_date = $day order by agent_id", day=day)
        again = days.select(BY_PIECES, day=str(day), workforce=str(days.files[WORKFORCE.name]))
        assert len(rows) == len(again) > 0
        for row, other in zip(rows, again, strict=True):
            expected = {name: other[name] for name in ("online", "back_soon", "away", "offline", "other")}
            assert {name: row[f"minutes_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
            assert row["engagement_minutes"] == pytest.approx(other["engagements"], abs=1e-6)
            assert row["capacity_minutes"] == pytest.approx(other["capacity"], abs=1e-6)
            assert row["load_minutes"] == pytest.approx(row["minutes_online"], abs=1e-6)
            used = other["engagements"] / other["capacity"] if other["capacity"] else None
            assert row["utilization"] == (None if used is None else pytest.approx(used))
            assert (row["sessions"], row["sessions_across_midnight"]) == (other["sessions"], other["across"])
            assert row["sessions_without_logout"] == other["unfinished"]
            assert (row["agent_login"], row["region"]) == (other["login"], other["region"])
            assert row["agent_group"] == other["group_name"]
            regions.add(row["region"])
        assert days.run.metadata(day)["dagster/partition_row_count"] == len(rows)
    assert "not in the workforce file" in regions
    assert len(regions) > 1
    odd = ("sessions_across_midnight", "minutes_offline")
    [sums] = days.select(f"select {', '.join(f'sum({name}) as {name}' for name in odd)} from reports.agent_utilization")
    assert all(sums.values()), sums


def test_an_agent_who_changed_shift_is_on_the_new_one_from_that_day_on(days: Days) -> None:
    """The workforce file has two stretches of the agent; each day has the one that holds on it."""
    shifts = days.select(
        "select partition_date, shift from reports.agent_utilization where agent_login = 'agent000@example.com'"
    )
    assert shifts
    changed = TODAY - timedelta(days=8)
    assert all((row["shift"] == "night") == (row["partition_date"] < changed) for row in shifts)


def test_a_day_that_is_not_stored_is_named_and_nothing_is_changed(days: Days) -> None:
    """The report of a stored day stays as it was."""
    before = days.select("from reports.agent_utilization order by all")
    day = FIRST - timedelta(days=1)
    run = make(agent_utilization, days.folder, days.place.instance, day, files=days.files)
    assert f"not stored yet: liveperson.agent_activity {day}. Nothing was changed." in run.problem
    assert days.select("from reports.agent_utilization order by all") == before


def test_a_company_without_agent_groups_has_their_numbers(days: Days) -> None:
    """A table that is not in use is no input: nothing waits for it."""
    report = replace(REPORT, has=lambda table: table != "liveperson.agent_groups")
    asset = report_asset(report, compute, paint)
    assert asset.asset_deps[asset.key] == {dg.AssetKey(["liveperson", "agent_activity"]), WORKFORCE.key}
    with dg.DagsterInstance.ephemeral() as instance:
        run = make(asset, days.folder, instance, LAST, files=days.files)
        assert run.ok, run.problem
        groups = days.select(
            "select distinct agent_group from reports.agent_utilization where partition_date = $day", day=LAST
        )
        assert {group["agent_group"] for group in groups} <= {"no group", "group 1", "group 2", "group 3"}
        assert make(agent_utilization, days.folder, instance, LAST, files=days.files).ok


def test_the_page_needs_nothing_and_can_be_heard(days: Days) -> None:
    """As it lies in the folder of the day."""
    path = Path(days.run.metadata(LAST)["page"])
    assert path == days.folder / "pages" / str(LAST) / "agent_utilization.html"
    page = ReadPage(path.read_text())
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    [total] = days.select(
        "select sum(minutes_online) / 60 as hours, count(*) as agents from reports.agent_utilization "
        "where partition_date = $day",
        day=LAST,
    )
    assert f"{total['hours']:,.1f}" in page.words
    assert f"{total['agents']}" in page.words
