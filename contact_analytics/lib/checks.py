"""The checks of daily tables. Each looks at all stored days and names those that fail.

They are evaluated by the run that loads, when its last day is done, also if some of its days failed.
"""

from datetime import UTC, date

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.completeness import archive_and_table_agree, every_file, newer_answers
from contact_analytics.lib.dataset import PARTITION, ArchiveCheck, Check, Dataset, Known, Promise, Reasons
from contact_analytics.lib.drift import DRIFT_CHECKS
from contact_analytics.lib.errors import DayHeldBack
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.schema import quoted

_HOURS = 24
_SHOWN_DAYS = 100


def checks_of(dataset: Dataset) -> tuple[Check | ArchiveCheck, ...]:
    """The checks that every daily table has, and those of this one."""
    return (*CHECKS, *dataset.checks)


def check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    """The checks of a dataset as its asset declares them."""
    return [
        dg.AssetCheckSpec(check.name, asset=dataset.key, description=check.description) for check in checks_of(dataset)
    ]


def evaluate(connection: DuckDBPyConnection, dataset: Dataset, archive: ArchiveResource) -> list[dg.AssetCheckResult]:
    """The results of a dataset's checks as the warehouse and the archive stand."""
    known = extractions(connection, dataset)
    results = list[dg.AssetCheckResult]()
    for check in checks_of(dataset):
        if isinstance(check, ArchiveCheck):
            reasons = check.failing(connection, dataset, known, archive)
        else:
            reasons = check.failing(connection, dataset, known)
        results.append(_result(dataset, check, reasons, len(known)))
    return results


def _result(dataset: Dataset, check: Promise, reasons: Reasons, days: int) -> dg.AssetCheckResult:
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
    *DRIFT_CHECKS,
)
# Of a vendor that makes a file an hour, or none where nothing happened.
HOURLY_CHECKS = (
    archive_and_table_agree(every_file),
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
    archive_and_table_agree(newer_answers),
    Check(
        "days_were_asked_for_when_due",
        "Each stored day was asked for when the vendor was due to be done with it.",
        _WARN,
        _asked_too_early,
    ),
)
