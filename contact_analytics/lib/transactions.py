"""Transactions of the warehouse, whatever it is."""

from collections.abc import Generator
from contextlib import contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from contact_analytics.lib.lake import is_lake, taken


@contextmanager
def transaction(connection: DuckDBPyConnection) -> Generator[None]:
    """All of it or nothing."""
    connection.execute("begin")
    try:
        yield
        if is_lake(connection):
            taken(connection)
        connection.execute("commit")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: DuckDBPyConnection) -> None:
    # Where a commit has failed, DuckDB has rolled back already and says that there is no transaction.
    try:
        connection.execute("rollback")
    except duckdb.TransactionException:
        return
