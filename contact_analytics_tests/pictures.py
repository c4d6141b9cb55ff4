"""The pictures of the README: pages of Dagster's UI and a report, opened and seen to show what they should.

`python -m contact_analytics_tests.pictures http://127.0.0.1:3000 data/demo/reports docs/images` takes them anew.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
_PATIENCE = 30_000
REPORT = "agent_utilization"


@contextmanager
def opened(width: int = 1440, height: int = 1000) -> Iterator["Page"]:
    """A page of headless Chromium that fails for whatever it asks of another machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        try:
            yield page
        finally:
            browser.close()


def take_ui(page: "Page", ui: str, folder: Path) -> None:
    """The graph around a report, the report's asset, and the retention clock."""
    page.goto(f"{ui}/assets/reports/{REPORT}?view=lineage&lineageScope=upstream")
    for shown in ("agent_activity", "agent_groups", "workforce", REPORT):
        page.get_by_text(shown, exact=True).first.wait_for(timeout=_PATIENCE)
    _settle(page)
    page.screenshot(path=folder / "graph.png")
    page.goto(f"{ui}/assets/reports/{REPORT}?view=overview")
    page.get_by_text("all_inputs_are_in").first.wait_for(timeout=_PATIENCE)
    _settle(page)
    page.screenshot(path=folder / "report_asset.png")
    page.goto(f"{ui}/assets/meta/retention_clock?view=overview")
    page.get_by_text("Show Markdown").first.click(timeout=_PATIENCE)
    page.get_by_role("dialog").locator("img").first.wait_for(timeout=_PATIENCE)
    _settle(page)
    page.screenshot(path=folder / "retention_clock.png")


def take_table(page: "Page", ui: str, day: date, folder: Path) -> None:
    """A table's asset, one of its days, and its checks."""
    asset = f"{ui}/assets/liveperson/engagement"
    for name, view, shown in (
        ("asset", "view=overview", "conversation_id"),
        ("day", f"view=partitions&partition={day}", "rows_a_day"),
        ("checks", "view=checks", "archive_and_table_agree"),
    ):
        page.goto(f"{asset}?{view}")
        page.get_by_text(shown, exact=True).first.wait_for(timeout=_PATIENCE)
        _settle(page)
        page.screenshot(path=folder / f"{name}.png")


def _settle(page: "Page") -> None:
    """Wait for what the UI asks for after it has shown a page's frame."""
    for _ in range(60):
        page.wait_for_timeout(500)
        # Not `wait_for_function`: the UI's security policy forbids what that does.
        if not page.get_by_text("Loading").count():
            return
    raise TimeoutError(f"{page.url} goes on loading")


def take_report(page: "Page", html: Path, folder: Path) -> None:
    """A report's page, which may ask nobody for anything."""
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(html.absolute().as_uri())
    page.get_by_role("heading", name="Agent utilization").wait_for(timeout=_PATIENCE)
    page.get_by_role("heading", name="How it is counted").wait_for(timeout=_PATIENCE)
    assert page.get_by_role("img").count() >= 2
    assert page.get_by_role("table").count() >= 2
    assert asked == [html.absolute().as_uri()], asked
    # Nothing of it is wider than the screen that it is on.
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.screenshot(path=folder / "report.png")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics_tests.pictures", description=__doc__)
    parser.add_argument("ui", help="Dagster's UI over the demonstration")
    parser.add_argument("reports", type=Path, help="folder of the reports' pages")
    parser.add_argument("into", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    newest = max(options.reports.glob(f"*/{REPORT}.html"))
    with opened() as page:
        take_ui(page, options.ui, options.into)
        take_table(page, options.ui, date.fromisoformat(newest.parent.name), options.into)
    with opened(width=1000, height=1250) as page:
        take_report(page, newest, options.into)


if __name__ == "__main__":
    main()
