"""PostgreSQL where several machines share something: turns that end with their holder, however that ends."""

import os
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from contact_analytics.lib.errors import ConfigurationError, ContactAnalyticsError, WarehouseUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

# A connection that holds a turn, or a transaction while files are written, is idle for long: a router that drops such
# is noticed, and kept from it.
_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    # What was sent and is not acknowledged, in milliseconds; keepalives do not look at it.
    "tcp_user_timeout": "60000",
}


@contextmanager
def connected(conninfo: str, what: str) -> Generator["Connection"]:
    """A connection in which each statement is a transaction; `conninfo` is libpq's, and never shown.

    Raises `WarehouseUnavailable` for a database that does not answer or goes away.
    """
    words = patient(conninfo, what)
    import psycopg

    name = f"contact_analytics {socket.gethostname()} {os.getpid()}"
    try:
        with closing(psycopg.connect(words, autocommit=True, application_name=name)) as connection:
            yield connection
    except psycopg.Error as error:
        raise unavailable(what, error, conninfo) from None


@contextmanager
def turn(conninfo: str, what: str, name: str, seconds: float, busy: Callable[[str], Exception]) -> Generator[None]:
    """Alone among all who take the same name; raises what `busy` makes of the holder after some seconds.

    Raises `WarehouseUnavailable` for an error that is not in our words and was met when the turn's connection is lost.
    """
    with connected(conninfo, what) as connection:
        from psycopg import Error, errors

        connection.execute("select set_config('lock_timeout', %s, false)", [f"{max(1, seconds * 1000):.0f}ms"])
        try:
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [name])
        except errors.LockNotAvailable as error:
            raise busy(_holder(connection, name)) from error
        # Closing the connection gives the lock back, as does a process that dies.
        try:
            yield
        except ContactAnalyticsError:
            raise
        except Exception as error:
            # A server that went away is told in many words, by whoever met it: whether it did, this connection knows.
            try:
                connection.execute("select")
            except Error:
                raise unavailable(what, f"it went away, and {type(error).__name__} was met", conninfo) from None
            raise


def try_turn(conninfo: str, what: str, name: str) -> ExitStack | None:
    """What gives the turn back, or None if somebody else has it."""
    with ExitStack() as held:
        connection = held.enter_context(connected(conninfo, what))
        if connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchall() == [(True,)]:
            return held.pop_all()
    return None


def _holder(connection: "Connection", name: str) -> str:
    """Who has a turn, by the name under which they are connected."""
    found = connection.execute(
        "select application_name, coalesce(host(client_addr), 'this machine') from pg_locks join pg_stat_activity "
        "using (pid) where locktype = 'advisory' and granted "
        "and (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0)",
        [name],
    ).fetchone()
    return f"{found[0]} ({found[1]})" if found else "another process"


def unavailable(what: str, why: object, conninfo: str) -> WarehouseUnavailable:
    """An error in our words, without what may hold a password; raise it without its cause, which may, too."""
    return WarehouseUnavailable(
        f"{what} cannot be reached: {without_secrets(why, conninfo)}.",
        "What is stored is whole: a day that was being replaced is the old one or the new one. Check that PostgreSQL "
        "runs and is the one that the setting names, then materialize again.",
    )


def without_secrets(said: object, conninfo: str) -> str:
    """The first line of what was said, without the connection's words and its password."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    line = str(said).strip().partition("\n")[0]
    password = str(conninfo_to_dict(conninfo).get("password") or "")
    # With its quotes it is another text.
    quoted = make_conninfo(password=password).removeprefix("password=") if password else ""
    for secret in filter(None, (conninfo, quoted, password)):
        line = line.replace(secret, "…")
    return line


def patient(conninfo: str, what: str) -> str:
    """The words for a connection that notices when its other end is gone, as far as they do not say how to.

    Raises `ConfigurationError` for what libpq cannot read, without it: it may hold a password.
    """
    if not find_spec("psycopg"):
        raise ConfigurationError(
            f"{what} is in PostgreSQL, and the package that speaks to it is not installed.",
            "Install the extra: pip install 'contact-analytics[lake]'.",
        )
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    except Error:
        raise ConfigurationError(
            "What follows ducklake:postgres: in CONTACT_ANALYTICS_WAREHOUSE names no database in libpq's words.",
            "Write it as dbname=contact_lake host=db user=etl, and what has spaces between single quotes.",
        ) from None
    return make_conninfo("", **(_PATIENCE | given))
