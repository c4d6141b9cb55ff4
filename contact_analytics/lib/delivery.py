"""A day's files on their way from the vendor into the archive."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic
from typing import Protocol, TypeVar

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ListedFile
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.errors import ContactAnalyticsError, RequestRejected, RetentionExpired
from contact_analytics.lib.http import Tally

A = TypeVar("A")
B = TypeVar("B")


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
    seconds: dict[str, float] = field(default_factory=lambda: {"list": 0.0, "download": 0.0})


def from_archive(dataset: Dataset, day: date, archived: ArchivedDay, *, expired: bool) -> Delivery:
    """A day as the archive has it; nothing is asked of the vendor."""
    files = archived.files()
    if files:
        return Delivery(files)
    raise _nothing_left(dataset, day, expired=expired)


def from_vendor(
    api: DailyFiles, dataset: Dataset, day: date, archived: ArchivedDay, downloads: Executor, *, refetch: bool
) -> Delivery:
    """A day as the vendor lists it now; files that the archive holds are not fetched again, unless `refetch`."""
    delivery = Delivery([])
    started = monotonic()
    listed = api.list_day(dataset, day, delivery.tally)
    delivery.listed_at = datetime.now(UTC)
    delivery.seconds["list"] = monotonic() - started
    missing = [file for file in listed if refetch or not archived.holds(file)]
    fetched = [downloads.submit(api.download, file, archived, delivery.tally) for file in missing]
    errors = [error for future in fetched if (error := future.exception())]
    if errors:
        raise errors[0]
    delivery.downloaded = len(fetched)
    delivery.files = archived.files()
    delivery.seconds["download"] = monotonic() - started - delivery.seconds["list"]
    return delivery


def ahead(executor: Executor, work: Callable[[A], B], items: Iterable[A], depth: int) -> Iterator[tuple[A, Future[B]]]:
    """Each item with its result, in order, while at most `depth` further ones are in the making."""
    waiting: deque[tuple[A, Future[B]]] = deque()
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) > depth:
                yield _first_done(waiting)
        while waiting:
            yield _first_done(waiting)
    finally:
        for _, future in waiting:
            future.cancel()


def _first_done(waiting: deque[tuple[A, Future[B]]]) -> tuple[A, Future[B]]:
    item, future = waiting.popleft()
    future.exception()
    return item, future


def _nothing_left(dataset: Dataset, day: date, *, expired: bool) -> ContactAnalyticsError:
    what = f"{dataset.table} {day}"
    if not expired:
        return RequestRejected(
            f"{what}: the archive holds no file of this day, and `source: archive` asks for nothing else.",
            "Materialize it with `source: vendor` while the vendor has it.",
        )
    return RetentionExpired(
        f"{what}: past the vendor's retention of {dataset.retention.days} days, and the archive holds no file of it. "
        "Nothing was asked of the vendor, and what the table holds stays.",
        "The day cannot be extracted any more. If another copy of the files exists, put it in the archive's folder of "
        "that day with its manifest and materialize with `source: archive`.",
    )
