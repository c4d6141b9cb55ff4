"""A sandbox whose files, links and words are not as the vendor documents them, on request."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx

from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.khoros_care.conftest import Open

# Fixed, so that the sandbox's rows are the same on each day of the year.
DAY, NEXT = date(2025, 4, 2), date(2025, 4, 3)


def _as_it_is(body: bytes) -> bytes:
    return body


class Altered(KhorosCare):
    """`file` changes each file's bytes, `redirect` the answer to a download, `submitted` and `done` what an answer says
    of its links; the export whose run id is `unknown` has a status in words."""

    file: Callable[[bytes], bytes] = staticmethod(_as_it_is)
    redirect: Callable[[httpx.Response], httpx.Response] | None = None
    submitted: dict[str, Any] | None = None
    done: dict[str, Any] | None = None
    unknown: str = ""

    def _file(self, job: Any, fault: Any) -> bytes:
        return self.file(super()._file(job, fault))

    def _download(self, request: httpx.Request, job: Any) -> httpx.Response:
        answer = super()._download(request, job)
        return self.redirect(answer) if self.redirect else answer

    def _submitted(self, request: httpx.Request, job: Any) -> dict[str, Any]:
        return super()._submitted(request, job) | (self.submitted or {})

    def _status(self, request: httpx.Request, job: Any) -> httpx.Response:
        if job.run_id == self.unknown:
            return httpx.Response(200, json={"status": "FAIL", "message": None, "result": "No such workflow"})
        answer = super()._status(request, job)
        if not (self.done and job.done):
            return answer
        envelope = answer.json()
        envelope["result"]["jobInfo"] |= self.done
        return httpx.Response(200, json=envelope)


def opened(open_care: Open, fields: dict[str, Any] | None = None, **changes: Any) -> KhorosPlace:
    """A place whose sandbox is altered."""
    place = open_care(fields)
    place.app = Altered(scale=0.2, calls_per_minute=100_000)
    for name, change in changes.items():
        setattr(place.app, name, change)
    return place


def as_lines(body: bytes) -> bytes:
    """A JSON file's rows, one a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in json.loads(body))


def as_csv(body: bytes) -> bytes:
    """A JSON file's rows as CSV."""
    return csv_of(json.loads(body))


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([_cell(row[name]) for name in rows[0]] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
