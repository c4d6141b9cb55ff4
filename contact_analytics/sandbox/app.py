"""What all vendors' apps share: a clock, a seed, what was asked, and what is to go wrong."""

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import httpx

from contact_analytics.sandbox.faults import ANSWERS, Fault

LOOPBACK = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}


def utc_now() -> datetime:
    return datetime.now(UTC)


class Answer(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response = httpx.Response(status, json={"error": reason})


@dataclass(kw_only=True, eq=False)
class SandboxApp:
    """A vendor's API as a callable for `httpx.MockTransport`; each option is a keyword.

    `now` is the clock of the data and the tokens. `requests` and `calls` are what was asked, in order: by method and
    path, and whole; `violations`, those that broke a rule of the vendor's, in words.
    """

    now: Callable[[], datetime] = utc_now
    seed: int = 1
    scale: float = 1.0
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]], init=False)
    calls: list[httpx.Request] = field(default_factory=list[httpx.Request], init=False)
    violations: list[str] = field(default_factory=list[str], init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append((request.method, request.url.path))
            self.calls.append(request)
        if fault := self.due(request, ANSWERS):
            return ANSWERS[fault.kind](fault)
        try:
            if (request.method, request.url.path) == ("POST", "/sandbox/faults"):
                return self._add_fault(request)
            return self.answer(request)
        except Answer as answer:
            return answer.response

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The vendor's answer; raises `Answer` for another one."""
        raise Answer(404, "Not Found")

    def due(self, request: httpx.Request, kinds: Collection[str]) -> Fault | None:
        """The first fault of these kinds that waits for such a request, used once."""
        target = request.url.raw_path.decode()
        if target.startswith("/sandbox/"):
            return None
        with self._lock:
            for fault in self.faults:
                if fault.kind in kinds and fault.times > 0 and fault.path in target:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None

    def _add_fault(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in LOOPBACK:
            raise Answer(404, "Not Found")
        try:
            fault = Fault(**json.loads(request.read()))
        except (TypeError, ValueError) as error:
            raise Answer(400, str(error)) from error
        with self._lock:
            self.faults.append(fault)
        return httpx.Response(201, json=asdict(fault))
