"""What Dagster's UI shows of a dimension."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.history import Change
from contact_analytics.lib.http import Tally
from contact_analytics.lib.materialization import sample
from contact_analytics.lib.snapshots import revision_of
from contact_analytics.lib.standing import count, standing

_SHOWN_KEYS = 20


def history_metadata(
    connection: DuckDBPyConnection, dimension: Dimension, change: Change, tally: Tally, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """The facts of a history: rows, what this run changed in it, the list it stands on, and what this run spent."""
    known = standing(connection, dimension)
    newest = known.stored if known else None
    current, total = count(connection, dimension)
    fields = [f"`{entry['field']}` ({entry['records']:,})" for entry in newest.unknown_fields] if newest else []
    vanished = ", ".join(change.vanished[:_SHOWN_KEYS]) + (" …" if len(change.vanished) > _SHOWN_KEYS else "")
    metadata: dict[str, Any] = {
        "dagster/row_count": total,
        "rows_current": current,
        "rows_opened": change.opened,
        "rows_closed": change.closed,
        "deleted": change.deleted,
        "vanished": len(change.vanished),
        "vanished_keys": vanished or "none",
        "calls": tally.calls,
        "retries": tally.retries,
        "quarantined": newest.quarantined if newest else 0,
        "new_fields": dg.MetadataValue.md(", ".join(fields) or "none"),
        "sample": sample(connection, dimension, "is_current"),
    }
    if known:
        metadata |= {"revision": revision_of(known.list_name) or "none", "list": known.list_name}
        metadata["list_taken_at"] = dg.MetadataValue.timestamp(known.taken_at)
    return metadata | {f"seconds_{phase}": round(spent, 3) for phase, spent in seconds.items()}
