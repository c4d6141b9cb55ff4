"""Bodies of files: whether one is whole, while it arrives, and its text."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain

from isal import isal_zlib

GZIP = b"\x1f\x8b"
# What may stand before and behind JSON: white space and UTF-8's byte order mark.
BLANK = b" \t\r\n\xef\xbb\xbf"
# What is decompressed at a time, and the least that is decoded at a time.
_PIECE_BYTES = 1 << 20
_PART_BYTES = 4 << 20
# Within a document a comma stands between two objects, so these bytes always lie between two documents.
BETWEEN_DOCUMENTS = b"}\n{"


class CutShort(Exception):
    """A body that is not whole, by its length, its gzip trailer or its end."""


class Members:
    """The members of a gzip file as its bytes arrive."""

    def __init__(self) -> None:
        self._member, self._within = isal_zlib.decompressobj(wbits=31), False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The text of some more bytes, piece by piece. Raises `CutShort` for what is no gzip."""
        while data := data if self._within else data.lstrip(b"\x00"):
            if not self._within and data[:1] != GZIP[:1]:
                raise CutShort("damaged gzip: something else follows its last member")
            self._within = True
            try:
                piece = self._member.decompress(data, _PIECE_BYTES)
            except isal_zlib.error as error:  # pyright: ignore[reportGeneralTypeIssues] - its stub says instance
                raise CutShort(f"damaged gzip: {error}") from error
            if piece:
                yield piece
            if self._member.eof:
                data = self._member.unused_data
                self._member, self._within = isal_zlib.decompressobj(wbits=31), False
            else:
                data = self._member.unconsumed_tail

    def finish(self) -> None:
        """Raise `CutShort` unless the last member's trailer has come."""
        if self._within:
            raise CutShort("it ends within a gzip member")


class Body:
    """A body as it arrives: its size, its digest, and whether it is whole.

    A gzip file must end with its last member's trailer; any other file is JSON and begins and ends as JSON does, or
    `is_text`, which may be empty and tells nothing of its end.
    """

    def __init__(self, *, is_text: bool = False) -> None:
        self.size, self._is_text = 0, is_text
        self._digest = hashlib.sha256()
        self._head = self._first = self._last = b""
        self._members = Members()

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
            for _ in self._members.feed(chunk):
                pass
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
        self._members.finish()
        if not self._head.startswith(GZIP) and self._first + self._last not in (b"{}", b"[]"):
            raise CutShort("it is neither gzip nor whole JSON")


def text_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a file, piece by piece: of all gzip members in turn, or the bytes themselves if they are not gzip."""
    chunks, head = iter(chunks), b""
    while len(head) < len(GZIP) and (chunk := next(chunks, None)) is not None:
        head += chunk
    chunks = chain([head] if head else [], chunks)
    # A store may have compressed what was compressed already.
    return text_of(_inflated(chunks)) if head.startswith(GZIP) else chunks


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    members = Members()
    for chunk in chunks:
        yield from members.feed(chunk)
    members.finish()


def gunzip(data: bytes) -> bytes:
    """The text of a file: all gzip members joined, or the bytes themselves where they are not gzip."""
    return b"".join(text_of([data]))


def by_documents(pieces: Iterable[bytes], part_bytes: int = _PART_BYTES) -> Iterator[bytes]:
    """A text of JSON documents in parts of at least a size that end between two of them, where a line does."""
    held, size, wanted = list[bytes](), 0, part_bytes
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size < wanted:
            continue
        text = b"".join(held)
        at = text.rfind(BETWEEN_DOCUMENTS)
        if at >= 0:
            yield text[: at + 2]
            text = text[at + 2 :]
        # Where there is no place to cut, to look again at each piece would take long.
        held, size, wanted = [text], len(text), part_bytes if at >= 0 else 2 * len(text)
    if any(held):
        yield b"".join(held)
