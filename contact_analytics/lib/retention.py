"""The retention clock: what becomes of each day of each table, and how long a vendor still has it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import dataframely as dy

from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.extractions import Extraction
from contact_analytics.lib.schema import field, instant

WARN_DAYS, FAIL_DAYS = 7, 3
# Days at risk that the vendor begins to delete within this time are requested. Yesterday, of which a vendor that keeps
# thirty days has more left, is the schedule's.
REQUEST_DAYS = 28
# Of a vendor that publishes no retention, as many days are looked at.
_WINDOW_DAYS = 30

STORED, EARLY, IN_PART = "stored", "stored early", "stored in part"
ARCHIVED, NOT_DUE = "archived", "not due"
MISSING, FAILED, LOST = "missing", "failed", "lost"
STATES = {
    STORED: "the table has it",
    EARLY: "the table has it, but it was asked for before the vendor was due to be done with it, and can be again",
    IN_PART: "the table has a part: it was asked for too early, or when the vendor had begun to delete it",
    ARCHIVED: "the table lacks it, the archive has files of it: `source: archive` loads them",
    NOT_DUE: "the vendor is not due to be done with it",
    MISSING: "the table lacks it, and it was never tried",
    FAILED: "the table lacks it, and the last try failed",
    LOST: "the table lacks it, and the vendor has deleted it",
}
_AT_RISK = (EARLY, MISSING, FAILED)
_HOURS = 24


class RetentionClock(dy.Schema):
    """One row a daily table and day: what state it is in, and when the vendor begins to delete it."""

    dataset = field(dy.String, "Table that the day belongs to", key=True)
    partition_date = field(dy.Date, "The day", key=True)
    state = field(dy.String, "; ".join(f"{name}: {meaning}" for name, meaning in STATES.items()), required=True)
    deleted_from = instant("When the vendor begins to delete the day; null where it publishes no retention")
    days_left = field(dy.Float64, "Until then, at the last look; negative while the day is being deleted", unit="d")
    is_at_risk = field(dy.Bool, "Whether the vendor's deletion would lose something", required=True)
    problem = field(dy.String, "Why the last attempt failed or was held back; null when it worked")
    told_at = instant("When the webhook was told that the day is in danger; null if it was not")


@dataclass(frozen=True)
class Day:
    """One day of one table, a row of the clock."""

    dataset: Dataset
    day: date
    state: str
    days_left: float | None
    problem: str | None

    @property
    def deleted_from(self) -> datetime | None:
        retention = self.dataset.retention
        return self.dataset.start(self.day) + retention if retention is not None else None

    @property
    def deleted_from_in_words(self) -> str:
        return f"{self.deleted_from:%Y-%m-%d %H:%M} UTC" if self.deleted_from else "not published"

    @property
    def is_at_risk(self) -> bool:
        return self.state in _AT_RISK and self.dataset.retention is not None

    def is_endangered(self, days: float) -> bool:
        """Whether something of it is lost unless it is materialized within so many days."""
        return self.is_at_risk and self.days_left is not None and self.days_left <= days

    def row(self, told_at: datetime | None) -> dict[str, object]:
        """The day as a row of the table."""
        return {
            "dataset": self.dataset.table,
            "partition_date": self.day,
            "state": self.state,
            "deleted_from": self.deleted_from,
            "days_left": self.days_left,
            "is_at_risk": self.is_at_risk,
            "problem": self.problem,
            "told_at": told_at,
        }


def clock(
    dataset: Dataset,
    known: Mapping[date, Extraction],
    archived: Collection[date],
    first: date,
    now: datetime,
    shown: Collection[date] = (),
) -> Iterator[Day]:
    """The days of a table, oldest first: from the first that is known, or that the vendor has, up to yesterday.

    `first` is the first partition, `shown` are days that the clock had before: it forgets none. Known are those that
    are stored, and those that were tried while the vendor had them; before the first of all these, nothing was begun.
    """
    window = dataset.retention or timedelta(days=_WINDOW_DAYS)
    has_from = (now.astimezone(UTC) - window).date()
    tried = (day for day, each in known.items() if each.is_stored or each.state == "failed")
    day = max(first, min([has_from, *tried, *shown]))
    while dataset.end(day) <= now:
        stored = known.get(day)
        deleted_from = dataset.start(day) + dataset.retention if dataset.retention is not None else None
        left = round((deleted_from - now) / timedelta(days=1), 3) if deleted_from else None
        problem = stored.problem if stored else None
        yield Day(dataset, day, _state(dataset, day, stored, day in archived, now), left, problem)
        day += timedelta(days=1)


def _state(dataset: Dataset, day: date, stored: Extraction | None, is_archived: bool, now: datetime) -> str:
    if stored and stored.is_stored:
        return _state_of_stored(dataset, day, stored, now)
    if dataset.is_expired(day, now):
        return ARCHIVED if is_archived else LOST
    if stored:
        return FAILED
    return MISSING if dataset.is_due(day, now) else NOT_DUE


def _state_of_stored(dataset: Dataset, day: date, stored: Extraction, now: datetime) -> str:
    if stored.listed_at is None:
        return STORED
    if not dataset.is_due(day, stored.listed_at):
        if dataset.is_expired(day, now):
            return IN_PART
        return EARLY if dataset.is_due(day, now) else STORED
    # Where there is a file of each hour, none was deleted yet.
    is_too_late = dataset.begins_to_expire(day, stored.listed_at) and len(stored.scopes) < _HOURS
    return IN_PART if is_too_late else STORED


def endangered(days: Iterable[Day], within: float) -> list[Day]:
    """The days of which something is lost unless they are materialized within so many days, the first to go first."""
    return sorted((day for day in days if day.is_endangered(within)), key=first_to_go)


def first_to_go(day: Day) -> tuple[float, str]:
    """What puts days at risk into the order in which their vendors begin to delete them."""
    return day.days_left or 0, day.dataset.table


def stretches(days: Sequence[date], longest: int) -> list[tuple[date, date]]:
    """Days, in order, as ranges without a gap, none longer than so many days."""
    found = list[tuple[date, date]]()
    begun = 0
    for place, (one, other) in enumerate(pairwise([*days, None]), 1):
        assert one
        if other != one + timedelta(days=1) or place - begun == longest:
            found.append((days[begun], one))
            begun = place
    return found
