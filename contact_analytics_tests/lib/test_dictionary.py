"""The data dictionary says what the schemas say, of every table and every nested field."""

from datetime import timedelta

import dataframely as dy
import pytest

from contact_analytics import dictionary
from contact_analytics.lib.dataset import Dataset, Dimension
from contact_analytics.lib.dictionary import markdown
from contact_analytics.lib.schema import field, instant, many, record


class Call(dy.Schema):
    """One row a call."""

    call_id = field(dy.String, "Call", key=True, wire="callID", section="header")
    started_at = instant("Start of the call")
    waited = field(dy.Int64, "Time in the queue", unit="seconds", inferred=True)
    legs = many(record({"number": field(dy.String, "Caller | callee", personal=True)}), "Parts of the call")
    tags = many(field(dy.String, "Tag", bare=True), "Tags")
    outcome = record({"sale": record({"total": field(dy.Float64, "Value")}, "A sale", avro="SaleData")}, union=True)


CALLS = Dataset(
    vendor="acme",
    name="call_log",
    schema=Call,
    grain="One row a call.",
    documentation="https://acme.example/calls",
    event_time="started_at",
    retention=timedelta(days=14),
    lateness=timedelta(hours=1.5),
)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return markdown([CALLS]).splitlines()


def test_a_table_states_its_grain_key_retention_and_source(lines: list[str]) -> None:
    """What a reader asks first stands before the columns."""
    start = lines.index("## acme/call_log")
    assert lines[start + 2 : start + 9] == [
        "One row a call.",
        "",
        "- Table: `acme.call_log`",
        "- Primary key: `call_id`",
        "- Retention: the vendor deletes a day after 14 days; the archive keeps it",
        "- Due: 1.5 hours after the day's end",
        "- [The vendor's documentation](https://acme.example/calls)",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "| `call_id` | `VARCHAR` |  |  | Call | `header.callID` | key |",
        "| `started_at` | `TIMESTAMP WITH TIME ZONE` | yes | UTC | Start of the call | `startedAt` |  |",
        "| `waited` | `BIGINT` | yes | seconds | Time in the queue | `waited` | inferred |",
        "| `legs` | `STRUCT[]` | yes |  | Parts of the call | `legs` |  |",
        r"| `legs[].number` | `VARCHAR` | yes |  | Caller \| callee | `number` | personal |",
        "| `tags` | `VARCHAR[]` | yes |  | Tags | `tags` |  |",
        "| `outcome.sale` | `STRUCT` | yes |  | A sale | `SaleData` |  |",
        "| `outcome.sale.total` | `DOUBLE` | yes |  | Value | `total` |  |",
    ],
    ids=["key", "instant", "inferred", "list of records", "nested field", "list of values", "branch", "deep field"],
)
def test_every_column_has_a_line(lines: list[str], line: str) -> None:
    """Nested fields stand under their dotted path, with type, nullability, unit, meaning, vendor's field and marks."""
    assert lines.count(line) == 1


def test_the_columns_of_every_table_and_the_flat_views_are_listed(lines: list[str]) -> None:
    """Provenance is explained once; a view is listed for each list of records, none for a list of values."""
    assert "| `partition_date` | `DATE` |  | UTC day that the row belongs to; the partition |" in lines
    assert {"_source_file", "_extracted_at", "_run_id"} <= {line.split("`")[1] for line in lines if "`_" in line}
    assert lines[lines.index("Flat views:") + 2 :] == ["- `acme.call_log_legs`"]


def test_a_history_is_explained_once_and_named_as_one() -> None:
    """Its columns beside the vendor's, and how to read the list as it was."""
    agents = Dimension("acme", "agents", Call, "One row a state of an agent.", "https://acme.example/agents")
    text = markdown([CALLS, agents])
    assert text.count("## Columns of every history") == 1
    assert "| `valid_to` | `TIMESTAMP WITH TIME ZONE` | yes | " in text
    section = text[text.index("## acme/agents") :]
    assert "- Primary key: `call_id`, of the current rows; with `valid_from` of all" in section
    assert "Retention" not in section
    assert "- `acme.agents_legs`" in section
    assert "Columns of every history" not in markdown([CALLS])


def test_contents_lead_to_the_sections(lines: list[str]) -> None:
    """The address of a heading is what Markdown viewers make of it: the slash left out."""
    assert "- [`acme/call_log`](#acmecall_log): One row a call." in lines


def test_the_dictionary_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/dictionary.md is what `make dictionary` would write now."""
    assert dictionary.main(["--check"]) == 0, capsys.readouterr().err
