"""Exports of NICE CXone's sandbox: what a request asks for, and the links to what came of it."""

import json
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import httpx

from contact_analytics.sandbox.app import LOOPBACK, Answer
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.nice_cxone_files import Table

JobIdForm = Literal["quoted", "raw", "object", "id_object"]

_STORAGE = "cxone-extract.s3.us-west-2.amazonaws.com"
_NAMES = ("entityName", "version", "startDate", "endDate")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# The status of an export that doesn't end well.
_ENDS = {
    "failed": "FAILED",
    "terminated": "FAILED",
    "timed_out": "CANCELLED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
    "hangs": "RUNNING",
}


@dataclass(kw_only=True, eq=False)
class Export:
    """An export of the days from `first` to `last`; `end` is the fault that it ends with."""

    entity: str
    version: str
    first: date
    last: date
    at: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    end: Fault | None = None
    polls: int = 0
    file: Table | None = None

    @property
    def about(self) -> str:
        """What a fault may name instead of a path."""
        return f"{self.entity}/{self.version}/{self.first}/{self.last}"

    def ends(self, kind: str) -> bool:
        return self.end is not None and self.end.kind == kind

    def submission(self) -> dict[str, Any]:
        """What was asked, in the request's words, with the id and the moment."""
        values = (self.entity, self.version, str(self.first), str(self.last), self.id, self.at)
        return dict(zip((*_NAMES, "id", "at"), values, strict=True))

    def outcome(self, success: str) -> str:
        """The status once it is done."""
        return _ENDS.get(self.end.kind, success) if self.end else success


def asked(request: httpx.Request, now: datetime) -> Export:
    """The export that a request is for, as far as the request alone can be right or wrong."""
    try:
        given = json.loads(request.read())
    except ValueError as error:
        raise Answer(400, "Invalid request. The body is not JSON.") from error
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in _NAMES):
        raise Answer(400, f"Invalid request. {', '.join(_NAMES)} are required, as strings.")
    entity, version, first, last = (str(given[name]) for name in _NAMES)
    return Export(entity=entity, version=version, first=_date(first), last=_date(last), at=now)


def created(job_id: str, form: JobIdForm) -> httpx.Response:
    """The id of a new export, in one of the forms that clients have met."""
    if form == "raw":
        return httpx.Response(202, text=job_id)
    content = {"quoted": job_id, "object": {"jobId": job_id}, "id_object": {"id": job_id}}
    return httpx.Response(202, json=content[form])


@dataclass
class Links:
    """The signed links to files, each good for some seconds from its making."""

    tenant_id: str
    clock: Callable[[], datetime]
    seconds: float
    _made: dict[str, tuple[Export, datetime]] = field(default_factory=dict[str, tuple[Export, datetime]])

    def link(self, request: httpx.Request, export: Export) -> str:
        """A new link, on another host than the one that was asked, as storage is."""
        signature, now = secrets.token_hex(32), self.clock()
        self._made[signature] = (export, now)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": f"{self.seconds:g}",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": signature,
        }
        path = f"/nice-storage/data-extraction/{self.tenant_id}/{export.id}.csv"
        if sibling := LOOPBACK.get(request.url.host):
            return str(request.url.copy_with(host=sibling, path=path, params=query))
        return str(httpx.URL(f"https://{_STORAGE}{path}", params=query))

    def meant(self, request: httpx.Request) -> tuple[Export, bool] | None:
        """The export whose link this is, and whether it is still good; None where the link isn't ours."""
        export, made = self._made.get(request.url.params.get("X-Amz-Signature", ""), (None, self.clock()))
        if export is None or not request.url.path.endswith(f"/{export.id}.csv"):
            return None
        return export, self.clock() < made + timedelta(seconds=self.seconds)


def _date(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Answer(400, "Invalid request. Incorrect date filters.")
