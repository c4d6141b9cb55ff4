"""A PostgreSQL of a test's own, which may be restarted as the shared one may not."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

_SETTINGS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
# PostgreSQL does not run as root.
_USER = "postgres" if os.geteuid() == 0 else None


@dataclass(frozen=True)
class PostgresServer:
    """A server in a folder, reached at a port of loopback by anybody here."""

    programs: Path
    folder: Path
    port: int

    def database(self, name: str) -> str:
        """A new database, as libpq is told of it."""
        server = f"host=127.0.0.1 port={self.port} user=postgres"
        with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return f"{server} dbname={name}"

    def restart(self) -> None:
        """As after a crash: transactions are lost, connections cut, and it answers again when it has recovered."""
        self.control("restart", "--mode=immediate")

    def control(self, verb: str, *words: str) -> None:
        options = [f"--pgdata={self.folder}", f"--log={self.folder / 'log'}", f"--options={_SETTINGS} -p {self.port}"]
        _run(self.programs / "pg_ctl", verb, "--wait", "--silent", *options, *words)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """It, running and empty; the test is skipped where PostgreSQL's programs are not installed."""
    programs = _programs()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Not in pytest's folder, which the server's user may not enter.
    folder = Path(mkdtemp(prefix="contact-analytics-postgres-"))
    try:
        if _USER:
            shutil.chown(folder, _USER)
        _run(programs / "initdb", "--auth=trust", "--username=postgres", "--no-sync", f"--pgdata={folder}")
        server = PostgresServer(programs, folder, port)
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "--mode=immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """Where `initdb` is, beside the server: Debian keeps them off the path."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")), *filter(None, [shutil.which("initdb")])]
    if not found:
        pytest.skip("no PostgreSQL server is installed: initdb is neither on the path nor in /usr/lib/postgresql")
    if _USER and not any(entry.pw_name == _USER for entry in pwd.getpwall()):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")
    return Path(found[-1]).parent


def _run(program: Path, *words: str) -> None:
    # What the server says goes to its log: it would keep a pipe open.
    done = subprocess.run(
        [str(program), *words], user=_USER, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, f"{program.name} {words} failed with {done.returncode}"
