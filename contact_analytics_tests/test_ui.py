"""Dagster's UI as a user meets it: the real webserver, daemon and code location, in headless Chromium."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contact_analytics.sandbox.serve import environment, running

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[1]
DAYS = 30

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[str]:
    """`dagster dev` over an empty warehouse and a small sandbox, by its URL; its thirty days are within retention."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copyfile(ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(scale=0.05) as url:
        settings = {
            "DAGSTER_HOME": str(home),
            "CONTACT_ANALYTICS_WAREHOUSE": str(tmp_path / "warehouse.duckdb"),
            "CONTACT_ANALYTICS_ARCHIVE": str(tmp_path / "archive"),
            "CONTACT_ANALYTICS_START_DATE": str(datetime.now(UTC).date() - timedelta(days=DAYS)),
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
            cwd=ROOT,
            env=os.environ | environment(url) | settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        base = f"http://127.0.0.1:{port}"
        try:
            _until(lambda: _answers(base), 90, "the UI did not start")
            yield base
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def test_a_month_is_backfilled_from_the_ui_in_one_run(ui: str) -> None:
    """Materialize, All, Launch: one run stores thirty days, and the pages show what came."""
    from playwright.sync_api import sync_playwright

    asset = f"{ui}/assets/liveperson/survey"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{asset}?view=partitions")
        page.get_by_role("button", name="Materialize").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="All", exact=True).first.click()
        dialog.get_by_role("button", name="Launch").last.click()
        _until(lambda: _materialized(ui) == DAYS, 150, "the backfill did not finish")
        page.goto(f"{asset}?view=partitions")
        page.get_by_text(f"Materialized ({DAYS})").wait_for(timeout=20_000)
        newest = str(datetime.now(UTC).date() - timedelta(days=1))
        page.goto(f"{asset}?view=partitions&partition={newest}")
        for shown in ("dagster/partition_row_count", "rows_a_day", "quarantined", "seconds_decode"):
            page.get_by_text(shown, exact=True).first.wait_for(timeout=20_000)
        page.goto(f"{asset}?view=checks")
        page.get_by_text("primary_key_is_unique").first.wait_for(timeout=20_000)
        browser.close()
    assert [run["status"] for run in _runs(ui)] == ["SUCCESS"]


def _runs(ui: str) -> list[dict[str, Any]]:
    answer = _ask(ui, "{ runsOrError { ... on Runs { results { runId status } } } }")
    return answer["runsOrError"]["results"]


def _materialized(ui: str) -> int:
    query = """{ assetNodeOrError(assetKey: {path: ["liveperson", "survey"]}) {
        ... on AssetNode { partitionStats { numMaterialized } } } }"""
    done = [run for run in _runs(ui) if run["status"] in ("SUCCESS", "FAILURE")]
    return _ask(ui, query)["assetNodeOrError"]["partitionStats"]["numMaterialized"] if done else 0


def _ask(ui: str, query: str) -> dict[str, Any]:
    answer = httpx.post(f"{ui}/graphql", json={"query": query}, timeout=30).json()
    assert "errors" not in answer, json.dumps(answer["errors"])
    return answer["data"]


def _answers(ui: str) -> bool:
    try:
        return httpx.get(f"{ui}/server_info", timeout=5).is_success
    except httpx.TransportError:
        return False


def _until(done: Any, seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(otherwise)
        time.sleep(0.5)
