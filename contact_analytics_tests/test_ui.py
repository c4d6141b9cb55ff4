"""Dagster's UI as a user meets it: the real webserver, daemon and code location, in headless Chromium."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contact_analytics.sandbox.brand_files import write_brand_files
from contact_analytics.sandbox.dagster_processes import Dagster, dagster_dev, dagster_home
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.pictures import CHROMIUM, REPORT, opened, take_report, take_ui
from contact_analytics_tests.waiting import until

ROOT = Path(__file__).parents[1]
DAYS, SCALE = 30, 0.05

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")


@dataclass(frozen=True)
class Ui:
    """Dagster's UI, and the environment that it runs in."""

    dagster: Dagster
    variables: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.dagster.url


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[Ui]:
    """`dagster dev` over an empty warehouse and a small sandbox; its thirty days are within retention."""
    with running(scale=SCALE) as url:
        settings = {
            "DAGSTER_HOME": str(dagster_home(tmp_path / "dagster", "dagster.yaml")),
            "CONTACT_ANALYTICS_WAREHOUSE": str(tmp_path / "warehouse.duckdb"),
            "CONTACT_ANALYTICS_ARCHIVE": str(tmp_path / "archive"),
            "CONTACT_ANALYTICS_REPORTS": str(tmp_path / "reports"),
            "CONTACT_ANALYTICS_START_DATE": str(datetime.now(UTC).date() - timedelta(days=DAYS)),
            **environment(url),
            **write_brand_files(tmp_path / "brand", datetime.now(UTC).date(), SCALE),
        }
        with dagster_dev(settings) as dagster:
            yield Ui(dagster, os.environ | settings)


def test_a_month_is_backfilled_from_the_ui_in_one_run(ui: Ui, tmp_path: Path) -> None:
    """Materialize, All, Launch: one run stores thirty days, and the pages show what came.

    When the tables that a report reads are in, it is made by itself; its page in the UI, the graph that it is in, the
    clock's picture and its own page show what they should.
    """
    asset = f"{ui.url}/assets/liveperson/survey"
    with opened() as page:
        page.goto(f"{asset}?view=partitions")
        page.get_by_role("button", name="Materialize").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="All", exact=True).first.click()
        dialog.get_by_role("button", name="Launch").last.click()
        until(lambda: _materialized(ui, "liveperson", "survey") == DAYS, 150, lambda: "the backfill did not finish")
        assert [run["status"] for run in ui.dagster.runs()] == ["SUCCESS"]
        page.goto(f"{asset}?view=partitions")
        page.get_by_text(f"Materialized ({DAYS})").wait_for(timeout=20_000)
        newest = str(datetime.now(UTC).date() - timedelta(days=1))
        page.goto(f"{asset}?view=partitions&partition={newest}")
        for shown in ("dagster/partition_row_count", "rows_a_day", "quarantined", "seconds_decode"):
            page.get_by_text(shown, exact=True).first.wait_for(timeout=20_000)
        page.goto(f"{asset}?view=checks")
        page.get_by_text("primary_key_is_unique").first.wait_for(timeout=20_000)

        _launch(ui, "liveperson/agent_activity", newest)
        _launch(ui, "liveperson/agent_groups")
        _launch(ui, "meta/retention_clock")
        until(lambda: _materialized(ui, "reports", REPORT) == 1, 150, lambda: "the report was not made")
        take_ui(page, ui.url, tmp_path)
    with opened(width=390, height=844) as page:
        take_report(page, tmp_path / "reports" / newest / f"{REPORT}.html", tmp_path)
    assert all((tmp_path / f"{name}.png").stat().st_size > 20_000 for name in ("graph", "report_asset", "report"))


def _launch(ui: Ui, key: str, day: str = "") -> None:
    """What a user launches from a shell, which the daemon sees as well."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "contact_analytics.definitions"]
    command += ["--select", f'key:"{key}"', *(["--partition", day] if day else [])]
    done = subprocess.run(command, cwd=ROOT, env=ui.variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def _materialized(ui: Ui, *key: str) -> int:
    """How many days of an asset are materialized when a run has ended."""
    query = f"""{{ assetNodeOrError(assetKey: {{path: {json.dumps(key)}}}) {{
        ... on AssetNode {{ partitionStats {{ numMaterialized }} }} }} }}"""
    done = [run for run in ui.dagster.runs() if run["status"] in ("SUCCESS", "FAILURE")]
    return ui.dagster.ask(query)["assetNodeOrError"]["partitionStats"]["numMaterialized"] if done else 0
