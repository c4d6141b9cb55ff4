"""`meta.extractions` and `meta.quarantine` are for people to query: what is documented of them is so."""

import re
from pathlib import Path
from typing import Any

import dataframely as dy
import pytest

from contact_analytics.lib.dataset import describe
from contact_analytics.lib.extractions import Extractions, Quarantine
from contact_analytics.lib.schema import columns_of, duckdb_type
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.fakes import Place, days_ago

TEXT = (Path(__file__).parents[2] / "docs" / "extractions.md").read_text()
QUERIES: list[str] = re.findall(r"```sql\n(.+?)```", TEXT, re.DOTALL)
FIRST, GAP, LAST = days_ago(6), days_ago(5), days_ago(4)


def query(words: str) -> str:
    """The documented query that has some words."""
    [found] = [each for each in QUERIES if words in each]
    return found


@pytest.fixture
def filled(place: Place) -> Place:
    """A place with a day that is missing between two, a failed day, a refused record and an unknown field."""
    files = place.app.files("survey", FIRST)
    place.app.faults.append(Fault(files[0].href_name, "wrong_type"))
    place.app.faults.append(Fault(files[1].href_name, "drifted_field", value={"mood": {"string": "sunny"}}))
    for day in (FIRST, LAST):
        assert place.materialize("survey", day).ok
    assert not place.materialize("survey", days_ago(40)).ok
    return place


@pytest.mark.parametrize("schema", [Extractions, Quarantine])
def test_each_column_is_documented_as_the_schema_says(schema: type[dy.Schema]) -> None:
    """Name, type and meaning, in the table's order."""
    _, _, section = TEXT.partition(f"## `meta.{schema.__name__.lower()}`")
    lines = [
        f"| `{name}` | {duckdb_type(column.dtype)} | {describe(column)} |".replace('"', "")
        for name, column in columns_of(schema).items()
    ]
    assert "\n".join(["| --- | --- | --- |", *lines, ""]) in section.partition("\n## ")[0] + "\n"


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_each_query_of_the_documentation_finds_something(filled: Place, number: int) -> None:
    """On a real warehouse, as it stands there."""
    assert filled.select(QUERIES[number])


def test_the_documented_queries_tell_what_happened(filled: Place) -> None:
    """What failed, which day is missing, what adds up, and what is new."""

    def rows(words: str) -> list[dict[str, Any]]:
        return filled.select(query(words))

    [failed] = rows("where problem is not null")
    assert (failed["partition_date"], failed["problem_type"]) == (days_ago(40), "RetentionExpired")
    assert rows("anti join stored") == [{"dataset": "liveperson.survey", "partition_date": GAP}]
    counted = [(row["partition_date"], row["quarantined"], row["released"]) for row in rows("as unaccounted")]
    assert counted == [(FIRST, 1, None), (LAST, 0, None)]
    months = rows("as megabytes")
    assert sum(month["days"] for month in months) == 2
    assert sum(month["rows"] for month in months) == len(filled.rows("survey"))
    [new] = rows("unnest(unknown_fields)")
    assert "mood" in new["field"]
    assert (new["first_day"], new["last_day"], new["records"]) == (FIRST, FIRST, 1)
    [reason] = rows("from meta.quarantine")
    assert (reason["records"], reason["days"]) == (1, 1)
    assert "expected" in reason["reason"]


def test_what_has_no_days_lacks_none(filled: Place) -> None:
    """A report without partitions is made now and then; the days on which it was not are no gaps."""
    filled.select(
        "insert into meta.extractions by name select 'reports.agents' as dataset, unnest(?::date[]) as partition_date, "
        "'loaded' as state",
        [[days_ago(20), LAST]],
    )
    assert {row["dataset"] for row in filled.select(query("anti join stored"))} == {"liveperson.survey"}


def test_what_left_the_quarantine_is_counted(filled: Place) -> None:
    """By the documented query, after the day was loaded again."""
    assert filled.materialize("survey", FIRST, refetch=True).ok
    [first, _] = filled.select(query("as unaccounted"))
    assert (first["quarantined"], first["released"]) == (0, 1)
