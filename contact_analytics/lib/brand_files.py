"""The brand's own tables that reports join: who works when and where, who is a member of what."""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.report import BrandFile


class BrandFilesResource(dg.ConfigurableResource[None]):
    """Paths of the brand's files by their names; a name without a path is a file that the brand does not have."""

    paths: dict[str, str] = Field(default={}, description="Path of each file, CSV (UTF-8, with a header) or Parquet.")

    def read(self, file: BrandFile) -> pl.DataFrame:
        """The file's columns, texts without blanks around them, empty texts as null; no rows if there is no file.

        Raises `ConfigurationError` if it cannot be read, lacks a column, or holds a value that is not of its type.
        """
        setting = f"CONTACT_ANALYTICS_{file.name.upper()}"
        path = self.paths.get(file.name)
        if not path:
            return pl.DataFrame(schema=dict(file.columns))
        try:
            frame = _read(Path(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ConfigurationError(
                f"{setting} is {path}, which cannot be read: {_first_line(error)}.",
                "Give the path of a CSV (UTF-8, with a header) or Parquet file. What is stored is as it was.",
            ) from error
        missing = [name for name in file.columns if name not in {*frame.columns, *file.optional}]
        if missing:
            raise ConfigurationError(
                f"{setting}, {path}, has no column {', '.join(missing)}; it has {', '.join(frame.columns)}.",
                f"A {file.name} file is {file.grain} Its columns are {', '.join(file.columns)}.",
            )
        return _typed(frame, file.columns, f"{setting}, {path},")

    def digest(self, file: BrandFile) -> str:
        """Tells one content of the file from another; empty without a file."""
        path = self.paths.get(file.name)
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""


def in_force(rows: pl.DataFrame, day: date, key: str) -> pl.DataFrame:
    """The rows that hold on a day, at most one a key: of several, the one that began last stands.

    `valid_from` and `valid_to` are the first and the last day of a row; null is no bound.
    """
    begun = pl.col("valid_from").is_null() | (pl.col("valid_from") <= day)
    not_over = pl.col("valid_to").is_null() | (pl.col("valid_to") >= day)
    held = rows.filter(begun & not_over).sort("valid_from", nulls_last=False, maintain_order=True)
    return held.unique(key, keep="last", maintain_order=True)


def _read(path: Path) -> pl.DataFrame:
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    # As text, so that `007` stays a number of three digits.
    frame = pl.read_parquet(path) if is_parquet else pl.read_csv(path, infer_schema=False)
    return frame.rename(str.strip)


def _typed(frame: pl.DataFrame, columns: Mapping[str, pl.DataType], what: str) -> pl.DataFrame:
    texts = pl.col(pl.String).str.strip_chars().replace("", None)
    frame = frame.with_columns(texts)
    absent = [pl.lit(None, kind).alias(name) for name, kind in columns.items() if name not in frame.columns]
    try:
        whole = frame.with_columns(absent)
        return whole.select(_as(pl.col(name), whole.schema[name], kind) for name, kind in columns.items())
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(
            f"{what} has a value that is not what its column says: {_first_line(error)}.",
            "Dates are YYYY-MM-DD, times HH:MM:SS. Mend the file and materialize again. What is stored is as it was.",
        ) from error


def _as(column: pl.Expr, held: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """A column in the type that is declared; a text that is none of it is an error."""
    if held == pl.String and wanted == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    if held == pl.String and wanted == pl.Time:
        return column.str.to_time("%H:%M:%S")
    return column.cast(wanted)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
