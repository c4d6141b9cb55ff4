"""A report's day is asked for when all tables that it reads have it, once, and again when one of them changes."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from contact_analytics.definitions import defs
from contact_analytics.lib.report import Report
from contact_analytics.reports import catalog

NOW = datetime(2026, 3, 31, 9, tzinfo=UTC)
YESTERDAY = NOW.date() - timedelta(days=1)
DAILY = pytest.mark.parametrize("report", [module.REPORT for module in catalog.REPORTS], ids=lambda report: report.name)


@dataclass
class Daemon:
    """Dagster's own evaluation of a report's condition, tick by tick."""

    report: Report
    instance: dg.DagsterInstance
    cursor: Any = None
    moment: datetime = NOW
    made: dict[str, int] = field(default_factory=dict)

    def tick(self) -> set[str]:
        """The days that a tick asks for; they are made at once."""
        self.moment += timedelta(seconds=30)
        result = dg.evaluate_automation_conditions(
            defs,
            self.instance,
            asset_selection=dg.AssetSelection.assets(self.report.key),
            evaluation_time=self.moment,
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        asked = result.get_requested_partitions(self.report.key) if result.total_requested else set()
        days = {str(day) for day in asked if day}
        for day in sorted(days):
            self.note(self.report.key, day, "made")
            self.made[day] = self.made.get(day, 0) + 1
        return days

    def note(self, key: dg.AssetKey, day: str | None, version: str) -> None:
        """A materialization with its data version."""
        tags = {"dagster/data_version": version}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day, tags=tags))

    def load(self, *days: date, version: str = "1", but: str = "") -> None:
        """Days of all the report's inputs, but for one."""
        for each in self.report.used:
            if each.table != but:
                for day in (None,) if each.history else days:
                    self.note(each.key, day and str(day), version)


def ago(days: int) -> date:
    return YESTERDAY - timedelta(days=days)


@DAILY
def test_nothing_is_made_while_an_input_is_missing(report: Report, instance: dg.DagsterInstance) -> None:
    """Whichever it is; the day is made when it comes."""
    for late in report.used:
        with dg.DagsterInstance.ephemeral() as fresh:
            daemon = Daemon(report, fresh)
            daemon.load(YESTERDAY, but=late.table)
            assert not daemon.tick() | daemon.tick(), late.table
            daemon.note(late.key, None if late.history else str(YESTERDAY), "1")
            assert daemon.tick() == {str(YESTERDAY)}, late.table
            assert not daemon.tick()


@DAILY
def test_a_backfill_of_a_month_makes_each_day_once(report: Report, instance: dg.DagsterInstance) -> None:
    """All days that lie within thirty, also those before the newest, in one tick."""
    daemon = Daemon(report, instance)
    assert not daemon.tick()
    days = [ago(back) for back in reversed(range(30))]
    daemon.load(*days)
    assert daemon.tick() == set(map(str, days))
    assert not daemon.tick() | daemon.tick()
    assert daemon.made == dict.fromkeys(map(str, days), 1)


@DAILY
def test_a_day_is_made_again_when_an_input_has_changed(report: Report, instance: dg.DagsterInstance) -> None:
    """And not when an input was loaded again as it was: its data version tells."""
    daemon = Daemon(report, instance)
    daemon.load(*(ago(back) for back in reversed(range(10))))
    daemon.tick()
    daemon.load(ago(3), ago(4))
    assert not daemon.tick() | daemon.tick()
    changed = next(each for each in report.used if not each.history)
    daemon.note(changed.key, str(ago(3)), "2")
    assert daemon.tick() == {str(ago(3))}
    assert not daemon.tick()


@DAILY
def test_what_was_loaded_before_the_sensor_was_on_is_made(report: Report, instance: dg.DagsterInstance) -> None:
    """At its first look: the days that are complete, and none that is made already."""
    daemon = Daemon(report, instance)
    days = [ago(back) for back in reversed(range(5))]
    daemon.load(*days)
    daemon.note(report.key, str(days[1]), "made")
    assert daemon.tick() | daemon.tick() == set(map(str, days)) - {str(days[1])}
    assert not daemon.tick()


@DAILY
def test_a_change_that_comes_with_the_reports_own_update_is_not_lost(
    report: Report, instance: dg.DagsterInstance
) -> None:
    """Both between two looks: what changed may have come after the report was made of it."""
    daemon = Daemon(report, instance)
    daemon.load(*(ago(back) for back in reversed(range(5))))
    daemon.tick()
    daemon.tick()
    changed = next(each for each in report.used if not each.history)
    daemon.note(changed.key, str(ago(2)), "2")
    daemon.note(report.key, str(ago(2)), "made of the one before")
    assert str(ago(2)) in daemon.tick()
    assert not daemon.tick()


@DAILY
def test_the_daily_course(report: Report, instance: dg.DagsterInstance) -> None:
    """Each morning's day is asked for; what it holds for the days around it is the same run's business."""
    daemon = Daemon(report, instance)
    daemon.load(ago(1), ago(0))
    daemon.tick()
    for number in range(1, 4):
        daemon.moment = NOW + timedelta(days=number)
        assert not daemon.tick()
        new = YESTERDAY + timedelta(days=number)
        daemon.load(new)
        assert daemon.tick() == {str(new)}
        assert not daemon.tick()


@DAILY
def test_looks_at_lists_wake_nothing(report: Report, instance: dg.DagsterInstance) -> None:
    """Users, groups and teams are looked at daily, and thirty pages are not made anew for it."""
    daemon = Daemon(report, instance)
    daemon.load(*(ago(back) for back in reversed(range(5))))
    daemon.tick()
    for each in report.used:
        if each.history:
            daemon.note(each.key, None, "2")
    assert not daemon.tick() | daemon.tick()
