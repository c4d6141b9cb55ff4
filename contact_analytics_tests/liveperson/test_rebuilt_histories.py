"""What was archived makes the history again, whatever came between, and never less of it than there was."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import dagster as dg
import dataframely as dy
import pytest
from duckdb import DuckDBPyConnection

from contact_analytics.lib.schema import field
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import users
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.histories import (
    LISTS,
    Account,
    NoCredentials,
    archive_alone,
    archive_made,
    asset_of,
    lists,
    told,
    without_run,
)


def test_a_run_that_was_killed_before_it_applied_a_list(account: Account) -> None:
    """The next run applies it, and is told that nothing is newer."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    archive_alone(account)
    run = account.run()
    assert run.ok, run.problem
    assert len(lists(run)) == 1
    assert len(account.snapshots()) == 2
    assert told(run)["state"] == "loaded"
    assert told(run)["rows_opened"] == 1
    assert told(account.run())["state"] == "unchanged"


def test_lists_are_applied_although_the_vendor_is_down(account: Account) -> None:
    """What is archived is stored, and the run fails with what the vendor said."""
    archive_alone(account)
    account.app.faults.append(Fault(LISTS, "503", times=99))
    run = account.run()
    assert "503" in run.problem
    assert len(account.rows()) == len(account.app.entities("users"))
    assert "503" in (account.stored()[datetime.now(UTC).date()].problem or "")
    account.app.faults.clear()
    assert told(account.run())["state"] == "unchanged"
    assert account.stored()[datetime.now(UTC).date()].problem is None


def test_a_rebuild_from_the_archive_makes_the_same_table(account: Account) -> None:
    """Without credentials and without a request; a warehouse that is gone is filled the same way."""
    account.run()
    first, second, *_ = account.ids()
    account.app.change("users", first, nickname="Another")
    account.run()
    account.app.delete("users", second)
    account.run()
    before = without_run(account.rows())
    account.select("update liveperson.users set nickname = 'by hand'")
    resources = {"liveperson_account_config": NoCredentials()}
    run = account.run(source="archive", resources=resources)
    assert run.ok, run.problem
    assert not run.requests
    assert told(run)["snapshots_applied"] == 3
    assert without_run(account.rows()) == before
    (account.folder / "warehouse.duckdb").unlink()
    assert account.run(source="archive", resources=resources).ok
    assert without_run(account.rows()) == before
    [stored] = account.stored().values()
    assert stored.file_names == account.snapshots()
    assert (stored.rows_current, stored.rows) == (len(account.ids()), len(before))


def test_an_empty_archive_cannot_be_rebuilt_from(account: Account) -> None:
    run = account.run(source="archive")
    assert "the archive holds no list" in run.problem


def test_a_rebuild_loses_no_history(account: Account) -> None:
    """An archive with fewer lists than were applied is held back, unless forced."""
    account.run()
    before = account.rows()
    [day] = (account.folder / "archive" / "liveperson" / "users").iterdir()
    day.rename(account.folder / "elsewhere")
    archive_made(account, account.app.entities("users")[0])
    problem = account.run(source="archive").problem
    assert "1 of the applied lists are gone or unreadable" in problem
    assert f"{len(before) - 1:,} entries would be gone" in problem
    assert account.rows() == before
    assert account.run(source="archive", force=True).ok
    assert len(account.rows()) == 1


def test_a_table_that_somebody_changed_is_made_again(account: Account) -> None:
    """Rows that are missing come back from the archive, without a list from the vendor."""
    account.run()
    before = without_run(account.rows())
    account.select("delete from liveperson.users where rowid < 3")
    run = account.run()
    assert run.ok, run.problem
    assert without_run(account.rows()) == before
    assert len(account.snapshots()) == 1
    assert run.checks["rows_come_from_the_archived_lists"].passed


def periods(account: Account) -> list[tuple[Any, ...]]:
    return [(row["id"], row["nickname"], row["valid_from"], row["valid_to"]) for row in account.rows()]


class Mistyped(users.Users):
    """A column that the archived lists have as text."""

    badge = field(dy.Int64, "Badge")


class Ambiguous(users.Users):
    """A key that many share."""

    id = field(dy.Int64, "User")
    user_type_id = field(dy.Int32, "0 system, 1 human, 2 bot", key=True)


@pytest.mark.parametrize("schema", [Mistyped, Ambiguous])
def test_a_rebuild_never_commits_less(account: Account, schema: type[dy.Schema]) -> None:
    """A schema under which the archived lists cannot be read keeps the history, says so until it can be made again."""
    for nickname in ("One", "Two"):
        account.app.change("users", account.ids()[0], nickname=nickname)
        account.app.faults.append(Fault(LISTS, "drifted_field", value={"badge": "gold"}))
        account.run()
    before = periods(account)
    changed = asset_of(replace(users.DIMENSION, schema=schema))
    for _ in range(2):
        run = account.run(asset=changed)
        assert run.ok, run.problem
        assert periods(account) == before
        assert not run.checks["rows_come_from_the_archived_lists"].passed
    problem = account.run(asset=changed, source="archive").problem
    assert "the rebuild from the archive is held back" in problem
    assert periods(account) == before
    again = account.run()
    assert again.checks["rows_come_from_the_archived_lists"].passed
    assert periods(account) == before


def test_a_list_that_did_not_get_into_the_manifest_is_taken_up(account: Account) -> None:
    """A run was killed in between, or the manifest is lost."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    archive_alone(account)
    [manifest] = (account.folder / "archive").rglob("manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text())[:1]))
    run = account.run()
    assert run.ok, run.problem
    assert told(run)["rows_opened"] == 1
    assert len(account.snapshots()) == 2
    rows = without_run(account.rows())
    manifest.unlink()
    assert told(account.run())["state"] == "unchanged"
    manifest.unlink()
    assert account.run(source="archive").ok
    assert without_run(account.rows()) == rows


@pytest.mark.parametrize(
    ("changed", "told_why"),
    [("7 as id", "1 entries would be gone"), ("timestamptz '2020-01-01' as valid_from", "rows are stored and")],
)
def test_rows_that_somebody_added_are_told(account: Account, changed: str, told_why: str) -> None:
    """A rebuild would remove them, so they stay until somebody decides."""
    account.run()
    rows = without_run(account.rows())
    account.select(f"insert into liveperson.users select * replace ({changed}) from liveperson.users limit 1")
    for _ in range(2):
        run = account.run()
        assert run.ok, run.problem
        check = run.checks["rows_come_from_the_archived_lists"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert len(account.rows()) == len(rows) + 1
    assert told_why in account.run(source="archive").problem
    run = account.run(source="archive", force=True)
    assert run.checks["rows_come_from_the_archived_lists"].passed
    assert without_run(account.rows()) == rows


class CountedWarehouse(WarehouseResource):
    """A warehouse that counts how often it is opened."""

    connections: ClassVar[list[str]] = []

    @contextmanager
    def get_connection(self) -> Generator[DuckDBPyConnection]:
        self.connections.append(self.database)
        with super().get_connection() as connection:
            yield connection


def test_an_unchanged_run_opens_the_warehouse_twice(account: Account) -> None:
    """Before the vendor is asked, and after: nobody waits for the vendor with it."""
    account.run()
    CountedWarehouse.connections.clear()
    warehouse = CountedWarehouse(database=account.warehouse.database)
    assert told(account.run(resources={"warehouse": warehouse}))["state"] == "unchanged"
    assert len(CountedWarehouse.connections) == 2


def test_a_column_that_is_added_later_loses_no_history(account: Account) -> None:
    """The history is made again from the archive: the new column is filled in old rows, and no change is made up."""
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"badge": "gold"}))
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"badge": "gold"}))
    account.run()
    before = [(row["id"], row["valid_from"], row["valid_to"]) for row in account.rows()]

    class Grown(users.Users):
        badge = field(dy.String, "Badge")

    grown = replace(users.DIMENSION, schema=Grown)
    run = account.run(asset=asset_of(grown))
    assert run.ok, run.problem
    assert [(row["id"], row["valid_from"], row["valid_to"]) for row in account.rows()] == before
    assert {row["badge"] for row in account.rows()} == {"gold"}
    assert {row["_extra"] for row in account.rows()} == {None}


def test_a_damaged_list_is_not_skipped_unless_forced(account: Account) -> None:
    """It may hold changes that no later one shows."""
    archive_alone(account)
    [path] = (account.folder / "archive").rglob("*_r*.json")
    path.write_bytes(b"[]")
    run = account.run()
    assert "is not the one that was stored" in run.problem
    assert not account.rows()
    assert account.run(source="archive", force=True).ok
    assert len(account.rows()) == len(account.app.entities("users"))


def test_a_history_that_cannot_be_made_again_goes_on(account: Account) -> None:
    """A damaged old list takes nothing away: the table stays, and the next list is applied to it."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.run()
    first, _ = sorted((account.folder / "archive").rglob("*_r*.json"))
    first.write_bytes(b"[]")
    account.select("delete from liveperson.users where is_current and nickname = 'Another'")
    before = account.rows()
    run = account.run()
    assert run.ok, run.problem
    assert told(run)["state"] == "unchanged"
    assert account.rows() == before
    assert not run.checks["rows_come_from_the_archived_lists"].passed
    account.app.change("users", account.ids()[1], nickname="Third")
    run = account.run()
    assert told(run)["rows_opened"] == 2
    assert not run.checks["rows_come_from_the_archived_lists"].passed
