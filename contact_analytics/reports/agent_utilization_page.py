"""The page of agent utilization."""

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Listing, Page, decimal, listing, percent
from contact_analytics.lib.report import ratio

# In the order of a bar.
STATES = ("online", "back soon", "away", "offline", "other")
COLOURS: dict[str, str] = dict(zip(STATES, ("#2a9d8f", "#c97a10", "#d1495b", "#4d5b70", "#8b93a1"), strict=True))
UNKNOWN = "not in the workforce file"
_MINUTES = [f"minutes_{name.replace(' ', '_')}" for name in STATES]
_HOURS = {name: name.replace("minutes", "hours") for name in _MINUTES}


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    """The page of a day."""
    total = _summed(rows.with_columns(all=pl.lit("All agents")), "all")
    states = _by_state(rows)
    return Page(
        headline={
            "Agents": f"{rows.height:,}",
            "Hours online": f"{rows['minutes_online'].sum() / 60:,.1f}",
            "Utilization": percent(total["utilization"].item() if total.height else None),
            "Engagements at a time": decimal(total["concurrency"].item() if total.height else None),
        },
        figures=[
            figures.bars(
                "Hours by state and agent group",
                states,
                category="agent_group",
                value="hours",
                table="By agent group",
                colour="state",
                order=STATES,
                colours=COLOURS,
            ),
            figures.lines(
                "Utilization over thirty days",
                _summed(month, "partition_date").drop_nulls("utilization"),
                day="partition_date",
                value="utilization",
                said=percent,
                titles={"utilization": "utilization, 0 to 1"},
            ),
        ],
        listings=[
            *(
                _group_listing(rows, column, name)
                for column, name in (("agent_group", "agent group"), ("region", "region"), ("shift", "shift"))
            ),
            listing(
                "By agent",
                rows.select(
                    "agent_login",
                    "agent_group",
                    "region",
                    "shift",
                    "minutes_online",
                    "minutes_back_soon",
                    "minutes_away",
                    "concurrency",
                    "max_concurrency",
                    "utilization",
                ).sort("utilization", descending=True, nulls_last=True),
                decimals={
                    "minutes_online": 0,
                    "minutes_back_soon": 0,
                    "minutes_away": 0,
                    "concurrency": 2,
                    "max_concurrency": 1,
                },
                percents=["utilization"],
            ),
        ],
        remarks=_remarks(rows),
    )


def _summed(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Agents added up: ratios of sums, not averages of ratios."""
    online = pl.col("utilization").is_not_null()
    summed = rows.group_by(by, maintain_order=True).agg(
        pl.col(*_MINUTES, "engagement_minutes", "load_minutes", "capacity_minutes").sum(),
        agents=pl.col("agent_id").n_unique(),
        _in_use=(pl.col("utilization") * pl.col("capacity_minutes")).filter(online).sum(),
    )
    return summed.with_columns(
        *(pl.col(minutes).alias(hours) / 60 for minutes, hours in _HOURS.items()),
        concurrency=ratio("engagement_minutes", "load_minutes"),
        utilization=ratio("_in_use", "capacity_minutes"),
    ).sort(by)


def _group_listing(rows: pl.DataFrame, column: str, name: str) -> Listing:
    shown = _summed(rows, column).select(column, "agents", *_HOURS.values(), "concurrency", "utilization")
    decimals = {**dict.fromkeys(_HOURS.values(), 1), "concurrency": 2}
    return listing(f"By {name}", shown, decimals=decimals, percents=["utilization"])


def _by_state(rows: pl.DataFrame) -> pl.DataFrame:
    columns = dict(zip(_MINUTES, STATES, strict=True))
    long = rows.select("agent_group", *columns).unpivot(index="agent_group", variable_name="state", value_name="hours")
    summed = long.group_by("agent_group", "state", maintain_order=True).agg(pl.col("hours").sum() / 60)
    return summed.with_columns(pl.col("state").replace_strict(columns)).sort("agent_group", maintain_order=True)


def _remarks(rows: pl.DataFrame) -> list[str]:
    said = list[str]()
    if without := rows["sessions_without_logout"].sum():
        said.append(f"Sessions without a logout, which count up to their last event: {without:,}.")
    if across := rows["sessions_across_midnight"].sum():
        said.append(
            f"Sessions that began before the day or went on after it, of which the day's part counts: {across:,}."
        )
    if unknown := (rows["region"] == UNKNOWN).sum():
        said.append(f"Agents who are not in the workforce file: {unknown:,}.")
    if several := (rows["workforce_rows"] > 1).sum():
        said.append(f"Agents of whom the workforce file has several rows alike, of which the last counts: {several:,}.")
    return said
