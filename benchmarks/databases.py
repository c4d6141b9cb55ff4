"""PostgreSQL databases for measurements: each empty, and dropped at the end."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

_SERVER = os.environ.get("CONTACT_ANALYTICS_TEST_POSTGRES") or "host=127.0.0.1 port=5432 user=postgres"


@contextmanager
def database() -> Generator[str]:
    """A database, as libpq is told of it."""
    name = Identifier(f"contact_analytics_bench_{uuid4().hex}")
    with psycopg.connect(f"{_SERVER} dbname=postgres", autocommit=True) as server:
        server.execute(SQL("create database {}").format(name))
        try:
            yield f"{_SERVER} dbname={name.as_string().strip(chr(34))}"
        finally:
            server.execute(SQL("drop database {} with (force)").format(name))
