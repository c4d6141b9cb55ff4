"""Agent activity: each login, logout and state change of an agent."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.checks import HOURLY_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LATENESS, RETENTION, LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import DataAccessRecord
from contact_analytics.settings import PARTITIONS

_STATES = "-1 unknown, 0 irrelevant, 1 offline, 2 online, 3 back soon, 4 away"


class AgentActivity(DataAccessRecord):
    """One row a state change of an agent."""

    agent_session_id = field(dy.String, "Agent's session, from login to logout", key=True, section="header")
    agent_id = field(dy.Int64, "Agent; joins the Users API", key=True, wire="agentID")
    timestamp = instant("Time of the state change", key=True)
    type = field(dy.Int64, "Event: -1 unknown, 1 chat, 3 login, 4 logout", key=True)
    state = field(dy.Int64, f"State after the change: {_STATES}", key=True)
    prev_state = field(dy.Int64, f"State before the change: {_STATES}")
    agent_employee_id = field(dy.String, "Employee number; the vendor's table says long, its files hold text")
    agent_username = field(dy.String, "User name", personal=True)
    agent_nickname = field(dy.String, "Nickname, shown to visitors", personal=True)
    agent_loginname = field(dy.String, "Login name", personal=True)
    prev_concurrent_eng = field(dy.Int64, "Concurrent engagements before the change", unit="engagements")
    concurrent_eng = field(dy.Int64, "Concurrent engagements at the change", unit="engagements")
    max_concurrent_eng = field(dy.Int64, "Most engagements at a time; -9 on login and logout", unit="engagements")
    agent_group_id = field(dy.Int64, "Agent group; -1 for none", wire="agentGroupID")
    user_profile_ids = many(field(dy.Int64, "Profile", bare=True), "Profiles of the agent", wire="userProfileIDs")


FORMAT = FileFormat(AgentActivity, "AgentActivity", "AgentHeader", body="AgentActivityData", rows="agentSessionsData")
DATASET = Dataset(
    vendor="liveperson",
    name="agent_activity",
    schema=AgentActivity,
    grain="One row a state change of an agent: logins, logouts, online, away, back soon.",
    documentation="https://developers.liveperson.com/data-access-api-methods-agent-activity.html",
    event_time="timestamp",
    retention=RETENTION,
    lateness=LATENESS,
    checks=HOURLY_CHECKS,
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="liveperson_data_access"))
def agent_activity(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_data_access: LivePersonDataAccessResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_days(context, DATASET, config, liveperson_data_access.connect, FORMAT, archive, warehouse)
