"""After a schema has changed, `source: archive` loads what it refused before, and asks the vendor for nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl
import pytest

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.survey import DATASET, Survey
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.fakes import Materialized, Place, Unreachable, days_ago

OFFLINE = 4


def day_of(place: Place) -> date:
    """A day with surveys of both kinds, which not every day of so small a sandbox has."""
    kinds = (
        (day, {record["type"] for record in place.app.records("survey", day)}) for day in map(days_ago, range(3, 28))
    )
    return next(day for day, found in kinds if found > {OFFLINE})


class WithoutOfflineSurveys(Survey):
    """A schema that takes fewer surveys than the vendor has."""

    @dy.rule()
    def is_not_offline(cls) -> pl.Expr:  # noqa: N805 - a rule is given the schema
        return cls.type.col != OFFLINE


def changed(**columns: Any) -> type[dy.Schema]:
    """The schema of surveys with other columns; without those that are None."""
    known = dict(Survey.columns()) | columns
    return type("Survey", (dy.Schema,), {name: column for name, column in known.items() if column is not None})


TOO_STRICT = {
    "a rule": (WithoutOfflineSurveys, "the rule is_not_offline does not hold"),
    "a column that must be there": (
        changed(context_id=field(dy.String, "Context of the visitor", section="header", required=True)),
        '"context_id" is missing',
    ),
    "a type that is too narrow": (changed(id=field(dy.Int32, "Survey", key=True)), "out of range"),
}


def asset_of(schema: type[dy.Schema]) -> Any:
    """The table's asset with another schema."""
    dataset = replace(DATASET, schema=schema)
    file_format = FileFormat(schema, "Survey", "VisitorHeader", body="SurveyData", rows="surveys")

    @dg.asset(**daily_table(dataset, PARTITIONS, "api"))
    def survey(
        context: dg.AssetExecutionContext,
        config: ExtractionConfig,
        liveperson_data_access: LivePersonDataAccessResource,
        archive: ArchiveResource,
        warehouse: WarehouseResource,
    ) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
        connect = liveperson_data_access.connect
        yield from extract_days(context, dataset, config, connect, file_format, archive, warehouse)

    return survey


def materialize(place: Place, schema: type[dy.Schema], **options: Any) -> Materialized:
    """The day, by a schema, through the real vendor's resource."""
    run = place.run(asset_of(schema), day_of(place), **options)
    assert run.ok, run.problem
    return run


def replay(place: Place, schema: type[dy.Schema]) -> Materialized:
    """The day from the archive, where the vendor cannot be reached."""
    return materialize(place, schema, source="archive", resources={"liveperson_data_access": Unreachable()})


@pytest.mark.parametrize("case", TOO_STRICT)
def test_what_a_schema_refused_is_loaded_once_it_is_taken(place: Place, case: str) -> None:
    """Nothing is asked of the vendor, the quarantine is empty, its check passes, and the UI shows both counts."""
    day = day_of(place)
    schema, reason = TOO_STRICT[case]
    first = materialize(place, schema)
    refused = place.select("select * from meta.quarantine")
    assert refused
    assert all(reason in record["reason"] for record in refused)
    assert not first.checks["nothing_is_quarantined"].passed
    assert first.metadata(day)["quarantined"] == len(refused)
    assert "quarantined_before" not in first.metadata(day)
    rows = len(place.rows("survey"))

    again = replay(place, Survey)
    assert again.requests == []
    assert len(place.rows("survey")) == rows + len(refused)
    place.assert_true("survey", day)
    assert place.select("select * from meta.quarantine") == []
    assert again.checks["nothing_is_quarantined"].passed
    assert again.checks["archive_and_table_agree"].passed
    assert again.metadata(day)["state"] == "loaded"
    assert (again.metadata(day)["quarantined_before"], again.metadata(day)["quarantined"]) == (len(refused), 0)
    assert place.stored("survey", day).quarantined_before == len(refused)


def test_a_field_that_was_unknown_fills_its_new_column(place: Place) -> None:
    """Its values leave `_extra`, and the check that named it passes."""
    day = day_of(place)
    first = materialize(place, changed(view_time=None))
    assert not first.checks["no_unknown_fields"].passed
    assert "viewTime" in first.metadata(day)["new_fields"]
    assert any("viewTime" in row["_extra"] for row in place.rows("survey") if row["_extra"])

    again = replay(place, Survey)
    assert again.requests == []
    assert again.checks["no_unknown_fields"].passed
    assert {row["_extra"] for row in place.rows("survey")} == {None}
    assert any(row["view_time"] for row in place.rows("survey"))
    place.assert_true("survey", day)


def test_a_schema_that_refuses_more_sets_aside_what_it_refuses(place: Place) -> None:
    """Fewer rows than are stored do not come in by themselves; forced, the others are in quarantine."""
    day = day_of(place)
    materialize(place, Survey)
    rows = len(place.rows("survey"))
    forced = materialize(place, WithoutOfflineSurveys, source="archive", force=True)
    assert forced.metadata(day)["quarantined_before"] == 0
    assert forced.metadata(day)["quarantined"] == rows - len(place.rows("survey")) > 0
    assert forced.checks["archive_and_table_agree"].passed


def test_a_replay_by_the_same_schema_changes_nothing(place: Place) -> None:
    """What was refused is refused again, so the day is not loaded again; what was before is not said of it."""
    day = day_of(place)
    materialize(place, WithoutOfflineSurveys)
    before = place.select("select * from meta.quarantine order by all")
    again = replay(place, WithoutOfflineSurveys)
    assert again.metadata(day)["state"] == "unchanged"
    assert "quarantined_before" not in again.metadata(day)
    assert place.select("select * from meta.quarantine order by all") == before
