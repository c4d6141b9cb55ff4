"""The agents of a company of all vendors: its own tables, the real asset over them, and the same in SQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from contact_analytics.khoros_care import agents as khoros_agents
from contact_analytics.lib.asset_options import dimension_table, unpartitioned_report
from contact_analytics.lib.report import UnpartitionedReport
from contact_analytics.lib.report_days import PagesResource
from contact_analytics.lib.unpartitioned_report import Recipe, make_unpartitioned_report
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.agent_identities import RULES, SYSTEMS
from contact_analytics.reports.agents import REPORT, agents, compute, measure
from contact_analytics.reports.agents_page import paint
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace, KhorosPlace
from contact_analytics_tests.fakes import Materialized, days_ago
from contact_analytics_tests.histories import Account
from contact_analytics_tests.reports.places import ReadPage, select

LP, KHOROS, CXONE, ACD = SYSTEMS
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def made(asset: dg.AssetsDefinition, folder: Path, instance: dg.DagsterInstance) -> Materialized:
    """The report made once over a folder's warehouse."""
    resources = {
        "warehouse": WarehouseResource(database=str(folder / "warehouse.duckdb"), wait_seconds=0.3),
        "pages": PagesResource(root=str(folder / "pages")),
    }
    result = dg.materialize(
        [asset], instance=instance, resources=resources, run_config={"loggers": _QUIET}, raise_on_error=False
    )
    return Materialized(result, [])


def asset_over(report: UnpartitionedReport) -> dg.AssetsDefinition:
    """An asset over the report as a test has it."""

    @dg.asset(**unpartitioned_report(report))
    def another(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, pages: PagesResource
    ) -> dg.MaterializeResult[Any]:
        return make_unpartitioned_report(context, report, Recipe(compute, paint, measure), warehouse, pages)

    return another


def without(*tables: str) -> UnpartitionedReport:
    """The report of a company that lacks tables or vendors."""
    return replace(REPORT, has=lambda table: not table.startswith(tables))


def fill_khoros(place: KhorosPlace) -> None:
    options = dimension_table(khoros_agents.DIMENSION, "khoros_care") | {"retry_policy": None}
    asset = dg.asset(**options)(khoros_agents.agents.op.compute_fn.decorated_fn)
    run_config = {"loggers": _QUIET}
    assert dg.materialize([asset], instance=place.instance, resources=place.resources(), run_config=run_config).success


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dg.DagsterInstance]]:
    """A company of all vendors, whose people have addresses that differ, are shared or are in none of the lists."""
    folder = tmp_path_factory.mktemp("company")
    with dg.DagsterInstance.ephemeral() as instance:
        cxone = CxonePlace(folder, instance, NiceCxone(scale=0.5, interval=0))
        for name in ("qm_workflows", "recording_interaction_metadata"):
            assert cxone.materialize(name, days_ago(7), days_ago(3)).ok
        fill_khoros(KhorosPlace(folder, instance, KhorosCare(scale=0.5, calls_per_minute=100_000)))
        assert Account(folder, instance, LivePersonAccountConfig(scale=0.5)).run("users").ok
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.execute("""
                update khoros_care.agents set email =
                    case agent_display_id::int % 4 when 0 then null when 1 then upper(email) else email end;
                update liveperson.users set email = case id % 3 when 0 then 'team@example.com' else email end,
                    employee_id = case id % 2 when 0 then 'E-' || (id - 3677470000) else '' end;
            """)
        yield folder, instance


_IDENTITIES = """
create temp table identity as
    select 'liveperson_user_id' as system, id::varchar as id, email, login_name as login, employee_id,
        coalesce(nullif(full_name, ''), nickname) as name from liveperson.users where is_current
    union all select 'khoros_care_agent_id', agent_display_id, email, email, employee_id, name
        from khoros_care.agents where is_current
    union all select 'nice_cxone_agent_id', agent_id, null, null, null,
        arg_max(agent_first_name || ' ' || agent_last_name, dated_at) from nice_cxone.qm_workflows group by agent_id
    union all select 'nice_cxone_acd_id', id, null, null, null, any_value(name) from (
        select agent_1_acd_id as id, agent_1_name as name from nice_cxone.recording_interaction_metadata
        union all select agent_2_acd_id, agent_2_name from nice_cxone.recording_interaction_metadata
    ) where id is not null group by id;
create temp table pair as
    select distinct agent_id, unnest(list_filter(
        [{'id': agent_1_acd_id, 'name': agent_1_name}, {'id': agent_2_acd_id, 'name': agent_2_name}],
        lambda leg: leg.name = agent_first_name || ' ' || agent_last_name
    )).id as acd_id
    from nice_cxone.qm_workflows join nice_cxone.recording_interaction_metadata using (segment_id)
    where agent_1_name is distinct from agent_2_name;
create temp table member as select system, id, system || id as person, 'unmatched' as rule from identity;
"""
_VALUES = {
    "same e-mail": "select system, id, lower(trim(email)) as value from identity where email like '%@%'",
    "same employee id": "select system, id, lower(trim(employee_id)) as value from identity where employee_id <> ''",
    "login name is e-mail": "select system, id, lower(trim(login)) as value from identity where login like '%@%'",
    "same segment and name": "select 'nice_cxone_agent_id' as system, agent_id as id, agent_id || acd_id as value "
    "from pair union all select 'nice_cxone_acd_id', acd_id, agent_id || acd_id from pair",
    "same full name": "select system, id, lower(trim(name)) as value from identity where name like '% %'",
}


def by_sql(folder: Path) -> set[tuple[str, ...]]:
    """The persons by rules that are applied to tables one after another; ids in their order, and the rule."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(_IDENTITIES)
        for rule, values in _VALUES.items():
            connection.execute(f"""
                create or replace temp table held as
                    select distinct value, person from ({values}) join member using (system, id);
                create or replace temp table telling as
                    select value from held join member using (person) group by value
                    having count(distinct person) > 1 and count(*) = count(distinct system);
                create or replace temp table joined as
                    select person, min(person) over (partition by value) as into
                    from held semi join telling using (value)
            """)
            # Here, so that a chain of values, which SQL would not follow, does not go unseen.
            assert not connection.execute("select person from joined group by person having count(*) > 1").fetchall()
            connection.execute(
                "update member set person = joined.into, rule = $rule from joined where member.person = joined.person",
                {"rule": rule},
            )
        order = ", ".join(f"max(id) filter (system = '{name}')" for name in SYSTEMS)
        return {*connection.execute(f"select {order}, max(rule) from member group by person").fetchall()}


def test_the_persons_of_a_company_are_those_of_sql(company: tuple[Path, dg.DagsterInstance]) -> None:
    """Row by row, with each rule at work and people left in doubt."""
    folder, instance = company
    run = made(agents, folder, instance)
    assert run.ok, run.problem
    rows = select(folder, f"select {', '.join(f'{name}::varchar' for name in SYSTEMS)}, rule from reports.agents")
    expected = by_sql(folder)
    assert {tuple(row.values()) for row in rows} == expected
    assert len(rows) == len(expected)
    told = {str(row["rule"]) for row in select(folder, "select rule from reports.agents_links")}
    assert told == {rule.name for rule in RULES}
    assert select(folder, "from reports.agents_candidates")


def test_links_that_are_sure_are_right(company: tuple[Path, dg.DagsterInstance]) -> None:
    """At every vendor of the sandbox's, ids end with the person's number: no link of 0.9 or more joins two."""
    folder, instance = company
    assert made(agents, folder, instance).ok
    links = select(folder, "select id, other_id from reports.agents_links where confidence >= 0.9")
    assert len(links) > 20
    assert all(str(link["id"])[-3:] == str(link["other_id"])[-3:] for link in links)


def test_the_ui_shows_counts_a_page_and_no_name(company: tuple[Path, dg.DagsterInstance]) -> None:
    """Rows, lineage, page and a sample without personal data; the table replaces the one before."""
    folder, instance = company
    first, again = made(agents, folder, instance), made(agents, folder, instance)
    [event] = again.result.get_asset_materialization_events()
    metadata: dict[str, Any] = {
        name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
    }
    [count] = select(folder, "select count(*) as rows, count(distinct agent_key) as keys from reports.agents")
    assert metadata["dagster/row_count"] == count["rows"] == count["keys"]
    assert f"**{count['rows']}**" in metadata["headline"]
    assert Path(str(metadata["page"])).exists()
    [alone] = select(
        folder,
        "select (select count(liveperson_user_id) from reports.agents where vendors = 1) as users, "
        "(select count(*) from reports.agents_links where rule = 'same e-mail') as links",
    )
    assert metadata["unmatched_liveperson_user_id"] == alone["users"] > 0
    assert metadata["links_same_e-mail"] == alone["links"] > 0
    assert all(record.data["name"] in ("•••", "null") for record in metadata["sample"].records)
    assert _version(first) == _version(again)
    [stored] = select(folder, "select rows, state, problem from meta.extractions where dataset = 'reports.agents'")
    assert stored == {"rows": count["rows"], "state": "loaded", "problem": None}


def _version(run: Materialized) -> str:
    [event] = run.result.get_asset_materialization_events()
    return (event.step_materialization_data.materialization.tags or {})["dagster/data_version"]


@pytest.mark.parametrize(
    ("lacking", "left"),
    [
        (["khoros_care"], {LP, CXONE, ACD}),
        (["liveperson", "nice_cxone.qm"], {KHOROS, ACD}),
        (["nice_cxone"], {LP, KHOROS}),
        (["nice_cxone.recording"], {LP, KHOROS, CXONE}),
    ],
)
def test_a_company_without_a_vendor(
    company: tuple[Path, dg.DagsterInstance], tmp_path: Path, lacking: list[str], left: set[str]
) -> None:
    """The others are matched as they are, and nothing is asked of the tables that it lacks."""
    folder, instance = company
    source = folder / "warehouse.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{source}' as a (read_only); attach '{tmp_path / 'warehouse.duckdb'}' as b")
        connection.execute("copy from database a to b")
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'b'"
        ).fetchall():
            if f"{schema}.{table}".startswith(tuple(lacking)):
                connection.execute(f"drop table b.{schema}.{table}")
    report = without(*lacking)
    run = made(asset_over(report), tmp_path, instance)
    assert run.ok, run.problem
    rows = select(tmp_path, "from reports.agents")
    assert {name for name in SYSTEMS for row in rows if row[name] is not None} == left
    known = {each for deps in report.lineage().deps_by_column.values() for each in deps}
    assert not [each for each in known if ".".join(each.asset_key.path).startswith(tuple(lacking))]


def test_what_is_not_stored_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    """A table in use of which there is no day; the failure is over once it is there."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert Account(tmp_path, instance).run("users").ok
        run = made(agents, tmp_path, instance)
        assert not run.ok
        assert "not stored yet: khoros_care.agents, nice_cxone.qm_workflows" in run.problem
        assert not select(tmp_path, "select 1 from duckdb_tables() where schema_name = 'reports'")
        state = "select state from meta.extractions where dataset = 'reports.agents'"
        assert select(tmp_path, state) == [{"state": "failed"}]
        assert made(asset_over(without("khoros_care", "nice_cxone")), tmp_path, instance).ok
        assert select(tmp_path, state) == [{"state": "loaded"}]
        before = select(tmp_path, "from reports.agents order by agent_key")
        assert not made(agents, tmp_path, instance).ok
        assert select(tmp_path, "from reports.agents order by agent_key") == before


def test_the_page_needs_nothing_and_shows_who_is_in_doubt(company: tuple[Path, dg.DagsterInstance]) -> None:
    """It opens from a folder; names that look like code stay names."""
    folder, instance = company
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("update liveperson.users set full_name = '<script>alert(1)</script> & Co' where id % 10 = 1")
    run = made(agents, folder, instance)
    [event] = run.result.get_asset_materialization_events()
    page = ReadPage(Path(str(event.step_materialization_data.materialization.metadata["page"].value)).read_text())
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    assert {"Agents across vendors", "Matched by name alone", "In doubt"} <= {*page.words}
    assert "<script>alert(1)</script> & Co" in page.words


def test_a_page_without_anybody() -> None:
    """It says zero."""
    nobody = pl.DataFrame(schema={name: column.dtype for name, column in REPORT.schema.columns().items()})
    page = paint(nobody)
    assert {*page.headline.values()} == {"0"}
    assert {*measure(nobody).values()} == {0}
    assert not page.remarks
