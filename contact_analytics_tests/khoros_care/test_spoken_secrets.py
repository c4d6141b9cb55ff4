"""A server that repeats what it was sent in words of its own, not in links, tells nothing to logs, events or tables."""

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import httpx
import pytest

from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.export_places import KhorosPlace, SandboxedReports
from contact_analytics_tests.fakes import impatient
from contact_analytics_tests.khoros_care.altered import DAY
from contact_analytics_tests.leaks import leavings

PLANTED = {"company_key": "planted-c01", "username": "planted@user", "password": "planted/pass word+1="}


def refused(words: str) -> httpx.Response:
    return httpx.Response(400, text=words)


def enveloped(words: str) -> httpx.Response:
    return httpx.Response(200, json={"status": "FAIL", "request": None, "message": words, "result": words})


def misshaped(words: str) -> httpx.Response:
    return httpx.Response(200, text=f"not the vendor's: {words}")


def unavailable(words: str) -> httpx.Response:
    return httpx.Response(503, text=words)


def unwell(words: str) -> httpx.Response:
    """A status that tells why an export ended badly, with a link to more."""
    told = {
        "runnerState": "CLOSED",
        "detail": "FAILED",
        "reason": f"see https://care.example/why?{words.rpartition(' ')[2]}",
    }
    return httpx.Response(200, json={"status": "PASS", "result": [{"jobInfo": {}, "result": told}]})


class Talkative:
    """The sandbox, which answers requests to one place in words that repeat all that it was sent."""

    def __init__(self, part: str, answer: Callable[[str], httpx.Response]) -> None:
        self.app = KhorosCare(scale=0.05, calls_per_minute=100_000, **PLANTED)
        self._part, self._answer = part, answer
        self.secrets = {*PLANTED.values(), "planted"}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        self.secrets |= {params[name] for name in ("analyticsAccessToken", "X-Amz-Signature") if name in params}
        answer = self.app(request)
        if self._part not in request.url.raw_path.decode():
            return answer
        basic = base64.b64decode(request.headers.get("Authorization", "Basic ").partition(" ")[2]).decode()
        user, _, password = basic.partition(":")
        words = [f"{name} {value} ({quote(value, safe='')})" for name, value in params.multi_items()]
        return self._answer(f"{user} with {password} and {', '.join(words)} {request.url.query.decode()}")


CASES = [
    ("/reports/report/response?", refused),
    ("/reports/report/response?", enveloped),
    ("/reports/report/response?", misshaped),
    ("/status?analytics", refused),
    ("/status?analytics", enveloped),
    ("/status?analytics", unavailable),
    ("/status?analytics", unwell),
    ("/download?", unavailable),
    ("/khoros-storage/", unavailable),
]


@pytest.mark.parametrize(("part", "answer"), CASES)
def test_what_a_server_repeats_is_not_repeated(
    part: str,
    answer: Callable[[str], httpx.Response],
    tmp_path: Path,
    instance: dg.DagsterInstance,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """User, password, company, token and signature, plain or encoded: in no log, event, error, table or file."""
    vendor = Talkative(part, answer)
    resources = KhorosPlace(tmp_path, instance, vendor.app).resources()
    SandboxedReports.apps[vendor.app.company_key] = vendor  # type: ignore[assignment]
    left = leavings(impatient("response"), instance, resources, tmp_path, capfd=capfd, day=DAY)
    assert left.problem
    assert len(vendor.secrets) >= 4 + ("khoros-storage" in part or "analytics" in part)
    needles = (form.encode() for secret in vendor.secrets for form in (secret, quote(secret, safe="")))
    assert left.found(needles) == set()
