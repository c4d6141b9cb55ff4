"""Quality questions: each question of each evaluation with its answer, by the day the evaluation was submitted."""

from collections.abc import Collection, Iterator
from functools import partial

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


class QmQuestions(dy.Schema):
    """One row a question of an evaluation."""

    workflow_instance_id = field(
        dy.String, "Evaluation; joins qm_workflows", key=True, seen=True, wire="WorkflowInstance ID"
    )
    question_id = field(dy.String, "Question", key=True, seen=True, wire="Question ID")
    section_id = field(dy.String, "Section of the form; empty if there is none", key=True, seen=True, wire="Section ID")
    dated_at = instant(
        "Submission of the evaluation, or start where it is not submitted; dates the row", required=True, derived=True
    )
    actual_score = field(dy.Float64, "Score reached", unit="points", seen=True, wire="Actual Score")
    answer = field(dy.String, "Answer", seen=True, wire="Answer")
    question_title = field(dy.String, "Question's text", seen=True, wire="Question Title")
    question_number = field(dy.String, "Number on the form", seen=True, wire="Question Number")
    options = field(dy.String, "Answers to choose from", seen=True, wire="Options")
    form_id = field(dy.String, "Evaluation form", seen=True, wire="Form ID")
    form_name = field(dy.String, "Name of the form", seen=True, wire="Form Name")
    form_version = field(dy.String, "Version of the form", seen=True, wire="Form Version")
    evaluation_score_pct = field(
        dy.Float64,
        "Score of the evaluation",
        unit="%",
        seen=True,
        wire="Evaluation Score %",
        also=("Evaluation Score Percentage",),
    )
    evaluation_start_date = instant("Start of the evaluation", seen=True, wire="Evaluation Start Date")
    evaluation_submission_date = instant(
        "When it was submitted; null if it is not", seen=True, wire="Evaluation Submission Date"
    )
    workflow_type = field(dy.String, "Evaluation, Self-Assessment and others", seen=True, wire="Workflow Type")
    section_title = field(dy.String, "Title of the section", seen=True, wire="Section Title")
    section_score_pct = field(
        dy.Float64,
        "Score of the section",
        unit="%",
        seen=True,
        wire="Section Score %",
        also=("Section Score Percentage",),
    )
    max_score = field(dy.Float64, "Highest score possible", unit="points", seen=True, wire="Max Score")
    agent_id = field(dy.String, "Evaluated agent", seen=True, wire="Agent ID")
    agent_first_name = field(dy.String, "Agent's first name", personal=True, seen=True, wire="FirstName (Agent)")
    agent_last_name = field(dy.String, "Agent's last name", personal=True, seen=True, wire="LastName (Agent)")
    team_id = field(dy.String, "Agent's team", seen=True, wire="Team ID")
    team_name = field(dy.String, "Name of the team", seen=True, wire="Team Name")
    evaluator_first_name = field(dy.String, "Evaluator's first name", personal=True, seen=True, wire="FirstName (Eva)")
    evaluator_last_name = field(dy.String, "Evaluator's last name", personal=True, seen=True, wire="LastName (Eva)")
    critical = field(dy.Bool, "Whether the question is critical", seen=True, wire="Critical")
    failed_critical_question = field(
        dy.Bool, "Whether it is critical and was failed", seen=True, wire="Failed Critical Question"
    )
    mandatory = field(dy.Bool, "Whether it must be answered", seen=True, wire="Mandatory")
    scorable = field(dy.Bool, "Whether it counts", seen=True, wire="Scorable")
    question_type = field(dy.String, "Type of the question", seen=True, wire="Question Type")
    segment_id = field(dy.String, "Interaction segment", seen=True, wire="Segment ID")
    interaction_start_date = instant("Start of the interaction", seen=True, wire="Interaction Start Date")
    interaction_end_date = instant("End of the interaction", seen=True, wire="Interaction End Date")
    bank_id = field(dy.String, "Question bank", seen=True, wire="Bank ID")


def _dated(frame: pl.DataFrame, _: Collection[str]) -> pl.DataFrame:
    """Rows with the time that dates them; questions without a section have an empty one."""
    return frame.with_columns(
        section_id=pl.col("section_id").fill_null(""),
        dated_at=pl.coalesce("evaluation_submission_date", "evaluation_start_date"),
    )


FORMAT = FileFormat(QmQuestions, _dated, filled=("section_id",))
ENTITY = Entity("qm-questions", version="1", dated_by=("Evaluation Submission Date", "Evaluation Start Date"))
DATASET = extracted(
    "qm_questions",
    QmQuestions,
    grain="One row a question of an evaluation that was submitted on the day, or begun on it and not submitted.",
    event_time="dated_at",
    # An evaluation that is not submitted moves to another day when it is.
    lasting="evaluation_submission_date is not null",
    versions=("evaluation_submission_date", "_source_file"),
    measures={"questions_failed": "count(*) filter (where failed_critical_question)"},
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="nice_cxone_data_extraction"))
def qm_questions(
    context: dg.AssetExecutionContext,
    config: NiceCxoneConfig,
    nice_cxone_data_extraction: NiceCxoneDataExtractionResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    connect = partial(nice_cxone_data_extraction.connect, ENTITY, config)
    yield from extract_days(context, DATASET, config, connect, FORMAT, archive, warehouse, archived_day)
