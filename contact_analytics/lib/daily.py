from dataclasses import dataclass
from collections import Counter
import polars as pl
@dataclass(frozen=True)
class Rejected:
    record: int
    reason: str
    raw: bytes
@dataclass(frozen=True)
class Decoded:
    frame: pl.DataFrame
    rejected: list[Rejected]
    unknown: Counter[str]
