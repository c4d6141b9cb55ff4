"""Lakes for tests: each in a database of its own, on the PostgreSQL of the environment or of loopback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from contact_analytics.lib.lake import PREFIX
from contact_analytics.lib.warehouse import WarehouseResource

_SETTING = "CONTACT_ANALYTICS_TEST_POSTGRES"
_SERVER = os.environ.get(_SETTING) or f"host=127.0.0.1 port={os.environ.get('PGPORT', '5432')} user=postgres"


@contextmanager
def postgres_database() -> Iterator[str]:
    """An empty database, as libpq is told of it; the test is skipped where there is no server."""
    if problem := _problem():
        pytest.skip(f"no PostgreSQL at {_SETTING}, which is {_SERVER!r}: {problem}")
    name = f"contact_analytics_test_{uuid4().hex}"
    with psycopg.connect(f"{_SERVER} dbname=postgres", autocommit=True) as server:
        server.execute(SQL("create database {}").format(Identifier(name)))
        try:
            yield f"{_SERVER} dbname={name}"
        finally:
            server.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@contextmanager
def lake(folder: Path, wait_seconds: float = 0.03) -> Iterator[WarehouseResource]:
    """An empty lake whose files are in a folder."""
    with postgres_database() as conninfo:
        yield WarehouseResource(
            database=f"{PREFIX}postgres:{conninfo}", lake_data=str(folder), wait_seconds=wait_seconds
        )


@cache
def _problem() -> str:
    try:
        psycopg.connect(f"{_SERVER} dbname=postgres", connect_timeout=3).close()
    except psycopg.Error as error:
        return str(error).strip().partition("\n")[0]
    return ""
