"""NICE CXone's sandbox keeps the vendor's limits, writes its shapes, and goes wrong on request."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.nice_cxone_tenant import DAY, HOST, JOBS, KEY, NEXT, Tenant

# Access


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_tokens_come_for_the_access_key_in_both_ways() -> None:
    """As JSON, or as a form with the client in it or by HTTP Basic; each token names the tenant."""
    tenant = Tenant()
    client = (NiceCxone.client_id, NiceCxone.client_secret)
    form = {"grant_type": "password", "username": KEY["accessKeyId"], "password": KEY["accessKeySecret"]}
    with httpx.Client(transport=httpx.MockTransport(tenant.app), base_url="https://cxone.niceincontact.com") as http:
        answers = [
            http.post("/authentication/v1/token/access-key", json=KEY),
            http.post("/auth/token", data=form, auth=client),
            http.post("/auth/token", data=form | {"client_id": client[0], "client_secret": client[1]}),
        ]
        for answer in answers:
            token = answer.raise_for_status().json()
            assert claims(token["id_token"])["tenantId"] == claims(token["access_token"])["tenantId"]
            assert token["expires_in"] == 3600
            bearer = {"Authorization": f"Bearer {token['access_token']}"}
            assert http.get(JOBS, headers=bearer).json() == {"jobs": []}
        assert http.post("/auth/token", data=form).status_code == 401
        assert http.post("/auth/token", data=form | {"password": "x"}, auth=client).status_code == 400
        assert http.post("/authentication/v1/token/access-key", json=KEY | {"accessKeyId": "x"}).status_code == 401
    assert tenant.app.violations == []


def test_a_call_needs_a_token_that_is_still_good() -> None:
    """None, another's and an old one are refused with 401, and noted."""
    tenant = Tenant()
    for header in ("", "Bearer elsewhere"):
        assert tenant.http.get(JOBS, headers={"Authorization": header}).status_code == 401
    tenant.wait(3600)
    assert tenant.post().status_code == 401
    assert [text.rpartition("with ")[2] for text in tenant.app.violations] == [
        "no token",
        "unknown token",
        "expired token",
    ]


@pytest.mark.parametrize(
    ("host", "api", "storage"),
    [
        (HOST, HOST, "https://cxone-extract.s3.us-west-2.amazonaws.com"),
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123", "http://localhost:8123"),
    ],
)
def test_the_addresses_are_found_by_discovery(host: str, api: str, storage: str) -> None:
    """On loopback they are all the sandbox's own, and storage is on the other name of it."""
    tenant = Tenant(host)
    found = tenant.http.get(f"/.well-known/cxone-configuration?tenantId={tenant.app.tenant_id}").json()
    assert (found["api_endpoint"], found["area"], found["tenantId"]) == (api, "na1", tenant.app.tenant_id)
    assert tenant.http.get("/.well-known/cxone-configuration?tenantId=other").status_code == 404
    token = tenant.http.get("/.well-known/openid-configuration").json()["token_endpoint"]
    assert token == f"{found['auth_endpoint']}/auth/token"
    link = tenant.link()
    assert link.startswith(f"{storage}/nice-storage/")
    assert tenant.get(link).status_code == 200


# Limits


def test_an_export_can_be_asked_for_once_in_30_seconds() -> None:
    """Earlier it is 403, never 429."""
    tenant = Tenant(running_polls=0)
    assert tenant.post().status_code == 202
    tenant.wait(29.5)
    refused = tenant.post()
    assert (refused.status_code, "once in 30 seconds" in refused.text) == (403, True)
    tenant.wait(0.5)
    assert tenant.post().status_code == 202
    assert tenant.app.violations == [f"POST {JOBS} 29.5 s after the one before"]


def test_a_tenant_has_one_export_at_a_time() -> None:
    """Until it is done, or nobody has asked for it in a long while."""
    tenant = Tenant()
    first = tenant.post().json()
    tenant.wait(60)
    assert tenant.post().status_code == 403
    assert tenant.app.violations == [f"POST {JOBS} while {first} is running"]
    assert tenant.job(first)["status"] == "RUNNING"
    assert tenant.post().status_code == 202
    tenant.wait(tenant.app.busy_seconds)
    assert tenant.post().status_code == 202
    assert [one["status"] for one in tenant.http.get(JOBS).json()["jobs"]] == ["SUCCEEDED", "RUNNING", "RUNNING"]


@pytest.mark.parametrize(
    ("asked", "status", "noted"),
    [
        (("qm-workflow",), 404, 0),
        (("qm-workflows", "2"), 404, 0),
        (("qm-workflows", "3", "2026-11-1"), 400, 0),
        (("qm-workflows", "3", "2026-11-31"), 400, 0),
        (("qm-workflows", "3", NEXT, DAY), 400, 1),
        (("qm-workflows", "3", DAY, DAY + timedelta(days=15)), 400, 1),
        (("qm-workflows", "3", DAY, DAY + timedelta(days=14)), 202, 0),
        (("qm-questions", "1"), 403, 0),
    ],
)
def test_requests_are_refused_as_documented(asked: tuple[Any, ...], status: int, noted: int) -> None:
    """Entity and version with 404, dates with 400, what the user may not have with 403."""
    tenant = Tenant(forbidden={"qm-questions"})
    assert tenant.post(*asked).status_code == status
    assert (len(tenant.app.violations), len(tenant.app.submissions)) == (noted, int(status == 202))


def test_requests_are_strings_under_a_path_in_lower_case() -> None:
    """A version that is a number is refused; `/V1` isn't there, and neither is an unknown export."""
    tenant = Tenant(interval=0)
    body = {"entityName": "qm-workflows", "version": 3, "startDate": str(DAY), "endDate": str(DAY)}
    assert tenant.http.post(JOBS, json=body).status_code == 400
    assert tenant.http.post(JOBS, content=b"{").status_code == 400
    assert tenant.http.post(JOBS.replace("v1", "V1"), json=body).status_code == 404
    assert tenant.http.delete(JOBS).status_code == 405
    assert tenant.app.violations == []
    assert tenant.http.get(f"{JOBS}/unknown").status_code == 404
    answer = tenant.post(where="/sync")
    assert answer.status_code == 202
    assert tenant.get(answer.json()["url"]).status_code == 200
    assert len(tenant.app.violations) == 2


def test_a_link_is_good_for_30_seconds_and_the_data_for_a_day() -> None:
    """Each answer has a new link, and none takes a token along."""
    tenant = Tenant(running_polls=0)
    id = tenant.post().json()
    first, second = (tenant.job(id)["result"]["url"] for _ in range(2))
    assert first != second
    assert tenant.get(first, Authorization="Bearer x").status_code == 400
    assert tenant.get(first.replace("Signature=", "Signature=0")).status_code == 403
    tenant.wait(29)
    answer = tenant.get(first)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    tenant.wait(1)
    dead = tenant.get(second)
    assert (dead.status_code, "Request has expired" in dead.text) == (403, True)
    assert tenant.app.violations == ["Authorization at storage", f"a dead link used: {id}"]
    tenant.wait(24 * 3600)
    tenant.sign_in()
    assert tenant.job(id) == {"id": id, "status": "EXPIRED"}


# Shapes


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("quoted", lambda answer: answer.json()),
        ("raw", lambda answer: answer.text),
        ("object", lambda answer: answer.json()["jobId"]),
        ("id_object", lambda answer: answer.json()["id"]),
    ],
)
def test_an_id_comes_in_every_form(form: str, read: Callable[[httpx.Response], str]) -> None:
    """A JSON string, a bare text, or an object."""
    tenant = Tenant(job_id_form=form)
    id = read(tenant.post())
    asked = {"entityName": "qm-workflows", "version": "3", "startDate": str(DAY), "endDate": str(DAY)}
    assert tenant.app.submissions == [{**asked, "id": id, "at": tenant.time}]
    assert tenant.job(id)["status"] == "RUNNING"


def test_statuses_come_in_every_form() -> None:
    """Running for so many answers and so long, with or without a result, and done in one of four words."""
    tenant = Tenant(running_polls=2, export_seconds=40, success_word="Success", result_while_running="null")
    id = tenant.post().json()
    assert [tenant.job(id) for _ in range(3)] == [{"id": id, "status": "RUNNING", "result": None}] * 3
    tenant.wait(40)
    assert tenant.job(id)["status"] == "Success"
    other = Tenant(status_code_get=200, result_while_running="empty", error_key="messageError")
    other.app.faults.append(Fault("qm-workflows", "failed", value="No space left"))
    answer = other.http.get(f"{JOBS}/{other.post().json()}")
    assert (answer.status_code, answer.json()["jobStatus"]["result"]) == (200, {})
    assert other.job(other.app.submissions[0]["id"])["result"] == {"messageError": "No space left"}


# Faults


@pytest.mark.parametrize(
    ("kind", "job"),
    [
        ("failed", {"status": "FAILED", "result": {"errorMessage": "The query failed."}}),
        ("terminated", {"status": "FAILED"}),
        ("timed_out", {"status": "CANCELLED"}),
        ("cancelled", {"status": "CANCELLED"}),
        ("expired", {"status": "EXPIRED"}),
        ("hangs", {"status": "RUNNING"}),
        ("no_link", {"status": "SUCCEEDED", "result": {}}),
        ("no_result", {"status": "SUCCEEDED"}),
        ("unknown_status", {"status": None}),
    ],
)
def test_an_export_ends_otherwise_on_request(kind: str, job: dict[str, Any]) -> None:
    """That of the entity and day that the fault names, and no other."""
    tenant = Tenant(running_polls=0, interval=0, faults=[Fault(f"qm-workflows/3/{NEXT}", kind)])
    assert tenant.job(tenant.post().json())["status"] == "SUCCEEDED"
    id = tenant.post(first=NEXT, last=NEXT).json()
    assert tenant.job(id) == {"id": id} | job
    assert tenant.app.faults == []


def test_an_export_is_lost_on_request() -> None:
    """As if it had never been, which breaks no rule."""
    tenant = Tenant(faults=[Fault(JOBS, "lost")])
    assert tenant.http.get(f"{JOBS}/{tenant.post().json()}").status_code == 404
    assert tenant.http.get(JOBS).json() == {"jobs": []}
    assert tenant.app.violations == []
