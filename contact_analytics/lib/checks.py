"""The checks of daily tables. Each looks at all stored days and names those that fail.

They are evaluated by the run that loads, when its last day is done, also if some of its days failed.
"""

from datetime import UTC, date, datetime

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import PARTITION, Check, Dataset, Known, Reasons, in_words
from contact_analytics.lib.errors import DayHeldBack
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.schema import literal, quoted

_HOURS = 24
_WINDOW_DAYS = 30
_SHOWN_DAYS = 100


def checks_of(dataset: Dataset) -> tuple[Check, ...]:
    """The checks that every daily table has, and those of this one."""
    return (*CHECKS, *dataset.checks)


def check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    """The checks of a dataset as its asset declares them."""
    return [
        dg.AssetCheckSpec(check.name, asset=dataset.key, description=check.description) for check in checks_of(dataset)
    ]


def evaluate(connection: DuckDBPyConnection, dataset: Dataset) -> list[dg.AssetCheckResult]:
    """The results of a dataset's checks as the warehouse stands."""
    known = extractions(connection, dataset)
    return [
        _result(dataset, check, check.failing(connection, dataset, known), len(known)) for check in checks_of(dataset)
    ]


def _result(dataset: Dataset, check: Check, reasons: Reasons, days: int) -> dg.AssetCheckResult:
    newest = sorted(reasons.items(), reverse=True)[:_SHOWN_DAYS]
    rows = [dg.TableRecord({"day": str(day), "reason": reason}) for day, reason in newest]
    failing = {"failing_days": len(reasons), "newest_failing_days": dg.MetadataValue.table(rows)} if rows else {}
    return dg.AssetCheckResult(
        asset_key=dataset.key,
        check_name=check.name,
        passed=not reasons,
        severity=check.severity,
        metadata={"days_looked_at": days, **failing},
    )


def freshness_check(
    dataset: Dataset, partitions: dg.DailyPartitionsDefinition, due_cron: str
) -> dg.AssetChecksDefinition:
    """A check of its own, evaluated each morning: the newest due day is in, whatever else was loaded meanwhile."""

    @dg.asset_check(
        asset=dataset.key,
        name="newest_due_day_is_in",
        automation_condition=dg.AutomationCondition.cron_tick_passed(due_cron) & ~dg.AutomationCondition.in_progress(),
        description=f"The newest day whose {in_words(dataset.lateness)} of grace have passed is stored; "
        f"and none between the first stored one of the last {_WINDOW_DAYS} and it is missing.",
    )
    def newest_due_day_is_in(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return newest_due_day(context.instance, dataset, partitions, datetime.now(UTC))

    return newest_due_day_is_in


def newest_due_day(
    instance: dg.DagsterInstance, dataset: Dataset, partitions: dg.PartitionsDefinition[str], now: datetime
) -> dg.AssetCheckResult:
    """Whether the newest due day is in, and no day between the first stored one and it is missing.

    It looks at the last 30 due days. Days before the first that is stored are named, and fail nothing: they may be
    from before this table was begun.
    """
    due = [
        key
        for key in partitions.get_partition_keys(current_time=now)[-_WINDOW_DAYS:]
        if dataset.is_due(date.fromisoformat(key), now)
    ]
    have = instance.get_materialized_partitions(dataset.key)
    missing = [key for key in due if key not in have]
    begun = min((key for key in due if key in have), default=None)
    gaps = [key for key in missing if begun and key > begun]
    return dg.AssetCheckResult(
        asset_key=dataset.key,
        check_name="newest_due_day_is_in",
        passed=begun is not None and not gaps,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"newest_due_day": due[-1] if due else "none", "gaps": dg.MetadataValue.json(gaps)}
        | {"missing_days": dg.MetadataValue.json(missing)},
    )


def _repeated_keys(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    keys = ", ".join(map(quoted, dataset.primary_key))
    return counted(
        connection,
        f"select {PARTITION}, sum(n - 1)::bigint from (select {PARTITION}, count(*) as n from {dataset.sql_name} "
        f"group by {PARTITION}, {keys} having count(*) > 1) group by all",
        "rows too many",
    )


def _missing_keys(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    missing = " or ".join(f"{quoted(name)} is null" for name in dataset.primary_key)
    return counted(
        connection,
        f"select {PARTITION}, count(*) from {dataset.sql_name} where {missing} group by all",
        "rows without a key",
    )


def _strays(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    loads = f"select {PARTITION}, rows, file_names from meta.extractions where dataset = {literal(dataset.table)}"
    return counted(
        connection,
        f"with held as (select {PARTITION}, _source_file as file, count(*) as n from {dataset.sql_name} group by all), "
        f"loads as ({loads}), listed as (select {PARTITION}, unnest(file_names) as file from loads), "
        f"strays as (select {PARTITION}, n from held anti join listed using ({PARTITION}, file)), "
        f"counted as (select {PARTITION}, rows as n from loads union all select {PARTITION}, -n from held) "
        f"select {PARTITION}, max(off)::bigint from (select {PARTITION}, n as off from strays union all "
        f"select {PARTITION}, abs(sum(n)) from counted group by all) where off > 0 group by all",
        "rows more, fewer or from other files than were loaded",
    )


def _unexplained_hours(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    reasons = {day: _unexplained(dataset, day, stored) for day, stored in known.items()}
    return {day: reason for day, reason in reasons.items() if reason}


def _unexplained(dataset: Dataset, day: date, stored: Extraction) -> str | None:
    """Why hours without a file may hold data that we do not have; None where they were quiet."""
    missing = sorted(set(range(_HOURS)) - {scope.astimezone(UTC).hour for scope in stored.scopes})
    if not stored.is_stored or not missing:
        return None
    what = f"no file of {', '.join(f'{hour:02}:00' for hour in missing)} UTC"
    if stored.listed_at is None:
        return f"{what}: the vendor was never asked (rebuilt from the archive)"
    if not dataset.is_due(day, stored.listed_at):
        return f"{what} yet: the day was listed before it was due, materialize it again"
    if dataset.begins_to_expire(day, stored.listed_at):
        return f"{what}: the vendor had begun to delete the day when it was first listed"
    return None


def _asked_too_early(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return {
        day: "the vendor was asked before it was due to be done with the day: materialize it again"
        for day, stored in known.items()
        if stored.is_stored and stored.listed_at and not dataset.is_due(day, stored.listed_at)
    }


def _unknown_fields(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return {
        day: ", ".join(f"`{entry['field']}` in {entry['records']:,} records" for entry in stored.unknown_fields)
        for day, stored in known.items()
        if stored.unknown_fields
    }


def _quarantined(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return {
        day: f"{stored.quarantined:,} records are in meta.quarantine with their reasons"
        for day, stored in known.items()
        if stored.quarantined
    }


def _held_back(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return {day: stored.problem or "" for day, stored in known.items() if stored.problem_type == DayHeldBack.__name__}


def counted(connection: DuckDBPyConnection, query: str, what: str) -> Reasons:
    """Days and counts that a query finds, in words."""
    return {day: f"{count:,} {what}" for day, count in connection.execute(query).fetchall()}


_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
CHECKS = (
    Check("primary_key_is_unique", "No two rows of a day share the primary key.", _ERROR, _repeated_keys),
    Check("primary_key_is_present", "Every row has its primary key.", _ERROR, _missing_keys),
    Check(
        "rows_come_from_the_days_files",
        "Each stored day has as many rows as its load counted, all from that day's files.",
        _ERROR,
        _strays,
    ),
    Check(
        "no_unknown_fields",
        "The vendor sent no field that the schema does not know; such fields are kept in `_extra`.",
        _WARN,
        _unknown_fields,
    ),
    Check(
        "nothing_is_quarantined",
        "Every record could be loaded; the others are in `meta.quarantine` with the reason.",
        _WARN,
        _quarantined,
    ),
    Check(
        "reloads_never_shrink_a_day",
        "No re-load of a stored day is held back because it would leave fewer files or rows.",
        _ERROR,
        _held_back,
    ),
)
# Of a vendor that makes a file an hour, or none where nothing happened.
HOURLY_CHECKS = (
    Check(
        "hours_are_listed_or_explained",
        "Every hour of a stored day has a file, or had none when the vendor was due to be done with the day and had "
        "not begun to delete it: then the hour was quiet.",
        _WARN,
        _unexplained_hours,
    ),
)
# Of a vendor that gives what it has of a day when it is asked.
EXPORT_CHECKS = (
    Check(
        "days_were_asked_for_when_due",
        "Each stored day was asked for when the vendor was due to be done with it.",
        _WARN,
        _asked_too_early,
    ),
)
