"""Khoros Care Analytics Reports: exports by id over a UTC day, and the company's lists of teams and agents.

Source: Khoros' quick start and reference of the API. Where they contradict each other, the form that clients in
production use is followed: `/reports/report/<id>` with everything in the query. What is inferred is said where it is
used.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from threading import Event
from typing import IO, Any
from urllib.parse import quote

import httpx
from pydantic import Field

from contact_analytics.khoros_care.answers import API, Report, report, result_of, submission
from contact_analytics.khoros_care.options import ExportOptions, options_of
from contact_analytics.khoros_care.report_day import ReportDay
from contact_analytics.lib.auth import SameSite
from contact_analytics.lib.delivery import Delivery, Order
from contact_analytics.lib.errors import ConfigurationError, ExportTimedOut, UnexpectedAnswer
from contact_analytics.lib.exported_files import DEAD, spooled
from contact_analytics.lib.exports import Export, Exports, Polling, State, Status
from contact_analytics.lib.http import Caller, RetryRule, Tally
from contact_analytics.lib.links import check_scheme, followed, same_site, shown
from contact_analytics.lib.resource import ApiResource
from contact_analytics.lib.tenant import Pace, Tenant, stopped_by
from contact_analytics.lib.tenant_homes import Submitted

URL = "https://analytics-api.app.lithium.com/api/public"
_REDIRECTS = (301, 302, 303, 307, 308)
_HOPS = 5
# Of an export that the vendor does not know, or not any more.
_UNKNOWN = (404, 410)
# At the API itself, 403 is a word for too many calls.
_DEAD_AT_HOME = (401, 404, 410)
# An export that is done may show its address a little later.
_LOOKS_FOR_LINK = 3
_COMPLETED = "COMPLETED"
_MILLISECOND = timedelta(milliseconds=1)

Keep = Callable[[Submitted, str, IO[bytes]], None]


class Method(Enum):
    """How exports are submitted; both with everything in the query."""

    GET = "GET"
    POST = "POST"


class KhorosCareAnalyticsReportsResource(ApiResource):
    """The Analytics Reports API of one company."""

    url: str = Field(default=URL, description="Base URL of the API (KHOROS_CARE_URL); it depends on the region.")
    company_key: str = Field(default="", description="The company's key (KHOROS_CARE_COMPANY_KEY).")
    username: str = Field(default="", repr=False, description="User of type Analytics (KHOROS_CARE_USERNAME).")
    password: str = Field(default="", repr=False, description="The user's password (KHOROS_CARE_PASSWORD).")
    options: str = Field(default="", description="JSON object of options by export (KHOROS_CARE_EXPORT_OPTIONS).")
    method: Method = Field(default=Method.GET, description="How exports are submitted: GET or POST.")
    poll_seconds: float = Field(default=5, ge=0, description="First wait for an export; later ones grow to a minute.")
    deadline_minutes: float = Field(default=60, gt=0, description="How long an export may take.")
    calls_per_minute: int = Field(default=20, gt=0, description="Requests a minute that the vendor takes of a company.")
    tenant_folder: str = Field(default="", description="Folder in which processes share what they ask of the company.")

    def options_for(self, export: str, config: ExportOptions) -> ExportOptions:
        """What to ask of an export: what a launch's config says, then the settings."""
        return options_of(export, config, self.options)

    @contextmanager
    def connect(self, export: str, options: ExportOptions) -> Generator["AnalyticsReports"]:
        """The API, ready to be asked for an export by its id.

        Raises `ConfigurationError` before any request if a setting is missing.
        """
        self._check()
        url = check_scheme(self.url, "KHOROS_CARE_URL")
        stop, pace = Event(), Pace(self.calls_per_minute, 61)
        tenant = Tenant(self.tenant_folder, "khoros_care", f"{url} {self.company_key}", pace, wait=stopped_by(stop))
        auth = SameSite(httpx.BasicAuth(self.username, self.password), url)
        with (
            self.open_client(auth, f"{url}/", lambda _: tenant.take_turn()) as client,
            self.open_client() as storage,
        ):
            polling = Polling(self.poll_seconds, 1.5, max(60, self.poll_seconds), 60 * self.deadline_minutes)
            # Twenty a minute is one in three seconds: waits that end sooner are refused again.
            rule = RetryRule(self.retry_wait_seconds, busy_waits=(5, 10, 20, 40, 60))
            exports = Exports(tenant, polling)
            yield AnalyticsReports(
                client, storage, url, self.company_key, self.method, rule, exports, export, options, stop.set
            )

    def _check(self) -> None:
        settings = {
            "KHOROS_CARE_COMPANY_KEY": self.company_key,
            "KHOROS_CARE_USERNAME": self.username,
            "KHOROS_CARE_PASSWORD": self.password,
        }
        if missing := [name for name, value in settings.items() if not value]:
            raise ConfigurationError(
                f"Khoros Care's settings are not complete: {', '.join(missing)} not set.",
                "Set them (see .env.example) and restart.",
            )


class AnalyticsReports:
    """The API's methods, over one open client."""

    def __init__(
        self,
        client: httpx.Client,
        storage: httpx.Client,
        url: str,
        company_key: str,
        method: Method,
        rule: RetryRule,
        exports: Exports,
        export: str,
        options: ExportOptions,
        stop: Callable[[], None],
    ) -> None:
        self._client, self._storage, self._url, self._company_key = client, storage, url, company_key
        self._method, self._rule, self._exports = method.value, rule, exports
        self._export, self.options, self.stop = export, options, stop
        # The newest address of each run's status: it is asked as it was given, byte for byte.
        self._status_urls: dict[str, str] = {}
        self._looks: dict[str, int] = {}
        self._hung: ExportTimedOut | None = None

    def deliver(self, order: Order) -> Delivery:
        """A UTC day of an export, in the archive."""
        if self._hung:  # Each further export would cost its deadline, too.
            raise self._hung
        try:
            return ReportDay(self, order).deliver()
        except ExportTimedOut as error:
            self._hung = error
            raise

    def export(
        self,
        day: date,
        params: Sequence[tuple[str, str]],
        keep: Keep,
        tally: Tally,
        takes: Callable[[datetime], bool] = lambda _: True,
    ) -> None:
        """The export of a UTC day, from submission to file; `params` are those beside the options.

        `takes` tells whether what an earlier run asked for at a time is as good as a new one.
        """
        start = datetime.combine(day, time(), UTC)
        # Both ends are included, to the millisecond (inferred from the vendor's samples).
        window = [
            ("startTime", _milliseconds(start)),
            ("endTime", _milliseconds(start + timedelta(days=1) - _MILLISECOND)),
        ]
        asked = [*window, *params, *self.options.params(self._export)]
        request = {"export": self._export, "query": json.dumps(asked)}
        self._exports.fetch(
            Export(
                what=" ".join(["Khoros Care", self._export, str(day), *(value for _, value in params)]),
                request=request,
                is_served_by=lambda other: other.request == request and takes(other.submitted_at),
                submit=lambda: self._submit(asked, tally),
                status=lambda submitted: self._status(submitted, tally),
                fetch=lambda submitted, link: self._download(submitted, link, keep, tally),
            )
        )

    def teams(self, tally: Tally) -> list[Any]:
        """The company's teams."""
        response = self._caller(tally).get(f"{self._url}/teams", params={"companyKey": self._company_key})
        teams = result_of(response)
        if not isinstance(teams, list):
            raise UnexpectedAnswer(
                f"{API.name}: {shown(response.request.url)} was answered with something else than a list of teams.",
                "It is not taken for an empty list. Report it: the vendor's format has changed.",
            )
        return teams

    def _submit(self, asked: Sequence[tuple[str, str]], tally: Tally) -> Mapping[str, str]:
        def accepted(response: httpx.Response) -> Mapping[str, str]:
            response.read()
            answer = submission(response)
            self._follow(answer.run_id, answer.status_url)
            return {"workflowId": answer.workflow_id, "runId": answer.run_id}

        url = f"{self._url}/reports/report/{self._export}"
        params = httpx.QueryParams([("companyKey", self._company_key), *asked])
        # What was not answered in time may have been accepted, and is not worth a second export.
        return self._caller(tally).send(self._method, url, accepted, params=params, retry_timeouts=False)

    def _status(self, submitted: Submitted, tally: Tally) -> Status:
        run_id = submitted.ticket["runId"]
        url = self._status_urls.get(run_id) or self._built(submitted, "status")
        response = self._caller(tally).get(url, accept=lambda answer: answer.status_code in _UNKNOWN)
        found = None if response.status_code in _UNKNOWN else report(response, run_id)
        if found is None:
            return Status(State.GONE, "the vendor does not know the export any more")
        self._follow(run_id, found.status_url)
        if found.runner_state != "CLOSED":
            return Status(State.RUNNING, found.said)
        if found.detail != _COMPLETED:
            return Status(State.FAILED, found.said)
        return self._done(submitted, found)

    def _done(self, submitted: Submitted, found: Report) -> Status:
        run_id = submitted.ticket["runId"]
        self._looks[run_id] = self._looks.get(run_id, 0) + 1
        if not found.download_url and self._looks[run_id] < _LOOKS_FOR_LINK:
            return Status(State.RUNNING, f"{found.said} without an address")
        is_ours = found.download_url and same_site(found.download_url, self._url)
        return Status(State.DONE, found.said, found.download_url if is_ours else self._built(submitted, "download"))

    def _download(self, submitted: Submitted, link: str, keep: Keep, tally: Tally) -> None:
        url, client = followed(link, self._url, API.name), self._client

        def fetched(response: httpx.Response) -> str | None:
            if response.status_code in _REDIRECTS:
                return response.headers.get("Location", "")
            with spooled(response) as file:
                keep(submitted, shown(link), file)
            return None

        for _ in range(_HOPS):
            dead = _DEAD_AT_HOME if client is self._client else DEAD
            moved = self._caller(tally, client).stream(url, fetched, passed=(*dead, *_REDIRECTS))
            if moved is None:
                return
            url = followed(moved, url, API.name)
            # Storage takes a link that is signed, and refuses one with credentials beside.
            client = self._client if _origin(url) == _origin(self._url) else self._storage
        raise UnexpectedAnswer(
            f"{API.name}: the download {shown(link)} was redirected {_HOPS} times.",
            "Nothing of it was kept. Check KHOROS_CARE_URL and the network.",
        )

    def _follow(self, run_id: str, status_url: str) -> None:
        """Ask for the status at the address that was given, unless it is on a foreign host."""
        if status_url and same_site(status_url, self._url):
            self._status_urls[run_id] = followed(status_url, self._url, API.name)

    def _built(self, submitted: Submitted, what: str) -> str:
        """The address that the API did not give: each id is one segment of the path, whatever it holds."""
        ids = "/".join(quote(submitted.ticket[name], safe="") for name in ("workflowId", "runId"))
        return f"{self._url}/reports/report/{ids}/{what}?companyKey={quote(self._company_key, safe='')}"

    def _caller(self, tally: Tally, client: httpx.Client | None = None) -> Caller:
        return Caller(client or self._client, API, self._rule, tally, self._exports.tenant.wait)


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _milliseconds(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))
