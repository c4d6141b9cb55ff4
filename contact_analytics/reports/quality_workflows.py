"""Quality workflows of a day in their latest state, and what their texts say."""

import polars as pl

from contact_analytics.lib.report import Input

EVALUATION, SELF_ASSESSMENT, CALIBRATION = "evaluation", "self-assessment", "calibration"
_TEXTS = (
    *("workflow_id", "agent_id", "agent_first_name", "agent_last_name", "team_id", "team_name", "workflow_type"),
    *("evaluation_flow_trigger", "workflow_status", "workflow_state", "form_name", "user_review_comments"),
    *("dispute_resolver_comments", "dispute_resolver_first_name", "dispute_resolver_last_name"),
    *("evaluator_first_name", "evaluator_last_name"),
)
_COLUMNS = {
    **dict.fromkeys(_TEXTS, pl.String),
    **dict.fromkeys(("submission_date", "dated_at"), pl.Datetime("us", "UTC")),
    "score_percentage": pl.Float64,
    "failed_critical_question": pl.Boolean,
}
WORKFLOWS = Input(
    "nice_cxone.qm_workflows",
    # A workflow that stands on two stored days is in the view on the day of its latest state alone.
    f"select {', '.join(_COLUMNS)} from nice_cxone.qm_workflows_latest where partition_date = $day",
    _COLUMNS,
    # Until when NICE's evaluations are looked at again: one that moves leaves its day.
    days_after=14,
)


def told(workflows: pl.DataFrame) -> pl.DataFrame:
    """Workflows with what their texts say: kind, dispute, expiry, and names."""
    plain = workflows.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    kind, trigger = _lower("workflow_type"), _lower("evaluation_flow_trigger")
    status, state = _lower("workflow_status"), _lower("workflow_state")
    is_resolved = pl.any_horizontal(pl.col("^dispute_resolver_.*$").is_not_null())
    is_expired = (status == "expired") | (state.str.replace_all(r"\W", "") == "timedout")
    told = plain.with_columns(
        pl.col("agent_id", "team_id").fill_null(""),
        kind=pl.when(kind.str.starts_with("self"))
        .then(pl.lit(SELF_ASSESSMENT))
        .when(kind.str.contains(CALIBRATION) | (trigger == CALIBRATION))
        .then(pl.lit(CALIBRATION))
        .otherwise(pl.lit(EVALUATION)),
        is_submitted=pl.col("submission_date").is_not_null(),
        is_expired=is_expired,
        disputed=(status == "dispute") | pl.col("user_review_comments").is_not_null() | is_resolved,
        is_resolved=is_resolved,
        score="score_percentage",
        agent_name=_name("agent", "agent_id"),
        team_name=pl.coalesce("team_name", "team_id", pl.lit("no team")),
        evaluator=_name("evaluator"),
    )
    is_closed = (state == "closed") | pl.col("is_expired")
    return told.with_columns(is_open_dispute=pl.col("disputed") & ~pl.col("is_resolved") & ~is_closed)


def _lower(column: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().fill_null("")


def _name(of: str, otherwise: str | None = None) -> pl.Expr:
    """First and last name, as far as there are any."""
    name = pl.concat_str(f"{of}_first_name", f"{of}_last_name", separator=" ", ignore_nulls=True).replace("", None)
    return pl.coalesce(name, otherwise) if otherwise else name
