"""A table: the one name, schema and promise from which asset, DuckDB table, checks and dictionary are made.

A `Dataset` is a daily table, a `Dimension` the history of a vendor's list, such as its users.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg
import dataframely as dy
from duckdb import DuckDBPyConnection

from contact_analytics.lib.account import ACCOUNT, COLUMN, account, key_of
from contact_analytics.lib.fingerprint import fingerprint
from contact_analytics.lib.schema import children, columns_of, duckdb_type, facts, quoted

if TYPE_CHECKING:
    from contact_analytics.lib.archive import ArchiveResource
    from contact_analytics.lib.extractions import Extraction

PARTITION, META = "partition_date", "meta"


class Provenance(dy.Schema):
    """The columns that every daily table has after its own: where a row comes from."""

    extra = dy.String(nullable=True, alias="_extra", description="Fields that the schema does not know, as JSON")
    source_file = dy.String(alias="_source_file", description="Archived file that the row was read from")
    extracted_at = dy.Datetime(time_zone="UTC", alias="_extracted_at", description="Time the row was loaded, UTC")
    run_id = dy.String(alias="_run_id", description="Dagster run that loaded the row")


class Partition(dy.Schema):
    """The column that every daily table starts with."""

    partition_date = dy.Date(description="UTC day that the row belongs to; the partition")


class History(dy.Schema):
    """The columns that tell from when until when a row of a dimension held."""

    valid_from = dy.Datetime(time_zone="UTC", description="When the row was first seen so, UTC")
    valid_to = dy.Datetime(time_zone="UTC", nullable=True, description="When it was first seen otherwise; null if now")
    is_current = dy.Bool(description="Whether the vendor still has it so")


@dataclass(frozen=True)
class Table:
    """One table of a vendor: `grain` says what a row is, `documentation` is the vendor's page."""

    vendor: str
    name: str
    schema: type[dy.Schema]
    grain: str
    documentation: str

    @property
    def key(self) -> dg.AssetKey:
        return key_of(self.table)

    @property
    def table(self) -> str:
        return f"{self.vendor}.{self.name}"

    @property
    def sql_name(self) -> str:
        return f"{quoted(self.vendor)}.{quoted(self.name)}"

    @property
    def primary_key(self) -> list[str]:
        return [name for name, column in columns_of(self.schema).items() if column.primary_key]

    @property
    def identity(self) -> list[str]:
        """The columns that tell a row from every other one of the table."""
        return self.primary_key

    def columns(self) -> dict[str, dy.Column]:
        """Every column of the table, in order."""
        return {**columns_of(self.schema), **columns_of(Provenance)}

    def column_schema(self) -> dg.TableSchema:
        """The table as Dagster's UI shows it."""
        keys = self.primary_key
        marked = [dg.TableColumn(COLUMN, type="VARCHAR", description=ACCOUNT)] if account() else []
        return dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name,
                    type=_short_type(column),
                    description=describe(column),
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                    tags={"primary_key": ""} if name in keys else None,
                )
                for name, column in self.columns().items()
            ]
            + marked
        )

    def views(self) -> dict[str, str]:
        """The flat views beside the table, by name: one a nested column, one row an item, key columns first."""
        return {
            f"{self.vendor}.{self.name}_{name}": self._view(name, children(column))
            for name, column in columns_of(self.schema).items()
            if isinstance(column, dy.List) and children(column)
        }

    def _view(self, column: str, fields: dict[str, dy.Column]) -> str:
        taken = {*self.identity, "position"}
        items = [f"item.{quoted(f)} as {quoted(f'{column}_{f}' if f in taken else f)}" for f in fields]
        keys = ", ".join(map(quoted, self.identity))
        return (
            f"select {keys}, position, {', '.join(items)} from (select {keys}, unnest({quoted(column)}) as item, "
            f"generate_subscripts({quoted(column)}, 1) as position from {self.sql_name})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the same files would give another table."""
        return fingerprint(self.schema, self.columns())


@dataclass(frozen=True, kw_only=True)
class MetaTable(Table):
    """A table of ours about the others, without provenance and without views."""

    vendor: str = META
    documentation: str = "docs/extractions.md"

    def columns(self) -> dict[str, dy.Column]:
        return columns_of(self.schema)

    def views(self) -> dict[str, str]:
        return {}


class Repeats(Enum):
    """What becomes of rows of a day with the same key."""

    MERGED = "a field has the latest value that is given, a list the items of all"
    LATEST = "the last one stands, whole"


# By day, or by entry of a history.
Reasons = Mapping[Any, str]
Known = Mapping[date, "Extraction"]


@dataclass(frozen=True)
class Promise:
    """What a check says of a table when it passes."""

    name: str
    description: str
    severity: dg.AssetCheckSeverity


@dataclass(frozen=True)
class Check(Promise):
    """A promise about a table, and the days or entries that break it with the reason."""

    failing: Callable[[DuckDBPyConnection, Any, Known], Reasons]


@dataclass(frozen=True)
class ArchiveCheck(Promise):
    """A promise about a table and its archive, and the days that break it with the reason."""

    failing: Callable[[DuckDBPyConnection, "Dataset", Known, "ArchiveResource"], Reasons]


@dataclass(frozen=True)
class Dataset(Table):
    """One daily table of a vendor.

    `event_time` is the column that dates a row, empty if none does; `retention` how long the vendor keeps a day, None
    if it does not say; `lateness` how long after a day's end it promises to be complete. Where `answers_reach_beyond`
    a day, its rows are those that `event_time` says; where its files are `of_the_day`, a row of another day is set
    aside. `changed_at` is the column by which the last of a file's rows with the same key is told, else it is their
    order. `day_of` says what a day is one of where no column does. `lasting` is an SQL condition of the rows that the
    vendor never takes back. `versions` tell, in order, which of a key's rows on several days is the latest; a view
    shows those. `checks` are those that other datasets do not have, `measures` SQL aggregates of a day that the UI
    shows.
    """

    event_time: str
    retention: timedelta | None
    lateness: timedelta
    repeats: Repeats = Repeats.MERGED
    answers_reach_beyond: bool = False
    of_the_day: bool = False
    changed_at: str = ""
    day_of: str = "the vendor's files"
    lasting: str = "true"
    versions: tuple[str, ...] = ()
    checks: tuple[Check | ArchiveCheck, ...] = ()
    measures: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def identity(self) -> list[str]:
        return [PARTITION, *self.primary_key]

    def columns(self) -> dict[str, dy.Column]:
        return {**columns_of(Partition), **super().columns()}

    def views(self) -> dict[str, str]:
        if not self.versions:
            return super().views()
        keys, newest = ", ".join(map(quoted, self.primary_key)), ", ".join(f"{name} desc" for name in self.versions)
        latest = (
            f"select * from {self.sql_name} qualify row_number() over (partition by {keys} order by {newest}, "
            f"{PARTITION} desc) = 1"
        )
        return super().views() | {f"{self.table}_latest": latest}

    @property
    def retention_in_words(self) -> str:
        if self.retention is None:
            return "the vendor publishes none"
        return f"the vendor deletes a day after {self.retention.days} days"

    def start(self, day: date) -> datetime:
        """The instant at which a partition starts."""
        return datetime.combine(day, time(), UTC)

    def end(self, day: date) -> datetime:
        """The instant at which a partition ends."""
        return self.start(day + timedelta(days=1))

    def is_due(self, day: date, now: datetime) -> bool:
        """Whether the vendor has promised to be done with a day."""
        return now >= self.end(day) + self.lateness

    def is_expired(self, day: date, now: datetime) -> bool:
        """Whether the vendor has deleted all of a day."""
        return self.retention is not None and now >= self.end(day) + self.retention

    def begins_to_expire(self, day: date, now: datetime) -> bool:
        """Whether the vendor may have deleted the first of a day's files."""
        return self.retention is not None and now >= self.start(day) + self.retention

    def telling_listing(self, day: date, before: datetime | None, now: datetime | None) -> datetime | None:
        """Which of two listings tells whether an hour without a file was quiet: the later, unless deletion began."""
        return before if now is None or (before and self.begins_to_expire(day, now)) else now


@dataclass(frozen=True)
class Dimension(Table):
    """The history of a list that a vendor keeps: a row a state of an entry, from when until when it held."""

    @property
    def identity(self) -> list[str]:
        return [*self.primary_key, "valid_from"]

    def columns(self) -> dict[str, dy.Column]:
        return {**columns_of(self.schema), **columns_of(History), **columns_of(Provenance)}


def _short_type(column: dy.Column) -> str:
    """A type that fits into a table on a screen: of nested records only the fields' names."""
    fields = ", ".join(children(column))
    if not fields:
        return duckdb_type(column.dtype)
    return f"STRUCT({fields})[]" if isinstance(column, dy.List) else f"STRUCT({fields})"


def in_words(span: timedelta) -> str:
    """A span as a person would say it."""
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if span >= unit:
            return f"{span / unit:g} {name}{'' if span == unit else 's'}"
    return f"{span.total_seconds():g} seconds"


def describe(column: dy.Column) -> str:
    """A column's meaning with its unit."""
    unit = facts(column).unit
    return (column.description or "") + (f" ({unit})" if unit else "")
