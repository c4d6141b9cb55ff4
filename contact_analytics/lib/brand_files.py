"""The brand's own tables that reports join: who works when and where, who is a member of what."""

import csv
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
        # Nothing below tells of the cause of an error: its words may be those of the file, which are personal.
        try:
            frame = _read(Path(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ConfigurationError(
                f"{setting} is {path}, which cannot be read: {_fault(Path(path), error)}.",
                "Give the path of a CSV (UTF-8, with a header) or Parquet file. What is stored is as it was.",
            ) from None
        missing = [name for name in file.columns if name not in {*frame.columns, *file.optional}]
        if missing:
            known = [name for name in file.columns if name in frame.columns]
            raise ConfigurationError(
                f"{setting}, {path}, has no column {', '.join(missing)}; of its {frame.width:,} columns, these are "
                f"known: {', '.join(known) or 'none'}.",
                f"A {file.name} file is {file.grain} Its first line names its columns: {', '.join(file.columns)}.",
            )
        return _typed(frame, file.columns, f"{setting}, {path},")


def in_force(rows: pl.DataFrame, day: date, key: str) -> pl.DataFrame:
    """The rows that hold on a day, at most one a key: of several, the one that began last stands.

    `valid_from` and `valid_to` are the first and the last day of a row; null is no bound. Of rows that began on the
    same day, or are undated, the last stands; `alike` is how many different ones there were.
    """
    begun = pl.col("valid_from").is_null() | (pl.col("valid_from") <= day)
    not_over = pl.col("valid_to").is_null() | (pl.col("valid_to") >= day)
    held = rows.filter(begun & not_over).unique(keep="last", maintain_order=True)
    counted = held.with_columns(alike=pl.len().over(key, "valid_from").cast(pl.Int64))
    in_order = counted.sort("valid_from", nulls_last=False, maintain_order=True)
    return in_order.unique(key, keep="last", maintain_order=True)


def _read(path: Path) -> pl.DataFrame:
    # As text, so that `007` stays a number of three digits.
    frame = pl.read_parquet(path) if _is_parquet(path) else pl.read_csv(path, infer_schema=False)
    return frame.rename(str.strip)


def _fault(path: Path, error: Exception) -> str:
    """What keeps a file from being read: by the number of a line, never by its words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if _is_parquet(path):
        return "it is not a Parquet file"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as undecodable:
        line = undecodable.object[: undecodable.start].count(b"\n") + 1
        return f"line {line:,} is not UTF-8"
    rows = csv.reader(text.splitlines(keepends=True))
    fields = len(next(rows, []))
    for row in rows:
        if len(row) > fields:
            return f"line {rows.line_num:,} has {len(row):,} fields, and the first has {fields:,}"
    return "it is not CSV" if text.strip() else "it is empty"


def _typed(frame: pl.DataFrame, columns: Mapping[str, pl.DataType], what: str) -> pl.DataFrame:
    whole = frame.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    whole = whole.with_columns(pl.lit(None, kind).alias(name) for name, kind in columns.items() if name not in whole)
    for name, wanted in columns.items():
        if not _can_be(whole.schema[name], wanted):
            raise ConfigurationError(
                f"{what} has {whole.schema[name]} in its column {name}, where {wanted} is wanted.",
                "Write ids as text: numbers with gaps, which pandas makes decimals of, lose how they were spelt. "
                "Write dates as dates, or as YYYY-MM-DD. Mend the file and materialize again.",
            )
    typed = whole.select(_as(pl.col(name), whole.schema[name], kind) for name, kind in columns.items())
    for name, wanted in columns.items():
        if lost := (whole[name].is_not_null() & typed[name].is_null()).arg_true().to_list():
            raise ConfigurationError(
                f"{what} has {len(lost):,} values in its column {name} that are no {wanted}, the first of them in row "
                f"{lost[0] + 1:,} after the header.",
                "Dates are YYYY-MM-DD, times HH:MM:SS. Mend the file and materialize again. What is stored is as it "
                "was.",
            )
    return typed


def _can_be(held: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether values of a type say the same in another. A decimal is no id, and a number is no date."""
    if held in (wanted, pl.String, pl.Null):
        return True
    return held.is_integer() if wanted == pl.String else held.is_temporal()


def _as(column: pl.Expr, held: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """A column in the type that is declared; null where a value is none of it."""
    if held == pl.String and wanted == pl.Date:
        return column.str.to_date("%Y-%m-%d", strict=False)
    if held == pl.String and wanted == pl.Time:
        return column.str.to_time("%H:%M:%S", strict=False)
    return column.cast(wanted, strict=False)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")
