"""What LivePerson's lists of users, skills and agent groups said on a day, as reports that join them read it."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from contact_analytics.lib.report import Input

USERS, SKILLS, AGENT_GROUPS = "liveperson.users", "liveperson.skills", "liveperson.agent_groups"


def held_on_the_day(table: str, columns: Mapping[str, Any], *, selected: str = "") -> Input:
    """A list's entries as they were when a day ended, or as they are known first, where nobody had looked before.

    Of an entry that is gone it is what was known last; `selected` is the SQL of columns that are not the list's own.
    """
    return Input(
        table,
        f"select distinct on (id) {selected or ', '.join(columns)} from {table} "
        "order by id, valid_from >= $day + 1, abs(epoch_us(valid_from) - epoch_us(($day + 1)::timestamptz))",
        columns,
        history=True,
    )


def names(table: str) -> Input:
    """The names of a list's entries by their ids."""
    return held_on_the_day(table, {"id": pl.Int64, "name": pl.String})
