"""Stored days are followed: what changes later is brought in, and nothing else moves."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.lib.errors import DayHeldBack
from contact_analytics.lib.extractions import note_problem
from contact_analytics.lib.http import Tally
from contact_analytics.liveperson import conversations
from contact_analytics.liveperson.conversation_answers import parse
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.fakes import YESTERDAY, Clock, Wire, days_ago, impatient, in_order, searches

DAY, NEXT = days_ago(9), days_ago(8)
SEARCH = "/conversations/search"


def test_a_conversation_that_changes_ends_with_its_final_state(open_place: Any) -> None:
    """What was open when its day was loaded is refreshed by later runs, and no other row of the day changes."""
    clock = Clock()
    place = open_place(volume={YESTERDAY: 300}, now=clock)
    first = place.materialize("conversations", YESTERDAY)
    loaded = clock()
    before = {row["conversation_id"]: row for row in place.rows("conversations", YESTERDAY)}
    still_open = {key for key, row in before.items() if row["status"] == "OPEN"}
    assert still_open
    assert first.metadata(YESTERDAY)["open_conversations"] == len(still_open)
    clock.ahead = timedelta(days=30)
    run = place.materialize("conversations", YESTERDAY)
    assert run.ok
    assert len(searches(run)) == 2
    place.assert_true("conversations", YESTERDAY)
    after = {row["conversation_id"]: row for row in place.rows("conversations", YESTERDAY)}
    assert all(after[key]["status"] == "CLOSE" for key in still_open)
    changed = {key for key in after if state_of(after[key]) != state_of(before[key])}
    updates = place.app.latest_updates(YESTERDAY).items()
    assert still_open <= changed <= {key for key, when in updates if when / 1000 > loaded.timestamp()}


def test_a_day_that_the_vendor_has_begun_to_delete_keeps_its_listing(open_place: Any) -> None:
    """What is found unchanged then may have lost conversations: it is known from when the vendor had them all."""
    assert conversations.DATASET.retention
    old, seen = days_ago(conversations.DATASET.retention.days), datetime.now(UTC) - timedelta(days=2)
    place = open_place(volume={old: 3, DAY: 3, NEXT: 3})
    for day in (old, DAY):
        assert place.materialize("conversations", day).ok
    place.select("update meta.extractions set listed_at = ?", [seen])
    assert place.materialize("conversations", NEXT, follow=True).ok
    assert place.stored("conversations", old).listed_at == seen
    assert place.stored("conversations", DAY).listed_at > seen


def test_a_day_in_which_nothing_changed_is_left_alone(open_place: Any) -> None:
    """Two small questions, no row written, and the data version stays."""
    place = open_place(volume={DAY: 250})
    first = place.materialize("conversations", DAY)
    again = place.materialize("conversations", DAY)
    assert again.metadata(DAY)["state"] == "unchanged"
    assert len(searches(again)) == 2
    assert again.days[str(DAY)].tags == first.days[str(DAY)].tags


def test_later_runs_follow_days_that_were_not_asked_for(open_place: Any) -> None:
    """The daily run refreshes each stored day in which a conversation has changed, and no other."""
    clock = Clock()
    days = days_ago(30), DAY, NEXT
    place = open_place(volume=dict.fromkeys(days, 30), now=clock)
    assert place.materialize("conversations", days[0]).ok
    assert place.materialize("conversations", DAY).ok
    changed = place.app.conversations(DAY)[3]["info"]["conversationId"]
    place.app.update(changed, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    run = place.materialize("conversations", NEXT, follow=True)
    assert run.ok
    assert {day: run.metadata(date.fromisoformat(day))["state"] for day in run.days} == {
        str(NEXT): "loaded",
        str(DAY): "loaded",
    }
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [changed])
    assert row == {"csat_rate": 1}
    place.assert_true("conversations", DAY)
    again = place.materialize("conversations", NEXT, follow=True)
    assert {again.metadata(date.fromisoformat(day))["state"] for day in again.days} == {"unchanged"}


def test_only_following_tells_of_old_days(open_place: Any) -> None:
    """Whoever asks for a day gets that day."""
    place = open_place(volume={DAY: 3, NEXT: 3})
    place.materialize("conversations", DAY)
    place.app.update(place.app.conversations(DAY)[0]["info"]["conversationId"], datetime.now(UTC), csatRate=1)
    assert set(place.materialize("conversations", NEXT).days) == {str(NEXT)}


def test_following_that_fails_is_said_and_the_asked_day_is_stored(open_place: Any) -> None:
    """A red run names what is not known, and the day that was asked for is in."""
    place = open_place(volume={DAY: 5, NEXT: 5})
    assert place.materialize("conversations", DAY).ok
    fail_after(place.app, 1, "503")
    run = place.materialize("conversations", NEXT, follow=True)
    assert not run.ok
    assert str(NEXT) in run.days
    assert "the days that were asked for are stored" in run.problem
    assert "could not be told which of those stored before have changed" in run.problem
    assert place.stored("conversations", DAY).state == "loaded"


def test_a_retry_follows_again(open_place: Any) -> None:
    """The asked day is in; what failed is following, and that is what the retry is for."""
    clock = Clock()
    place = open_place(volume={DAY: 5, NEXT: 5}, now=clock)
    assert place.materialize("conversations", DAY).ok
    changed = place.app.conversations(DAY)[0]["info"]["conversationId"]
    place.app.update(changed, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    fail_after(place.app, 1, "503", times=4)
    run = place.run(impatient("conversations", 1), NEXT, follow=True)
    assert run.ok
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [changed])
    assert row == {"csat_rate": 1}


def test_days_rebuilt_from_the_archive_are_followed(open_place: Any) -> None:
    """The archive knows when the vendor was last asked."""
    clock = Clock()
    place = open_place(volume={DAY: 5, NEXT: 5}, now=clock)
    assert place.materialize("conversations", DAY).ok
    (place.folder / "warehouse.duckdb").unlink()
    assert place.materialize("conversations", DAY, source="archive").ok
    changed = place.app.conversations(DAY)[0]["info"]["conversationId"]
    place.app.update(changed, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    assert str(DAY) in place.materialize("conversations", NEXT, follow=True).days


def test_what_is_held_back_stays_red_while_others_are_followed(open_place: Any) -> None:
    """Being looked at is not being loaded."""
    place = open_place(volume={DAY: 20, NEXT: 5})
    assert place.materialize("conversations", DAY).ok
    with place.warehouse.get_connection() as connection:
        note_problem(
            connection, conversations.DATASET, DAY, DayHeldBack("Less.", "Look."), "failed", datetime.now(UTC), "run"
        )
    run = place.materialize("conversations", NEXT, follow=True)
    assert not run.checks["reloads_never_shrink_a_day"].passed


@pytest.mark.parametrize("odd", ["startTimeL", "conversationId"])
def test_odd_records_do_not_stop_following(open_place: Any, odd: str) -> None:
    """A record that does not say when it started, or what it is, is looked for in every day that it may be of."""

    class Odd(LivePersonMessaging):
        def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
            answer = super().api(request, parts)
            if request.method != "POST":
                return answer
            content = json.loads(Wire(lambda _: answer).handle_request(request).read())
            for record in content["conversationHistoryRecords"]:
                if record["info"]["conversationId"] in broken:
                    for name in (odd, odd.removesuffix("L")):
                        record["info"].pop(name, None)
            return httpx.Response(200, json=content)

    clock, broken = Clock(), set[str]()
    place = open_place()
    place.app = Odd(volume={DAY: 6, NEXT: 6, days_ago(7): 3}, now=clock)
    assert place.materialize("conversations", DAY, NEXT).ok
    ids = [record["info"]["conversationId"] for record in place.app.conversations(DAY)]
    other = place.app.conversations(NEXT)[0]["info"]["conversationId"]
    broken |= set(ids[:2])
    for key in (*ids[:2], other):
        place.app.update(key, clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    run = place.materialize("conversations", days_ago(7), follow=True)
    assert run.ok, run.problem
    [row] = place.select("select csat_rate from liveperson.conversations where conversation_id = ?", [other])
    assert row == {"csat_rate": 1}
    assert len(place.rows("conversations", DAY)) == 6


def test_a_day_whose_rows_were_changed_by_hand_is_followed(open_place: Any) -> None:
    """What it holds is not what was loaded: it is looked at, and made right."""
    place = open_place(volume={DAY: 6, NEXT: 6})
    assert place.materialize("conversations", DAY).ok
    with place.warehouse.get_connection() as connection:
        connection.execute("delete from liveperson.conversations")
    run = place.materialize("conversations", NEXT, follow=True)
    assert run.ok
    assert len(place.rows("conversations", DAY)) == 6


def test_a_failed_day_does_not_hide_that_following_failed(open_place: Any) -> None:
    """Both are said, and the retry is for what may pass."""
    place = open_place(volume={DAY: 5, NEXT: 250})
    assert place.materialize("conversations", DAY).ok
    place.app.faults.append(Fault("offset=100", "403", times=99))
    fail_after(place.app, 1, "503")
    run = place.materialize("conversations", NEXT, follow=True)
    assert not run.ok
    assert "1 of 1 days failed" in run.problem
    assert "could not be told which of those stored before have changed" in run.problem


def test_a_day_that_was_listed_long_ago_is_asked_for_by_itself(open_place: Any) -> None:
    """Else every other day would be asked for since then."""
    place = open_place(volume={DAY: 5, NEXT: 5})
    with place.messaging().connect() as api:
        then, now = datetime.now(UTC) - timedelta(days=5), datetime.now(UTC)
        place.app.calls.clear()
        api.changed_days({DAY: then, NEXT: now}, Tally())
    bodies = [json.loads(call.content) for call in place.app.calls if call.method == "POST"]
    assert len({(body["start"]["from"], body["latestUpdateTime"]["from"]) for body in bodies}) == 2


def test_a_divided_search_for_updates_is_whole_in_the_archive(open_place: Any) -> None:
    """A rebuild has every update, also where a part of the day had none."""
    clock = Clock()
    place = open_place(volume={YESTERDAY: 250}, now=clock)
    place.deepest = 150
    assert place.materialize("conversations", YESTERDAY).ok
    for record in place.app.conversations(YESTERDAY)[60:]:
        place.app.update(record["info"]["conversationId"], clock() + timedelta(hours=1), csatRate=1)
    clock.ahead = timedelta(hours=2)
    assert place.materialize("conversations", YESTERDAY).ok
    stored = in_order(conversations.DATASET, place.conversations(YESTERDAY))
    assert sum(row.get("csat_rate") == 1 for row in stored) >= 190
    (place.folder / "warehouse.duckdb").unlink()
    assert place.materialize("conversations", YESTERDAY, source="archive").ok
    assert in_order(conversations.DATASET, place.conversations(YESTERDAY)) == stored


@pytest.mark.parametrize("shards", [{"partialResult": "true"}, {"failureShards": 2, "totalShards": 5}])
def test_every_word_for_partial_is_heard(shards: dict[str, object]) -> None:
    """A flag, a flag as text, and a count of servers that failed."""
    text = json.dumps({"_metadata": {"count": 0, "shardsStatusResult": shards}, "conversationHistoryRecords": []})
    assert parse(b"", text.encode()).is_partial_result


def test_a_start_in_text_alone_is_a_start() -> None:
    """Which day a conversation belongs to is known either way."""
    info = {"conversationId": "c", "startTime": "2026-11-01 23:59:59.999+0000"}
    text = json.dumps({"_metadata": {"count": 1}, "conversationHistoryRecords": [{"info": info}]})
    [entry] = parse(b"", text.encode()).entries
    assert entry.start == round(datetime(2026, 11, 1, 23, 59, 59, 999_000, UTC).timestamp() * 1000)


def fail_after(app: LivePersonMessaging, answers: int, kind: str, times: int = 99) -> None:
    """From the search after so many, every one meets a fault."""
    asked = iter(range(10**6))
    answer = app.api

    def counted(request: httpx.Request, parts: list[str]) -> httpx.Response:
        if next(asked) == answers - 1:
            app.faults.append(Fault(SEARCH, kind, times=times))
        return answer(request, parts)

    app.api = counted  # type: ignore[method-assign]


def state_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what says when and from where it was loaded."""
    return {name: value for name, value in row.items() if not name.startswith("_") and name != "duration"}
