"""What NICE CXone's tables should hold, by the sandbox, read without any of the product's code but its column names."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from typing import Any

import polars as pl

from contact_analytics.lib.schema import columns_of, facts
from contact_analytics.nice_cxone import qm_questions, qm_workflows, recording_interaction_metadata
from contact_analytics.nice_cxone.data_extraction import DataExtraction
from contact_analytics.nice_cxone.entities import NiceCxoneConfig
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import PROVENANCE, Materialized

MODULES: dict[str, ModuleType] = {
    "qm_workflows": qm_workflows,
    "qm_questions": qm_questions,
    "recording_interaction_metadata": recording_interaction_metadata,
}
FORMS = ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%m/%d/%Y %I:%M:%S %p")
DATED_BY = {
    "qm_workflows": ("submission_date", "start_date"),
    "qm_questions": ("evaluation_submission_date", "evaluation_start_date"),
}
Row = dict[str, Any]


def days(first: date, count: int) -> list[date]:
    """Days that follow each other."""
    return [first + timedelta(days=ahead) for ahead in range(count)]


def start_of(day: date) -> datetime:
    """A day's first instant."""
    return datetime.combine(day, time(), UTC)


def entity(name: str) -> str:
    """The vendor's name of a table's entity."""
    return name.replace("_", "-")


def newest(name: str) -> str:
    """The version that is asked for unless something else is said."""
    return MODULES[name].ENTITY.version


def value(text: str, kind: pl.DataType) -> Any:
    """A text of the sandbox's as a value."""
    if text == "":
        return None
    if isinstance(kind, pl.Boolean):
        return {"TRUE": True, "true": True, "FALSE": False, "false": False}[text]
    if isinstance(kind, pl.Float64):
        return float(text)
    return moment(text) if isinstance(kind, pl.Datetime) else text


def moment(text: str) -> datetime:
    """A time in whichever of the sandbox's forms."""
    for form in FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(text)


def row(name: str, sent: Mapping[str, str]) -> Row:
    """A row of a table, by a row of the sandbox's."""
    sent = {header.replace(" \u2013 ", " - "): text for header, text in sent.items()}
    found: Row = {}
    for column, described in columns_of(MODULES[name].DATASET.schema).items():
        wire = facts(described).wire
        [header] = [each for each in sent if each == wire or (wire[-1:] == "*" and each.startswith(wire[:-1]))] or [""]
        found[column] = value(sent.get(header, ""), described.dtype)
    if dated_by := DATED_BY.get(name):
        found["dated_at"] = found[dated_by[0]] or found[dated_by[1]]
    return found


def rows(place: CxonePlace, name: str, day: date, version: str = "", at: datetime | None = None) -> list[Row]:
    """The rows that a day should have."""
    return [row(name, sent) for sent in place.app.rows(entity(name), version or newest(name), day, at)]


def held(place: CxonePlace, name: str, day: date | None = None) -> list[Row]:
    """The rows that a table has of a day, without the partition and where they are from."""
    others = {"partition_date", *PROVENANCE}
    return [{key: each for key, each in found.items() if key not in others} for found in place.rows(name, day)]


def ordered(found: Sequence[Row]) -> list[Row]:
    """Rows in an order of their own: a table has none."""
    return sorted(found, key=lambda each: [str(value) for value in each.values()])


def assert_true(place: CxonePlace, name: str, *days: date, version: str = "", at: datetime | None = None) -> None:
    """Each day holds exactly what the sandbox has of it, column by column, and no other day holds any of it."""
    has_no_ids = name == "qm_workflows" and (version or newest(name)) == "1"
    for day in days:
        expected, found = rows(place, name, day, version, at), held(place, name, day)
        if has_no_ids:
            ids = {each.pop("workflow_id") for each in found}
            assert len(ids) == len(expected)
            assert all(id.startswith("v1-") for id in ids)
            assert {each.pop("workflow_id") for each in expected} <= {None}
        assert ordered(found) == ordered(expected)


def states(run: Materialized) -> dict[date, str]:
    """The state of each day that a run stored or left as it was."""
    return {date.fromisoformat(day): run.metadata(date.fromisoformat(day))["state"] for day in run.days}


def submitted(place: CxonePlace) -> list[tuple[str, str]]:
    """The dates of each export that the sandbox took on."""
    return [(each["startDate"], each["endDate"]) for each in place.app.submissions]


def quarantine(place: CxonePlace) -> list[Row]:
    """The records that were set aside, in the order of days and records."""
    found: list[Row] = place.select("from meta.quarantine order by partition_date, record")
    return found


@contextmanager
def connected(place: CxonePlace, name: str) -> Iterator[DataExtraction]:
    """The real client of a place, outside of Dagster."""
    with place.extraction().connect(MODULES[name].ENTITY, NiceCxoneConfig()) as api:
        yield api
