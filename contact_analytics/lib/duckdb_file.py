"""A DuckDB file as a file: when all is in it, and how another one takes its place, whole or not at all."""

import errno
import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from duckdb import DuckDBPyConnection

from contact_analytics.lib.errors import WarehouseError


def wal_of(path: Path) -> Path:
    """The write-ahead log, which whoever opens the file reads with it."""
    return path.with_name(f"{path.name}.wal")


def checkpoint(connection: DuckDBPyConnection, path: Path) -> None:
    """Bring everything into the file itself, what a killed process has left in the write-ahead log included."""
    connection.execute("checkpoint")
    if wal_of(path).exists():
        raise WarehouseError(
            f"{wal_of(path)} is still there after a checkpoint, so {path.name} alone is not the whole warehouse.",
            "Nothing was changed. See whether another program has the warehouse open, then try again.",
        )


def check_room(folder: Path, needed: int) -> None:
    """Raise before a disk is filled that others write to as well."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free", str(folder))


@contextmanager
def replacing_file(target: Path) -> Generator[Path]:
    """A path for the file that takes the target's place, as readable as that one, when the block has ended well.

    Else it is removed. Who has the old file open reads on in it.
    """
    sweep(target)
    temporary = _beside(target)
    try:
        yield temporary
        _finish(temporary, target)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            sweep(target)
        raise
    _sync(target.parent)


def sweep(target: Path) -> None:
    """Remove what a process that was killed has left of a file that was to take the target's place."""
    temporary = _beside(target)
    temporary.unlink(missing_ok=True)
    wal_of(temporary).unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.new")


def _finish(temporary: Path, target: Path) -> None:
    """Group and mode of the file that is replaced, the owner's alone if there is none; all of it on the disk."""
    before = target.stat() if target.exists() else None
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        if before and before.st_gid != os.fstat(descriptor).st_gid:
            os.fchown(descriptor, -1, before.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode) if before else 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
