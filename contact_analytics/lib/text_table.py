"""Tables whose values all come as text, such as CSV: columns found by name, values read by the schema's types.

Names are compared by their letters and digits alone, so `Score - Percentage`, `SCORE_PERCENTAGE` and `scorePercentage`
are one. What the schema does not know is kept in `_extra` by the vendor's name, and so is the text of a value that is
not what its column says: the column is null then, and both are reported as unknown fields.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dataframely as dy
import polars as pl

from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.formats import Decoded, Rejected
from contact_analytics.lib.schema import columns_of, facts, wire_name
from contact_analytics.lib.wire import EXTRA, RECORD

# Of rows, and the columns that their file does not have.
Derive = Callable[[pl.DataFrame, Collection[str]], pl.DataFrame]

_ISO = r"^(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(:\d\d(?:[.,]\d+)?)? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$"
_AMERICAN = r"^(\d\d?/\d\d?/\d{4})(?:,? +(\d\d?:\d\d)(:\d\d)? ?([AaPp][Mm])?)?$"
# The two forms that nearly all times have, which are read without taking them apart.
_PLAIN_FORMS = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z": "%Y-%m-%dT%H:%M:%S%.fZ",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?": "%Y-%m-%d %H:%M:%S%.f",
}
_DURATION = r"^(?:(\d+)[d.] ?)?(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)$"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_WHOLE = r"^[+-]?\d+$"
# What can be shown in UTC, and what can be in whichever zone it is meant.
_SHOWN = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_ANYWHERE = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - the zone is not known yet
# Whole numbers up to here are exact in a float.
_EXACT = 2**53


@dataclass(frozen=True)
class Texts:
    """A table of texts: the vendor's names, a frame with a column each in their order, the records' numbers from 1, and
    records that were refused."""

    names: Sequence[str]
    frame: pl.DataFrame
    numbers: Sequence[int]
    rejected: Sequence[Rejected]


class TextTable:
    """How tables of texts become frames of a schema.

    Times without a zone are in `zone`. `row_id` is a column that tells a row from every other by what it holds, and by
    its number among those that hold the same; `derive` adds further columns that are not sent, and fills those that
    not every vendor's version has.
    """

    def __init__(
        self, schema: type[dy.Schema], derive: Derive | None = None, row_id: str = "", filled: Collection[str] = ()
    ) -> None:
        self._columns = columns_of(schema)
        self._derive, self._row_id = derive, row_id
        sent = {name: column for name, column in self._columns.items() if not facts(column).derived}
        self._spellings: dict[str, str] = {}
        self._beginnings: dict[str, str] = {}
        for name, column in sent.items():
            for spelling in (name, wire_name(name, column), *facts(column).also):
                (self._beginnings if spelling.endswith("*") else self._spellings).setdefault(folded(spelling), name)
        self._required = [name for name, column in sent.items() if not column.nullable and name not in filled]

    def read(self, texts: Texts, zone: str = "UTC") -> Decoded:
        """The rows as a frame of the schema's columns, `_extra` and `_record`.

        Raises `UnexpectedAnswer` if there is a header, and a column without which no row can be kept is not in it.
        """
        places = self._places(texts.names)
        self.check_names(texts.names)
        columns, kept, by_place = (
            dict[str, pl.Series](),
            dict[str, pl.Series](),
            {at: name for name, at in places.items()},
        )
        for place, name in enumerate(_distinct(texts.names)):
            text = _given(texts.frame[str(place)])
            if not (column := by_place.get(place)):
                kept[name] = text
                continue
            columns[column] = as_type(self._columns[column], text, zone)
            if columns[column].null_count() > text.null_count():
                # The text of what its column cannot hold.
                kept[f"{name} (unreadable)"] = text.set(columns[column].is_not_null(), None)
        height = texts.frame.height
        frame = pl.DataFrame(
            [
                columns[name].alias(name) if name in columns else pl.Series(name, [None] * height, column.dtype)
                for name, column in self._columns.items()
            ]
        )
        unknown = Counter({name: height - text.null_count() for name, text in kept.items()})
        frame = frame.with_columns(
            pl.Series(EXTRA, _as_json({name: kept[name] for name in +unknown}, height), pl.String),
            pl.Series(RECORD, texts.numbers, pl.Int64),
        )
        if self._row_id:
            frame = frame.with_columns(pl.Series(self._row_id, _row_ids(texts), pl.String))
        if self._derive:
            frame = self._derive(frame, self._columns.keys() - columns.keys())
        records = height + len(texts.rejected)
        return Decoded(frame.select([*self._columns, EXTRA, RECORD]), list(texts.rejected), +unknown, records)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise `UnexpectedAnswer` if there are names, and a required one is not among them."""
        places = self._places(names)
        if names and (missing := [name for name in self._required if name not in places]):
            raise UnexpectedAnswer(
                f"The file has no column for {', '.join(missing)}; it has {', '.join(names):.500}.",
                "Nothing of it was loaded. If the column was left out on purpose, ask for it again; if the vendor "
                "gives it another name or language, add that to the schema (`also`).",
            )

    def knows_any(self, names: Sequence[str]) -> bool:
        """Whether one of some names is a column's, or the schema has no columns to know."""
        return bool(self._places(names)) or not self._spellings

    def _places(self, names: Sequence[str]) -> dict[str, int]:
        """Where each column is, by its own name rather than by another one; of two that have the same, the first."""
        places, known = dict[str, int](), dict[str, int]()
        for place, name in enumerate(names):
            known.setdefault(folded(name), place)
        for spelling, column in self._spellings.items():
            if spelling in known:
                places.setdefault(column, known.pop(spelling))
        for start, column in self._beginnings.items():
            if begun := [place for spelling, place in known.items() if spelling.startswith(start)]:
                places.setdefault(column, begun[0])
        return places


def folded(name: str) -> str:
    """A name by its letters and digits, whatever their case, width, marks and separators."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))


def as_type(column: dy.Column, text: pl.Series, zone: str) -> pl.Series:
    """Texts as a column's type; null for what is blank, and for what is no such value."""
    kind = type(column.dtype)
    if kind is pl.String or text.null_count() == len(text):
        return text.cast(column.dtype)
    if kind is pl.Datetime:
        return _times(text, zone)
    return pl.DataFrame({"text": text}).select(_value(column, pl.col("text").str.strip_chars())).to_series()


def _value(column: dy.Column, text: pl.Expr) -> pl.Expr:
    kind = type(column.dtype)
    if kind is pl.Date:
        return times(text, "UTC").dt.date()
    if kind is pl.Boolean:
        return text.str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
    plain = text.str.strip_suffix("%").str.strip_chars()
    number = pl.when(plain.str.contains(_NUMBER)).then(plain).cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite()).then(number)
    if kind is pl.Float64:
        return pl.coalesce(number, _seconds(text)) if facts(column).duration else number
    whole = pl.when(plain.str.contains(_WHOLE)).then(plain).cast(pl.Int64, strict=False)
    rounded = pl.when((number == number.round()) & (number.abs() <= _EXACT)).then(number).cast(pl.Int64, strict=False)
    return pl.coalesce(whole, rounded).cast(kind, strict=False)


def _times(text: pl.Series, zone: str) -> pl.Series:
    """Times in the form of the first one, which is nearly always that of all; else each in its own."""
    first = text[text.is_not_null().arg_max() or 0]
    for pattern, form in _PLAIN_FORMS.items():
        if re.fullmatch(pattern, first):
            found = text.str.to_datetime(form, time_unit="us", strict=False, exact=True)
            if found.null_count() == text.null_count() and found.is_between(*_ANYWHERE).all():
                return (
                    found.dt.replace_time_zone("UTC") if form.endswith("Z") or zone == "UTC" else _placed(found, zone)
                )
    return pl.DataFrame({"text": text}).select(times(pl.col("text").str.strip_chars(), zone)).to_series()


def _placed(naive: Any, zone: str) -> Any:
    """Times that say no zone, an expression or a series of them, in the one that they are meant in, as UTC."""
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def times(text: pl.Expr, zone: str) -> pl.Expr:
    """Times in ISO 8601, or as Americans write them; those that say no zone are in `zone`."""
    iso, american = (text.str.extract_groups(pattern).struct.field for pattern in (_ISO, _AMERICAN))
    offset = iso("4").str.replace(r"^(?:Z|UTC)$", "+00:00").str.replace(r"^([+-]\d\d)$", "$1:00")
    offset = offset.str.replace(r"^([+-]\d\d)(\d\d)$", "$1:$2")
    seconds = iso("3").str.replace(",", ".", literal=True).fill_null(":00")
    local = pl.format("{} {}{}", iso("1"), iso("2").fill_null("00:00"), seconds)
    clock = pl.format("{} {}{}", american("1"), american("2").fill_null("00:00"), american("3").fill_null(":00"))
    naive = pl.coalesce(
        pl.when(offset.is_null()).then(_read(local, "%Y-%m-%d %H:%M:%S%.f")),
        pl.when(american("4").is_null()).then(_read(clock, "%m/%d/%Y %H:%M:%S")),
        _read(pl.format("{} {}", clock, american("4").str.to_uppercase()), "%m/%d/%Y %I:%M:%S %p"),
    )
    zoned = pl.format("{}{}", local, offset).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False
    )
    found = pl.coalesce(zoned, _placed(naive, zone))
    return pl.when(found.is_between(*_SHOWN)).then(found)


def _read(text: pl.Expr, form: str) -> pl.Expr:
    return text.str.to_datetime(form, time_unit="us", strict=False)


def _seconds(text: pl.Expr) -> pl.Expr:
    """Spans written `H:MM:SS`, with or without days before it, in seconds."""
    group = text.str.extract_groups(_DURATION).struct.field
    days, hours, minutes, seconds = (group(str(place)).cast(pl.Float64, strict=False) for place in (1, 2, 3, 4))
    return ((days.fill_null(0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _given(text: pl.Series) -> pl.Series:
    """Texts as they are; null where there is none."""
    return text.set(text.str.strip_chars() == "", None)


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """The vendor's names, each once: the second of two that are the same says so."""
    seen = Counter[str]()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _as_json(columns: dict[str, pl.Series], height: int) -> list[str | None]:
    """Each row of some columns as JSON without what is null; null where all is."""
    if not columns:
        return [None] * height
    rows = (
        {name: text for name, text in zip(columns, row, strict=True) if text is not None}
        for row in zip(*columns.values(), strict=True)
    )
    return [json.dumps(row) if row else None for row in rows]


def _row_ids(texts: Texts) -> list[str]:
    """A digest of each row's texts by their names, whatever the order; of equal rows, the next ones get a number."""
    order = sorted(range(len(texts.names)), key=lambda place: (folded(texts.names[place]), place))
    names = [folded(texts.names[place]) for place in order]
    seen, found = Counter[str](), list[str]()
    for row in texts.frame.select(str(place) for place in order).iter_rows():
        told = json.dumps([pair for pair in zip(names, row, strict=True) if pair[1]])
        digest = hashlib.sha256(told.encode()).hexdigest()[:32]
        seen[digest] += 1
        found.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return found
