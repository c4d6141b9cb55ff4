"""The sandbox keeps LivePerson's promises, and its limits."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib.oauth1 import Client

from contact_analytics.sandbox.faults import ANSWERS, PAIRS, TEXTS, WIRES, Fault
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_files import DATASETS, HourFile
from contact_analytics.sandbox.serve import environment, running

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
TODAY, DAY = NOON.date(), date(2024, 6, 18)
HOST = "https://va.da.liveperson.net"
ROOT = "/data_access_le/account/10203040/le"
NAMES = [dataset.name for dataset in DATASETS]
PATHS = {dataset.name: dataset.path for dataset in DATASETS}


class Signed(httpx.Auth):
    """OAuth 1.0a with the sandbox's credentials, any of which a test may replace."""

    def __init__(self, **changed: Any) -> None:
        default = LivePersonDataAccess
        words = {"client_secret": default.app_secret, "resource_owner_key": default.access_token}
        words |= {"resource_owner_secret": default.access_token_secret}
        key = changed.pop("app_key", default.app_key)
        self._client = Client(key, **words | changed)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        _, headers, _ = self._client.sign(str(request.url), request.method)
        request.headers["Authorization"] = headers["Authorization"]
        yield request


def sandbox(**options: Any) -> LivePersonDataAccess:
    return LivePersonDataAccess(**{"scale": 0.02, "now": lambda: NOON} | options)


def client(app: LivePersonDataAccess, auth: httpx.Auth | None = None) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(app), base_url=HOST, auth=auth or Signed())


def window(start: datetime, end: datetime) -> dict[str, int]:
    return {"startTime": round(start.timestamp() * 1000), "endTime": round(end.timestamp() * 1000)}


def day_window(day: date, days: int = 1) -> dict[str, int]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return window(start, start + timedelta(days=days))


def listed(app: LivePersonDataAccess, dataset: str, params: dict[str, int]) -> list[dict[str, str]]:
    with client(app) as http:
        response = http.get(f"{ROOT}/{PATHS[dataset]}", params=params)
    if response.status_code == 404:
        return []
    files = response.raise_for_status().json()["dataAccessFiles"]["file"]
    return files if isinstance(files, list) else [files]


def first_file(app: LivePersonDataAccess, dataset: str = "survey") -> str:
    return listed(app, dataset, day_window(DAY))[0]["@href"]


def comparable(value: Any) -> Any:
    """A decoded value as the sandbox states it: epoch milliseconds, fields that are null left out."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: comparable(inner) for name, inner in value.items() if inner is not None}
    return [comparable(item) for item in value] if isinstance(value, list) else value


def decoded(app: LivePersonDataAccess, file: HourFile) -> list[dict[str, Any]]:
    result = file.dataset.format.decode(gzip.decompress(app.body(file)))
    assert not result.rejected
    assert not result.unknown
    return comparable(result.frame.drop("_extra", "_record").to_dicts())


@pytest.mark.parametrize("dataset", NAMES)
def test_the_files_of_a_day_hold_exactly_its_records(dataset: str) -> None:
    app = sandbox()
    rows = [row for file in app.files(dataset, DAY) for row in decoded(app, file)]
    assert rows == comparable(app.records(dataset, DAY))
    assert rows


@pytest.mark.parametrize("dataset", NAMES)
def test_downloads_through_the_links_are_the_files_of_the_day(dataset: str) -> None:
    app = sandbox()
    files = app.files(dataset, DAY)
    links = listed(app, dataset, day_window(DAY))
    assert [link["@name"] for link in links] == [file.name for file in files]
    with client(app) as http:
        for link, file in zip(links, files, strict=True):
            response = http.get(link["@href"]).raise_for_status()
            assert response.content == app.body(file)
            assert int(response.headers["Content-Length"]) == len(response.content)


@pytest.mark.parametrize("dataset", NAMES)
def test_keys_of_a_day_are_unique_and_complete(dataset: str) -> None:
    app = sandbox(scale=0.3)
    keys = {d.name: d.format for d in DATASETS}[dataset]
    frame = keys.decode(b"\n".join(gzip.decompress(app.body(file)) for file in app.files(dataset, DAY))).frame
    key = {
        "agent_activity": ["agent_session_id", "agent_id", "timestamp", "type", "state"],
        "engagement": ["conversation_id"],
        "survey": ["conversation_id", "id", "type"],
        "web_session": ["visit_id"],
    }[dataset]
    assert not frame.select(key).is_duplicated().any()
    assert not any(frame.select(key).null_count().row(0))


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (sandbox(seed=seed) for seed in (1, 1, 2))
    [one, same, different] = [[app.body(f) for f in app.files("engagement", DAY)] for app in (first, again, other)]
    assert one == same
    assert one != different


def test_listing_makes_no_content() -> None:
    app = sandbox(scale=50.0)
    assert len(listed(app, "web_session", day_window(date(2024, 6, 12), days=7))) > 7 * 24
    assert app._files.content.cache_info().misses == 0


def test_the_week_and_the_day_have_their_shape() -> None:
    app = sandbox(scale=1.0)
    tuesday, sunday = (app.files("engagement", day) for day in (DAY, date(2024, 6, 16)))
    assert sum(len(file.numbers) for file in tuesday) > 1.4 * sum(len(file.numbers) for file in sunday)
    parts = Counter(file.hour % 24 for file in tuesday)
    assert max(parts.values()) >= 2
    quiet = {f.hour for back in range(30) for f in app.files("survey", DAY - timedelta(days=back))}
    assert 0 < 30 * 24 - len(quiet) < 30 * 5


def test_a_day_shows_the_vendors_oddities() -> None:
    app = sandbox(scale=0.3)
    texts = {name: b"".join(gzip.decompress(app.body(f)) for f in app.files(name, DAY)) for name in NAMES}
    envelopes = [b'"metaData":{"accountId"', b'"metaData":{"com.liveperson.dataaccess.MetaData":{']
    assert all(form in text for text in texts.values() for form in envelopes)
    assert "🙏🏽".encode() in texts["engagement"]
    assert b"questions:\\n1. can I" in texts["engagement"]
    assert b'"text":{"string":""}' in texts["engagement"]
    assert b'"visitorId":{"string":""}' in texts["engagement"]
    assert b'"endTime":null' in texts["web_session"]
    assert b'"maxConcurrentEng":{"long":-9}' in texts["agent_activity"]
    assert b'"agentGroupID":{"long":-1}' in texts["agent_activity"]
    assert b'"long":9007199254740993' in texts["web_session"]
    surveys = app.records("survey", DAY)
    times = [sorted(content["answer_submit_time"] for content in row["contents"]) for row in surveys]
    assert any(later - earlier == 7 for row in times for earlier, later in pairwise(row))
    visits = [(file, row) for file in app.files("web_session", DAY) for row in decoded(app, file)]
    assert any(row["start_time"] < (file.hour - 4) * 3_600_000 for file, row in visits)


def test_every_section_attribute_and_goal_occurs() -> None:
    visits = sandbox(scale=1.0).records("web_session", DAY)
    schema = next(d for d in DATASETS if d.name == "web_session").format
    assert all(any(visit[section] for visit in visits) for section in schema.branches)
    attributes = {name for visit in visits for item in visit["engagement_attributes"] or () for name in item["data"]}
    goals = {name for visit in visits for item in visit["achieved_goals"] or () for name in item["goal_meta_data"]}
    assert len(attributes) == 9
    assert len(goals) == 6


def test_a_customer_has_one_status_and_every_order_a_customer() -> None:
    visits = sandbox(scale=0.5).records("web_session", DAY)
    statuses: dict[str, set[str]] = {}
    for visit in visits:
        data = [item["data"] for item in visit["engagement_attributes"] or ()]
        customers = [item["customer_info"] for item in data if "customer_info" in item]
        assert customers or not any("purchase" in item for item in data)
        for customer in customers:
            statuses.setdefault(customer["customer_id"], set()).add(customer["customer_status"])
    assert {len(known) for known in statuses.values()} == {1}


def test_surveys_belong_to_conversations_of_the_same_day_or_of_days_before() -> None:
    app = sandbox(scale=0.5)
    conversations = {row["conversation_id"]: row for row in app.records("engagement", DAY)}
    days_before = [DAY - timedelta(days=back) for back in range(2, 6)]
    earlier = {row["conversation_id"] for day in days_before for row in app.records("engagement", day)}
    surveyed = {row["conversation_id"] for row in app.records("survey", DAY)}
    assert surveyed < conversations.keys() | earlier
    assert 0 < len(surveyed & earlier) < 0.1 * len(surveyed)
    agents = {str(row["agent_id"]) for row in app.records("agent_activity", DAY)}
    assert {row["agent_id"] for row in conversations.values()} & agents


def test_agent_sessions_run_from_login_to_logout_without_a_gap_save_some_that_have_no_logout() -> None:
    rows = sandbox(scale=1.0).records("agent_activity", DAY)
    sessions: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sessions.setdefault(row["agent_session_id"], []).append(row)
    ends = Counter(session[-1]["type"] for session in sessions.values())
    assert ends.keys() == {1, 4}
    assert ends[4] > 5 * ends[1]
    for session in sessions.values():
        assert session[0]["type"] == 3
        for before, after in pairwise(session):
            assert before["timestamp"] < after["timestamp"]
            assert (before["state"], before["concurrent_eng"]) == (after["prev_state"], after["prev_concurrent_eng"])


def test_some_agents_are_offline_while_logged_in_and_some_are_logged_in_twice() -> None:
    rows = [row for back in range(3) for row in sandbox(scale=1.0).records("agent_activity", DAY - timedelta(back))]
    assert any(row["state"] == 1 for row in rows if row["type"] == 1)
    spans = dict[str, tuple[int, int, int]]()
    for row in rows:
        agent, start, end = spans.get(row["agent_session_id"], (row["agent_id"], row["timestamp"], 0))
        spans[row["agent_session_id"]] = (agent, start, max(end, row["timestamp"]))
    twice = [
        (one, other) for one, other in pairwise(sorted(spans.values())) if one[0] == other[0] and other[1] < one[2]
    ]
    assert 0 < len(twice) < 0.2 * len(spans)


# Authentication


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": "another"},
        {"resource_owner_secret": "another"},
        {"app_key": "another"},
        {"resource_owner_key": "another"},
        {"signature_method": "PLAINTEXT"},
        {"timestamp": "1700000000"},
        {"timestamp": "soon"},
    ],
)
def test_a_wrong_signature_is_refused(wrong: dict[str, str]) -> None:
    app = sandbox()
    with client(app, Signed(**wrong)) as http:
        for path in ("", "/survey", "/schema?schemaId=latest", "/survey/Survey.1.2.part-00000-0.gz"):
            response = http.get(ROOT + path)
            assert response.status_code == 401
            assert response.json()["error"].startswith("Not authenticated")


def test_a_request_without_credentials_or_with_garbage_is_refused() -> None:
    with httpx.Client(transport=httpx.MockTransport(sandbox()), base_url=HOST) as http:
        assert http.get(ROOT).status_code == 401
        for header in ("OAuth", "OAuth x", 'OAuth oauth_nonce="1"', "Bearer", "Bearer x", "Basic eDp5"):
            assert http.get(ROOT, headers={"Authorization": header}).status_code == 401


def test_a_signature_counts_for_its_host_path_and_parameters_alone() -> None:
    with client(sandbox()) as http:
        made = http.build_request("GET", f"{ROOT}/survey", params=day_window(DAY))
        signed = next(Signed().auth_flow(made)).headers["Authorization"]
        for url in (
            f"https://va-a.da.liveperson.net{ROOT}/survey?{made.url.query.decode()}",
            f"{HOST}{ROOT}/engagement?{made.url.query.decode()}",
            f"{made.url}&v=1.0",
        ):
            assert http.get(url, headers={"Authorization": signed}, auth=None).status_code == 401
        assert http.get(made.url, headers={"Authorization": signed}, auth=None).status_code == 200


def test_a_nonce_counts_once() -> None:
    with client(sandbox(), Signed(nonce="one")) as http:
        assert [http.get(ROOT).status_code for _ in range(2)] == [200, 401]


def test_the_key_of_one_account_opens_no_other() -> None:
    with client(sandbox()) as http:
        assert http.get("/data_access_le/account/99999999/le/survey", params=day_window(DAY)).status_code == 403


def test_the_domain_lookup_leads_to_a_token_that_opens_lists_and_files() -> None:
    app = sandbox()
    with httpx.Client(transport=httpx.MockTransport(app)) as http:
        lookup = "https://api.liveperson.net/api/account/10203040/service/{}/baseURI.json"
        found = http.get(lookup.format("sentinel"), params={"version": "1.0"}).json()
        assert found == {"service": "sentinel", "account": "10203040", "baseURI": "api.liveperson.net"}
        assert http.get(lookup.format("nothing"), params={"version": "1.0"}).status_code == 400
        assert http.get(lookup.format("sentinel")).status_code == 400
        local = http.get("http://127.0.0.1:8/api/account/10203040/service/sentinel/baseURI.json?version=1.0")
        assert local.json()["baseURI"] == "http://127.0.0.1:8"
        bearer = {"Authorization": f"Bearer {new_token(http)['access_token']}"}
        listing = http.get(f"{HOST}{ROOT}/survey", params=day_window(DAY), headers=bearer).json()
        link = listing["dataAccessFiles"]["file"][0]["@href"]
        assert http.get(link, headers=bearer).status_code == 200


def new_token(http: httpx.Client, **changed: str) -> dict[str, Any]:
    default = LivePersonDataAccess
    form = {"client_id": default.client_id, "client_secret": default.client_secret}
    form |= {"grant_type": "client_credentials"} | changed
    return http.post("https://va.sentinel.liveperson.net/sentinel/api/v2/account/10203040/app/token", data=form).json()


def test_a_token_expires_and_wrong_client_credentials_get_none() -> None:
    clock = [NOON]
    app = sandbox(now=lambda: clock[0], token_seconds=60)
    with httpx.Client(transport=httpx.MockTransport(app), base_url=HOST) as http:
        token = new_token(http)
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 60)
        for wrong in ({"client_id": "x"}, {"client_secret": "x"}, {"grant_type": "password"}):
            assert "access_token" not in new_token(http, **wrong)
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert http.get(ROOT, headers=bearer).status_code == 200
        clock[0] += timedelta(seconds=60)
        assert http.get(ROOT, headers=bearer).status_code == 401


# Lists


def test_links_lead_to_the_sibling_host() -> None:
    app = sandbox()
    with client(app) as http:
        base = http.get(ROOT).json()["le"]
        assert base["@accountId"] == "10203040"
        assert [link["@rel"] for link in base["link"]] == [
            "self", "agentActivity", "webSession", "engagement", "survey", "schema",
        ]  # fmt: skip
        hosts = {httpx.URL(link["@href"]).host for link in base["link"]}
        assert hosts == {"va-a.da.liveperson.net"}
        local = http.get(f"http://127.0.0.1:81{ROOT}").json()["le"]["link"][0]["@href"]
        assert local == f"http://localhost:81{ROOT}"
        back = http.get(f"http://localhost:81{ROOT}").json()["le"]["link"][0]["@href"]
        assert back == f"http://127.0.0.1:81{ROOT}"


def test_a_single_file_is_an_object_and_several_are_a_list() -> None:
    app = sandbox(scale=1.0)
    parts = Counter(file.hour for file in app.files("survey", DAY))
    with client(app) as http:
        for count, kind in ((1, dict), (2, list)):
            hour = next(hour for hour, files in parts.items() if files == count)
            start = datetime.fromtimestamp(hour * 3600, UTC)
            response = http.get(f"{ROOT}/survey", params=window(start, start + timedelta(hours=1)))
            assert isinstance(response.json()["dataAccessFiles"]["file"], kind)


def test_a_window_without_files_is_answered_with_the_phrase() -> None:
    with client(sandbox()) as http:
        response = http.get(f"{ROOT}/survey", params=day_window(TODAY + timedelta(days=1)))
    assert response.status_code == 404
    assert "No Available Files" in response.text


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"startTime": "1"},
        {"endTime": "1"},
        {"startTime": "2024-06-18", "endTime": "2024-06-19"},
        {"startTime": "2", "endTime": "1"},
        {"startTime": "-1", "endTime": "1"},
    ],
)
def test_a_window_that_is_none_is_refused(params: dict[str, str]) -> None:
    with client(sandbox()) as http:
        assert http.get(f"{ROOT}/survey", params=params).status_code == 400


def test_a_wide_window_times_out() -> None:
    with client(sandbox()) as http:
        assert http.get(f"{ROOT}/survey", params=day_window(date(2024, 6, 10), days=8)).status_code == 200
        assert http.get(f"{ROOT}/survey", params=day_window(date(2024, 6, 10), days=9)).status_code == 504


def test_names_scopes_and_links_follow_the_vendors_grammar() -> None:
    app = sandbox(scale=1.0)
    files = [file for back in range(20) for file in listed(app, "agent_activity", day_window(DAY - timedelta(back)))]
    for file in files:
        prefix, start, end, part, *suffix = file["@name"].split(".")
        assert (prefix, suffix) in [("Agent", []), ("Agent", ["gz"])]
        assert part.startswith("part-0000")
        for scope, milliseconds in (("@scopeStartDate", start), ("@scopeEndDate", end)):
            assert file[scope].endswith("-04:00")
            assert datetime.fromisoformat(file[scope]).timestamp() * 1000 == int(milliseconds)
    bare = [file for file in files if not file["@name"].endswith(".gz")]
    assert bare
    assert {file["@href"].endswith(".gz") for file in bare} == {True, False}


@given(first=st.integers(0, 47), hours=st.integers(1, 30), early=st.integers(0, 1), late=st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_window_selects_the_scopes_that_its_inclusiveness_says(first: int, hours: int, early: int, late: int) -> None:
    start = datetime(2024, 6, 17, tzinfo=UTC) + timedelta(hours=first)
    end = start + timedelta(hours=hours)
    asked = window(start - timedelta(milliseconds=early), end + timedelta(milliseconds=late))
    low, high = start.timestamp() // 3600, end.timestamp() // 3600
    expected = {
        "overlap": (low - early, high + late),
        "closed": (low - 1, high + 1),
        "strict": (low if early else low + 1, high if late else high - 1),
    }
    for inclusive, (lowest, highest) in expected.items():
        app = sandbox(inclusive=inclusive, scale=0.3)
        found = {file["@name"] for file in listed(app, "web_session", asked)}
        days = [date(2024, 6, 16) + timedelta(days=offset) for offset in range(6)]
        wanted = [file for day in days for file in app.files("web_session", day) if lowest <= file.hour < highest]
        assert found == {file.name for file in wanted}


def test_a_dataset_that_is_not_enabled_is_refused() -> None:
    app = sandbox(enabled=("engagement",))
    with client(app) as http:
        assert http.get(f"{ROOT}/survey", params=day_window(DAY)).status_code == 403
        assert http.get(f"{ROOT}/engagement", params=day_window(DAY)).status_code == 200
        assert http.get(f"{ROOT}/nothing", params=day_window(DAY)).status_code == 404


def test_the_schema_names_every_branch_once() -> None:
    with client(sandbox()) as http:
        assert http.get(f"{ROOT}/schema").status_code == 400
        text = http.get(f"{ROOT}/schema", params={"schemaId": "latest"}).text
    for dataset in DATASETS:
        for wire, _ in dataset.format.branches.values():
            assert text.count(f'"name":"{wire.rpartition(".")[2]}"') == 1
    assert json.loads(text)["namespace"] == "com.liveperson.dataaccess"


# Time


def test_a_file_appears_some_time_after_its_scope_and_a_delayed_one_later() -> None:
    clock = [NOON]
    app = sandbox(now=lambda: clock[0], scale=1.0)
    last = next(file for file in app.files("web_session", TODAY) if file.scope_end == NOON)
    params = window(NOON - timedelta(hours=1), NOON)
    assert not listed(app, "web_session", params)
    clock[0] += timedelta(minutes=20)
    assert last.name in [file["@name"] for file in listed(app, "web_session", params)]
    app.delays[last.name] = timedelta(hours=9)
    assert last.name not in [file["@name"] for file in listed(app, "web_session", params)]
    clock[0] = NOON + timedelta(hours=9)
    assert last.name in [file["@name"] for file in listed(app, "web_session", params)]


@pytest.mark.parametrize("time", ["00:00", "00:30", "12:00", "23:59"])
def test_thirty_days_are_whole_all_day_and_older_files_are_gone(time: str) -> None:
    now = datetime.fromisoformat(f"{TODAY}T{time}:00+00:00")
    app = sandbox(now=lambda: now, scale=0.2, lateness=timedelta(0) if time == "00:00" else timedelta(minutes=20))
    for back in (1, 29, 30):
        day = TODAY - timedelta(days=back)
        names = {file["@name"] for file in listed(app, "web_session", day_window(day))}
        assert names == {file.name for file in app.files("web_session", day)}
    gone = app.files("web_session", TODAY - timedelta(days=31))
    left = listed(app, "web_session", day_window(TODAY - timedelta(days=31)))
    assert len(left) <= 3
    with client(app) as http:
        assert http.get(f"{ROOT}/webSession/{gone[0].href_name}").status_code == 404


def test_what_never_was_is_not_found() -> None:
    with client(sandbox()) as http:
        for name in ("Survey.gz", "Survey.x.y.part-00000-0.gz", f"Survey.{'9' * 30}.1.part-00000-0.gz", "a/b"):
            assert http.get(f"{ROOT}/survey/{name}").status_code == 404
        assert http.post(f"{ROOT}/survey").status_code == 405
        assert http.get("/elsewhere").status_code == 404


# Faults


_BROKEN = {"timeout": httpx.ReadTimeout, "connection": httpx.ConnectError}


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_a_fault_of_the_answer_happens_once(kind: str) -> None:
    app = sandbox()
    href = first_file(app)
    app.faults.append(Fault("/survey/", kind))
    with client(app) as http:
        if kind in _BROKEN:
            with pytest.raises(_BROKEN[kind]):
                http.get(href)
        else:
            response = http.get(href)
            assert response.status_code == {"html": 200, "empty": 200, "redirect": 302}.get(kind) or int(kind[:3])
            assert ("Retry-After" in response.headers) == (kind == "429_retry_after")
        assert http.get(href).status_code == 200
    assert not app.faults
    assert app.requests[-2:] == [("GET", httpx.URL(href).path)] * 2


@pytest.mark.parametrize("kind", sorted(WIRES.keys() | TEXTS.keys() | PAIRS.keys()))
def test_a_fault_of_a_file_waits_for_one_and_happens_once(kind: str) -> None:
    app = sandbox()
    app.faults.append(Fault("/survey", kind))
    href = first_file(app)
    assert app.faults
    with client(app) as http:
        spoiled: bytes | None = None
        if kind == "dropped_body":
            with pytest.raises(httpx.ReadError):
                http.get(href)
        else:
            response = http.get(href)
            spoiled = response.content
            assert (int(response.headers["Content-Length"]) == len(spoiled)) == (kind != "cut_body")
        whole = http.get(href).content
    assert spoiled != whole
    assert not app.faults
    assert gzip.decompress(whole)


def spoil(dataset: str, kind: str, value: Any = None) -> tuple[LivePersonDataAccess, HourFile, Any]:
    """The first file of the day with a fault in it, decoded."""
    app = sandbox(scale=0.3)
    file = app.files(dataset, DAY)[0]
    app.faults.append(Fault(file.href_name, kind, value=value))
    with client(app) as http:
        text = gzip.decompress(http.get(f"{ROOT}/{PATHS[dataset]}/{file.href_name}").content)
    return app, file, file.dataset.format.decode(text)


@pytest.mark.parametrize("dataset", NAMES)
def test_a_faulty_record_leaves_the_others_readable(dataset: str) -> None:
    for kind in ("wrong_type", "invalid_json"):
        app, file, result = spoil(dataset, kind)
        assert len(result.rejected) == 1, kind
        rows = comparable(result.frame.drop("_extra", "_record").to_dicts())
        whole = decoded(app, file)
        assert len(rows) < len(whole)
        assert all(row in whole for row in rows)


@pytest.mark.parametrize("dataset", NAMES)
def test_news_in_a_file_is_named_when_it_is_decoded(dataset: str) -> None:
    _, _, grown = spoil(dataset, "drifted_field")
    assert any("sentiment" in path for path in grown.unknown)
    _, _, other = spoil(dataset, "drifted_field", {"mood": {"string": "🙂"}})
    assert any("mood" in path for path in other.unknown)
    app, file, branched = spoil(dataset, "unknown_branch")
    assert any("SandboxNewsData" in path for path in branched.unknown)
    assert branched.frame.height == len(decoded(app, file))


@pytest.mark.parametrize("dataset", NAMES)
def test_a_layout_changes_no_record(dataset: str) -> None:
    for kind in ("pretty_printed", "two_members"):
        app, file, result = spoil(dataset, kind)
        assert comparable(result.frame.drop("_extra", "_record").to_dicts()) == decoded(app, file)


@pytest.mark.parametrize("dataset", NAMES)
def test_a_session_can_come_twice(dataset: str) -> None:
    app, file, result = spoil(dataset, "duplicate_session")
    whole = decoded(app, file)
    rows = comparable(result.frame.drop("_extra", "_record").to_dicts())
    assert rows[: len(whole)] == whole
    assert rows[len(whole) :] == whole[: len(rows) - len(whole)] != []
    _, _, shared = spoil(dataset, "session_in_two_files")
    assert comparable(shared.frame.drop("_extra", "_record").to_dicts())[-1] not in whole


@pytest.mark.parametrize("dataset", NAMES)
def test_a_record_can_lack_its_key(dataset: str) -> None:
    _, _, result = spoil(dataset, "missing_key")
    key = {"agent_activity": "agent_id", "web_session": "visit_id"}.get(dataset, "conversation_id")
    assert result.frame[key].null_count() == 1


def test_a_fault_happens_as_often_as_it_says_and_an_unknown_one_is_refused() -> None:
    app = sandbox(faults=[Fault("/le/survey?", "503", times=2), Fault("/le/survey?", "500")])
    with client(app) as http:
        codes = [http.get(f"{ROOT}/survey", params=day_window(DAY)).status_code for _ in range(4)]
    assert codes == [503, 503, 500, 200]
    with pytest.raises(ValueError, match="no such kind"):
        Fault("/", "meteor")


def test_faults_are_taken_over_http_on_loopback_alone() -> None:
    app = sandbox()
    with client(app) as http:
        wish = {"path": "/survey", "kind": "429_retry_after", "value": 7}
        assert http.post("/sandbox/faults", json=wish).status_code == 404
        local = "http://127.0.0.1/sandbox/faults"
        for wrong in ({}, {"path": "/", "kind": "meteor"}, [1]):
            assert http.post(local, json=wrong).status_code == 400
        assert http.post(local, json=wish).status_code == 201
        response = http.get(f"{ROOT}/survey", params=day_window(DAY))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


# Server


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    with running(scale=0.02, now=NOON.isoformat()) as address:
        yield address


def test_the_server_tells_what_broke_a_rule(url: str) -> None:
    """Of all its vendors, so that what many processes have asked can be judged."""
    assert httpx.get(f"{url}/sandbox/violations").json() == []
    httpx.get(f"{url}/api/public/teams")
    httpx.post(f"{url}/data-extraction/v1/jobs")
    said = httpx.get(f"{url}/sandbox/violations").json()
    assert said == ["no good credentials: /api/public/teams", "/data-extraction/v1/jobs with no token"]


def wish(url: str, **fault: Any) -> None:
    assert httpx.post(f"{url}/sandbox/faults", json=fault).status_code == 201


def test_the_server_answers_signed_requests_and_its_links_work(url: str) -> None:
    settings = environment(url)
    assert settings["LIVEPERSON_DATA_ACCESS_URL"] == settings["LIVEPERSON_DOMAIN_URL"] == url
    app = sandbox()
    with httpx.Client(base_url=url, auth=Signed()) as http:
        listing = http.get(f"{ROOT}/survey", params=day_window(DAY)).json()["dataAccessFiles"]["file"]
        assert [file["@name"] for file in listing] == [file.name for file in app.files("survey", DAY)]
        assert httpx.URL(listing[0]["@href"]).host == "localhost"
        response = http.get(listing[0]["@href"])
        assert response.content == app.body(app.files("survey", DAY)[0])
        assert int(response.headers["Content-Length"]) == len(response.content)
        assert http.get(f"{ROOT}/survey", auth=Signed(client_secret="x")).status_code == 401


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("timeout", httpx.ReadTimeout),
        ("connection", httpx.TransportError),
        ("cut_body", httpx.RemoteProtocolError),
        ("dropped_body", httpx.RemoteProtocolError),
    ],
)
def test_the_server_breaks_connections_on_request(url: str, kind: str, error: type[Exception]) -> None:
    with httpx.Client(base_url=url, auth=Signed(), timeout=10) as http:
        href = http.get(f"{ROOT}/survey", params=day_window(DAY)).json()["dataAccessFiles"]["file"][0]["@href"]
        wish(url, path="/survey/", kind=kind)
        with pytest.raises(error):
            http.get(href, timeout=httpx.Timeout(10, read=0.5 if kind == "timeout" else 10))
        assert http.get(href).status_code == 200


def test_a_request_without_a_vendor_is_not_found(url: str) -> None:
    assert httpx.get(f"{url}/nothing/here").status_code == 404


def test_the_server_ends_with_whoever_started_it() -> None:
    code = "from contact_analytics.sandbox.serve import running\nwith running(scale=0.02) as url: print(url); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as parent:
        assert parent.stdout
        address = parent.stdout.readline().strip()
        assert httpx.get(address).status_code == 404
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(100):
        try:
            httpx.get(address, timeout=0.1)
        except httpx.TransportError:
            return
    pytest.fail("the sandbox outlived its parent")


def test_an_interrupt_ends_the_command_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "contact_analytics.sandbox", "--scale", "0.02"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in ["ready", *environment("")]]
        address = said[0].removeprefix("sandbox ready at ").strip()
        assert said[1:] == [f"export {name}={value}\n" for name, value in environment(address).items()]
        httpx.get(address)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")
