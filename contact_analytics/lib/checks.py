"""The checks that every daily table has. Each looks at all stored days and names those that fail."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.daily import end_of_day
from contact_analytics.lib.dataset import PARTITION, Dataset
from contact_analytics.lib.materialization import NEVER_SHRINKS
from contact_analytics.lib.schema import quoted
from contact_analytics.lib.warehouse import Extraction, WarehouseResource, extractions

_HOURS = 24
_WINDOW_DAYS = 30


def daily_checks(dataset: Dataset, partitions: dg.DailyPartitionsDefinition, due_cron: str) -> list[Any]:
    """The checks of a dataset; `due_cron` says when the newest due day is looked for (UTC)."""
    return [
        _primary_key_is_unique(dataset),
        _primary_key_is_present(dataset),
        _rows_come_from_the_days_files(dataset),
        _hours_are_listed_or_explained(dataset),
        _no_unknown_fields(dataset),
        _reloads_never_shrink_a_day(dataset),
        _newest_due_day_is_in(dataset, partitions, due_cron),
    ]


def _primary_key_is_unique(dataset: Dataset) -> Any:
    @dg.asset_check(asset=dataset.key, description=f"No two rows of a day share {', '.join(dataset.primary_key)}.")
    def primary_key_is_unique(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        keys = ", ".join(map(quoted, dataset.primary_key))
        return _no_rows(
            warehouse,
            dataset,
            f"select {PARTITION}, sum(n - 1)::bigint from (select {PARTITION}, count(*) as n from {dataset.sql_name} "
            f"group by {PARTITION}, {keys} having count(*) > 1) group by all",
            "rows too many",
        )

    return primary_key_is_unique


def _primary_key_is_present(dataset: Dataset) -> Any:
    @dg.asset_check(asset=dataset.key, description=f"Every row has {', '.join(dataset.primary_key)}.")
    def primary_key_is_present(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        missing = " or ".join(f"{quoted(name)} is null" for name in dataset.primary_key)
        return _no_rows(
            warehouse,
            dataset,
            f"select {PARTITION}, count(*) from {dataset.sql_name} where {missing} group by all",
            "rows without a key",
        )

    return primary_key_is_present


def _rows_come_from_the_days_files(dataset: Dataset) -> Any:
    @dg.asset_check(
        asset=dataset.key, description="Each stored day has as many rows as its load counted, all from its own files."
    )
    def rows_come_from_the_days_files(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        return _no_rows(
            warehouse,
            dataset,
            f"with held as (select {PARTITION}, _source_file as file, count(*) as n from {dataset.sql_name} group by all), "
            f"listed as (select {PARTITION}, unnest(file_names) as file from meta.extractions "
            f"where dataset = '{dataset.table}'), "
            f"strays as (select {PARTITION}, n from held anti join listed using ({PARTITION}, file)), "
            f"counted as (select {PARTITION}, rows as n from meta.extractions where dataset = '{dataset.table}' "
            f"union all select {PARTITION}, -n from held) "
            f"select {PARTITION}, max(off)::bigint from (select {PARTITION}, n as off from strays union all "
            f"select {PARTITION}, abs(sum(n)) from counted group by all) where off > 0 group by all",
            "rows more, fewer or from other files than were loaded",
        )

    return rows_come_from_the_days_files


def _hours_are_listed_or_explained(dataset: Dataset) -> Any:
    @dg.asset_check(
        asset=dataset.key,
        description="Every hour of a stored day has a file, or was listed without one when the vendor had to be done "
        "and had not begun to delete: then it was quiet.",
    )
    def hours_are_listed_or_explained(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.get_connection() as connection:
            known = extractions(connection, dataset)
        reasons = {day: reason for day, stored in known.items() if (reason := _unexplained(dataset, day, stored))}
        quiet = sum(_HOURS - _hours(stored) for day, stored in known.items() if day not in reasons)
        return _result(reasons, severity=dg.AssetCheckSeverity.WARN, metadata={"quiet_hours": quiet})

    return hours_are_listed_or_explained


def _no_unknown_fields(dataset: Dataset) -> Any:
    @dg.asset_check(
        asset=dataset.key, description="The vendor sent no field that the schema does not know; those are in `_extra`."
    )
    def no_unknown_fields(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.get_connection() as connection:
            known = extractions(connection, dataset)
        reasons = {
            day: ", ".join(f"`{entry['field']}` in {entry['records']:,} records" for entry in stored.unknown_fields)
            for day, stored in known.items()
            if stored.unknown_fields
        }
        return _result(reasons, severity=dg.AssetCheckSeverity.WARN)

    return no_unknown_fields


def _reloads_never_shrink_a_day(dataset: Dataset) -> Any:
    @dg.asset_check(
        asset=dataset.key,
        name=NEVER_SHRINKS,
        description="No re-load of a stored day is held back because it would leave fewer files or rows.",
    )
    def reloads_never_shrink_a_day(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.get_connection() as connection:
            known = extractions(connection, dataset)
        reasons = {day: stored.problem for day, stored in known.items() if stored.problem and "held back" in stored.problem}
        return _result(reasons)

    return reloads_never_shrink_a_day


def _newest_due_day_is_in(dataset: Dataset, partitions: dg.DailyPartitionsDefinition, due_cron: str) -> Any:
    @dg.asset_check(
        asset=dataset.key,
        automation_condition=dg.AutomationCondition.cron_tick_passed(due_cron)
        & ~dg.AutomationCondition.in_progress(),
        description=f"The newest day whose {dataset.lateness.seconds // 3600} hours of grace have passed is stored; "
        f"days missing before it, of the last {_WINDOW_DAYS}, are named.",
    )
    def newest_due_day_is_in(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        now = datetime.now(UTC)
        keys = partitions.get_partition_keys(current_time=now - dataset.lateness)[-_WINDOW_DAYS:]
        have = context.instance.get_materialized_partitions(dataset.key)
        missing = [key for key in keys if key not in have]
        return dg.AssetCheckResult(
            passed=bool(keys) and keys[-1] in have,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"newest_due_day": keys[-1] if keys else "none", "missing_days": dg.MetadataValue.json(missing)},
        )

    return newest_due_day_is_in


def _unexplained(dataset: Dataset, day: date, stored: Extraction) -> str | None:
    """Why hours without a file may hold data that we do not have; None where they were quiet."""
    missing = _HOURS - _hours(stored)
    if stored.state not in ("loaded", "empty") or not missing:
        return None
    if stored.listed_at is None:
        return f"{missing} hours have no file and the vendor was not asked (rebuilt from the archive)"
    if stored.listed_at < end_of_day(day) + dataset.lateness:
        return f"{missing} hours have no file yet: the day was listed before it was due, materialize it again"
    if stored.listed_at >= datetime.combine(day, time(), UTC) + dataset.retention + timedelta(hours=1):
        return f"{missing} hours have no file: the vendor had begun to delete the day when it was listed"
    return None


def _hours(stored: Extraction) -> int:
    return len({scope.astimezone(UTC).hour for scope in stored.scopes or ()})


def _no_rows(warehouse: WarehouseResource, dataset: Dataset, query: str, what: str) -> dg.AssetCheckResult:
    """Passes when a query of days and counts finds nothing."""
    with warehouse.get_connection() as connection:
        rows: Sequence[tuple[date, int]] = connection.execute(query).fetchall() if _exists(connection, dataset) else []
    return _result({day: f"{count:,} {what}" for day, count in rows})


def _exists(connection: DuckDBPyConnection, dataset: Dataset) -> bool:
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?", [dataset.vendor, dataset.name]
    ).fetchone()
    return bool(found and found[0])


def _result(
    reasons: dict[date, str],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: dict[str, Any] | None = None,
) -> dg.AssetCheckResult:
    lines = [f"- {day}: {reason}" for day, reason in sorted(reasons.items())]
    named = {"days": dg.MetadataValue.md("\n".join(lines))} if lines else {}
    return dg.AssetCheckResult(passed=not reasons, severity=severity, metadata={**named, **(metadata or {})})
