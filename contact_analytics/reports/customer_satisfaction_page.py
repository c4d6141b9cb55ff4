"""The page of customer satisfaction."""

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Listing, Page, decimal, listing, percent
from contact_analytics.reports.survey_answers import with_ratios

_MEDIA_TYPES = ("chat", "messaging")
_RATINGS = {f"ratings_{rating}": str(rating) for rating in range(5, 0, -1)}
_COUNTS = (
    *("surveys_shown", "surveys_answered", "csat_answers", "csat_satisfied", *_RATINGS),
    *("nps_answers", "nps_promoters", "nps_passives", "nps_detractors", "fcr_answers", "fcr_resolved"),
    *("skipped_answers", "invalid_answers"),
)
_SHOWN = {
    "surveys_shown": "surveys shown",
    "surveys_answered": "answered",
    "response_rate": "response rate",
    "csat_answers": "ratings",
    "csat": "CSAT",
    "average_rating": "average rating, 1 to 5",
    "nps_answers": "NPS answers",
    "nps": "NPS",
    "fcr": "solved at first contact",
}


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    """The page of a day."""
    remarks = _remarks(rows)
    rows, month = (each.filter(pl.col("surveys_shown") > 0) for each in (rows, month))
    total = _summed(rows.with_columns(all=pl.lit("all")), "all").select(
        "response_rate", "csat", "average_rating", "nps"
    )
    response_rate, csat, average, nps = total.row(0) if total.height else (None,) * 4
    return Page(
        headline={
            "Surveys shown": f"{rows['surveys_shown'].sum():,}",
            "Response rate": percent(response_rate),
            "CSAT": percent(csat),
            "Rating, 1 to 5": decimal(average),
            "NPS, -100 to 100": decimal(nps, 0),
        },
        figures=[
            figures.bars(
                "Ratings, 5 is best",
                _by_rating(rows),
                category="rating",
                value="answers",
                colour="media_type",
                order=[name for name in _MEDIA_TYPES if name in rows["media_type"]],
            ),
            figures.lines(
                "CSAT over thirty days",
                _summed(month, "partition_date", "media_type").filter(pl.col("csat").is_not_null()),
                day="partition_date",
                value="csat",
                colour="media_type",
                order=[name for name in _MEDIA_TYPES if name in month["media_type"]],
                said=percent,
                titles={"csat": "CSAT, 0 to 1"},
            ),
        ],
        listings=[
            _by("By channel", rows, "channel", "media_type"),
            _by("By skill", rows, "skill"),
            _by("By agent group", rows, "agent_group"),
        ],
        remarks=remarks,
    )


def _summed(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Rows added up: ratios of sums, not averages of ratios."""
    return with_ratios(rows.group_by(by).agg(pl.col(_COUNTS).sum())).sort(by)


def _by(caption: str, rows: pl.DataFrame, *by: str) -> Listing:
    shown = _summed(rows, *by).select(*by, *_SHOWN)
    percents = ["response_rate", "csat", "fcr"]
    return listing(caption, shown, decimals={"average_rating": 2, "nps": 0}, percents=percents, titles=_SHOWN)


def _by_rating(rows: pl.DataFrame) -> pl.DataFrame:
    """Answers of each rating and media type, the best first."""
    summed = rows.group_by("media_type").agg(pl.col(list(_RATINGS)).sum()).sort("media_type")
    long = summed.rename(_RATINGS).unpivot(index="media_type", variable_name="rating", value_name="answers")
    return long.sort("rating", descending=True, maintain_order=True)


def _remarks(rows: pl.DataFrame) -> list[str]:
    said = list[str]()
    if skipped := rows["skipped_answers"].sum():
        said.append(f"{skipped:,} questions of CSAT, NPS or FCR were left out by those who were asked.")
    if invalid := rows["invalid_answers"].sum():
        said.append(f"{invalid:,} answers are none on the scale of their question and are not counted.")
    if left_out := rows["surveys_left_out"].sum():
        said.append(f"Surveys of messaging in liveperson.survey, which liveperson.conversations has: {left_out:,}.")
    return said
