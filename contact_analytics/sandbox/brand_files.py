"""The files that the sandbox's brand keeps itself: its workforce and its members."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from contact_analytics.sandbox.liveperson_brand import Agent, Brand
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess

_REGIONS = ("Americas", "EMEA", "APAC")
_SHIFTS = ("early", "late")
_CURRENCY = "USD"
# How long ago an agent went to another shift, in days.
_CHANGED = 8


def write_brand_files(folder: Path, today: date, scale: float = 1.0, seed: int = 1) -> dict[str, str]:
    """Write `workforce.csv` and `membership.parquet`, and give the environment variables that name them."""
    brand = Brand(LivePersonDataAccess.account_id, seed, scale)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    workforce, membership = folder / "workforce.csv", folder / "membership.parquet"
    columns = ("login", "region", "shift", "valid_from", "valid_to")
    pl.DataFrame(_workforce(brand, today), dict.fromkeys(columns, pl.String), orient="row").write_csv(workforce)
    columns = ("customer_id", "segment", "currency")
    pl.DataFrame(_members(brand), dict.fromkeys(columns, pl.String), orient="row").write_parquet(membership)
    return {
        "CONTACT_ANALYTICS_WORKFORCE": str(workforce),
        "CONTACT_ANALYTICS_MEMBERSHIP": str(membership),
        "CONTACT_ANALYTICS_CURRENCY": _CURRENCY,
    }


def _workforce(brand: Brand, today: date) -> Iterator[tuple[str | None, ...]]:
    """Where and when agents work; bots are in no workforce system, nor is who has just come."""
    people = [agent for agent in brand.agents if not agent.bot]
    *settled, _newcomer = people
    for place, agent in enumerate(settled):
        # Two systems seldom write a login alike.
        login = agent.loginname.upper() if place % 3 == 1 else agent.loginname
        region, shift = _REGIONS[agent.id % len(_REGIONS)], _shift(agent)
        if place:
            yield login, region, shift, None, None
            continue
        changed = today - timedelta(days=_CHANGED)
        yield login, region, "night", None, str(changed - timedelta(days=1))
        yield login, region, shift, str(changed), None


def _shift(agent: Agent) -> str:
    return "night" if agent.night else _SHIFTS[agent.id // len(_REGIONS) % len(_SHIFTS)]


def _members(brand: Brand) -> Iterator[tuple[str, str, str | None]]:
    """The customers that are members; some pay in another currency than the site's."""
    for number in range(1, brand.customers + 1):
        if (status := brand.customer_status(number)) != "none":
            yield f"C-{number}", status, "EUR" if brand.chance("currency", number).random() < 0.2 else None
