"""What a person may ask of a run beside what to materialize."""

from enum import Enum

import dagster as dg
from pydantic import Field


class Source(Enum):
    """Where a day's files come from."""

    vendor = "vendor"
    archive = "archive"


class ExtractionConfig(dg.Config):
    """What to do differently this once."""

    refetch: bool = Field(default=False, description="Download the day's files again, archived ones included.")
    source: Source = Field(
        default=Source.vendor, description="`archive` rebuilds the day from archived files and asks the vendor nothing."
    )
    force: bool = Field(
        default=False, description="Load the day even if nothing changed, and even if it leaves fewer files or rows."
    )
    follow: bool = Field(
        default=False, description="Also refresh the stored days that the vendor has changed since, where it tells."
    )
