"""Daily extraction: how a run turns partitions into stored days, whatever the vendor.

For each day: list the vendor's files, download what the archive lacks (some days ahead of loading), decode, check the
rules, replace the day in the warehouse, and log its materialization at once. A day that fails is named at the end of
the run together with the others that failed; the days that worked are stored.
"""

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar

import dagster as dg
import duckdb
from pydantic import Field

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ArchiveResource, ListedFile
from contact_analytics.lib.checks import evaluate, newest_due_day
from contact_analytics.lib.dataset import Dataset, Decoded
from contact_analytics.lib.errors import (
    ContactAnalyticsError,
    DaysFailed,
    RequestRejected,
    RetentionExpired,
    UnexpectedProblem,
    WarehouseError,
)
from contact_analytics.lib.http import Tally
from contact_analytics.lib.materialization import day_metadata
from contact_analytics.lib.staging import Staging
from contact_analytics.lib.warehouse import (
    Extraction,
    WarehouseResource,
    confirm_day,
    extractions,
    record_attempt,
    replace_day,
)

DAYS_AHEAD = 2
DOWNLOADS = 4
_DECODES = 2
_PROGRESS_SECONDS = 2.0

A, B = TypeVar("A"), TypeVar("B")


class Source(str, Enum):
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


class DailyFiles(Protocol):
    """A vendor's API that offers files by day."""

    def list_day(self, dataset: Dataset, day: date, tally: Tally) -> list[ListedFile]: ...

    def download(self, file: ListedFile, archived: ArchivedDay, tally: Tally) -> ArchivedFile: ...


@dataclass
class Delivery:
    """The files of one day, all in the archive, and what it took to get them there."""

    files: list[ArchivedFile]
    tally: Tally = field(default_factory=Tally)
    downloaded: int = 0
    listed_at: datetime | None = None
    seconds: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Extractor:
    """One run's extraction of one dataset."""

    context: dg.AssetExecutionContext
    dataset: Dataset
    config: ExtractionConfig
    api: DailyFiles | None
    decode: Callable[[bytes], Decoded]
    archive: ArchiveResource
    warehouse: WarehouseResource
    now: datetime

    def deliver(self, day: date, downloads: Executor) -> Delivery:
        """Bring a day's files into the archive; those that are there already are not fetched again."""
        archived = self.archive.day(self.dataset.vendor, self.dataset.name, day)
        held = archived.files()
        if self.api is None or self.dataset.is_expired(day, self.now):
            if not held:
                raise self._nothing_left(day)
            return Delivery(held)
        delivery = Delivery(held)
        started = monotonic()
        listed = self.api.list_day(self.dataset, day, delivery.tally)
        delivery.listed_at = datetime.now(UTC)
        delivery.seconds["list"] = monotonic() - started
        missing = [file for file in listed if self.config.refetch or not archived.holds(file)]
        fetched = [downloads.submit(self.api.download, file, archived, delivery.tally) for file in missing]
        errors = [error for future in fetched if (error := future.exception())]
        delivery.downloaded = len(fetched) - len(errors)
        if errors:
            raise errors[0]
        delivery.files = archived.files()
        delivery.seconds["download"] = monotonic() - started - delivery.seconds["list"]
        return delivery

    def load(self, day: date, delivery: Delivery, stored: Extraction | None, progress: str) -> dg.AssetMaterialization:
        """Store a delivered day, unless it is stored with the same content already."""
        digest = self._digest(delivery.files)
        delivery.listed_at = self.dataset.telling_listing(day, stored and stored.listed_at, delivery.listed_at)
        if stored and stored.digest == digest and not self.config.force:
            with self.warehouse.get_connection() as connection:
                confirm_day(connection, self.dataset, day, delivery.listed_at)
                return self._materialization(connection, day, delivery, "unchanged")
        with tempfile.TemporaryDirectory(prefix="contact_analytics-") as folder:
            staging = Staging(self.dataset, Path(folder))
            started = monotonic()
            self._stage(day, delivery.files, staging, progress)
            delivery.seconds["decode"] = monotonic() - started
            started = monotonic()

            def summarize() -> tuple[Extraction, list[Any]]:
                delivery.seconds["load"] = monotonic() - started
                return self._extraction(delivery, staging, digest), staging.quarantine

            with self.warehouse.get_connection() as connection:
                extraction = replace_day(
                    connection,
                    self.dataset,
                    day,
                    staging.frames(),
                    summarize,
                    loaded_at=self.now,
                    run_id=self.context.run_id,
                    force=self.config.force,
                )
                return self._materialization(connection, day, delivery, extraction.state)

    def _stage(self, day: date, files: Sequence[ArchivedFile], staging: Staging, progress: str) -> None:
        archived = self.archive.day(self.dataset.vendor, self.dataset.name, day)
        said = monotonic()
        with ThreadPoolExecutor(_DECODES) as executor:
            decoded = ahead(executor, lambda file: self.decode(archived.read(file)), files, _DECODES)
            for number, (file, result) in enumerate(decoded, 1):
                staging.add(file.name, result.result())
                if monotonic() - said > _PROGRESS_SECONDS or number == len(files):
                    self.context.log.info(f"{progress}, file {number} of {len(files)}")
                    said = monotonic()

    def _extraction(self, delivery: Delivery, staging: Staging, digest: str) -> Extraction:
        return Extraction(
            state="loaded" if delivery.files else "empty",
            files=len(delivery.files),
            file_names=tuple(file.name for file in delivery.files),
            scopes=tuple(sorted({file.scope_start for file in delivery.files})),
            bytes=sum(file.bytes for file in delivery.files),
            rows=staging.rows,
            quarantined=len(staging.quarantine),
            unknown_fields=tuple({"field": name, "records": n} for name, n in sorted(staging.unknown.items())),
            digest=digest,
            schema_versions=tuple(sorted(staging.schema_versions)),
            first_event=staging.first_event,
            last_event=staging.last_event,
            calls=delivery.tally.calls,
            retries=delivery.tally.retries,
            seconds={"list": 0.0, "download": 0.0, **delivery.seconds},
            listed_at=delivery.listed_at,
            loaded_at=self.now,
            run_id=self.context.run_id,
        )

    def _materialization(
        self, connection: duckdb.DuckDBPyConnection, day: date, delivery: Delivery, state: str
    ) -> dg.AssetMaterialization:
        known = extractions(connection, self.dataset)
        return dg.AssetMaterialization(
            asset_key=self.dataset.key,
            partition=day.isoformat(),
            metadata=day_metadata(connection, self.dataset, day, known, state, delivery.downloaded, delivery.tally),
            tags={"dagster/data_version": known[day].digest or state},
        )

    def note_failure(self, day: date, error: ContactAnalyticsError) -> None:
        """Write down why a day failed; where the warehouse itself cannot be written, the log has it."""
        self.context.log.error(f"{day}: {error}", exc_info=error if isinstance(error, UnexpectedProblem) else None)
        state = "expired" if isinstance(error, RetentionExpired) else "failed"
        attempt = Extraction(state, problem=str(error), attempted_at=self.now, run_id=self.context.run_id)
        try:
            with self.warehouse.get_connection() as connection:
                record_attempt(connection, self.dataset, day, attempt)
        except (WarehouseError, duckdb.Error) as second:
            self.context.log.error(f"{self.dataset.table} {day}: its failure could not be recorded: {second}")

    def _digest(self, files: Iterable[ArchivedFile]) -> str:
        parts = [self.dataset.fingerprint(), *sorted(f"{file.name} {file.sha256}" for file in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _nothing_left(self, day: date) -> ContactAnalyticsError:
        what = f"{self.dataset.table} {day}"
        if not self.dataset.is_expired(day, self.now):
            return RequestRejected(
                f"{what}: the archive holds no file of this day, and `source: archive` asks for nothing else.",
                "Materialize it with `source: vendor` while the vendor has it.",
            )
        return RetentionExpired(
            f"{what}: past the vendor's retention of {self.dataset.retention.days} days, and the archive holds no "
            "file of it. Nothing was asked of the vendor, and what the table holds stays.",
            "The day cannot be extracted any more. If another copy of the files exists, put it in the archive's "
            "folder of that day with its manifest and materialize with `source: archive`.",
        )


def extract_days(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    config: ExtractionConfig,
    connect: Callable[[], AbstractContextManager[DailyFiles]],
    decode: Callable[[bytes], Decoded],
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    """The body of a daily asset: a materialization for each of the run's days as soon as it is stored.

    Raises `DaysFailed` at the end with the days that could not be stored, or the error itself if one day was asked.
    """
    days = [date.fromisoformat(key) for key in context.partition_keys]
    now = datetime.now(UTC)
    stored = warehouse.stored_days(dataset)
    failures: dict[str, ContactAnalyticsError] = {}
    with ExitStack() as stack:
        needs_vendor = config.source is Source.vendor and not all(dataset.is_expired(day, now) for day in days)
        api = stack.enter_context(connect()) if needs_vendor else None
        extractor = Extractor(context, dataset, config, api, decode, archive, warehouse, now)
        downloads = stack.enter_context(ThreadPoolExecutor(DOWNLOADS, "download"))
        lookahead = stack.enter_context(ThreadPoolExecutor(1, "deliver"))
        deliveries = ahead(lookahead, lambda day: extractor.deliver(day, downloads), days, DAYS_AHEAD)
        for number, (day, delivery) in enumerate(deliveries, 1):
            progress = f"{dataset.table} {day}: day {number} of {len(days)}"
            try:
                with in_our_words(f"{dataset.table} {day}"):
                    materialization = extractor.load(day, delivery.result(), stored.get(day), progress)
                yield materialization
            except ContactAnalyticsError as error:
                failures[day.isoformat()] = error
                extractor.note_failure(day, error)
        with warehouse.get_connection() as connection:
            yield from evaluate(connection, dataset)
        context.log_event(_freshness(context, dataset, now))
    if len(days) == 1 and failures:
        raise next(iter(failures.values()))
    if failures:
        raise DaysFailed(dataset.table, len(days), failures)


def _freshness(context: dg.AssetExecutionContext, dataset: Dataset, now: datetime) -> dg.AssetCheckEvaluation:
    """The freshness check as this run leaves it: its own step would wait for an output that daily assets do not have."""
    result = newest_due_day(context.instance, dataset, context.assets_def.partitions_def, now)
    return dg.AssetCheckEvaluation(
        asset_key=dataset.key,
        check_name="newest_due_day_is_in",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )


@contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Turn an error of a library, or of ours, into one that says which day it hit and that nothing was lost."""
    try:
        yield
    except ContactAnalyticsError:
        raise
    except duckdb.Error as error:
        raise WarehouseError(
            f"{what}: the warehouse refused the load: {error}.",
            "The day was rolled back and is as it was. Check free space and the warehouse's file, then try again.",
        ) from error
    except Exception as error:
        raise UnexpectedProblem(
            f"{what}: {type(error).__name__}: {error}.",
            "This is a defect of contact_analytics: please report it with the log. The day is as it was.",
        ) from error


def ahead(
    executor: Executor, work: Callable[[A], B], items: Iterable[A], depth: int
) -> Iterator[tuple[A, "Future[B]"]]:
    """Each item with its result, in order, while at most `depth` further ones are in the making."""
    waiting: deque[tuple[A, Future[B]]] = deque()
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) > depth:
                first, future = waiting.popleft()
                future.exception()
                yield first, future
        while waiting:
            first, future = waiting.popleft()
            future.exception()
            yield first, future
    finally:
        for _, future in waiting:
            future.cancel()

