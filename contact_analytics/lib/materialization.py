"""What Dagster's UI shows of a stored day."""

import base64
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl
from duckdb import DuckDBPyConnection

from contact_analytics.lib.dataset import PARTITION, Dataset, Table
from contact_analytics.lib.delivery import Delivery
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.schema import columns_of, facts, quoted

_SAMPLE_ROWS = 5
_SHOWN_CHARACTERS = 200
_PLOT_DAYS = 30
_MASK = "•••"


def day_metadata(
    connection: DuckDBPyConnection, dataset: Dataset, day: date, delivery: Delivery, state: str
) -> dict[str, Any]:
    """The facts of a stored day: counts, a sample, how it stands beside the days before it, and what this run spent."""
    known = extractions(connection, dataset, day, _PLOT_DAYS)
    stored = known[day]
    fields = [f"`{entry['field']}` ({entry['records']:,})" for entry in stored.unknown_fields]
    metadata: dict[str, Any] = {
        "state": state,
        "dagster/partition_row_count": stored.rows,
        "files": stored.files,
        "files_downloaded": delivery.downloaded,
        "bytes": stored.bytes,
        "calls": delivery.tally.calls,
        "retries": delivery.tally.retries,
        "quarantined": stored.quarantined,
        "new_fields": dg.MetadataValue.md(", ".join(fields) or "none"),
        "rows_a_day": dg.MetadataValue.md(rows_plot(known, day)),
        "sample": sample(connection, dataset, f"{PARTITION} = ?", day),
    }
    if state != "unchanged" and stored.quarantined_before is not None:
        metadata["quarantined_before"] = stored.quarantined_before
    metadata |= measures(connection, dataset, day)
    metadata |= {f"seconds_{phase}": round(spent, 3) for phase, spent in delivery.seconds.items()}
    if stored.first_event and stored.last_event:
        metadata["first_event"] = dg.MetadataValue.timestamp(stored.first_event)
        metadata["last_event"] = dg.MetadataValue.timestamp(stored.last_event)
    return metadata


def done_before(context: dg.AssetExecutionContext, key: dg.AssetKey) -> set[date]:
    """The days that an earlier try of this step has stored: a retry is for those that failed."""
    if not context.retry_number:
        return set()
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(context.partition_keys))
    found = context.instance.fetch_materializations(asked, limit=1000).records
    return {date.fromisoformat(record.partition_key or "") for record in found if record.run_id == context.run.run_id}


def measures(connection: DuckDBPyConnection, dataset: Dataset, day: date) -> dict[str, int | float]:
    """The dataset's own measures of a day; Dagster plots them."""
    if not dataset.measures:
        return {}
    wanted = ", ".join(dataset.measures.values())
    query = f"select {wanted} from {dataset.sql_name} where {PARTITION} = ?"
    [values] = connection.execute(query, [day]).fetchall()
    return {name: value for name, value in zip(dataset.measures, values, strict=True) if value is not None}


def rows_plot(known: Mapping[date, Extraction], day: date) -> str:
    """Rows of the 30 days up to a day as bars; a red mark for a day that is not stored.

    Inline Markdown of the UI ends at 1,000 characters, so this is one path for all bars.
    """
    days = [day - timedelta(days=back) for back in reversed(range(_PLOT_DAYS))]
    rows = {each: known[each].rows for each in days if each in known and known[each].is_stored}
    most = max(rows.values(), default=0) or 1
    bars = "".join(
        f"M{8 * x + 4} 40v-{round(36 * rows[each] / most) or 1}" for x, each in enumerate(days) if each in rows
    )
    gaps = "".join(f"M{8 * x + 4} 40v-2" for x, each in enumerate(days) if each not in rows)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="40" stroke-width="6">'
        f'<path stroke="#4f43dd" d="{bars}"/><path stroke="#d24" d="{gaps}"/></svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return f"![Rows a day](data:image/svg+xml;base64,{data})\n\n{days[0]} to {day}, highest {most:,}"


def sample(connection: DuckDBPyConnection, table: Table, condition: str, *values: object) -> dg.TableMetadataValue:
    """The first rows of which a condition holds, without nested columns; personal data is masked."""
    columns = {name: column for name, column in columns_of(table.schema).items() if _is_flat(column)}
    rows = connection.execute(
        f"select {', '.join(map(quoted, columns))} from {table.sql_name} where {condition} limit {_SAMPLE_ROWS}",
        values,
    ).fetchall()
    records = [
        dg.TableRecord(
            {
                name: _MASK if facts(column).personal and value else _shown(value)
                for (name, column), value in zip(columns.items(), row, strict=True)
            }
        )
        for row in rows
    ]
    schema = dg.TableSchema([dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records, schema)


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _is_flat(column: dy.Column) -> bool:
    return not isinstance(column.dtype, pl.List | pl.Struct)
