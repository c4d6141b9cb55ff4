"""Settings: environment variables, from the environment or from a `.env` file where Dagster is started."""

import os
import re
from pathlib import Path

import dagster as dg
from dotenv import load_dotenv

# What stands before the colon in `s3://…`, `ducklake:…` and `:memory:`; a path has a slash or a dot there.
_SCHEME = re.compile(r"[A-Za-z0-9+_-]*:")

load_dotenv(Path.cwd() / ".env")

# Fixed, because a start that moves removes partitions under running backfills.
START_DATE = os.environ.get("CONTACT_ANALYTICS_START_DATE") or "2025-01-01"
PARTITIONS = dg.DailyPartitionsDefinition(start_date=START_DATE, timezone="UTC")


def text(name: str, default: str = "") -> str:
    """A resource's field from a variable: Dagster reads it when a run starts and shows its name, never its value."""
    return dg.EnvVar(name) if os.environ.get(name) else default


def path(name: str, default: str) -> str:
    """A location: relative ones are taken from where Dagster is started, so that every process means the same."""
    value = os.environ.get(name) or default
    return value if _SCHEME.match(value) else str(Path(value).absolute())


def words(name: str) -> list[str]:
    """A list, separated by commas."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def number(name: str, default: float) -> float:
    return float(os.environ.get(name) or default)


def warehouse() -> str:
    """Where the tables are."""
    return path("CONTACT_ANALYTICS_WAREHOUSE", "data/contact_analytics.duckdb")


def tenants() -> str:
    """Where processes share what they ask of a vendor's tenant: beside the warehouse."""
    beside = warehouse()
    return str((Path("data") if _SCHEME.match(beside) else Path(beside).parent).absolute() / "tenants")


def retry_wait_seconds() -> float:
    return number("CONTACT_ANALYTICS_RETRY_WAIT_SECONDS", 1)
