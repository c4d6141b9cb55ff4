"""Staging makes one row of each key, and lets nothing through that breaks a rule."""

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from contact_analytics.lib import staging as staging_module
from contact_analytics.lib.dataset import Decoded, Rejected
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.staging import Staging
from contact_analytics_tests.fakes import dataset_of

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Visit(dy.Schema):
    """One row a visit."""

    schema_version = field(dy.String, "Version")
    id = field(dy.String, "Visit", key=True)
    placed_at = instant("Time of the visit")
    name = field(dy.String, "Name")
    pages = many(record({"url": field(dy.String, "Address"), "n": field(dy.Int64, "Number")}), "Pages")


VISITS = dataset_of("visit", Visit)


def decoded(*rows: dict[str, Any], **facts: Any) -> Decoded:
    types = {name: column.dtype for name, column in Visit.columns().items()}
    types |= {"_extra": pl.String(), "_record": pl.Int64()}
    return Decoded(
        pl.DataFrame([{"_record": number, **row} for number, row in enumerate(rows, 1)], schema=types), **facts
    )


def staged(*files: Decoded) -> tuple[Staging, list[dict[str, Any]]]:
    with closing(Staging(VISITS)) as staging:
        for number, file in enumerate(files, 1):
            staging.add(f"{number}.gz", file)
        frames = list(staging.frames())
    return staging, [row for frame in frames for row in frame.to_dicts()]


def page(number: int) -> dict[str, Any]:
    return {"url": f"/{number}", "n": number}


@pytest.fixture(params=[10**9, 0], ids=["in one chunk", "in a chunk a file"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are staged together up to some size; what comes out does not depend on it."""
    monkeypatch.setattr(staging_module, "_CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("chunks")
def test_rows_of_several_files_are_all_there() -> None:
    """Each row once, with the file that it is from."""
    staging, rows = staged(decoded({"id": "a"}, {"id": "b"}), decoded(), decoded({"id": "c"}))
    assert {(row["id"], row["_source_file"]) for row in rows} == {("a", "1.gz"), ("b", "1.gz"), ("c", "3.gz")}
    assert staging.rows == 3
    assert "_record" not in rows[0]


@pytest.mark.usefixtures("chunks")
def test_identical_rows_are_one() -> None:
    """The same record twice, in one file or in two."""
    row = {"id": "a", "name": "A", "placed_at": NOON, "pages": [page(1), page(1), page(2)]}
    _, [once] = staged(decoded(row, row), decoded(row))
    assert {name: once[name] for name in row} == row


@pytest.mark.usefixtures("chunks")
def test_of_differing_rows_the_latest_value_wins_and_lists_are_joined() -> None:
    """A value is never lost to a null; an item of a list is there as often as in the file that has it most."""
    _, rows = staged(
        decoded(
            {"id": "a", "name": "old", "placed_at": NOON, "pages": [page(1), page(2)], "_extra": '{"x": 1, "y": 1}'},
            {"id": "b"},
        ),
        decoded({"id": "a", "name": "new", "pages": [page(2), page(2), page(3)], "_extra": '{"y": 2}'}),
        decoded({"id": "a", "pages": None}),
    )
    merged = next(row for row in rows if row["id"] == "a")
    assert len(rows) == 2
    assert merged["name"] == "new"
    assert merged["placed_at"] == NOON
    assert merged["pages"] == [page(1), page(2), page(2), page(3)]
    assert merged["_source_file"] == "3.gz"
    assert json.loads(merged["_extra"]) == {"x": 1, "y": 2}


@pytest.mark.usefixtures("chunks")
def test_rows_without_a_key_are_set_aside() -> None:
    """Two of them are no repetition of each other; reason, file, number and content are kept."""
    lost = {"name": "nobody", "placed_at": NOON}
    staging, rows = staged(decoded({"id": "a"}), decoded({"id": "b"}, lost, lost))
    assert {row["id"] for row in rows} == {"a", "b"}
    assert [(q.source_file, q.record, q.reason) for q in staging.quarantine] == [
        ("2.gz", 2, '"id" is missing'),
        ("2.gz", 3, '"id" is missing'),
    ]
    assert json.loads(staging.quarantine[0].raw)["name"] == "nobody"


def test_what_decoding_refused_is_counted_with_what_breaks_a_rule() -> None:
    """Bytes that are no text are kept as far as they are."""
    refused = decoded({"id": "a"}, rejected=[Rejected(7, "no JSON", b'{"a": \xff')], unknown=Counter(mood=3))
    staging, _ = staged(refused, decoded({"id": "b"}, unknown=Counter(mood=1, tone=1)))
    [quarantined] = staging.quarantine
    assert (quarantined.record, quarantined.reason, quarantined.raw) == (7, "no JSON", '{"a": \ufffd')
    assert staging.unknown == {"mood": 4, "tone": 1}


def test_the_day_is_summed_up() -> None:
    """First and last event and the vendor's schema versions, of the rows that are kept."""
    staging, _ = staged(
        decoded({"id": "a", "placed_at": NOON, "schema_version": "1"}),
        decoded({"id": "b", "schema_version": "2"}, {"id": "c", "placed_at": NOON.replace(hour=3)}),
    )
    assert (staging.first_event, staging.last_event) == (NOON.replace(hour=3), NOON)
    assert staging.schema_versions == {"1", "2"}


def test_a_day_without_files_has_no_frames() -> None:
    """An empty day is no error."""
    staging, rows = staged()
    assert rows == []
    assert (staging.rows, staging.first_event) == (0, None)
