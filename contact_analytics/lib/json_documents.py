"""JSON documents of a file, however they are laid out, each read or refused on its own."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Document:
    """A JSON document of a file: its number from 1, its bytes, and its content or what is wrong with it."""

    number: int
    raw: bytes
    content: Any = None
    problem: str | None = None


_SPACE = re.compile(r"[ \t\r\n]*")
# Between the items of an array that holds all documents.
_SEPARATORS = re.compile(r"[ \t\r\n,\]]*")
_FOLLOWED = re.compile(r"[ \t]*(?:[\r\n{]|\Z)")
_SEPARATED = re.compile(r"[ \t]*(?:[\r\n{,\]]|\Z)")
_BRACKETS = re.compile(r'"(?:[^"\\\n]++|\\.)*+"|[{}\[\]]')


def value_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at a place of a text, and where it ends. Raises `ValueError` for what is none."""
    return _DECODER.raw_decode(text, start)


def documents(text: bytes) -> Iterator[Document]:
    """Parse the JSON documents of a file.

    They may be newline-delimited, pretty-printed one after the other, several on a line, or one array of all. A broken
    document ends where its brackets close, else before the next line that starts with a bracket as far left as it.
    """
    # Bytes that are not UTF-8 survive as lone surrogates, so that only the documents that hold them are refused.
    source = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, (part, content, problem) in enumerate(_parts(source), 1):
        try:
            yield Document(number, part.encode(), content, problem)
        except UnicodeEncodeError:
            raw = part.encode("utf-8", "surrogateescape")
            yield Document(number, raw, problem="text that is not UTF-8")


def _parts(source: str) -> Iterator[tuple[str, Any, str | None]]:
    """The text, content and problem of each document."""
    start = _SPACE.match(source).end()  # pyright: ignore[reportOptionalMemberAccess]
    listed = source.startswith("[", start)
    between, after = (_SEPARATORS, _SEPARATED) if listed else (_SPACE, _FOLLOWED)
    start += listed
    while start < len(source):
        start = _skip(between, source, start)
        block = source[start : _next_block(source, start)]
        position = 0
        while position < len(block):
            try:
                content, end = _DECODER.raw_decode(block, position)
                problem = None
            except (ValueError, RecursionError) as error:
                content, end, problem = None, _closing(block, position), f"invalid JSON: {error}"
            if not after.match(block, end):
                content, end, problem = None, len(block), problem or f"invalid JSON: more text at character {end + 1}"
            yield block[position:end].rstrip(" \t\r\n"), content, problem
            position = _skip(between, block, end)
        start += len(block)


def _skip(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _next_block(source: str, start: int) -> int:
    """Where the next line starts that opens a document with the indent of the one at `start`."""
    margin = source[source.rfind("\n", 0, start) + 1 : start]
    if start < len(source) and source[start] not in "{[":
        margin = ""  # What is damaged where it opens has no indent to go by.
    opening = source.find("\n" + (margin if not margin.strip() else "") + "{", start)
    return opening if opening >= 0 else len(source)


def _closing(block: str, start: int) -> int:
    """The end of a broken document whose brackets are all closed, else the end of the block."""
    depth = 0
    if block[start] in "{[":
        for match in _BRACKETS.finditer(block, start):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
            if depth == 0:
                return match.end()
    return len(block)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key given twice would lose a value."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is given twice in one object")
    return content


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number:.40} is too large for a number")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite)
