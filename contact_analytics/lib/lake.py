"""A lake: DuckLake, for many writers and readers on many machines.

Its catalog is a PostgreSQL database, its data are Parquet files in a folder or a store. Readers see the last commit and
wait for nobody. DuckLake finds out at the commit that somebody else has changed the same table meanwhile, and then all
that was written was for nothing; so writers take turns, by a lock of that database.
"""

import ctypes
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

import duckdb
from duckdb import DuckDBPyConnection

from contact_analytics.lib.errors import ConfigurationError, WarehouseBusy, WarehouseError
from contact_analytics.lib.postgres import patient, turn, unavailable, without_secrets
from contact_analytics.lib.schema import literal, quoted

PREFIX: Final = "ducklake:"
_CATALOG = "postgres:"
_TURN, _MAKING = "contact_analytics: writing", "contact_analytics: making"
_MAKING_SECONDS = 60
_WHAT = "The lake's catalog"
_NAME = "lake"
_STORE = "s3://"
# What DuckDB says of a lake that is not there, and must not be made.
_NOT_MADE = "creating a new DuckLake is explicitly disabled"
# What DuckDB and PostgreSQL's library say of a database that went away.
_LOST = re.compile(
    r"server closed the connection|connection to server|no connection to the server|terminating connection"
    r"|could not (?:receive|send) data|SSL connection has been closed|Unable to connect to Postgres"
    r"|Failed to (?:execute query|prepare COPY|prepare query|fetch|copy data)"
    # DuckLake, of rows that it asked for and did not get.
    r"|Attempted to access index 0 within vector of size 0"
)
# What PostgreSQL says of a statement that it does not do.
_REFUSED = re.compile(r"ERROR:\s*(.+)")
# What DuckLake says of a commit that came too late, and PostgreSQL where DuckLake has not foreseen it.
_RACE = re.compile(r"conflict|could not serialize|duplicate key", re.IGNORECASE)
# A table of one row, which each transaction that writes counts on.
TURNS: Final = "meta.turns"
_ROWS = 1000


@dataclass(frozen=True)
class Lake:
    """A lake by its catalog, libpq's words for a database and its schema there, and by where its files are."""

    conninfo: str
    data: str
    schema: str = ""

    @contextmanager
    def turn(self, seconds: float) -> Generator[None]:
        """Alone among the writers of the lake. Raises `WarehouseBusy`, which names the writer, after some seconds.

        It keeps writers from writing in vain. Should it be lost, the second one's commit fails: see `taken`.
        """

        def busy(holder: str) -> WarehouseBusy:
            return WarehouseBusy(
                f"The lake was being written for {seconds:g} s by {holder}.",
                "Nothing was changed. Materialize again when that run has ended.",
            )

        with turn(self.conninfo, _WHAT, f"{_TURN} {self.schema}", seconds, busy):
            yield

    @contextmanager
    def opened(self) -> Generator[DuckDBPyConnection]:
        """A connection whose current database is the lake, as it is now; it is made if there is none."""
        with _making:
            parent = _attached(self)
        connection = parent.cursor()
        try:
            connection.execute(f"use {_NAME}")
            yield connection
        except duckdb.Error as error:
            if is_lost_race(error):
                raise
            _attached.cache_clear()  # That DuckDB may be of no more use to anybody.
            if reason := _REFUSED.search(str(error)):
                raise WarehouseError(
                    f"{_WHAT} refused it: {without_secrets(reason[1], self.conninfo)}.",
                    "It was rolled back and all is as it was. Check the role's rights and the server's free space.",
                ) from None
            if _LOST.search(str(error)):
                raise unavailable(_WHAT, "the connection was lost", self.conninfo) from None
            raise
        finally:
            _close(connection)

    def attach(self, connection: DuckDBPyConnection) -> None:
        """Make it known to a DuckDB, and make it if there is none."""
        try:
            if not self._is_attached(connection):
                # Of two that make its tables at once one fails.
                with turn(self.conninfo, _WHAT, f"{_MAKING} {self.schema}", _MAKING_SECONDS, _not_made):
                    self._make(connection)
        except duckdb.Error as error:
            if "DATA_PATH" in str(error):
                raise ConfigurationError(
                    f"The lake's files are not in {self.data}, by what its catalog says.",
                    "Set CONTACT_ANALYTICS_LAKE_DATA to where they are. Nothing was changed.",
                ) from None
            raise unavailable(_WHAT, error, self.conninfo) from None  # DuckDB says the password with it.
        if not self.data.startswith(_STORE):
            # What is made in here is the owner's alone: customers' conversations are among it.
            Path(self.data).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _is_attached(self, connection: DuckDBPyConnection) -> bool:
        """Attach it if it is there, with what its writers need."""
        try:
            connection.execute(self._attachment(make=False))
        except duckdb.InvalidInputException as error:
            if _NOT_MADE in str(error):
                return False
            raise
        # DuckDB's listing of tables would have their sizes looked up.
        listed = "select schema_name || '.' || table_name from duckdb_columns() where database_name = ?"
        is_whole = (TURNS,) in connection.execute(listed, [_NAME]).fetchall()
        if not is_whole:
            connection.execute(f"detach {_NAME}")
        return is_whole

    def _make(self, connection: DuckDBPyConnection) -> None:
        """Let what is written to `meta`, a few rows at a time, stay in the catalog: a file for each would be many.

        For no other schema: there it would forbid columns that vendors have, such as `row_id`.
        """
        if self._is_attached(connection):  # Somebody else was first.
            return
        connection.execute(self._attachment(make=True))
        # Each by itself: of a schema that is not committed nothing can be set. The table is the last, and tells.
        connection.execute(f"create schema if not exists {_NAME}.meta")
        connection.execute(
            f"call ducklake_set_option(?, 'data_inlining_row_limit', {_ROWS}, schema => 'meta')", [_NAME]
        )
        connection.execute(f"create table {_NAME}.{TURNS} as select 0::bigint as number")
        # What is set is read where a lake is attached.
        connection.execute(f"detach {_NAME}; {self._attachment(make=False)}")

    def _attachment(self, *, make: bool) -> str:
        return (
            f"attach {literal(f'{PREFIX}{_CATALOG}{patient(self.conninfo, _WHAT)}')} as {_NAME} "
            f"(data_path {literal(self.data.rstrip('/') + '/')}, data_inlining_row_limit 0, "
            f"create_if_not_exists {str(make).lower()}"
            f"{f', metadata_schema {literal(self.schema)}' if self.schema else ''})"
        )


def _not_made(holder: str) -> WarehouseBusy:
    return WarehouseBusy(
        f"The lake is being made by {holder}, for more than {_MAKING_SECONDS} s.",
        "Nothing was changed. See what that process waits for, then materialize again.",
    )


def lake_of(database: str, data: str, schema: str = "") -> Lake | None:
    """The lake that a setting names, if it names one; several share a database, each with a schema of its own.

    Raises `ConfigurationError` for one with another catalog.
    """
    if not database.startswith(PREFIX):
        return None
    conninfo = database.removeprefix(PREFIX)
    if not conninfo.startswith(_CATALOG):
        raise ConfigurationError(
            "The lake's catalog is no PostgreSQL database, and no other takes writers from several machines.",
            "Set CONTACT_ANALYTICS_WAREHOUSE to ducklake:postgres:dbname=… host=… user=…, or to a DuckDB file's path.",
        )
    return Lake(conninfo.removeprefix(_CATALOG), data, schema)


def _close(connection: DuckDBPyConnection) -> None:
    """Close a connection, whatever became of it."""
    try:
        connection.execute("rollback")
    except duckdb.FatalException:
        # DuckDB would end the process where it cannot end a transaction: this connection is never to be closed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        return
    except duckdb.Error:
        pass  # There was nothing to roll back, or nobody who would.
    connection.close()


_making = Lock()


# One at a time is what a process works with.
@lru_cache(maxsize=1)
def _attached(lake: Lake) -> DuckDBPyConnection:
    """This process's DuckDB with a lake: to load the extensions and to attach it takes half a second."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    extensions = _extensions(lake.data)
    for name in extensions:
        connection.load_extension(str(_path_of(name)))
    if "httpfs" in extensions:
        connection.execute(_secret())
    lake.attach(connection)
    return connection


def _extensions(data: str) -> tuple[str, ...]:
    return ("ducklake", "postgres_scanner", *(["httpfs"] if data.startswith(_STORE) else []))


def _path_of(extension: str) -> Path:
    """The file of an extension, which a package brings: DuckDB's own site need not be reached."""
    spec = find_spec(f"duckdb_extension_{extension}")
    path = f"extensions/v{duckdb.__version__}/{extension}.duckdb_extension"
    if spec and spec.origin and (found := Path(spec.origin).parent / path).exists():
        return found
    why = f"is for another version of DuckDB than {duckdb.__version__}" if spec else "is not installed"
    raise ConfigurationError(
        f"The package duckdb-extension-{extension.replace('_', '-')}, which a lake needs, {why}.",
        "Install the extra, which has both in versions that fit: pip install 'contact-analytics[lake]'.",
    )


def _secret() -> str:
    """How a store is reached, by the variables that the archive's client reads, too."""
    given = {
        "key_id": os.environ.get("AWS_ACCESS_KEY_ID"),
        "secret": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": os.environ.get("AWS_SESSION_TOKEN"),
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        # A name before an address of one's own is not looked up anywhere.
        given |= {"endpoint": parts.netloc, "url_style": "path", "use_ssl": str(parts.scheme == "https").lower()}
    options = ", ".join(f"{name} {literal(value)}" for name, value in given.items() if value)
    return f"create or replace secret (type s3{', ' + options if options else ''})"


def name_of(connection: DuckDBPyConnection) -> str:
    """The lake by the name that DuckLake's functions take."""
    [(name,)] = connection.execute("select current_database()").fetchall()
    return name


def is_lake(connection: DuckDBPyConnection) -> bool:
    """Whether a connection's database is a lake."""
    [(kind,)] = connection.execute(
        "select type from duckdb_databases() where database_name = current_database()"
    ).fetchall()
    return kind == "ducklake"


def taken(connection: DuckDBPyConnection) -> None:
    """Make two transactions that write at once a conflict, which to DuckLake two first loads of a day are not."""
    connection.execute(f"update {TURNS} set number = number + 1")


def is_lost_race(error: Exception) -> bool:
    """Whether a commit failed because somebody else had changed the table since the transaction began."""
    return isinstance(error, duckdb.TransactionException) and bool(_RACE.search(str(error)))


def partitioned(connection: DuckDBPyConnection, sql_name: str, column: str) -> None:
    """Keep a table's files apart by a column, so that a day is read and replaced without the others."""
    connection.execute(f"alter table {sql_name} set partitioned by ({quoted(column)})")
