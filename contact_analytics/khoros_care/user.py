"""User: the company's users as they were when the day was asked for, with their time of the day."""

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
from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class User(Row):
    """One row a user and team."""

    agent_display_id = field(
        dy.String, "Agent; joins the ids of other tables", inferred=True, also=("agent_id", "user_id", "display_id")
    )
    name = field(dy.String, "Name", inferred=True, personal=True, also=("agent_name", "display_name", "user_name"))
    email = field(dy.String, "E-mail address", inferred=True, personal=True, also=("agent_email", "user_email"))
    employee_id = field(dy.String, "Employee id", inferred=True, personal=True)
    role = field(dy.String, "Role", inferred=True)
    enabled = field(dy.Bool, "Whether the user is turned on", inferred=True, also=("agent_enabled",))
    team_id = field(dy.String, "Team; joins teams", inferred=True)
    team = field(dy.String, "Name of the team", inferred=True)
    total_time = seconds("Time logged in on the day", inferred=True)


FORMAT = report_format(User)
DATASET = report("user", User, grain="One row a user and team.")


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def user(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
