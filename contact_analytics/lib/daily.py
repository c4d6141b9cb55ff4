"""Daily extraction: how a run turns partitions into stored days, whatever the vendor.

For each day: list the vendor's files, download what the archive lacks (some days ahead of loading), decode, check the
rules, replace the day in the warehouse, and log its materialization at once. A day that fails is named at the end of
the run together with the others that failed; the days that worked are stored.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from time import monotonic

import dagster as dg
import duckdb
from pydantic import Field

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ArchiveResource
from contact_analytics.lib.checks import evaluate, newest_due_day
from contact_analytics.lib.dataset import Dataset, Decoded
from contact_analytics.lib.delivery import DailySource, Delivery, Followed, Order, ahead, from_archive
from contact_analytics.lib.errors import (
    ContactAnalyticsError,
    DaysFailed,
    RetentionExpired,
    UnexpectedProblem,
    WarehouseError,
)
from contact_analytics.lib.extractions import Extraction, confirm, note_problem
from contact_analytics.lib.http import Tally
from contact_analytics.lib.materialization import day_metadata
from contact_analytics.lib.staging import Staging
from contact_analytics.lib.warehouse import WarehouseResource, replacing, transaction

_DAYS_AHEAD = 2
_DOWNLOADS = 4
_DECODES = 2
_PROGRESS_SECONDS = 2.0


class Source(Enum):
    """Where a day's files come from."""

    vendor = "vendor"
    archive = "archive"


class ExtractionConfig(dg.Config):
    """What to do differently this once."""

    refetch: bool = Field(default=False, description="Download the day's files again, archived ones included.")
    source: Source = Field(
        default=Source.vendor, description="`archive` rebuilds the day from archived files and asks the vendor nothing."
    )
    force: bool = Field(
        default=False, description="Load the day even if nothing changed, and even if it leaves fewer files or rows."
    )
    follow: bool = Field(
        default=False, description="Also refresh the stored days that the vendor has changed since, where it tells."
    )


def extract_days(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    config: ExtractionConfig,
    connect: Callable[[], AbstractContextManager[DailySource]],
    decode: Callable[[bytes], Decoded],
    archive: ArchiveResource,
    warehouse: WarehouseResource,
    files_of: Callable[[ArchivedDay], list[ArchivedFile]] = ArchivedDay.files,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    """The body of a daily asset: a materialization for each of the run's days as soon as it is stored.

    `files_of` says which archived files make up a day where the vendor is not asked. Raises `DaysFailed` at the end
    with the days that could not be stored, or the error itself if one day was asked.
    """
    now = datetime.now(UTC)
    days = [date.fromisoformat(key) for key in context.partition_keys]
    done = _done_before(context, dataset)
    left = [day for day in days if day not in done]
    with in_our_words(dataset.table):
        stored = warehouse.prepare(dataset)
    with ExitStack() as stack:
        needs_vendor = config.source is Source.vendor and not all(dataset.is_expired(day, now) for day in left)
        api = stack.enter_context(connect()) if needs_vendor else None
        extractor = Extractor(context, dataset, config, api, decode, archive, warehouse, files_of, stored, now)
        pools = _pool(stack, 1, "deliver"), _pool(stack, _DOWNLOADS, "download")
        yield from extractor.load_all(left, *pools, len(done))
        if config.follow and isinstance(api, Followed):
            yield from extractor.load_all(extractor.changed(api, days), *pools)
    failures = extractor.failures
    yield from _checked(context, dataset, warehouse, now, failures)
    if len(days) == 1 and list(failures) == [str(days[0])]:
        raise next(iter(failures.values()))
    if failures:
        raise DaysFailed(dataset.table, extractor.tried, failures)


def _pool(stack: ExitStack, threads: int, name: str) -> ThreadPoolExecutor:
    """Threads that do not begin anything more once the run is on its way out."""
    pool = ThreadPoolExecutor(threads, name)
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool


def _done_before(context: dg.AssetExecutionContext, dataset: Dataset) -> set[date]:
    """The days that an earlier try of this step has stored: a retry is for those that failed."""
    if not context.retry_number:
        return set()
    asked = dg.AssetRecordsFilter(asset_key=dataset.key, asset_partitions=list(context.partition_keys))
    found = context.instance.fetch_materializations(asked, limit=1000).records
    return {date.fromisoformat(record.partition_key or "") for record in found if record.run_id == context.run.run_id}


def _checked(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    warehouse: WarehouseResource,
    now: datetime,
    failures: Mapping[str, ContactAnalyticsError],
) -> Iterator[dg.AssetCheckResult]:
    """Every check's result, the freshness check's included: its own step would wait for an output that no day makes."""
    partitions = context.assets_def.partitions_def
    assert partitions
    result = newest_due_day(context.instance, dataset, partitions, now)
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dataset.key,
        check_name="newest_due_day_is_in",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )
    # Before the others: Dagster takes in what was logged when the next result comes.
    context.log_event(evaluation)  # pyright: ignore[reportArgumentType] - any event of a step is taken
    try:
        with in_our_words(f"The checks of {dataset.table}"), warehouse.get_connection() as connection:
            results = evaluate(connection, dataset)
    except WarehouseError as error:
        if not failures:
            raise
        context.log.error(str(error))
    else:
        yield from results


@contextmanager
def in_our_words(what: str) -> Generator[None]:
    """Turn an error of a library, or of ours, into one that says which day it hit and that nothing was lost."""
    try:
        yield
    except ContactAnalyticsError:
        raise
    except duckdb.Error as error:
        raise WarehouseError(
            f"{what}: the warehouse refused it: {error}.",
            "It was rolled back and all is as it was. Check free space and the warehouse's file, then try again.",
        ) from error
    except Exception as error:
        raise UnexpectedProblem(
            f"{what}: {type(error).__name__}: {error}.",
            "This is a defect of contact_analytics: please report it with the log. What is stored is as it was.",
        ) from error


@dataclass
class Extractor:
    """One run's extraction of one dataset."""

    context: dg.AssetExecutionContext
    dataset: Dataset
    config: ExtractionConfig
    api: DailySource | None
    decode: Callable[[bytes], Decoded]
    archive: ArchiveResource
    warehouse: WarehouseResource
    files_of: Callable[[ArchivedDay], list[ArchivedFile]]
    stored: Mapping[date, Extraction]
    now: datetime
    failures: dict[str, ContactAnalyticsError] = field(default_factory=dict[str, ContactAnalyticsError])
    tried: int = 0

    def load_all(
        self, days: Sequence[date], lookahead: Executor, downloads: Executor, before: int = 0
    ) -> Iterator[dg.AssetMaterialization]:
        """Store days one by one while the next ones are delivered; those that fail are noted in `failures`."""
        self.tried += before + len(days)
        deliveries = ahead(lookahead, lambda day: self.deliver(day, downloads), days, _DAYS_AHEAD)
        for number, (day, delivery) in enumerate(deliveries, before + 1):
            progress = f"{self.dataset.table} {day}: day {number} of {before + len(days)}"
            try:
                with in_our_words(f"{self.dataset.table} {day}"):
                    materialization = self.load(day, delivery.result(), self.stored.get(day), progress)
                yield materialization
            except ContactAnalyticsError as error:
                self.failures[day.isoformat()] = error
                self.note_failure(day, error)

    def changed(self, api: Followed, asked: Sequence[date]) -> list[date]:
        """The stored days that the vendor has changed since they were listed, beside those that were asked for.

        What has not changed is noted as listed now, so that the next look need not go back further than this one.
        """
        known = {
            day: each.listed_at
            for day, each in self.stored.items()
            if each.listed_at and day not in asked and not self.dataset.is_expired(day, self.now)
        }
        if not known:
            return []
        looked_at = datetime.now(UTC)
        try:
            with in_our_words(f"{self.dataset.table}: what changed since it was stored"):
                changed = api.changed_days(known, Tally())
        except ContactAnalyticsError as error:
            self.failures["days stored before"] = error
            self.context.log.error(f"{self.dataset.table}: what changed since it was stored is not known: {error}")
            return []
        with self.warehouse.get_connection() as connection, transaction(connection):
            for day in known.keys() - set(changed):
                confirm(connection, self.dataset, day, looked_at)
        days = ", ".join(map(str, changed)) or "none"
        self.context.log.info(f"{self.dataset.table}: of {len(known)} days stored before, these have changed: {days}")
        return changed

    def deliver(self, day: date, downloads: Executor) -> Delivery:
        """Bring a day's files into the archive, or take them from there where the vendor is not asked."""
        expired, archived = self.dataset.is_expired(day, self.now), self._archived(day)
        if self.api is None or expired:
            return from_archive(self.dataset, day, self.files_of(archived), expired=expired)
        order = Order(self.dataset, day, archived, self.stored.get(day), self.config.refetch, downloads)
        return self.api.deliver(order)

    def load(self, day: date, delivery: Delivery, stored: Extraction | None, progress: str) -> dg.AssetMaterialization:
        """Store a delivered day, unless it is stored with the same content already."""
        digest = self._digest(delivery.files)
        if stored and set(stored.file_names) <= {file.name for file in delivery.files}:
            delivery.listed_at = self.dataset.telling_listing(day, stored.listed_at, delivery.listed_at)
        if stored and stored.digest == digest and not self.config.force:
            with self.warehouse.get_connection() as connection:
                confirm(connection, self.dataset, day, delivery.listed_at)
                return self._materialization(connection, day, delivery, "unchanged", digest)
        with closing(Staging(self.dataset, day)) as staging:
            started = monotonic()
            self._stage(day, delivery.files, staging, progress)
            delivery.seconds["decode"] = monotonic() - started
            started = monotonic()
            with self.warehouse.get_connection() as connection:
                with replacing(connection, self.dataset, day, self.context.run.run_id) as replacement:
                    for frame in staging.frames():
                        replacement.insert(frame)
                    delivery.seconds["load"] = monotonic() - started
                    extraction = self._extraction(delivery, staging, digest, replacement.loaded_at)
                    replacement.finish(extraction, staging.quarantine, force=self.config.force)
                return self._materialization(connection, day, delivery, extraction.state, digest)

    def note_failure(self, day: date, error: ContactAnalyticsError) -> None:
        """Write down why a day failed; where the warehouse itself cannot be written, the log has it."""
        self.context.log.error(f"{day}: {error}", exc_info=error if isinstance(error, UnexpectedProblem) else None)
        state = "expired" if isinstance(error, RetentionExpired) else "failed"
        try:
            with self.warehouse.get_connection() as connection, transaction(connection):
                note_problem(connection, self.dataset, day, error, state, datetime.now(UTC), self.context.run.run_id)
        except (WarehouseError, duckdb.Error) as second:
            self.context.log.error(f"{self.dataset.table} {day}: its failure could not be recorded: {second}")

    def _archived(self, day: date) -> ArchivedDay:
        return self.archive.day(self.dataset.vendor, self.dataset.name, day)

    def _stage(self, day: date, files: list[ArchivedFile], staging: Staging, progress: str) -> None:
        archived = self._archived(day)
        said = monotonic()
        with ThreadPoolExecutor(_DECODES, "decode") as executor:
            decoded = ahead(executor, lambda file: self.decode(archived.read(file)), files, _DECODES)
            for number, (file, result) in enumerate(decoded, 1):
                staging.add(file.name, result.result())
                if monotonic() - said > _PROGRESS_SECONDS or number == len(files):
                    self.context.log.info(f"{progress}, file {number} of {len(files)}")
                    said = monotonic()

    def _digest(self, files: list[ArchivedFile]) -> str:
        parts = [self.dataset.fingerprint(), *sorted(f"{file.name} {file.sha256}" for file in files)]
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
