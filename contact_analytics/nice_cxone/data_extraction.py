"""NICE CXone Data Extraction: an entity's rows over days, exported as CSV.

Source: NICE's help and API pages. Statuses, ids and dates come in several forms there and at clients in production;
what is inferred is said where it is used.
"""

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any

import httpx
from pydantic import Field

from contact_analytics.lib.auth import BearerToken, SameSite
from contact_analytics.lib.delivery import Delivery, Order
from contact_analytics.lib.errors import (
    ConfigurationError,
    ContactAnalyticsError,
    ExportTimedOut,
    RequestRejected,
    UnexpectedAnswer,
)
from contact_analytics.lib.exported_files import DEAD, spooled
from contact_analytics.lib.exports import Export, Exports, Polling, State, Status
from contact_analytics.lib.http import Caller, RetryRule, Tally, check, excerpt, in_short
from contact_analytics.lib.links import check_scheme, followed, shown
from contact_analytics.lib.resource import ApiResource
from contact_analytics.lib.tenant import Pace, Tenant, stopped_by
from contact_analytics.lib.tenant_homes import Submitted
from contact_analytics.nice_cxone.access import API, TOKENS, Issuer, by_access_key, url_of_area
from contact_analytics.nice_cxone.entities import Entity, NiceCxoneConfig, version_of
from contact_analytics.nice_cxone.window import Window, files_of, store

ISSUER_URL = "https://cxone.niceincontact.com"
_JOBS = "/data-extraction/v1/jobs"
# Of a job that the vendor does not know, or not any more.
_UNKNOWN = (400, 404, 410)
# A link lives for half a minute: what takes longer needs another one.
_AT_STORAGE = RetryRule(busy_waits=(1, 2), failure_waits=(1, 2), total_seconds=15)
_JOB_ID = re.compile(r"[\w.:-]{1,200}")
_STATES = {
    "running": State.RUNNING,
    "succeeded": State.DONE,
    "success": State.DONE,
    "failed": State.FAILED,
    "cancelled": State.REFUSED,
    "canceled": State.REFUSED,
    "expired": State.GONE,
}


class NiceCxoneDataExtractionResource(ApiResource):
    """The Data Extraction API of one tenant."""

    url: str = Field(default="", description="Root of the API (NICE_CXONE_URL); by the area, or found out, if not set.")
    area: str = Field(default="", description="The tenant's area, such as na1, eu1 or au1 (NICE_CXONE_AREA).")
    access_key_id: str = Field(default="", repr=False, description="Access key (NICE_CXONE_ACCESS_KEY_ID).")
    access_key_secret: str = Field(default="", repr=False, description="Its secret (NICE_CXONE_ACCESS_KEY_SECRET).")
    client_id: str = Field(default="", repr=False, description="OAuth client, where there is one beside the key.")
    client_secret: str = Field(default="", repr=False, description="The OAuth client's secret.")
    issuer_url: str = Field(default=ISSUER_URL, description="Where OAuth clients get tokens (NICE_CXONE_ISSUER_URL).")
    versions: str = Field(default="", description="JSON object of versions by entity (NICE_CXONE_VERSIONS).")
    call_interval_seconds: float = Field(default=31, ge=0, description="Between two exports of the tenant, in seconds.")
    poll_seconds: float = Field(default=10, ge=0, description="Between two looks at an export, in seconds.")
    deadline_minutes: float = Field(default=30, gt=0, description="How long an export may take.")
    days_an_export: int = Field(default=14, ge=1, le=14, description="Days that are asked for in one export.")
    tenant_folder: str = Field(default="", description="Folder in which processes share what they ask of the tenant.")

    @contextmanager
    def connect(self, entity: Entity, config: NiceCxoneConfig) -> Generator["DataExtraction"]:
        """The API, ready to be asked. Raises `ConfigurationError` before any request if a setting is missing."""
        self._check()
        version = version_of(entity, config, self.versions)
        with self.open_client() as anonymous:
            auth, url = self._placed(Caller(anonymous, TOKENS, self.rule, Tally()))
            stop, pace = Event(), Pace(1, self.call_interval_seconds)
            tenant = Tenant(
                self.tenant_folder, "nice_cxone", f"{url} {self.access_key_id}", pace, wait=stopped_by(stop)
            )

            def take_turn(request: httpx.Request) -> None:
                if request.method == "POST" and request.url.path.endswith(_JOBS):
                    tenant.take_turn()

            with self.open_client(SameSite(auth, url), url, take_turn) as client:
                polling = Polling(self.poll_seconds, 1, self.poll_seconds, 60 * self.deadline_minutes)
                # Each try waits for the tenant's turn as well; the retries are to outlast another user's export.
                rule = RetryRule(self.retry_wait_seconds, busy_waits=(1, 2, 4, 8, 16), total_seconds=600)
                exports = Exports(tenant, polling, one_at_a_time=True)
                yield DataExtraction(client, anonymous, rule, exports, entity, version, self.days_an_export, stop.set)

    def _placed(self, caller: Caller) -> tuple[BearerToken, str]:
        """How requests get their token, and the root of the API."""
        key = self.access_key_id, self.access_key_secret
        url = self.url or (url_of_area(self.area) if self.area else "")
        url = check_scheme(url, "NICE_CXONE_URL") if url else ""
        if not self.client_id:
            return BearerToken(lambda: by_access_key(url, *key), TOKENS), url
        issuer = Issuer(self.issuer_url, (self.client_id, self.client_secret), key, caller)
        return BearerToken(issuer.token_request, TOKENS), url or issuer.api_url()

    def _check(self) -> None:
        needed = {
            "NICE_CXONE_ACCESS_KEY_ID": self.access_key_id,
            "NICE_CXONE_ACCESS_KEY_SECRET": self.access_key_secret,
        }
        if self.client_id or self.client_secret:
            needed |= {"NICE_CXONE_CLIENT_ID": self.client_id, "NICE_CXONE_CLIENT_SECRET": self.client_secret}
        else:
            needed["NICE_CXONE_URL or NICE_CXONE_AREA"] = self.url or self.area
        if missing := [name for name, value in needed.items() if not value]:
            raise ConfigurationError(
                f"NICE CXone's settings are not complete: {', '.join(missing)} not set.",
                "Set them (see .env.example) and restart.",
            )


@dataclass(frozen=True)
class Brought:
    """How a day was brought into the archive: when the vendor was asked for it, and whether it got a file of its own
    then, or has the one that it had."""

    asked_at: datetime
    is_new: bool


class DataExtraction:
    """The API's methods for one entity, over one open client."""

    def __init__(
        self,
        client: httpx.Client,
        storage: httpx.Client,
        rule: RetryRule,
        exports: Exports,
        entity: Entity,
        version: str,
        days_an_export: int,
        stop: Callable[[], None],
    ) -> None:
        self._client, self._storage, self._rule, self._exports = client, storage, rule, exports
        self._at_storage = replace(_AT_STORAGE, unit=rule.unit)
        self._entity, self._version, self._days_an_export, self.stop = entity, version, days_an_export, stop
        # What became of each day: how it was brought, or why it failed. Days that follow share an export.
        self._outcomes: dict[date, Brought | ContactAnalyticsError] = {}
        self._hung: ExportTimedOut | None = None

    def deliver(self, order: Order) -> Delivery:
        """A UTC day in the archive, from an export of it and of the days after it that are to be delivered too."""
        started, delivery = monotonic(), Delivery([])
        if order.day not in self._outcomes:
            self._bring(order, delivery.tally)
        outcome = self._outcomes[order.day]
        if isinstance(outcome, ContactAnalyticsError):
            raise outcome
        delivery.files = files_of(order.archived)
        delivery.downloaded = int(outcome.is_new)
        delivery.listed_at = outcome.asked_at
        delivery.seconds["download"] = monotonic() - started
        return delivery

    def _bring(self, order: Order, tally: Tally) -> None:
        """Bring a day, and those after it that share its export, or note why that failed."""
        if self._hung:  # Each further export would cost its deadline, too.
            self._outcomes[order.day] = self._hung
            return
        days = _together([order.day, *order.to_come], self._days_an_export)
        try:
            self._outcomes |= self.export(days, order, tally)
        except RequestRejected as error:
            if not _is_about_the_request(error) or len(days) == 1:
                self._outcomes |= dict.fromkeys(days, error)
                return
            # The vendor's limit is stated in two ways: a tenant's may be narrower than both.
            self._days_an_export = len(days) // 2
            self._bring(order, tally)
            if (outcome := self._outcomes[order.day]) is not error and isinstance(outcome, RequestRejected):
                self._outcomes |= dict.fromkeys(days, outcome)
        except ContactAnalyticsError as error:
            self._hung = error if isinstance(error, ExportTimedOut) else None
            self._outcomes |= dict.fromkeys(days, error)

    def export(self, days: Sequence[date], order: Order, tally: Tally) -> dict[date, Brought]:
        """Bring days into the archive by one export, and tell how each was brought.

        An export of an earlier run's that is still to be had is taken up; those of the days that it holds are told.
        """
        window = Window(days[0], days[-1] + timedelta(days=1))
        request = {
            "entityName": self._entity.name,
            "version": self._version,
            "startDate": str(window.first),
            "endDate": str(window.end),
        }

        def is_served_by(other: Submitted) -> bool:
            same = all(other.request.get(name) == request[name] for name in ("entityName", "version"))
            return same and Window.of(other.request).holds(order.day) and order.takes(other.submitted_at)

        def fetch(submitted: Submitted, link: str) -> dict[date, Brought]:
            held = [day for day in days if Window.of(submitted.request).holds(day)]
            changed = self._download(submitted, link, held, order, tally)
            return {day: Brought(submitted.submitted_at, is_new=day in changed) for day in held}

        return self._exports.fetch(
            Export(
                what=f"NICE CXone {self._entity.name} version {self._version}, {window.first} to {days[-1]}",
                request=request,
                is_served_by=is_served_by,
                submit=lambda: {"jobId": self.create_job(request, tally)},
                status=lambda submitted: self.job_status(submitted.ticket["jobId"], tally),
                fetch=fetch,
            )
        )

    def create_job(self, request: Mapping[str, str], tally: Tally) -> str:
        """Submit an export; its id. The call waits for the tenant's turn."""

        def accepted(response: httpx.Response) -> str:
            response.read()
            check(response, API)
            return _job_id(response)

        # What was not answered in time may have been accepted: another one would be refused while it is under way.
        return self._caller(tally).send("POST", _JOBS, accepted, json=dict(request), retry_timeouts=False)

    def job_status(self, job_id: str, tally: Tally) -> Status:
        """How an export is; with a link to its file, which is good for 30 seconds, when it is done."""
        answer = self._caller(tally).get(f"{_JOBS}/{job_id}", accept=lambda response: response.status_code in _UNKNOWN)
        if answer.status_code in _UNKNOWN:
            return Status(State.GONE, "the vendor does not know the export any more")
        job = _job(answer)
        word, result = job.get("status"), _object(job.get("result"))
        state = _STATES.get(str(word).strip().casefold(), State.RUNNING)
        words = (_text(place.get(name)) for place in (result, job) for name in _WORDS)
        said = in_short(" ".join(filter(None, (_text(word) or "no status", *words))), answer.request)
        link = _text(result.get("url")) or _text(job.get("url"))
        if state is State.DONE and not link:
            return Status(State.RUNNING, f"{said} without a link")
        return Status(state, said, followed(link, self._client.base_url, API.name) if state is State.DONE else "")

    def _download(self, submitted: Submitted, link: str, days: Sequence[date], order: Order, tally: Tally) -> set[date]:
        def keep(response: httpx.Response) -> set[date]:
            with spooled(response) as file:
                return store(self._entity, submitted, shown(link), file, days, order.archive)

        # Storage knows the file by the link's signature, and refuses a second kind of credentials.
        rule, wait = replace(_AT_STORAGE, unit=self._rule.unit), self._exports.tenant.wait
        return Caller(self._storage, API, rule, tally, wait).stream(link, keep, passed=DEAD)

    def _caller(self, tally: Tally) -> Caller:
        return Caller(self._client, API, self._rule, tally, self._exports.tenant.wait)


def _is_about_the_request(error: RequestRejected) -> bool:
    """Whether a refusal is of the request as it is: 400, such as for a window that is too long."""
    return error.metadata["status"].value == 400 if "status" in error.metadata else False


# Where the vendor says why an export failed.
_WORDS = ("errorMessage", "messageError")


def _together(days: Sequence[date], most: int) -> list[date]:
    """The days from the first on that follow each other, up to as many as an export may hold."""
    for place, day in enumerate(days):
        if place == most or day != days[0] + timedelta(days=place):
            return list(days[:place])
    return list(days)


def _job_id(response: httpx.Response) -> str:
    """The id in an answer: a JSON string, the bare text, or a field of an object."""
    text = response.text.strip()
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = text
    found = answer.get("jobId") or answer.get("id") if isinstance(answer, dict) else answer
    if not isinstance(found, str) or not _JOB_ID.fullmatch(found):
        raise _unexpected(response, "no job id")
    return found


def _job(response: httpx.Response) -> dict[str, Any]:
    """What an answer says of a job, with or without the object around it; nothing, if it is empty or repeats the id."""
    try:
        answer = response.json() if response.text.strip() else {}
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, str):
        answer = {}
    if not isinstance(answer, dict):
        raise _unexpected(response, "no job status")
    return _object(answer.get("jobStatus")) or answer


def _unexpected(response: httpx.Response, lacks: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{API.name}: {shown(response.request.url)} was answered {response.status_code} with {lacks}: "
        f"{excerpt(response)}",
        "Nothing of it was kept. A proxy or a login page may stand in between: check NICE_CXONE_URL and the network.",
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
