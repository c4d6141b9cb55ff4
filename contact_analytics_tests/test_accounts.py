"""Several accounts in one deployment: assets, credentials, limits, rows and failures apart."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from contact_analytics import accounts
from contact_analytics.lib.account import key_of, pool_of
from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.places import PLACES
from contact_analytics.sandbox.dagster_processes import ROOT, dagster_dev, dagster_home
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.lakes import lake
from contact_analytics_tests.lib.test_warehouse import DAY, NEXT, frame, load, query, stored
from contact_analytics_tests.waiting import until

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the accounts' files, which the environment names; nothing else is set."""
    made = tmp_path / "accounts"
    made.mkdir()
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNTS", str(made))
    for name in ("ACCOUNT", "WAREHOUSE", "ARCHIVE", "REPORTS", "LAKE_DATA"):
        monkeypatch.delenv(f"CONTACT_ANALYTICS_{name}", raising=False)
    return made


def test_an_account_has_what_its_file_says_and_its_part_of_what_is_shared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where things are kept gets its name behind it, unless the file says where."""
    path = folder / "acme.env"
    path.write_text("LIVEPERSON_ACCOUNT_ID=1234\nCONTACT_ANALYTICS_REPORTS=/srv/acme\n")
    monkeypatch.setenv("CONTACT_ANALYTICS_ARCHIVE", "s3://archive/")
    assert accounts.settings_of("acme", path) == {
        "CONTACT_ANALYTICS_ACCOUNT": "acme",
        "CONTACT_ANALYTICS_WAREHOUSE": "data/acme/contact_analytics.duckdb",
        "CONTACT_ANALYTICS_ARCHIVE": "s3://archive/acme",
        "CONTACT_ANALYTICS_REPORTS": "/srv/acme",
        "CONTACT_ANALYTICS_LAKE_DATA": "data/lake/acme",
        "LIVEPERSON_ACCOUNT_ID": "1234",
    }
    catalog = "ducklake:postgres:dbname=lake"
    monkeypatch.setenv("CONTACT_ANALYTICS_WAREHOUSE", catalog)
    assert accounts.settings_of("acme", path)["CONTACT_ANALYTICS_WAREHOUSE"] == catalog


def test_copies_of_the_example_keep_nothing_in_common(folder: Path) -> None:
    """Its places are those of one account; what is empty in it is not set."""
    example = ROOT / ".env.example"
    acme, globex = (accounts.settings_of(name, example) for name in ("acme", "globex"))
    assert not {key for key in PLACES if key in acme and acme[key] == globex[key]}
    assert all(acme.values())


def test_accounts_that_would_share_a_place_are_refused(folder: Path) -> None:
    """One customer's archived files would count as the other's."""
    for name in ("acme", "globex"):
        (folder / f"{name}.env").write_text("CONTACT_ANALYTICS_ARCHIVE=s3://archive\n")
    with pytest.raises(ConfigurationError, match="CONTACT_ANALYTICS_ARCHIVE of acme and of globex"):
        accounts.workspace()


LOADED = """
from contact_analytics import accounts
from datetime import UTC, datetime
import dagster as dg
repository = accounts.acme.get_repository_def()
jobs = {job.name: job for job in repository.get_all_jobs()}
for schedule in repository.schedule_defs:
    with dg.build_schedule_context(scheduled_execution_time=datetime.now(UTC)) as context:
        for request in schedule.evaluate_tick(context).run_requests or []:
            dg.validate_run_config(jobs[schedule.job_name], request.run_config)
print(sorted(jobs))
"""


def test_jobs_and_schedules_are_the_accounts(folder: Path) -> None:
    """Each finds the account's assets; schedules' options are those of its ops."""
    (folder / "acme.env").write_text("CONTACT_ANALYTICS_AUTOMATION=running\n")
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "liveperson_messaging" in done.stdout


def test_the_workspace_names_each_account(folder: Path) -> None:
    """A code location each, by the name of its file."""
    for name in ("globex", "acme_uk"):
        (folder / f"{name}.env").touch()
    locations = yaml.safe_load(accounts.workspace())["load_from"]
    assert [each["python_module"]["attribute"] for each in locations] == ["acme_uk", "globex"]
    assert {each["python_module"]["module_name"] for each in locations} == {"contact_analytics.accounts"}


@pytest.mark.parametrize("name", ["Acme", "1st", "a b", "acme-uk", "x" * 32, "a.b"])
def test_a_name_that_cannot_be_one_is_refused(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is part of asset keys, pools, schemas and folders."""
    (folder / f"{name}.env").touch()
    with pytest.raises(ConfigurationError, match="small letters"):
        accounts.workspace()
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", name)
    with pytest.raises(ConfigurationError, match="CONTACT_ANALYTICS_ACCOUNT names"):
        key_of("liveperson.survey")


def test_no_accounts_are_no_workspace(folder: Path) -> None:
    """An empty one would look like a deployment in which all is well."""
    with pytest.raises(ConfigurationError, match="holds no account"):
        accounts.workspace()
    with pytest.raises(AttributeError, match="is no account"):
        _ = accounts.acme


def test_assets_and_pools_are_the_accounts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account they are as they were."""
    assert key_of("liveperson.survey").path == ["liveperson", "survey"]
    assert pool_of("khoros_care") == "khoros_care"
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
    assert key_of("liveperson.survey").path == ["acme", "liveperson", "survey"]
    assert pool_of("khoros_care") == "acme_khoros_care"


@pytest.fixture(params=["file", "lake"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseResource]:
    if request.param == "file":
        yield WarehouseResource(database=str(tmp_path / "w.duckdb"))
    else:
        with lake(tmp_path / "lake", wait_seconds=10) as made:
            yield made


def test_rows_say_whose_they_are(warehouse: WarehouseResource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were stored before the account had a name, too; in each table, those of ours included."""
    if warehouse.lake:
        monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
    load(warehouse, frame("a"))
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
    load(warehouse, frame("b"), day=NEXT)
    load(warehouse, frame("c"), day=DAY)
    assert query(warehouse, "select id, _account from test.order order by id") == [("b", "acme"), ("c", "acme")]
    assert query(warehouse, "select distinct _account from meta.extractions") == [("acme",)]


def test_accounts_share_a_database_and_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a schema of the catalog; nobody waits for another's turn."""
    with lake(tmp_path / "lake") as shared:
        monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
        acme = shared.model_copy(update={"lake_data": str(tmp_path / "lake" / "acme")})
        load(acme, frame("a"))
        with acme.get_connection():
            monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "globex")
            globex = shared.model_copy(update={"lake_data": str(tmp_path / "lake" / "globex")})
            load(globex, frame("g"))
        assert stored(globex) == ["g"]
        monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
        assert stored(acme) == ["a"]


def test_a_warehouse_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that share one by mistake would replace each other's days."""
    warehouse = WarehouseResource(database=str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "acme")
    load(warehouse, frame("a"))
    monkeypatch.setenv("CONTACT_ANALYTICS_ACCOUNT", "globex")
    with pytest.raises(ConfigurationError, match="marked as 'acme''s"):
        load(warehouse, frame("b"))
    assert stored(warehouse) == ["a"]


def test_a_process_works_for_one_account(folder: Path) -> None:
    """What it has loaded is one account's: a second one in it would get the first one's credentials."""
    for name in ("acme", "globex"):
        (folder / f"{name}.env").touch()
    code = "from contact_analytics import accounts\naccounts.acme; accounts.acme\naccounts.globex"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "works for acme and was to load globex" in done.stderr


def test_one_accounts_failure_is_its_own(folder: Path, tmp_path: Path) -> None:
    """Two accounts from the daemon: one has a wrong password, the other's day is stored, in its own warehouse."""
    with running(scale=0.02) as url:
        known = environment(url)
        for name, change in (("acme", {}), ("globex", {"LIVEPERSON_APP_SECRET": "wrong"})):
            lines = [f"{key}={value}" for key, value in (known | change).items() if key.startswith("LIVEPERSON")]
            (folder / f"{name}.env").write_text("\n".join(lines))
        (tmp_path / "workspace.yaml").write_text(accounts.workspace())
        settings = {
            "DAGSTER_HOME": str(dagster_home(tmp_path / "dagster", "dagster.yaml")),
            "CONTACT_ANALYTICS_WAREHOUSE": str(tmp_path / "warehouse.duckdb"),
            "CONTACT_ANALYTICS_ARCHIVE": str(tmp_path / "archive"),
            "CONTACT_ANALYTICS_REPORTS": str(tmp_path / "reports"),
            "CONTACT_ANALYTICS_START_DATE": str(YESTERDAY),
            "CONTACT_ANALYTICS_RETRY_WAIT_SECONDS": "0",
        }
        with dagster_dev(settings, tmp_path / "log", workspace=tmp_path / "workspace.yaml") as dagster:
            runs = {
                name: dagster.launch([f"{name}.liveperson.survey"], YESTERDAY, YESTERDAY, location=name)
                for name in ("acme", "globex")
            }

            def states() -> dict[str, Any]:
                return {run["runId"]: run["status"] for run in dagster.runs()}

            ended = {runs["acme"]: "SUCCESS", runs["globex"]: "FAILURE"}
            until(lambda: states() == ended, 90, lambda: (states(), (tmp_path / "log").read_text()[-3000:]))
    with duckdb.connect(str(tmp_path / "acme" / "warehouse.duckdb")) as connection:
        assert connection.execute("select distinct _account from liveperson.survey").fetchall() == [("acme",)]
    with duckdb.connect(str(tmp_path / "globex" / "warehouse.duckdb")) as connection:
        assert connection.execute("select state, problem_type, _account from meta.extractions").fetchall() == [
            ("failed", "CredentialsRejected", "globex")
        ]
    assert (tmp_path / "archive" / "acme" / "liveperson" / "survey").is_dir()
