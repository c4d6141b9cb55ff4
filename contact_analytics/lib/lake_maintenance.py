"""What is done to a lake as a whole: small files joined, and what nobody can read any more removed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from contact_analytics.lib.errors import in_our_words
from contact_analytics.lib.lake import name_of
from contact_analytics.lib.warehouse import WarehouseResource

# Who has begun to read may go on for so long: a file is removed no earlier after the last snapshot that needs it.
_READING = timedelta(days=1)
# By what they do to tables; each is a transaction of its own, so that writers wait for one of them only.
_STEPS = (
    "ducklake_flush_inlined_data($lake)",
    "ducklake_expire_snapshots($lake, older_than => $kept)",
    "ducklake_merge_adjacent_files($lake)",
    "ducklake_rewrite_data_files($lake)",
    "ducklake_cleanup_old_files($lake, older_than => $reading)",
)


@dataclass(frozen=True)
class LakeSize:
    """Files of rows and of deletions, their bytes, and the snapshots that can be read."""

    files: int
    bytes: int
    snapshots: int


@dataclass(frozen=True)
class LakeMaintenance:
    """What a lake was before and after."""

    before: LakeSize
    after: LakeSize


def maintain(warehouse: WarehouseResource, keep: timedelta) -> LakeMaintenance:
    """Join small files, write those anew of which much is deleted, forget snapshots that are older than `keep`.

    What is stored stays as it is, however this ends. Writers wait for a step at most, readers for nothing. Files that a
    killed writer has left are not looked for: what a catalog does not know of in its folder may be another lake's.
    """
    now = datetime.now(UTC)
    known = {"kept": now - keep, "reading": now - _READING}
    with in_our_words("Maintenance of the lake"):
        before = _size(warehouse)
        for step in _STEPS:
            with warehouse.get_connection() as connection:
                _call(connection, step, known)
        return LakeMaintenance(before, _size(warehouse))


def _call(connection: DuckDBPyConnection, step: str, known: dict[str, datetime]) -> None:
    given = {name: value for name, value in {"lake": name_of(connection), **known}.items() if f"${name}" in step}
    connection.execute(f"call {step}", given).fetchall()


def _size(warehouse: WarehouseResource) -> LakeSize:
    with warehouse.reading() as connection:
        [(files, size, snapshots)] = connection.execute(
            "select coalesce(sum(file_count + delete_file_count), 0)::bigint, "
            "coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::bigint, "
            "(select count(*) from ducklake_snapshots($lake)) from ducklake_table_info($lake)",
            {"lake": name_of(connection)},
        ).fetchall()
    return LakeSize(files, size, snapshots)
