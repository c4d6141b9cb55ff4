"""Conversations, from the vendor's answers to the table: each day is the server's, whole, and stays so."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.liveperson import conversations
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.fakes import YESTERDAY, Clock, MessagingPlace, Wire, days_ago, in_order, searches

DAY, NEXT = days_ago(9), days_ago(8)
SEARCH = "/conversations/search"


def starts(day: date, *offsets: int) -> dict[date, list[int]]:
    """Conversations that start at these offsets from midnight, in milliseconds."""
    midnight = round(datetime.combine(day, time(), UTC).timestamp() * 1000)
    return {day: [midnight + offset for offset in offsets]}


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_a_day_equals_the_servers(open_place: Any, count: int) -> None:
    """Every conversation with every field, whatever number of pages it takes."""
    place = open_place(volume={DAY: count, NEXT: 3, DAY - timedelta(days=1): 3})
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert run.metadata(DAY)["state"] == ("loaded" if count else "empty")
    assert len(place.rows("conversations", DAY)) == count
    place.assert_true("conversations", DAY)
    assert place.stored("conversations", DAY).vendor_count == count
    assert all(check.passed for name, check in run.checks.items() if name != "newest_due_day_is_in")


def test_two_thousand_conversations_are_all_there(open_place: Any) -> None:
    """One day of a large brand: twenty pages, each asked for once."""
    place = open_place(volume={DAY: 2_000})
    run = place.materialize("conversations", DAY)
    assert run.ok
    [counted] = place.select(
        "select count(*) as n, count(distinct conversation_id) as ids from liveperson.conversations"
    )
    assert counted == {"n": 2_000, "ids": 2_000}
    stored = place.select("select conversation_id from liveperson.conversations")
    assert {row["conversation_id"] for row in stored} == place.app.latest_updates(DAY).keys()
    assert len(searches(run)) == 20


def test_days_are_exact_at_their_ends(open_place: Any) -> None:
    """The server rounds outward to ten minutes and includes both ends; adjacent days share no conversation."""
    last = 86_399_999
    place = open_place(starts=starts(DAY, 0, 1, last - 1, last) | starts(NEXT, 0, 1, 599_999, last))
    run = place.materialize("conversations", DAY, NEXT)
    assert run.ok
    for day, count in ((DAY, 4), (NEXT, 4)):
        assert len(place.rows("conversations", day)) == count
        place.assert_true("conversations", day)
    assert run.checks["conversations_are_in_one_day_only"].passed


def test_a_cut_conversation_is_fetched_whole(open_place: Any) -> None:
    """Lists cut long conversations; each is asked for by its id, and its messages are complete."""
    place = open_place(volume={DAY: 40}, partial=0.3)
    run = place.materialize("conversations", DAY)
    singles = [path for _, path in run.requests if path.endswith("/conversation/search")]
    assert 5 < len(singles) < 25
    messages = {row["conversation_id"]: len(row["message_records"]) for row in place.rows("conversations", DAY)}
    truth = {record["info"]["conversationId"]: len(record["messageRecords"]) for record in place.app.conversations(DAY)}
    assert messages == truth
    assert not any(row["is_partial"] for row in place.rows("conversations", DAY))
    assert run.checks["no_conversation_is_cut"].passed


def test_a_conversation_that_stays_cut_is_stored_and_named(open_place: Any) -> None:
    """There is no more to have: the row is stored, and a check says so until the vendor gives the whole."""
    place = open_place(volume={DAY: 40}, partial=0.1)
    place.app.faults.append(Fault("/conversation/search", "still_partial", times=99))
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert any(row["is_partial"] for row in place.rows("conversations", DAY))
    assert not run.checks["no_conversation_is_cut"].passed


def test_both_spellings_of_a_record_are_one(open_place: Any) -> None:
    """Older records name some fields otherwise and send numbers as text; the table has one column of each."""
    place = open_place(volume={DAY: 60}, legacy=0.5)
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert run.checks["no_unknown_fields"].passed
    plain = MessagingPlace(place.folder / "plain", place.instance, LivePersonMessaging(volume={DAY: 60}))
    assert plain.materialize("conversations", DAY).ok
    both = [in_order(conversations.DATASET, each.conversations(DAY)) for each in (place, plain)]
    for score in (score for row in both[0] for score in row.get("message_scores", ()) if "score" in score):
        score["mcs"] = score.pop("score")
    for message in (message for rows in both for row in rows for message in row["message_records"]):
        message["sent_by"] = message["sent_by"].lower()
    assert both[0] == both[1]


@pytest.mark.parametrize("kind", ["drift_repeat", "drift_skip", "drift_count", "drift_count_more"])
def test_pages_that_drift_are_asked_for_again(open_place: Any, kind: str) -> None:
    """Pages that do not add up to the vendor's count are not believed."""
    place = open_place(volume={DAY: 250})
    place.app.faults.append(Fault("offset=100", kind))
    run = place.materialize("conversations", DAY)
    assert run.ok
    place.assert_true("conversations", DAY)
    assert len(searches(run)) > 3


@pytest.mark.parametrize("kind", ["drift_repeat", "partial_result", "500_0007", "429", "cut_json"])
def test_what_stays_short_fails_the_day(open_place: Any, kind: str) -> None:
    """No half a day, and nothing stored is changed; the next run gets it whole without asking for what it has."""
    place = open_place(volume={DAY: 250})
    place.app.faults.append(Fault("offset=100", kind, times=99))
    run = place.materialize("conversations", DAY)
    assert not run.ok
    assert place.rows("conversations", DAY) == []
    assert place.stored("conversations", DAY).state == "failed"
    assert "Try again later" in run.problem or "try again later" in run.problem
    place.app.faults.clear()
    again = place.materialize("conversations", DAY)
    assert again.ok
    place.assert_true("conversations", DAY)
    if kind != "drift_repeat":
        assert len(searches(again)) < 3 + 1


@pytest.mark.parametrize(("kind", "calls"), [("401", 1), ("403", 1), ("html", 1), ("redirect", 1), ("503", 4)])
def test_refusals_are_not_repeated_and_outages_are(open_place: Any, kind: str, calls: int) -> None:
    """4xx and foreign answers once; 5xx four times, as the vendor asks for."""
    place = open_place(volume={DAY: 5})
    place.app.faults.append(Fault(SEARCH, kind, times=99))
    run = place.materialize("conversations", DAY)
    assert not run.ok
    assert len(searches(run)) == calls


def test_a_partial_result_is_asked_again(open_place: Any) -> None:
    """Some of the vendor's shards did not answer: the page is not taken."""
    place = open_place(volume={DAY: 30})
    place.app.faults.append(Fault(SEARCH, "partial_result", times=2))
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert run.metadata(DAY)["retries"] == 2
    place.assert_true("conversations", DAY)


def test_an_empty_day_is_one_that_the_vendor_confirms(open_place: Any) -> None:
    """A 204 and a count of zero are both its word."""
    place = open_place(volume={DAY: 0}, no_content_when_empty=True)
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert place.stored("conversations", DAY).state == "empty"
    again = place.materialize("conversations", DAY)
    assert again.metadata(DAY)["state"] == "unchanged"


def test_a_deep_window_is_divided(open_place: Any) -> None:
    """Search engines stop counting somewhere; windows are halved before that, and the day is the same."""
    place = open_place(volume={DAY: 600}, max_offset=300, partial=0.02)
    place.deepest = 200
    run = place.materialize("conversations", DAY)
    assert run.ok
    truth = {record["info"]["conversationId"] for record in place.app.conversations(DAY)}
    assert {row["conversation_id"] for row in place.rows("conversations", DAY)} == truth
    assert place.materialize("conversations", DAY).metadata(DAY)["state"] == "unchanged"


def test_a_conversation_that_shows_up_late_is_found(open_place: Any) -> None:
    """The vendor counts more than we hold, and no update says which: the day is searched again."""
    place = open_place(volume={DAY: 20})
    late = place.app.conversations(DAY)[7]["info"]["conversationId"]
    place.app.hide(late, datetime.now(UTC) + timedelta(days=1))
    assert place.materialize("conversations", DAY).ok
    assert len(place.rows("conversations", DAY)) == 19
    place.app.hide(late, datetime.now(UTC) - timedelta(hours=1))
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert len(place.rows("conversations", DAY)) == 20
    place.assert_true("conversations", DAY)


def test_a_conversation_that_took_the_place_of_another_is_found(open_place: Any) -> None:
    """One more and one less is as many; what is stored is not given up for it, and the day goes on being followed."""
    clock = Clock()
    place = open_place(volume={DAY: 20}, now=clock)
    late, gone, other = (place.app.conversations(DAY)[index]["info"]["conversationId"] for index in (7, 9, 11))
    place.app.hide(late, datetime.now(UTC) + timedelta(days=1))
    assert place.materialize("conversations", DAY).ok
    place.app.hide(late, datetime.now(UTC) - timedelta(hours=1))
    place.app.hide(gone, datetime.now(UTC) + timedelta(days=100))
    for hours in (2, 26):
        place.app.update(other, datetime.now(UTC) + timedelta(hours=hours - 1), csatRate=hours % 5)
        clock.ahead = timedelta(hours=hours)
        run = place.materialize("conversations", DAY)
        assert run.ok
        assert run.checks["archive_and_table_agree"].passed
        rows = {row["conversation_id"]: row["csat_rate"] for row in place.rows("conversations", DAY)}
        assert {late, gone} <= rows.keys()
        assert rows[other] == hours % 5


def test_a_rebuilt_day_is_the_same(open_place: Any) -> None:
    """The archive alone gives the day with all its updates, and nothing is asked of the vendor."""
    clock = Clock()
    place = open_place(volume={YESTERDAY: 120}, partial=0.05, now=clock)
    place.materialize("conversations", YESTERDAY)
    clock.ahead = timedelta(days=30)
    place.materialize("conversations", YESTERDAY)
    assert len({file.name.split("_")[1] for file in place.archived("conversations", YESTERDAY).files()}) == 2
    stored = place.conversations(YESTERDAY)
    (place.folder / "warehouse.duckdb").unlink()
    run = place.materialize("conversations", YESTERDAY, source="archive")
    assert run.ok
    assert run.requests == []
    assert in_order(conversations.DATASET, place.conversations(YESTERDAY)) == in_order(conversations.DATASET, stored)


def test_an_archive_that_holds_a_part_is_no_day(open_place: Any) -> None:
    """Pages of an interrupted search are kept, and never taken for the whole."""
    place = open_place(volume={DAY: 250})
    place.app.faults.append(Fault("offset=200", "503", times=99))
    assert not place.materialize("conversations", DAY).ok
    assert len(place.archived("conversations", DAY).files()) == 2
    run = place.materialize("conversations", DAY, source="archive")
    assert not run.ok
    assert "the archive does not hold this day" in run.problem


def test_pages_that_a_killed_run_did_not_list_are_taken_up(open_place: Any) -> None:
    """Killed between a page and its entry in the manifest: the page is not asked for again."""
    place = open_place(volume={DAY: 250})
    place.app.faults.append(Fault("offset=200", "503", times=99))
    assert not place.materialize("conversations", DAY).ok
    (place.archived("conversations", DAY).folder / "manifest.json").unlink()
    place.app.faults.clear()
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert [call.url.params["offset"] for call in place.app.calls[-2:]] == ["200", "0"]
    place.assert_true("conversations", DAY)


@pytest.mark.parametrize("warehouse_is_lost", [False, True])
def test_a_damaged_page_is_asked_for_again(open_place: Any, warehouse_is_lost: bool) -> None:
    """A disk error in the archive costs a page, not the day."""
    place = open_place(volume={DAY: 250})
    assert place.materialize("conversations", DAY).ok
    stored = place.conversations(DAY)
    [_, second, _] = place.archived("conversations", DAY).files()
    (place.archived("conversations", DAY).folder / second.name).write_bytes(b"{}")
    if warehouse_is_lost:
        (place.folder / "warehouse.duckdb").unlink()
        rebuilt = place.materialize("conversations", DAY, source="archive")
        assert not rebuilt.ok
        assert second.name in rebuilt.problem
    assert place.materialize("conversations", DAY).ok
    assert in_order(conversations.DATASET, place.conversations(DAY)) == in_order(conversations.DATASET, stored)


def test_a_count_that_ends_somewhere_is_not_believed(open_place: Any) -> None:
    """Search engines count to a limit and call that the count: the day is divided until it is below."""

    class Capped(LivePersonMessaging):
        def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
            answer = super().api(request, parts)
            if answer.headers["Content-Type"] != "application/json" or request.method != "POST":
                return answer
            content = json.loads(Wire(lambda _: answer).handle_request(request).read())
            content["_metadata"]["count"] = min(content["_metadata"]["count"], 200)
            return httpx.Response(200, json=content)

    place = open_place()
    place.app, place.deepest = Capped(volume={DAY: 260}), 200
    assert place.materialize("conversations", DAY).ok
    assert len(place.rows("conversations", DAY)) == 260


def test_the_vendors_count_stays_known(open_place: Any) -> None:
    """Loading a day again from the same pages, and from the archive alone, keeps what the vendor counted."""
    place = open_place(volume={DAY: 20})
    for options in ({}, {"force": True}, {"source": "archive", "force": True}):
        assert place.materialize("conversations", DAY, **options).ok
        assert place.stored("conversations", DAY).vendor_count == 20


def test_a_record_without_an_id_does_not_stop_later_updates(open_place: Any) -> None:
    """It is refused once; what else changes on its day is stored."""
    clock = Clock()
    place = open_place(volume={YESTERDAY: 40}, now=clock)
    place.app.faults.append(Fault(SEARCH, "missing_key"))
    assert place.materialize("conversations", YESTERDAY).ok
    clock.ahead = timedelta(days=20)
    changed = place.app.conversations(YESTERDAY)[3]["info"]["conversationId"]
    place.app.update(changed, clock() - timedelta(hours=1), csatRate=2)
    assert place.materialize("conversations", YESTERDAY).ok
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [changed])
    assert row == {"csat_rate": 2}


def test_a_refused_record_that_comes_right_later_leaves_quarantine(open_place: Any) -> None:
    """And the vendor's count agrees with the rows in both orders of a good record and a bad one."""
    clock = Clock()
    place = open_place(volume={YESTERDAY: 30}, now=clock)
    place.app.faults.append(Fault(SEARCH, "wrong_type"))
    first = place.materialize("conversations", YESTERDAY)
    assert first.checks["archive_and_table_agree"].passed
    [refused] = place.select("select raw from meta.quarantine")
    key = json.loads(refused["raw"])["info"]["conversationId"]
    place.app.update(key, clock() + timedelta(hours=1), csatRate=2)
    clock.ahead = timedelta(hours=2)
    second = place.materialize("conversations", YESTERDAY)
    assert place.select("select * from meta.quarantine") == []
    assert len(place.rows("conversations", YESTERDAY)) == 30
    assert second.checks["archive_and_table_agree"].passed
    place.app.update(key, clock() + timedelta(hours=1), csatRate=3)
    clock.ahead = timedelta(hours=4)
    place.app.faults.append(Fault("latestUpdateTime", "wrong_type"))
    place.app.faults.append(Fault(SEARCH, "wrong_type"))
    third = place.materialize("conversations", YESTERDAY)
    assert third.checks["archive_and_table_agree"].passed
    assert len(place.rows("conversations", YESTERDAY)) == 30


def test_a_day_past_retention_is_refused_before_any_request(open_place: Any) -> None:
    """Thirteen months back there is nothing to ask for."""
    place = open_place()
    old = days_ago(400)
    run = place.materialize("conversations", old)
    assert not run.ok
    assert "past the vendor's retention of 392 days" in run.problem
    assert searches(run) == []


def test_fetching_again_gives_up_only_by_force(open_place: Any) -> None:
    """`refetch` searches the whole day again; what is gone at the vendor stays until it is forced."""
    place = open_place(volume={DAY: 20})
    gone = place.app.conversations(DAY)[7]["info"]["conversationId"]
    assert place.materialize("conversations", DAY).ok
    place.app.hide(gone, datetime.now(UTC) + timedelta(days=1))
    again = place.materialize("conversations", DAY, refetch=True)
    assert again.metadata(DAY)["state"] == "loaded"
    assert len(place.rows("conversations", DAY)) == 20
    assert place.materialize("conversations", DAY, refetch=True, force=True).ok
    assert len(place.rows("conversations", DAY)) == 19
    assert place.materialize("conversations", DAY).metadata(DAY)["state"] == "unchanged"


def test_an_archive_with_a_damaged_update_is_no_day(open_place: Any) -> None:
    """Else the day would go back to an older state without a word."""
    clock = Clock()
    place = open_place(volume={DAY: 20}, now=clock)
    assert place.materialize("conversations", DAY).ok
    changed = place.app.conversations(DAY)[3]["info"]["conversationId"]
    place.app.update(changed, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    assert place.materialize("conversations", DAY).ok
    [update] = [file.name for file in place.archived("conversations", DAY).files() if "_updated_" in file.name]
    (place.archived("conversations", DAY).folder / update).write_bytes(b"{}")
    rebuilt = place.materialize("conversations", DAY, source="archive")
    assert not rebuilt.ok
    assert update in rebuilt.problem
    healed = place.materialize("conversations", DAY)
    assert healed.ok
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [changed])
    assert row == {"csat_rate": 1}


def test_records_that_cannot_be_read_are_set_aside(open_place: Any) -> None:
    """One odd record costs itself: it is counted, kept with its reason, and the others are stored."""
    place = open_place(volume={DAY: 30})
    place.app.faults.append(Fault(SEARCH, "wrong_type"))
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert len(place.rows("conversations", DAY)) == 29
    [refused] = place.select("select reason from meta.quarantine")
    assert refused["reason"]
    assert run.checks["archive_and_table_agree"].passed
    assert not run.checks["nothing_is_quarantined"].passed


def test_new_fields_are_kept_and_named(open_place: Any) -> None:
    """The vendor adds fields without notice."""
    place = open_place(volume={DAY: 30})
    place.app.faults.append(Fault(SEARCH, "drifted_field"))
    run = place.materialize("conversations", DAY)
    assert run.ok
    assert [row for row in place.rows("conversations", DAY) if row["_extra"]]
    assert not run.checks["no_unknown_fields"].passed


def test_durations_are_derived_from_the_times(open_place: Any) -> None:
    """The vendor's own duration has no certain unit, and counts on while the conversation is open."""
    place = open_place(volume={YESTERDAY: 120})
    place.materialize("conversations", YESTERDAY)
    for row in place.rows("conversations", YESTERDAY):
        end, duration = row["conversation_end_time"], row["conversation_duration"]
        assert duration == (end and pytest.approx((end - row["start_time"]).total_seconds()))


def test_flat_views_hold_every_item(open_place: Any) -> None:
    """For people who write SQL: one row a message, transfer, participant, survey, attribute."""
    place = open_place(volume={DAY: 60})
    place.materialize("conversations", DAY)
    rows = place.rows("conversations", DAY)
    for column in ("message_records", "transfers", "agent_participants", "conversation_surveys", "sdes", "dialogs"):
        items = sum(len(row[column] or ()) for row in rows)
        [counted] = place.select(f"select count(*) as n from liveperson.conversations_{column}")
        assert counted == {"n": items}
        assert items
