"""A report's page: HTML that needs nothing from elsewhere, for a phone, for print, and for a screen reader."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from contact_analytics.lib import charts
from contact_analytics.lib.charts import Chart
from contact_analytics.lib.figures import Figure

if TYPE_CHECKING:
    from great_tables import GT


_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Listing:
    """A table of the page."""

    caption: str
    table: "GT"


@dataclass(frozen=True)
class Page:
    """What a page holds beside its title and rules: headline figures, plots, tables, and remarks about this day."""

    headline: Mapping[str, str]
    figures: Sequence[Figure]
    listings: Sequence[Listing]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """Something that a page was made from, and in what state that was."""

    name: str
    state: str


_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  color: #1c2333; background: #f5f6f9; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
header p { margin: .25rem 0 1.25rem; color: #56607a; }
section, figure { background: #fff; border: 1px solid #e1e5ee; border-radius: .5rem; padding: 1rem; margin: 0 0 1rem; }
caption { text-align: left;
  font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
figure svg { width: 100%; min-width: 34rem; height: auto; display: block; overflow: visible; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; margin: 0 0 1rem; }
dl div { background: #fff; border: 1px solid #e1e5ee; border-radius: .5rem; padding: .75rem 1rem; }
dt { color: #56607a; font-size: .85rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid #4f43dd; }
li { margin: .25rem 0; overflow-wrap: anywhere; }
small { color: #56607a; }
@media print { body { background: #fff; } main { max-width: none; padding: 0; }
  section, figure, dl div { border-color: #bbb; } figure, tr { break-inside: avoid; }
  .wide { overflow: visible; } figure svg { min-width: 0; } }
"""


def listing(
    caption: str,
    frame: pl.DataFrame,
    *,
    decimals: Mapping[str, int] | None = None,
    percents: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
    header: str = "",
) -> Listing:
    """A frame as a table: numbers with their separators, columns by their names in words unless `titles` has others.

    `header` is the column that says what a row is about, and comes first: the first one unless it is given.
    """
    from great_tables import GT

    header = header or frame.columns[0]
    digits = {name: 0 for name, kind in frame.schema.items() if kind.is_integer()} | dict(decimals or {})
    named: dict[str, Any] = {name: name.replace("_", " ") for name in frame.columns} | dict(titles or {})
    texts = frame.with_columns(pl.col(header).cast(pl.String).fill_null(_NONE))
    table = GT(texts, id=re.sub(r"\W+", "-", caption.lower()), rowname_col=header).tab_stubhead(label=named.pop(header))
    for name, places in digits.items():
        table = table.fmt_number(columns=name, decimals=places)
    if percents:
        table = table.fmt_percent(columns=list(percents), decimals=0)
    return Listing(
        caption, table.cols_label(cases=named).sub_missing(missing_text=_NONE).tab_options(table_width="100%")
    )


def percent(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0%}"


def decimal(value: float | None, places: int = 2) -> str:
    return _NONE if value is None else f"{value:,.{places}f}"


def rendered(
    title: str, day: date, page: Page, *, grain: str, rules: Sequence[str], sources: Sequence[Source], made_at: datetime
) -> str:
    """The page as one HTML document."""
    headline = "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in page.headline.items())
    remarks = f"<section><h2>To note</h2>{_list(page.remarks)}</section>" if page.remarks else ""
    made = f"<p><small>Made on {made_at:%-d %B %Y at %H:%M} UTC</small></p>"
    body = [
        f"<header><h1>{_text(title)}</h1><p>{day:%A, %-d %B %Y}, UTC</p></header>",
        f"<dl>{headline}</dl>",
        remarks,
        *map(_figure, page.figures),
        *map(_listing, page.listings),
        f"<section><h2>How it is counted</h2><p>{_text(grain)}</p>{_list(rules)}</section>",
        f"<section><h2>Made from</h2>{_list([f'{each.name}: {each.state}' for each in sources])}{made}</section>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{_text(title)}, {day}</title><style>{_STYLE}</style></head>\n'
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def picture(chart: Chart) -> str:
    """A plot as Markdown for Dagster's UI."""
    return f"![plot](data:image/png;base64,{base64.b64encode(charts.png(chart)).decode()})"


def _figure(figure: Figure) -> str:
    caption = _text(figure.caption)
    # The drawing is one image to a screen reader, which would else read out each of its marks.
    drawing = re.sub(r"<svg ", '<svg aria-hidden="true" focusable="false" ', charts.svg(figure.chart), count=1)
    image = f'<div role="img" aria-label="{_text(figure.says)}">{drawing}</div>'
    return f"<figure><figcaption><h2>{caption}</h2></figcaption>{_wide(f'Plot: {caption}', image)}</figure>"


def _listing(listing: Listing) -> str:
    caption = _text(listing.caption)
    table = listing.table.as_raw_html(inline_css=False)
    start, tag, rest = table.partition("<table")
    attributes, _, rows = rest.partition(">")
    headed = f"{start}{tag}{attributes}><caption><h2>{caption}</h2></caption>{rows}"
    return f"<section>{_wide(f'Table: {caption}', headed)}</section>"


def _wide(label: str, content: str) -> str:
    """Something that may be wider than the screen: who has no mouse scrolls it with the keys."""
    return f'<div class="wide" role="region" aria-label="{label}" tabindex="0">{content}</div>'


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"


def _text(text: str) -> str:
    return html.escape(text)
