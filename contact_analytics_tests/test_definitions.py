"""The code location loads anywhere, and its assets tell a reader what they are."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from contact_analytics import automation
from contact_analytics.catalog import DATASETS, DIMENSIONS
from contact_analytics.definitions import defs
from contact_analytics.lib.checks import checks_of
from contact_analytics.lib.dataset import PARTITION, Dataset, Dimension, describe
from contact_analytics.lib.dimension_checks import DIMENSION_CHECKS
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.fakes import PROVENANCE, days_ago

HOME = Path(__file__).parents[1]
POOLS = {
    "liveperson": "liveperson_data_access",
    "liveperson.conversations": "liveperson_messaging",
    "khoros_care": "khoros_care",
    "nice_cxone": "nice_cxone_data_extraction",
}
EACH = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.table)


def bare_environment(**others: str) -> dict[str, str]:
    """An environment without a setting of ours, and with no storage of Dagster's."""
    ours = ("CONTACT_ANALYTICS", "LIVEPERSON", "KHOROS_CARE", "NICE_CXONE", "DAGSTER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(HOME)} | others


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of Dagster's, run in another folder, as a user with other settings would."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=bare_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_loads_with_no_environment_and_no_warning(tmp_path: Path) -> None:
    """A run says which setting is missing, not the loading; the one beta option is accepted by name."""
    strictly = ("-W", "error", "-W", "ignore:Parameter `backfill_policy` of")
    done = subprocess.run(
        [sys.executable, *strictly, "-c", "import contact_analytics.definitions"],
        cwd=tmp_path,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CONTACT_ANALYTICS_UNUSED_TABLES", "liveperson.survey, liveperson.surveys", "names liveperson.surveys, which"),
        ("CONTACT_ANALYTICS_LOOK_BACK_DAYS", "three", "is 'three', which is no number. Set it to a number, or leave"),
        ("NICE_CXONE_POLL_SECONDS", "nan", "is 'nan', which is no number"),
    ],
)
def test_a_setting_that_cannot_be_is_named_when_it_loads(tmp_path: Path, name: str, value: str, said: str) -> None:
    """A slip would otherwise leave a table in use that the company does not have, or fail somewhere in a conversion."""
    done = subprocess.run(
        [sys.executable, "-c", "import contact_analytics.definitions"],
        cwd=tmp_path,
        env=bare_environment(**{name: value}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode
    assert f"ConfigurationError: {name} {said}" in done.stderr


def test_the_daemon_leaves_tables_alone_that_the_company_does_not_have(tmp_path: Path) -> None:
    """Those of vendors without credentials, and those that the settings name; their freshness checks stay there."""
    words = (
        "from contact_analytics.definitions import defs; print(*sorted(spec.asset_key.path[-1] "
        "for check in defs.asset_checks for spec in check.check_specs if spec.automation_condition), "
        "len(list(defs.asset_checks)))"
    )
    settings = {"LIVEPERSON_APP_KEY": "a key", "CONTACT_ANALYTICS_UNUSED_TABLES": "liveperson.survey"}
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=tmp_path,
        env=bare_environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    used = ["agent_activity", "conversations", "engagement", "web_session"]
    assert done.stdout.split() == [*used, str(len(DATASETS))], done.stderr


def test_dagster_finds_it_valid(tmp_path: Path) -> None:
    """As its own command says."""
    done = command(tmp_path, "dagster", "definitions", "validate", "-m", "contact_analytics.definitions")
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr


@EACH
def test_an_asset_says_what_it_is(dataset: Dataset) -> None:
    """Group, kinds, owners, description with grain and key, links, and everything that runs it well."""
    asset = defs.resolve_assets_def(dataset.key)
    spec = asset.get_asset_spec(dataset.key)
    assert spec.group_name == dataset.vendor
    assert {"python", "duckdb"} <= spec.kinds
    assert spec.owners
    assert spec.description
    assert dataset.grain in spec.description
    assert all(f"`{name}`" in spec.description for name in [*dataset.primary_key, dataset.table, *dataset.views()])
    assert spec.metadata["documentation"].value == dataset.documentation
    assert spec.metadata["dictionary"]
    assert spec.code_version == dataset.fingerprint
    # A policy would take any day for the newest: `newest_due_day_is_in` tells of freshness.
    assert spec.freshness_policy is None
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    assert asset.op.pool == POOLS.get(dataset.table, POOLS[dataset.vendor])
    policy = asset.op.retry_policy
    assert policy
    assert policy.max_retries
    assert {spec.name for spec in asset.check_specs} == {check.name for check in checks_of(dataset)}


@EACH
def test_every_column_is_described(dataset: Dataset) -> None:
    """The columns tab of the UI: the partition first, the provenance last, each with type and meaning."""
    schema = defs.resolve_assets_def(dataset.key).metadata_by_key[dataset.key]["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    names = [column.name for column in schema.columns]
    assert names == list(dataset.columns())
    assert names[0] == PARTITION
    assert names[-4:] == PROVENANCE
    for column, declared in zip(schema.columns, dataset.columns().values(), strict=True):
        assert column.description == describe(declared)
        assert column.description
        assert column.type
        assert column.constraints.nullable == declared.nullable
    assert [column.name for column in schema.columns if "primary_key" in column.tags] == dataset.primary_key


EACH_DIMENSION = pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.table)


@EACH_DIMENSION
def test_a_dimension_says_what_it_is(dimension: Dimension) -> None:
    """As a daily table does; it has no partitions, and a policy that sees whether it was looked at."""
    asset = defs.resolve_assets_def(dimension.key)
    spec = asset.get_asset_spec(dimension.key)
    assert spec.partitions_def is None
    assert spec.group_name == dimension.vendor
    assert spec.owners
    assert spec.description
    assert dimension.grain in spec.description
    assert all(
        f"`{name}`" in spec.description for name in [*dimension.primary_key, dimension.table, *dimension.views()]
    )
    assert spec.metadata["documentation"].value == dimension.documentation
    assert spec.code_version == dimension.fingerprint
    assert isinstance(spec.freshness_policy, dg.FreshnessPolicy)
    assert asset.op.pool == ("khoros_care" if dimension.vendor == "khoros_care" else "liveperson_account_config")
    assert asset.op.retry_policy
    assert {spec.name for spec in asset.check_specs} == {check.name for check in DIMENSION_CHECKS}


@EACH_DIMENSION
def test_every_column_of_a_dimension_is_described(dimension: Dimension) -> None:
    """The vendor's first, then from when until when they held, then the provenance."""
    schema = defs.resolve_assets_def(dimension.key).metadata_by_key[dimension.key]["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == list(dimension.columns())
    assert [column.name for column in schema.columns][-7:] == ["valid_from", "valid_to", "is_current", *PROVENANCE]
    assert all(column.description and column.type for column in schema.columns)


def test_every_dataset_has_a_freshness_check_that_the_sensor_evaluates() -> None:
    """At its deadline, whether or not anything was loaded."""
    graph = defs.resolve_asset_graph()
    target = automation.freshness_sensor.asset_selection
    evaluated = {key for key in target.resolve_checks(graph) if key.name == "newest_due_day_is_in"}
    assert evaluated == {dg.AssetCheckKey(dataset.key, "newest_due_day_is_in") for dataset in DATASETS}
    assert all(graph.get(key).automation_condition for key in evaluated)
    assert automation.freshness_sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_the_command_line_materializes_a_day(tmp_path: Path) -> None:
    """The command of the README, with settings from the environment, against a server."""
    day = str(days_ago(4))
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with running(scale=0.02) as url:
        done = command(
            tmp_path,
            *("dagster", "asset", "materialize", "-m", "contact_analytics.definitions"),
            *("--select", 'key:"liveperson/engagement"', "--partition", day),
            **environment(url),
            CONTACT_ANALYTICS_WAREHOUSE="warehouse.duckdb",
            CONTACT_ANALYTICS_ARCHIVE="archive",
            DAGSTER_HOME=str(home),
        )
    assert done.returncode == 0, done.stderr
    assert {"warehouse.duckdb", "archive"} <= {path.name for path in tmp_path.iterdir()}
    assert list((tmp_path / "archive" / "liveperson" / "engagement" / day).glob("*.gz"))


def test_a_missing_setting_is_named_by_the_run(tmp_path: Path) -> None:
    """What is missing, and where to set it."""
    words = (
        "dagster",
        "asset",
        "materialize",
        "-m",
        "contact_analytics.definitions",
        "--select",
        "key:liveperson/survey",
    )
    done = command(tmp_path, *words, "--partition", str(days_ago(4)))
    assert done.returncode != 0
    assert "No LivePerson account is set. Set LIVEPERSON_ACCOUNT_ID" in done.stderr
