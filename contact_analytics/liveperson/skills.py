"""Skills: what conversations are routed by, with their history."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.schema import field, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource, local_time


class Skills(dy.Schema):
    """One row a state of a skill."""

    id = field(dy.Int64, "Skill; joins latest_skill_id and skill_id of other tables", key=True)
    pid = field(dy.String, "Process id, a UUID", inferred=True)
    deleted = field(dy.Bool, "Whether the skill is deleted")
    name = field(dy.String, "Name, unique")
    description = field(dy.String, "Description")
    skill_order = field(dy.Int64, "Place of the skill in lists")
    max_wait_time = field(dy.Int64, "Longest wait; the vendor's default is 120 and has no unit")
    default_post_chat_survey_id = field(dy.String, "Survey after a chat")
    default_offline_survey_id = field(dy.String, "Survey when nobody is there")
    default_agent_survey_id = field(dy.String, "Survey of the agent")
    date_updated = local_time("Time of the last change of the skill")
    skill_routing_configuration = many(
        record(
            {
                "priority": field(dy.Int64, "Priority; groups of one priority share"),
                "split_percentage": field(dy.Float64, "Share of the group", unit="%"),
                "agent_group_id": field(dy.Int64, "Agent group; joins agent_groups"),
            }
        ),
        "Which agent groups get the skill's conversations",
        unordered=True,
    )
    wrap_up_time = field(dy.Int64, "Time an agent has after a conversation")
    sla_default_response_time = field(dy.Int64, "Target time of a response")
    sla_urgent_response_time = field(dy.Int64, "Target time of an urgent response")
    sla_first_time_response_time = field(dy.Int64, "Target time of the first response")
    lob_ids = many(field(dy.Int64, "Line of business"), "Lines of business", unordered=True)
    can_transfer = field(dy.Bool, "Whether conversations may be transferred")
    skill_transfer_list = many(
        field(dy.Int64, "Skill"), "Skills to which may be transferred; null for all", unordered=True
    )
    working_hours_id = field(dy.Int64, "Working hours")
    special_occasion_id = field(dy.Int64, "Special occasions")
    post_conversation_survey_app_install_association_id = field(dy.String, "Survey after a messaging conversation")
    auto_close_in_seconds = field(dy.Int64, "Silence after which a conversation is closed", unit="s")
    transfer_to_agent_max_wait_in_seconds = field(dy.Int64, "Longest wait for an agent in a transfer", unit="s")
    fallback_skill = field(dy.Int64, "Skill that takes over when a transfer to an agent waits too long")
    fallback_when_all_agents_are_away = field(dy.Bool, "Whether it takes over when all agents are away")
    agent_survey_for_msg_timeout_in_minutes = field(dy.Int64, "Time for the agent's survey", unit="min")
    agent_survey_for_msg_id = field(dy.Int64, "Survey of the agent after a messaging conversation")


DIMENSION = Dimension(
    vendor="liveperson",
    name="skills",
    schema=Skills,
    grain="One row a state of a skill, from when until when it held.",
    documentation="https://developers.liveperson.com/skills-api-appendix.html",
)


@dg.asset(**dimension_table(DIMENSION, pool="liveperson_account_config"))
def skills(
    context: dg.AssetExecutionContext,
    config: DimensionConfig,
    liveperson_account_config: LivePersonAccountConfigResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    yield from extract_history(context, DIMENSION, config, liveperson_account_config.connect, archive, warehouse)
