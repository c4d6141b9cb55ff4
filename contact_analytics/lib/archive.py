"""The archive: vendors' files as received, kept before the vendor deletes them.

`<root>/<vendor>/<dataset>/<day>/` holds the day's files and `manifest.json`, which says of each file where it came
from, what it covers, its size and its SHA-256. A file appears under its name only when it is whole: it is written to
a temporary name, checked, and renamed. The root is a folder or any store that fsspec knows (`s3://…`).
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from urllib.parse import quote
from uuid import uuid4

import dagster as dg
from upath import UPath

from contact_analytics.lib.errors import ConfigurationError, FileUnreadable
from contact_analytics.lib.http import CutShort, shown

MANIFEST = "manifest.json"
_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class ListedFile:
    """A file that a vendor offers: its name, link, and what it covers (UTC, half-open)."""

    name: str
    url: str
    scope_start: datetime
    scope_end: datetime


@dataclass(frozen=True)
class ArchivedFile:
    """A file in the archive: what the vendor calls it, where it came from, what it covers (UTC), size and digest."""

    name: str
    source: str
    scope_start: datetime
    scope_end: datetime
    bytes: int
    sha256: str
    fetched_at: datetime


class ArchiveResource(dg.ConfigurableResource[None]):
    """Where vendors' files are kept: a local folder, or an object store by its URL."""

    root: str

    def day(self, vendor: str, dataset: str, day: date) -> "ArchivedDay":
        return ArchivedDay(UPath(self.root) / vendor / dataset / day.isoformat())


class ArchivedDay:
    """One day of one dataset in the archive. Files may be stored from several threads."""

    def __init__(self, folder: UPath) -> None:
        self.folder = folder
        self._local = folder.protocol in ("", "file", "local")
        self._lock = Lock()

    def files(self) -> list[ArchivedFile]:
        """What the manifest lists, by scope and name; a file that is gone or has another size is not listed."""
        kept = (file for file in self._manifest().values() if self._size(file.name) == file.bytes)
        return sorted(kept, key=lambda file: (file.scope_start, file.name))

    def holds(self, file: ListedFile) -> ArchivedFile | None:
        """The file, if the archive has it whole.

        A file has its name only when it is whole, so one that a killed run did not get into the manifest is taken up.
        """
        known, size = self._manifest().get(file.name), self._size(file.name)
        if size is None or (known and known.bytes != size):
            return None
        if known:
            return known
        data = (self.folder / stored_name(file.name)).read_bytes()
        return self._enter(file, len(data), hashlib.sha256(data).hexdigest())

    def store(self, file: ListedFile, chunks: Iterable[bytes], *, length: int | None = None) -> ArchivedFile:
        """Keep a file as its chunks arrive; `length` is the size in bytes that the vendor announced.

        Raises `CutShort` when the body has another length or ends within a gzip member; nothing is kept then.
        """
        target = self.folder / stored_name(file.name)
        temporary = self.folder / f".{uuid4().hex}.part"
        digest, check, size = hashlib.sha256(), GzipCheck(), 0
        try:
            self._make_folder()
            with self._create(temporary) as out:
                for chunk in chunks:
                    digest.update(chunk)
                    check.feed(chunk)
                    size += len(chunk)
                    out.write(chunk)
            if length is not None and size != length:
                raise CutShort(f"{size:,} of {length:,} bytes arrived")
            check.finish()
            self._rename(temporary, target)
            return self._enter(file, size, digest.hexdigest())
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _enter(self, file: ListedFile, size: int, sha256: str) -> ArchivedFile:
        entry = ArchivedFile(
            file.name, shown(file.url), file.scope_start, file.scope_end, size, sha256, datetime.now(UTC)
        )
        with self._lock:
            self._write_manifest(self._manifest() | {file.name: entry})
        return entry

    def read(self, file: ArchivedFile) -> bytes:
        """The file's text: verified by its digest, decompressed, all gzip members in turn."""
        path = self.folder / stored_name(file.name)
        remedy = f"Materialize the day again with `refetch: true` while the vendor has it; the file is {path}."
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FileUnreadable(f"The archived file {file.name} cannot be read: {error}.", remedy) from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise FileUnreadable(f"The archived file {file.name} is not the one that was stored (SHA-256).", remedy)
        try:
            return gunzip(data)
        except CutShort as error:
            raise FileUnreadable(f"The archived file {file.name} is damaged: {error}.", remedy) from error

    def _manifest(self) -> dict[str, ArchivedFile]:
        try:
            entries = json.loads((self.folder / MANIFEST).read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise FileUnreadable(
                f"The archive's {self.folder / MANIFEST} is not valid JSON: {error}.",
                "Move it away; materialize the day with `refetch: true` while the vendor has it.",
            ) from error
        return {entry["name"]: _entry(entry) for entry in entries}

    def _write_manifest(self, files: dict[str, ArchivedFile]) -> None:
        entries = [asdict(files[name]) for name in sorted(files)]
        temporary = self.folder / f".{uuid4().hex}.part"
        with self._create(temporary) as out:
            out.write(json.dumps(entries, default=datetime.isoformat, indent=1).encode())
        self._rename(temporary, self.folder / MANIFEST)

    def _size(self, name: str) -> int | None:
        try:
            return (self.folder / stored_name(name)).stat().st_size
        except FileNotFoundError:
            return None

    def _make_folder(self) -> None:
        """Customers' conversations lie here: folders that we make are the owner's alone."""
        if self._local:
            for folder in reversed([self.folder, *self.folder.parents]):
                if not folder.exists():
                    Path(str(folder)).mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def _create(self, path: UPath) -> Iterator["_Out"]:
        if self._local:
            with os.fdopen(os.open(str(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
        else:
            with path.open("wb") as out:
                yield out

    def _rename(self, temporary: UPath, target: UPath) -> None:
        if self._local:
            os.replace(str(temporary), str(target))  # noqa: PTH105 - atomic; UPath.rename copies on other stores
        else:
            temporary.rename(target)


class GzipCheck:
    """Follows a body as it arrives: a gzip file must end with its last member's trailer, other bodies must be JSON."""

    def __init__(self) -> None:
        self._head, self._gzip = b"", None
        self._member: zlib._Decompress | None = None
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < len(_GZIP):
            self._head += chunk[: len(_GZIP)]
        self._rest += chunk
        if not self._head.startswith(_GZIP):
            self._rest = b""
            return
        while self._rest:
            self._member = self._member or zlib.decompressobj(wbits=31)
            try:
                self._member.decompress(self._rest)
            except zlib.error as error:
                raise CutShort(f"damaged gzip: {error}") from error
            self._rest = self._member.unused_data.lstrip(b"\x00") if self._member.eof else b""
            self._member = None if self._member.eof else self._member

    def finish(self) -> None:
        if not self._head:
            raise CutShort("the body is empty")
        if self._member is not None:
            raise CutShort("it ends within a gzip member")
        if not self._head.startswith(_GZIP) and self._head[:1] not in b"{[ \r\n\t\xef":
            raise CutShort("it is neither gzip nor JSON")


def gunzip(data: bytes) -> bytes:
    """The text of a file: all gzip members joined, or the bytes themselves where they are not gzip."""
    while data[:2] == _GZIP:
        parts: list[bytes] = []
        while data:
            member = zlib.decompressobj(wbits=31)
            try:
                parts.append(member.decompress(data))
            except zlib.error as error:
                raise CutShort(f"damaged gzip: {error}") from error
            if not member.eof:
                raise CutShort("it ends within a gzip member")
            data = member.unused_data.lstrip(b"\x00")
        data = b"".join(parts)
    return data


def stored_name(name: str) -> str:
    """A vendor's file name as a name in the archive: one path part, whatever the vendor calls it."""
    safe = quote(name, safe=" ").replace("~", "%7E")
    safe = safe.replace(".", "%2E", 1) if safe.startswith(".") else safe
    if not safe or len(safe) > _LONGEST_NAME:
        safe = f"{safe[:_LONGEST_NAME - 70]}-{hashlib.sha256(name.encode()).hexdigest()}"
    return safe


def _entry(entry: dict[str, str]) -> ArchivedFile:
    times = {key: datetime.fromisoformat(entry[key]) for key in ("scope_start", "scope_end", "fetched_at")}
    return ArchivedFile(**{**entry, **times})  # pyright: ignore[reportArgumentType] - a manifest's entry has its fields


def _unwritable(folder: UPath, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The archive folder {folder} cannot be written: {error.strerror or error}.",
        "Check CONTACT_ANALYTICS_ARCHIVE, its permissions and free space. Nothing stored was changed.",
    )
