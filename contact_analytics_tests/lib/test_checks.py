"""Each check fails for what it promises, names the days, and says nothing otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.archive import ArchivedFile, ArchiveResource, ListedFile
from contact_analytics.lib.checks import check_specs, checks_of, evaluate
from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.extractions import Extraction, write_extraction
from contact_analytics.lib.materialization import rows_plot
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.survey import DATASET
from contact_analytics_tests.fakes import days_ago

DAY = days_ago(5)
MIDNIGHT = DATASET.end(DAY) - timedelta(days=1)
HOUR = timedelta(hours=1)
HOURS = tuple(MIDNIGHT + number * HOUR for number in range(24))
DUE = DATASET.end(DAY) + timedelta(hours=7)


def archived(archive: ArchiveResource, hours: Sequence[datetime]) -> list[ArchivedFile]:
    """A file an hour in the day's archive."""
    day = archive.day(DATASET.vendor, DATASET.name, DAY)
    listed = (ListedFile(f"{hour:%H}.json", "https://example.com", hour, hour + HOUR) for hour in hours)
    return [day.store(file, [b"{}"]) for file in listed]


def failing(folder: Path, sql: str = "", hours: Sequence[datetime] = HOURS, **facts: Any) -> dict[str, str]:
    """The checks that fail for a day after `sql`, and with other facts known of it; by their reasons.

    It has a file for each of the hours, and two rows from the first one.
    """
    archive, warehouse = ArchiveResource(root=str(folder / "a")), WarehouseResource(database=str(folder / "w.duckdb"))
    files = archived(archive, hours)
    names = tuple(file.name for file in files)
    size, scopes = sum(file.bytes for file in files), tuple(file.scope_start for file in files)
    rows = [[DAY, f"c{number}", name] for name in names[:1] for number in (1, 2)]
    known: dict[str, Any] = {"files": len(files), "file_names": names, "scopes": scopes, "bytes": size}
    known |= {"rows": len(rows), "listed_at": DUE, "loaded_at": datetime.now(UTC)}
    warehouse.prepare(DATASET)
    with warehouse.get_connection() as connection:
        write_extraction(connection, DATASET, DAY, Extraction("loaded", **known | facts))
        for row in rows:
            connection.execute(
                f"insert into {DATASET.sql_name} ({PARTITION}, conversation_id, id, type, _source_file) "
                "values (?, ?, 1, 1, ?)",
                row,
            )
        connection.execute(sql or "select 1")
        results = evaluate(connection, DATASET, archive)
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
            "delete from {t} where conversation_id = 'c1'",
            {},
            "archive_and_table_agree",
            "1 rows are in the table and 2",
        ),
        ("", {"unknown_fields": ({"field": "mood", "records": 1234},)}, "no_unknown_fields", "`mood` in 1,234 records"),
        (
            "insert into meta.quarantine (dataset, partition_date) select 'liveperson.survey', partition_date from {t}",
            {"quarantined": 2},
            "nothing_is_quarantined",
            "2 records",
        ),
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
    ("hours", "listed_at", "reason"),
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
    tmp_path: Path, hours: tuple[datetime, ...], listed_at: datetime | None, reason: str | None
) -> None:
    """Only a list made when the day was complete and not yet expiring tells that an hour was quiet."""
    found = failing(tmp_path, hours=hours, listed_at=listed_at)
    assert list(found) == (["hours_are_listed_or_explained"] if reason else [])
    assert not reason or reason in found["hours_are_listed_or_explained"]


def test_the_asset_declares_every_check() -> None:
    """With the promise as its description, true when it passes."""
    assert [spec.name for spec in check_specs(DATASET)] == [check.name for check in checks_of(DATASET)]
    assert all(spec.description for spec in check_specs(DATASET))


def test_the_plot_of_a_month_is_short_enough_to_be_shown_inline() -> None:
    """Dagster's UI hides Markdown of 1,000 characters and more behind a link."""
    month = {DAY - timedelta(days=back): Extraction("loaded", rows=10**9 - back) for back in range(30)}
    assert len(rows_plot(month, DAY)) < 1000
    assert len(rows_plot({}, DAY)) < 1000
