"""How a vendor's files are read: their text in parts, each of them decoded to rows, and what could not be."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from contact_analytics.lib.wire import RECORD


@dataclass(frozen=True)
class Rejected:
    """A record that was not loaded: its number in the file, why, its bytes, and its key where it tells one."""

    record: int
    reason: str
    raw: bytes
    key: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Decoded:
    """What a file or a part of one holds: rows of the schema with `_extra` and `_record`, what was refused, and what is
    unknown; of a part also how many `records` it has."""

    frame: pl.DataFrame
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    unknown: Counter[str] = field(default_factory=Counter[str])
    records: int = 0

    def after(self, records: int) -> "Decoded":
        """The same as what comes after some other records of a file."""
        if not records:
            return self
        frame = self.frame.with_columns(pl.col(RECORD) + records)
        return replace(
            self, frame=frame, rejected=[replace(each, record=each.record + records) for each in self.rejected]
        )


class Format(ABC):
    """How a file is read: its text in parts, and each of them decoded by itself."""

    def parts(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The parts of a text that comes in pieces; a file that is one document is its only part."""
        yield b"".join(pieces)

    @abstractmethod
    def decode(self, text: bytes) -> Decoded: ...
