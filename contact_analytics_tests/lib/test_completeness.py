"""The archive, what is known of each load, and the table agree, or the check says where and what mends it."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.lib.archive import MANIFEST, ArchivedFile, ListedFile
from contact_analytics.lib.checks import checks_of, evaluate
from contact_analytics.lib.completeness import archive_and_table_agree, every_file, newer_answers
from contact_analytics.lib.dataset import PARTITION
from contact_analytics.lib.extractions import Extraction, write_extraction
from contact_analytics.liveperson.survey import DATASET
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.export_places import CxonePlace, KhorosPlace
from contact_analytics_tests.fakes import MODULES, MessagingPlace, Place, days_ago

CHECK = archive_and_table_agree(every_file).name
DAY, NEXT = days_ago(5), days_ago(4)
RELOAD: dict[str, Any] = {"source": "archive"}
FORCE: dict[str, Any] = {"source": "archive", "force": True}
REFETCH: dict[str, Any] = {"refetch": True}


def reasons(place: Place, name: str = "survey") -> dict[str, str]:
    """The days that do not agree, as the warehouse and the archive stand, with the reasons."""
    dataset = MODULES[name].DATASET
    with place.warehouse.get_connection() as connection:
        [result] = [each for each in evaluate(connection, dataset, place.archive) if each.check_name == CHECK]
    assert result.severity is dg.AssetCheckSeverity.ERROR
    if result.passed:
        return {}
    table = result.metadata["newest_failing_days"]
    assert isinstance(table, dg.TableMetadataValue)
    return {str(record.data["day"]): str(record.data["reason"]) for record in table.records}


def manifest(place: Place, name: str = "survey") -> Path:
    return Path((place.archived(name, DAY).folder / MANIFEST).path)


def change_manifest(place: Place, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the entries of the day's manifest, which are in the order of the files' names."""
    entries = json.loads(manifest(place).read_text())
    change(entries)
    manifest(place).write_text(json.dumps(entries))


def forget_a_file(place: Place) -> None:
    change_manifest(place, lambda entries: entries.pop(0))


def move_an_hour(place: Place) -> None:
    change_manifest(place, lambda entries: entries[0].update(scope_start=entries[1]["scope_start"]))


def store(place: Place, name: str, text: bytes) -> None:
    """Put a file into the day's archive, as another run would that then dies."""
    file = place.archived("survey", DAY).files()[0]
    listed = ListedFile(name or file.name, "https://example.com", file.scope_start, file.scope_end)
    place.archived("survey", DAY).store(listed, [gzip.compress(text)])


def first_text(place: Place) -> bytes:
    archived = place.archived("survey", DAY)
    return archived.read(archived.files()[0])


def sql(statement: str) -> Callable[[Place], None]:
    return lambda place: place.select(statement)


CASES: dict[str, tuple[Callable[[Place], None], str, dict[str, Any]]] = {
    "a file that the archive has lost": (forget_a_file, "not in the archive any more", REFETCH),
    "a file that was not loaded": (
        lambda place: store(place, "late.gz", first_text(place)),
        "1 file (late.gz) of the archive not in the table",
        RELOAD,
    ),
    "a file that was fetched again and differs": (
        lambda place: store(place, "", first_text(place) + b"\n"),
        "fetched again after the day was loaded",
        RELOAD,
    ),
    "files of another size": (
        sql(f"update meta.extractions set bytes = bytes + 1 where {PARTITION} = '{DAY}'"),
        "when they were loaded",
        FORCE,
    ),
    "other hours": (move_an_hour, "its files cover other hours than when they were loaded", FORCE),
    "rows too few": (
        sql("delete from liveperson.survey where rowid = 0"),
        "were loaded: materialize it with `source: archive`",
        RELOAD,
    ),
    "rows of another file": (
        sql("update liveperson.survey set _source_file = 'other.gz' where rowid = 0"),
        "1 rows come from other files than were loaded",
        FORCE,
    ),
    "a quarantine that was emptied": (
        sql("delete from meta.quarantine"),
        "0 records are in meta.quarantine and 1 were set aside",
        FORCE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_agree_is_said_and_mended_by_what_the_reason_says(place: Place, case: str) -> None:
    """The day is named, the other day is not; launched as the reason says, the check passes."""
    tamper, reason, remedy = CASES[case]
    place.app.faults.append(Fault(place.app.files("survey", DAY)[2].href_name, "wrong_type"))
    loaded = place.materialize("survey", DAY, NEXT)
    assert loaded.ok, loaded.problem
    assert loaded.checks[CHECK].passed
    tamper(place)
    found = reasons(place)
    assert list(found) == [str(DAY)]
    assert reason in found[str(DAY)]
    assert all(f"`{option}: {str(value).lower()}`" in found[str(DAY)] for option, value in remedy.items())
    run = place.materialize("survey", DAY, **remedy)
    assert run.ok, run.problem
    assert run.checks[CHECK].passed


@pytest.mark.parametrize("name", ["agent_activity", "engagement", "survey", "web_session"])
def test_a_day_that_is_fetched_again_and_is_the_same_agrees(place: Place, name: str) -> None:
    """The archive's files are younger than the load then; that they are the same is noted."""
    assert place.materialize(name, DAY).checks[CHECK].passed
    again = place.materialize(name, DAY, refetch=True)
    assert again.metadata(DAY)["state"] == "unchanged"
    assert again.checks[CHECK].passed


def test_a_file_that_is_held_back_is_not_missed(place: Place) -> None:
    """It is in the archive because nothing is thrown away, and `reloads_never_shrink_a_day` says why."""
    place.materialize("survey", DAY)
    store(place, "late.gz", first_text(place))
    place.archived("survey", DAY).hold_back(["late.gz"])
    assert reasons(place) == {}


def test_a_day_whose_reload_is_held_back_says_so(place: Place) -> None:
    """To launch it again the same way would be held back again."""
    place.materialize("survey", DAY)
    archived = place.archived("survey", DAY)
    first, second, *_ = archived.files()
    store(place, first.name, archived.read(second))
    held = place.materialize("survey", DAY, source="archive")
    assert "held back" in held.problem
    assert not held.checks[CHECK].passed
    assert "its re-load is held back, see `reloads_never_shrink_a_day`" in reasons(place)[str(DAY)]


def test_a_damaged_manifest_is_its_days_reason(place: Place) -> None:
    """The run stores what it was asked for, the check names the day, and says how to get the manifest back."""
    place.materialize("survey", DAY)
    manifest(place).write_text("[{")
    run = place.materialize("survey", NEXT)
    assert run.ok, run.problem
    assert not run.checks[CHECK].passed
    [reason] = reasons(place).values()
    assert f"{manifest(place)} is damaged" in reason
    assert "Put a copy of it back" in reason


def test_an_archive_that_is_gone_is_the_reason_of_each_day(place: Place) -> None:
    """The table has all rows, and could not be made again."""
    place.materialize("survey", DAY, NEXT)
    (place.folder / "archive").rename(place.folder / "elsewhere")
    assert {day: "not in the archive any more" in reason for day, reason in reasons(place).items()} == {
        str(DAY): True,
        str(NEXT): True,
    }


def test_rows_of_a_day_that_was_never_loaded_are_found(place: Place) -> None:
    """Nobody knows what they are."""
    place.materialize("survey", DAY)
    place.select(
        f"insert into liveperson.survey by name select * replace ($day as {PARTITION}) from liveperson.survey limit 1",
        {"day": NEXT},
    )
    assert reasons(place) == {str(NEXT): reasons(place)[str(NEXT)]}
    assert reasons(place)[str(NEXT)].startswith("1 rows are in the table and 0 were loaded; 1 rows come from other")


def test_several_reasons_of_a_day_are_all_said(place: Place) -> None:
    """With the one remedy that mends most."""
    place.materialize("survey", DAY)
    forget_a_file(place)
    place.select("update liveperson.survey set _source_file = 'other.gz' where rowid = 0")
    [reason] = reasons(place).values()
    assert "1 rows come from other files than were loaded; it was loaded from 1 file" in reason
    assert reason.count("materialize it") == 1
    assert "`refetch: true`" in reason


@pytest.mark.parametrize(("counted", "quarantined"), [(9, 0), (11, 0), (14, 3)])
def test_the_vendors_count_is_compared_where_it_states_one(place: Place, counted: int, quarantined: int) -> None:
    """Rows and refused records together; a refused record may have an earlier state that is stored."""
    place.warehouse.prepare(DATASET)
    day = Extraction("loaded", vendor_count=counted, quarantined=quarantined, loaded_at=datetime.now(UTC))
    with place.warehouse.get_connection() as connection:
        write_extraction(connection, DATASET, DAY, replace(day, rows=10))
    reason = reasons(place)[str(DAY)]
    assert f"the vendor counts {counted}, 10 are stored and {quarantined} refused" in reason
    for agreed in range(10, 11 + quarantined):
        with place.warehouse.get_connection() as connection:
            write_extraction(connection, DATASET, DAY, replace(day, rows=10, vendor_count=agreed))
        assert "the vendor counts" not in reasons(place)[str(DAY)]


def answer(name: str) -> ArchivedFile:
    moment = datetime(2026, 11, 25, tzinfo=UTC)
    return ArchivedFile(name, "https://example.com", moment, moment + timedelta(days=1), 2, "", moment)


@pytest.mark.parametrize(
    ("loaded", "awaited"),
    [
        (["02Z_report.json"], ["03Z_report.json"]),
        (["03Z_report.json"], []),
        (["01Z_report.json", "03Z_report.json"], ["02Z_report.json"]),
        (["01Z_report_marked.json"], []),
        ([], []),
    ],
)
def test_an_answer_that_is_newer_than_a_loaded_one_of_its_kind_is_awaited(
    loaded: list[str], awaited: list[str]
) -> None:
    """Older ones, answers to other options and whole exports beside the days' files are not."""
    names = [*(f"0{number}Z_report.json" for number in (1, 2, 3)), "04Z_v4_2026-11-10_2026-11-24.csv.gz"]
    assert [file.name for file in newer_answers([answer(name) for name in names], set(loaded))] == awaited


def test_an_export_that_nobody_loaded_is_found(tmp_path: Path) -> None:
    """A run that died between the archive and the table; the next run of the day loads it."""
    with dg.DagsterInstance.ephemeral() as instance:
        place = KhorosPlace(tmp_path, instance, KhorosCare(scale=0.1, calls_per_minute=100_000))
        assert place.materialize("response", DAY).checks[CHECK].passed
        archived = place.archived("response", DAY)
        [file] = archived.files()
        name = f"2099-01-01T000000.000Z_{file.name.partition('_')[2]}"
        archived.store(ListedFile(name, file.source, file.scope_start, file.scope_end), [archived.read(file)])
        assert f"1 file ({name}) of the archive not in the table" in reasons(place, "response")[str(DAY)]
        assert place.materialize("response", DAY, source="archive").checks[CHECK].passed


@pytest.mark.parametrize("name", ["conversation", "qm_workflows", "conversations"])
def test_days_that_are_asked_for_again_and_again_agree(tmp_path: Path, name: str) -> None:
    """Answers that changed nothing, exports of several days, and pages of searches lie in the archive, too."""
    with dg.DagsterInstance.ephemeral() as instance:
        place: Place
        if name == "conversation":
            place = KhorosPlace(tmp_path, instance, KhorosCare(scale=0.1, calls_per_minute=100_000))
        elif name == "qm_workflows":
            place = CxonePlace(tmp_path, instance)
        else:
            place = MessagingPlace(tmp_path, instance, LivePersonMessaging(scale=0.05))
        for options in ({}, {}, {"refetch": True}, {"source": "archive", "force": True}):
            run = place.materialize(name, DAY, NEXT, **options)
            assert run.ok, run.problem
            assert run.checks[CHECK].passed, reasons(place, name)


@pytest.mark.parametrize("name", MODULES)
def test_every_daily_table_is_checked_once(name: str) -> None:
    """Under one name, and no two of a table's checks have the same."""
    names = [check.name for check in checks_of(MODULES[name].DATASET)]
    assert names.count(CHECK) == 1
    assert len(names) == len(set(names))
