"""The archive: vendors' files as received, kept before the vendor deletes them.

`<root>/<vendor>/<dataset>/<day>/` holds the day's files and `manifest.json`, which says of each file where it came
from, what it covers, its size and its SHA-256. A file appears under its name only when it is whole: it is written to
a temporary name, checked, and renamed. The root is a folder or any store that fsspec knows (`s3://…`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import IO, Any
from urllib.parse import quote, unquote
from uuid import uuid4

import dagster as dg
from filelock import FileLock
from upath import UPath

from contact_analytics.lib.bodies import Body, CutShort, text_of
from contact_analytics.lib.errors import ConfigurationError, FileUnreadable
from contact_analytics.lib.links import shown
from contact_analytics.lib.whole_file import whole_file

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 200
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_TIMES = ("scope_start", "scope_end", "fetched_at")
_LOCK_SECONDS = 60
_ABANDONED = timedelta(days=1)


@dataclass(frozen=True)
class ListedFile:
    """A file that a vendor offers: its name, link, and what it covers (UTC, half-open)."""

    name: str
    url: str
    scope_start: datetime
    scope_end: datetime


@dataclass(frozen=True)
class ArchivedFile:
    """A file in the archive: what the vendor calls it, where it came from, what it covers (UTC), size and digest.

    One that is `held_back` would have left its day with less than is stored.
    """

    name: str
    source: str
    scope_start: datetime
    scope_end: datetime
    bytes: int
    sha256: str
    fetched_at: datetime
    held_back: bool = False


class ArchiveResource(dg.ConfigurableResource[None]):
    """Where vendors' files are kept: a local folder, or an object store by its URL."""

    root: str

    def day(self, vendor: str, dataset: str, day: date) -> "ArchivedDay":
        return ArchivedDay(UPath(self.root) / vendor / dataset / day.isoformat())

    def days(self, vendor: str, dataset: str) -> list[date]:
        """The days of a dataset that have a folder, in order."""
        names = _names(UPath(self.root) / vendor / dataset)
        return sorted(date.fromisoformat(name) for name in names if _DAY.fullmatch(name))


class ArchivedDay:
    """One day of one dataset in the archive.

    Files may be stored from several threads, and in a local folder from several processes.
    """

    def __init__(self, folder: UPath) -> None:
        self.folder = folder
        self._local = folder.protocol in ("", "file", "local")
        self._lock = Lock()

    def files(self) -> list[ArchivedFile]:
        """What the manifest lists, by scope and name."""
        return sorted(self._manifest().values(), key=lambda file: (file.scope_start, file.name))

    def unlisted(self) -> list[str]:
        """Names of files that are whole, but that a killed run did not get into the manifest; `holds` takes one up."""
        listed = {MANIFEST, *map(stored_name, self._manifest())}
        names = _names(self.folder)
        return sorted(unquote(name) for name in names if not name.startswith(".") and name not in listed)

    def is_whole(self, file: ArchivedFile) -> bool:
        """Whether a file has the size and the digest that it was stored with."""
        path = self._path(file.name)
        with reachable(self.folder):
            try:
                return path.stat().st_size == file.bytes and _sha256(path) == file.sha256
            except FileNotFoundError:
                return False

    def holds(self, file: ListedFile) -> ArchivedFile | None:
        """The file, if the archive has it whole: with the size and digest that it was stored with.

        A file has its name only when it is whole, so one that a killed run did not get into the manifest is taken up.
        """
        if known := self._manifest().get(file.name):
            return known if self.is_whole(known) else None
        with reachable(self.folder):
            try:
                body = Body()
                for chunk in _chunks(self._path(file.name)):
                    body.feed(chunk)
                body.finish()
            except (FileNotFoundError, CutShort):
                return None
            return self._enter(file, body)

    def store(
        self, file: ListedFile, chunks: Iterable[bytes], *, length: int | None = None, is_text: bool = False
    ) -> ArchivedFile:
        """Keep a file as its chunks arrive; `length` is the size in bytes that the vendor announced.

        Raises `CutShort` when the body has another length or ends within a gzip member, or is neither JSON nor declared
        to be some other text; nothing is kept then.
        """
        body = Body(is_text=is_text)
        with reachable(self.folder):
            self._make_folder()
            self._sweep(datetime.now(UTC))
            with self._replacing(self._path(file.name)) as out:
                for chunk in chunks:
                    body.feed(chunk)
                    out.write(chunk)
                body.finish(length)
            return self._enter(file, body)

    def open(self, file: ArchivedFile) -> IO[bytes]:
        """The file's bytes as they are stored."""
        return self._path(file.name).open("rb")

    def hold_back(self, names: Collection[str]) -> None:
        """Note that files would have left the day with less: a rebuild must not take them for its newest."""
        with reachable(self.folder), self._changing() as files:
            files |= {name: replace(files[name], held_back=True) for name in names if name in files}

    def read(self, file: ArchivedFile) -> bytes:
        """All of the file's text."""
        return b"".join(self.text(file))

    def text(self, file: ArchivedFile) -> Iterator[bytes]:
        """The file's text, piece by piece. It is known to be what was stored when the last one has come.

        Raises `FileUnreadable`, at the latest then.
        """
        path, digest = self._path(file.name), hashlib.sha256()
        chunks = _noted(_chunks(path), digest.update)
        remedy = f"Materialize the day again while the vendor has it: the file is fetched again then. It is {path}."
        damage = None
        try:
            try:
                yield from text_of(chunks)
            except CutShort as error:
                damage = error
            for _ in chunks:
                pass
        except OSError as error:
            raise FileUnreadable(f"The archived file {file.name} cannot be read: {_reason(error)}.", remedy) from error
        if digest.hexdigest() != file.sha256:
            what = f"The archived file {file.name} is not the one that was stored (SHA-256)."
            raise FileUnreadable(what, remedy) from damage
        if damage:
            raise FileUnreadable(f"The archived file {file.name} is damaged: {damage}.", remedy) from damage

    def _path(self, name: str) -> UPath:
        return self.folder / stored_name(name)

    def _enter(self, file: ListedFile, body: "Body") -> ArchivedFile:
        scope, source = (file.scope_start, file.scope_end), shown(file.url)
        entry = ArchivedFile(file.name, source, *scope, body.size, body.sha256, datetime.now(UTC))
        with self._changing() as files:
            files[file.name] = entry
        return entry

    @contextmanager
    def _changing(self) -> Generator[dict[str, ArchivedFile]]:
        """The manifest's entries by name, written when they have been changed."""
        # Stores other than a folder have no lock that we could share: there, one run a day at a time.
        lock = FileLock((self.folder / ".lock").path, _LOCK_SECONDS, mode=0o600) if self._local else nullcontext()
        with self._lock, lock:
            files = self._manifest()
            yield files
            entries = [asdict(files[name]) for name in sorted(files)]
            with self._replacing(self.folder / MANIFEST) as out:
                out.write(json.dumps(entries, default=datetime.isoformat, indent=1).encode())

    def _manifest(self) -> dict[str, ArchivedFile]:
        path = self.folder / MANIFEST
        with reachable(self.folder):
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                return {}
        try:
            return {entry["name"]: _entry(entry) for entry in json.loads(text)}
        except (ValueError, TypeError, KeyError) as error:
            raise FileUnreadable(
                f"The archive's {path} is damaged: {type(error).__name__}: {error}.",
                "Put a copy of it back. Without one, move it away and materialize the day while the vendor has it: "
                "the files beside it are taken up again.",
            ) from error

    def _make_folder(self) -> None:
        """Customers' conversations lie here: folders that we make are the owner's alone."""
        if self._local:
            for folder in reversed([self.folder, *self.folder.parents]):
                if not folder.exists():
                    folder.mkdir(mode=0o700, exist_ok=True)

    def _sweep(self, now: datetime) -> None:
        """Remove what a killed run left half-written; no download lasts for a day."""
        if self._local:
            for part in self.folder.glob(".*.part"):
                with suppress(FileNotFoundError):
                    if now.timestamp() - part.stat().st_mtime > _ABANDONED.total_seconds():
                        part.unlink()

    @contextmanager
    def _replacing(self, target: UPath) -> Generator[IO[bytes]]:
        """A file that takes its name when it is complete, and is gone if it does not get there."""
        if self._local:
            with whole_file(Path(target.path)) as out:
                yield out
            return
        temporary = self.folder / f".{uuid4().hex}.part"
        try:
            with temporary.open("wb") as out:
                yield out
            temporary.rename(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def reachable(folder: UPath) -> Generator[None]:
    """Turn what a disk or a store says into words about the setting."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The archive folder {folder} cannot be read or written: {_reason(error)}.",
            "Check CONTACT_ANALYTICS_ARCHIVE, its permissions and free space. Nothing stored was changed.",
        ) from error


def _names(folder: UPath) -> list[str]:
    """What lies in a folder; nothing does in one that is not there."""
    with reachable(folder):
        try:
            return [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []


def stored_name(name: str) -> str:
    """A vendor's file name as a name in the archive: one path part, whatever the vendor calls it, and its alone.

    Only names that cannot be kept as they are get a `~`, with a digest of the name behind it.
    """
    safe = quote(name, safe=" ", errors="surrogatepass").replace("~", "%7E")
    safe = safe.replace(".", "%2E", 1) if safe.startswith(".") else safe
    if not safe or len(safe) > _LONGEST_NAME or safe.lower() == MANIFEST:
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
        safe = f"{safe[: _LONGEST_NAME - 1 - len(digest)]}~{digest}"
    return safe


def _entry(entry: dict[str, Any]) -> ArchivedFile:
    times: dict[str, Any] = {key: datetime.fromisoformat(entry[key]) for key in entry if key in _TIMES}
    return ArchivedFile(**(entry | times))


def _chunks(path: UPath) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _noted(chunks: Iterable[bytes], note: Callable[[bytes], object]) -> Iterator[bytes]:
    """Chunks, each of which is noted as it passes."""
    for chunk in chunks:
        note(chunk)
        yield chunk


def _sha256(path: UPath) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
