"""The retention clock's asset: which days are stored, which are in danger, and which are lost."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics import settings
from contact_analytics.catalog import DATASETS
from contact_analytics.lib import charts
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import OWNERS
from contact_analytics.lib.dataset import Dataset, MetaTable
from contact_analytics.lib.errors import ContactAnalyticsError, in_our_words
from contact_analytics.lib.extractions import Extraction, extractions, prepare
from contact_analytics.lib.page import picture
from contact_analytics.lib.retention import (
    ARCHIVED,
    EARLY,
    FAIL_DAYS,
    FAILED,
    IN_PART,
    LOST,
    MISSING,
    NOT_DUE,
    REQUEST_DAYS,
    STORED,
    WARN_DAYS,
    Day,
    RetentionClock,
    clock,
    endangered,
)
from contact_analytics.lib.tables import insert
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.lib.webhook import WebhookResource
from contact_analytics.notifications import notify_endangered

TABLE = MetaTable(
    name="retention_clock",
    schema=RetentionClock,
    grain="One row a daily table and day: what state it is in, and when the vendor begins to delete it.",
)
USED = [dataset for dataset in DATASETS if settings.has_table(dataset.table)]
_SHOWN_DAYS, _SHOWN_ROWS = 35, 100
_COLUMNS = ("table", "day", "state", "deleted_from", "days_left", "problem")
_COLOURS = {
    STORED: "#2a9d8f",
    EARLY: "#a5c45b",
    IN_PART: "#7d8471",
    ARCHIVED: "#4f43dd",
    NOT_DUE: "#e1e5ee",
    MISSING: "#f2a33a",
    FAILED: "#d1495b",
    LOST: "#1c2333",
}
SAFE, WHOLE = "nothing_is_about_to_be_deleted", "no_day_is_missing"
# Metadata by which the sensor knows what the clock knows: when it looked, and which days were at risk, by table.
LOOKED_AT, AT_RISK = "looked_at", "at_risk"
CHECKS = [
    dg.AssetCheckSpec(
        SAFE,
        asset=TABLE.key,
        description=f"No day that is not stored, or that was asked for too early, is deleted by its vendor within "
        f"{WARN_DAYS} days. Within {FAIL_DAYS} days it is an error.",
    ),
    dg.AssetCheckSpec(
        WHOLE,
        asset=TABLE.key,
        description="Of each table, no day that is due is missing between the first stored one and the newest.",
    ),
]


@dg.asset(
    key=TABLE.key,
    group_name="meta",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    description=f"{TABLE.grain}\n\nWhat is lost this week unless it is loaded, and what is lost already. Made anew "
    "each hour; it asks no vendor.",
    metadata={"dagster/column_schema": TABLE.column_schema(), "dagster/table_name": TABLE.table},
    check_specs=CHECKS,
)
def retention_clock(
    context: dg.AssetExecutionContext, archive: ArchiveResource, warehouse: WarehouseResource, webhook: WebhookResource
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    now = datetime.now(UTC)
    with in_our_words(TABLE.table):
        with warehouse.get_connection() as connection:
            prepare(connection, TABLE)
            known = [extractions(connection, dataset) for dataset in USED]
            shown, told = _shown(connection), _told(connection)
        problems = list[ContactAnalyticsError]()
        days = list[Day]()
        for dataset, stored in zip(USED, known, strict=True):
            archived, damaged = _archived(dataset, stored, archive)
            problems += damaged.values()
            first = date.fromisoformat(settings.START_DATE)
            for day in clock(dataset, stored, archived, first, now, shown[dataset.table]):
                problem = damaged.get(day.day)
                days.append(replace(day, problem=str(problem)) if problem else day)
        if problem := _tell(webhook, days, told, now):
            problems.append(problem)
        with warehouse.get_connection() as connection, transaction(connection):
            connection.execute(f"delete from {TABLE.sql_name}")
            types = {name: column.dtype for name, column in TABLE.columns().items()}
            rows = [day.row(told.get((day.dataset.table, day.day))) for day in days]
            insert(connection, TABLE.sql_name, pl.DataFrame(rows, schema=types))
    yield dg.MaterializeResult(metadata=_metadata(days, now))
    yield from (_safe(days), _whole(days))
    for problem in problems[1:]:
        context.log.error(str(problem))
    if problems:
        raise problems[0]


def _shown(connection: DuckDBPyConnection) -> Mapping[str, set[date]]:
    """The days of each table that the clock had at its last look."""
    found = defaultdict[str, set[date]](set)
    for table, day in connection.execute(f"select dataset, partition_date from {TABLE.sql_name}").fetchall():
        found[table].add(day)
    return found


def _told(connection: DuckDBPyConnection) -> dict[tuple[str, date], datetime]:
    """Of which days in danger the webhook was told, and when."""
    query = f"select dataset, partition_date, told_at from {TABLE.sql_name} where is_at_risk and told_at is not null"
    return {(table, day): told_at for table, day, told_at in connection.execute(query).fetchall()}


def _tell(
    webhook: WebhookResource, days: Sequence[Day], told: dict[tuple[str, date], datetime], now: datetime
) -> ContactAnalyticsError | None:
    """Tell the webhook of the days in danger when there are new ones, and note it in `told`; what went wrong if it did.

    The clock is stored in any case, and the next look tells what this one could not.
    """
    soon = endangered(days, WARN_DAYS)
    news = [(day.dataset.table, day.day) for day in soon if (day.dataset.table, day.day) not in told]
    if not news or not webhook.url:
        return None
    try:
        notify_endangered(webhook, soon)
    except ContactAnalyticsError as error:
        return error
    told |= dict.fromkeys(news, now)
    return None


def _archived(
    dataset: Dataset, known: Mapping[date, Extraction], archive: ArchiveResource
) -> tuple[Collection[date], Mapping[date, ContactAnalyticsError]]:
    """The days that are not stored and of which the archive has files, and those whose manifest cannot be read."""
    archived, damaged = set[date](), dict[date, ContactAnalyticsError]()
    for day in archive.days(dataset.vendor, dataset.name):
        if day in known and known[day].is_stored:
            continue
        try:
            if archive.day(dataset.vendor, dataset.name, day).files():
                archived.add(day)
        except ContactAnalyticsError as error:
            damaged[day] = error
    return archived, damaged


def _safe(days: Sequence[Day]) -> dg.AssetCheckResult:
    soon, now = endangered(days, WARN_DAYS), endangered(days, FAIL_DAYS)
    severity = dg.AssetCheckSeverity.ERROR if now else dg.AssetCheckSeverity.WARN
    metadata = {"endangered_days": len(soon)} | ({"endangered": _table(soon)} if soon else {})
    return dg.AssetCheckResult(
        asset_key=TABLE.key, check_name=SAFE, passed=not soon, severity=severity, metadata=metadata
    )


def _whole(days: Sequence[Day]) -> dg.AssetCheckResult:
    begun = {day.dataset.table: day.day for day in reversed(days) if day.state in (STORED, EARLY, IN_PART)}
    gaps = [
        day
        for day in days
        if day.state in (MISSING, FAILED, ARCHIVED, LOST) and day.day > begun.get(day.dataset.table, date.max)
    ]
    metadata = {"missing_days": len(gaps)} | ({"missing": _table(gaps)} if gaps else {})
    return dg.AssetCheckResult(
        asset_key=TABLE.key,
        check_name=WHOLE,
        passed=not gaps,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _metadata(days: Sequence[Day], now: datetime) -> dict[str, Any]:
    states = Counter(day.state for day in days)
    lost, in_part = ([day for day in days if day.state == state] for state in (LOST, IN_PART))
    soon, at_risk = endangered(days, WARN_DAYS), defaultdict[str, list[str]](list)
    for day in endangered(days, REQUEST_DAYS):
        at_risk[day.dataset.table].append(str(day.day))
    return {
        "dagster/row_count": len(days),
        "picture": dg.MetadataValue.md(picture(_picture(days, now))),
        "overview": dg.MetadataValue.md(_overview(days)),
        "endangered_days": len(soon),
        "lost_days": len(lost),
        LOOKED_AT: dg.MetadataValue.timestamp(now),
        AT_RISK: dg.MetadataValue.json(dict(at_risk)),
        **{f"days_{state.replace(' ', '_')}": states[state] for state in _COLOURS},
        **({"endangered": _table(soon)} if soon else {}),
        **({"lost": _table(lost[::-1])} if lost else {}),
        **({"stored_in_part": _table(in_part[::-1])} if in_part else {}),
    }


def _table(days: Sequence[Day]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "table": day.dataset.table,
                    "day": str(day.day),
                    "state": day.state,
                    "deleted_from": day.deleted_from_in_words,
                    "days_left": "" if day.days_left is None else f"{day.days_left:.1f}",
                    "problem": (day.problem or "")[:200],
                }
            )
            for day in days[:_SHOWN_ROWS]
        ],
        dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS]),
    )


def _overview(days: Sequence[Day]) -> str:
    """A line a table: how many of its days are in which state."""
    by_table: dict[str, Counter[str]] = defaultdict(Counter)
    for day in days:
        by_table[day.dataset.table][day.state] += 1
    states = [state for state in _COLOURS if any(counts[state] for counts in by_table.values())]
    head = f"| table | {' | '.join(states)} |\n|{'---|' * (len(states) + 1)}"
    rows = (
        f"| {table} | {' | '.join(str(counts[state] or '') for state in states)} |"
        for table, counts in by_table.items()
    )
    return "\n".join([head, *rows])


def _picture(days: Sequence[Day], now: datetime) -> charts.Chart:
    """Days by tables, coloured by state."""
    first = now.date() - timedelta(days=_SHOWN_DAYS)
    shown = sorted((day for day in days if day.day >= first), key=lambda each: each.day)
    frame = pl.DataFrame(
        {
            "day": [f"{each.day:%d %b}" for each in shown],
            "table": [each.dataset.table for each in shown],
            "state": [each.state for each in shown],
        }
    )
    tables = [dataset.table for dataset in USED]
    return charts.grid(frame, column="day", row="table", colour="state", colours=_COLOURS, rows=tables)
