"""A list that cannot be right changes nothing, until the vendor is whole again or somebody says that it is right."""

import pytest

from contact_analytics.lib.errors import SnapshotHeldBack
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.histories import LISTS, Account, archive_made, forget, told, without_run


def test_a_list_without_most_entries_is_held_back(account: Account) -> None:
    """Nothing changes, the check says so, and the next whole list goes past it."""
    account.run()
    before = account.rows()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.app.faults.append(Fault(LISTS, "truncated_list"))
    run = account.run()
    assert "is held back" in run.problem
    assert "force: true" in run.problem
    assert account.rows() == before
    assert not run.checks["reloads_never_shrink"].passed
    [stored] = account.stored().values()
    assert stored.problem_type == SnapshotHeldBack.__name__
    whole = account.run()
    assert whole.ok, whole.problem
    assert told(whole)["rows_opened"] == 1
    assert told(whole)["vanished"] == 0
    assert whole.checks["reloads_never_shrink"].passed
    assert told(account.run())["state"] == "unchanged"
    rebuilt = without_run(account.rows())
    assert account.run(source="archive").ok
    assert without_run(account.rows()) == rebuilt


def test_a_smaller_list_is_taken_by_force(account: Account) -> None:
    """When it is right after all; the archive knows the decision, so that a rebuild needs neither force nor table."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.app.faults.append(Fault(LISTS, "truncated_list", times=2))
    assert not account.run().ok
    run = account.run(force=True)
    assert run.ok, run.problem
    assert told(run)["vanished"] == len(account.ids()) - 3
    assert len(account.rows(condition="is_current")) == 3
    first, held_back, forced = account.snapshots()
    assert forced == held_back.replace(".json", "_forced.json")
    [stored] = account.stored().values()
    assert list(stored.file_names) == [first, forced]
    rows = without_run(account.rows())
    (account.folder / "warehouse.duckdb").unlink()
    assert account.run(source="archive").ok
    assert without_run(account.rows()) == rows


def test_force_takes_no_list_that_was_held_back_before(account: Account) -> None:
    """It is about the list that the vendor has now, and that one is whole."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.app.faults.append(Fault(LISTS, "truncated_list"))
    assert not account.run().ok
    run = account.run(force=True)
    assert run.ok, run.problem
    assert (told(run)["vanished"], told(run)["rows_opened"]) == (0, 1)
    assert not [name for name in account.snapshots() if "_forced" in name]
    rows = without_run(account.rows())
    assert account.run(source="archive", force=True).ok
    assert without_run(account.rows()) == rows


def test_force_asks_whatever_the_revision(account: Account) -> None:
    """Somebody has seen that most users are gone, under the revision of the list that is applied."""
    account.run()
    account.app.remove("users", *account.ids()[2:])
    assert told(account.run())["state"] == "unchanged"
    assert account.run(force=True).ok
    assert [row["id"] for row in account.rows(condition="is_current")] == account.ids()


def test_a_vendor_that_is_down_has_no_list_to_force(account: Account) -> None:
    """Nobody has seen whether the archived one is still the newest."""
    account.run()
    before = account.rows()
    archive_made(account, account.app.entities("users")[0])
    account.app.faults.append(Fault(LISTS, "503", times=99))
    assert "503" in account.run(force=True).problem
    assert account.rows() == before


def test_an_entry_that_vanished_by_mistake_comes_back(account: Account) -> None:
    """The vendor lists it again under the same revision, so it is not asked by that while somebody is missing."""
    account.run()
    lost = account.ids()[3]
    forget(account, lost)
    assert told(account.run())["vanished"] == 1
    account.app.restore()
    run = account.run()
    assert account.app.calls[-1].headers["If-Match"] == "-1"
    assert told(run)["rows_opened"] == 1
    assert [row["is_current"] for row in account.history_of(lost)] == [False, True]
    assert run.checks["no_entry_vanished"].passed
    account.run()
    assert account.app.calls[-1].headers["If-Match"] == str(account.app.revision)


@pytest.mark.parametrize("whole", [True, False])
def test_a_list_that_was_held_back_is_asked_for_again(account: Account, whole: bool) -> None:
    """Also if the revision is the applied list's: the vendor may be whole again, or somebody may force what it has."""
    account.run()
    kept = account.ids()[:2]
    account.app.remove("users", *account.ids()[2:])
    assert "is held back" in account.run(refetch=True).problem
    assert "is held back" in account.run().problem
    if whole:
        account.app.restore()
    run = account.run(force=not whole)
    assert run.ok, run.problem
    assert account.app.calls[-1].headers["If-Match"] == "-1"
    assert {row["id"] for row in account.rows(condition="is_current")} == set(account.ids() if whole else kept)
    assert run.checks["reloads_never_shrink"].passed


def test_force_on_the_archive_takes_no_list_that_was_held_back(account: Account) -> None:
    """It is for damaged and missing files; whether most users are gone is decided with the vendor's newest list."""
    account.run()
    account.app.change("users", account.ids()[0], nickname="Another")
    account.app.faults.append(Fault(LISTS, "truncated_list"))
    assert not account.run().ok
    rows = without_run(account.rows())
    account.run(source="archive", force=True)
    assert without_run(account.rows()) == rows
    assert not [name for name in account.snapshots() if "_forced" in name]


def test_a_vendor_that_is_whole_again_is_heard_after_several_partial_lists(account: Account) -> None:
    """The last of them has the very revision of the whole list."""
    account.run()
    missing, other, *_ = account.ids()
    account.app.remove("users", missing)
    for nickname in ("Another", "Yet another"):
        account.app.change("users", other, nickname=nickname)
        assert account.run().ok
    account.app.restore()
    run = account.run()
    assert run.ok, run.problem
    assert account.history_of(missing)[-1]["is_current"]
    assert run.checks["no_entry_vanished"].passed


def test_what_failed_is_over_when_a_run_has_worked(account: Account) -> None:
    """A problem stands for as long as there is one."""
    account.run()
    account.app.faults.append(Fault(LISTS, "503", times=99))
    assert not account.run().ok
    account.app.faults.clear()
    assert account.run().ok
    assert [each.problem for each in account.stored().values()] == [None]
