"""The sandbox's Khoros Care takes, watches and hands out exports as the vendor's reference says, limits included."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.khoros_care_exports import EXPORTS, columns, simulated, title
from contact_analytics.sandbox.liveperson_brand import Brand

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
MONDAY = datetime(2024, 6, 17, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = "https://analytics-api.app.lithium.com/api/public"
AUTH = (KhorosCare.username, KhorosCare.password)


def sandbox(**options: Any) -> KhorosCare:
    return KhorosCare(**{"scale": 0.5, "now": lambda: NOON, "calls_per_minute": 1000} | options)


def client(app: Callable[[httpx.Request], httpx.Response], **options: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(app), **{"auth": AUTH, "follow_redirects": True} | options)


def window(start: datetime = MONDAY, end: datetime = MONDAY + DAY) -> dict[str, Any]:
    first, last = (round(at.timestamp() * 1000) for at in (start, end))
    return {"companyKey": "acme-c01", "startTime": first, "endTime": last - 1}


def submit(app: KhorosCare, export: str = "conversation", verb: str = "GET", **params: Any) -> httpx.Response:
    with client(app) as http:
        return http.request(verb, f"{ROOT}/reports/report/{export}", params=window() | params)


def ids(app: KhorosCare, export: str = "conversation", **params: Any) -> dict[str, str]:
    return submit(app, export, **params).raise_for_status().json()["result"]


def ask(app: KhorosCare, url: str, **options: Any) -> httpx.Response:
    with client(app, **options) as http:
        return http.get(url)


def closed(app: KhorosCare, export: str = "conversation", **params: Any) -> dict[str, Any]:
    """The export's last status, once it is closed."""
    url = ids(app, export, **params)["statusUrl"]
    for _ in range(5):
        result = ask(app, url).raise_for_status().json()["result"]
        status = result[0] if isinstance(result, list) else result
        if status["result"]["runnerState"] == "CLOSED":
            return status
    raise AssertionError("it goes on")


def file(app: KhorosCare, export: str = "conversation", **params: Any) -> httpx.Response:
    return ask(app, closed(app, export, **params)["jobInfo"]["downloadUrl"])


# An export's way


def test_a_submit_names_the_export_and_its_status() -> None:
    """In text/plain, with a run id that the link has as one encoded segment."""
    app = sandbox()
    reply = submit(app)
    assert reply.headers["Content-Type"].startswith("text/plain")
    found = reply.json()["result"]
    assert re.fullmatch(r"2\w[A-Za-z0-9+/]{43}=", found["runId"])
    assert {"+", "/"} < set(found["runId"])
    assert found["downloadUrl"] == ""
    path = f"/reports/report/{found['workflowId']}/{quote(found['runId'], safe='')}/status?companyKey=acme-c01"
    assert found["statusUrl"] == ROOT + path
    assert submit(app, "user").headers["Content-Type"] == "application/json"


def test_a_status_is_a_list_until_the_export_is_done() -> None:
    """A list of one while it runs, an object with a link once it is completed."""
    app = sandbox(running_polls=2)
    url = ids(app)["statusUrl"]
    seen = [ask(app, url).json()["result"] for _ in range(3)]
    assert [type(result) for result in seen] == [list, list, dict]
    assert [result[0]["result"]["runnerState"] for result in seen[:2]] == ["RUNNING", "RUNNING"]
    assert (seen[2]["result"]["runnerState"], seen[2]["result"]["detail"]) == ("CLOSED", "COMPLETED")
    assert seen[0][0]["jobInfo"]["downloadUrl"] == ""
    assert "/download?analyticsAccessToken=" in seen[2]["jobInfo"]["downloadUrl"]
    assert ask(app, seen[2]["jobInfo"]["statusUrl"]).status_code == 200
    same = sandbox(status_shape="object")
    assert ask(same, ids(same)["statusUrl"]).json()["result"]["result"]["runnerState"] == "RUNNING"


def test_the_same_request_is_the_same_workflow_and_another_run() -> None:
    """Whichever the verb; another request is another workflow."""
    app = sandbox()
    first, second, other = ids(app), ids(app, verb="POST"), ids(app, reportFormat="csv")
    assert first["workflowId"] == second["workflowId"] != other["workflowId"]
    assert first["runId"] != second["runId"]
    assert [one["run_id"] for one in app.submissions[:2]] == [first["runId"], second["runId"]]
    assert app.submissions[2]["params"]["reportFormat"] == ["csv"]


def test_a_file_comes_from_storage_without_credentials() -> None:
    """By a redirect to another host, whose link dies after five minutes."""
    clock = [NOON]
    app = sandbox(now=lambda: clock[0])
    url = closed(app)["jobInfo"]["downloadUrl"]
    assert ask(app, url).json() == app.rows("conversation", MONDAY, MONDAY + DAY)
    location = ask(app, url, follow_redirects=False).headers["Location"]
    assert httpx.URL(location).host != httpx.URL(ROOT).host
    assert app.violations == []
    assert ask(app, location).status_code == 400
    assert len(app.violations) == 1
    clock[0] += timedelta(seconds=301)
    assert ask(app, location, auth=None).status_code == 403
    here = url.replace("https://analytics-api.app.lithium.com", "http://127.0.0.1:8123")
    assert (
        ask(app, here, follow_redirects=False).headers["Location"].startswith("http://localhost:8123/khoros-storage/")
    )


def test_three_exports_take_their_parameters_in_a_body() -> None:
    """A form or JSON; the company key stays in the query."""
    app = sandbox()
    said = {name: value for name, value in window().items() if name != "companyKey"}
    with client(app) as http:
        for body in ({"data": said}, {"json": said | {"teamId": [6101, 6102]}}):
            assert http.post(f"{ROOT}/reports/report/user?companyKey=acme-c01", **body).status_code == 200
        assert http.post(f"{ROOT}/reports/report/author?companyKey=acme-c01", data=said).status_code == 400
    assert app.submissions[1]["params"]["teamId"] == ["6101", "6102"]


def test_helper_endpoints_list_teams_and_time_zones() -> None:
    """In the envelope; `Etc/GMT+12` is west, as POSIX has it."""
    app = sandbox()
    assert ask(app, f"{ROOT}/teams?companyKey=acme-c01").json()["result"] == app.teams()
    zones = ask(app, f"{ROOT}/config/timezones?companyKey=acme-c01&locale=en").json()["result"]
    assert {"id": "Etc/GMT+12", "offsetString": "-12:00", "offsetMillis": -43_200_000}.items() <= zones[0].items()
    assert sum(team["numberOfMembers"] for team in app.teams()) == len(Brand("10203040", 1, 0.5).agents)


# Rules


@pytest.mark.parametrize("status", [429, 503, 403])
def test_a_call_too_many_in_a_minute_is_refused(status: int) -> None:
    """Of any kind; a minute later there is room again."""
    clock = [NOON]
    app = sandbox(calls_per_minute=20, refusal=status, now=lambda: clock[0])
    url = ids(app)["statusUrl"]
    assert [ask(app, url).status_code for _ in range(20)] == [200] * 19 + [status]
    assert len(app.violations) == 1
    clock[0] += timedelta(seconds=60)
    assert ask(app, url).status_code == 200


@pytest.mark.parametrize(
    ("export", "params", "status"),
    [
        ("report/conversation", {}, 404),
        ("tags", {}, 404),
        ("conversation", {"companyKey": "other-c01"}, 403),
        ("conversation", {"companyKey": None}, 403),
        ("conversation", {"startTime": ""}, 400),
        ("conversation", {"endTime": 1}, 400),
        ("conversation", {"priorities": "7"}, 400),
        ("conversation", {"timezone": "Mars/North"}, 400),
        ("conversation", {"businessHourType": "true"}, 400),
        ("conversation", {"reportMetrics": "NOTHING"}, 400),
        ("team_performance_interval", {}, 400),
    ],
)
def test_a_submit_that_breaks_a_rule_is_refused_and_told(export: str, params: dict[str, Any], status: int) -> None:
    """And no export comes of it."""
    app = sandbox()
    assert submit(app, export, **params).status_code == status
    assert (len(app.violations), app.submissions) == (1, [])


def test_every_call_needs_credentials_and_a_run_id_as_it_was_given() -> None:
    """The password at the status too; the run id as one segment with nothing decoded."""
    app = sandbox()
    found = ids(app)
    assert ask(app, found["statusUrl"], auth=None).status_code == 401
    assert ask(app, found["statusUrl"].partition("?")[0]).status_code == 400
    mangled = found["statusUrl"].replace(quote(found["runId"], safe=""), found["runId"])
    assert ask(app, mangled).status_code == 404
    assert ask(app, found["statusUrl"].replace("%3D/", "/")).status_code == 404
    assert ask(app, found["statusUrl"].replace("status", "download")).status_code == 404
    assert len(app.violations) == 5
    assert ask(app, found["statusUrl"]).status_code == 200


@pytest.mark.parametrize(("interval", "good"), [(3_600_000, True), (900_000, False), (3_700_000, False)])
def test_an_interval_that_is_too_small_is_answered_in_words(interval: int, good: bool) -> None:
    """With a text for a result; no export comes of it."""
    app = sandbox()
    reply = submit(app, "team_performance_interval", timeInterval=interval).json()
    assert (reply["status"] == "PASS", isinstance(reply["result"], dict)) == (good, good)
    assert good or "HydrationException" in reply["result"]
    if good:
        assert len(app.rows("team_performance_interval", MONDAY, MONDAY + DAY, interval=interval)) == 24 * 4


# Rows


@pytest.mark.parametrize("export", EXPORTS)
def test_every_export_has_its_rows_in_both_formats(export: str) -> None:
    """The same rows; titles in CSV, metric ids in JSON; an empty file has its header alone."""
    app = sandbox()
    more = {"timeInterval": 86_400_000} if export.endswith("interval") else {}
    rows = app.rows(export, MONDAY, MONDAY + DAY)
    assert rows
    assert all(tuple(row) == columns(export) for row in rows)
    assert file(app, export, **more).json() == rows
    table = list(csv.reader(io.StringIO(file(app, export, reportFormat="CSV", **more).text, newline="")))
    assert table[0] == [title(name) for name in columns(export)]
    assert len(table) == len(rows) + 1
    assert len({title(name, "de") for name in columns(export)}) == len(columns(export))
    assert set(simulated(export)) <= set(columns(export))


def test_conversations_are_those_that_began_ended_or_stayed_open() -> None:
    """By the report's type; what is open at the end says so, whatever came later."""
    app = sandbox()
    kinds = {kind: app.rows("conversation", MONDAY, MONDAY + DAY, kind=kind) for kind in ("CREATED", "CLOSED")}
    for kind, rows in kinds.items():
        assert file(app, conversationReportType=kind).json() == rows
        assert all(row[f"{kind}_DATE"].startswith("2024-06-17") for row in rows)
    snapshot = file(app).json()
    assert {row["STATUS"] for row in snapshot} <= {"OPEN", "ASSIGNED"}
    before = {row["CONVERSATION_ID"] for row in app.rows("conversation", MONDAY - DAY, MONDAY)}
    created, ended, still = ({row["CONVERSATION_ID"] for row in rows} for rows in (*kinds.values(), snapshot))
    assert still == (before | created) - ended
    assert before & ended


def test_windows_include_both_their_ends_to_the_millisecond() -> None:
    """So adjacent windows with one millisecond in common have a row twice."""
    app = sandbox(volume={date(2024, 6, 17): 5})
    options: dict[str, Any] = {"conversationReportType": "CREATED", "reportMetrics": "CONVERSATION_ID"}
    at = app._care.of_day((MONDAY - datetime(1970, 1, 1, tzinfo=UTC)).days)[2].created  # pyright: ignore[reportPrivateUsage]
    assert len(file(app, **options).json()) == 5
    assert [len(file(app, **options, **edge).json()) for edge in ({"endTime": at}, {"startTime": at})] == [3, 3]
    assert [len(file(app, **options, **edge).json()) for edge in ({"endTime": at - 1}, {"startTime": at + 1})] == [2, 2]


def test_filters_columns_and_zones_are_as_asked() -> None:
    """Priorities choose rows, metrics choose and order columns, a zone writes dates and moves no row."""
    app = sandbox(extra_columns={"VIBE": "ok"}, dropped_columns=["STATUS"])
    created: dict[str, Any] = {"conversationReportType": "CREATED"}
    whole = file(app, **created).json()
    assert all("STATUS" not in row and row["VIBE"] == "ok" for row in whole)
    some = file(app, **created, priorities="0,1").json()
    assert some == [row for row in whole if row["PRIORITY"] < 2]
    few = file(app, **created, reportMetrics=["created_date", "CONVERSATION_ID"], timezone="America/Chicago").json()
    assert [tuple(row) for row in few] == [("CREATED_DATE", "CONVERSATION_ID")] * len(whole)
    assert [row["CREATED_DATE"] for row in file(app, **created, timezoneOffset=-18_000_000).json()] == [
        row["CREATED_DATE"] for row in few
    ]
    assert few[0]["CREATED_DATE"] < whole[0]["CREATED_DATE"]
    performance = file(app, "team_performance", teamIds="6101,6103", includeDisabled="true").json()
    assert {row["TEAM_ID"] for row in performance} == {6101, 6103}
    assert {row["AGENT_ENABLED"] for row in performance} == {True, False}


def test_a_history_ends_at_its_limit() -> None:
    """500 actions a conversation, 2000 on request; some have more."""
    app = sandbox()
    for limit, options in ((500, {}), (2000, {"raise_limit": True})):
        rows = app.rows("conversation_history_action", MONDAY - 7 * DAY, MONDAY + 3 * DAY, **options)
        most = max(Counter(row["CONVERSATION_ID"] for row in rows).values())
        assert 500 < most <= 2000 if limit == 2000 else most == 500


def test_what_an_export_tells_changes_until_its_conversations_are_closed() -> None:
    """An older window, asked for again, has later closes in it; the agents are those of the brand."""
    app = sandbox()
    early = app.rows("conversation", MONDAY, MONDAY + DAY, kind="CREATED", at=round((MONDAY + DAY).timestamp() * 1000))
    late = app.rows("conversation", MONDAY, MONDAY + DAY, kind="CREATED")
    assert len(early) == len(late)
    assert sum(row["STATUS"] == "CLOSED" for row in early) < sum(row["STATUS"] == "CLOSED" for row in late)
    logins = {agent.loginname for agent in Brand("10203040", 1, 0.5).agents}
    assert {row["ASSIGNED_AGENT_EMAIL"] for row in late} - {None} <= logins


def test_titles_and_a_byte_order_mark_come_on_request() -> None:
    """Titles in JSON as well, and in German for that locale."""
    app = sandbox(titles=True, csv_bom=True)
    assert "Conversation ID" in file(app, locale="en_US").json()[0]
    assert "Konversation ID" in file(app, locale="de").json()[0]
    assert file(app, reportFormat="csv").content.startswith(b"\xef\xbb\xbfConversation ID,")
