"""Quality workflows: evaluations, self-assessments and calibrations, by the day they were submitted."""

import hashlib
import json
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.nice_cxone.data_extraction import NiceCxoneDataExtractionResource
from contact_analytics.nice_cxone.entities import Entity, NiceCxoneConfig, extracted
from contact_analytics.nice_cxone.file_format import FileFormat
from contact_analytics.nice_cxone.window import archived_day
from contact_analytics.settings import PARTITIONS

# What tells one evaluation from another where the vendor gives no id: version 1.
_TOLD_BY = (
    "agent_id",
    "workflow_type",
    "form_name",
    "form_version",
    "start_date",
    "segment_id",
    "evaluator_first_name",
    "evaluator_last_name",
)


class QmWorkflows(dy.Schema):
    """One row an evaluation."""

    workflow_id = field(
        dy.String,
        "Evaluation; joins qm_questions.workflow_instance_id. Version 1 has none: there it is `v1-` and a digest of "
        "agent, type, form, form version, start, segment and evaluator's names",
        key=True,
        wire="Workflow ID",
    )
    dated_at = instant("Submission, or start where it is not submitted; dates the row", required=True, derived=True)
    tenant_name = field(dy.String, "Tenant", wire="Tenant Name")
    agent_id = field(dy.String, "Evaluated agent", wire="Agent ID")
    workflow_type = field(dy.String, "Evaluation, Self-Assessment and others", wire="Type")
    evaluation_flow_trigger = field(
        dy.String, "Manual trigger, Quality Plan or Calibration", wire="Evaluation Flow Trigger"
    )
    workflow_status = field(
        dy.String,
        "Claimed (new), Sent to Agent, Dispute, In Progress, In Review, Completed, Completed Reviewed, Completed "
        "Acknowledged, Completed No Review or Expired",
        wire="Workflow Status",
    )
    auto_acknowledged = field(
        dy.Bool,
        "Whether the system acknowledged it for the agent; null for a self-assessment",
        wire="Auto Acknowledged",
    )
    workflow_state = field(dy.String, "Open, Closed or Timed-Out", wire="Workflow State")
    plan_name = field(dy.String, "Quality plan", wire="Plan Name")
    form_name = field(dy.String, "Evaluation form", wire="Form Name")
    form_version = field(dy.String, "Version of the form", wire="Form Version")
    start_date = instant("Start of the evaluation", wire="Start Date")
    submission_date = instant(
        "When it was submitted; null if it is not. The vendor selects by it", wire="Submission Date"
    )
    last_updated = instant("Last change; null if unknown", wire="Last Updated")
    score_percentage = field(dy.Float64, "Score", unit="%", wire="Score - Percentage")
    score = field(dy.Float64, "Score", unit="points", wire="Score")
    maximum_possible_score = field(dy.Float64, "Highest score possible", unit="points", wire="Maximum Possible Score")
    rank = field(dy.String, "Rank, as the tenant names it", wire="Rank")
    failed_critical_question = field(
        dy.Bool, "Whether a critical question was failed, which sets the score to zero", wire="Failed Critical Question"
    )
    user_review_comments = field(
        dy.String, "What the agent wrote when disputing", personal=True, wire="User Review Comments"
    )
    dispute_resolver_comments = field(
        dy.String, "What the manager wrote when closing the dispute", personal=True, wire="Dispute Resolver Comments"
    )
    segment_id = field(dy.String, "Interaction segment; joins recording_interaction_metadata", wire="Segment ID")
    acd_id = field(dy.String, "Automatic call distributor's id", wire="ACD ID")
    interaction_type = field(dy.String, "Phone call, Chat, Email and others", wire="Interaction Type")
    interaction_start_date = instant("Start of the interaction", wire="Interaction Start Date")
    interaction_end_date = instant("End of the interaction", wire="Interaction End Date")
    interaction_direction = field(dy.String, "Inbound or Outbound", wire="Interaction Direction")
    team_id = field(dy.String, "Agent's team", wire="Team ID")
    team_name = field(dy.String, "Name of the team", wire="Team Name")
    phone_number = field(dy.String, "Customer's phone number", personal=True, wire="Phone Number")
    evaluator_first_name = field(dy.String, "Evaluator's first name", personal=True, wire="FirstName (Eva)")
    evaluator_last_name = field(dy.String, "Evaluator's last name", personal=True, wire="LastName (Eva)")
    agent_first_name = field(dy.String, "Agent's first name", personal=True, wire="FirstName (Agent)")
    agent_last_name = field(dy.String, "Agent's last name", personal=True, wire="LastName (Agent)")
    dispute_resolver_first_name = field(
        dy.String, "First name of who closed the dispute", personal=True, wire="FirstName (Disp)"
    )
    dispute_resolver_last_name = field(
        dy.String, "Last name of who closed the dispute", personal=True, wire="LastName (Disp)"
    )
    assigner_first_name = field(dy.String, "First name of who assigned it", personal=True, wire="FirstName (Assigner)")
    assigner_last_name = field(dy.String, "Last name of who assigned it", personal=True, wire="LastName (Assigner)")


def _identified(frame: pl.DataFrame, missing: Collection[str]) -> pl.DataFrame:
    """Rows with an id and the time that dates them."""
    told = pl.struct(_TOLD_BY).map_elements(_surrogate, return_dtype=pl.String)
    # A version that has ids has them in all rows: one without is for the rules.
    return frame.with_columns(
        workflow_id=told if "workflow_id" in missing else pl.col("workflow_id"),
        dated_at=pl.coalesce("submission_date", "start_date"),
    )


def _surrogate(told_by: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(list(told_by.values()), default=str).encode()).hexdigest()
    return f"v1-{digest[:32]}"


FORMAT = FileFormat(QmWorkflows, _identified, filled=("workflow_id",))
ENTITY = Entity("qm-workflows", version="4", dated_by=("Submission Date", "Start Date"))
DATASET = extracted(
    "qm_workflows",
    QmWorkflows,
    grain="One row an evaluation that was submitted on the day, or begun on it and not submitted, in its latest state.",
    event_time="dated_at",
    # One that is not submitted moves to another day when it is.
    lasting="submission_date is not null",
    changed_at="last_updated",
    versions=("last_updated", "_source_file"),
    measures={
        "not_submitted": "count(*) filter (where submission_date is null)",
        "average_score": "avg(score_percentage)",
    },
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="nice_cxone_data_extraction"))
def qm_workflows(
    context: dg.AssetExecutionContext,
    config: NiceCxoneConfig,
    nice_cxone_data_extraction: NiceCxoneDataExtractionResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    connect = partial(nice_cxone_data_extraction.connect, ENTITY, config)
    yield from extract_days(context, DATASET, config, connect, FORMAT, archive, warehouse, archived_day)
