"""Teams: the company's teams, with their history."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import AnalyticsReports, KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import DOCUMENTATION
from contact_analytics.khoros_care.options import ExportOptions
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.http import Tally
from contact_analytics.lib.schema import field
from contact_analytics.lib.snapshots import EntityList
from contact_analytics.lib.warehouse import WarehouseResource


class Teams(dy.Schema):
    """One row a state of a team."""

    team_id = field(dy.Int64, "Team; joins the team_id of exports", key=True)
    uuid = field(dy.String, "Team, by another id")
    name = field(dy.String, "Name")
    description = field(dy.String, "Description")
    number_of_members = field(dy.Int64, "Members")


DIMENSION = Dimension(
    vendor="khoros_care",
    name="teams",
    schema=Teams,
    grain="One row a state of a team, from when until when it held.",
    documentation=DOCUMENTATION,
)


class TeamList:
    """The list of teams, which has no revision."""

    def __init__(self, api: AnalyticsReports) -> None:
        self._api = api

    def list_entities(self, name: str, revision: str, tally: Tally) -> EntityList:
        return EntityList(json.dumps(self._api.teams(tally)).encode(), "", "/teams")


@contextmanager
def _connect(resource: KhorosCareAnalyticsReportsResource) -> Generator[TeamList]:
    with resource.connect("teams", ExportOptions()) as api:
        yield TeamList(api)


@dg.asset(**dimension_table(DIMENSION, pool="khoros_care"))
def teams(
    context: dg.AssetExecutionContext,
    config: DimensionConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    connect = partial(_connect, khoros_care_analytics_reports)
    yield from extract_history(context, DIMENSION, config, connect, archive, warehouse)
