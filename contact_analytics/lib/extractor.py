"""One run's extraction of one daily table: days are delivered into the archive, and loaded from there."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic, sleep

import dagster as dg
import duckdb
import pyarrow as pa

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ArchiveResource
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.delivery import DailySource, Delivery, Followed, Order, ahead, from_archive
from contact_analytics.lib.errors import (
    ChangesUnknown,
    ContactAnalyticsError,
    DayHeldBack,
    WarehouseUnavailable,
    in_our_words,
)
from contact_analytics.lib.extractions import Extraction, confirm, note_listed
from contact_analytics.lib.failures import note_failure
from contact_analytics.lib.formats import Decoded, Format
from contact_analytics.lib.http import Tally
from contact_analytics.lib.lake import is_lost_race
from contact_analytics.lib.materialization import day_metadata
from contact_analytics.lib.staging import Staging
from contact_analytics.lib.transactions import transaction
from contact_analytics.lib.warehouse import WarehouseResource, replacing

_DAYS_AHEAD = 2
_DECODES = min(4, os.cpu_count() or 2)
_PROGRESS_SECONDS = 2.0
# So often a day is put into its place at most: a lake has other writers, and a database that may be restarted.
_TRIES = 5
# What a commit has no room for is told as a failure of the transaction, or of the database.
_WORTH_ANOTHER_TRY = (
    WarehouseUnavailable,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.FatalException,
)


@dataclass
class Extractor:
    """One run's extraction of one dataset."""

    context: dg.AssetExecutionContext
    dataset: Dataset
    config: ExtractionConfig
    api: DailySource | None
    file_format: Format
    archive: ArchiveResource
    warehouse: WarehouseResource
    archived: Callable[[ArchivedDay], Delivery]
    stored: Mapping[date, Extraction]
    now: datetime
    failures: dict[str, ContactAnalyticsError] = field(default_factory=dict[str, ContactAnalyticsError])
    unknown: ChangesUnknown | None = None
    tried: int = 0

    def load_all(
        self, days: Sequence[date], lookahead: Executor, downloads: Executor, before: int = 0
    ) -> Iterator[dg.AssetMaterialization]:
        """Store days one by one while the next ones are delivered; those that fail are noted in `failures`."""
        self.tried += before + len(days)
        to_come = {day: days[place + 1 :] for place, day in enumerate(days)}
        deliveries = ahead(lookahead, lambda day: self.deliver(day, to_come[day], downloads), days, _DAYS_AHEAD)
        for number, (day, delivery) in enumerate(deliveries, before + 1):
            progress = f"{self.dataset.table} {day}: day {number} of {before + len(days)}"
            try:
                with in_our_words(f"{self.dataset.table} {day}"):
                    materialization = self.load(day, delivery.result(), self.stored.get(day), progress)
                yield materialization
            except ContactAnalyticsError as error:
                if isinstance(error, DayHeldBack):
                    self.hold_back(day, delivery.result())
                self.failures[day.isoformat()] = error
                note_failure(self.context, self.warehouse, self.dataset, day, error)

    def changed(self, api: Followed, asked: Sequence[date]) -> list[date]:
        """The stored days that the vendor has changed since they were listed, beside those that were asked for.

        What has not changed is noted as listed now, so that the next look need not go back further than this one.
        """
        before = {
            day: each.listed_at
            for day, each in self.stored.items()
            if day not in asked and not self.dataset.is_expired(day, self.now)
        }
        # Where it is not known when a day was listed, it is looked at by itself.
        changed = {day for day, listed_at in before.items() if listed_at is None}
        known = {day: listed_at for day, listed_at in before.items() if listed_at}
        tally, looked_at = Tally(), datetime.now(UTC)
        try:
            with in_our_words(f"{self.dataset.table}: what changed since it was stored"):
                changed |= set(api.changed_days(known, tally) if known else ())
                with self.warehouse.get_connection() as connection, transaction(connection):
                    # Once the vendor deletes a day, the listing before stands for what it had.
                    same = [day for day in before.keys() - changed if not self.dataset.begins_to_expire(day, looked_at)]
                    note_listed(connection, self.dataset, sorted(same), looked_at)
        except ContactAnalyticsError as error:
            self.unknown = ChangesUnknown(self.dataset.table, error)
            self.context.log.error(str(self.unknown))
            return []
        days = ", ".join(map(str, sorted(changed))) or "none"
        said = f"of {len(before)} days stored before, these may have changed ({tally.calls} calls): {days}"
        self.context.log.info(f"{self.dataset.table}: {said}")
        return sorted(changed)

    def deliver(self, day: date, to_come: Sequence[date], downloads: Executor) -> Delivery:
        """Bring a day's files into the archive, or take them from there where the vendor is not asked."""
        expired = self.dataset.is_expired(day, self.now)
        if self.api is None or expired:
            return from_archive(self.dataset, day, self.archived(self._archived(day)), expired=expired)
        stored, config = self.stored.get(day), self.config
        return self.api.deliver(
            Order(self.dataset, day, to_come, self._archived, stored, config.refetch, config.force, downloads)
        )

    def load(self, day: date, delivery: Delivery, stored: Extraction | None, progress: str) -> dg.AssetMaterialization:
        """Store a delivered day, unless it is stored with the same content already."""
        digest = self._digest(delivery.files)
        if stored and set(stored.file_names) <= {file.name for file in delivery.files}:
            delivery.listed_at = self.dataset.telling_listing(day, stored.listed_at, delivery.listed_at)
        if stored and stored.digest == digest and not self.config.force:
            return self._tried(progress, lambda _: self._confirm(day, delivery, digest))
        with closing(Staging(self.dataset, day)) as staging:
            started = monotonic()
            self._stage(day, delivery.files, staging, progress)
            delivery.seconds["decode"] = monotonic() - started
            return self._tried(progress, lambda sparing: self._replace(day, delivery, staging, digest, sparing))

    def hold_back(self, day: date, delivery: Delivery) -> None:
        """Note of a day's files that are not stored that they would have made it less."""
        stored = self.stored.get(day)
        news = {file.name for file in delivery.files} - set(stored.file_names if stored else ())
        self._archived(day).hold_back(news)

    def _archived(self, day: date) -> ArchivedDay:
        return self.archive.day(self.dataset.vendor, self.dataset.name, day)

    def _stage(self, day: date, files: list[ArchivedFile], staging: Staging, progress: str) -> None:
        archived = self._archived(day)
        parts = (
            (number, file, text)
            for number, file in enumerate(files, 1)
            for text in self.file_format.parts(archived.text(file))
        )
        said, records = monotonic(), Counter[int]()
        with ThreadPoolExecutor(_DECODES, "decode") as executor:
            decoded = ahead(executor, lambda part: self._decoded(part[-1]), parts, _DECODES)
            for (number, file, _), result in decoded:
                try:
                    part = result.result().after(records[number])
                except ContactAnalyticsError:
                    archived.read(file)  # That a file is not the one that was stored is the better reason.
                    raise
                records[number] += part.records
                staging.add(file.name, part)
                if monotonic() - said > _PROGRESS_SECONDS:
                    self.context.log.info(f"{progress}, file {number} of {len(files)}")
                    said = monotonic()
        self.context.log.info(f"{progress}, file {len(files)} of {len(files)}")

    def _decoded(self, text: bytes) -> Decoded:
        try:
            return self.file_format.decode(text)
        finally:
            # Arrow keeps for each thread what it has once used.
            pa.default_memory_pool().release_unused()

    def _tried(self, progress: str, store: Callable[[bool], dg.AssetMaterialization]) -> dg.AssetMaterialization:
        """Store a day: with little memory if that will do, after whoever was first, when the database is back."""
        sparing = True
        for number in range(1, _TRIES + 1):
            try:
                return store(sparing)
            except _WORTH_ANOTHER_TRY as error:
                is_away, is_late = isinstance(error, WarehouseUnavailable), is_lost_race(error)
                if number == _TRIES or not (is_away or is_late or sparing):
                    raise
                sparing = sparing and (is_away or is_late)
                how = "another program has changed the table, so " if is_late else ""
                how += "once more" if is_away or is_late else "once more with all memory"
                self.context.log.warning(f"{progress}: not stored, {how}: {str(error).partition(chr(10))[0]}")
                if is_away:
                    sleep(2**number)
        raise AssertionError

    def _confirm(self, day: date, delivery: Delivery, digest: str) -> dg.AssetMaterialization:
        """Note that a day is stored as the vendor has it."""
        with self.warehouse.get_connection() as connection:
            confirm(connection, self.dataset, day, delivery.listed_at)
            return self._materialization(connection, day, delivery, "unchanged", digest)

    def _replace(
        self, day: date, delivery: Delivery, staging: Staging, digest: str, sparing: bool
    ) -> dg.AssetMaterialization:
        """Put what is staged in the day's place."""
        started, run_id = monotonic(), self.context.run.run_id
        with self.warehouse.get_connection() as connection:
            with replacing(connection, self.dataset, day, run_id, sparing=sparing) as replacement:
                for frame in staging.frames():
                    replacement.insert(frame)
                delivery.seconds["load"] = delivery.seconds.get("load", 0.0) + monotonic() - started
                extraction = self._extraction(delivery, staging, digest, replacement.loaded_at)
                replacement.finish(extraction, staging.quarantine, force=self.config.force)
            return self._materialization(connection, day, delivery, extraction.state, digest)

    def _digest(self, files: list[ArchivedFile]) -> str:
        parts = [self.dataset.fingerprint, *sorted(f"{file.name} {file.sha256}" for file in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _extraction(self, delivery: Delivery, staging: Staging, digest: str, loaded_at: datetime) -> Extraction:
        return Extraction(
            state="loaded" if staging.rows or staging.quarantine else "empty",
            files=len(delivery.files),
            file_names=tuple(file.name for file in delivery.files),
            scopes=tuple(sorted({file.scope_start for file in delivery.files})),
            bytes=sum(file.bytes for file in delivery.files),
            rows=staging.rows,
            vendor_count=delivery.vendor_count,
            quarantined=len(staging.quarantine),
            unknown_fields=tuple({"field": name, "records": n} for name, n in sorted(staging.unknown.items())),
            digest=digest,
            schema_versions=tuple(sorted(staging.schema_versions)),
            first_event=staging.first_event,
            last_event=staging.last_event,
            calls=delivery.tally.calls,
            retries=delivery.tally.retries,
            seconds=delivery.seconds,
            listed_at=delivery.listed_at,
            loaded_at=loaded_at,
            run_id=self.context.run.run_id,
        )

    def _materialization(
        self, connection: duckdb.DuckDBPyConnection, day: date, delivery: Delivery, state: str, digest: str
    ) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            asset_key=self.dataset.key,
            partition=day.isoformat(),
            metadata=day_metadata(connection, self.dataset, day, delivery, state),
            tags={"dagster/data_version": digest},
        )
