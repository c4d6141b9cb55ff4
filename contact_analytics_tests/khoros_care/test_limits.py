"""The vendor's limit, twenty requests a minute of a company, is kept over all that asks for it."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.options import ExportOptions
from contact_analytics.lib.http import Tally
from contact_analytics.lib.tenant import Pace, Tenant
from contact_analytics.sandbox.app import Answer
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.khoros_care.conftest import Open

DAY = days_ago(9)


class Time:
    """A time that goes on as it is waited for; the sandbox and the product share it."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).timestamp()

    def clock(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def count(app: KhorosCare) -> None:
    """Count a call as the sandbox does, the limit alone: without an export."""
    app._count("/teams")  # pyright: ignore[reportPrivateUsage]


def tenant(folder: Path, time: Time, calls: int = 20) -> Tenant:
    return Tenant(str(folder), "khoros_care", "https://x acme", Pace(calls, 61), time.clock, time.wait)


def test_the_pace_that_the_product_keeps_is_the_vendors(tmp_path: Path) -> None:
    """Turns as the product takes them break no limit of the sandbox's; the same ones a little quicker do."""
    time = Time()
    app = KhorosCare(now=time.now, calls_per_minute=20)
    pace = tenant(tmp_path, time)
    for _ in range(65):
        pace.take_turn()
        count(app)
    assert app.violations == []
    with pytest.raises(Answer):  # noqa: PT012 - whichever of those that do not wait
        for _ in range(21):
            count(app)
    assert len(app.violations) == 1


def test_processes_share_one_pace(tmp_path: Path) -> None:
    """Each with its own object over the same folder, as two processes have."""
    time = Time()
    app = KhorosCare(now=time.now, calls_per_minute=20)
    both = (tenant(tmp_path, time), tenant(tmp_path, time))
    for number in range(60):
        both[number % 2].take_turn()
        count(app)
    assert app.violations == []


def test_a_run_that_meets_the_limit_waits_for_its_turn(open_care: Open) -> None:
    """Retries, downloads and looks at the status count, too: what the sandbox allows suffices, and none is refused."""
    place = open_care({"calls_per_minute": 8}, calls_per_minute=8)
    run = place.materialize("conversation", DAY)
    assert run.ok, run.problem
    assert place.app.violations == []
    assert len([call for call in place.app.calls if "khoros-storage" not in call.url.path]) == 8


def test_every_request_takes_its_turn(open_care: Open, tmp_path: Path) -> None:
    """Two resources at one company note their calls in the same file, and no call goes unnoted."""
    place = open_care()
    assert place.materialize("author", DAY).ok
    [noted] = list((tmp_path / "tenants").glob("*.json"))
    first = len(_calls(noted))
    assert first == len([call for call in place.app.calls if "khoros-storage" not in call.url.path])
    assert place.materialize("response", DAY).ok
    assert len(list((tmp_path / "tenants").glob("*.json"))) == 1
    asked = len([call for call in place.app.calls if "khoros-storage" not in call.url.path])
    assert len(_calls(noted)) == asked > first


def test_two_threads_ask_for_different_exports_at_once(open_care: Open) -> None:
    """The vendor takes several exports at a time; each gets its own file."""
    place = open_care()
    found: dict[str, bytes] = {}

    def fetch(name: str, resource: KhorosCareAnalyticsReportsResource) -> None:
        with resource.connect(name, ExportOptions()) as api:
            api.export(DAY, [], lambda _, __, file: found.__setitem__(name, file.read()), Tally())

    resource = place.reports()
    threads = [threading.Thread(target=fetch, args=(name, resource)) for name in ("author", "response", "combined")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {name: text.count(b"{") for name, text in found.items()} == {
        name: len(place.sent(name, DAY)) for name in ("author", "response", "combined")
    }


def _calls(path: Path) -> list[float]:
    return json.loads(path.read_text())["calls"]
