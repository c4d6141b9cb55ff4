"""Files that exports made: fetched into a temporary file, looked at, and archived under the time they were asked for.

`2026-11-25T061004.123Z_created.json`: the moment in UTC at which the export was submitted, and what it holds.
"""

import hashlib
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import IO

import httpx

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ListedFile
from contact_analytics.lib.bodies import BLANK, CutShort
from contact_analytics.lib.exports import LinkDead
from contact_analytics.lib.http import announced_length

_CHUNK_BYTES = 1 << 20
# What storage answers to a link that has died.
DEAD = (400, 401, 403, 404, 410)


@contextmanager
def spooled(response: httpx.Response) -> Generator[IO[bytes]]:
    """A body on disk, whole by its length. Raises `LinkDead` for a dead link, and for a page in place of a file."""
    if response.status_code in DEAD:
        raise LinkDead(f"its link was answered {response.status_code}")
    with tempfile.TemporaryFile() as file:
        for chunk in response.iter_raw():
            file.write(chunk)
        length, size = announced_length(response), file.tell()
        if length is not None and size != length:
            raise CutShort(f"{size:,} of {length:,} bytes arrived")
        file.seek(0)
        if file.read(_CHUNK_BYTES).lstrip(BLANK).startswith(b"<"):
            raise LinkDead(f"its link was answered {response.status_code} with XML or a web page in place of a file")
        file.seek(0)
        yield file


def keep(
    archived: ArchivedDay,
    name: str,
    source: str,
    day: date,
    file: IO[bytes],
    newest: ArchivedFile | None,
    *,
    is_text: bool = False,
) -> ArchivedFile:
    """Archive a day's file, unless it holds what the newest one does; one that was damaged since is put right."""
    if newest and _sha256(file) == newest.sha256:
        if archived.is_whole(newest):
            return newest
        name = newest.name
    start = datetime.combine(day, time(), UTC)
    listed = ListedFile(name, source, start, start + timedelta(days=1))
    return archived.store(listed, _chunks(file), is_text=is_text)


def stamp(moment: datetime) -> str:
    """A moment as the beginning of a file's name; names are in the order of time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H%M%S.%f}"[:-3] + "Z"


def moment_of(name: str) -> datetime:
    """The moment that a file's name begins with."""
    return datetime.strptime(name.partition("_")[0], "%Y-%m-%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_CHUNK_BYTES), b"")


def _sha256(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType] - any binary file
