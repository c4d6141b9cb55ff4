"""Agent groups: the tree that agents are organized in, with its history."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource, local_time


class AgentGroups(dy.Schema):
    """One row a state of an agent group."""

    id = field(dy.Int64, "Agent group; joins agent_group_id of other tables", key=True)
    deleted = field(dy.Bool, "Whether the group is deleted")
    name = field(dy.String, "Name, unique")
    description = field(dy.String, "Description")
    parent_group_id = field(dy.Int64, "Group above it; null for the root group alone")
    is_enabled = field(dy.Bool, "Whether the group is enabled")
    date_updated = local_time("Time of the last change of the group")


DIMENSION = Dimension(
    vendor="liveperson",
    name="agent_groups",
    schema=AgentGroups,
    grain="One row a state of an agent group, from when until when it held.",
    documentation="https://developers.liveperson.com/agent-groups-api-appendix.html",
)


@dg.asset(**dimension_table(DIMENSION, pool="liveperson_account_config"))
def agent_groups(
    context: dg.AssetExecutionContext,
    config: DimensionConfig,
    liveperson_account_config: LivePersonAccountConfigResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    yield from extract_history(context, DIMENSION, config, liveperson_account_config.connect, archive, warehouse)
