"""NICE CXone's sandbox with answers of a test's own: what the sandbox itself has no fault for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics.sandbox.nice_cxone_files import stored

Tamper = Callable[[httpx.Request, httpx.Response], httpx.Response | None]
JOBS = "/data-extraction/v1/jobs"
TOKEN = "/authentication/v1/token/access-key"
STORAGE = "/nice-storage/"


@dataclass(kw_only=True, eq=False)
class Tampered(NiceCxone):
    """The sandbox; each answer passes through `tamper`, which gives another one or None."""

    tamper: Tamper = field(default=lambda request, answer: None)
    interval: float = 0
    scale: float = 0.1

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = super().__call__(request)
        return self.tamper(request, answer) or answer


def is_submission(request: httpx.Request) -> bool:
    return (request.method, request.url.path) == ("POST", JOBS)


def is_look(request: httpx.Request) -> bool:
    return request.method == "GET" and request.url.path.startswith(f"{JOBS}/")


def answering(asked: Callable[[httpx.Request], bool], answer: Callable[[], httpx.Response]) -> Tamper:
    """Other answers to some requests."""
    return lambda request, _: answer() if asked(request) else None


def with_file(change: Callable[[bytes], bytes]) -> Tamper:
    """Other files."""
    return lambda request, answer: (
        stored(change(answer.content)) if request.url.path.startswith(STORAGE) and answer.is_success else None
    )


def with_status(change: Mapping[str, Any]) -> Tamper:
    """Other words about exports that are not running any more."""

    def tamper(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
        if not is_look(request) or answer.is_error:
            return None
        told = answer.json()["jobStatus"]
        return None if told["status"] == "RUNNING" else httpx.Response(200, json={"jobStatus": told | change})

    return tamper
