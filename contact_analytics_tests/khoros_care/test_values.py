"""What a file's texts become in the table: the same from JSON and from CSV, exact, and never a day lost for a cell."""

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_analytics.khoros_care.agents import agents_of
from contact_analytics.khoros_care.incoming_post import FORMAT, IncomingPost
from contact_analytics.khoros_care.report_format import ExportFormat, form_of_report
from contact_analytics.khoros_care.response import Response
from contact_analytics.khoros_care.user import FORMAT as USERS
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.text_table import as_type
from contact_analytics_tests.khoros_care.altered import DAY, csv_of, opened
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held

TIME = columns_of(IncomingPost)["post_received_date"]
SPAN = columns_of(Response)["response_tar"]
NAMES = ("CONVERSATION_ID", "PRIORITY", "POST_CONTENT", "POST_RECEIVED_DATE", "POST_IN_BUSINESS_HOUR", 'ODD, "one"')
# A file's first character may be a byte order mark, which is not told from one that begins a text.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\ufeff"), max_size=8)
CELLS = (
    st.none()
    | TEXTS
    | st.sampled_from(['"', ",", "\r", "\n", '\r\n"', " ", "\x00", "7", "7.0", "no", "2025-04-02 10:00:00"])
)
# Without a zone, as files have them.
YEARS = datetime(1970, 1, 2), datetime(2100, 1, 1)  # noqa: DTZ001
ZONES = ("UTC", "America/Chicago", "Asia/Kolkata")
WRITTEN = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S+0530",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M",
)


def read(column: Any, texts: list[str], zone: str = "UTC") -> list[Any]:
    return as_type(column, pl.Series(texts, dtype=pl.String), zone).to_list()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, CELLS)), min_size=1, max_size=5))
def test_json_and_csv_are_the_same_table(rows: list[dict[str, Any]]) -> None:
    """Row by row, with the same ids, the same `_extra`, and the same report of what is unknown."""
    files = {"json": json.dumps(rows).encode(), "csv": csv_of([{name: row[name] for name in NAMES} for row in rows])}
    found = {form: ExportFormat(FORMAT, "UTC").decode(text) for form, text in files.items()}
    assert {form: form_of_report(FORMAT, io.BytesIO(text)) for form, text in files.items()} == {
        form: form for form in files
    }
    tables = [
        [{**row, "_extra": json.loads(row["_extra"] or "{}")} for row in each.frame.to_dicts()]
        for each in found.values()
    ]
    assert tables[0] == tables[1]
    assert len(tables[0]) == len(rows)
    assert found["json"].unknown == found["csv"].unknown
    assert found["json"].rejected == found["csv"].rejected == []
    assert len({row["row_id"] for row in tables[0]}) == len(rows)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.datetimes(*YEARS), st.sampled_from(WRITTEN)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(ZONES),
    st.booleans(),
)
def test_times_are_the_instants_that_they_say(times: list[tuple[datetime, str]], zone: str, uniform: bool) -> None:
    """In whichever form, one in a column or several; without a zone of their own they are in the one asked for."""
    times = [(time, times[0][1] if uniform else form) for time, form in times]
    texts = [time.strftime(form) for time, form in times]
    assert read(TIME, texts, zone) == [_instant(text, form, zone) for text, (_, form) in zip(texts, times, strict=True)]


def _instant(text: str, form: str, zone: str) -> datetime | None:
    """By Python's own reader; an hour that the zone's clock skips is none."""
    if form.endswith(("Z", "+0530")):
        return datetime.strptime(text.replace("Z", "+0000"), form.replace("Z", "%z").replace("+0530", "%z")).astimezone(
            UTC
        )
    local = datetime.strptime(text, form).replace(tzinfo=ZoneInfo(zone))
    instant = local.astimezone(UTC)
    return instant if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local.replace(tzinfo=None) else None


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 400),
    st.integers(0, 59),
    st.integers(0, 59),
    st.sampled_from(["", "d ", ".", "d"]),
)
def test_spans_are_seconds(days: int, hours: int, minutes: int, seconds: int, mark: str) -> None:
    """With days before them or not; more than a day of hours is no mistake."""
    text = f"{days if mark else ''}{mark}{hours}:{minutes:02}:{seconds:02}"
    assert read(SPAN, [text]) == [float((((days if mark else 0) * 24 + hours) * 60 + minutes) * 60 + seconds)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        TEXTS
        | st.from_regex(r"\d{1,4}[-/:.]\d{1,3}[-/:]\d{1,5}[ T]?\d{0,2}:?\d{0,2}(:\d\d)?(Z|[+-]\d{4})?", fullmatch=True)
        | st.from_regex(r"-?\d{1,400}(\.\d+)?([eE]\d{1,4})?%?", fullmatch=True),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(ZONES),
)
def test_no_text_is_too_odd_to_be_read_or_left_out(texts: list[str], zone: str) -> None:
    """A value that Python and DuckDB can show, or none; never an error, which would cost the day."""
    for name in ("post_received_date", "priority", "post_in_business_hour", "post_content"):
        assert len(read(columns_of(IncomingPost)[name], texts, zone)) == len(texts)
    spans = read(SPAN, texts, zone)
    assert all(span is None or abs(span) < float("inf") for span in spans)


ODD = {
    "STATE_START_DATE": [
        "0000-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "0001-01-01T00:00:00+05:00",
        "2025-02-30 10:00:00",
    ],
    "STATE_END_DATE": ["9999-12-31T23:59:59-05:00"],
    "STATE_DURATION": ["１:02:03", "1:60:00", "-1:00:00"],
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_cell_costs_itself_alone(open_care: Open, name: str) -> None:
    """A date of a year that nothing can show, or a span that is none: kept as text, and every other value is there."""

    def odd(body: bytes) -> bytes:
        rows = json.loads(body)
        for row, text in zip(rows, ODD[name], strict=False):
            row[name] = text
        return json.dumps(rows).encode()

    place = opened(open_care, file=odd)
    run = place.materialize("raw_agent_states", DAY, timezone="America/Chicago")
    assert run.ok, run.problem
    rows = place.sent("raw_agent_states", DAY)
    assert len(place.rows("raw_agent_states")) == len(rows)
    extras = [json.loads(row["_extra"]) for row in place.rows("raw_agent_states") if row["_extra"]]
    assert sorted(text for extra in extras for text in extra.values()) == sorted(ODD[name])
    assert all(column.startswith(name) for extra in extras for column in extra)
    assert not run.checks["no_field_changed_type"].passed


@pytest.mark.parametrize(
    "order",
    [["USER_ID", "AGENT_DISPLAY_ID", "DISPLAY_NAME", "NAME"], ["NAME", "AGENT_DISPLAY_ID", "DISPLAY_NAME", "USER_ID"]],
)
def test_a_columns_own_name_goes_before_its_other_names(order: list[str]) -> None:
    """Wherever each stands; what is left over is kept by its own name."""
    text = json.dumps([dict(zip(order, order, strict=True))]).encode()
    [row] = ExportFormat(USERS, "UTC").decode(text).frame.to_dicts()
    assert (row["agent_display_id"], row["name"]) == ("AGENT_DISPLAY_ID", "NAME")
    assert json.loads(row["_extra"]) == {"USER_ID": "USER_ID", "DISPLAY_NAME": "DISPLAY_NAME"}
    [agent] = json.loads(agents_of(text))
    assert (agent["agent_display_id"], agent["name"]) == ("AGENT_DISPLAY_ID", "NAME")


def test_a_row_keeps_its_id_while_it_holds_the_same(open_care: Open) -> None:
    """Whatever the order of rows and columns, and whichever empty columns come beside."""

    def turned(body: bytes) -> bytes:
        rows = [dict(reversed(row.items())) | {"NEWS": None} for row in reversed(json.loads(body))]
        return json.dumps(rows).encode()

    place = opened(open_care)
    assert place.materialize("response", DAY).ok
    ids = {row["row_id"]: row["external_response_id"] for row in place.rows("response")}
    place.app.file = turned  # type: ignore[attr-defined]
    assert place.materialize("response", DAY).ok
    assert {row["row_id"]: row["external_response_id"] for row in place.rows("response")} == ids
    assert held(place, "response", DAY) == expected("response", place.sent("response", DAY)) != []
