"""A window of days on its way into the archive: one export, kept as it was received, and a file a day made from it.

The export lies in the folder of its first day as `2026-11-25T004512.123Z_v4_2026-11-10_2026-11-24.csv.gz`, compressed,
as each night's holds two weeks. Beside it, and in the folders of the other days, lie `2026-11-25T004512.123Z_v4.csv`:
the header and the records of that day, byte for byte. A day whose records have not changed keeps the file that it has.
"""

import gzip
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import IO

import polars as pl

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile
from contact_analytics.lib.csv_text import Record, records
from contact_analytics.lib.delivery import Delivery
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.exported_files import keep, moment_of, stamp
from contact_analytics.lib.tenant_homes import Submitted
from contact_analytics.lib.text_table import folded, times
from contact_analytics.nice_cxone.entities import Entity

_OF_A_DAY = re.compile(r"[^_]+_v[^_]+\.csv")
_BATCH = 20_000


@dataclass(frozen=True)
class Window:
    """Days that are asked for in one export, from the first to the end, which is not one of them."""

    first: date
    end: date

    @classmethod
    def of(cls, request: Mapping[str, str]) -> "Window":
        return cls(date.fromisoformat(request["startDate"]), date.fromisoformat(request["endDate"]))

    def holds(self, day: date) -> bool:
        return self.first <= day < self.end


def files_of(archived: ArchivedDay) -> list[ArchivedFile]:
    """The archived file that is a day: the one that was asked for last and not held back."""
    found = [file for file in archived.files() if _OF_A_DAY.fullmatch(file.name) and not file.held_back]
    return sorted(found, key=lambda file: moment_of(file.name))[-1:]


def archived_day(archived: ArchivedDay) -> Delivery:
    """A day as the archive has it."""
    return Delivery(files_of(archived))


def store(
    entity: Entity,
    submitted: Submitted,
    source: str,
    file: IO[bytes],
    days: Sequence[date],
    archive: Callable[[date], ArchivedDay],
) -> set[date]:
    """Archive an export, and of each of the days that it holds what it holds of it; the days that got a new file."""
    window = Window.of(submitted.request)
    named = f"{stamp(submitted.submitted_at)}_v{submitted.request['version']}"
    with ExitStack() as stack:
        of_days = _split(entity, source, file, window, days, stack)
        whole = f"{named}_{window.first}_{window.end}.csv.gz"
        keep(archive(window.first), whole, source, window.first, _compressed(file, stack), None)
        changed = set[date]()
        for day, part in of_days.items():
            newest = next(iter(files_of(archive(day))), None)
            if keep(archive(day), f"{named}.csv", source, day, part, newest, is_text=True) != newest:
                changed.add(day)
        return changed


def _compressed(file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    """A file compressed; the same file always gives the same bytes."""
    packed = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    file.seek(0)
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as out:
        shutil.copyfileobj(file, out)
    return packed


def _split(
    entity: Entity, source: str, file: IO[bytes], window: Window, days: Sequence[date], stack: ExitStack
) -> dict[date, IO[bytes]]:
    """A file for each day.

    Raises `CutShort` for a file that ends within a record, `UnexpectedAnswer` for one without the columns that date it,
    and for one whose dates are in a form that is not known: days would look empty.
    """
    of_days = dict[date, IO[bytes]]()
    for day in days:
        of_days[day] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    found = records(file)
    header = next(found, None)
    if header is None:
        return of_days
    dated_by = _places(entity, header, source)
    for part in of_days.values():
        part.write(header.raw)
    is_dated, unreadable = False, ""
    while batch := list(islice(found, _BATCH)):
        texts = [_texts(record, dated_by, len(header.fields)) for record in batch]
        for record, dates, day in zip(batch, texts, _dates(texts), strict=True):
            is_dated = is_dated or day is not None
            unreadable = unreadable or ("" if day else "".join(dates).strip())
            if part := of_days.get(_place(day, window, days)):
                part.write(_ended(record.raw))
    if unreadable and not is_dated:
        raise UnexpectedAnswer(
            f"NICE CXone: the file {source} of {entity.name} writes dates in a form that is not known: "
            f"{unreadable:.60}.",
            "Nothing of it was kept. Report it: the form has to be added.",
        )
    return of_days


def _place(day: date | None, window: Window, days: Sequence[date]) -> date:
    """The day that keeps a record, which may be one that was not asked for: the vendor gives it with that day's export.

    One that is of no day of the export's goes to the nearest, where it is set aside with the reason.
    """
    if day is None:
        return days[-1]
    if window.holds(day) or day == window.end:
        return day
    return days[0] if day < window.first else days[-1]


def _places(entity: Entity, header: Record, source: str) -> list[int]:
    """Where the columns are that date a record."""
    wanted = [folded(name) for name in entity.dated_by]
    names = [folded(name) for name in header.fields]
    if missing := [name for name in entity.dated_by if folded(name) not in names]:
        raise UnexpectedAnswer(
            f"NICE CXone: the file {source} of {entity.name} has no column {', '.join(missing)}; it begins with "
            f"{', '.join(header.names):.300}.",
            "Nothing of it was kept. If the vendor has renamed a column, report it; else something stands in between.",
        )
    return [names.index(name) for name in wanted]


def _texts(record: Record, places: Sequence[int], width: int) -> list[str]:
    """What dates a record, by column; nothing dates one that will be set aside whole, as its columns may be others."""
    if len(record.fields) != width or not record.is_utf8:
        return [""] * len(places)
    return [record.fields[place] for place in places]


def _dates(texts: Sequence[Sequence[str]]) -> Iterator[date | None]:
    """The UTC day of each record, by the first of the columns that tells one."""
    frame = pl.DataFrame(texts, orient="row", strict=False)
    columns = [times(pl.col(name).str.strip_chars(), "UTC") for name in frame.columns]
    return iter(frame.select(pl.coalesce(columns).dt.date().alias("day"))["day"])


def _ended(raw: bytes) -> bytes:
    return raw if raw.endswith((b"\n", b"\r")) else raw + b"\n"
