"""Where what is known of a vendor's tenant is kept: a file on one machine, a row of a lake's database for many."""

import hashlib
import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from filelock import FileLock, Timeout

from contact_analytics.lib.errors import ConfigurationError, TenantBusy
from contact_analytics.lib.lake import lake_of
from contact_analytics.lib.postgres import connected, try_turn

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK_SECONDS = 60
_TABLE = "contact_analytics.tenants"


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
class Known:
    """What is known of a tenant: when it was asked, in epoch seconds, and which exports it is at."""

    calls: list[float] = field(default_factory=list[float])
    exports: list[Submitted] = field(default_factory=list[Submitted])


class Home(Protocol):
    """Where a tenant's knowledge lives. A process that dies leaves it as it is, and its locks free."""

    def read(self) -> Known: ...

    def changing(self) -> AbstractContextManager[tuple[Known, float]]:
        """What is known, to be changed by nobody else meanwhile, and written at the end; and the time there now."""
        ...

    def try_turn(self) -> ExitStack | None:
        """What gives the turn of the tenant back, or None if somebody else has it."""
        ...


def home_of(place: str, vendor: str, tenant: str, clock: Callable[[], float]) -> Home:
    """The home of a tenant in a folder, or in the database of a lake (`ducklake:…`), whose clock all machines share."""
    # A tenant's name may be a credential, as an access key's id is.
    name = f"{vendor}-{hashlib.sha256(tenant.encode()).hexdigest()[:16]}"
    if lake := lake_of(place, ""):
        return _DatabaseHome(lake.conninfo, vendor, name)
    return _FolderHome(Path(place), vendor, name, clock)


class _FolderHome:
    """A file, `<folder>/<vendor>-<digest of the tenant>.json`, which is changed under a lock and replaced whole."""

    def __init__(self, folder: Path, vendor: str, name: str, clock: Callable[[], float]) -> None:
        self._vendor, self._clock = vendor, clock
        self._path = folder / f"{name}.json"

    def read(self) -> Known:
        with self._usable():
            if not self._path.exists():
                return Known()
            try:
                return _known(json.loads(self._path.read_text()))
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigurationError(
                    f"{self._path} is damaged: {type(error).__name__}: {error}.",
                    "Delete it: the vendor's limits are counted anew from then on, and exports under way are submitted "
                    "once more.",
                ) from error

    @contextmanager
    def changing(self) -> Generator[tuple[Known, float]]:
        with self._usable(), self._lock(".lock", _LOCK_SECONDS):
            known = self.read()
            yield known, self._clock()
            temporary = self._path.with_name(f".{uuid4().hex}.part")
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(asdict(known)))
            temporary.replace(self._path)

    def try_turn(self) -> ExitStack | None:
        with self._usable():
            lock = self._lock(".turn", 0)
            try:
                lock.acquire()
            except Timeout:
                return None
        held = ExitStack()
        held.callback(lock.release)
        return held

    @contextmanager
    def _usable(self) -> Generator[None]:
        try:
            yield
        except Timeout as error:
            raise TenantBusy(
                f"{self._vendor}: what is known of the tenant was held by another process for {_LOCK_SECONDS} s.",
                "Nothing was asked. Materialize again; if it stays so, look for a process that hangs.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"What is known of the {self._vendor} tenant cannot be read or written: {error}.",
                "It lies in the folder of CONTACT_ANALYTICS_WAREHOUSE: check its permissions and free space.",
            ) from error

    def _lock(self, kind: str, seconds: float) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._path.with_suffix(kind), timeout=seconds, mode=0o600)


class _DatabaseHome:
    """A row of a lake's database, which is changed under its lock; the time is the database's."""

    def __init__(self, conninfo: str, vendor: str, name: str) -> None:
        self._conninfo, self._name = conninfo, name
        self._what = f"What is known of the {vendor} tenant"

    def read(self) -> Known:
        with self._connected() as connection:
            row = connection.execute(f"select known from {_TABLE} where name = %s", [self._name]).fetchone()
        return _known(row[0]) if row else Known()

    @contextmanager
    def changing(self) -> Generator[tuple[Known, float]]:
        with self._connected() as connection, connection.transaction():
            connection.execute(
                f"insert into {_TABLE} (name, known) values (%s, %s) on conflict do nothing",
                [self._name, json.dumps(asdict(Known()))],
            )
            row = connection.execute(
                f"select known, extract(epoch from clock_timestamp())::float8 from {_TABLE} where name = %s for update",
                [self._name],
            ).fetchone()
            assert row
            known = _known(row[0])
            yield known, row[1]
            connection.execute(
                f"update {_TABLE} set known = %s where name = %s", [json.dumps(asdict(known)), self._name]
            )

    def try_turn(self) -> ExitStack | None:
        return try_turn(self._conninfo, self._what, self._name)

    @contextmanager
    def _connected(self) -> Generator["Connection"]:
        with connected(self._conninfo, self._what) as connection:
            if not connection.execute("select to_regclass(%s)", [_TABLE]).fetchall()[0][0]:
                _make(connection)
            yield connection


def _make(connection: "Connection") -> None:
    with connection.transaction():
        # Two that find nothing would both make it, and one of them fail.
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [_TABLE])
        connection.execute(f"create schema if not exists {_TABLE.partition('.')[0]}")
        connection.execute(f"create table if not exists {_TABLE} (name text primary key, known jsonb not null)")


def _known(found: dict[str, Any]) -> Known:
    return Known(found["calls"], [Submitted(**each) for each in found["exports"]])
