"""Completeness: whether the archive, what is known of each load, and the table agree, day by day.

The archive is asked by its manifests: what a day's files are, how large, and when they were fetched.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import partial

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.archive import ArchivedFile, ArchiveResource
from contact_analytics.lib.dataset import PARTITION, ArchiveCheck, Dataset, Known, Reasons
from contact_analytics.lib.errors import ContactAnalyticsError, DayHeldBack
from contact_analytics.lib.extractions import Extraction

_READERS = 16
_SHOWN_FILES = 3

# The archived files that a day should have been loaded from as well, by the names of those that it was loaded from.
Awaited = Callable[[Sequence[ArchivedFile], Collection[str]], list[ArchivedFile]]


class _Remedy(IntEnum):
    """What to launch the day with; of several, the last mends most."""

    RELOAD = 1
    FORCE = 2
    REFETCH = 3


_IN_WORDS = {
    _Remedy.RELOAD: "materialize it with `source: archive`",
    _Remedy.FORCE: "materialize it with `source: archive` and `force: true`",
    _Remedy.REFETCH: "materialize it with `refetch: true` while the vendor has it, or put the archive's files back",
}


@dataclass(frozen=True)
class _Disagreement:
    """What does not agree, in words, and what mends it."""

    what: str
    remedy: _Remedy


def archive_and_table_agree(awaited: Awaited | None = None) -> ArchiveCheck:
    """The check of completeness; `awaited` says which archived files are part of a day, if their names tell."""
    return ArchiveCheck(
        "archive_and_table_agree",
        "Each stored day is what the archive holds: it was loaded from the files that the manifest lists, of their "
        "sizes and hours, and none of them came later. It has as many rows as were loaded, all of them from those "
        "files, as many records in `meta.quarantine` as were set aside, and as many as the vendor counts, if it does.",
        dg.AssetCheckSeverity.ERROR,
        partial(_disagreeing, awaited),
    )


def every_file(files: Sequence[ArchivedFile], loaded: Collection[str]) -> list[ArchivedFile]:
    """Of a day that is all of its files: each one that was not loaded."""
    return [file for file in files if file.name not in loaded]


def newer_answers(files: Sequence[ArchivedFile], loaded: Collection[str]) -> list[ArchivedFile]:
    """Of a day that is the newest of its answers: those that are newer than one which was loaded and holds the same.

    Names are an answer's time and what it holds, see `exported_files`; others lie beside them and are no day's.
    """
    oldest = dict[str, str]()
    for name in sorted(loaded, reverse=True):
        oldest[_held(name)] = name
    return [each for each in every_file(files, loaded) if oldest.get(_held(each.name), each.name) < each.name]


def _held(name: str) -> str:
    return name.partition("_")[2]


def _disagreeing(
    awaited: Awaited | None, connection: DuckDBPyConnection, dataset: Dataset, known: Known, archive: ArchiveResource
) -> Reasons:
    rows, quarantined = _rows(connection, dataset), _quarantined(connection, dataset)
    manifests = _manifests(archive, dataset, [day for day, stored in known.items() if stored.is_stored])
    reasons = dict[date, str]()
    for day in sorted({*rows, *quarantined, *known}):
        # Of a day that was never loaded, or of which nothing is known, nothing may be in the table.
        stored = known.get(day, Extraction("unknown"))
        found = list(_in_table(stored, rows[day], quarantined[day]))
        manifest = manifests.get(day)
        if isinstance(manifest, ContactAnalyticsError):
            reasons[day] = "; ".join([str(manifest), *(each.what for each in found)])
            continue
        if manifest is not None:
            found += _in_archive(stored, manifest, awaited)
        if found:
            reasons[day] = f"{'; '.join(each.what for each in found)}: {_remedy(stored, found)}"
    return reasons


def _remedy(stored: Extraction, found: Sequence[_Disagreement]) -> str:
    remedy = max(each.remedy for each in found)
    if remedy is _Remedy.RELOAD and stored.problem_type == DayHeldBack.__name__:
        return "its re-load is held back, see `reloads_never_shrink_a_day`"
    return _IN_WORDS[remedy]


def _in_table(stored: Extraction, rows: Counter[str | None], quarantined: int) -> Iterator[_Disagreement]:
    """How what the table and the quarantine hold differs from what was loaded."""
    if rows.total() != stored.rows:
        yield _Disagreement(f"{rows.total():,} rows are in the table and {stored.rows:,} were loaded", _Remedy.RELOAD)
    if strays := sum(count for file, count in rows.items() if file not in stored.file_names):
        # As many rows as were loaded look unchanged to a run that is not forced.
        yield _Disagreement(f"{strays:,} rows come from other files than were loaded", _Remedy.FORCE)
    if quarantined != stored.quarantined:
        counts = f"{quarantined:,} records are in meta.quarantine and {stored.quarantined:,} were set aside"
        yield _Disagreement(counts, _Remedy.FORCE)
    # Of a record that was refused, an earlier state may be stored.
    least, most = stored.rows, stored.rows + stored.quarantined
    if stored.vendor_count is not None and not least <= stored.vendor_count <= most:
        counts = f"the vendor counts {stored.vendor_count:,}, {least:,} are stored and {stored.quarantined:,} refused"
        yield _Disagreement(counts, _Remedy.REFETCH)


def _in_archive(
    stored: Extraction, manifest: Sequence[ArchivedFile], awaited: Awaited | None
) -> Iterator[_Disagreement]:
    """How what the archive holds differs from what was loaded."""
    loaded = frozenset(stored.file_names)
    files = [file for file in manifest if file.name in loaded]
    # A file that was fetched again and is the same leaves the day as it is; that is noted then.
    seen = [moment for moment in (stored.loaded_at, stored.confirmed_at) if moment]
    later = [file.name for file in files if seen and file.fetched_at > max(seen)]
    if missing := sorted(loaded - {file.name for file in files}):
        yield _Disagreement(f"it was loaded from {_named(missing)}, not in the archive any more", _Remedy.REFETCH)
    else:
        # Without a newer file a day looks unchanged to a run that is not forced.
        remedy = _Remedy.RELOAD if later else _Remedy.FORCE
        size = sum(file.bytes for file in files)
        if size != stored.bytes:
            was = f"its files have {size:,} bytes in the archive and had {stored.bytes:,} when they were loaded"
            yield _Disagreement(was, remedy)
        if {file.scope_start for file in files} != set(stored.scopes):
            yield _Disagreement("its files cover other hours than when they were loaded", remedy)
    if later:
        yield _Disagreement(f"{_named(later)} fetched again after the day was loaded", _Remedy.RELOAD)
    if awaited and (news := awaited([file for file in manifest if not file.held_back], loaded)):
        yield _Disagreement(f"{_named([file.name for file in news])} of the archive not in the table", _Remedy.RELOAD)


def _manifests(
    archive: ArchiveResource, dataset: Dataset, days: Sequence[date]
) -> Mapping[date, list[ArchivedFile] | ContactAnalyticsError]:
    """What the archive lists of each day, or why it cannot tell."""

    def manifest(day: date) -> list[ArchivedFile] | ContactAnalyticsError:
        try:
            return archive.day(dataset.vendor, dataset.name, day).files()
        except ContactAnalyticsError as error:
            return error

    with ThreadPoolExecutor(_READERS, "manifest") as readers:
        return dict(zip(days, readers.map(manifest, days), strict=True))


def _rows(connection: DuckDBPyConnection, dataset: Dataset) -> Mapping[date, Counter[str | None]]:
    """The rows of each day in the table, by the file that they are from."""
    found = defaultdict[date, Counter[str | None]](Counter)
    query = f"select {PARTITION}, _source_file, count(*) from {dataset.sql_name} group by all"
    for day, file, count in connection.execute(query).fetchall():
        found[day][file] = count
    return found


def _quarantined(connection: DuckDBPyConnection, dataset: Dataset) -> Counter[date]:
    """The records of each day in the quarantine."""
    query = f"select {PARTITION}, count(*) from meta.quarantine where dataset = ? group by all"
    return Counter(dict(connection.execute(query, [dataset.table]).fetchall()))


def _named(names: Sequence[str]) -> str:
    """How many files, and the names of the first."""
    shown = ", ".join(names[:_SHOWN_FILES]) + (" …" if len(names) > _SHOWN_FILES else "")
    return f"{len(names):,} file{'' if len(names) == 1 else 's'} ({shown})"
