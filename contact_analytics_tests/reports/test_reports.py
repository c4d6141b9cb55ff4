"""What every report has: one name, its inputs as dependencies, its rules in words, and columns with their sources."""

import re
from importlib import import_module

import dagster as dg
import dataframely as dy
import pytest

from contact_analytics.catalog import DATASETS, DIMENSIONS, REPORTS
from contact_analytics.definitions import defs
from contact_analytics.lib.report import Report
from contact_analytics.lib.schema import columns_of, facts
from contact_analytics.reports.catalog import BRAND_FILES

EACH = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
VALIDITY = {"partition_date", "valid_from", "valid_to", "is_current"}
# Ids that join, and names that a query with two tables gives to columns of the other one.
JOINED = {
    "agent_utilization": {"liveperson.agent_groups.id"},
    "contact_volume": {"liveperson.users.id"},
    "customer_satisfaction": {
        "liveperson.engagement.conversation_id",
        *(f"liveperson.{table}.id" for table in ("skills", "users", "agent_groups")),
    },
    "quality_scorecard": {"nice_cxone.qm_questions.workflow_instance_id"},
    "agents": {"nice_cxone.qm_workflows.acd_id", "nice_cxone.qm_workflows.start_date"},
}
TABLES = {table.table: table for table in [*DATASETS, *DIMENSIONS, *REPORTS]}


def columns_known() -> set[str]:
    """Every column of every table and of the brand's files, as reports name them."""
    known = {f"{name}.{column}" for name, table in TABLES.items() for column in table.columns()}
    for spec in BRAND_FILES:
        schema = spec.metadata["dagster/column_schema"]
        known |= {f"{'.'.join(spec.key.path)}.{column.name}" for column in schema.columns}
    return known


@EACH
def test_a_report_has_one_name(report: Report) -> None:
    """File, asset, table and the last part of the key."""
    module = import_module(f"contact_analytics.reports.{report.name}")
    asset = getattr(module, report.name)
    assert module.REPORT is report
    assert asset.key == report.key == dg.AssetKey(["reports", report.name])
    assert asset.metadata_by_key[asset.key]["dagster/table_name"] == f"reports.{report.name}"


@EACH
def test_an_asset_says_what_it_is_and_what_it_is_made_from(report: Report) -> None:
    """Group, owners, grain and every rule in the description; each input and file as a dependency; a condition."""
    asset = defs.resolve_assets_def(report.key)
    spec = asset.get_asset_spec(report.key)
    assert spec.group_name == "reports"
    assert spec.owners
    assert spec.description
    assert all(text in spec.description for text in (report.grain, *report.counted))
    assert {dep.asset_key for dep in spec.deps} >= {each.key for each in (*report.used, *report.files)}
    assert spec.automation_condition
    assert spec.code_version == report.fingerprint


@EACH
def test_every_column_is_described_and_says_where_it_is_from(report: Report) -> None:
    """The columns tab, and lineage to columns that exist."""
    known = columns_known()
    for name, column in columns_of(report.schema).items():
        assert column.description, name
        assert isinstance(column, dy.Column)
        # A key may be what the report itself tells its rows apart by.
        assert facts(column).sources or column.primary_key, f"{name} has no sources"
        assert set(facts(column).sources) <= known, name
    lineage = report.lineage().deps_by_column
    assert lineage.keys() <= columns_of(report.schema).keys()
    assert lineage


@EACH
def test_every_column_that_is_read_is_a_source(report: Report) -> None:
    """Lineage leaves nothing out: what a query names of its table, and a file's columns, some column is made from.

    Save what says when a row holds, and ids by which two tables are joined and nothing else.
    """
    sources = {source for column in columns_of(report.schema).values() for source in facts(column).sources}
    read = {f"brand.{file.name}.{column}" for file in report.files for column in file.columns}
    for each in report.inputs:
        words = {*re.findall(r"\w+", re.sub(r"'[^']*'", "", each.query))}
        for table in (each.table, *each.beside):
            read |= {f"{table}.{column}" for column in TABLES[table].columns() if column in words}
    missing = {name for name in read - sources if name.rpartition(".")[2] not in VALIDITY}
    assert missing == JOINED.get(report.name, set())


@EACH
def test_a_reports_inputs_are_tables_that_exist(report: Report) -> None:
    """By the names of their assets."""
    assert {each.table for each in report.inputs} <= TABLES.keys()


def test_the_files_of_the_brand_are_in_the_graph() -> None:
    """So that a reader sees what a report is made from, although nobody here makes them."""
    keys = {spec.key for spec in BRAND_FILES}
    assert {file.key for report in REPORTS for file in report.files} == keys
    graph = defs.resolve_asset_graph()
    assert all(not graph.get(key).is_materializable for key in keys)
