"""Settings: environment variables, from the environment or from a `.env` file where Dagster is started."""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from math import isfinite
from pathlib import Path

import dagster as dg

from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.lake import PREFIX
from contact_analytics.places import PLACES, WAREHOUSE

# What stands before the colon in `s3://…`, `ducklake:…` and `:memory:`; a path has a slash or a dot there.
_SCHEME = re.compile(r"[A-Za-z0-9+_-]*:")

# Fixed, because a start that moves removes partitions under running backfills.
START_DATE = os.environ.get("CONTACT_ANALYTICS_START_DATE") or "2025-01-01"
PARTITIONS = dg.DailyPartitionsDefinition(start_date=START_DATE, timezone="UTC")

UNUSED_TABLES = "CONTACT_ANALYTICS_UNUSED_TABLES"
# What says that a company has a vendor: one of these is set.
CREDENTIALS = {
    "liveperson": ("LIVEPERSON_APP_KEY", "LIVEPERSON_CLIENT_ID"),
    "khoros_care": ("KHOROS_CARE_PASSWORD",),
    "nice_cxone": ("NICE_CXONE_ACCESS_KEY_SECRET", "NICE_CXONE_CLIENT_SECRET"),
}


def text(name: str, default: str = "") -> str:
    """A resource's field from a variable: Dagster reads it when a run starts and shows its name, never its value."""
    return dg.EnvVar(name) if os.environ.get(name) else default


def path(name: str) -> str:
    """A location: relative ones are taken from where Dagster is started, so that every process means the same.

    Empty where it is not set and has no default.
    """
    value = os.environ.get(name) or PLACES.get(name, "")
    return value if not value or _SCHEME.match(value) else str(Path(value).absolute())


def words(name: str) -> list[str]:
    """A list, separated by commas."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def number(name: str, default: float) -> float:
    """Raises `ConfigurationError`, which names the setting, if its value is no number."""
    value = os.environ.get(name) or default
    with suppress(ValueError):
        found = float(value)
        if isfinite(found):
            return found
    raise ConfigurationError(
        f"{name} is {value!r}, which is no number.", f"Set it to a number, or leave it empty for {default:g}."
    )


def warehouse() -> str:
    """Where the tables are; of a lake the variable, as its value may hold a password."""
    if os.environ.get(WAREHOUSE, "").startswith(PREFIX):
        return dg.EnvVar(WAREHOUSE)
    return path(WAREHOUSE)


def tenants() -> str:
    """Where processes share what they ask of a vendor's tenant: beside the warehouse, or in a lake's database."""
    beside = warehouse()
    if isinstance(beside, dg.EnvVar):
        return beside
    return str((Path("data") if _SCHEME.match(beside) else Path(beside).parent).absolute() / "tenants")


def retry_wait_seconds() -> float:
    return number("CONTACT_ANALYTICS_RETRY_WAIT_SECONDS", 1)


def default_sensor_status() -> dg.DefaultSensorStatus:
    """Whether sensors that ask vendors are on where nobody has switched them in the UI."""
    is_on = os.environ.get("CONTACT_ANALYTICS_AUTOMATION") == "running"
    return dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED


def default_schedule_status() -> dg.DefaultScheduleStatus:
    """The same of schedules."""
    is_on = default_sensor_status() is dg.DefaultSensorStatus.RUNNING
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def check_unused_tables(tables: Collection[str]) -> None:
    """Raise `ConfigurationError` for a table that there is not: a slip would leave its namesake in use, unsaid."""
    unknown = [word for word in words(UNUSED_TABLES) if word not in tables]
    if unknown:
        raise ConfigurationError(
            f"{UNUSED_TABLES} names {', '.join(unknown)}, which is no table.",
            f"Set it to names of these, separated by commas, or leave it empty: {', '.join(sorted(tables))}.",
        )


def has_table(table: str) -> bool:
    """Whether the company has a table: it has credentials of the vendor, and does not say that it lacks the table.

    Where no credentials are set at all, every vendor counts as had.
    """
    vendors = {vendor for vendor, names in CREDENTIALS.items() if any(map(os.environ.get, names))}
    return table.partition(".")[0] in (vendors or CREDENTIALS) and table not in words(UNUSED_TABLES)


def brand_files() -> dict[str, str]:
    """The paths of the brand's own files that are set, by their names."""
    variables = {name: f"CONTACT_ANALYTICS_{name.upper()}" for name in ("workforce", "membership")}
    return {name: path(variable) for name, variable in variables.items() if os.environ.get(variable)}


def site_currency() -> str:
    """The currency of the amounts on the brand's site, which LivePerson's Data Access does not tell."""
    return os.environ.get("CONTACT_ANALYTICS_CURRENCY") or "site currency"
