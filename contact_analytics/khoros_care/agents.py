"""Agents: the company's users, with their history, from the export of users.

That export has a row a user and team, and the time that each was logged in, which changes daily. A list of agents
leaves the time out and holds each agent once, with the teams.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.khoros_care.analytics_reports import AnalyticsReports, KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import DOCUMENTATION
from contact_analytics.khoros_care.options import ExportOptions, ReportFormat
from contact_analytics.khoros_care.report_format import ExportFormat, form_of_report
from contact_analytics.khoros_care.user import FORMAT
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.bodies import Body, gunzip
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import Tally
from contact_analytics.lib.schema import field, many
from contact_analytics.lib.snapshots import EntityList
from contact_analytics.lib.tenant_homes import Submitted
from contact_analytics.lib.warehouse import WarehouseResource

_EXPORT, _KEY, _TEAMS = "user", "agent_display_id", "team_ids"


class Agents(dy.Schema):
    """One row a state of an agent."""

    agent_display_id = field(
        dy.String, "Agent; joins the ids of exports", key=True, inferred=True, wire="agent_display_id"
    )
    name = field(dy.String, "Name", inferred=True, personal=True)
    email = field(dy.String, "E-mail address", inferred=True, personal=True)
    employee_id = field(dy.String, "Employee id", inferred=True, personal=True, wire="employee_id")
    role = field(dy.String, "Role", inferred=True)
    enabled = field(dy.Bool, "Whether the agent is turned on", inferred=True)
    team_ids = many(field(dy.String, "Team"), "Teams; join teams", inferred=True, unordered=True, wire="team_ids")


DIMENSION = Dimension(
    vendor="khoros_care",
    name="agents",
    schema=Agents,
    grain="One row a state of an agent, from when until when it held.",
    documentation=DOCUMENTATION,
)


class AgentList:
    """The list of agents, those that are turned off included; it has no revision."""

    def __init__(self, api: AnalyticsReports) -> None:
        self._api = api

    def list_entities(self, name: str, revision: str, tally: Tally) -> EntityList:
        found = list[tuple[bytes, str]]()

        def keep(_: Submitted, source: str, file: IO[bytes]) -> None:
            is_text = form_of_report(FORMAT, file) != ReportFormat.json.value
            text, body = file.read(), Body(is_text=is_text)
            body.feed(text)
            body.finish()
            found.append((gunzip(text), source))

        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        self._api.export(yesterday, [], keep, tally)
        [(text, source)] = found
        return EntityList(agents_of(text), "", source)


def agents_of(text: bytes) -> bytes:
    """The agents of an export of users, as a JSON list. Raises `UnexpectedAnswer` if a user has no id."""
    rows = ExportFormat(FORMAT, "UTC").decode(text)
    frame = rows.frame
    if rows.rejected or frame[_KEY].null_count():
        raise UnexpectedAnswer(
            f"Khoros Care: the export of users has {len(rows.rejected)} unreadable users and "
            f"{frame[_KEY].null_count()} without an id.",
            "Nothing of it was applied. If the company's columns have no agent id, enable it in Care's settings.",
        )
    same = [name for name in Agents.columns() if name != _TEAMS]
    agents = frame.group_by(same, maintain_order=True).agg(pl.col("team_id").drop_nulls().unique().sort().alias(_TEAMS))
    return json.dumps(agents.to_dicts(), ensure_ascii=False).encode()


@contextmanager
def _connect(resource: KhorosCareAnalyticsReportsResource) -> Generator[AgentList]:
    with resource.connect(_EXPORT, ExportOptions(include_disabled=True)) as api:
        yield AgentList(api)


@dg.asset(**dimension_table(DIMENSION, pool="khoros_care"))
def agents(
    context: dg.AssetExecutionContext,
    config: DimensionConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    connect = partial(_connect, khoros_care_analytics_reports)
    yield from extract_history(context, DIMENSION, config, connect, archive, warehouse)
