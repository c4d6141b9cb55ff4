"""An export's way from submission to file, as the vendor's reference and its contradictions have it."""

import json
from urllib.parse import quote

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care_jobs import FOREIGN
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import Materialized, days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held

DAY = days_ago(9)
SUBMIT, STATUS, DOWNLOAD = "/reports/report/response?", "/status?", "/download?"


def asked(place: KhorosPlace, part: str) -> list[httpx.Request]:
    """The requests whose address contains a part, as they were sent."""
    return [call for call in place.app.calls if part in call.url.raw_path.decode()]


def path_of(request: httpx.Request) -> str:
    return request.url.raw_path.decode().partition("?")[0]


def assert_stored(place: KhorosPlace, run: Materialized) -> None:
    assert run.ok, run.problem
    assert held(place, "response", DAY) == expected("response", place.sent("response", DAY)) != []


def assert_nothing(place: KhorosPlace, run: Materialized) -> None:
    """A failed day has no row and is not taken for an empty one."""
    assert not run.ok
    assert place.rows("response", DAY) == []
    assert place.stored("response", DAY).state == "failed"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("text_plain", [True, False])
def test_an_export_is_submitted_with_everything_in_the_query(open_care: Open, method: str, text_plain: bool) -> None:
    """By GET or POST, without a body, whatever content type the reply has."""
    place = open_care({"method": method}, text_plain=text_plain)
    assert_stored(place, place.materialize("response", DAY))
    [submission] = asked(place, SUBMIT)
    assert (submission.method, submission.content) == (method, b"")
    assert submission.url.params["companyKey"] == place.app.company_key
    assert place.app.violations == []


def test_links_are_asked_for_as_they_were_given(open_care: Open) -> None:
    """Byte for byte: a run id with a slash stays one segment, and the newest status link is followed."""
    place = open_care(running_polls=2)
    assert_stored(place, place.materialize("response", DAY))
    [submission] = place.app.submissions
    run_id = submission["run_id"]
    assert "/" in run_id
    segment = f"/{quote(run_id, safe='')}/"
    assert "%2F" in segment
    statuses, downloads = asked(place, STATUS), asked(place, DOWNLOAD)
    assert len(statuses) == 3
    assert all(segment in path_of(call) for call in (*statuses, *downloads))
    queries = [call.url.query.decode().partition("=")[0] for call in (*statuses, *downloads)]
    assert queries == ["companyKey", *["analyticsAccessToken"] * 3]
    assert all("%3D%3D" in call.url.query.decode() for call in (*statuses[1:], *downloads))


def test_a_plain_run_id_and_an_object_do_as_well(open_care: Open) -> None:
    """Run ids without anything to encode, and a status that is an object while it runs."""
    place = open_care(slashed_runs=False, status_shape="object", running_polls=2)
    assert_stored(place, place.materialize("response", DAY))
    assert place.app.violations == []


@pytest.mark.parametrize("kind", ["premature_link", "bare_ids", "unknown_status", "no_link"])
def test_answers_that_promise_too_much_or_too_little_are_survived(open_care: Open, kind: str) -> None:
    """A link before the export is done is not followed, and links that are not given are built from the ids."""
    place = open_care()
    place.app.faults.append(Fault("", kind, times=2))
    assert_stored(place, place.materialize("response", DAY))
    assert len(place.app.submissions) == 1
    assert place.app.violations == []


def test_a_done_export_that_never_tells_its_link_is_downloaded_nonetheless(open_care: Open) -> None:
    """After a few looks the address is built from the ids."""
    place = open_care(running_polls=0)
    place.app.faults.append(Fault("", "no_link", times=99))
    assert_stored(place, place.materialize("response", DAY))
    assert len(asked(place, STATUS)) == 3
    assert place.app.violations == []


@pytest.mark.parametrize("times", [1, 99])
def test_a_foreign_host_gets_no_credentials(open_care: Open, times: int) -> None:
    """A status link elsewhere, as in the vendor's own samples, is not followed: it is built from the ids instead."""
    place = open_care()
    place.app.faults.append(Fault("", "foreign_link", times=times))
    assert_stored(place, place.materialize("response", DAY))
    assert not [call for call in place.app.calls if call.url.host == httpx.URL(FOREIGN).host]
    assert place.app.violations == []


def test_storage_gets_no_credentials(care: KhorosPlace) -> None:
    """The redirect to the file is followed to another host without the API's user and password."""
    assert_stored(care, care.materialize("response", DAY))
    [file] = asked(care, "/khoros-storage/")
    assert "amazonaws" in file.url.host
    assert "authorization" not in file.headers
    assert all("authorization" in call.headers for call in care.app.calls if call is not file)


ENDS = {"failed": "FAILED", "timed_out": "TIMED_OUT", "cancelled": "CANCELED", "terminated": "TERMINATED"}


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("times", [1, 2])
def test_an_export_that_ends_badly_is_submitted_again(care: KhorosPlace, kind: str, times: int) -> None:
    """At most twice more, and then the day is right."""
    care.app.faults.append(Fault("", kind, times=times))
    assert_stored(care, care.materialize("response", DAY))
    assert len(care.app.submissions) == times + 1


@pytest.mark.parametrize(("kind", "word"), ENDS.items())
def test_an_export_that_ends_badly_each_time_fails_the_day(care: KhorosPlace, kind: str, word: str) -> None:
    """With the vendor's words; there is no empty day, and what is stored of it stays."""
    care.app.faults.append(Fault("", kind, times=99, value="Elastic is unwell"))
    run = care.materialize("response", DAY)
    assert_nothing(care, run)
    assert len(care.app.submissions) == 3
    assert word in run.problem
    assert "Elastic is unwell" in run.problem
    care.app.faults.clear()
    assert_stored(care, care.materialize("response", DAY))
    care.app.faults.append(Fault("", kind, times=99))
    again = care.materialize("response", DAY, refetch=True)
    assert not again.ok
    assert care.stored("response", DAY).state == "loaded"
    assert held(care, "response", DAY) == expected("response", care.sent("response", DAY)) != []


def test_an_export_that_does_not_end_is_given_up(open_care: Open) -> None:
    """At the deadline, naming the run; a run that starts after that submits another one."""
    place = open_care({"deadline_minutes": 0.002, "poll_seconds": 0.02})
    place.app.faults.append(Fault("", "hangs"))
    run = place.materialize("response", DAY)
    assert_nothing(place, run)
    assert "has not ended in 0.002 minutes" in run.problem
    assert place.app.submissions[0]["run_id"] in run.problem
    [noted] = (place.folder / "tenants").glob("*.json")
    known = json.loads(noted.read_text())
    known["exports"][0]["at"] -= 3601
    noted.write_text(json.dumps(known))
    patient = KhorosPlace(place.folder, place.instance, place.app)
    assert_stored(place, patient.materialize("response", DAY))
    assert len(place.app.submissions) == 2


@pytest.mark.parametrize("value", [None, "404"])
def test_an_export_that_the_vendor_forgets_is_submitted_again(care: KhorosPlace, value: str | None) -> None:
    """An empty list or a 404 in place of a status."""
    care.app.faults.append(Fault("", "lost", value=value))
    assert_stored(care, care.materialize("response", DAY))
    assert len(care.app.submissions) == 2


def test_a_file_that_is_gone_is_asked_for_again(care: KhorosPlace) -> None:
    """A link that has expired is fetched anew from the status, without another export."""
    care.app.faults.append(Fault("", "expired"))
    assert_stored(care, care.materialize("response", DAY))
    assert len(care.app.submissions) == 1


@pytest.mark.parametrize("part", [SUBMIT, STATUS, DOWNLOAD])
def test_wrong_credentials_are_not_tried_again(care: KhorosPlace, part: str) -> None:
    """The error says which settings to look at; of a download a 401 means that the link has died."""
    care.app.faults.append(Fault(part, "401", times=99))
    run = care.materialize("response", DAY)
    assert_nothing(care, run)
    if part != DOWNLOAD:
        assert len(asked(care, part)) == 1
        assert "KHOROS_CARE_USERNAME" in run.problem
    assert len(care.app.submissions) <= 3


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        *((part, kind) for part in (SUBMIT, STATUS, DOWNLOAD) for kind in ("403", "429", "503")),
        (SUBMIT, "429_retry_after"),
        (SUBMIT, "connection"),
        (STATUS, "timeout"),
        (DOWNLOAD, "connection"),
    ],
)
def test_what_may_pass_is_waited_for(care: KhorosPlace, part: str, kind: str) -> None:
    """A refusal of who is too quick, in any of its forms, and an outage."""
    care.app.faults.append(Fault(part, kind, times=2, value=0.01 if kind == "429_retry_after" else None))
    assert_stored(care, care.materialize("response", DAY))


def test_a_submission_without_an_answer_is_not_repeated_at_once(care: KhorosPlace) -> None:
    """It may have been taken, and submitting is not free of effects: that is left to the next run."""
    care.app.faults.append(Fault(SUBMIT, "timeout"))
    run = care.materialize("response", DAY)
    assert_nothing(care, run)
    assert "got no answer" in run.problem
    assert len(asked(care, SUBMIT)) == 1
    assert_stored(care, care.materialize("response", DAY))


def test_a_refusal_for_ever_names_both_causes(care: KhorosPlace) -> None:
    """This vendor may say 403 to who has no permission, and to who is too quick."""
    care.app.faults.append(Fault(SUBMIT, "403", times=99))
    run = care.materialize("response", DAY)
    assert_nothing(care, run)
    assert "at the same time" in run.problem
    assert "permission" in run.problem
    assert "KHOROS_CARE_COMPANY_KEY" in run.problem
    assert len(asked(care, SUBMIT)) == 6


def test_a_refusal_in_words_is_shown_and_not_repeated(care: KhorosPlace) -> None:
    """The vendor says in a text in place of a result what it does not take."""
    run = care.materialize("team_performance_interval", DAY, time_interval=300_000)
    assert not run.ok
    assert "Too many buckets (288) requested" in run.problem
    assert len(asked(care, "/team_performance_interval?")) == 1
    assert care.rows("team_performance_interval", DAY) == []


@pytest.mark.parametrize(
    ("part", "kind"),
    [(SUBMIT, "html"), (SUBMIT, "empty"), (STATUS, "html"), (STATUS, "empty"), (STATUS, "no_result")],
)
def test_another_answer_than_the_vendors_is_an_error(care: KhorosPlace, part: str, kind: str) -> None:
    """A login page or nothing at all is neither a status nor a day without rows."""
    care.app.faults.append(Fault(part, kind, times=99))
    run = care.materialize("response", DAY)
    assert_nothing(care, run)
    assert "unknown shape" in run.problem


@pytest.mark.parametrize("url", ["http://analytics.example.com/api", ""])
def test_credentials_travel_encrypted_or_not_at_all(open_care: Open, url: str) -> None:
    """An address that is not https is refused before any request."""
    place = open_care({"url": url})
    run = place.materialize("response", DAY)
    assert "KHOROS_CARE_URL" in run.problem
    assert place.app.calls == []


@pytest.mark.parametrize("field", ["company_key", "username", "password"])
def test_a_setting_that_is_missing_is_named(open_care: Open, field: str) -> None:
    """Before any request."""
    place = open_care({field: ""})
    run = place.materialize("response", DAY)
    assert f"KHOROS_CARE_{field.upper()}" in run.problem
    assert place.app.calls == []
