"""What a run does is counted, so that a change that makes it do more is seen: no clock is looked at."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import duckdb
import pytest

from contact_analytics.lib.bodies import by_documents
from contact_analytics.lib.csv_text import by_records
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics_tests.fakes import Materialized, Place, days_ago

FIRST, LAST = days_ago(6), days_ago(4)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]


@pytest.fixture
def place(tmp_path: Path, instance: dg.DagsterInstance) -> Place:
    return Place(tmp_path, instance)


class ObservedWarehouse(WarehouseResource):
    """The real one, whose every connection writes down what it is told."""

    folder: str

    def opened(self, path: Path) -> duckdb.DuckDBPyConnection:
        connection = super().opened(path)
        connection.execute(f"set log_query_path = '{self.folder}/{uuid4()}.sql'")
        return connection


def observed(place: Place) -> tuple[Materialized, Counter[str]]:
    """A run of the days, and the statements that DuckDB was given, by their first two words."""
    logs = place.folder / "statements"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    warehouse = ObservedWarehouse(database=place.warehouse.database, wait_seconds=5, folder=str(logs))
    run = place.materialize("engagement", FIRST, LAST, resources={"warehouse": warehouse})
    assert run.ok, run.problem
    words = (line.split() for log in logs.iterdir() for line in log.read_text().splitlines())
    return run, Counter(" ".join(line[:2]).rstrip(";").lower() for line in words if line)


def asked(run: Materialized, what: Callable[[str], bool]) -> int:
    return sum(what(path) for _, path in run.requests)


def test_a_backfill_lists_each_day_once_and_fetches_each_file_once(place: Place) -> None:
    """And nothing else is asked of the vendor, once it is known where it answers."""
    run, _ = observed(place)
    files = sum(len(place.app.files("engagement", day)) for day in DAYS)
    assert asked(run, lambda path: path.endswith("/engagement")) == len(DAYS)
    assert asked(run, lambda path: path.endswith(".gz")) == files
    assert len(run.requests) <= len(DAYS) + files + 1


def test_a_day_is_one_transaction_and_one_insertion(place: Place) -> None:
    """Over all of its files, however small they are: a table of many columns costs by the statement."""
    _, statements = observed(place)
    assert statements["begin"] == statements["commit"] == 1 + len(DAYS)  # the table itself, and its days
    assert statements["insert into"] <= 2 * len(DAYS)  # rows, and what is known of the day
    assert statements["delete from"] <= 3 * len(DAYS)
    assert statements["set timezone"] == 2 + len(DAYS)  # to prepare, for each day, for the checks


def test_an_unchanged_day_is_listed_and_nothing_more(place: Place) -> None:
    """One call a day, no download, nothing decoded, and one row changed."""
    observed(place)
    again, statements = observed(place)
    assert asked(again, lambda path: path.endswith("/engagement")) == len(DAYS)
    assert len(again.requests) <= len(DAYS) + 1
    assert statements["insert into"] == statements["delete from"] == 0
    assert statements["update meta.extractions"] == len(DAYS)
    assert {again.metadata(day)["state"] for day in DAYS} == {"unchanged"}


def test_a_day_more_is_two_events_more(place: Place) -> None:
    """A line of progress and the materialization: each event is written and shown, and costs more than a small day."""
    several, _ = observed(place)
    one = place.materialize("engagement", LAST, force=True)
    events = [len(place.instance.all_logs(run.result.run_id)) for run in (one, several)]
    planned = len(DAYS) - 1  # Dagster's own, a day
    assert events[1] - events[0] <= 2 * (len(DAYS) - 1) + planned


@pytest.mark.parametrize(
    ("cut", "record"),
    [(by_documents, b'{"a": "%s"}\n' % (b"x" * 200)), (by_records, b'1,"%s"\n' % (b"x" * 200))],
    ids=["documents", "records"],
)
def test_a_large_file_is_decoded_some_megabytes_at_a_time(cut: Callable[..., object], record: bytes) -> None:
    """So that memory holds parts of it, and few, as each has its own cost."""
    text = record * (40_000_000 // len(record))
    pieces = (text[start : start + (1 << 20)] for start in range(0, len(text), 1 << 20))
    sizes = [len(part) for part in cut(pieces)]  # type: ignore[attr-defined]
    assert max(sizes) <= 12 << 20
    assert len(sizes) <= 12
