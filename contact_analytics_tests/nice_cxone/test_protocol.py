"""The Data Extraction API is asked as its vendor wants it, in whichever of its forms it answers."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.lib.auth import BearerToken
from contact_analytics.nice_cxone.access import TOKENS, by_access_key
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import Materialized, days_ago, impatient
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import (
    JOBS,
    STORAGE,
    TOKEN,
)

NAME, DAY = "qm_workflows", days_ago(6)


def count(run: Materialized, method: str, path: str) -> int:
    """How many requests of a method a run sent to a path, or below it where the path ends with a slash."""
    return sum(
        sent == method and (asked.startswith(path) if path.endswith("/") else asked == path)
        for sent, asked in run.requests
    )


def fails(place: CxonePlace, *words: str) -> Materialized:
    """Materialize the day, which must fail and say these words."""
    run = place.materialize(NAME, DAY)
    assert not run.ok
    assert not run.days
    assert [word for word in words if word not in run.problem] == [], run.problem
    return run


FORMS: list[dict[str, Any]] = [
    {"job_id_form": "quoted", "status_code_get": 202, "success_word": "SUCCEEDED", "result_while_running": "absent"},
    {"job_id_form": "raw", "status_code_get": 200, "success_word": "SUCCESS", "result_while_running": "null"},
    {"job_id_form": "object", "status_code_get": 202, "success_word": "Succeeded", "result_while_running": "empty"},
    {"job_id_form": "id_object", "status_code_get": 200, "success_word": "success", "running_polls": 0},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["job_id_form"])
def test_ids_and_statuses_are_understood_in_every_form(open_place: OpenPlace, form: dict[str, Any]) -> None:
    """One export is submitted, looked at until it is done, and fetched at once; nothing else is asked."""
    place = open_place(**{"running_polls": 3} | form)
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    truth.assert_true(place, NAME, DAY)
    assert (count(run, "POST", TOKEN), count(run, "POST", JOBS), count(run, "GET", STORAGE)) == (1, 1, 1)
    assert count(run, "GET", f"{JOBS}/") == place.app.running_polls + 1
    assert len(run.requests) == 3 + place.app.running_polls + 1
    assert place.app.violations == []


@pytest.mark.parametrize("kind", ["no_link", "no_result", "unknown_status"])
def test_an_answer_that_says_too_little_is_asked_for_again(open_place: OpenPlace, kind: str) -> None:
    """An export that is done without a link, or whose status is null, is waited for."""
    place = open_place(faults=[Fault("qm-workflows", kind, times=2)])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert (count(run, "POST", JOBS), place.app.faults) == (1, [])
    truth.assert_true(place, NAME, DAY)


ENDS = [
    ("failed", "errorMessage", ("FAILED No space left, at 4.2 GB", "submitted 3 times"), 3),
    ("failed", "messageError", ("FAILED No space left, at 4.2 GB", "submitted 3 times"), 3),
    ("terminated", "errorMessage", ("FAILED", "submitted 3 times"), 3),
    ("cancelled", "errorMessage", ("the export was cancelled: CANCELLED", "Find out who cancelled it"), 1),
    ("expired", "errorMessage", ("EXPIRED", "submitted 3 times"), 3),
    ("lost", "errorMessage", ("does not know the export any more", "submitted 3 times"), 3),
    ("hangs", "errorMessage", ("has not ended in", "still says RUNNING"), 1),
]


@pytest.mark.parametrize(("kind", "key", "words", "submissions"), ENDS, ids=[f"{end[0]}-{end[1]}" for end in ENDS])
def test_an_export_that_ends_badly_is_a_red_day(
    open_place: OpenPlace, kind: str, key: str, words: tuple[str, ...], submissions: int
) -> None:
    """With the vendor's words, after few exports; what was stored of the day stays, and is never an empty day."""
    place = open_place({"deadline_minutes": 0.3 / 60, "poll_seconds": 0.02}, error_key=key)
    assert place.materialize(NAME, DAY).ok
    before = place.rows(NAME)
    place.app.faults.append(Fault("qm-workflows", kind, times=99, value="No space left, at 4.2 GB"))
    run = fails(place, f"NICE CXone qm-workflows version 4, {DAY} to {DAY}", *words, "Nothing stored was changed")
    assert count(run, "POST", JOBS) == submissions
    assert place.rows(NAME) == before
    stored = place.stored(NAME, DAY)
    assert (stored.state, stored.rows, stored.problem in run.problem) == ("loaded", len(before), True)


@pytest.mark.parametrize("kind", ["failed", "terminated", "expired", "lost"])
def test_an_export_that_ends_badly_twice_is_submitted_again(open_place: OpenPlace, kind: str) -> None:
    """The third one is good, and one at a time is kept all the while."""
    place = open_place(faults=[Fault("qm-workflows", kind, times=2)])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert (count(run, "POST", JOBS), place.app.violations) == (3, [])
    truth.assert_true(place, NAME, DAY)


def test_a_status_that_nobody_knows_is_waited_for_until_the_deadline(open_place: OpenPlace) -> None:
    """The error says the word."""
    place = open_place({"deadline_minutes": 0.2 / 60, "poll_seconds": 0.02}, success_word="TIMED_OUT")
    run = fails(place, "has not ended in", "still says TIMED_OUT")
    assert count(run, "POST", JOBS) == 1


@pytest.mark.parametrize("kind", ["dead_link", "dead_link_200", "web_page"])
def test_a_link_that_leads_nowhere_is_replaced(open_place: OpenPlace, kind: str) -> None:
    """An XML error with 403 or 200 and a web page are no files: the export is looked at again and gives a new link."""
    place = open_place(faults=[Fault("qm-workflows", kind, times=2)])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert (count(run, "POST", JOBS), count(run, "GET", STORAGE)) == (1, 3)
    links = [str(call.url) for call in place.app.calls if call.url.path.startswith(STORAGE)]
    assert len(set(links)) == 3
    truth.assert_true(place, NAME, DAY)


@pytest.mark.parametrize("kind", ["dead_link", "dead_link_200", "web_page"])
def test_links_that_all_lead_nowhere_are_an_error(open_place: OpenPlace, kind: str) -> None:
    """After three links of three exports; never an empty day."""
    place = open_place(faults=[Fault("qm-workflows", kind, times=99)])
    run = fails(place, "SUCCEEDED, but its link was answered", "submitted 3 times")
    assert (count(run, "POST", JOBS), count(run, "GET", STORAGE)) == (3, 9)
    assert place.rows(NAME) == []


def test_a_link_is_used_while_it_lives(open_place: OpenPlace) -> None:
    """Links that have died before they can be used are an error as well: here they live for no time at all."""
    run = fails(open_place(link_seconds=0), "its link was answered 403")
    assert count(run, "GET", STORAGE) == 9


def test_storage_gets_no_credentials(place: CxonePlace) -> None:
    """Neither the token nor anything else that the API was sent, and only the API gets the token."""
    place.materialize(NAME, DAY)
    calls = [call for call in place.app.calls if call.url.path.startswith(STORAGE)]
    assert [call.url.host for call in calls] == ["cxone-extract.s3.us-west-2.amazonaws.com"]
    assert not {"authorization", "cookie"} & {name.lower() for call in calls for name in call.headers}
    api = [call for call in place.app.calls if call.url.path.startswith(JOBS)]
    assert {call.url.host for call in api} == {"na1.nice-incontact.com"}
    assert all(call.headers["authorization"].startswith("Bearer ") for call in api)


def test_the_synchronous_call_is_never_used(open_place: OpenPlace) -> None:
    """The vendor deprecates it; nor are all jobs of the tenant listed."""
    place = open_place(faults=[Fault("qm-workflows", "failed", times=99)])
    run = place.run(impatient(NAME, retries=1), DAY)
    assert {path for _, path in run.requests if path.startswith(JOBS) and "-" not in path[len(JOBS) :]} == {JOBS}
    assert place.app.violations == []
    assert count(run, "POST", JOBS) == 6


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"versions": {"qm-workflows": ("3",)}}, 404, "Missing entity or invalid version"),
        ({"versions": {"qm-questions": ("1",)}}, 404, "Missing entity or invalid version"),
        ({"max_days": 0}, 400, "At most 0 days"),
    ],
)
def test_what_the_vendor_refuses_is_asked_once(
    open_place: OpenPlace, options: dict[str, Any], status: int, words: str
) -> None:
    """An unknown entity, an invalid version and wrong dates get the same answer again: no retry of any kind."""
    place = open_place({"days_an_export": 1 if status == 400 else 14}, **options)
    run = place.run(impatient(NAME, retries=2), DAY, DAY if status == 400 else days_ago(2))
    assert not run.ok
    assert f"POST https://na1.nice-incontact.com{JOBS} was answered {status}" in run.problem
    assert words in run.problem
    assert count(run, "POST", JOBS) == 1


def test_a_window_that_is_too_long_is_halved(open_place: OpenPlace) -> None:
    """Where 400 is about several days, fewer are asked for, from then on: the vendor states its limit in two ways."""
    place = open_place(max_days=3, scale=0.05)
    days = truth.days(days_ago(20), 14)
    run = place.materialize(NAME, days[0], days[-1])
    assert run.ok, run.problem
    truth.assert_true(place, NAME, *days)
    assert len(place.app.submissions) == 5
    assert count(run, "POST", JOBS) == 7


@pytest.mark.parametrize("kind", ["500", "503", "429", "connection", "timeout"])
def test_what_may_pass_is_tried_again(open_place: OpenPlace, kind: str) -> None:
    """At the token's service, at the submission, at a look and at storage; none makes a second export."""
    # A submission that is not answered in time may have been accepted, so it is not sent twice.
    paths = [path for path in (TOKEN, JOBS, f"{JOBS}/", STORAGE) if (path, kind) != (JOBS, "timeout")]
    place = open_place(faults=[Fault(path, kind) for path in paths])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert place.app.faults == []
    assert len(place.app.submissions) == 1
    assert run.metadata(DAY)["retries"] == len(paths)
    truth.assert_true(place, NAME, DAY)


def test_a_submission_that_is_not_answered_is_not_repeated_at_once(open_place: OpenPlace) -> None:
    """It may have been accepted, and the vendor takes no other one then: the step's own retry comes minutes later."""
    place = open_place(faults=[Fault(JOBS, "timeout")])
    run = fails(place, f"POST https://na1.nice-incontact.com{JOBS} got no answer")
    assert count(run, "POST", JOBS) == 1
    again = place.materialize(NAME, DAY)
    assert again.ok, again.problem


@pytest.mark.parametrize("kind", ["503", "connection"])
def test_an_api_that_stays_down_is_a_red_day(open_place: OpenPlace, kind: str) -> None:
    """After a bounded number of tries, with the last one's words."""
    place = open_place(faults=[Fault(JOBS, kind, times=999)])
    run = fails(place, f"POST https://na1.nice-incontact.com{JOBS}", "try")
    assert 2 <= count(run, "POST", JOBS) <= 10
    assert place.stored(NAME, DAY).state == "failed"


def test_a_tenant_that_is_busy_for_a_while_is_waited_for(open_place: OpenPlace) -> None:
    """403 is what this vendor says to who is too quick: it is tried again."""
    place = open_place(faults=[Fault(JOBS, "403", times=4)])
    run = place.materialize(NAME, DAY)
    assert run.ok, run.problem
    assert len(place.app.submissions) == 1
    truth.assert_true(place, NAME, DAY)


def test_403_for_ever_names_both_causes(open_place: OpenPlace) -> None:
    """The permission may be missing as well: the error says where it is given, and a later run may try again."""
    place = open_place(forbidden={"qm-workflows"})
    run = fails(
        place,
        "was answered 403 Forbidden",
        "does not have permission to extract this entity",
        "another program asks this tenant's API at the same time",
        "QM Tools > Data Extraction APIs > QM Workflow API",
    )
    assert 2 <= count(run, "POST", JOBS) <= 10
    assert place.stored(NAME, DAY).problem_type == "ThrottledOrForbidden"


def test_a_token_that_was_revoked_is_replaced_once(open_place: OpenPlace) -> None:
    """A 401 costs one new token, whichever call meets it."""
    for path in (JOBS, f"{JOBS}/"):
        place = open_place(folder=path.replace("/", "_"), faults=[Fault(path, "401")])
        run = place.materialize(NAME, DAY)
        assert run.ok, run.problem
        assert (count(run, "POST", TOKEN), len(place.app.submissions)) == (2, 1)


def test_a_token_that_is_refused_for_ever_is_an_error_of_credentials(open_place: OpenPlace) -> None:
    """One new token is tried, no more, and the settings are named."""
    run = fails(open_place(faults=[Fault(JOBS, "401", times=99)]), "was answered 401", "NICE_CXONE_ACCESS_KEY_SECRET")
    assert (count(run, "POST", TOKEN), count(run, "POST", JOBS)) == (2, 2)
    run = fails(open_place({"access_key_secret": "wrong"}, "other"), "Invalid credentials", "NICE_CXONE_ACCESS_KEY_ID")
    assert run.requests == [("POST", TOKEN)]


def test_a_token_is_renewed_before_it_expires() -> None:
    """The API never sees an old one, and one that is good is used again."""
    start, ahead = days_ago(1), [0.0]
    app = NiceCxone(interval=0, token_seconds=600, now=lambda: truth.start_of(start) + timedelta(seconds=ahead[0]))
    url = "https://na1.nice-incontact.com"
    auth = BearerToken(lambda: by_access_key(url, app.access_key_id, app.access_key_secret), TOKENS, lambda: ahead[0])
    with httpx.Client(transport=httpx.MockTransport(app), base_url=url, auth=auth) as client:
        for seconds in (0, 1, 539, 540, 541, 1079, 1200, 5000, 5001):
            ahead[0] = seconds
            assert client.get(JOBS).status_code == 200
    assert app.violations == []
    assert [path for _, path in app.requests].count(TOKEN) == 4


def test_an_answer_that_is_no_status_is_a_red_day(open_place: OpenPlace) -> None:
    """And never an empty one."""
    place = open_place(faults=[Fault(f"{JOBS}/", "html", times=99)])
    fails(place, "was answered 200 with no job status", "A proxy or a login page may stand in between")
    assert place.stored(NAME, DAY).state == "failed"


def test_a_redirect_is_not_followed(open_place: OpenPlace) -> None:
    """Neither by the API, whose token it would carry away, nor by storage."""
    for path in (JOBS, STORAGE):
        place = open_place(folder=path.replace("/", "_"), faults=[Fault(path, "redirect", times=99)])
        run = fails(place, "was answered 302", "Redirects are not part of this API")
        assert not [call for call in place.app.calls if call.url.host == "login.example"]
        assert len(run.requests) <= 5
