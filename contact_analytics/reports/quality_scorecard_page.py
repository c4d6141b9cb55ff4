"""The page of the quality scorecard."""

from collections.abc import Sequence

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Listing, Page, decimal, listing
from contact_analytics.lib.report import ratio

_BANDS = [f"{low} to {low + 9}" if low < 90 else "90 to 100" for low in range(0, 100, 10)]
_MOST_FAILED = 20
_POINTS = "average score, %"
_TITLES = {
    "team_name": "team",
    "agent_name": "agent",
    "average_score": _POINTS,
    "lowest_score": "lowest score, %",
    "disputes_open": "disputes open",
    "critical_failures": "failed a critical question",
    "evaluator_spread": "evaluator spread, points",
    "average_self_assessment": "own score, %",
    "difference": "above the average of all, points",
    "question_title": "question",
    "form_name": "form",
    "failed_share": "failed, %",
}


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    """The page of a day."""
    details = _exploded(rows, "details")
    average = _average(details)
    teams = _by_team(rows, details)
    return Page(
        headline={
            "Evaluations": f"{rows['evaluations'].sum():,}",
            "Average score, %": decimal(average, 1),
            "Disputed": f"{rows['disputes'].sum():,}",
            "Failed a critical question": f"{rows['critical_failures'].sum():,}",
            "Not submitted": f"{rows['not_submitted'].sum():,}",
        },
        figures=[
            figures.bars(
                "Average score by team",
                teams.filter(pl.col("average_score").is_not_null()),
                category="team_name",
                value="average_score",
                table="By team",
                titles={"average_score": _POINTS},
            ),
            figures.bars(
                "Distribution of scores",
                _bands(details),
                category="score",
                value="evaluations",
                titles={"score": "score, %"},
            ),
            figures.lines(
                "Average score over thirty days",
                _by_day(month),
                day="partition_date",
                value="average",
                titles={"average": _POINTS},
            ),
        ],
        listings=[
            _listing("By team", teams),
            _listing("Critical questions most failed", _failed(rows), ["failed_share"]),
            _listing("By evaluator", _by_evaluator(details, average)),
            _listing("By agent", _by_agent(rows)),
        ],
        remarks=_remarks(rows, details),
    )


def _listing(caption: str, frame: pl.DataFrame, percents: Sequence[str] = ()) -> Listing:
    decimals = {name: 1 for name in _TITLES if frame.schema.get(name) == pl.Float64}
    titles = {name: title for name, title in _TITLES.items() if name in frame.columns}
    return listing(caption, frame, decimals=decimals, percents=percents, titles=titles)


def _exploded(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The items of a nested column, each with its team."""
    items = rows.select("team_name", column).explode(column).drop_nulls(column)
    return items.unnest(column)


def _average(details: pl.DataFrame) -> float | None:
    return details.select(pl.col("score").mean()).item()


def _by_team(rows: pl.DataFrame, details: pl.DataFrame) -> pl.DataFrame:
    scores = details.group_by("team_name").agg(average_score=pl.col("score").mean(), lowest_score=pl.col("score").min())
    spread = (
        _by_evaluator(details, None, "team_name")
        .group_by("team_name")
        .agg(
            evaluators=pl.len(),
            evaluator_spread=pl.when(pl.len() > 1).then(pl.col("average_score").max() - pl.col("average_score").min()),
        )
    )
    sums = rows.group_by("team_name").agg(
        pl.col("evaluations", "disputes", "disputes_open", "critical_failures").sum(), agents=pl.len()
    )
    joined = sums.join(scores, on="team_name", how="left").join(spread, on="team_name", how="left")
    return joined.select(
        *("team_name", "agents", "evaluations", "average_score", "lowest_score"),
        *("disputes", "disputes_open", "critical_failures", "evaluators", "evaluator_spread"),
    ).sort("team_name")


def _by_evaluator(details: pl.DataFrame, average: float | None, *by: str) -> pl.DataFrame:
    """Each evaluator's scores, and how far their average is from that of all."""
    known = details.filter(pl.col("evaluator").is_not_null() & pl.col("score").is_not_null())
    found = known.group_by(*by, "evaluator").agg(
        evaluations=pl.len(),
        average_score=pl.col("score").mean(),
        lowest_score=pl.col("score").min(),
        difference=pl.col("score").mean() - pl.lit(average, pl.Float64),
    )
    return found.sort("difference", "evaluator")


def _by_agent(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        *("agent_name", "team_name", "evaluations", "average_score", "lowest_score", "evaluator_spread"),
        *("disputes", "critical_failures", "average_self_assessment", "not_submitted"),
    ).sort("average_score", "agent_name", nulls_last=True)


def _failed(rows: pl.DataFrame) -> pl.DataFrame:
    """Critical questions that were failed, the most failed first."""
    summed = (
        _exploded(rows, "critical_questions")
        .group_by("question_title", "form_name")
        .agg(pl.col("asked").sum(), pl.col("failed").sum())
        .filter(pl.col("failed") > 0)
    )
    shares = summed.with_columns(failed_share=ratio("failed", "asked"))
    return shares.sort("failed", "question_title", descending=[True, False]).head(_MOST_FAILED)


def _bands(details: pl.DataFrame) -> pl.DataFrame:
    """How many evaluations have a score of each ten percent."""
    band = (pl.col("score") // 10).clip(0, 9).cast(pl.Int64)
    counts = details.drop_nulls("score").group_by(place=band).agg(evaluations=pl.len())
    bands = pl.DataFrame({"place": range(len(_BANDS)), "score": _BANDS}, schema_overrides={"place": pl.Int64})
    return bands.join(counts, on="place", how="left").with_columns(pl.col("evaluations").fill_null(0)).sort("place")


def _by_day(month: pl.DataFrame) -> pl.DataFrame:
    """The average over all evaluations of each day that has any with a score."""
    weighted = (pl.col("average_score") * pl.col("scored")).sum()
    days = month.group_by("partition_date").agg(weighted.alias("_sum"), pl.col("scored").sum())
    return days.with_columns(average=ratio("_sum", "scored")).drop_nulls("average").sort("partition_date")


def _remarks(rows: pl.DataFrame, details: pl.DataFrame) -> list[str]:
    sums = {name: int(rows[name].sum()) for name, kind in rows.schema.items() if kind == pl.Int64}
    said = list[str]()
    if not_submitted := sums["not_submitted"]:
        expired = sums["not_submitted_expired"]
        said.append(
            f"Begun on the day, not submitted, and in no score: {not_submitted:,}; of these expired: {expired:,}."
        )
    if sums["self_assessments"] or sums["calibrations"]:
        own, calibrations = sums["self_assessments"], sums["calibrations"]
        said.append(f"Counted apart, and in no score: self-assessments {own:,}, calibrations {calibrations:,}.")
    if disputes := sums["disputes"]:
        said.append(f"Disputed: {disputes:,}; of these open: {sums['disputes_open']:,}.")
    if expired := sums["reviews_expired"]:
        said.append(f"Scores that count although the agent's review has expired: {expired:,}.")
    if unscored := sums["evaluations"] - sums["scored"]:
        said.append(f"Evaluations without a score: {unscored:,}.")
    if unnamed := details["evaluator"].null_count():
        said.append(f"Evaluations that name no evaluator, and are in no evaluator's figures: {unnamed:,}.")
    if sums["critical_failures"] and not sums["critical_questions_asked"]:
        said.append("Which critical questions were failed is not known: the questions of the day are not stored.")
    return said
