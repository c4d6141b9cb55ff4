"""The checks of dimensions. They are evaluated by the run that looks at the list, also if it failed."""

from datetime import date

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import Check, Dimension, Known, Reasons
from contact_analytics.lib.errors import SnapshotHeldBack
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.schema import columns_of, quoted
from contact_analytics.lib.standing import count

_SHOWN = 100


def check_specs(dimension: Dimension) -> list[dg.AssetCheckSpec]:
    """The checks of a dimension as its asset declares them."""
    return [
        dg.AssetCheckSpec(check.name, asset=dimension.key, description=check.description) for check in DIMENSION_CHECKS
    ]


def evaluate(connection: DuckDBPyConnection, dimension: Dimension) -> list[dg.AssetCheckResult]:
    """The results of a dimension's checks as the warehouse stands."""
    known = extractions(connection, dimension)
    return [_result(dimension, check, check.failing(connection, dimension, known)) for check in DIMENSION_CHECKS]


def _result(dimension: Dimension, check: Check, reasons: Reasons) -> dg.AssetCheckResult:
    rows = [dg.TableRecord({"what": str(what), "reason": reason}) for what, reason in reasons.items()][:_SHOWN]
    return dg.AssetCheckResult(
        asset_key=dimension.key,
        check_name=check.name,
        passed=not reasons,
        severity=check.severity,
        metadata={"failing": len(reasons)} | ({"first_failing": dg.MetadataValue.table(rows)} if rows else {}),
    )


def _repeated(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    keys = _keys(dimension)
    return _found(
        connection,
        dimension,
        f"select {keys}, count(*) from {dimension.sql_name} where is_current group by {keys} having count(*) > 1",
        "{:,} current rows",
    )


def _overlapping(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    keys = _keys(dimension)
    ordered = (
        f"select {keys}, valid_from, valid_to, is_current, lead(valid_from) over (partition by {keys} "
        f"order by valid_from, valid_to nulls last) as next from {dimension.sql_name}"
    )
    return _found(
        connection,
        dimension,
        f"select {keys}, min(valid_from) from ({ordered}) where (next is not null and (valid_to is null or "
        f"valid_to > next)) or valid_to < valid_from or is_current is distinct from (valid_to is null) group by {keys}",
        "the row of {} is not over when the next begins, or ends before it begins",
    )


def _vanished(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    keys = _keys(dimension)
    deleted = "coalesce(deleted, false)" if "deleted" in columns_of(dimension.schema) else "false"
    last = (
        f"select * from {dimension.sql_name} "
        f"qualify row_number() over (partition by {keys} order by valid_from desc) = 1"
    )
    return _found(
        connection,
        dimension,
        f"select {keys}, valid_to from ({last}) where not is_current and not {deleted} order by valid_to desc",
        "not in the list any more since {}, nor listed as deleted",
    )


def _quarantined(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    return {
        day: f"{stored.quarantined:,} entries are in meta.quarantine with their reasons"
        for day, stored in _newest(known)
        if stored.quarantined
    }


def _unknown_fields(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    return {
        f"`{entry['field']}`": f"in {entry['records']:,} entries of {day}"
        for day, stored in _newest(known)
        for entry in stored.unknown_fields
    }


def _held_back(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    """Lists that were held back after the last look at one that was not."""
    looks = [stored.listed_at for stored in known.values() if stored.listed_at]
    return {
        day: stored.problem or ""
        for day, stored in known.items()
        if stored.problem_type == SnapshotHeldBack.__name__
        and stored.attempted_at
        and stored.attempted_at >= max(looks, default=stored.attempted_at)
    }


def _not_from_lists(connection: DuckDBPyConnection, dimension: Dimension, known: Known) -> Reasons:
    current, total = count(connection, dimension)
    reasons = dict[date, str]()
    for day, stored in _newest(known):
        if stored.digest is None:
            reasons[day] = "it cannot be made again from the archive; `source: archive` tells why"
        if (current, total) != (stored.rows_current, stored.rows):
            made = f"{stored.rows:,} rows, {stored.rows_current or 0:,} of them current"
            reasons[day] = f"the lists made {made}; the table has {total:,} and {current:,}"
    return reasons


def _newest(known: Known) -> list[tuple[date, Extraction]]:
    """The day of the list that the table stands on."""
    return sorted((day, stored) for day, stored in known.items() if stored.is_stored)[-1:]


def _found(connection: DuckDBPyConnection, dimension: Dimension, query: str, reason: str) -> Reasons:
    """What a query finds: the keys of an entry, and a value for the reason."""
    names = dimension.primary_key
    return {
        ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=False)): reason.format(row[-1])
        for row in connection.execute(query).fetchall()
    }


def _keys(dimension: Dimension) -> str:
    return ", ".join(map(quoted, dimension.primary_key))


_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
DIMENSION_CHECKS = (
    Check("primary_key_is_unique", "No two current rows share the primary key.", _ERROR, _repeated),
    Check(
        "periods_do_not_overlap",
        "An entry has one state at a time: each row ends before or when the next begins, and only the last is current.",
        _ERROR,
        _overlapping,
    ),
    Check(
        "rows_come_from_the_archived_lists",
        "The table is what its archived lists make of it: no row was added or removed since, and after a change of the "
        "schema it was made again.",
        _WARN,
        _not_from_lists,
    ),
    Check(
        "no_entry_vanished",
        "No entry is missing from the vendor's list without being listed as deleted.",
        _WARN,
        _vanished,
    ),
    Check(
        "no_unknown_fields",
        "The last list has no field that the schema does not know; such fields are kept in `_extra`.",
        _WARN,
        _unknown_fields,
    ),
    Check(
        "nothing_is_quarantined",
        "Every entry of the last list could be read; the others are in `meta.quarantine` with the reason.",
        _WARN,
        _quarantined,
    ),
    Check(
        "reloads_never_shrink",
        "No list is held back because most of the current entries are missing from it, and no rebuild because it would "
        "lose some.",
        _ERROR,
        _held_back,
    ),
)
