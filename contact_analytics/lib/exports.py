"""Exports: jobs of a vendor's that make a file. Each is submitted, polled with a bound, and fetched at once.

What was submitted is noted before polling begins, so that a run that starts after another has died takes up the export
that is still under way. An export that ends badly is submitted again, a few times; one that does not end is given up at
its deadline, and the next run looks at it once more before it submits another.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import dagster as dg

from contact_analytics.lib.errors import (
    ContactAnalyticsError,
    CredentialsRejected,
    DownloadIncomplete,
    ExportCancelled,
    ExportFailed,
    ExportTimedOut,
)
from contact_analytics.lib.tenant import Tenant
from contact_analytics.lib.tenant_homes import Submitted

T = TypeVar("T")

SUBMISSIONS = 3
LINKS = 3
# Older ones, in deadlines, hold what the vendor had too long ago.
_TAKEN_UP_WITHIN = 4
_TOLD_EVERY = 120
# By how much the clocks of two processes may differ.
_CLOCK_SECONDS = 60


class State(Enum):
    """How an export is."""

    RUNNING = "under way"
    DONE = "done"
    FAILED = "ended without a file"
    REFUSED = "ended without a file, as another one would"
    GONE = "not known, or not kept any more"


@dataclass(frozen=True)
class Status:
    """How an export is, in the vendor's words, and the link to its file when it is done."""

    state: State
    said: str
    link: str = ""


class _Ended(Exception):
    """An export ended without a file."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.said)
        self.status = status


class LinkDead(Exception):
    """A link does not lead to the file, or not any more; the vendor gives another one."""


@dataclass(frozen=True)
class Polling:
    """How often to ask, in seconds: after `first`, then `growth` times as long as before, at most `longest`; and for
    how long in all."""

    first: float
    growth: float
    longest: float
    deadline: float

    def waits(self) -> Iterator[float]:
        wait = self.first
        while True:
            yield wait
            wait = max(wait, min(wait * self.growth, self.longest))


@dataclass(frozen=True)
class Export(Generic[T]):
    """A file that a vendor is to make: `what` in words, `request` what tells it from every other.

    `submit` gives what the vendor calls it, `status` how it is, `fetch` brings the file behind a link into the archive
    or raises `LinkDead`. `is_served_by` tells whether an export that was submitted before holds what this one asks for.
    """

    what: str
    request: Mapping[str, str]
    is_served_by: Callable[[Submitted], bool]
    submit: Callable[[], Mapping[str, str]]
    status: Callable[[Submitted], Status]
    fetch: Callable[[Submitted, str], T]


@dataclass(frozen=True)
class Exports:
    """The exports of one tenant; `one_at_a_time` if the vendor takes no second one while another is under way."""

    tenant: Tenant
    polling: Polling
    one_at_a_time: bool = False

    def fetch(self, export: Export[T]) -> T:
        """What `export.fetch` makes of the file.

        Raises `ExportFailed` with the vendor's words if it ends badly each time, `ExportTimedOut` if it does not end,
        `TenantBusy` if another process does not let go of the tenant.
        """
        if not self.one_at_a_time:
            return self._fetched(export)
        with self.tenant.alone(SUBMISSIONS * self.polling.deadline):
            for other in self.tenant.submitted():
                # Who submitted it is gone, as the tenant is ours now.
                if not export.is_served_by(other):
                    self._settle(export, other)
            return self._fetched(export)

    def _fetched(self, export: Export[T]) -> T:
        said = list[str]()
        while len(said) < SUBMISSIONS:
            submitted = self._taken_up(export) if not said else None
            submitted = submitted or self.tenant.note(export.request, export.submit())
            try:
                return self._file(export, submitted)
            except _Ended as ended:
                said.append(ended.status.said)
                _log().warning(f"{export.what}: {ended.status.said} ({_named(submitted)})")
                if ended.status.state is State.REFUSED:
                    raise ExportCancelled(
                        f"{export.what}: the export was cancelled: {ended.status.said}.",
                        "Nothing stored was changed. Find out who cancelled it, then materialize again.",
                    ) from None
        raise ExportFailed(
            f"{export.what}: the export ended without a file, submitted {SUBMISSIONS} times: "
            f"{'; '.join(dict.fromkeys(said))}.",
            "Nothing stored was changed. Materialize again later; if it stays so, give the vendor its own words.",
        )

    def _file(self, export: Export[T], submitted: Submitted) -> T:
        """What an export that was submitted makes of its file; raises `_Ended` if it ends without one."""
        status = Status(State.GONE, "")
        try:
            for _ in range(LINKS):
                status = self._ended(export, submitted)
                if status.state is not State.DONE:
                    raise _Ended(status)
                try:
                    fetched = export.fetch(submitted, status.link)
                except LinkDead as dead:
                    _log().warning(f"{export.what}: {dead}; asking for another link")
                    status = Status(State.FAILED, f"{status.said}, but {dead}")
                else:
                    self.tenant.forget(submitted)
                    return fetched
            raise _Ended(status)
        except (_Ended, ContactAnalyticsError) as error:
            # What was noted is worth another look by the next run only where that may find something else: a file that
            # was never whole is so at the vendor's.
            is_over = isinstance(error, _Ended | DownloadIncomplete)
            if is_over or not (error.retryable or isinstance(error, CredentialsRejected)):
                self.tenant.forget(submitted)
            raise

    def _taken_up(self, export: Export[Any]) -> Submitted | None:
        """The export that another run submitted for the same, if it is done or may still be."""
        for submitted in reversed(self.tenant.submitted()):
            if not export.is_served_by(submitted):
                continue
            if self._age(submitted) < _TAKEN_UP_WITHIN * self.polling.deadline:
                state = self._state(export, submitted)
                if state is State.DONE or (state is State.RUNNING and self._age(submitted) < self.polling.deadline):
                    _log().info(f"{export.what}: taken up, {state.value} ({_named(submitted)})")
                    return submitted
            self.tenant.forget(submitted)
        return None

    def _settle(self, export: Export[Any], other: Submitted) -> None:
        """Wait until an export that nobody waits for has ended, as the vendor takes no other one before."""
        waits, waited = self.polling.waits(), 0.0
        while self._age(other) <= self.polling.deadline and waited <= self.polling.deadline:
            state = self._state(export, other)
            if state is State.DONE:
                return
            if state is not State.RUNNING:
                self.tenant.forget(other)
                return
            waited += (wait := next(waits))
            self.tenant.wait(wait)
        if self._age(other) > _TAKEN_UP_WITHIN * self.polling.deadline:
            self.tenant.forget(other)

    def _state(self, export: Export[Any], submitted: Submitted) -> State:
        """How an export of another run is; gone, if the vendor will not tell."""
        try:
            return export.status(submitted).state
        except CredentialsRejected:
            raise
        except ContactAnalyticsError as error:
            if error.retryable:
                raise
            _log().warning(f"{export.what}: an export of an earlier run is given up ({_named(submitted)}): {error}")
            return State.GONE

    def _ended(self, export: Export[Any], submitted: Submitted) -> Status:
        """How an export ended; raises `ExportTimedOut` at the deadline."""
        told, said = self.tenant.clock(), ""
        for wait in self.polling.waits():
            if said and self._age(submitted) + wait > self.polling.deadline:
                break
            self.tenant.wait(wait)
            status = export.status(submitted)
            if status.state is not State.RUNNING:
                return status
            said = status.said
            if self.tenant.clock() - told > _TOLD_EVERY:
                told = self.tenant.clock()
                _log().info(f"{export.what}: {said} for {self._age(submitted) / 60:.0f} min")
        raise ExportTimedOut(
            f"{export.what}: the export has not ended in {self.polling.deadline / 60:g} minutes, the vendor still says "
            f"{said} ({_named(submitted)}).",
            "Nothing stored was changed. Materialize again: what has ended by then is taken up, else a new one begins.",
            metadata=dict(submitted.ticket),
        )

    def _age(self, submitted: Submitted) -> float:
        """Seconds since an export was submitted; without end if a clock that was set back since noted it."""
        age = self.tenant.clock() - submitted.at
        return age if age > -_CLOCK_SECONDS else math.inf


def _log() -> Any:
    return dg.get_dagster_logger()


def _named(submitted: Submitted) -> str:
    ticket = ", ".join(f"{name} {value}" for name, value in submitted.ticket.items())
    return f"{ticket}, submitted {submitted.submitted_at:%H:%M:%S} UTC"
