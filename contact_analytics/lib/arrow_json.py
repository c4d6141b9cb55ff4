"""JSON decoded into Arrow columns by a declared type, strictly: what the type does not say is refused."""

import re
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from contact_analytics.lib.bodies import BETWEEN_DOCUMENTS

T = TypeVar("T")
Part: TypeAlias = Callable[[bytes, int], tuple[int, T]]

_BLOCK_BYTES = 4 << 20
_SMALL_BYTES = 128_000


class Root(Protocol):
    """The type of a whole document."""

    def arrow_type(self, *, normalized: bool) -> pa.DataType: ...


@cache
def _schema(root: Root, normalized: bool) -> pa.Schema:
    """The wire type of a document; hundreds of nested fields, and the same for each of a day's files."""
    return pa.schema(list(root.arrow_type(normalized=normalized)))


def read_strictly(lines: bytes, root: Root, *, normalized: bool = False, whole: bool = False) -> pa.Table:
    """Decode documents in exactly the declared encoding, or in the `normalized` one, which comes one a line.

    Raises `pyarrow.ArrowInvalid` for anything else: a field, branch or key that is not declared or given twice, another
    type, broken JSON, text that is not UTF-8, and, unless the `whole` text is one, documents of more than a few
    megabytes.
    """
    schema = _schema(root, normalized)
    if not lines or lines.isspace():
        return schema.empty_table()
    if not lines.isascii():
        _check_utf8(lines)
    # Arrow crashes on a null that starts a block (its issue 47409), and blocks start at line ends.
    if _NULL_FIRST.match(lines) or (_has_odd_lines(lines) and any(null.search(lines) for null in _NULL_LINES)):
        raise pa.ArrowInvalid("a document is null")
    longest = len(lines) + 1 if whole else max(map(len, lines.split(b"\n"))) + 1 if normalized else 0
    return arrow_json.read_json(
        pa.BufferReader(lines),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=max(_BLOCK_BYTES, longest)),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


def in_parts(text: bytes, strict: "Part[T]", tolerant: "Part[T]", before: int = 0) -> tuple[int, list[T]]:
    """How many documents a text has, and what they hold; `before` others come before them.

    Both functions tell the same of a text and the number of documents before it. What `strict` refuses is halved until
    it is small, and left to `tolerant` then, so that one odd document costs little.
    """
    try:
        count, part = strict(text, before)
    except pa.ArrowInvalid:
        middle = _middle(text)
        if middle is None:
            count, part = tolerant(text, before)
            return count, [part]
        first, parts = in_parts(text[:middle], strict, tolerant, before)
        second, others = in_parts(text[middle:], strict, tolerant, before + first)
        return first + second, parts + others
    return count, [part]


def _middle(text: bytes) -> int | None:
    """Where a text can be cut in two between documents; None where it is small, or no line ends one."""
    if len(text) <= _SMALL_BYTES:
        return None
    end = text.find(BETWEEN_DOCUMENTS, len(text) // 2)
    end = end if end >= 0 else text.rfind(BETWEEN_DOCUMENTS)
    return end + 2 if end >= 0 else None


_NULL_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NULL_LINES = (re.compile(rb"\n\s*null"), re.compile(rb"\r\s*null"))


def _has_odd_lines(text: bytes) -> bool:
    """Whether a line begins with anything but an object, which is told quickly."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data[:-1] == ord("\n"))
    return b"\r" in text or bool(np.any(data[ends + 1] != ord("{")))


def _check_utf8(text: bytes) -> None:
    """Raise `pyarrow.ArrowInvalid` for text that is not UTF-8, without making another text of it as `decode` does."""
    pa.array([text], pa.large_binary()).cast(pa.large_string())


def child(array: pa.Array, name: str) -> pa.Array:
    """A field of decoded objects. Arrow's reader makes it null where its object is, so no mask need be applied."""
    return array.field(name)


def list_of(lengths: pa.Array, items: pa.Array) -> pa.ListArray:
    """Lists of the given lengths, null where the length is, over consecutive items."""
    mask = pc.is_null(lengths) if lengths.null_count else None
    return pa.ListArray.from_arrays(running_total(lengths), items, mask=mask)


def running_total(counts: pa.Array) -> pa.Array:
    """The sum of what comes before each place and, last, of all: the offsets of lists of these lengths."""
    ends = pc.cumulative_sum(pc.fill_null(counts, 0))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
