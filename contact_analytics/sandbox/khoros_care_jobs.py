"""An export of Khoros Care's on its way: its ids, its links, how it ends, and what its status says."""

import base64
import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from zoneinfo import ZoneInfo

import httpx

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care_query import Asked, Malformed

# What the back end, a workflow service, calls the ends of a workflow that are not well.
DETAILS = {"failed": "FAILED", "timed_out": "TIMED_OUT", "cancelled": "CANCELED", "terminated": "TERMINATED"}
FOREIGN = "https://aanalytics-api.example.com"
# For these the reference has parameters in a body too.
_WITH_BODY = {"conversation_actions", "conversation_history_action", "user"}


@dataclass(kw_only=True, eq=False)
class Job:
    """An export that was submitted; `token` opens its links instead of the company key."""

    export: str
    asked: Asked
    root: str
    workflow_id: str
    run_id: str
    token: str
    polls: int
    end: str = ""
    reason: str | None = None
    done: bool = False
    # Of an export whose file is gone until somebody asks how it is.
    gone: bool = False

    def link(self, what: str, **query: str) -> str:
        path = f"reports/report/{self.workflow_id}/{quote(self.run_id, safe='')}/{what}"
        return f"{self.root}/{path}?{urlencode(query)}"

    def status(self, fault: Fault | None) -> dict[str, Any]:
        """How the export is, in the shape of the reference."""
        closed = self.polls < 0 and self.end != "hangs"
        detail = DETAILS.get(self.end, "COMPLETED") if closed else ""
        self.done, kind = detail == "COMPLETED", fault.kind if fault else ""
        state = None if kind == "unknown_status" else "CLOSED" if closed else "RUNNING"
        linked = self.done and kind not in {"no_link", "unknown_status"}
        status_url = self.link("status", analyticsAccessToken=self.token)
        return {
            "jobInfo": {
                "workflowId": self.workflow_id,
                "runId": self.run_id,
                "downloadUrl": self.link("download", analyticsAccessToken=self.token) if linked else "",
                "statusUrl": abroad(status_url) if kind == "foreign_link" else status_url,
            },
            "result": {
                "runnerState": state,
                "reason": self.reason if closed else None,
                "detail": detail if state else "",
                "currentCount": None,
                "totalCount": None,
                "lastAcknowledgeTime": None,
            },
        }


@dataclass(eq=False)
class Link:
    """A link to a file in storage, and what is wrong with it."""

    job: Job
    target: str
    issued: datetime
    fault: Fault | None


def abroad(link: str) -> str:
    """The link at a host that is not the vendor's, as some of its samples are."""
    return FOREIGN + httpx.URL(link).raw_path.decode()


def workflow_id(export: str, params: Mapping[str, Sequence[str]]) -> str:
    """The same for the same request, as the vendor's are by all appearances."""
    return str(uuid.uuid3(uuid.NAMESPACE_URL, json.dumps([export, sorted(params.items())])))


def run_id(chance: random.Random, *, slashed: bool) -> str:
    """Another for each run: base64 with all that a path cannot hold as it is, or the plain kind."""
    while True:
        text = "2" + chance.choice("23") + base64.b64encode(chance.randbytes(32)).decode()
        if slashed and {"+", "/"} <= set(text):
            return text
        if not slashed and text[:18].isalnum():
            return text[:18]


def parameters(request: httpx.Request, export: str) -> dict[str, list[str]]:
    """All that a submit says, in its query and, where the reference has one, its body."""
    found: dict[str, list[str]] = {}
    for name, value in request.url.params.multi_items():
        found.setdefault(name, []).append(value)
    if export in _WITH_BODY and request.content:
        for name, values in _body(request).items():
            if name != "companyKey":
                found.setdefault(name, []).extend(values)
    return found


def _body(request: httpx.Request) -> dict[str, list[str]]:
    # The reference declares JSON and shows a form: each is known by its look.
    text = request.content.decode(errors="replace")
    if not text.lstrip().startswith("{"):
        return parse_qs(text)
    try:
        body: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Malformed("the body is no JSON") from error
    lists = {name: value if isinstance(value, list) else [value] for name, value in body.items()}
    return {
        name: [str(one).lower() if isinstance(one, bool) else str(one) for one in values if one is not None]
        for name, values in lists.items()
    }


def timezones(now: datetime) -> list[dict[str, Any]]:
    """The time zones in the shape of `GET /config/timezones`; of all there are, a few."""
    return [_timezone(name, now) for name in _ZONES]


_ZONES = (
    "Etc/GMT+12",
    "America/Los_Angeles",
    "America/Chicago",
    "America/New_York",
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Tokyo",
)


def _timezone(name: str, now: datetime) -> dict[str, Any]:
    offset = now.astimezone(ZoneInfo(name)).utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset else 0
    text = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return {
        "id": name,
        "name": f"GMT{text}",
        "shortName": f"GMT{text}",
        "offsetString": text,
        "offsetMillis": minutes * 60_000,
    }
