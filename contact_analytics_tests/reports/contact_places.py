"""Days of contacts and surveys of every vendor in one warehouse, and frames that a test writes itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from contact_analytics.lib.report import Frames, Report
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.export_places import CxonePlace, KhorosPlace
from contact_analytics_tests.fakes import MessagingPlace, Place
from contact_analytics_tests.histories import Account
from contact_analytics_tests.reports.places import FIRST, LAST

# Of which conversations are not loaded, and all else is.
HALF_LOADED = LAST + timedelta(days=1)


@dataclass
class Contacts:
    """A folder whose warehouse holds some days of all that begins with a customer."""

    folder: Path
    instance: dg.DagsterInstance

    def fill(self) -> None:
        folder, instance = self.folder, self.instance
        data_access = Place(folder, instance, LivePersonDataAccess(scale=0.1))
        assert data_access.materialize("engagement", FIRST, HALF_LOADED).ok
        assert data_access.materialize("survey", FIRST, HALF_LOADED).ok
        messaging = MessagingPlace(folder, instance, LivePersonMessaging(scale=0.08))
        assert messaging.materialize("conversations", FIRST, LAST).ok
        care = KhorosPlace(folder, instance, KhorosCare(scale=0.2, calls_per_minute=100_000))
        assert care.materialize("conversation", FIRST, HALF_LOADED).ok
        assert CxonePlace(folder, instance).materialize("recording_interaction_metadata", FIRST, HALF_LOADED).ok
        for name in ("users", "skills", "agent_groups"):
            assert Account(folder, instance).run(name).ok


def frames_of(report: Report, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Frames:
    """The frames of a report's inputs, by their tables; what a row does not have is null."""
    known = {each.frame_name: each.columns for each in report.inputs}
    assert rows.keys() <= known.keys()
    return {name: pl.DataFrame(rows.get(name, []), dict(columns), orient="row") for name, columns in known.items()}


def queried(report: Report, table: str, day: date, **tables: str) -> list[dict[str, Any]]:
    """What a report's query reads of a day where a table holds what a `select` gives."""
    [wanted] = [each for each in report.inputs if each.table == table]
    vendor, _, name = table.partition(".")
    with duckdb.connect() as connection:
        connection.execute(f"set timezone = 'UTC'; create schema {vendor}")
        for made, query in {name: tables.pop("rows"), **tables}.items():
            connection.execute(f"create table {vendor}.{made} as {query}")
        first, last = wanted.window(day)
        days = {"day": day, "first": first, "last": last}
        used = {name: value for name, value in days.items() if f"${name}" in wanted.query}
        return connection.execute(wanted.query, used).pl().select(list(wanted.columns)).to_dicts()


def at(day: date, clock: str) -> datetime:
    """A time of a day, UTC."""
    return datetime.fromisoformat(f"{day}T{clock}+00:00")
