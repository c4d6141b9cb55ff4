"""Answers in shapes that nobody documents end in words, never in a defect of ours, and send credentials nowhere."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_analytics.khoros_care import answers
from contact_analytics.lib.errors import ContactAnalyticsError
from contact_analytics.lib.http import TryAgain
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import start_of
from contact_analytics_tests.khoros_care.altered import DAY, opened
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held

ODD_LINKS = [
    "https://[bad",
    "http://a\nb/",
    "::::",
    "/api/public/status",
    "https://analytics-api.app.lithium.com:port/x",
    "download?[COMPANY KEY]",
    "x" * 70_000,
]
NAMES = [
    "status",
    "result",
    "jobInfo",
    "runId",
    "workflowId",
    "downloadUrl",
    "statusUrl",
    "runnerState",
    "detail",
    "details",
    "reason",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["PASS", "CLOSED", "r"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
ENVELOPES = VALUES | st.fixed_dictionaries(
    {"status": st.sampled_from(["PASS", "pass", "FAIL", None]), "result": VALUES}
)


@settings(max_examples=200, deadline=None)
@given(ENVELOPES, st.sampled_from([200, 204, 302, 400, 404, 500]))
def test_whatever_an_answer_holds_it_is_read_or_refused(answer: Any, status: int) -> None:
    """As a submission, as a status, as a list: texts and numbers for objects, nulls, lists of anything."""
    response = httpx.Response(
        status, content=json.dumps(answer).encode(), request=httpx.Request("GET", "https://care.example/x")
    )
    for read in (answers.submission, answers.result_of, lambda each: answers.report(each, "r")):
        try:
            found = read(response)
        except (ContactAnalyticsError, TryAgain):
            continue
        assert not isinstance(found, answers.Submission) or (found.workflow_id and found.run_id)
        assert not isinstance(found, answers.Report) or found.said


@pytest.mark.parametrize("status", ["PASS", "pass", "Pass"])
@pytest.mark.parametrize("shape", ["object", "list", "among others"])
def test_a_status_is_the_one_of_its_run(status: str, shape: str) -> None:
    """Alone or in a list of several; in a list of others there is none."""

    def told(run_id: str) -> dict[str, Any]:
        return {"jobInfo": {"runId": run_id}, "result": {"runnerState": "closed", "details": "completed"}}

    others = [told("a"), told("b")]
    result = {"object": told("r"), "list": [told("r")], "among others": [*others, told("r")]}[shape]
    request = httpx.Request("GET", "https://care.example/x")
    found = answers.report(httpx.Response(200, json={"status": status, "result": result}, request=request), "r")
    assert found
    assert (found.runner_state, found.detail) == ("CLOSED", "COMPLETED")
    nothing = httpx.Response(200, json={"status": status, "result": others}, request=request)
    assert answers.report(nothing, "r") is None


@pytest.mark.parametrize("field", ["statusUrl", "downloadUrl"])
@pytest.mark.parametrize("link", ODD_LINKS, ids=range(len(ODD_LINKS)))
def test_a_link_that_is_none_is_built_from_the_ids(open_care: Open, field: str, link: str) -> None:
    """The vendor's own samples have such; the ids tell the address as well."""
    place = opened(open_care, submitted={field: link}, done={field: link})
    run = place.materialize("response", DAY)
    assert run.ok, run.problem
    assert held(place, "response", DAY) == expected("response", place.sent("response", DAY)) != []
    assert len(place.app.submissions) == 1
    assert place.app.violations == []


def moved(location: str | None) -> Any:
    def redirect(answer: httpx.Response) -> httpx.Response:
        answer.headers["Location"] = location or ""
        return answer

    return redirect


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (None, "was redirected 5 times"),
        ("http://files.example/x?X-Amz-Signature=planted", "is not an https:// address"),
        ("https://files.lithium.com/khoros-storage/x?X-Amz-Signature=planted", "link was answered 403"),
    ],
)
def test_a_download_is_followed_to_storage_alone(open_care: Open, location: str | None, words: str) -> None:
    """Not in circles, not without encryption, and with credentials only to the API itself, not to its neighbours."""
    place = opened(open_care, redirect=moved(location))
    run = place.materialize("response", DAY)
    assert words in run.problem
    assert "planted" not in run.problem
    assert place.rows("response") == []
    away = [call for call in place.app.calls if call.url.host != "analytics-api.app.lithium.com"]
    assert not [call for call in away if "authorization" in call.headers]


def test_a_download_may_be_the_file_itself(open_care: Open) -> None:
    """The reference shows redirects and does not promise them."""
    place = opened(open_care)
    file = place.app._file  # type: ignore[attr-defined]
    jobs = place.app._jobs  # type: ignore[attr-defined]
    place.app.redirect = lambda _: httpx.Response(200, content=file(next(iter(jobs.values())), None))  # type: ignore[attr-defined]
    run = place.materialize("response", DAY)
    assert run.ok, run.problem
    assert held(place, "response", DAY) == expected("response", place.sent("response", DAY)) != []
    assert len(run.requests) == 4


def test_an_export_that_the_vendor_refuses_to_tell_of_is_submitted_anew(open_care: Open) -> None:
    """What a run has left behind does not keep the day from being asked for."""
    place = opened(open_care)
    place.app.faults.append(Fault("/status?", "connection", times=99))
    assert not place.materialize("response", DAY).ok
    place.app.faults.clear()
    place.app.unknown = place.app.submissions[0]["run_id"]  # type: ignore[attr-defined]
    run = place.materialize("response", DAY)
    assert run.ok, run.problem
    assert len(place.app.submissions) == 2


def test_one_days_failure_is_not_anothers(open_care: Open) -> None:
    """Days are exports of their own: those before and after one that fails are stored."""
    place = open_care()
    first, last = DAY.replace(day=1), DAY.replace(day=3)
    begin = round(start_of(DAY).timestamp() * 1000)
    place.app.faults.append(Fault(f"startTime={begin}", "failed", times=99, value="of this day"))
    run = place.materialize("response", first, last)
    assert "1 of 3 days failed" in run.problem
    assert "of this day" in run.problem
    assert sorted(run.days) == [str(first), str(last)]
    assert [place.stored("response", day).state for day in (first, DAY, last)] == ["loaded", "failed", "loaded"]


SETTINGS = {
    '{"conversations": {"priorities": [0]}}': "there is no export conversations",
    '{"marketing": {"report_format": "csv"}, "respones": {}}': "there is no export respones",
    '{"*": {"priorities": [0, 6]}}': "Priorities are 0 to 5",
    '{"*": {"timezone": "America"}}': "America is no time zone",
    '{"*": {"timezone": "Factory"}}': "Factory is no time zone",
    '{"*": {"timezone": "localtime"}}': "localtime is no time zone",
    '{"*": {"timezone": "../../etc/passwd"}}': "is no time zone",
}


@pytest.mark.parametrize("options", SETTINGS)
def test_settings_that_would_be_passed_over_or_not_work_are_refused(open_care: Open, options: str) -> None:
    """An export's misspelt name would filter nothing; a zone of the machine's own is none that dates can be read in."""
    place = open_care({"options": options})
    run = place.materialize("response", DAY)
    assert SETTINGS[options] in run.problem
    assert "KHOROS_CARE_EXPORT_OPTIONS" in run.problem or "IANA" in run.problem
    assert run.requests == []


@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_that_cannot_be_is_not_an_hour(open_care: Open, interval: int) -> None:
    """It is refused before any request, and not taken for one that was not given."""
    run = open_care().materialize("team_performance_interval", DAY, time_interval=interval)
    assert f"{interval} milliseconds" in run.problem
    assert run.requests == []


def test_a_refusal_without_words_points_at_the_options(open_care: Open) -> None:
    """The vendor's 400 is an empty object: what was asked for is the first thing to look at, not the account."""
    run = open_care().materialize("response", DAY, report_metrics=["NOPE"])
    assert "was refused (400)" in run.problem
    assert "KHOROS_CARE_EXPORT_OPTIONS" in run.problem
    assert len(run.requests) == 1
