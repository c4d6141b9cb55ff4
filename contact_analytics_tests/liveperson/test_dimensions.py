"""Users, skills and agent groups keep the history that they promise, from the vendor's list to the table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.dimension_checks import DIMENSION_CHECKS
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics_tests.histories import (
    KINDS,
    LISTS,
    MODULES,
    Account,
    archive_made,
    forget,
    lists,
    told,
    without_run,
)

NAMES = list(MODULES)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_has_what_the_vendor_has(account: Account, name: str) -> None:
    """Each entry as it is now, nested parts and times included; a deleted one has a row that never held."""
    run = account.run(name)
    assert run.ok, run.problem
    rows = {row["id"]: row for row in account.rows(name)}
    truth = {entity["id"]: entity for entity in account.app.entities(KINDS[name])}
    assert rows.keys() == truth.keys()
    assert {key for key, row in rows.items() if row["is_current"]} == set(account.ids(name))
    for key, row in rows.items():
        for column, declared in MODULES[name].DIMENSION.schema.columns().items():
            wire = (declared.metadata["facts"].wire) or _camel(column)
            assert _plain(row[column]) == truth[key].get(wire), column
        assert row["valid_to"] == (row["valid_from"] if truth[key]["deleted"] else None)
        assert row["_extra"] is None
        assert [row["_source_file"]] == account.snapshots(name)
    assert all(check.passed for check in run.checks.values())
    assert {check.check_name for check in run.checks.values()} == {check.name for check in DIMENSION_CHECKS}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", NAMES)
def test_twice_without_a_change_is_one_call_and_no_new_row(account: Account, name: str) -> None:
    """The second run names the revision it has and is answered that it still holds."""
    account.run(name)
    before = account.rows(name)
    again = account.run(name)
    assert again.ok, again.problem
    assert len(lists(again)) == 1
    assert len(again.requests) == 2
    assert told(again)["state"] == "unchanged"
    assert told(again)["calls"] == 1
    assert account.rows(name) == before
    assert len(account.snapshots(name)) == 1
    assert all(check.passed for check in again.checks.values())


def test_the_data_version_tells_a_change_of_what_holds(account: Account) -> None:
    """What is made from the list is made again when an entry has another state, and not after every look."""
    first = _version(account)
    account.app.text_ids = True
    assert _version(account) == _version(account, refetch=True) == first
    assert len(account.snapshots()) == 2
    key, other = account.ids()[:2]
    account.app.change("users", key, nickname="Another")
    changed = _version(account)
    account.app.change("users", other, deleted=True)
    assert len({first, changed, _version(account), _version(account)}) == 3


def _version(account: Account, **config: Any) -> str:
    """The data version of the materialization that a look ends with."""
    run = account.run(**config)
    assert run.ok, run.problem
    [event] = run.result.get_asset_materialization_events()
    return (event.step_materialization_data.materialization.tags or {})["dagster/data_version"]


def test_one_renamed_and_one_deleted(account: Account) -> None:
    """Two closed rows, one new, and the deleted one closed for good."""
    account.run()
    renamed, deleted, *others = account.ids()
    before = {key: account.history_of(key) for key in others}
    account.app.change("users", renamed, nickname="Another")
    account.app.delete("users", deleted)
    run = account.run()
    old, new = account.history_of(renamed)
    [gone] = account.history_of(deleted)
    assert old["valid_to"] == new["valid_from"] == gone["valid_to"] == _taken(account.snapshots()[-1])
    assert (old["is_current"], new["is_current"], gone["is_current"]) == (False, True, False)
    assert (old["deleted"], new["deleted"], gone["deleted"]) == (False, False, True)
    assert new["nickname"] == "Another" != old["nickname"]
    assert new["valid_to"] is None
    assert {key: account.history_of(key) for key in others} == before
    shown = told(run)
    assert (shown["rows_opened"], shown["rows_closed"], shown["deleted"], shown["vanished"]) == (1, 2, 1, 0)
    assert shown["rows_current"] == len(account.ids())
    assert shown["dagster/row_count"] == len(account.rows())
    assert (shown["state"], shown["revision"]) == ("loaded", str(account.app.revision))
    account.app.change("users", others[0], maxChats=9)
    account.run()
    assert account.history_of(deleted) == [gone]


def _taken(name: str) -> datetime:
    return datetime.strptime(name.partition("_")[0], "%Y-%m-%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def test_a_user_comes_back(account: Account) -> None:
    """Deleted and undeleted is a new row; so is one that was deleted when it was first seen."""
    account.run()
    key = account.ids()[0]
    [born_deleted] = [entity["id"] for entity in account.app.entities("users") if entity["deleted"]]
    account.app.delete("users", key)
    account.run()
    account.app.change("users", key, deleted=False)
    account.app.change("users", born_deleted, deleted=False)
    run = account.run()
    assert [row["is_current"] for row in account.history_of(key)] == [False, True]
    never, now = account.history_of(born_deleted)
    assert never["valid_from"] == never["valid_to"] < now["valid_from"]
    assert now["is_current"]
    assert all(check.passed for check in run.checks.values())


def test_an_entry_that_vanishes_is_closed_and_named(account: Account) -> None:
    """Without a word from the vendor: its history ends, and a warning names it until it is listed again."""
    account.run()
    *_, vanished, deleted = account.ids()
    forget(account, vanished, deleted)
    run = account.run()
    assert told(run)["vanished"] == 2
    assert str(vanished) in told(run)["vanished_keys"]
    for key in (vanished, deleted):
        [row] = account.history_of(key)
        assert (row["is_current"], row["valid_to"]) == (False, _taken(account.snapshots()[-1]))
    check = run.checks["no_entry_vanished"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(vanished) in str(check.metadata["first_failing"])
    account.app.restore()
    account.app.delete("users", deleted)
    back = account.run()
    assert [row["is_current"] for row in account.history_of(vanished)] == [False, True]
    assert [row["deleted"] for row in account.history_of(deleted)] == [True]
    assert back.checks["no_entry_vanished"].passed


def test_hashes_are_nowhere(account: Account, capfd: pytest.CaptureFixture[str]) -> None:
    """Not in the archive, the warehouse, its log, the events of a run or what it prints."""
    account.app.leaks_hashes = True
    secrets = [entity["passwordSh"].encode() for entity in account.app.entities("users")]
    account.app.faults.append(Fault(LISTS, "wrong_type"))
    first = account.run()
    account.app.change("users", account.ids()[0], passwordSh="0" * 64)
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"history": [{"oldPassword": "1" * 64}]}))
    second = account.run()
    assert first.ok
    assert second.ok
    events = [str(record) for run in (first, second) for record in account.instance.all_logs(run.result.run_id)]
    everything = account.every_byte() + "".join(events).encode() + "".join(capfd.readouterr()).encode()
    assert b"lastPwdChangeDate" in everything
    secrets += [b"0" * 64, b"1" * 64, b"passwordSh", b"oldPassword"]
    assert not [secret for secret in secrets if secret in everything]


def test_only_a_new_hash_is_no_change(account: Account) -> None:
    """A list that differs in what is dropped opens no row."""
    account.app.leaks_hashes = True
    account.run()
    before = account.rows()
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"passwordSh": "2" * 64}))
    account.run(refetch=True)
    assert len(account.snapshots()) == 1
    assert account.rows() == before


def test_ids_and_truths_as_text_are_the_same_entries(account: Account) -> None:
    """The vendor writes some ids as text, and truth values; neither is a change."""
    account.run()
    before = account.rows()
    account.app = LivePersonAccountConfig(scale=0.1, text_ids=True, text_booleans=True)
    run = account.run(refetch=True)
    assert run.ok, run.problem
    assert len(account.snapshots()) == 2
    assert told(run)["rows_opened"] == 0
    assert account.rows() == before


def test_unknown_fields_are_kept_and_named(account: Account) -> None:
    """In `_extra`, in the metadata and in a warning; the order of its parts is no change."""
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"mood": {"a": 1, "b": 2}, "badge": "gold"}))
    run = account.run()
    assert {row["_extra"] for row in account.rows()} == {'{"badge": "gold", "mood": {"a": 1, "b": 2}}'}
    assert "mood" in told(run)["new_fields"]
    assert not run.checks["no_unknown_fields"].passed
    account.app.faults.append(Fault(LISTS, "drifted_field", value={"badge": "gold", "mood": {"b": 2, "a": 1}}))
    assert told(account.run(refetch=True))["rows_opened"] == 0


@pytest.mark.parametrize("kind", ["wrong_type", "missing_key"])
def test_an_entry_that_cannot_be_read_is_set_aside(account: Account, kind: str) -> None:
    """With its reason; the others are loaded, and nobody is taken for vanished because of it."""
    account.run()
    first, *others = [entity["id"] for entity in account.app.entities("users")]
    account.app.faults.append(Fault(LISTS, kind))
    account.app.change("users", others[0], nickname="Another")
    run = account.run()
    assert run.ok, run.problem
    assert told(run)["vanished"] == 0
    assert told(run)["quarantined"] == 1
    assert told(run)["rows_opened"] == 1
    assert [row["is_current"] for row in account.history_of(first)] == [True]
    [refused] = account.select("select * from meta.quarantine")
    assert refused["record"] == 1
    assert refused["reason"] in {"id: is missing", 'deleted: expected boolean, got text "perhaps"'}
    assert not run.checks["nothing_is_quarantined"].passed
    account.app.change("users", first, nickname="Readable")
    assert account.run().checks["nothing_is_quarantined"].passed


def test_an_id_with_two_meanings_changes_nothing(account: Account) -> None:
    """The same entry twice is one; two different ones with an id are an error, which the next list goes past."""
    entities = account.app.entities("users")
    archive_made(account, *entities, entities[0], revision=str(account.app.revision))
    assert account.run().ok
    before = account.rows()
    assert len(before) == len(entities)
    archive_made(account, *entities, entities[0] | {"nickname": "Twin"})
    run = account.run(source="archive")
    assert "two different entries with the id" in run.problem
    assert without_run(account.rows()) == without_run(before)
    account.app.change("users", account.ids()[0], nickname="Another")
    assert told(account.run())["rows_opened"] == 1


@pytest.mark.parametrize("kind", ["html", "cut_json"])
def test_a_run_without_a_list_changes_nothing(account: Account, kind: str) -> None:
    """The error is shown, and noted with the day; the table and the archive stay."""
    account.run()
    before, archived = account.rows(), account.snapshots()
    account.app.faults.append(Fault(LISTS, kind, times=99))
    run = account.run(refetch=True)
    assert not run.ok
    assert account.rows() == before
    assert account.snapshots() == archived
    assert account.stored()[datetime.now(UTC).date()].problem == run.problem
    assert run.checks["primary_key_is_unique"].passed


def test_the_flat_views_have_a_row_an_item(account: Account) -> None:
    account.run()
    items = account.select("from liveperson.users_manager_of")
    assert list(items[0]) == ["id", "valid_from", "position", "agent_group_id", "assignment_date"]
    assert len(items) == sum(len(row["manager_of"] or []) for row in account.rows())


def test_the_sample_masks_personal_data(account: Account) -> None:
    """Five current rows."""
    run = account.run()
    [event] = run.result.get_asset_materialization_events()
    sample = event.step_materialization_data.materialization.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert len(sample.records) == 5
    shown = {str(value) for record in sample.records for value in record.data.values()}
    private = {row[name] for row in account.rows() for name in ("login_name", "nickname", "email")}
    assert not shown & private


def test_checks_see_what_is_wrong(account: Account) -> None:
    """Rows that overlap, and an entry that is current twice."""
    account.run()
    key, other = account.ids()[:2]
    account.select(f"insert into liveperson.users from liveperson.users where id = {key}")
    moment = datetime.now(UTC) - timedelta(days=1)
    account.select(f"update liveperson.users set valid_to = timestamptz '{moment.isoformat()}' where id = {other}")
    archive_path = account.folder / "archive"
    archive_path.rename(account.folder / "elsewhere")
    account.app.faults.append(Fault(LISTS, "503", times=99))
    checks = account.run().checks
    assert not checks["primary_key_is_unique"].passed
    assert not checks["periods_do_not_overlap"].passed
    assert str(key) in str(checks["periods_do_not_overlap"].metadata["first_failing"])
    assert str(other) in str(checks["periods_do_not_overlap"].metadata["first_failing"])
