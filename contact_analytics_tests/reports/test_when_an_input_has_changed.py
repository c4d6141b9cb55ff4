"""A report without partitions is asked for when something of each input is in, and again when one of them changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.catalog import DATASET_MODULES, DIMENSION_MODULES
from contact_analytics.definitions import defs
from contact_analytics.lib.report_days import PagesResource
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.agents import REPORT, agents

NOW = datetime(2026, 3, 31, 9, tzinfo=UTC)
DAY = date(2026, 3, 30)
HISTORIES = ("liveperson.users", "khoros_care.agents")
DAILY = ("nice_cxone.qm_workflows", "nice_cxone.recording_interaction_metadata")
DEFS = dg.Definitions(
    assets=[agents, *dg.load_assets_from_modules([*DATASET_MODULES, *DIMENSION_MODULES])], resources=defs.resources
)


@dataclass
class Daemon:
    """Dagster's own evaluation of the condition, tick by tick."""

    instance: dg.DagsterInstance
    cursor: Any = None
    moment: datetime = NOW

    def tick(self) -> bool:
        """Whether a tick asks for the report; it is made at once."""
        self.moment += timedelta(seconds=30)
        result = dg.evaluate_automation_conditions(
            DEFS,
            self.instance,
            asset_selection=dg.AssetSelection.assets(REPORT.key),
            evaluation_time=self.moment,
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        if result.total_requested:
            self.note(REPORT.table, None, str(self.moment))
        return bool(result.total_requested)

    def note(self, table: str, day: date | None, version: str) -> None:
        """A materialization with its data version."""
        key, tags = dg.AssetKey(table.split(".")), {"dagster/data_version": version}
        partition = day and day.isoformat()
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition, tags=tags))

    def look(self, version: str = "1", *, but: str = "") -> None:
        """A morning's looks at the lists."""
        for table in HISTORIES:
            if table != but:
                self.note(table, None, version)

    def load(self, day: date, version: str = "1", *, but: str = "") -> None:
        """A night's load of a day."""
        for table in DAILY:
            if table != but:
                self.note(table, day, version)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


@pytest.mark.parametrize("late", [*HISTORIES, *DAILY])
def test_it_is_made_when_something_of_each_input_is_in(daemon: Daemon, late: str) -> None:
    """Whichever comes last; a single day is enough of a daily table, and no other is waited for."""
    assert not daemon.tick()
    daemon.look(but=late)
    daemon.load(DAY, but=late)
    assert not daemon.tick() | daemon.tick()
    daemon.note(late, None if late in HISTORIES else DAY, "1")
    assert daemon.tick()
    assert not daemon.tick() | daemon.tick()


def test_what_was_in_before_the_first_tick_is_enough(daemon: Daemon) -> None:
    """A sensor that is turned on over a warehouse that is full."""
    daemon.look()
    daemon.load(DAY)
    assert daemon.tick()
    assert not daemon.tick() | daemon.tick()


def test_what_has_failed_is_tried_again_after_the_next_change(daemon: Daemon, tmp_path: Path) -> None:
    """And not at each tick until then."""
    daemon.look()
    daemon.load(DAY)
    warehouse = WarehouseResource(database=str(tmp_path / "warehouse.duckdb"))
    resources = {"warehouse": warehouse, "pages": PagesResource(root=str(tmp_path))}
    assert not dg.materialize([agents], instance=daemon.instance, resources=resources, raise_on_error=False).success
    assert not daemon.tick() | daemon.tick()
    daemon.look("2")
    assert daemon.tick()
    assert not daemon.tick()


@pytest.fixture
def busy(daemon: Daemon) -> Daemon:
    """A daemon after the report was made once."""
    daemon.tick()
    daemon.look()
    daemon.load(DAY)
    assert daemon.tick()
    return daemon


def test_looks_and_loads_without_a_change_ask_for_nothing(busy: Daemon) -> None:
    """Their data versions are what they were."""
    for _ in range(3):
        busy.look()
        busy.load(DAY)
        assert not busy.tick()


@pytest.mark.parametrize("table", HISTORIES)
def test_a_list_that_has_changed_asks_once(busy: Daemon, table: str) -> None:
    """Someone came, left or has another address."""
    busy.note(table, None, "2")
    assert busy.tick()
    assert not busy.tick() | busy.tick()


@pytest.mark.parametrize("table", DAILY)
def test_a_new_day_asks_once_and_so_does_one_that_has_changed(busy: Daemon, table: str) -> None:
    """Fourteen days that are loaded together are one request."""
    for back in range(14):
        busy.note(table, DAY + timedelta(days=1) - timedelta(days=back), "2")
    assert busy.tick()
    assert not busy.tick() | busy.tick()
    busy.note(table, DAY - timedelta(days=200), "1")
    assert busy.tick()
    assert not busy.tick()
