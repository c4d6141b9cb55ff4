"""Each check fails for what it promises, names the days, and says nothing otherwise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.checks import check_specs, checks_of, evaluate, newest_due_day
from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.extractions import Extraction, write_extraction
from contact_analytics.lib.materialization import rows_plot
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.survey import DATASET
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.fakes import days_ago

DAY = days_ago(5)
MIDNIGHT = DATASET.end(DAY) - timedelta(days=1)
HOURS = tuple(MIDNIGHT + timedelta(hours=hour) for hour in range(24))
DUE = DATASET.end(DAY) + timedelta(hours=7)
WHOLE = Extraction("loaded", files=1, file_names=("f.gz",), scopes=HOURS, rows=2, listed_at=DUE, loaded_at=DUE)


def failing(folder: Path, sql: str = "", **facts: Any) -> dict[str, str]:
    """The checks that fail for a day of two rows after `sql`, and with other facts known of it; by their reasons."""
    warehouse = WarehouseResource(database=str(folder / "w.duckdb"))
    warehouse.prepare(DATASET)
    with warehouse.get_connection() as connection:
        write_extraction(connection, DATASET, DAY, Extraction(**(vars(WHOLE) | facts)))
        for number in (1, 2):
            connection.execute(
                f"insert into {DATASET.sql_name} ({PARTITION}, conversation_id, id, type, _source_file) "
                "values (?, ?, 1, 1, 'f.gz')",
                [DAY, f"c{number}"],
            )
        connection.execute(sql or "select 1")
        results = evaluate(connection, DATASET)
    assert [result.check_name for result in results] == [check.name for check in checks_of(DATASET)]
    return {result.check_name or "": reason_of(result) for result in results if not result.passed}


def reason_of(result: dg.AssetCheckResult) -> str:
    days = result.metadata["newest_failing_days"]
    assert isinstance(days, dg.TableMetadataValue)
    [record] = days.records
    assert record.data["day"] == str(DAY)
    return str(record.data["reason"])


def test_a_whole_day_passes_every_check(tmp_path: Path) -> None:
    """No alarm without a cause."""
    assert failing(tmp_path) == {}


@pytest.mark.parametrize(
    ("sql", "facts", "check", "reason"),
    [
        ("update {t} set conversation_id = 'c1'", {}, "primary_key_is_unique", "1 rows too many"),
        ("update {t} set id = null where conversation_id = 'c1'", {}, "primary_key_is_present", "1 rows without"),
        (
            "update {t} set _source_file = 'g.gz'",
            {},
            "rows_come_from_the_days_files",
            "2 rows more, fewer or from other",
        ),
        ("delete from {t} where conversation_id = 'c1'", {}, "rows_come_from_the_days_files", "1 rows more, fewer"),
        ("", {"rows": 5}, "rows_come_from_the_days_files", "3 rows"),
        ("", {"unknown_fields": ({"field": "mood", "records": 1234},)}, "no_unknown_fields", "`mood` in 1,234 records"),
        ("", {"quarantined": 3}, "nothing_is_quarantined", "3 records"),
        ("", {"problem": "Less.", "problem_type": "DayHeldBack"}, "reloads_never_shrink_a_day", "Less."),
    ],
)
def test_a_broken_promise_names_day_and_reason(
    tmp_path: Path, sql: str, facts: dict[str, Any], check: str, reason: str
) -> None:
    """One check fails, the others pass."""
    found = failing(tmp_path, sql.format(t=DATASET.sql_name), **facts)
    assert list(found) == [check]
    assert found[check].startswith(reason)


def test_another_problem_is_no_shrinking(tmp_path: Path) -> None:
    """A message that happens to hold the words does not fail the check."""
    assert failing(tmp_path, problem="held back by a proxy", problem_type="ApiUnavailable") == {}


@pytest.mark.parametrize(
    ("scopes", "listed_at", "reason"),
    [
        (HOURS[:-2], DUE, None),
        ((), DUE, None),
        (HOURS[:-2], None, "never asked"),
        (HOURS[:-2], DATASET.end(DAY) + timedelta(hours=5), "before it was due"),
        (HOURS[2:], MIDNIGHT + timedelta(days=30), "begun to delete"),
        (HOURS, None, None),
    ],
)
def test_an_hour_without_a_file_was_quiet_or_is_explained(
    tmp_path: Path, scopes: tuple[datetime, ...], listed_at: datetime | None, reason: str | None
) -> None:
    """Only a list made when the day was complete and not yet expiring tells that an hour was quiet."""
    found = failing(tmp_path, scopes=scopes, listed_at=listed_at)
    assert list(found) == (["hours_are_listed_or_explained"] if reason else [])
    assert not reason or reason in found["hours_are_listed_or_explained"]


def test_the_asset_declares_every_check() -> None:
    """With the promise as its description, true when it passes."""
    assert [spec.name for spec in check_specs(DATASET)] == [check.name for check in checks_of(DATASET)]
    assert all(spec.description for spec in check_specs(DATASET))


def test_the_newest_due_day_counts_not_the_newest_day() -> None:
    """Within the vendor's hours of grace yesterday is not missed; after them it is."""
    with dg.DagsterInstance.ephemeral() as instance:
        before = DAY - timedelta(days=1)
        for day in (before - timedelta(days=1), before):
            instance.report_runless_asset_event(dg.AssetMaterialization(DATASET.key, partition=str(day)))
        early = newest_due_day(instance, DATASET, PARTITIONS, DATASET.end(DAY) + timedelta(hours=5, minutes=59))
        late = newest_due_day(instance, DATASET, PARTITIONS, DATASET.end(DAY) + timedelta(hours=6))
    assert early.passed
    assert early.metadata["newest_due_day"].value == str(before)
    assert not late.passed
    missing = late.metadata["missing_days"].value
    assert isinstance(missing, list)
    assert missing[-2:] == [str(before - timedelta(days=2)), str(DAY)]
    assert len(missing) == 28
    assert late.metadata["gaps"].value == [str(DAY)]


def test_a_gap_behind_the_newest_day_is_not_forgotten() -> None:
    """A day that failed while later ones came in stays a warning until it is stored; days before the first do not."""
    gap = DAY - timedelta(days=3)
    stored = [DAY - timedelta(days=back) for back in (0, 1, 2, 4)]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in stored:
            instance.report_runless_asset_event(dg.AssetMaterialization(DATASET.key, partition=str(day)))
        before = newest_due_day(instance, DATASET, PARTITIONS, DATASET.end(DAY) + timedelta(hours=7))
        instance.report_runless_asset_event(dg.AssetMaterialization(DATASET.key, partition=str(gap)))
        after = newest_due_day(instance, DATASET, PARTITIONS, DATASET.end(DAY) + timedelta(hours=7))
    assert not before.passed
    assert before.metadata["gaps"].value == [str(gap)]
    assert after.passed


def test_nothing_is_due_before_the_first_day() -> None:
    """A start date in the future is no success."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = newest_due_day(instance, DATASET, PARTITIONS, datetime(2000, 1, 1, tzinfo=UTC))
    assert not result.passed
    assert result.metadata["newest_due_day"].value == "none"


def test_the_plot_of_a_month_is_short_enough_to_be_shown_inline() -> None:
    """Dagster's UI hides Markdown of 1,000 characters and more behind a link."""
    month = {DAY - timedelta(days=back): Extraction("loaded", rows=10**9 - back) for back in range(30)}
    assert len(rows_plot(month, DAY)) < 1000
    assert len(rows_plot({}, DAY)) < 1000
