"""A day of conversations is what was created and what was closed on it, each once, in its latest state."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import Clock, days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held, of_conversations

DAY, NEXT = days_ago(9), days_ago(8)
NAME = "conversation"


def ids(place: KhorosPlace, day: date = DAY) -> list[str]:
    return sorted(row["conversation_id"] for row in place.rows(NAME, day))


def sent_ids(place: KhorosPlace, *kinds: str) -> list[str]:
    return sorted(row["CONVERSATION_ID"] for row in of_conversations(place, DAY, *kinds))


def kinds(place: KhorosPlace) -> list[str]:
    return sorted(each["params"]["conversationReportType"][0] for each in place.app.submissions)


def test_a_day_is_what_was_created_and_closed(care: KhorosPlace) -> None:
    """Two exports, one row a conversation; those that were both are there once."""
    assert care.materialize(NAME, DAY).ok
    assert kinds(care) == ["CLOSED", "CREATED"]
    assert ids(care) == sent_ids(care)
    created, closed = sent_ids(care, "CREATED"), sent_ids(care, "CLOSED")
    assert set(created) & set(closed)
    assert set(created) ^ set(closed)


def test_conversations_that_are_open_at_the_days_end_are_there_if_asked_for(care: KhorosPlace) -> None:
    """A third export; the state of a conversation is the one of the newest answer that has it."""
    assert care.materialize(NAME, DAY, open_at_end=True).ok
    assert kinds(care) == ["CLOSED", "CREATED", "OPEN_AT_END"]
    assert ids(care) == sent_ids(care, "CREATED", "CLOSED", "OPEN_AT_END")
    assert care.app.violations == []


def test_what_closes_later_is_seen_when_the_day_is_asked_for_again(open_care: Open) -> None:
    """The row of the day of its creation gets the later state, and is there once."""
    midnight = datetime.combine(NEXT, datetime.min.time(), UTC)
    clock = Clock(midnight + timedelta(minutes=5) - datetime.now(UTC))
    place = open_care(now=clock, scale=0.5)
    assert place.materialize(NAME, DAY).ok
    before = {row["conversation_id"]: row["status"] for row in place.rows(NAME, DAY)}
    assert {"CLOSED"} < set(before.values())
    clock.ahead += timedelta(days=5)
    assert place.materialize(NAME, DAY).ok
    assert ids(place) == sorted(before)
    assert {row["conversation_id"]: row["status"] for row in place.rows(NAME, DAY)} != before
    assert held(place, NAME, DAY) == expected(NAME, of_conversations(place, DAY))


def test_a_row_is_the_newest_answers_where_two_of_a_run_differ(open_care: Open) -> None:
    """Of a conversation in both exports, no mixture of the two is made."""
    place = open_care()
    place.app.faults.append(Fault("/CREATED-", "missing_column", value="LANGUAGE"))
    assert place.materialize(NAME, DAY).ok
    closed = {row["CONVERSATION_ID"] for row in place.sent(NAME, DAY, kind="CLOSED")}
    order = [file.name.split("_")[1].partition(".")[0] for file in by_time(place)]
    stands = {row["conversation_id"] for row in place.rows(NAME, DAY) if row["language"]}
    created = {row["CONVERSATION_ID"] for row in place.sent(NAME, DAY, kind="CREATED")}
    assert stands == (closed if order[-1] == "closed" else closed - created)


def by_time(place: KhorosPlace) -> list[Any]:
    return sorted(place.archived(NAME, DAY).files(), key=lambda file: file.name)


def test_a_conversation_that_leaves_the_vendors_answer_stays(care: KhorosPlace) -> None:
    """A shorter answer takes nothing back, unless it is fetched again by force."""
    assert care.materialize(NAME, DAY).ok
    known = held(care, NAME, DAY)
    care.app.faults.append(Fault("/CREATED-", "no_rows"))
    assert care.materialize(NAME, DAY).ok
    assert held(care, NAME, DAY) == known
    care.app.faults.append(Fault("/CREATED-", "no_rows"))
    assert care.materialize(NAME, DAY, refetch=True).ok
    assert held(care, NAME, DAY) == known
    care.app.faults.append(Fault("/CREATED-", "no_rows"))
    assert care.materialize(NAME, DAY, refetch=True, force=True).ok
    assert ids(care) == sent_ids(care, "CLOSED")
    assert care.materialize(NAME, DAY, source="archive").ok
    assert ids(care) == sent_ids(care, "CLOSED")


def test_the_latest_state_of_each_conversation_is_a_view(open_care: Open) -> None:
    """Over all days, a conversation once: as the newest file has it."""
    care = open_care(scale=0.7)
    assert care.materialize(NAME, DAY, NEXT).ok
    rows = care.select("select conversation_id from khoros_care.conversation_latest")
    latest = [row["conversation_id"] for row in rows]
    both = [*ids(care, DAY), *ids(care, NEXT)]
    assert sorted(latest) == sorted(set(both))
    assert len(set(both)) < len(both)


def test_a_day_that_has_not_changed_is_not_loaded_again(care: KhorosPlace) -> None:
    """The vendor is asked, as it does not tell what has changed, and the table is left alone."""
    assert care.materialize(NAME, DAY).ok
    loaded = care.rows(NAME, DAY)
    again = care.materialize(NAME, DAY)
    assert again.metadata(DAY)["state"] == "unchanged"
    assert again.metadata(DAY)["files_downloaded"] == 0
    assert care.rows(NAME, DAY) == loaded
    assert len(care.archived(NAME, DAY).files()) == 2


def test_the_archive_rebuilds_a_day_without_a_request(care: KhorosPlace) -> None:
    """Also into another warehouse, and with other credentials than the vendor's."""
    assert care.materialize(NAME, DAY).ok
    known = held(care, NAME, DAY)
    (care.folder / "warehouse.duckdb").unlink()
    care.fields["password"] = ""
    run = care.materialize(NAME, DAY, source="archive")
    assert run.ok, run.problem
    assert run.requests == []
    assert held(care, NAME, DAY) == known


@pytest.mark.parametrize("part", ["CREATED", "CLOSED"])
def test_an_archive_with_one_of_the_two_parts_is_refused(care: KhorosPlace, part: str) -> None:
    """Half a day is not a day; what is stored stays."""
    care.app.faults.append(Fault(f"/{part}-", "dead_link", times=999))
    assert not care.materialize(NAME, DAY).ok
    assert len(care.archived(NAME, DAY).files()) == 1
    run = care.materialize(NAME, DAY, source="archive")
    assert "the archive does not hold this day" in run.problem
    assert care.rows(NAME, DAY) == []


def test_a_state_without_an_id_is_an_error(care: KhorosPlace) -> None:
    """Conversations cannot be told apart without it: nothing is loaded, and the error says what to do."""
    care.app.faults.append(Fault("/CREATED-", "missing_column", value="CONVERSATION_ID", times=9))
    run = care.materialize(NAME, DAY)
    assert not run.ok
    assert "no column for conversation_id" in run.problem
    assert care.rows(NAME, DAY) == []


def test_a_damaged_archived_file_is_named(care: KhorosPlace) -> None:
    """And asking the vendor again heals the day."""
    assert care.materialize(NAME, DAY).ok
    known = held(care, NAME, DAY)
    for file in (care.folder / "archive").rglob("*.json"):
        if file.name != "manifest.json" and "created" in file.name:
            file.write_bytes(b"[]")
    assert "SHA-256" in care.materialize(NAME, DAY, source="archive", force=True).problem
    healed = care.materialize(NAME, DAY, force=True)
    assert healed.ok, healed.problem
    assert held(care, NAME, DAY) == known
    assert care.materialize(NAME, DAY, source="archive", force=True).ok
