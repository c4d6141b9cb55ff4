"""Khoros Care's Analytics Reports API in miniature: exports that are submitted, watched and downloaded."""

import base64
import random
import secrets
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, unquote

import httpx

from contact_analytics.sandbox import khoros_care_jobs as jobs
from contact_analytics.sandbox import khoros_care_people as people
from contact_analytics.sandbox.app import LOOPBACK, Answer, SandboxApp
from contact_analytics.sandbox.export_faults import ENDS, FILES
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care_exports import (
    EXPORTS,
    ROWS,
    TABLES,
    as_csv,
    as_json,
    columns,
    refused,
    sent,
    title,
)
from contact_analytics.sandbox.khoros_care_jobs import Job, Link
from contact_analytics.sandbox.khoros_care_query import BadInterval, Malformed, Query, asked, milliseconds
from contact_analytics.sandbox.khoros_care_records import Care
from contact_analytics.sandbox.khoros_care_rows import Row
from contact_analytics.sandbox.liveperson_brand import Brand

STORAGE = "/khoros-storage/"
_LINK_LIVES = timedelta(seconds=300)
_AT_SUBMIT = ("premature_link", "bare_ids", "foreign_link")
_AT_STATUS = ("unknown_status", "no_result", "foreign_link")
_JSON_REPLIES = {("GET", "conversation_actions")} | {
    (verb, name) for verb in ("GET", "POST") for name in ("author", "user")
}


class _Refusal(Answer):
    """An answer of the API's own making."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, "")
        self.response = httpx.Response(status, json=body)


@dataclass(kw_only=True, eq=False)
class KhorosCare(SandboxApp):
    """The API with its exports and the storage that their files come from.

    `refusal` answers a call beyond `calls_per_minute`. An export is RUNNING for `running_polls` answers, which are a
    "list" or an "object" by `status_shape`. `text_plain` is the content type of replies to a submit where the
    reference has it so. `slashed_runs` are run ids with `+`, `/` and `=`. `volume` says how many conversations begin
    on a UTC day. `extra_columns` and `dropped_columns` change what every export has. `titles` gives JSON the titles
    that CSV always has. `submissions` tells each submit that was accepted.
    """

    company_key: str = "acme-c01"
    username: str = "sandbox-analytics"
    password: str = "sandbox-password"
    base_path: str = "/api/public"
    calls_per_minute: int = 20
    refusal: int = 429
    running_polls: int = 1
    status_shape: str = "list"
    text_plain: bool = True
    slashed_runs: bool = True
    volume: Mapping[date, int] = field(default_factory=dict[date, int])
    extra_columns: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dropped_columns: Collection[str] = ()
    csv_bom: bool = False
    titles: bool = False
    submissions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]], init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._care = Care(Brand("10203040", self.seed, self.scale), self.volume)
        self._chance = random.Random(f"khoros care/{self.seed}")
        self._times: deque[datetime] = deque()
        self._jobs: dict[tuple[str, str], Job] = {}
        self._links: dict[str, Link] = {}

    def rows(self, export: str, start: datetime, end: datetime, **options: Any) -> list[Row]:
        """The rows of an export over a half-open window, as they are now; `options` are those of `Query`."""
        query = Query(first=milliseconds(start), last=milliseconds(end) - 1, at=milliseconds(self.now()))
        return list(ROWS[export](self._care, replace(query, **options)))

    def teams(self) -> list[Row]:
        """The teams as `GET /teams` lists them."""
        return people.teams(self._care)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        if path.startswith(STORAGE):
            return self._stored(request)
        if not path.startswith(f"{self.base_path}/"):
            raise Answer(404, "Not Found")
        if request.url.host == httpx.URL(jobs.FOREIGN).host:
            self._violate(f"a call to a host that is not the vendor's: {path}", 404)
        self._count(path)
        self._admit(request, path)
        match request.method, path.removeprefix(self.base_path).strip("/").split("/"):
            case "GET", ["teams"]:
                self._need_key(request, path)
                return _enveloped(self.teams())
            case "GET", ["config", "timezones"]:
                self._need_key(request, path)
                return _enveloped(jobs.timezones(self.now()))
            case "GET", ["reports", "report", *ids, "status"] if ids:
                return self._status(request, self._job(request, ids))
            case "GET", ["reports", "report", *ids, "download"] if ids:
                return self._download(request, self._job(request, ids))
            case "GET" | "POST", ["reports", "report", *words]:
                return self._submit(request, "/".join(words))
            case _:
                raise Answer(404, "Not Found")

    def _violate(self, violation: str, status: int, body: object = None) -> NoReturn:
        self.violations.append(violation)
        raise _Refusal(status, {} if body is None else body)

    def _count(self, path: str) -> None:
        """Refuse a call that is one too many in the minute before it."""
        with self._lock:
            now = self.now()
            while self._times and self._times[0] <= now - timedelta(minutes=1):
                self._times.popleft()
            if len(self._times) < self.calls_per_minute:
                self._times.append(now)
                return
        self._violate(f"more than {self.calls_per_minute} calls in a minute: {path}", self.refusal)

    def _admit(self, request: httpx.Request, path: str) -> None:
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            self._violate(f"no good credentials: {path}", 401, {"message": "Unauthorized"})

    def _need_key(self, request: httpx.Request, path: str, token: str = "") -> None:
        params = request.url.params
        if token and params.get("analyticsAccessToken") == token:
            return
        if "companyKey" not in params and "analyticsAccessToken" not in params:
            self._violate(f"no companyKey in the query: {path}", 400)
        if params.get("companyKey") != self.company_key:
            self._violate(f"the wrong companyKey or token: {path}", 403, {"message": "Forbidden"})

    def _submit(self, request: httpx.Request, export: str) -> httpx.Response:
        if export not in EXPORTS:
            self._violate(f"no such export: {export}", 404)
        self._need_key(request, request.url.path)
        now = self.now()
        try:
            params = jobs.parameters(request, export)
            wanted = asked(export, params, milliseconds(now))
            self._names(export, wanted.metrics, "en")
        except Malformed as error:
            self._violate(f"{export}: {error}", 400)
        except BadInterval as error:
            return _enveloped(str(error), status="FAIL")
        end = self.due(request, ENDS)
        with self._lock:
            run = jobs.run_id(self._chance, slashed=self.slashed_runs)
            job = Job(
                export=export,
                asked=wanted,
                root=f"{request.url.scheme}://{request.url.netloc.decode()}{self.base_path}",
                workflow_id=jobs.workflow_id(export, params),
                run_id=run,
                token=base64.b64encode(self._chance.randbytes(16)).decode(),
                polls=self.running_polls,
                end=end.kind if end else "",
                reason=None if end is None or end.value is None else str(end.value),
            )
            self._jobs[job.workflow_id, run] = job
            ids = {"workflow_id": job.workflow_id, "run_id": run}
            self.submissions.append({"export": export, "params": params, **ids})
        as_text = self.text_plain and (request.method, export) not in _JSON_REPLIES
        return _enveloped(self._submitted(request, job), "text/plain;charset=utf-8" if as_text else "application/json")

    def _submitted(self, request: httpx.Request, job: Job) -> Row:
        kind = fault.kind if (fault := self.due(request, _AT_SUBMIT)) else ""
        ids = {"workflowId": job.workflow_id, "runId": job.run_id}
        if kind == "bare_ids":
            return ids
        key = self.company_key
        status = job.link("status", companyKey=key)
        return ids | {
            "downloadUrl": job.link("download", companyKey=key) if kind == "premature_link" else "",
            "statusUrl": jobs.abroad(status) if kind == "foreign_link" else status,
        }

    def _job(self, request: httpx.Request, ids: list[str]) -> Job:
        """The export that a path names: its run id is one segment, with all that is special in it encoded."""
        job = self._jobs.get((ids[0], unquote("/".join(ids[1:]))))
        if job is None:
            self._violate(f"no such export was submitted: {'/'.join(ids)}", 404)
        if len(ids) > 2 or ids[1].upper() != quote(job.run_id, safe="").upper():
            self._violate(f"the run id is not one encoded segment: {'/'.join(ids)}", 404)
        self._need_key(request, request.url.path, job.token)
        return job

    def _status(self, request: httpx.Request, job: Job) -> httpx.Response:
        if job.end == "lost":
            if job.reason == "404":
                raise _Refusal(404, {})
            return _enveloped([])
        job.polls, job.gone = job.polls - 1, False
        fault = self.due(request, _AT_STATUS)
        if fault is None and job.polls < 0 and (not job.end or job.end == "expired"):
            fault = self.due(request, ("no_link",))
        if fault and fault.kind == "no_result":
            return httpx.Response(200, json={"status": "PASS", "request": None, "message": None})
        status = job.status(fault)
        return _enveloped(status if job.done or self.status_shape == "object" else [status])

    def _download(self, request: httpx.Request, job: Job) -> httpx.Response:
        if not job.done:
            self._violate(f"a download before the export was done: {job.export}", 404)
        if job.end == "expired":
            job.end, job.gone = "", True
        if job.gone:
            raise _Refusal(410, {})
        host, port = request.url.host, request.url.port
        base = "https://acme-exports.s3.us-east-1.amazonaws.com"
        if host in LOOPBACK:
            base = f"{request.url.scheme}://{LOOPBACK[host]}{f':{port}' if port else ''}"
        signature = secrets.token_hex(32)
        end = "csv" if job.asked.csv else "json"
        target = (
            f"{STORAGE}{job.export}/{job.asked.query.kind}-{job.asked.query.first}-{job.token[:6].encode().hex()}.{end}"
        )
        self._links[signature] = Link(job, target, self.now(), self.due(request, FILES))
        return httpx.Response(
            302, headers={"Location": f"{base}{target}?X-Amz-Expires=300&X-Amz-Signature={signature}"}
        )

    def _stored(self, request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            self.violations.append(f"credentials were sent to storage: {request.url.path}")
            return refused(400, "InvalidArgument")
        signature = parse_qs(request.url.query.decode()).get("X-Amz-Signature", [""])[0]
        link = self._links.get(signature)
        if link is None or link.target != request.url.path or self.now() - link.issued > _LINK_LIVES:
            return refused(403, "AccessDenied")
        fault = link.fault or self.due(request, FILES)
        link.fault = None
        return sent(self._file(link.job, fault), fault)

    def _names(self, export: str, metrics: Collection[str], locale: str) -> dict[str, str]:
        """Title by metric id of the columns that a file has: those that are asked for, or all."""
        known = [*columns(export), *self.extra_columns]
        by_upper = {name.upper(): name for name in known}
        if unknown := [metric for metric in metrics if metric not in by_upper]:
            raise Malformed(f"no such reportMetrics: {', '.join(unknown)}")
        dropped = {name.upper() for name in self.dropped_columns}
        chosen = [by_upper[metric] for metric in metrics] or known
        return {name: title(name, locale) for name in chosen if name.upper() not in dropped}

    def _file(self, job: Job, fault: Fault | None) -> bytes:
        wanted = job.asked
        names = self._names(job.export, wanted.metrics, wanted.locale)
        whole = (row | dict(self.extra_columns) for row in ROWS[job.export](self._care, wanted.query))
        found = [{name: row[name] for name in names} for row in whole]
        if fault and fault.kind in TABLES:
            TABLES[fault.kind](names, found, fault)
        if wanted.csv:
            return as_csv(names, found).encode("utf-8-sig" if self.csv_bom else "utf-8")
        return as_json(names if self.titles else {name: name for name in names}, found).encode()


def _enveloped(result: object, content_type: str = "application/json", status: str = "PASS") -> httpx.Response:
    envelope = {"status": status, "request": None, "message": None, "result": result}
    return httpx.Response(200, json=envelope, headers={"Content-Type": content_type})
