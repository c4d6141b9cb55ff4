"""A vendor's tenant as all processes see it: when it was asked, and which exports it is at.

Vendors count calls by tenant, whoever sends them. So all who ask it share the clock of the calls and the list of the
exports that were submitted and not fetched.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from time import sleep, time

import dagster as dg
import stamina

from contact_analytics.lib.errors import TenantBusy, WarehouseUnavailable
from contact_analytics.lib.tenant_homes import Submitted, home_of

# How long to wait until the next look for a turn; a look is a connection, where a database has the turns.
_FIRST_LOOK_SECONDS, _LOOK_SECONDS = 0.2, 2.0
_TOLD_SECONDS = 5
_NOTED_SECONDS = 60
# A call this far ahead was noted by a clock that has been set back since.
_ABSURD_SECONDS = 3600


@dataclass(frozen=True)
class Pace:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float

    def slot(self, taken: Sequence[float], now: float) -> float:
        """When the next call may be sent, given when the others are or were, in order; all in epoch seconds."""
        return now if len(taken) < self.calls else max(now, taken[-self.calls] + self.seconds)


class Stopped(Exception):
    """The run is on its way out, so nothing is waited for any more."""


def stopped_by(event: Event) -> Callable[[float], None]:
    """A wait of some seconds that raises `Stopped` as soon as an event is set."""

    def wait(seconds: float) -> None:
        if event.wait(seconds):
            raise Stopped

    return wait


class Tenant:
    """One tenant of a vendor's, known in a folder or in a lake's database, which is its `place`.

    `clock` gives epoch seconds, `wait` sleeps for seconds.
    """

    def __init__(
        self,
        place: str,
        vendor: str,
        tenant: str,
        pace: Pace,
        clock: Callable[[], float] = time,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self.vendor, self.pace, self.clock, self.wait = vendor, pace, clock, wait
        self._home = home_of(place, vendor, tenant, clock)

    def take_turn(self) -> None:
        """Wait until the tenant may be asked again, whoever asked it last."""
        with self._home.changing() as (known, now):
            calls = [at for at in known.calls if at < now + _ABSURD_SECONDS]
            slot = self.pace.slot(calls, now)
            known.calls = [*calls, slot][-self.pace.calls :]
        if slot - now > _TOLD_SECONDS:
            dg.get_dagster_logger().info(f"{self.vendor}: the tenant may be asked again in {slot - now:.0f} s")
        self.wait(max(0.0, slot - now))

    @contextmanager
    def alone(self, seconds: float) -> Generator[None]:
        """One export of the tenant at a time, over all processes; raises `TenantBusy` after `seconds`."""
        waited, pause = 0.0, _FIRST_LOOK_SECONDS
        while (turn := self._home.try_turn()) is None:
            if waited >= seconds:
                raise TenantBusy(
                    f"{self.vendor}: another process has been at an export of this tenant for "
                    f"{seconds / 60:.0f} minutes, and the vendor takes one at a time.",
                    "Nothing was asked and nothing stored was changed. Materialize again when the other run has ended.",
                )
            self.wait(pause)
            waited, pause = waited + pause, min(2 * pause, _LOOK_SECONDS)
        with turn:
            yield

    def submitted(self) -> list[Submitted]:
        """The exports that were submitted and not fetched, oldest first."""
        return self._home.read().exports

    def note(self, request: Mapping[str, str], ticket: Mapping[str, str]) -> Submitted:
        """Note an export that the vendor has accepted."""
        export = Submitted(dict(request), dict(ticket), self.clock())
        self._keep(export)
        return export

    # What is not noted is lost, and keeps the vendor from taking another one: a restart of the database is outlasted,
    # also by a run that is on its way out.
    @stamina.retry(on=WarehouseUnavailable, attempts=None, timeout=_NOTED_SECONDS, wait_initial=0.2)
    def _keep(self, export: Submitted) -> None:
        with self._home.changing() as (known, _):
            # What was not confirmed may have been written.
            if export not in known.exports:
                known.exports.append(export)

    def forget(self, export: Submitted) -> None:
        """Forget an export that was fetched, or that never will be."""
        with self._home.changing() as (known, _):
            known.exports = [each for each in known.exports if each != export]
