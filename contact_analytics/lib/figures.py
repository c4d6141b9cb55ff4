"""Plots with their figures in words, for those who listen to a page instead of looking at it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from contact_analytics.lib import charts
from contact_analytics.lib.charts import Chart

# As many figures as one listens to; of more, the extremes are said.
_MOST_SAID = 15
_NOTHING = "There is nothing to show."


@dataclass(frozen=True)
class Figure:
    """A plot with what it shows: `caption` is its heading, `says` what somebody hears who does not see it."""

    caption: str
    says: str
    chart: Chart


def plain(value: float) -> str:
    """A number as one says it: with one decimal place if it has any."""
    return f"{value:,.1f}".removesuffix(".0")


def bars(
    caption: str,
    frame: pl.DataFrame,
    *,
    category: str,
    value: str,
    colour: str = "",
    order: Sequence[str] = (),
    table: str = "",
    said: Callable[[float], str] = plain,
    colours: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Bars as `charts.bars` draws them; `table` is the caption of the one on the page that has the figures of many."""
    chart = charts.bars(
        frame, category=category, value=value, colour=colour, order=order, colours=colours, titles=titles
    )
    what = f"Bars of {_named(value, titles)}, one for each {_named(category, titles)}."
    return Figure(caption, f"{what} {_of_bars(frame, category, value, colour, said, table)}", chart)


def lines(
    caption: str,
    frame: pl.DataFrame,
    *,
    day: str,
    value: str,
    colour: str = "",
    order: Sequence[str] = (),
    said: Callable[[float], str] = plain,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Lines as `charts.lines` draws them."""
    chart = charts.lines(frame, day=day, value=value, colour=colour, order=order, titles=titles)
    each = f", one for each {_named(colour, titles)}" if colour else ""
    known = frame.drop_nulls(value).sort(day)
    parts = known.partition_by(colour, as_dict=True, maintain_order=True) if colour else {("",): known}
    told = [_of_line(str(name), part, day, value, said) for (name,), part in parts.items() if part.height]
    return Figure(caption, f"Line of {_named(value, titles)}{each}. {' '.join(told) or _NOTHING}", chart)


def _named(column: str, titles: Mapping[str, str] | None) -> str:
    return (titles or {}).get(column, column.replace("_", " "))


def _of_bars(
    frame: pl.DataFrame, category: str, value: str, colour: str, said: Callable[[float], str], table: str
) -> str:
    """Every bar with its parts, or the extremes of many and the parts of all of them."""
    rows = frame.drop_nulls(value)
    bars = rows.group_by(category, maintain_order=True).agg(pl.col(value).sum())
    if bars.is_empty():
        return _NOTHING
    if rows.height <= _MOST_SAID or not table:
        each = (
            f"{name}: {said(whole)}{_parts(rows.filter(pl.col(category) == name), colour, value, said)}"
            for name, whole in bars.iter_rows()
        )
        return f"{'; '.join(each)}."
    top, bottom = (bars.sort(value, descending=way, maintain_order=True).row(0) for way in (True, False))
    shown = f"the largest {charts.MOST_BARS} of {bars.height:,}" if bars.height > charts.MOST_BARS else f"{bars.height}"
    in_all = f" In all{_parts(rows, colour, value, said)}." if colour else ""
    return (
        f"Shown are {shown}. Highest: {top[0]} with {said(top[1])}. Lowest: {bottom[0]} with {said(bottom[1])}.{in_all}"
        f" The table \N{LEFT DOUBLE QUOTATION MARK}{table}\N{RIGHT DOUBLE QUOTATION MARK} has all figures."
    )


def _parts(rows: pl.DataFrame, colour: str, value: str, said: Callable[[float], str]) -> str:
    """What stacked bars are made of, in brackets."""
    if not colour:
        return ""
    sums = rows.group_by(colour, maintain_order=True).agg(pl.col(value).sum()).filter(pl.col(value) != 0)
    return f" ({', '.join(f'{name} {said(part)}' for name, part in sums.iter_rows())})"


def _of_line(name: str, rows: pl.DataFrame, day: str, value: str, said: Callable[[float], str]) -> str:
    """Where a line begins and ends, and how high and low it goes."""
    points: list[tuple[Any, float]] = rows.select(day, value).rows()
    told = [f"{said(amount)} on {at:%-d %B}" for at, amount in points]
    amounts = [amount for _, amount in points]
    high, low = told[amounts.index(max(amounts))], told[amounts.index(min(amounts))]
    whose = f"{name}: " if name else ""
    if len(points) == 1:
        return f"{whose}{told[0]}."
    return f"{whose}{len(points)} days from {told[0]} to {told[-1]}; highest {high}, lowest {low}."
