"""Quality scorecard: how each agent's work was judged, by whom, and what the agents disputed."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import dataframely as dy
import polars as pl

from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.report import Frames, Input, Report
from contact_analytics.lib.report_days import PagesResource, make_report
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.reports.quality_scorecard_page import paint
from contact_analytics.reports.quality_workflows import CALIBRATION, EVALUATION, SELF_ASSESSMENT, WORKFLOWS, told
from contact_analytics.settings import PARTITIONS, has_table

_QUESTIONS = "nice_cxone.qm_questions"
_KEYS = ("agent_id", "team_id")


def _of(*columns: str) -> tuple[str, ...]:
    return tuple(f"{WORKFLOWS.table}.{column}" for column in columns)


_KIND = _of("workflow_type", "evaluation_flow_trigger", "submission_date")
_DISPUTE = _of(
    "workflow_status",
    "user_review_comments",
    "dispute_resolver_comments",
    "dispute_resolver_first_name",
    "dispute_resolver_last_name",
)
_EVALUATOR = _of("evaluator_first_name", "evaluator_last_name")
_SCORE = _of("score_percentage")


class QualityScorecard(dy.Schema):
    """One row an agent and team."""

    agent_id = field(dy.String, "Agent; empty where the vendor names none", key=True, sources=_of("agent_id"))
    team_id = field(dy.String, "Team at the time; empty if there is none", key=True, sources=_of("team_id"))
    agent_name = field(
        dy.String,
        "Agent's name",
        personal=True,
        sources=_of("agent_first_name", "agent_last_name", "agent_id", "dated_at"),
    )
    team_name = field(dy.String, "Name of the team", sources=_of("team_name", "team_id", "dated_at"))
    evaluations = field(dy.Int64, "Evaluations submitted on the day", unit="evaluations", sources=_KIND)
    scored = field(dy.Int64, "Those of them that have a score", unit="evaluations", sources=_SCORE)
    average_score = field(dy.Float64, "Average of their scores; null without any", unit="%", sources=_SCORE)
    lowest_score = field(dy.Float64, "Lowest of their scores", unit="%", sources=_SCORE)
    disputes = field(dy.Int64, "Evaluations that the agent disputed", unit="evaluations", sources=_DISPUTE)
    disputes_open = field(
        dy.Int64,
        "Those of them that nobody has resolved and that have not been closed",
        unit="evaluations",
        sources=(*_DISPUTE, *_of("workflow_state")),
    )
    critical_failures = field(
        dy.Int64,
        "Evaluations in which a critical question was failed",
        unit="evaluations",
        sources=_of("failed_critical_question"),
    )
    critical_questions_asked = field(
        dy.Int64, "Critical questions in the evaluations", unit="questions", sources=(f"{_QUESTIONS}.critical",)
    )
    critical_questions_failed = field(
        dy.Int64,
        "Those of them that were failed",
        unit="questions",
        sources=(f"{_QUESTIONS}.failed_critical_question",),
    )
    evaluators = field(dy.Int64, "Evaluators whose scores are known by name", unit="evaluators", sources=_EVALUATOR)
    evaluator_spread = field(
        dy.Float64,
        "Highest less lowest of the evaluators' average scores; null with fewer than two",
        unit="percentage points",
        sources=(*_EVALUATOR, *_SCORE),
    )
    self_assessments = field(dy.Int64, "Self-assessments submitted on the day", unit="workflows", sources=_KIND)
    average_self_assessment = field(
        dy.Float64, "Average of their scores; null without any", unit="%", sources=(*_KIND, *_SCORE)
    )
    calibrations = field(dy.Int64, "Calibrations submitted on the day", unit="workflows", sources=_KIND)
    not_submitted = field(
        dy.Int64,
        "Workflows of any type that were begun on the day and are not submitted",
        unit="workflows",
        sources=_of("submission_date"),
    )
    not_submitted_expired = field(
        dy.Int64, "Those of them that have expired", unit="workflows", sources=_of("workflow_status", "workflow_state")
    )
    reviews_expired = field(
        dy.Int64,
        "Evaluations of which the agent's review has expired; their scores count",
        unit="evaluations",
        sources=_of("workflow_status", "workflow_state"),
    )
    details = many(
        record(
            {
                "workflow_id": field(dy.String, "Evaluation; joins nice_cxone.qm_workflows"),
                "submitted_at": instant("Submission"),
                "form_name": field(dy.String, "Evaluation form"),
                "evaluator": field(dy.String, "Evaluator's name; null if unknown", personal=True),
                "score": field(dy.Float64, "Score", unit="%"),
                "disputed": field(dy.Bool, "Whether the agent disputed it"),
                "failed_critical_question": field(dy.Bool, "Whether a critical question was failed"),
            }
        ),
        "The evaluations one by one, in the order of their submission",
        sources=(
            *_of("workflow_id", "submission_date", "dated_at", "form_name", "failed_critical_question"),
            *_EVALUATOR,
            *_SCORE,
            *_DISPUTE,
        ),
    )
    critical_questions = many(
        record(
            {
                "form_name": field(dy.String, "Evaluation form"),
                "question_title": field(dy.String, "Question's text"),
                "asked": field(dy.Int64, "Evaluations with the question", unit="evaluations"),
                "failed": field(dy.Int64, "Those of them in which it was failed", unit="evaluations"),
            }
        ),
        "The critical questions of the evaluations",
        sources=tuple(
            f"{_QUESTIONS}.{column}"
            for column in ("form_name", "question_title", "question_id", "critical", "failed_critical_question")
        ),
    )

    @dy.rule()
    def parts_are_no_more_than_the_whole(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules are class methods
        parts = pl.col("scored", "disputes", "critical_failures", "reviews_expired")
        return pl.all_horizontal(parts <= pl.col("evaluations")) & (pl.col("disputes_open") <= pl.col("disputes"))


REPORT = Report(
    name="quality_scorecard",
    title="Quality scorecard",
    schema=QualityScorecard,
    grain="One row an agent and team with workflows of the day, in UTC.",
    rules="""
        An evaluation counts on the UTC day on which it was submitted, in the latest state that is stored. One that is
        stored on two days counts on the day of its latest state alone.

        Self-assessments and calibrations are counted apart and are in no score. A calibration is one by its type or by
        what triggered it; every other type is an evaluation.

        What is not submitted is counted on the day on which it was begun, and is in no score.

        A disputed evaluation has the status Dispute, a comment of the agent's review, or somebody who resolved it. It
        is open until it is resolved or closed. Only the latest score is stored, so what a dispute changed is not known.

        Averages are over evaluations that have a score. A failed critical question sets a score to zero, and that zero
        is in the average.

        The spread is the highest less the lowest of the evaluators' average scores. Evaluators are told apart by their
        names, as they have no id; evaluations without one are not in it.

        Evaluations go on changing for weeks: the page is made again when a day is extracted again and has changed.
    """,
    inputs=(
        WORKFLOWS,
        Input(
            _QUESTIONS,
            "select workflow_instance_id, question_id, question_title, form_name, "
            "coalesce(failed_critical_question, false) as failed "
            f"from {_QUESTIONS} where partition_date = $day and (critical or failed_critical_question)",
            {
                **dict.fromkeys(("workflow_instance_id", "question_id", "question_title", "form_name"), pl.String),
                "failed": pl.Boolean,
            },
        ),
    ),
    has=has_table,
)


@dg.asset(**daily_report(REPORT, PARTITIONS))
def quality_scorecard(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    brand_files: BrandFilesResource,
    pages: PagesResource,
) -> Iterator[dg.AssetMaterialization]:
    yield from make_report(context, REPORT, compute, paint, warehouse, brand_files, pages)


def compute(_: date, frames: Frames) -> pl.DataFrame:
    """The rows of a day."""
    workflows = told(frames[WORKFLOWS.table]).sort("dated_at", "workflow_id")
    is_evaluation = pl.col("is_submitted") & (pl.col("kind") == EVALUATION)
    is_self_assessment = pl.col("is_submitted") & (pl.col("kind") == SELF_ASSESSMENT)
    is_calibration = pl.col("is_submitted") & (pl.col("kind") == CALIBRATION)
    score = pl.col("score")
    evaluations = workflows.filter(is_evaluation)
    agents = workflows.group_by(_KEYS, maintain_order=True).agg(
        pl.col("agent_name", "team_name").drop_nulls().last(),
        evaluations=_count(is_evaluation),
        scored=_count(is_evaluation & score.is_not_null()),
        average_score=score.filter(is_evaluation).mean(),
        lowest_score=score.filter(is_evaluation).min(),
        disputes=_count(is_evaluation & pl.col("disputed")),
        disputes_open=_count(is_evaluation & pl.col("is_open_dispute")),
        critical_failures=_count(is_evaluation & pl.col("failed_critical_question")),
        self_assessments=_count(is_self_assessment),
        average_self_assessment=score.filter(is_self_assessment).mean(),
        calibrations=_count(is_calibration),
        not_submitted=_count(~pl.col("is_submitted")),
        not_submitted_expired=_count(~pl.col("is_submitted") & pl.col("is_expired")),
        reviews_expired=_count(is_evaluation & pl.col("is_expired")),
        details=pl.struct(
            "workflow_id",
            pl.col("submission_date").alias("submitted_at"),
            *("form_name", "evaluator", "score", "disputed", "failed_critical_question"),
        ).filter(is_evaluation),
    )
    joined = agents.join(_spread(evaluations), on=_KEYS, how="left")
    joined = joined.join(_critical(evaluations, frames[_QUESTIONS]), on=_KEYS, how="left")
    counts = pl.col("evaluators", "critical_questions_asked", "critical_questions_failed").fill_null(0)
    return joined.with_columns(counts, pl.col("critical_questions").fill_null([])).sort(_KEYS)


def _count(condition: pl.Expr) -> pl.Expr:
    return condition.sum().cast(pl.Int64)


def _spread(evaluations: pl.DataFrame) -> pl.DataFrame:
    """How far apart the evaluators of each agent are."""
    known = evaluations.filter(pl.col("evaluator").is_not_null() & pl.col("score").is_not_null())
    averages = known.group_by(*_KEYS, "evaluator").agg(pl.col("score").mean())
    apart = pl.col("score").max() - pl.col("score").min()
    return averages.group_by(_KEYS).agg(
        evaluators=pl.len().cast(pl.Int64), evaluator_spread=pl.when(pl.len() > 1).then(apart)
    )


def _critical(evaluations: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
    """The critical questions of each agent's evaluations."""
    title = pl.coalesce(pl.col("question_title").str.strip_chars().replace("", None), "question_id")
    asked = questions.select("workflow_instance_id", "form_name", "failed", question_title=title)
    of_agents = asked.join(
        evaluations.select("workflow_id", *_KEYS), left_on="workflow_instance_id", right_on="workflow_id"
    )
    each = of_agents.group_by(*_KEYS, "form_name", "question_title").agg(
        asked=pl.len().cast(pl.Int64), failed=_count(pl.col("failed"))
    )
    return (
        each.sort("form_name", "question_title")
        .group_by(_KEYS, maintain_order=True)
        .agg(
            critical_questions_asked=pl.col("asked").sum(),
            critical_questions_failed=pl.col("failed").sum(),
            critical_questions=pl.struct("form_name", "question_title", "asked", "failed"),
        )
    )
