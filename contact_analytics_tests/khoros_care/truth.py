"""What tables of Khoros Care should hold, by the sandbox: read from its rows without the product's own reader."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from contact_analytics.lib.schema import columns_of
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import MODULES


def sorted_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def expected(name: str, sent: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a table should hold of what the sandbox sent, without what is null."""
    columns = columns_of(MODULES[name].DATASET.schema)
    found = list[dict[str, Any]]()
    for row in sent:
        values = {key.lower(): value for key, value in row.items() if value is not None and value != ""}
        found.append({key: _typed(value, type(columns[key].dtype)) for key, value in values.items()})
    return sorted_rows(found)


def held(place: KhorosPlace, name: str, day: date) -> list[dict[str, Any]]:
    """The rows that a table holds of a day, in the same form."""
    rows = place.stated(name, day)
    return sorted_rows({key: value for key, value in row.items() if key != "row_id"} for row in rows)


def of_conversations(place: KhorosPlace, day: date, *kinds: str) -> list[dict[str, Any]]:
    """The conversations of a day that were created or closed, each once."""
    sent = [row for kind in kinds or ("CREATED", "CLOSED") for row in place.sent("conversation", day, kind=kind)]
    return list({row["CONVERSATION_ID"]: row for row in sent}.values())


def _typed(value: Any, kind: type) -> Any:
    if kind is pl.String:
        return str(value)
    if kind is pl.Datetime:
        return round(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000)
    if kind is pl.Float64 and isinstance(value, str):
        hours, minutes, seconds = map(int, value.split(":"))
        return float(hours * 3600 + minutes * 60 + seconds)
    return value
