"""Agent utilization: how long each agent was in which state, and how much of the agent's capacity was in use."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource, in_force
from contact_analytics.lib.report import REACH, Frames, Input, Report, ratio
from contact_analytics.lib.report_days import PagesResource, make_report
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.agent_utilization_page import STATES, UNKNOWN, paint
from contact_analytics.reports.people import AGENT_GROUPS, names
from contact_analytics.reports.workforce import WORKFORCE
from contact_analytics.settings import PARTITIONS, has_table

_ACTIVITY = "liveperson.agent_activity"
_LOGIN, _CHAT, _LOGOUT = 3, 1, 4
_ONLINE = 2
_NO_GROUP = -1
_SESSION = ["agent_id", "agent_session_id"]
# What LivePerson calls unknown or irrelevant, such as the moment of the login, is other.
_NUMBERS = {"online": 2, "back soon": 3, "away": 4, "offline": 1}
_LOGINS = ("brand.workforce.login", f"{_ACTIVITY}.agent_loginname")
_TIME = tuple(f"{_ACTIVITY}.{column}" for column in ("timestamp", "type", "state", "prev_state", "agent_session_id"))
_LOAD, _MOST = f"{_ACTIVITY}.concurrent_eng", f"{_ACTIVITY}.max_concurrent_eng"


def _minutes(state: str) -> Any:
    return field(dy.Float64, f"Time {state}", unit="min", sources=_TIME)


class AgentUtilization(dy.Schema):
    """One row an agent who was logged in."""

    agent_id = field(dy.Int64, "Agent; joins users.id", key=True, sources=(f"{_ACTIVITY}.agent_id",))
    agent_login = field(dy.String, "Login name", personal=True, sources=(f"{_ACTIVITY}.agent_loginname",))
    agent_group = field(
        dy.String,
        "Agent group",
        sources=(f"{_ACTIVITY}.agent_group_id", f"{AGENT_GROUPS}.name"),
    )
    region = field(dy.String, "Region, by the workforce file", sources=("brand.workforce.region", *_LOGINS))
    shift = field(dy.String, "Shift, by the workforce file", sources=("brand.workforce.shift", *_LOGINS))
    workforce_rows = field(
        dy.Int64,
        "Rows of the workforce file that hold alike for the login on the day: of several, the last one counts",
        unit="rows",
        sources=_LOGINS,
    )
    sessions = field(
        dy.Int64, "Sessions with time on the day", unit="sessions", sources=(f"{_ACTIVITY}.agent_session_id",)
    )
    sessions_across_midnight = field(
        dy.Int64,
        "Those of them that began before the day or ended after it",
        unit="sessions",
        sources=(f"{_ACTIVITY}.agent_session_id", f"{_ACTIVITY}.timestamp"),
    )
    sessions_without_logout = field(
        dy.Int64,
        "Those of them that have no logout",
        unit="sessions",
        sources=(f"{_ACTIVITY}.agent_session_id", f"{_ACTIVITY}.type"),
    )
    minutes_online = _minutes("online")
    minutes_back_soon = _minutes("back soon")
    minutes_away = _minutes("away")
    minutes_offline = _minutes("offline, though logged in")
    minutes_other = _minutes("in no state that the vendor names, such as the moment of the login")
    engagement_minutes = field(
        dy.Float64, "Engagements times their minutes while online", unit="min", sources=(_LOAD, *_TIME)
    )
    load_minutes = field(
        dy.Float64,
        "Time online in which it is known how many engagements there were",
        unit="min",
        sources=(_LOAD, *_TIME),
    )
    capacity_minutes = field(
        dy.Float64,
        "Most engagements that the agent may have, times the minutes online in which both are known",
        unit="min",
        sources=(_LOAD, _MOST, *_TIME),
    )
    concurrency = field(
        dy.Float64,
        "Engagements at a time while online: engagement_minutes over load_minutes",
        sources=(_LOAD, *_TIME),
    )
    max_concurrency = field(dy.Float64, "Most engagements at a time while online", sources=(_LOAD, _MOST, *_TIME))
    utilization = field(
        dy.Float64,
        "Part of the capacity that was in use while online; null without any",
        unit="0 to 1",
        sources=(_LOAD, _MOST, *_TIME),
    )

    @dy.rule()
    def minutes_fit_into_a_day(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules are class methods
        return pl.sum_horizontal(pl.col("^minutes_.*$")) < 24 * 60 + 0.001


REPORT = Report(
    name="agent_utilization",
    title="Agent utilization",
    schema=AgentUtilization,
    grain="One row an agent who was logged in on the day, in UTC.",
    rules="""
        A state lasts until the agent's next event. Time counts for the UTC day that it lies in, so a session across
        midnight counts for both days; LivePerson files it with the day on which it ended.

        A session without a logout counts up to its last event, as nobody knows what came after.

        Where sessions of an agent overlap, the state is that of the last event in those that are still open.

        Utilization is the time of engagements while online over the time of all that the agent could have had; time of
        which the vendor does not state how many there were or could be is left out. Engagements at a time are over the
        time of which it states how many there were.

        A session that ends later is counted once it has ended, up to seven days later: the day is made again then.

        Region and shift are those that the workforce file has for the login name on the day, whatever its case. Of
        rows that hold alike, such as two without dates, the last one in the file counts.

        An agent counts for one group: that of the last event of the day that names one, also if the agent changed
        during the day. The group has the name that it had when the day ended.
    """,
    inputs=(
        Input(
            _ACTIVITY,
            "select agent_session_id, agent_id, agent_loginname, agent_group_id, timestamp, type, state, prev_state, "
            f"concurrent_eng, max_concurrent_eng from {_ACTIVITY} where partition_date between $first and $last",
            {
                "agent_session_id": pl.String,
                "agent_id": pl.Int64,
                "agent_loginname": pl.String,
                "agent_group_id": pl.Int64,
                "timestamp": pl.Datetime("us", "UTC"),
                "type": pl.Int64,
                "state": pl.Int64,
                "prev_state": pl.Int64,
                "concurrent_eng": pl.Int64,
                "max_concurrent_eng": pl.Int64,
            },
            days_after=REACH,
        ),
        names(AGENT_GROUPS),
    ),
    files=(WORKFORCE,),
    has=has_table,
)


@dg.asset(**daily_report(REPORT, PARTITIONS))
def agent_utilization(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


def compute(day: date, frames: Frames) -> pl.DataFrame:
    """The rows of a day."""
    spans = _spans(day, frames[_ACTIVITY])
    is_loaded = (pl.col("state") == _ONLINE) & (pl.col("concurrent_eng") >= 0)
    is_limited = is_loaded & (pl.col("max_concurrent_eng") > 0)
    load = pl.col("minutes") * pl.col("concurrent_eng")
    of_state = {
        name: pl.col("state") == _NUMBERS[name] if name in _NUMBERS else ~pl.col("state").is_in(_NUMBERS.values())
        for name in STATES
    }
    sessions = spans.group_by(_SESSION).agg(pl.col("across_midnight", "without_logout").first())
    counts = sessions.group_by("agent_id").agg(
        sessions=pl.len().cast(pl.Int64),
        sessions_across_midnight=pl.col("across_midnight").sum().cast(pl.Int64),
        sessions_without_logout=pl.col("without_logout").sum().cast(pl.Int64),
    )
    agents = (
        _without_overlaps(spans)
        .group_by("agent_id")
        .agg(
            pl.col("agent_loginname").drop_nulls().last().alias("agent_login"),
            pl.col("agent_group_id").drop_nulls().last(),
            *(
                pl.col("minutes").filter(held).sum().alias(f"minutes_{name.replace(' ', '_')}")
                for name, held in of_state.items()
            ),
            load.filter(is_loaded).sum().alias("engagement_minutes"),
            pl.col("minutes").filter(is_loaded).sum().alias("load_minutes"),
            load.filter(is_limited).sum().alias("_in_use"),
            (pl.col("minutes") * pl.col("max_concurrent_eng")).filter(is_limited).sum().alias("capacity_minutes"),
            pl.col("minutes").filter(is_limited).sum().alias("_limited"),
        )
        .join(counts, on="agent_id")
    )
    named = _grouped(_placed(day, agents, frames[WORKFORCE.name]), frames[AGENT_GROUPS])
    return named.with_columns(
        concurrency=ratio("engagement_minutes", "load_minutes"),
        max_concurrency=ratio("capacity_minutes", "_limited"),
        utilization=ratio("_in_use", "capacity_minutes"),
    ).sort("agent_id")


def _spans(day: date, events: pl.DataFrame) -> pl.DataFrame:
    """The stretches of the day, from `start` until `until`, in which a session was in one state."""
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    # Of events at one instant, one that goes on from the state of another comes after it.
    states = pl.col("state").implode().over(*_SESSION, "timestamp")
    follows = (pl.col("prev_state") != pl.col("state")) & pl.col("prev_state").is_in(states)
    rank = {_LOGIN: 0, _CHAT: 1, _LOGOUT: 2}
    order = [*_SESSION, "timestamp", "_rank", "_follows", "state", "concurrent_eng"]
    events = (
        events.with_columns(
            _rank=pl.col("type").replace_strict(rank, default=1), _follows=follows.fill_null(value=False)
        )
        .sort(order)
        .unique([*_SESSION, "timestamp", "type", "state"], keep="last", maintain_order=True)
    )
    began, ended = pl.col("timestamp").min().over(_SESSION), pl.col("timestamp").max().over(_SESSION)
    followed = events.with_columns(
        began=began,
        across_midnight=(began < start) | (ended > end),
        without_logout=(pl.col("type") != _LOGOUT).all().over(_SESSION),
        next=pl.col("timestamp").shift(-1).over(_SESSION),
    )
    spans = followed.filter(pl.col("type") != _LOGOUT).drop_nulls("next")
    clipped = spans.with_columns(
        start=pl.max_horizontal("timestamp", pl.lit(start)), until=pl.min_horizontal("next", pl.lit(end))
    )
    return clipped.filter(pl.col("until") > pl.col("start"))


def _without_overlaps(spans: pl.DataFrame) -> pl.DataFrame:
    """The stretches in which an agent was in one state, in order, each with its minutes.

    A stretch is cut at the edges of those that it overlaps alone: a bot may have thousands of sessions a day.
    """
    edges = pl.concat([spans.select("agent_id", at="start"), spans.select("agent_id", at="until")]).unique()
    edges = edges.sort("agent_id", "at").with_row_index("_edge").with_columns(end=pl.col("at").shift(-1))
    cut = (
        spans.join(edges.select("agent_id", start="at", _first="_edge"), on=["agent_id", "start"])
        .join(edges.select("agent_id", until="at", _last="_edge"), on=["agent_id", "until"])
        .with_columns(_edge=pl.int_ranges("_first", "_last", dtype=pl.UInt32))
        .explode("_edge")
        .join(edges.drop("agent_id"), on="_edge")
    )
    held = cut.sort("_edge", "timestamp", "began", "agent_session_id").unique("_edge", keep="last", maintain_order=True)
    return held.with_columns(minutes=(pl.col("end") - pl.col("at")).dt.total_milliseconds() / 60_000)


def _placed(day: date, agents: pl.DataFrame, workforce: pl.DataFrame) -> pl.DataFrame:
    """Agents with the region and shift that the workforce file has for them on the day."""
    rows = workforce.with_columns(_login=pl.col("login").str.to_lowercase()).drop("login")
    placed = in_force(rows, day, "_login").select(
        "_login", *(pl.col(name).fill_null(f"no {name}") for name in ("region", "shift")), workforce_rows="alike"
    )
    joined = agents.with_columns(_login=pl.col("agent_login").str.to_lowercase()).join(placed, on="_login", how="left")
    return joined.with_columns(pl.col("region", "shift").fill_null(UNKNOWN), pl.col("workforce_rows").fill_null(0))


def _grouped(agents: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """Agents with the names of their groups, or the number of one that has none."""
    names = groups.select(agent_group_id="id", _name="name")
    number = pl.format("group {}", "agent_group_id")
    is_in_one = pl.col("agent_group_id").fill_null(_NO_GROUP) != _NO_GROUP
    named = pl.when(is_in_one).then(pl.coalesce("_name", number)).otherwise(pl.lit("no group"))
    return agents.join(names, on="agent_group_id", how="left").with_columns(agent_group=named)
