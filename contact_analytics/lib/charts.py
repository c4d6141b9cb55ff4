"""Plots of reports, in one look: Vega-Lite specifications that are drawn without a browser and without the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

Chart = dict[str, Any]

# Each has a contrast of 3 to 1 or more on the white of the page.
COLOURS = ("#4f43dd", "#c97a10", "#2a9d8f", "#d1495b", "#5f6f86", "#7a9c1f", "#8d5fa8", "#b06a3f", "#3f88c5", "#868e9c")
# As many bars as can be told apart.
MOST_BARS = 40
_WIDTH, _ROW = 640, 20
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def bars(
    frame: pl.DataFrame,
    *,
    category: str,
    value: str,
    colour: str = "",
    order: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Chart:
    """Horizontal bars, one a category in the frame's order; stacked by `colour`, whose values stand in `order`.

    Of more than `MOST_BARS` categories the plot has the largest, and says so.
    """
    alt, titles = _altair(), titles or {}
    whole, frame = frame, largest(frame, category, value)
    categories = frame[category].unique(maintain_order=True).to_list()
    encoded: dict[str, Any] = {
        "x": alt.X(f"{value}:Q", title=titles.get(value, value), stack="zero", axis=alt.Axis(tickCount=8)),
        "y": alt.Y(f"{category}:N", title=titles.get(category), sort=categories, axis=alt.Axis(labelLimit=220)),
    }
    if colour:
        wanted = list(order) or frame[colour].unique(maintain_order=True).to_list()
        frame = frame.with_columns(_place=pl.col(colour).replace_strict(wanted, range(len(wanted)), default=None))
        encoded |= {"color": _coloured(alt, colour, wanted, colours, titles), "order": "_place:Q"}
    chart = alt.Chart(_rows(frame)).mark_bar(size=_ROW - 6).encode(**encoded)
    if left_out := whole[category].n_unique() - len(categories):
        chart = chart.properties(title=f"The largest {len(categories)}; {left_out:,} more are in the table.")
    return _finished(chart, _ROW * max(len(categories), 2))


def largest(frame: pl.DataFrame, category: str, value: str) -> pl.DataFrame:
    """The rows of the largest categories, as many as a plot can show, in the frame's order."""
    if frame[category].n_unique() <= MOST_BARS:
        return frame
    sums = frame.group_by(category, maintain_order=True).agg(pl.col(value).sum())
    kept = sums.sort(value, descending=True, maintain_order=True)[category].head(MOST_BARS)
    return frame.filter(pl.col(category).is_in(kept.implode()))


def lines(
    frame: pl.DataFrame,
    *,
    day: str,
    value: str,
    colour: str = "",
    order: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> Chart:
    """A line over days, one a value of `colour`; a day on its own is a point."""
    alt, titles = _altair(), titles or {}
    encoded: dict[str, Any] = {
        "x": alt.X(
            f"{day}:T",
            title=titles.get(day),
            # A date is read as midnight UTC: in the zone of the machine it would be the day before west of Greenwich.
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format="%-d %b", values=_marked(frame[day]), labelOverlap=True, labelSeparation=8),
        ),
        "y": alt.Y(f"{value}:Q", title=titles.get(value, value), scale=alt.Scale(zero=True)),
    }
    if colour:
        wanted = list(order) or frame[colour].unique(maintain_order=True).to_list()
        encoded["color"] = _coloured(alt, colour, wanted, None, titles)
    chart = alt.Chart(_rows(frame)).mark_line(point=True, strokeWidth=2).encode(**encoded)
    return _finished(chart, 240)


def grid(
    frame: pl.DataFrame,
    *,
    column: str,
    row: str,
    colour: str,
    colours: Mapping[str, str],
    rows: Sequence[str],
    titles: Mapping[str, str] | None = None,
) -> Chart:
    """Cells coloured by what they hold: columns in the frame's order, rows in the order of `rows`."""
    alt, titles = _altair(), titles or {}
    columns = frame[column].unique(maintain_order=True).to_list()
    chart = alt.Chart(_rows(frame)).mark_rect(stroke="white", strokeWidth=1)
    chart = chart.encode(
        x=alt.X(f"{column}:O", title=titles.get(column), sort=columns, axis=alt.Axis(labelAngle=-90, grid=False)),
        y=alt.Y(f"{row}:N", title=titles.get(row), sort=list(rows), axis=alt.Axis(labelLimit=260, grid=False)),
        color=_coloured(alt, colour, list(colours), colours, titles),
    )
    return _finished(chart, _ROW * max(len(rows), 1))


def svg(chart: Chart) -> str:
    """The plot as SVG; it scales with what surrounds it."""
    import vl_convert

    return vl_convert.vegalite_to_svg(chart)


def png(chart: Chart) -> bytes:
    """The plot as PNG, as large as Dagster's UI shows it."""
    import vl_convert

    return vl_convert.vegalite_to_png(chart)


def _altair() -> Any:
    """Altair, which costs a third of a second that only a report that is made needs to spend."""
    import altair as alt

    return alt


def _rows(frame: pl.DataFrame) -> Any:
    """The frame's rows as Altair's inline data, dates as text."""
    dates = [name for name, kind in frame.schema.items() if kind == pl.Date]
    return _altair().Data(values=frame.with_columns(pl.col(dates).cast(pl.String)).to_dicts())


def _marked(days: pl.Series) -> list[int]:
    """Days to write at an axis, in milliseconds: those that have a value, and no more than fit."""
    known = days.drop_nulls().unique().sort()
    return known.gather_every(max(1, -(-known.len() // 8))).dt.epoch("ms").to_list()


def _coloured(
    alt: Any, name: str, wanted: Sequence[Any], colours: Mapping[str, str] | None, titles: Mapping[str, str]
) -> Any:
    chosen = [(colours or {}).get(value, COLOURS[place % len(COLOURS)]) for place, value in enumerate(wanted)]
    legend = alt.Legend(title=titles.get(name), orient="top", columns=4, labelLimit=200)
    return alt.Color(f"{name}:N", scale=alt.Scale(domain=list(wanted), range=chosen), legend=legend)


def _finished(chart: Any, height: int) -> Chart:
    sized = chart.properties(width=_WIDTH, height=height).configure(
        font=_FONT, background="white", padding={"left": 14, "right": 8, "top": 6, "bottom": 6}
    )
    return (
        sized.configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", grid=True)
        .configure_view(stroke=None)
        .configure_mark(color=COLOURS[0])
        .configure_legend(labelFontSize=12)
        .configure_title(fontSize=12, fontWeight="normal", anchor="start")
        .to_dict()
    )
