"""Bodies of files: whether one is whole, while it arrives, and its text."""

import hashlib
import zlib

GZIP = b"\x1f\x8b"
# What may stand before and behind JSON: white space and UTF-8's byte order mark.
BLANK = b" \t\r\n\xef\xbb\xbf"


class CutShort(Exception):
    """A body that is not whole, by its length, its gzip trailer or its end."""


class Body:
    """A body as it arrives: its size, its digest, and whether it is whole.

    A gzip file must end with its last member's trailer; any other file is JSON and begins and ends as JSON does, or
    `is_text`, which may be empty and tells nothing of its end.
    """

    def __init__(self, *, is_text: bool = False) -> None:
        self.size, self._is_text = 0, is_text
        self._digest = hashlib.sha256()
        self._head = self._first = self._last = b""
        self._member, self._within = zlib.decompressobj(wbits=31), False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def feed(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        if len(self._head) < len(GZIP):
            chunk = self._head = self._head + chunk
        if len(self._head) < len(GZIP):
            return
        if self._head.startswith(GZIP):
            self._inflate(chunk)
        else:
            self._first = self._first or chunk.lstrip(BLANK)[:1]
            self._last = chunk.rstrip(BLANK)[-1:] or self._last

    def finish(self, length: int | None = None) -> None:
        """Raise `CutShort` unless the body is whole; `length` is the size in bytes that was announced."""
        if length is not None and self.size != length:
            raise CutShort(f"{self.size:,} of {length:,} bytes arrived")
        if self._is_text and not self._head.startswith(GZIP):
            return
        if not self.size:
            raise CutShort("the body is empty")
        if self._within:
            raise CutShort("it ends within a gzip member")
        if not self._head.startswith(GZIP) and self._first + self._last not in (b"{}", b"[]"):
            raise CutShort("it is neither gzip nor whole JSON")

    def _inflate(self, data: bytes) -> None:
        while data := data if self._within else data.lstrip(b"\x00"):
            self._within = True
            try:
                self._member.decompress(data)
            except zlib.error as error:
                raise CutShort(f"damaged gzip: {error}") from error
            if not self._member.eof:
                return
            data = self._member.unused_data
            self._member, self._within = zlib.decompressobj(wbits=31), False


def gunzip(data: bytes) -> bytes:
    """The text of a file: all gzip members joined, or the bytes themselves where they are not gzip."""
    while data[:2] == GZIP:
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
