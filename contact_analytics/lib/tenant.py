"""A vendor's tenant as all processes of this machine see it: when it was asked, and which exports it is at.

Vendors count calls by tenant, whoever sends them. So the clock of the calls and the list of the exports that were
submitted and not fetched lie in a file, `<folder>/<vendor>-<digest of the tenant>.json`, which is changed under a lock
and replaced whole. A process that dies leaves the file as it is, and its locks free.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import sleep, time
from typing import Any
from uuid import uuid4

import dagster as dg
from filelock import FileLock, Timeout

from contact_analytics.lib.errors import ConfigurationError, TenantBusy

_LOCK_SECONDS = 60
_LOOK_SECONDS = 0.2
_TOLD_SECONDS = 5
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


@dataclass(frozen=True)
class Submitted:
    """An export that was submitted and not fetched: what was asked, how the vendor calls it, and when that was.

    `ticket` holds no credentials.
    """

    request: dict[str, str]
    ticket: dict[str, str]
    at: float

    @property
    def submitted_at(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


@dataclass
class _Known:
    """What the file says."""

    calls: list[float] = field(default_factory=list[float])
    exports: list[Submitted] = field(default_factory=list[Submitted])


class Stopped(Exception):
    """The run is on its way out, so nothing is waited for any more."""


def stopped_by(event: Event) -> Callable[[float], None]:
    """A wait of some seconds that raises `Stopped` as soon as an event is set."""

    def wait(seconds: float) -> None:
        if event.wait(seconds):
            raise Stopped

    return wait


class Tenant:
    """One tenant of a vendor's. `clock` gives epoch seconds, `wait` sleeps for seconds."""

    def __init__(
        self,
        folder: str,
        vendor: str,
        tenant: str,
        pace: Pace,
        clock: Callable[[], float] = time,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self.vendor, self.pace, self.clock, self.wait = vendor, pace, clock, wait
        # A tenant's name may be a credential, as an access key's id is.
        self._path = Path(folder) / f"{vendor}-{hashlib.sha256(tenant.encode()).hexdigest()[:16]}.json"

    def take_turn(self) -> None:
        """Wait until the tenant may be asked again, whoever asked it last."""
        with self._changing() as known:
            now = self.clock()
            calls = [at for at in known.calls if at < now + _ABSURD_SECONDS]
            slot = self.pace.slot(calls, now)
            known.calls = [*calls, slot][-self.pace.calls :]
        if slot - now > _TOLD_SECONDS:
            dg.get_dagster_logger().info(f"{self.vendor}: the tenant may be asked again in {slot - now:.0f} s")
        self.wait(max(0.0, slot - now))

    @contextmanager
    def alone(self, seconds: float) -> Generator[None]:
        """One export of the tenant at a time, over all processes; raises `TenantBusy` after `seconds`."""
        waited = 0.0
        with self._usable():
            lock = self._lock(".turn", 0)
            while not self._acquired(lock):
                if waited >= seconds:
                    raise TenantBusy(
                        f"{self.vendor}: another process has been at an export of this tenant for "
                        f"{seconds / 60:.0f} minutes, and the vendor takes one at a time.",
                        "Nothing was asked and nothing stored was changed. Materialize again when the other run has "
                        "ended.",
                    )
                waited += _LOOK_SECONDS
                self.wait(_LOOK_SECONDS)
        try:
            yield
        finally:
            lock.release()

    def submitted(self) -> list[Submitted]:
        """The exports that were submitted and not fetched, oldest first."""
        with self._usable():
            return self._read().exports

    def note(self, request: Mapping[str, str], ticket: Mapping[str, str]) -> Submitted:
        """Note an export that the vendor has accepted."""
        export = Submitted(dict(request), dict(ticket), self.clock())
        with self._changing() as known:
            known.exports.append(export)
        return export

    def forget(self, export: Submitted) -> None:
        """Forget an export that was fetched, or that never will be."""
        with self._changing() as known:
            known.exports = [each for each in known.exports if each != export]

    @contextmanager
    def _changing(self) -> Generator[_Known]:
        with self._usable(), self._lock(".lock", _LOCK_SECONDS):
            known = self._read()
            yield known
            temporary = self._path.with_name(f".{uuid4().hex}.part")
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(asdict(known)))
            temporary.replace(self._path)

    def _acquired(self, lock: FileLock) -> bool:
        try:
            lock.acquire()
        except Timeout:
            return False
        return True

    @contextmanager
    def _usable(self) -> Generator[None]:
        try:
            yield
        except Timeout as error:
            raise TenantBusy(
                f"{self.vendor}: what is known of the tenant was held by another process for {_LOCK_SECONDS} s.",
                "Nothing was asked. Materialize again; if it stays so, look for a process that hangs.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"What is known of the {self.vendor} tenant cannot be read or written: {error}.",
                "It lies in the folder of CONTACT_ANALYTICS_WAREHOUSE: check its permissions and free space.",
            ) from error

    def _read(self) -> _Known:
        if not self._path.exists():
            return _Known()
        try:
            found: dict[str, Any] = json.loads(self._path.read_text())
            return _Known(found["calls"], [Submitted(**each) for each in found["exports"]])
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(
                f"{self._path} is damaged: {type(error).__name__}: {error}.",
                "Delete it: the vendor's limits are counted anew from then on, and exports under way are submitted "
                "once more.",
            ) from error

    def _lock(self, kind: str, seconds: float) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._path.with_suffix(kind), timeout=seconds, mode=0o600)
