"""The code location of the tests with a real daemon: the product's own, with sensors that look each second.

Two tables of no vendor are due at the minute that `DEADLINE` names, so that a test need not wait for a vendor's.
"""

import os
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import dataframely as dy

from contact_analytics import automation, definitions, endangered_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.freshness import GRACE, freshness_check
from contact_analytics.lib.schema import field, instant
from contact_analytics.settings import PARTITIONS


class Orders(dy.Schema):
    """One row an order."""

    id = field(dy.Int64, "Order", key=True)
    placed_at = instant("When it was placed")


def due_at_the_deadline(name: str) -> Dataset:
    """A table whose vendor promises a day so late that it is due, the grace included, at the minute of `DEADLINE`."""
    moment = datetime.fromisoformat(os.environ["DEADLINE"])
    since_midnight = moment - datetime.combine(moment, time(), UTC)
    return Dataset(
        vendor="test",
        name=name,
        schema=Orders,
        grain="One row an order.",
        documentation="https://example.com",
        event_time="placed_at",
        retention=None,
        lateness=since_midnight + timedelta(days=1) - GRACE,
    )


TABLES = [due_at_the_deadline(name) for name in ("fresh", "stale")]


def quick(sensor: dg.AutomationConditionSensorDefinition) -> dg.AutomationConditionSensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        sensor.name,
        target=sensor.asset_selection,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _asset(dataset: Dataset) -> dg.AssetsDefinition:
    @dg.asset(key=dataset.key, partitions_def=PARTITIONS)
    def orders() -> None:
        """Never run: its days are reported."""

    return orders


defs = dg.Definitions(
    assets=[*(definitions.defs.assets or []), *map(_asset, TABLES)],
    asset_checks=[*(definitions.defs.asset_checks or []), *(freshness_check(table, PARTITIONS) for table in TABLES)],
    jobs=definitions.defs.jobs,
    sensors=[
        quick(automation.reports_sensor),
        quick(automation.freshness_sensor),
        endangered_days.endangered_days,
    ],
    executor=dg.in_process_executor,
    resources=definitions.defs.resources,
)
