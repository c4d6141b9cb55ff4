"""What the history of conversations promises beside what every daily table does."""

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.checks import counted
from contact_analytics.lib.dataset import PARTITION, Check, Dataset, Known, Reasons

# The vendor's limits, without and with its option that raises it.
_LIMITS = "(500, 2000)"


def _truncated(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return counted(
        connection,
        f"select {PARTITION}, count(*) from (select {PARTITION}, conversation_id from {dataset.sql_name} "
        f"group by all having count(*) in {_LIMITS}) group by all",
        "conversations have exactly as many actions as the vendor gives at most: `raise_limit` asks for up to 2,000",
    )


NOT_TRUNCATED = Check(
    "no_history_is_truncated",
    "No conversation has as many actions as the vendor gives at most (500, or 2,000 with `raise_limit`).",
    dg.AssetCheckSeverity.WARN,
    _truncated,
)
