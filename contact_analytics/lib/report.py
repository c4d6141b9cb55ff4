"""A daily report: a table computed from other tables, and a page that people look at.

A report reads tables, not vendors. It is declared with its inputs, computed by one pure function of frames, checked
against its schema, and stored a day at a time. Its asset runs by itself when all inputs of a day are in, and again
when one of them changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.account import key_of
from contact_analytics.lib.dataset import PARTITION, Partition, Table
from contact_analytics.lib.schema import columns_of, facts

REPORTS, BRAND = "reports", "brand"
WINDOW_DAYS = 30
# How many days later a session's file is looked for: files hold what ended in their hour, however long it went on.
REACH = 7


class Computed(dy.Schema):
    """The columns that every report has after its own."""

    computed_at = dy.Datetime(time_zone="UTC", alias="_computed_at", description="Time the row was computed, UTC")
    run_id = dy.String(alias="_run_id", description="Dagster run that computed the row")


@dataclass(frozen=True)
class Input:
    """A table that a report reads: its columns by name and type, by a query that is given `$day`, `$first` and `$last`.

    These are the day, and the first and last partition that may hold something for it: `days_before` and `days_after`
    it, as far as they are stored. A `history` has no days. `beside` are further tables that the query needs, and `name`
    tells its frame from that of another input of the same table.
    """

    table: str
    query: str
    columns: Mapping[str, Any]
    days_before: int = 0
    days_after: int = 0
    history: bool = False
    beside: tuple[str, ...] = ()
    name: str = ""

    @property
    def frame_name(self) -> str:
        return self.name or self.table

    @property
    def key(self) -> dg.AssetKey:
        return key_of(self.table)

    def empty(self) -> pl.DataFrame:
        """The frame of a table that the company does not have."""
        return pl.DataFrame(schema=dict(self.columns))

    def window(self, day: date) -> tuple[date, date]:
        """The first and the last partition that may hold something for a day."""
        return day - timedelta(days=self.days_before), day + timedelta(days=self.days_after)


@dataclass(frozen=True)
class BrandFile:
    """A table of the brand's own, CSV or Parquet, whose path is a setting: its columns by name with their types.

    Without a file it has no rows; columns that the file may leave out are `optional`, and null then.
    """

    name: str
    grain: str
    columns: Mapping[str, Any]
    optional: frozenset[str] = frozenset()

    @property
    def key(self) -> dg.AssetKey:
        return key_of(f"{BRAND}.{self.name}")


Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Report(Table):
    """A daily report. `rules` say how it is counted wherever it is shown, with an empty line between two.

    `inputs` are the tables that it reads, of which the company `has` all or some; `files` are the brand's own.
    """

    vendor: str = REPORTS
    documentation: str = "docs/reports.md"
    title: str
    rules: str
    inputs: tuple[Input, ...]
    has: Callable[[str], bool]
    files: tuple[BrandFile, ...] = ()

    @property
    def identity(self) -> list[str]:
        return [PARTITION, *self.primary_key]

    def partition_of(self, day: date) -> dict[str, object]:
        """The columns that rows of a day have in common, and that its rows are replaced by."""
        return {PARTITION: day}

    @property
    def used(self) -> tuple[Input, ...]:
        """The inputs that the company has; the others are empty."""
        return tuple(each for each in self.inputs if all(map(self.has, (each.table, *each.beside))))

    def around(self, day: date) -> list[date]:
        """The other days that a day's partitions may hold something for."""
        before = max((each.days_after for each in self.used), default=0)
        after = max((each.days_before for each in self.used), default=0)
        return [day + timedelta(days=number) for number in range(-before, after + 1) if number]

    @property
    def counted(self) -> list[str]:
        """The rules, one by one."""
        return [" ".join(rule.split()) for rule in self.rules.split("\n\n")]

    def columns(self) -> dict[str, dy.Column]:
        return {**columns_of(Partition), **columns_of(self.schema), **columns_of(Computed)}

    def lineage(self) -> dg.TableColumnLineage:
        """From which columns of which assets each column is made; those that the company does not have are left out."""
        known = {each.key for each in (*self.used, *self.files)}
        deps = {
            name: [dg.TableColumnDep(key, column) for key, column in sources_of(declared) if key in known]
            for name, declared in columns_of(self.schema).items()
        }
        return dg.TableColumnLineage({name: found for name, found in deps.items() if found})


@dataclass(frozen=True, kw_only=True)
class UnpartitionedReport(Report):
    """A report that is one table, made anew each time from all that its inputs hold."""

    @property
    def identity(self) -> list[str]:
        return self.primary_key

    @property
    def tables(self) -> list[str]:
        """The tables that it is made from, each once."""
        return list(dict.fromkeys(name for each in self.used for name in (each.table, *each.beside)))

    def partition_of(self, day: date) -> dict[str, object]:
        return {}

    def columns(self) -> dict[str, dy.Column]:
        return {**columns_of(self.schema), **columns_of(Computed)}


def sources_of(column: dy.Column) -> list[tuple[dg.AssetKey, str]]:
    """The assets and their columns that a report's column is made from."""
    parts = (source.rpartition(".") for source in facts(column).sources)
    return [(key_of(table), name) for table, _, name in parts]


def all_inputs_are_in(report: Report) -> dg.AutomationCondition[Any]:
    """All inputs of a day of the last thirty are in, and it is not made, or one of them is other than it was.

    A day that was loaded again without a change has the data version that it had and asks for nothing. Histories and
    the brand's files are looked at daily and ask for nothing either: a report shows who was in them when it was made.
    """
    condition = dg.AutomationCondition
    files = [file.key for file in report.files]
    histories = [each.key for each in report.used if each.history]
    changed = condition.any_deps_match(condition.data_version_changed())
    are_in = ~condition.any_deps_missing().ignore(dg.AssetSelection.assets(*files))
    return (
        condition.in_latest_time_window(lookback_delta=timedelta(days=WINDOW_DAYS))
        & _is_wanted(changed.ignore(dg.AssetSelection.assets(*histories, *files)))
        & are_in
        & _is_quiet()
    ).with_label("all_inputs_are_in")


def any_input_has_changed() -> dg.AutomationCondition[Any]:
    """Something of each input is stored, and nothing is made, or one of them is other than it was, be it by a new day.

    The table is made of all days, so it waits for none.
    """
    condition = dg.AutomationCondition
    changed = condition.any_deps_match(condition.data_version_changed())
    are_begun = condition.all_deps_match(~condition.missing())
    return (_is_wanted(changed) & are_begun & _is_quiet()).with_label("any_input_has_changed")


def _is_wanted(changed: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """Not made, or made before the last change. What has failed is tried again after the next change."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated() | condition.initial_evaluation()
    # A change that one look sees together with the report's own update came after what the report was made of.
    is_news = changed.since(cast("dg.AutomationCondition[Any]", handled & ~changed))
    return cast("dg.AutomationCondition[Any]", is_news | (condition.missing() & ~condition.execution_failed()))


def _is_quiet() -> dg.AutomationCondition[Any]:
    """No run is at it, or at what it is made of."""
    condition = dg.AutomationCondition
    return cast("dg.AutomationCondition[Any]", ~condition.any_deps_in_progress() & ~condition.in_progress())


def ratio(part: str, whole: str) -> pl.Expr:
    """One column over another; null where the other is zero."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
