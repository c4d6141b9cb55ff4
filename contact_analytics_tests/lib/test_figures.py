"""Plots say what they show, show what can be told apart, and mean the same wherever they are drawn."""

import os
import re
import subprocess
import sys
from datetime import date, timedelta

import polars as pl
import pytest

from contact_analytics.lib import charts, figures
from contact_analytics.reports.agent_utilization_page import COLOURS as OF_STATES

GROUPS = pl.DataFrame(
    {"team": ["A", "A", "B"], "state": ["on", "off", "on"], "hours": [10.0, 2.5, 3.0]},
)
_DAYS = """
from datetime import date
import polars as pl
from contact_analytics.lib import charts
frame = pl.DataFrame({"day": [date(2026, 10, 30), date(2026, 11, 1), date(2026, 11, 2)], "value": [1.0, 2.0, 3.0]})
print(charts.svg(charts.lines(frame, day="day", value="value")))
"""


def test_bars_say_each_figure_and_its_parts() -> None:
    """As the plot shows them."""
    figure = figures.bars("Hours", GROUPS, category="team", value="hours", colour="state")
    assert figure.says == "Bars of hours, one for each team. A: 12.5 (on 10, off 2.5); B: 3 (on 3)."


def test_many_bars_say_the_extremes_and_name_the_table() -> None:
    """Nobody listens to a hundred and fifty figures, and nobody sees so many bars: there are the largest, in order."""
    frame = pl.DataFrame({"team": [f"T{number:03}" for number in range(150)], "hours": range(150)})
    figure = figures.bars("Hours", frame, category="team", value="hours", table="By team")
    assert "Shown are the largest 40 of 150. Highest: T149 with 149. Lowest: T000 with 0." in figure.says
    assert figure.says.endswith(
        "The table \N{LEFT DOUBLE QUOTATION MARK}By team\N{RIGHT DOUBLE QUOTATION MARK} has all figures."
    )
    drawn = charts.svg(figure.chart)
    assert re.findall(r">(T\d{3})<", drawn) == [f"T{number:03}" for number in range(110, 150)]
    assert "The largest 40; 110 more are in the table." in drawn
    assert "The largest" not in charts.svg(charts.bars(frame.head(40), category="team", value="hours"))


def test_lines_say_where_they_begin_and_end_and_how_far_they_go() -> None:
    """One after the other; a day on its own is that day."""
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(3)]
    frame = pl.DataFrame({"day": [*days, days[0]], "rate": [0.5, 0.25, 0.4, 0.1], "team": ["A", "A", "A", "B"]})
    figure = figures.lines("Rates", frame, day="day", value="rate", colour="team", said=lambda rate: f"{rate:.0%}")
    assert figure.says == (
        "Line of rate, one for each team. A: 3 days from 50% on 1 March to 40% on 3 March; highest 50% on 1 March, "
        "lowest 25% on 2 March. B: 10% on 1 March."
    )


def test_a_plot_of_nothing_says_so() -> None:
    """Neither silence nor an invented figure."""
    none = GROUPS.clear().with_columns(day=pl.lit(None, pl.Date))
    assert figures.bars("Hours", none, category="team", value="hours").says.endswith("There is nothing to show.")
    assert figures.lines("Hours", none, day="day", value="hours").says.endswith("There is nothing to show.")


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Tokyo"])
def test_a_line_has_its_days_wherever_it_is_drawn(zone: str) -> None:
    """West of Greenwich as east of it, and where the clock is put back among them."""
    environment = os.environ | {"TZ": zone}
    drawn = subprocess.run([sys.executable, "-c", _DAYS], env=environment, capture_output=True, text=True, check=True)
    points = r'aria-label="day: (\d+ \w+); value: \d" role="graphics-symbol" aria-roledescription="point"'
    assert (
        re.findall(points, drawn.stdout) == re.findall(r">(\d+ \w{3})<", drawn.stdout) == ["30 Oct", "1 Nov", "2 Nov"]
    )


@pytest.mark.parametrize("colour", [*charts.COLOURS, *OF_STATES.values()])
def test_colours_stand_out_from_the_page(colour: str) -> None:
    """By 3 to 1 or more on white, as WCAG asks of what is not text."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 3
