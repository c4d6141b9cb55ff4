"""Agent states: what agents' states were on the day, and for how long."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import Row, report, seconds
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class RawAgentStates(Row):
    """One row a state of an agent."""

    agent_id = field(dy.String, "Agent; joins user and agents")
    agent_name = field(dy.String, "Name", personal=True)
    agent_email = field(dy.String, "E-mail address", personal=True)
    team = field(dy.String, "Team; joins teams", inferred=True)
    state = field(dy.String, "State", inferred=True)
    state_start_date = instant("When it began", inferred=True)
    state_end_date = instant("When it ended; null while it lasts", inferred=True)
    state_duration = seconds("How long it lasted", inferred=True)


FORMAT = report_format(RawAgentStates)
DATASET = report(
    "raw_agent_states",
    RawAgentStates,
    grain="One row a state of an agent.",
    event_time="state_start_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def raw_agent_states(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
