"""Daily extraction: how a run turns partitions into stored days, whatever the vendor.

For each day: list the vendor's files, download what the archive lacks (some days ahead of loading), decode, check the
rules, replace the day in the warehouse, and log its materialization at once. A day that fails is named at the end of
the run together with the others that failed; the days that worked are stored.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, date, datetime

import dagster as dg

from contact_analytics.lib.archive import ArchivedDay, ArchiveResource
from contact_analytics.lib.checks import evaluate
from contact_analytics.lib.config import ExtractionConfig, Source
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.delivery import DailySource, Delivery, Followed, Stoppable, archived_files
from contact_analytics.lib.errors import ContactAnalyticsError, DaysFailed, in_our_words
from contact_analytics.lib.extractor import Extractor
from contact_analytics.lib.formats import Format
from contact_analytics.lib.freshness import newest_due_day
from contact_analytics.lib.materialization import done_before
from contact_analytics.lib.warehouse import WarehouseResource

_DOWNLOADS = 4


def extract_days(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    config: ExtractionConfig,
    connect: Callable[[], AbstractContextManager[DailySource]],
    file_format: Format,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
    archived: Callable[[ArchivedDay], Delivery] = archived_files,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    """The body of a daily asset: a materialization for each of the run's days as soon as it is stored.

    `archived` gives a day as the archive has it, where the vendor is not asked. Raises `DaysFailed` at the end with the
    days that could not be stored, or the error itself if one day was asked; `ChangesUnknown` if all were stored but
    following failed.
    """
    now = datetime.now(UTC)
    days = [date.fromisoformat(key) for key in context.partition_keys]
    done = done_before(context, dataset.key)
    left = [day for day in days if day not in done]
    with in_our_words(dataset.table):
        stored = warehouse.prepare(dataset)
    with ExitStack() as stack:
        # A retry may have no day left to load, and still has to follow.
        has_work = config.follow or not all(dataset.is_expired(day, now) for day in left)
        needs_vendor = config.source is Source.vendor and has_work
        api = stack.enter_context(connect()) if needs_vendor else None
        extractor = Extractor(context, dataset, config, api, file_format, archive, warehouse, archived, stored, now)
        pools = _pool(stack, 1, "deliver"), _pool(stack, _DOWNLOADS, "download")
        if isinstance(api, Stoppable):
            stack.callback(api.stop)
        yield from extractor.load_all(left, *pools, len(done))
        if config.follow and isinstance(api, Followed):
            yield from extractor.load_all(extractor.changed(api, days), *pools)
    failures = extractor.failures
    yield from _checked(context, dataset, archive, warehouse, failures)
    if len(days) == 1 and list(failures) == [str(days[0])] and not extractor.unknown:
        raise next(iter(failures.values()))
    if failures:
        raise DaysFailed(dataset.table, extractor.tried, failures, extractor.unknown)
    if extractor.unknown:
        raise extractor.unknown


def _pool(stack: ExitStack, threads: int, name: str) -> ThreadPoolExecutor:
    """Threads that do not begin anything more once the run is on its way out."""
    pool = ThreadPoolExecutor(threads, name)
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool


def _checked(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
    failures: Mapping[str, ContactAnalyticsError],
) -> Iterator[dg.AssetCheckResult]:
    """Every check's result, the freshness check's included: its own step would wait for an output that no day makes."""
    partitions = context.assets_def.partitions_def
    assert partitions
    # By the time now: a run that began before the deadline may end after it.
    result = newest_due_day(context.instance, dataset, partitions, datetime.now(UTC))
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dataset.key,
        check_name=result.check_name or "",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )
    # Before the others: Dagster takes in what was logged when the next result comes.
    context.log_event(evaluation)  # pyright: ignore[reportArgumentType] - any event of a step is taken
    try:
        with in_our_words(f"The checks of {dataset.table}"), warehouse.reading() as connection:
            results = evaluate(connection, dataset, archive)
    except ContactAnalyticsError as error:
        if not failures:
            raise
        context.log.error(str(error))
    else:
        yield from results
