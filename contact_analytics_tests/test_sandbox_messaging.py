"""The sandbox's conversations live as the vendor's do, and its search has the vendor's rules and limits."""

import json
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.liveperson.auth import OAuth1
from contact_analytics.sandbox.faults import ANSWERS, Fault
from contact_analytics.sandbox.json_faults import DRIFTS, PAGES
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics.sandbox.serve import running

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
DAY = date(2024, 6, 18)
LATER = datetime(2024, 7, 20, tzinfo=UTC)
HOST = "https://va.msghist.liveperson.net"
ROOT = "/messaging_history/api/account/10203040/conversations"
MINUTE, TEN_MINUTES = 60_000, 600_000
SOURCE = {"source": "Tests"}

EVERYTHING = [
    *("campaign", "monitoring", "messageRecords", "agentParticipants", "agentParticipantsLeave"),
    *("agentParticipantsActive", "consumerParticipants", "transfers", "interactions", "messageScores"),
    *("messageStatuses", "dialogs", "conversationSurveys", "coBrowseSessions", "sdes", "unAuthSdes", "responseTime"),
    *("summary", "skillChanges", "intents", "uniqueIntents", "latestAgentSurvey", "previouslySubmittedAgentSurveys"),
]


def sandbox(**options: Any) -> LivePersonMessaging:
    return LivePersonMessaging(**{"scale": 0.1, "now": lambda: NOON} | options)


def client(app: Callable[[httpx.Request], httpx.Response], url: str = HOST) -> httpx.Client:
    of = LivePersonMessaging
    auth = OAuth1(of.app_key, of.app_secret, of.access_token, of.access_token_secret)
    return httpx.Client(transport=httpx.MockTransport(app), base_url=url, auth=auth)


def epoch(at: datetime | date) -> int:
    at = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)
    return round(at.timestamp() * 1000)


def day_range(day: date = DAY, days: int = 1) -> dict[str, int]:
    return {"from": epoch(day), "to": epoch(day + timedelta(days=days)) - TEN_MINUTES - 1}


def ask(
    app: LivePersonMessaging, body: dict[str, Any] | None = None, path: str = "/search", **params: Any
) -> httpx.Response:
    with client(app) as http:
        return http.post(ROOT + path, params=SOURCE | params, json={"start": day_range()} if body is None else body)


def found(app: LivePersonMessaging, body: dict[str, Any] | None = None, **params: Any) -> list[dict[str, Any]]:
    answer = ask(app, body, **{"sort": "start:asc", "limit": 100, "v": 2} | params)
    return answer.raise_for_status().json()["conversationHistoryRecords"]


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [record["info"]["conversationId"] for record in records]


def paged(app: LivePersonMessaging, limit: int = 100) -> tuple[list[str], list[int]]:
    """The ids of all pages, and the counts that they gave."""
    names: list[str] = []
    counts: list[int] = []
    while True:
        answer = ask(app, limit=limit, offset=len(counts) * limit, sort="start:asc").json()
        names += ids(answer["conversationHistoryRecords"])
        counts.append(answer["_metadata"]["count"])
        if len(counts) * limit >= counts[-1]:
            return names, counts


def at_starts(*starts: int, **options: Any) -> LivePersonMessaging:
    return sandbox(starts={DAY: starts}, **options)


# Searches


def test_the_search_holds_exactly_the_conversations_of_the_range() -> None:
    """What `conversations` states is what searches find, container by container."""
    app = sandbox()
    records = found(app, {"start": day_range(), "contentToRetrieve": EVERYTHING})
    assert records == app.conversations(DAY, listed=True)[: len(records)]
    assert len(records) > 20


def test_pages_are_whole_and_counted_in_all() -> None:
    """`offset` skips that many, `count` is that of all matches, not of the page."""
    app = sandbox(volume={DAY: 101})
    whole = ids(app.conversations(DAY))
    names, counts = paged(app, limit=20)
    assert names == whole[: len(names)]
    assert len(names) > 90
    assert set(counts) == {len(names)}
    assert len(ask(app).json()["conversationHistoryRecords"]) == 50


@pytest.mark.parametrize("volume", [0, 1, 100, 101])
def test_a_day_has_the_volume_that_it_is_given(volume: int) -> None:
    """Down to nothing at all, which is a list without records."""
    app = sandbox(volume={DAY: volume})
    assert len(app.conversations(DAY)) == volume
    answer = ask(app, {"start": {"from": epoch(DAY), "to": epoch(DAY) + 86_399_000}}).json()
    midnight = len(app.conversations(DAY + timedelta(days=1), NOON))
    assert volume <= answer["_metadata"]["count"] <= volume + midnight


def test_nothing_found_is_an_empty_list_or_no_content() -> None:
    """Both are documented."""
    assert ask(sandbox(volume={DAY: 0})).json()["conversationHistoryRecords"] == []
    answer = ask(sandbox(volume={DAY: 0}, no_content_when_empty=True))
    assert (answer.status_code, answer.content) == (204, b"")


def test_ranges_are_widened_to_ten_minutes_with_both_ends() -> None:
    """A conversation at the rounded bound is found, one a millisecond outside isn't."""
    low, high = epoch(DAY) + TEN_MINUTES, epoch(DAY) + 3 * TEN_MINUTES
    app = at_starts(low - 1, low, high, high + 1)
    asked = {"from": low + 1, "to": str(high - TEN_MINUTES + 1)}
    assert [record["info"]["startTimeL"] for record in found(app, {"start": asked})] == [low, high]


def test_midnight_belongs_to_the_range_of_both_days() -> None:
    """The end of a day is rounded up to midnight, and midnight is included."""
    app = sandbox(starts={DAY: [epoch(DAY), epoch(DAY) + 86_399_999], date(2024, 6, 19): [epoch(date(2024, 6, 19))]})
    body = {"start": {"from": epoch(DAY), "to": epoch(DAY) + 86_399_999}}
    assert len(found(app, body)) == 3


def test_a_range_may_be_open_ended_and_has_three_months_at_most() -> None:
    """`to: -1` means now; a longer range is refused."""
    app = sandbox(volume={DAY: 3})
    assert set(ids(app.conversations(DAY))) <= set(ids(found(app, {"start": {"from": epoch(DAY), "to": -1}})))
    start = epoch(NOON - timedelta(days=89))
    assert ask(app, {"start": {"from": start, "to": epoch(NOON)}}).status_code == 200
    for bounds in ({"from": start - 1, "to": epoch(NOON)}, {"from": start - 1, "to": -1}):
        answer = ask(app, {"start": bounds})
        assert (answer.status_code, "three months" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"source": ""}, None),
        ({"source": "x" * 21}, None),
        ({"limit": 101}, None),
        ({"limit": 0}, None),
        ({"limit": "all"}, None),
        ({"offset": -1}, None),
        ({"sort": "start:des"}, None),
        ({"sort": "duration:asc"}, None),
        ({"v": 3}, None),
        ({"page": 1}, None),
        ({}, {}),
        ({}, {"start": {"from": 1}}),
        ({}, {"start": {"from": 2, "to": 1}}),
        ({}, {"start": {"from": "yesterday", "to": 1}}),
        ({}, {"start": day_range(), "status": []}),
        ({}, {"start": day_range(), "status": ["CLOSED"]}),
        ({}, {"start": day_range(), "latestUpdateTime": {"to": 1}}),
        ({}, {"start": day_range(), "contentToRetrieve": ["everything"]}),
        ({}, {"start": day_range(), "skillIds": ["1"]}),
        ({}, {"start": day_range(), "updatedAt": 1}),
    ],
)
def test_what_the_search_does_not_know_is_refused(params: dict[str, Any], body: dict[str, Any] | None) -> None:
    """Nothing is ignored: a filter that is left out would be a wrong answer."""
    answer = ask(sandbox(volume={DAY: 1}), body, **params)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_body_that_is_none_is_refused() -> None:
    """JSON, and said to be."""
    with client(sandbox()) as http:
        url = f"{ROOT}/search?source=Tests"
        assert http.post(url, json=[1]).status_code == 400
        assert http.post(url, content="{", headers={"Content-Type": "application/json"}).status_code == 400
        assert http.post(url, content=json.dumps({"start": day_range()})).status_code == 400
        assert http.get(url).status_code == 405
        assert http.post(f"{ROOT}/nothing").status_code == 404


def test_beyond_the_deepest_offset_the_search_fails() -> None:
    """As the search engine behind it would."""
    app = sandbox(volume={DAY: 30}, max_offset=20)
    assert len(found(app, limit=10, offset=10)) == 10
    answer = ask(app, limit=10, offset=11)
    assert (answer.status_code, answer.json()["error"]["internalCode"]) == (500, "0007")


def test_sorting_turns_the_list_around() -> None:
    """By start or by end, descending by start unless told."""
    app = sandbox(volume={DAY: 40})
    ascending = ids(found(app))
    assert ids(found(app, sort="start:desc")) == ascending[::-1]
    assert ids(ask(app).json()["conversationHistoryRecords"]) == ascending[::-1]
    ends = [record["info"]["endTimeL"] for record in found(app, sort="end:asc") if record["info"]["endTimeL"] > 0]
    assert ends == sorted(ends)


def test_content_is_what_was_named_or_the_default() -> None:
    """Naming one leaves out all others; `info` is always there."""
    app = sandbox(volume={DAY: 60}, now=lambda: LATER)
    names = {name for record in found(app) for name in record}
    assert {"info", "campaign", "messageRecords", "sdes", "summary"} <= names
    assert not names & {"dialogs", "responseTime", "monitoring", "unAuthSdes", "intents", "skillChanges"}
    [named] = {tuple(record) for record in found(app, {"start": day_range(), "contentToRetrieve": ["dialogs"]})}
    assert named == ("info", "dialogs")
    [bare] = {tuple(record) for record in found(app, {"start": day_range(), "contentToRetrieve": []})}
    assert bare == ("info",)
    everything = {name for record in app.conversations(DAY) for name in record}
    assert everything == {"info", *EVERYTHING}


def test_the_status_is_that_of_the_moment() -> None:
    """Open conversations and closed ones are all there are."""
    app = sandbox(volume={DAY: 80}, now=lambda: datetime(2024, 6, 18, 20, tzinfo=UTC))
    counts = {
        status: ask(app, {"start": day_range(), "status": [*status]}).json()["_metadata"]["count"]
        for status in (("OPEN",), ("CLOSE",), ("OPEN", "CLOSE"))
    }
    assert counts[("OPEN",)] + counts[("CLOSE",)] == counts[("OPEN", "CLOSE")]
    assert min(counts.values()) > 0


def test_the_end_filter_selects_by_the_end() -> None:
    """What is open has no end."""
    app = sandbox(volume={DAY: 80})
    bounds = {"from": epoch(DAY) + 12 * 60 * MINUTE, "to": epoch(DAY) + 18 * 60 * MINUTE}
    chosen = found(app, {"start": day_range(), "end": bounds})
    expected = [record for record in found(app) if bounds["from"] <= record["info"]["endTimeL"] <= bounds["to"]]
    assert ids(chosen) == ids(expected) != []


# Records


def test_an_unauthenticated_attribute_needs_the_second_version() -> None:
    """The first has texts for all values, and authenticated customers alone."""
    app = sandbox(volume={DAY: 90}, now=lambda: LATER)
    body = {"start": day_range(), "contentToRetrieve": ["sdes", "unAuthSdes"]}
    first, second = found(app, body, v=1), found(app, body)
    assert not any(record["unAuthSdes"]["events"] for record in first)
    assert any(record["unAuthSdes"]["events"] for record in second)
    assert any(type(value) is not str for value in _values(second))
    assert all(type(value) is str for value in _values(first))


def _values(records: list[dict[str, Any]]) -> list[Any]:
    """What is in the attributes' events, without their containers."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict | list):
            return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
        return [value]

    return [leaf for record in records for leaf in leaves(record["sdes"]["events"])]


def test_every_kind_of_attribute_comes_with_its_nesting() -> None:
    """Six of the ten are nested twice under their own name."""
    events = [
        event
        for record in sandbox(volume={DAY: 400}).conversations(DAY, LATER)
        for container in ("sdes", "unAuthSdes")
        for event in record[container]["events"]
    ]
    nesting = {event["sdeType"]: name in event[name] for event in events for name in event if type(event[name]) is dict}
    assert len(nesting) == 10
    assert {kind for kind, nested in nesting.items() if not nested} == {
        "CART_STATUS", "PURCHASE", "VIEWED_PRODUCT", "SEARCH_CONTENT",
    }  # fmt: skip
    assert {type(event["serverTimeStamp"]) for event in events} == {str}


def test_lists_show_the_last_attribute_of_a_kind_and_the_search_by_id_all() -> None:
    """So a list alone does not hold them all."""
    app = sandbox(volume={DAY: 400})
    whole, listed = app.conversations(DAY, LATER), app.conversations(DAY, LATER, listed=True)
    pairs = [(one["sdes"]["events"], other["sdes"]["events"]) for one, other in zip(whole, listed, strict=True)]
    fewer = [(every, shown) for every, shown in pairs if every != shown]
    assert fewer
    assert all(shown[-1] == every[-1] and len(shown) < len(every) for every, shown in fewer)


def test_times_come_twice_and_agree() -> None:
    """As text with milliseconds, UTC, and as epoch milliseconds; what has not happened is undefined and -1."""
    undefined = 0
    for record in sandbox(volume={DAY: 60}).conversations(DAY, datetime(2024, 6, 18, 20, tzinfo=UTC)):
        info = record["info"]
        for name in ("startTime", "endTime", "conversationEndTime", "fullDialogEndTime"):
            if info[name] == "undefined":
                undefined += 1
                assert info[f"{name}L"] == -1
            else:
                assert epoch(datetime.strptime(info[name], "%Y-%m-%d %H:%M:%S.%f%z")) == info[f"{name}L"]
    assert undefined


def test_a_day_shows_the_vendors_oddities() -> None:
    """Sentinels, ids as texts and as numbers, and each kind of message."""
    text = json.dumps(sandbox(volume={DAY: 400}).conversations(DAY, LATER), ensure_ascii=False)
    for form in (
        '"assignedAgentId": "null"', '"latestSkillId": -1', '"Unassigned"', '"phone": "0"', '"email": "undefined"',
        '"RICH_CONTENT"', '"HOSTED_FILE"', '"quickReplies"', '"botResponse"', '"actionReason"', '"POST_SURVEY"',
        '"AGENTS_AND_MANAGERS"', '"latestAgentId": "', '"campaignId": "', '"latestEffectiveResponseDueTime": -1',
        '"coBrowseSessionsList": [{', '"skillChanges": [{', '"previouslySubmittedAgentSurveys": [{',
    ):  # fmt: skip
        assert form in text, form


def test_keys_of_the_parts_of_a_conversation_are_unique() -> None:
    """Messages, their states and scores, and what agents did: each by its documented key."""
    keys = {
        "messageRecords": ("dialogId", "messageId"),
        "messageStatuses": ("messageId", "participantId", "messageDeliveryStatus"),
        "messageScores": ("messageId",),
        "interactions": ("dialogId", "interactiveSequence"),
        "transfers": ("timeL", "sourceAgentId", "targetSkillId"),
        "dialogs": ("dialogId",),
    }
    records = sandbox(volume={DAY: 200}).conversations(DAY, LATER)
    assert len(set(ids(records))) == 200
    for record in records:
        for container, names in keys.items():
            parts = [tuple(part[name] for name in names) for part in record[container]]
            assert len(set(parts)) == len(parts)


def test_older_spellings_are_a_share_of_the_records() -> None:
    """All of them or some, with the other names and types in both directions."""
    app = sandbox(volume={DAY: 60}, legacy=1.0)
    for record in app.conversations(DAY, LATER):
        assert not {"messageScores", "consumerParticipants"} & record.keys()
        assert {"messageScore", "consumerParticipant"} <= record.keys()
        assert "csatRate" not in record["info"]
        assert all(type(message["seq"]) is str for message in record["messageRecords"])
        assert all("agentNickname" in item for item in record["interactions"])
        assert type(record["info"].get("latestAgentId", 1)) is int
    some = sandbox(volume={DAY: 60}, legacy=0.5).conversations(DAY, LATER)
    assert 0 < sum("messageScore" in record for record in some) < 60
    assert {name for record in found(app) for name in record} & {"messageScore", "consumerParticipant"}


def test_partial_records_are_cut_in_lists_and_whole_by_their_id() -> None:
    """The record says so itself; by id it says that it isn't."""
    app = sandbox(volume={DAY: 30}, partial=0.5, now=lambda: LATER)
    whole = {record["info"]["conversationId"]: record for record in app.conversations(DAY)}
    cut = [record for record in found(app) if record["info"]["isPartial"]]
    assert 0 < len(cut) < 30
    for record in cut:
        name = record["info"]["conversationId"]
        assert len(record["messageRecords"]) < len(whole[name]["messageRecords"])
        body = {"conversationID": name, "contentToRetrieve": EVERYTHING}
        [again] = found(app, body, path="/conversation/search")
        assert again == whole[name]
    assert not any(record["info"]["isPartial"] for record in whole.values())


def test_the_search_by_id_needs_no_source_and_finds_one_or_none() -> None:
    """An id that never was is an answer without records."""
    app = sandbox(volume={DAY: 3})
    name = ids(app.conversations(DAY))[1]
    with client(app) as http:
        url = f"{ROOT}/conversation/search"
        answer = http.post(url, json={"conversationId": name}).json()
        assert (ids(answer["conversationHistoryRecords"]), answer["_metadata"]["count"]) == ([name], 1)
        for other in ("x", name.replace("-4", "-5"), f"{name[:-1]}f", "00000000-ffff-4000-8000-000000000000"):
            assert http.post(url, json={"conversationId": other}).json()["conversationHistoryRecords"] == []
        assert http.post(url, json={}).status_code == 400


def test_the_search_by_consumer_finds_all_of_theirs() -> None:
    """The same customer is the same participant in every conversation."""
    app = sandbox(volume={DAY: 200}, scale=0.02)
    consumers = [record["consumerParticipants"][0]["participantId"] for record in app.conversations(DAY)]
    theirs = [name for name, who in zip(ids(app.conversations(DAY)), consumers, strict=True) if who == consumers[0]]
    body = {"consumer": consumers[0], "status": ["OPEN", "CLOSE"]}
    assert 1 < len(theirs) <= len(set(theirs) & set(ids(found(app, body, path="/consumer/search"))))
    assert ask(app, {"consumer": consumers[0]}, path="/consumer/search").status_code == 400
    assert found(app, body | {"consumer": "nobody"}, path="/consumer/search") == []


# Life


def test_a_conversation_is_found_from_a_minute_after_its_start_for_thirteen_months() -> None:
    """The vendor's delay, and its retention."""
    clock = [datetime(2024, 6, 18, 12, tzinfo=UTC)]
    app = at_starts(epoch(clock[0]), now=lambda: clock[0])
    seen = []
    for wait in (timedelta(0), timedelta(seconds=59), timedelta(minutes=1), timedelta(days=396), timedelta(days=397)):
        clock[0] = datetime(2024, 6, 18, 12, tzinfo=UTC) + wait
        seen.append(len(found(app)))
    assert seen == [0, 0, 1, 1, 0]


def test_conversations_open_grow_and_close_with_the_clock() -> None:
    """Messages only come, the end comes once, and a survey may come later still."""
    clock = [datetime(2024, 6, 18, tzinfo=UTC)]
    app = sandbox(volume={DAY: 50}, now=lambda: clock[0])
    messages: dict[str, int] = {}
    closed: dict[str, int] = {}
    surveyed_later = 0
    for _ in range(60):
        clock[0] += timedelta(minutes=40)
        for record in app.conversations(DAY):
            info, name = record["info"], record["info"]["conversationId"]
            assert len(record["messageRecords"]) >= messages.get(name, 0)
            messages[name] = len(record["messageRecords"])
            assert all(message["timeL"] <= epoch(clock[0]) for message in record["messageRecords"])
            if info["status"] == "OPEN":
                assert name not in closed
                assert (info["endTime"], info["endTimeL"]) == ("undefined", -1)
                assert info["duration"] == epoch(clock[0]) - info["startTimeL"]
            else:
                surveyed_later += info["endTimeL"] > closed.get(name, info["endTimeL"])
                closed[name] = info["endTimeL"]
    assert len(messages) == 50
    assert surveyed_later


def test_some_conversations_stay_open_for_days() -> None:
    """A few per cent, so that what a day holds changes for days."""
    records = sandbox(volume={DAY: 500}).conversations(DAY, LATER)
    lasted = [record["info"]["conversationEndTimeL"] - record["info"]["startTimeL"] for record in records]
    assert 5 <= sum(duration > 86_400_000 for duration in lasted) <= 40
    assert sorted(lasted)[250] < 60 * MINUTE


def test_the_latest_update_moves_with_every_change() -> None:
    """A record differs from an earlier one, the running duration aside, only if its latest update moved."""
    app, times = sandbox(volume={DAY: 60}), [datetime(2024, 6, 18, 9, tzinfo=UTC)]
    times += [times[0] + timedelta(minutes=7 * step) for step in range(1, 60)]
    known: dict[str, tuple[int, dict[str, Any]]] = {}
    moved = 0
    for at in times:
        updates = app.latest_updates(DAY, at)
        for record in app.conversations(DAY, at):
            name = record["info"]["conversationId"]
            del record["info"]["duration"]
            before = known.get(name)
            assert updates[name] <= epoch(at)
            if before and before[0] == updates[name]:
                assert record == before[1]
            moved += bool(before and updates[name] > before[0])
            known[name] = updates[name], record
    assert moved > 30


def test_what_changed_since_is_what_the_latest_update_says() -> None:
    """Rounded down to ten minutes, the bound included."""
    app = sandbox(volume={DAY: 90})
    updates = {name: app.latest_updates(DAY)[name] for name in ids(found(app))}
    chosen = sorted(updates.values())[len(updates) // 2] // TEN_MINUTES * TEN_MINUTES
    body = {"start": day_range(), "latestUpdateTime": {"from": str(chosen + TEN_MINUTES - 1)}}
    assert set(ids(found(app, body))) == {name for name, updated in updates.items() if updated >= chosen}


def test_a_settled_conversation_can_change_again() -> None:
    """From then on, and for those who ask for what changed since."""
    clock = [NOON]
    app = sandbox(volume={DAY: 30}, now=lambda: clock[0])
    late = NOON + timedelta(days=30)
    name = ids(app.conversations(DAY))[3]
    app.update(name, late)
    app.update(name, late + timedelta(days=1), mcs=1, closeReason="AGENT")
    since = {"start": day_range(), "latestUpdateTime": {"from": epoch(late)}}
    clock[0] = late - timedelta(seconds=1)
    assert found(app, since) == []
    clock[0] = late
    [changed] = found(app, since)
    assert (changed["info"]["conversationId"], changed["info"]["csatRate"] in range(1, 6)) == (name, True)
    clock[0] = late + timedelta(days=1)
    [again] = found(app, since)
    assert (again["info"]["mcs"], again["info"]["csatRate"]) == (1, changed["info"]["csatRate"])
    with pytest.raises(ValueError, match="no such conversation"):
        app.update("nothing", late)


def test_a_conversation_can_appear_late() -> None:
    """Long after its start it is there, without a word of when it came."""
    clock = [NOON]
    app = sandbox(volume={DAY: 3}, now=lambda: clock[0])
    name = ids(app.conversations(DAY))[0]
    app.hide(name, NOON + timedelta(hours=1))
    assert name not in ids(app.conversations(DAY))
    assert found(app, {"conversationId": name}, path="/conversation/search") == []
    clock[0] += timedelta(hours=1)
    assert name in ids(app.conversations(DAY))


def test_the_same_seed_makes_the_same_conversations_and_another_seed_others() -> None:
    """All is a function of the account, the seed, the day and the clock."""
    first, again, other = (sandbox(seed=seed).conversations(DAY) for seed in (1, 1, 2))
    assert first == again
    assert not set(ids(first)) & set(ids(other))


def test_a_weekday_has_some_hundreds_and_a_sunday_fewer() -> None:
    """The brand's own curve."""
    app = sandbox(scale=1.0)
    weekday, sunday = (len(app.latest_updates(day, LATER)) for day in (DAY, date(2024, 6, 16)))
    assert 280 < weekday < 460
    assert sunday < 0.75 * weekday


def test_ten_thousand_conversations_are_listed_without_being_made() -> None:
    """What a page does not show costs next to nothing."""
    app = sandbox(volume={DAY: 10_000})
    assert len(found(app, {"start": day_range(), "contentToRetrieve": []}, offset=9_000, limit=10)) == 10


# Access and faults


def test_a_request_needs_credentials_of_the_account() -> None:
    """Signed, or with a token that the domain lookup leads to."""
    app = sandbox(volume={DAY: 1})
    body = {"start": day_range()}
    with client(app) as http:
        assert http.post(f"{ROOT}/search", params=SOURCE, json=body, auth=None).status_code == 401
        other = ROOT.replace("10203040", "99999999")
        assert http.post(f"{other}/search", params=SOURCE, json=body).status_code == 403
        signed = http.build_request("POST", f"{ROOT}/search", params=SOURCE, json=body)
        signed = next(OAuth1(app.app_key, "x", app.access_token, app.access_token_secret).auth_flow(signed))
        assert http.send(signed, auth=None).status_code == 401
        lookup = "/api/account/10203040/service/{}/baseURI.json?version=1.0"
        for service in ("sentinel", "msgHist", "accountConfigReadOnly", "accountConfigReadWrite", "agentVep"):
            assert http.get(lookup.format(service)).json()["service"] == service
        assert http.get(lookup.format("msghist")).status_code == 400
        form = {"client_id": app.client_id, "client_secret": app.client_secret, "grant_type": "client_credentials"}
        token = http.post("/sentinel/api/v2/account/10203040/app/token", data=form).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert http.post(f"{ROOT}/search", params=SOURCE, json=body, headers=bearer, auth=None).status_code == 200


def test_calls_are_kept_with_their_query_and_body() -> None:
    """So that a test can say what was asked."""
    app = sandbox(volume={DAY: 1})
    ask(app, offset=0)
    assert app.requests == [("POST", f"{ROOT}/search")]
    [call] = app.calls
    assert (call.url.params["offset"], json.loads(call.content)) == ("0", {"start": day_range()})


def test_answers_are_compressed_for_those_who_accept_it() -> None:
    """With the length of what is sent."""
    with client(sandbox()) as http:
        for accepted, encoding in (("gzip", "gzip"), ("identity", None)):
            headers = {"Accept-Encoding": accepted}
            answer = http.post(f"{ROOT}/search", params=SOURCE, json={"start": day_range()}, headers=headers)
            assert answer.headers.get("Content-Encoding") == encoding
            assert int(answer.headers["Content-Length"]) == answer.num_bytes_downloaded
            assert answer.json()["conversationHistoryRecords"]


def faulty(kind: str, value: Any = None, **options: Any) -> dict[str, Any]:
    """The answer to a search with a fault in it, which happens once."""
    app = sandbox(volume={DAY: 30}, faults=[Fault("/conversations/search", kind, value=value)], **options)
    answer = ask(app, sort="start:asc").json()
    assert not app.faults
    assert len(ask(app).json()["conversationHistoryRecords"]) == answer["_metadata"]["count"] or kind == "no_records"
    return answer


def test_a_partial_result_says_so_and_lacks_records() -> None:
    """A shard of the search did not answer."""
    answer = faulty("partial_result")
    shards = answer["_metadata"]["shardsStatusResult"]
    assert (shards["partialResult"], shards["failureShards"]) == (True, 1)
    assert 0 < len(answer["conversationHistoryRecords"]) < answer["_metadata"]["count"]


def test_faults_of_records_are_in_the_records() -> None:
    """An unknown field, a wrong type, no id, cut although it should be whole, none at all."""
    records = {kind: faulty(kind)["conversationHistoryRecords"] for kind in PAGES}
    assert all(record["info"]["sentiment"] == 0.5 for record in records["drifted_field"])
    assert records["wrong_type"][0]["info"]["mcs"] == "many"
    assert ["conversationId" in record["info"] for record in records["missing_key"][:2]] == [False, True]
    assert all(record["info"]["isPartial"] for record in records["still_partial"])
    assert records["no_records"] == []
    nested = faulty("drifted_field", {"messageRecords": {"mood": "🙂"}})["conversationHistoryRecords"]
    assert all(message["mood"] == "🙂" for record in nested for message in record["messageRecords"])


@pytest.mark.parametrize("kind", sorted(DRIFTS))
def test_pages_drift_while_they_are_read(kind: str) -> None:
    """From the faulted page on; a record comes twice or not at all, and the count says so or doesn't."""
    app = sandbox(volume={DAY: 100})
    whole, counts = paged(app, limit=20)
    app.faults.append(Fault("offset=40", kind))
    names, drifted = paged(app, limit=20)
    missing, repeated = len(set(whole) - set(names)), len(names) - len(set(names))
    assert (missing, repeated) == {"drift_repeat": (1, 1), "drift_count_more": (0, 1)}.get(kind, (1, 0))
    assert len(set(drifted)) == (2 if "count" in kind else 1)
    assert paged(app, limit=20) == (whole, counts)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_body_is_cut_with_the_length_of_the_whole_or_of_the_rest(encoding: str) -> None:
    """The first shows by the length, the second in the JSON alone."""
    app = sandbox(volume={DAY: 30})
    with client(app) as http:
        search = http.build_request(
            "POST", f"{ROOT}/search", params=SOURCE, json={"start": day_range()}, headers={"Accept-Encoding": encoding}
        )
        for kind, whole in (("cut_body", False), ("cut_json", True)):
            app.faults.append(Fault("/search", kind))
            answer = http.send(search)
            assert (int(answer.headers["Content-Length"]) == answer.num_bytes_downloaded) is whole
            with pytest.raises(ValueError, match=r"."):
                json.loads(answer.text)
        app.faults.append(Fault("/search", "dropped_body"))
        with pytest.raises(httpx.ReadError):
            http.send(search)
        assert http.send(search).json()


@pytest.mark.parametrize("kind", sorted(kind for kind in ANSWERS if kind[0].isdecimal()))
def test_a_fault_of_the_answer_happens_once(kind: str) -> None:
    """Of a page, where the page is what the fault names."""
    app = sandbox(volume={DAY: 30}, faults=[Fault("offset=10&", kind)])
    answers = [ask(app, offset=offset, limit=10) for offset in (0, 10, 10)]
    assert [answer.status_code for answer in answers] == [200, int(kind[:3]), 200]
    if kind == "500_0007":
        assert answers[1].json()["error"]["internalCode"] == "0007"


# Server


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    with running(scale=0.05, now=NOON.isoformat()) as address:
        yield address


def test_the_server_answers_searches_as_the_app_does(url: str) -> None:
    """The same data in another process, compressed, at the address that the domain lookup names."""
    of, app = LivePersonMessaging, sandbox(scale=0.05)
    auth = OAuth1(of.app_key, of.app_secret, of.access_token, of.access_token_secret)
    with httpx.Client(base_url=url, auth=auth) as http:
        lookup = "/api/account/10203040/service/msgHist/baseURI.json?version=1.0"
        assert http.get(lookup).json()["baseURI"] == url
        body = {"start": day_range(), "contentToRetrieve": EVERYTHING}
        params = {"source": "Tests", "sort": "start:asc", "v": "2", "limit": "100"}
        answer = http.post(f"{ROOT}/search", params=params, json=body)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.json()["conversationHistoryRecords"] == found(app, body)


@pytest.mark.parametrize("kind", ["cut_body", "dropped_body"])
def test_the_server_breaks_a_search_on_request(url: str, kind: str) -> None:
    """And answers the next."""
    of = LivePersonMessaging
    auth = OAuth1(of.app_key, of.app_secret, of.access_token, of.access_token_secret)
    with httpx.Client(base_url=url, auth=auth) as http:
        assert http.post("/sandbox/faults", json={"path": "/conversations/", "kind": kind}).status_code == 201
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(f"{ROOT}/search", params=SOURCE, json={"start": day_range()})
        assert http.post(f"{ROOT}/search", params=SOURCE, json={"start": day_range()}).status_code == 200
