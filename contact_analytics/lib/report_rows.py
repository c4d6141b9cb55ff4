"""The rows of a report: computed from frames, checked, stored in place of those before, and shown."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dataframely.exc import ValidationError
from duckdb import DuckDBPyConnection

from contact_analytics.lib.errors import UnexpectedProblem
from contact_analytics.lib.extractions import Extraction, write_extraction
from contact_analytics.lib.materialization import sample
from contact_analytics.lib.page import Page, Source, picture
from contact_analytics.lib.report import Input, Report
from contact_analytics.lib.tables import evolve, insert
from contact_analytics.lib.transactions import transaction


@dataclass(frozen=True)
class Made:
    """Rows that keep the rules of their report; `digest` tells them from others."""

    rows: pl.DataFrame
    digest: str
    at: datetime
    run_id: str


def read_inputs(connection: DuckDBPyConnection, report: Report, day: date) -> dict[str, pl.DataFrame]:
    """The frame of each input by its name; those that the company does not have are empty."""
    frames = {each.frame_name: _frame(connection, each, day) for each in report.used}
    return {each.frame_name: each.empty() for each in report.inputs} | frames


def checked(report: Report, rows: pl.DataFrame, run_id: str) -> Made:
    """The rows, if they keep the schema's rules: a report that does not is a defect, and never stored."""
    try:
        rows = report.schema.validate(rows.select(report.schema.column_names()))
    except (ValidationError, pl.exceptions.PolarsError) as error:
        raise UnexpectedProblem(
            f"{report.table}: the rows do not keep the rules of the report: {error}.",
            "This is a defect of contact_analytics: please report it with the log. What is stored is as it was.",
        ) from error
    digest = hashlib.sha256(f"{report.fingerprint}\n{rows.write_json()}".encode()).hexdigest()
    return Made(rows, digest, datetime.now(UTC), run_id)


def store(connection: DuckDBPyConnection, report: Report, day: date, made: Made) -> None:
    """Put rows in place of those before, of the day or of the whole table, and note it: all of it or nothing."""
    replaced = report.partition_of(day)
    same = " and ".join(f"{name} = ${name}" for name in replaced) or "true"
    with transaction(connection):
        evolve(connection, [report])
        connection.execute(f"delete from {report.sql_name} where {same}", replaced)
        constants = {**replaced, "_computed_at": made.at, "_run_id": made.run_id}
        insert(connection, report.sql_name, made.rows, **constants)
        state = "loaded" if made.rows.height else "empty"
        stored = Extraction(state, rows=made.rows.height, digest=made.digest, loaded_at=made.at, run_id=made.run_id)
        write_extraction(connection, report, day, stored)


def masked_sample(connection: DuckDBPyConnection, report: Report, day: date) -> dg.TableMetadataValue:
    """The first rows of a day, or of the whole table, with personal data masked."""
    replaced = report.partition_of(day)
    return sample(connection, report, " and ".join(f"{name} = ?" for name in replaced) or "true", *replaced.values())


def shown(report: Report, page: Page, path: Path, sources: Sequence[Source]) -> dict[str, Any]:
    """What Dagster's UI shows of rows that were made."""
    return {
        "dagster/column_lineage": report.lineage(),
        "headline": dg.MetadataValue.md(_as_list(page.headline)),
        "page": dg.MetadataValue.path(str(path)),
        "plot": dg.MetadataValue.md(picture(page.figures[0].chart)),
        "remarks": dg.MetadataValue.md("\n".join(f"- {each}" for each in page.remarks) or "none"),
        "made_from": dg.MetadataValue.md("\n".join(f"- `{each.name}`: {each.state}" for each in sources)),
    }


def _frame(connection: DuckDBPyConnection, of: Input, day: date) -> pl.DataFrame:
    """What the input's query gives, in the types that are declared."""
    first, last = of.window(day)
    known = {"day": day, "first": first, "last": last}
    frame = connection.execute(of.query, {name: value for name, value in known.items() if f"${name}" in of.query}).pl()
    return frame.select(pl.col(name).cast(kind) for name, kind in of.columns.items())


def _as_list(headline: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: **{value}**" for name, value in headline.items())
