"""A day's files on their way from the vendor into the archive."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic
from typing import Protocol, TypeVar, runtime_checkable

from contact_analytics.lib.archive import ArchivedDay, ArchivedFile, ListedFile
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.errors import ContactAnalyticsError, RequestRejected, RetentionExpired
from contact_analytics.lib.extractions import Extraction
from contact_analytics.lib.http import Tally

A = TypeVar("A")
B = TypeVar("B")


@dataclass
class Delivery:
    """The files that make up one day, all in the archive, and what it took to get them there.

    `listed_at` is when the vendor said what the day holds; `vendor_count` how many rows that is, where it says so.
    """

    files: list[ArchivedFile]
    tally: Tally = field(default_factory=Tally)
    downloaded: int = 0
    listed_at: datetime | None = None
    vendor_count: int | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {"list": 0.0, "download": 0.0})


@dataclass(frozen=True)
class Order:
    """A day that is to be delivered: into which archive, what is stored of it, whether to fetch all of it again, and
    whether what is stored may be given up for it.

    `to_come` are the days that the run is to deliver after it, in its order: a vendor may give several in one answer.
    """

    dataset: Dataset
    day: date
    to_come: Sequence[date]
    archive: Callable[[date], ArchivedDay]
    stored: Extraction | None
    refetch: bool
    force: bool
    downloads: Executor

    @property
    def archived(self) -> ArchivedDay:
        return self.archive(self.day)

    def takes(self, asked_at: datetime) -> bool:
        """Whether an answer that an earlier run asked for at a time is as good as a new one."""
        is_due = self.dataset.is_due
        return not self.refetch and (is_due(self.day, asked_at) or not is_due(self.day, datetime.now(UTC)))


class DailySource(Protocol):
    """A vendor's API that delivers days: it brings what the archive lacks and says which files make up the day."""

    def deliver(self, order: Order) -> Delivery: ...


@runtime_checkable
class Stoppable(Protocol):
    """A vendor's API that may wait for long."""

    def stop(self) -> None:
        """Wait for nothing any more: the run is on its way out."""
        ...


@runtime_checkable
class Followed(Protocol):
    """A vendor's API whose days go on changing, and that tells which have."""

    def changed_days(self, stored: Mapping[date, datetime], tally: Tally) -> list[date]:
        """Which of the stored days have changed since the times at which they were last listed."""
        ...


class FileApi(Protocol):
    """A vendor's API that lists a day's files and lets them be downloaded."""

    def list_day(self, dataset: Dataset, day: date, tally: Tally) -> list[ListedFile]: ...

    def download(self, file: ListedFile, archived: ArchivedDay, tally: Tally) -> ArchivedFile: ...


def archived_files(archived: ArchivedDay) -> Delivery:
    """A day that is all of its archived files."""
    return Delivery(archived.files())


def from_archive(dataset: Dataset, day: date, delivery: Delivery, *, expired: bool) -> Delivery:
    """A day as the archive has it, if it has; nothing is asked of the vendor."""
    if delivery.files:
        return delivery
    raise _nothing_left(dataset, day, expired=expired)


def listed_files(api: FileApi, order: Order) -> Delivery:
    """A day as the vendor lists it now; files that the archive holds are not fetched again, unless `refetch`."""
    delivery, archived = Delivery([]), order.archived
    started = monotonic()
    listed = api.list_day(order.dataset, order.day, delivery.tally)
    delivery.listed_at = datetime.now(UTC)
    delivery.seconds["list"] = monotonic() - started
    missing = [file for file in listed if order.refetch or not archived.holds(file)]
    delivery.downloaded = len(
        all_of(order.downloads, lambda file: api.download(file, archived, delivery.tally), missing)
    )
    delivery.files = archived.files()
    delivery.seconds["download"] = monotonic() - started - delivery.seconds["list"]
    return delivery


def all_of(executor: Executor, work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The result of each item. All are tried, as each is worth having, until one is refused for good.

    Then the first error is raised.
    """
    futures = [executor.submit(work, item) for item in items]
    errors: list[BaseException] = []
    for future in futures:
        if not future.cancelled() and (error := future.exception()):
            errors.append(error)
            if isinstance(error, RequestRejected):
                for other in futures:
                    other.cancel()
    if errors:
        raise errors[0]
    return [future.result() for future in futures]


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
            f"{what}: the archive does not hold this day, and `source: archive` asks for nothing else.",
            "Materialize it with `source: vendor` while the vendor has it.",
        )
    assert dataset.retention
    return RetentionExpired(
        f"{what}: past the vendor's retention of {dataset.retention.days} days, and the archive does not hold it. "
        "Nothing was asked of the vendor, and what the table holds stays.",
        "The day cannot be extracted any more. If another copy of the files exists, put it in the archive's folder of "
        "that day with its manifest and materialize with `source: archive`.",
    )
