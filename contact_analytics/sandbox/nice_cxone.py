"""NICE CXone's Data Extraction API in miniature."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal, NoReturn

import httpx

from contact_analytics.sandbox import export_faults
from contact_analytics.sandbox.app import Answer, SandboxApp
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_brand import Brand
from contact_analytics.sandbox.nice_cxone_access import Access, configuration, discovery
from contact_analytics.sandbox.nice_cxone_evaluations import Evaluation
from contact_analytics.sandbox.nice_cxone_exports import Export, JobIdForm, Links, asked, created
from contact_analytics.sandbox.nice_cxone_files import (
    BooleanForm,
    DateForm,
    Row,
    Spelling,
    Table,
    expired,
    refused,
    spoiled,
    stored,
)
from contact_analytics.sandbox.nice_cxone_records import COLUMNS, KEYS, Records, Value, columns

ENTITIES: Mapping[str, Collection[str]] = {
    entity: tuple(version for name, version in COLUMNS if name == entity) for entity in KEYS
}
_STATUSES = frozenset({"no_link", "unknown_status", "no_result"})


@dataclass(kw_only=True, eq=False)
class NiceCxone(SandboxApp):
    """The API with its storage and its token services.

    `interval` and `one_at_a_time` are limits of POST /jobs, refused with 403; an export that nobody polls stops to
    count after `busy_seconds`. An export is done after `running_polls` answers and `export_seconds`; its links live
    for `link_seconds`, its data for `data_hours`. `forbidden` are entities that the user may not extract. `volume`
    says how many evaluations are submitted on a day. `submissions` are the exports that were taken on.
    """

    access_key_id: str = "SANDBOXACCESSKEYID===="
    access_key_secret: str = "SANDBOXACCESSKEYSECRET===="
    client_id: str = "sandbox-nice-client"
    client_secret: str = "sandbox-nice-secret"
    tenant_id: str = "11eb5a0d-0000-4000-8000-5a4db0c0ffee"
    token_seconds: int = 3600
    interval: float = 30
    one_at_a_time: bool = True
    busy_seconds: float = 900
    running_polls: int = 1
    export_seconds: float = 0
    link_seconds: float = 30
    data_hours: float = 24
    job_id_form: JobIdForm = "quoted"
    status_code_get: int = 202
    success_word: str = "SUCCEEDED"
    error_key: str = "errorMessage"
    result_while_running: Literal["absent", "null", "empty"] = "absent"
    max_days: int = 14
    end_inclusive: bool = True
    bom: bool = False
    en_dash: bool = False
    date_form: DateForm = "iso_z"
    boolean_form: BooleanForm = "mixed"
    newline: Literal["\r\n", "\n"] = "\r\n"
    volume: Mapping[date, int] = field(default_factory=dict[date, int])
    versions: Mapping[str, Collection[str]] = field(default_factory=lambda: ENTITIES)
    forbidden: Collection[str] = ()
    extra_columns: Mapping[str, str] = field(default_factory=dict[str, str])
    dropped_columns: Collection[str] = ()
    submissions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]], init=False)

    # The paths that are this vendor's, where several share an address.
    prefixes: ClassVar[tuple[str, ...]] = (
        "/authentication",
        "/auth",
        "/.well-known",
        "/data-extraction",
        "/nice-storage",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := self.versions.keys() - KEYS.keys():
            raise ValueError(f"no such entities: {', '.join(sorted(unknown))}")
        self._records = Records(Brand("10203040", self.seed, self.scale), self.volume, "Sandbox & Söhne, Inc.")
        self._spelling = Spelling(self.date_form, self.boolean_form, self.newline, self.bom)
        self._access = Access(
            self.access_key_id,
            self.access_key_secret,
            self.client_id,
            self.client_secret,
            self.tenant_id,
            self.now,
            self.token_seconds,
        )
        self._exports: dict[str, Export] = {}
        self._links = Links(self.tenant_id, self.now, self.link_seconds)
        self._called: datetime | None = None
        self._state = threading.RLock()

    def columns(self, entity: str, version: str) -> list[str]:
        """The header of an entity's files."""
        known = [self._header(name) for name in columns(entity, version) if name not in self.dropped_columns]
        return [*known, *self.extra_columns]

    def rows(self, entity: str, version: str, day: date, at: datetime | None = None) -> list[Row]:
        """The rows that belong to a UTC day, header by text, as a file of that moment has them.

        Evaluations and their questions belong to the day of their submission, before it to that of their start.
        """
        shown = [name for name in columns(entity, version) if name not in self.dropped_columns]
        with self._state:
            rows = self._records.rows(entity, day, at or self.now())
        return [
            {self._header(name): self._spelling.text(name, row.get(name)) for name in shown} | {**self.extra_columns}
            for row in rows
        ]

    def evaluations(self, day: date) -> tuple[Evaluation, ...]:
        """Those that are submitted on a day sooner or later, then those that start on it and never are."""
        return self._records.evaluations.of_day(day)

    def update(self, workflow_id: str, at: datetime, **new: Value) -> None:
        """Change an evaluation from a moment on: columns by header or snake case, times as `datetime`.

        Its Last Updated is then that moment, and a Submission Date moves it to another day.
        """
        with self._state:
            self._records.update(workflow_id, at, new)

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self._state:
            return self._answer(request, request.url.path.strip("/").split("/"))

    def _answer(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        match request.method, parts:
            case "POST", ["authentication", "v1", "token", "access-key"]:
                return self._access.by_access_key(request)
            case "POST", ["auth", "token"]:
                return self._access.by_password(request)
            case "GET", [".well-known", "openid-configuration"]:
                return discovery(request)
            case "GET", [".well-known", "cxone-configuration"]:
                return configuration(request, self.tenant_id)
            case "GET", ["nice-storage", *_]:
                return self._download(request)
            case _, ["data-extraction", "v1", "jobs", *rest]:
                if refusal := self._access.refusal(request):
                    self._refuse(401, "Unauthorized. Invalid credentials.", f"{request.url.path} with {refusal}")
                return self._jobs(request, rest)
            case _:
                raise Answer(404, "Not Found")

    def _refuse(self, status: int, reason: str, violation: str) -> NoReturn:
        self.violations.append(violation)
        raise Answer(status, reason)

    def _jobs(self, request: httpx.Request, rest: list[str]) -> httpx.Response:
        match request.method, rest:
            case "POST", []:
                return created(self._export(request).id, self.job_id_form)
            case "POST", ["sync"]:
                self.violations.append("POST /jobs/sync, which is deprecated")
                export = self._export(request)
                export.polls = self.running_polls
                return httpx.Response(202, json={"url": self._links.link(request, export)})
            case "GET", []:
                listed = [export for export in self._exports.values() if not export.ends("lost")]
                jobs = [{"id": export.id, "status": self._status(export)} for export in listed]
                return httpx.Response(200, json={"jobs": jobs})
            case "GET", [job_id]:
                return self._job(request, job_id)
            case _:
                raise Answer(405, "Method Not Allowed")

    def _export(self, request: httpx.Request) -> Export:
        """The export that a request asks for, within the tenant's limits."""
        now = self.now()
        passed = None if self._called is None else (now - self._called).total_seconds()
        if passed is not None and passed < self.interval:
            self._refuse(
                403,
                f"Forbidden. The API can be called once in {self.interval:g} seconds. Wait and try again later.",
                f"POST {request.url.path} {passed:g} s after the one before",
            )
        if self.one_at_a_time and (running := [one.id for one in self._exports.values() if self._busy(one)]):
            self._refuse(
                403,
                "Forbidden. Only one call per tenant can be active at a time. Wait and try again later.",
                f"POST {request.url.path} while {running[0]} is running",
            )
        self._called = now
        export = asked(request, now)
        self._check(export)
        export.end = self._due(request, export_faults.ENDS, export)
        self._exports[export.id] = export
        self.submissions.append(export.submission())
        return export

    def _check(self, export: Export) -> None:
        """Refuse what the tenant can't have."""
        if export.version not in self.versions.get(export.entity, ()):
            raise Answer(404, "Not Found. Missing entity or invalid version.")
        if export.entity in self.forbidden:
            raise Answer(403, "Forbidden. User does not have permission to extract this entity.")
        days = (export.last - export.first).days
        if days < 0:
            self._refuse(400, "Invalid request. Incorrect date filters.", f"a reversed range: {export.about}")
        if days > self.max_days:
            self._refuse(400, f"Invalid request. At most {self.max_days} days.", f"a long range: {export.about}")

    def _age(self, export: Export) -> float:
        return (self.now() - export.at).total_seconds()

    def _busy(self, export: Export) -> bool:
        return self._status(export) == "RUNNING" and not export.ends("lost") and self._age(export) < self.busy_seconds

    def _status(self, export: Export) -> str:
        if export.ends("expired") or self._age(export) >= self.data_hours * 3600:
            return "EXPIRED"
        if export.polls < self.running_polls or self._age(export) < self.export_seconds:
            return "RUNNING"
        return export.outcome(self.success_word)

    def _job(self, request: httpx.Request, job_id: str) -> httpx.Response:
        export = self._exports.get(job_id)
        if export is None:
            self._refuse(404, "Not Found. No such job.", f"GET of an unknown job: {job_id}")
        if export.ends("lost"):
            raise Answer(404, "Not Found. No such job.")
        status = self._status(export)
        export.polls += 1
        kinds = _STATUSES if status == self.success_word else _STATUSES & {"unknown_status"}
        fault = self._due(request, kinds, export)
        told: dict[str, Any] = {"id": job_id, "status": None if fault and fault.kind == "unknown_status" else status}
        if fault and fault.kind == "no_link":
            told["result"] = {}
        elif status == self.success_word and fault is None:
            told["result"] = {"url": self._links.link(request, export)}
        elif status == "FAILED" and export.end and export.end.kind == "failed":
            told["result"] = {self.error_key: export.end.value or "The query failed."}
        elif status == "RUNNING" and self.result_while_running != "absent":
            told["result"] = None if self.result_while_running == "null" else {}
        return httpx.Response(self.status_code_get, json={"jobStatus": told})

    def _download(self, request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            self.violations.append("Authorization at storage")
            return refused(400, "InvalidArgument", "Only one auth mechanism allowed")
        meant = self._links.meant(request)
        if meant is None:
            return refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        export, alive = meant
        if not alive:
            self.violations.append(f"a dead link used: {export.id}")
            return expired()
        export.file = export.file or self._file(export)
        if fault := self._due(request, export_faults.FILES, export):
            return spoiled(fault, export.file)
        return stored(export.file.written())

    def _file(self, export: Export) -> Table:
        """What an export holds: the state of the moment in which it was asked for."""
        days = (export.last - export.first).days + (1 if self.end_inclusive else 0)
        rows = [
            row
            for day in range(days)
            for row in self.rows(export.entity, export.version, export.first + timedelta(days=day), export.at)
        ]
        key = self._header(KEYS.get(export.entity, ""))
        return Table(self.columns(export.entity, export.version), rows, self._spelling, key)

    def _header(self, name: str) -> str:
        return name.replace(" - ", " \u2013 ") if self.en_dash else name

    def _due(self, request: httpx.Request, kinds: Collection[str], export: Export) -> Fault | None:
        """As `due`, for faults that name the path, or the export by entity, version or dates."""
        target = f"{request.url.raw_path.decode()}?{export.about}"
        with self._lock:
            for fault in self.faults:
                if fault.kind in kinds and fault.times > 0 and fault.path in target:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None
