"""What NICE CXone says of an export is understood in every form, and what says nothing of one is an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.exports import State
from contact_analytics.lib.http import Tally
from contact_analytics.nice_cxone.data_extraction import DataExtraction
from contact_analytics.nice_cxone.qm_workflows import ENTITY
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import (
    Tamper,
    Tampered,
    answering,
    is_look,
    is_submission,
    with_status,
)

REQUEST = {"entityName": ENTITY.name, "version": "4", "startDate": str(days_ago(6)), "endDate": str(days_ago(5))}


@contextmanager
def asking(place: CxonePlace, tamper: Tamper) -> Iterator[DataExtraction]:
    """The real client, whose answers are tampered with."""
    place.app = Tampered(tamper=tamper)
    with truth.connected(place, "qm_workflows") as api:
        yield api


NO_IDS: list[dict[str, Any]] = [
    {"json": ""},
    {"json": {"id": None}},
    {"json": ["7b0c2f5e-5c0e-4b7e-8a39-0f6c1d2e3f40"]},
    {"json": "../../authentication/v1/token"},
    {"html": "<html>Sign in</html>"},
    {"content": b""},
    {"content": b"\xff\xfe7\x00b\x00"},
    {"content": b"[" * 100_000},
]


@pytest.mark.parametrize("content", NO_IDS, ids=lambda content: repr(content)[:40])
def test_an_answer_without_an_id_is_an_error(open_place: OpenPlace, content: dict[str, Any]) -> None:
    """Nothing is asked by what is no id, and it isn't asked again."""
    with asking(open_place(), answering(is_submission, lambda: httpx.Response(202, **content))) as api:
        tally = Tally()
        with pytest.raises(UnexpectedAnswer, match="was answered 202 with no job id"):
            api.create_job(REQUEST, tally)
        assert tally.calls == 1


NO_STATUSES: list[dict[str, Any]] = [
    {"content": b"null"},
    {"json": [{"status": "SUCCEEDED"}]},
    {"html": "<html>Sign in</html>"},
    {"content": b"[" * 100_000},
]


@pytest.mark.parametrize("content", NO_STATUSES, ids=lambda content: repr(content)[:40])
def test_an_answer_that_is_no_status_is_an_error(open_place: OpenPlace, content: dict[str, Any]) -> None:
    """A proxy's page or another shape is not waited for."""
    with asking(open_place(), answering(is_look, lambda: httpx.Response(200, **content))) as api:
        tally = Tally()
        with pytest.raises(UnexpectedAnswer, match="was answered 200 with no job status"):
            api.job_status("7b0c2f5e", tally)
        assert tally.calls == 1


ODD: list[Any] = [
    # What the vendor's page shows for an answer by mistake.
    "7b0c2f5e-5c0e-4b7e-8a39-0f6c1d2e3f40",
    {},
    {"jobStatus": {}},
    {"jobStatus": {"status": 7, "result": "x"}},
    {"jobStatus": {"status": {"a": 1}, "result": None}},
    {"jobStatus": {"status": "SUCCEEDED", "result": []}},
    {"jobStatus": {"status": "SUCCEEDED", "result": {"url": 5}}},
    {"jobStatus": {"status": "SUCCEEDED", "result": {"url": "  "}}},
    {"jobStatus": {"status": "RUNNING", "result": {"url": "https://storage.example/too-early.csv"}}},
]


@pytest.mark.parametrize("told", ODD, ids=repr)
def test_odd_values_of_a_status_are_no_end_and_no_link(open_place: OpenPlace, told: Any) -> None:
    """They are waited for, until the deadline."""
    with asking(open_place(), answering(is_look, lambda: httpx.Response(200, json=told))) as api:
        status = api.job_status("7b0c2f5e", Tally())
        assert (status.state, status.link) == (State.RUNNING, "")


SAID = [
    ({"status": "succeeded", "result": {"url": "https://a.example/x?y=1"}}, State.DONE),
    ({"status": " Success ", "result": {"url": " https://a.example/x?y=1 "}}, State.DONE),
    ({"status": "SUCCEEDED", "url": "https://a.example/x?y=1"}, State.DONE),
    ({"status": "Failed", "result": {"messageError": "no"}}, State.FAILED),
    ({"status": "Canceled"}, State.REFUSED),
    ({"status": "cancelled"}, State.REFUSED),
    ({"status": "Expired", "result": None}, State.GONE),
]


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(("told", "state"), SAID, ids=repr)
def test_statuses_are_understood_in_any_spelling(
    open_place: OpenPlace, told: dict[str, Any], state: State, *, wrapped: bool
) -> None:
    """With the object around them that the vendor's types have, and without it, as its pages print them."""
    answer = {"jobStatus": told} if wrapped else told
    with asking(open_place(), answering(is_look, lambda: httpx.Response(200, json=answer))) as api:
        status = api.job_status("7b0c2f5e", Tally())
        assert status.state is state
        assert status.link == ("https://a.example/x?y=1" if state is State.DONE else "")


@pytest.mark.parametrize("link", ["http://storage.example/x.csv", "ftp://storage.example/x", "file:///etc/passwd"])
def test_a_link_that_is_not_https_is_not_followed(open_place: OpenPlace, link: str) -> None:
    """Customers' data would travel in the clear."""
    with asking(open_place(), with_status({"result": {"url": link}})) as api:
        job = api.create_job(REQUEST, Tally())
        assert api.job_status(job, Tally()).state is State.RUNNING
        with pytest.raises(UnexpectedAnswer, match="is not an https:// address"):
            api.job_status(job, Tally())
