"""The days of a run, in Dagster's own tags: what a launch of a range writes, and what is read from it."""

from collections.abc import Mapping
from datetime import date

_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_PARTITION = "dagster/partition"


def range_tags(first: date | str, last: date | str) -> dict[str, str]:
    """The tags of a run that materializes the days from the first to the last, both included."""
    return {_START: str(first), _END: str(last)}


def days_of(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """The first and the last day of a run, None where it is not for days."""
    first = tags.get(_START) or tags.get(_PARTITION)
    return (first, tags.get(_END) or first) if first else None
