"""The hourly files of LivePerson's Data Access: which exist, and their bytes, from a seed."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from contact_analytics.liveperson import agent_activity, engagement, survey, web_session
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.sandbox import liveperson_records as records
from contact_analytics.sandbox import liveperson_visits as visits
from contact_analytics.sandbox.liveperson_brand import HOUR, Brand
from contact_analytics.sandbox.liveperson_records import Row, Session

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Dataset:
    """One of the four: its name here, its path and its files' prefix at the vendor, its format and its sessions."""

    name: str
    path: str
    prefix: str
    format: FileFormat
    sessions: Callable[[Brand, int, range], Iterator[Session]]


DATASETS = (
    Dataset("agent_activity", "agentActivity", "Agent", agent_activity.FORMAT, records.agent_activity),
    Dataset("engagement", "engagement", "Engagement", engagement.FORMAT, records.engagement),
    Dataset("survey", "survey", "Survey", survey.FORMAT, records.survey),
    Dataset("web_session", "webSession", "WebSession", web_session.FORMAT, visits.web_session),
)


@dataclass(frozen=True)
class HourFile:
    """A part of an hour: what a list says of it, and the numbers of the sessions in it.

    `name` lacks `.gz` in some lists of agent activity; `href_name` is what its link ends in.
    """

    dataset: Dataset
    name: str
    href_name: str
    hour: int
    numbers: range

    @property
    def scope_start(self) -> datetime:
        return _EPOCH + timedelta(hours=self.hour)

    @property
    def scope_end(self) -> datetime:
        return _EPOCH + timedelta(hours=self.hour + 1)


class HourFiles:
    """The files of an account: listing decides by the seed alone, content is made when asked for and kept a while."""

    def __init__(self, brand: Brand) -> None:
        self.brand = brand
        self.of_hour = lru_cache(maxsize=8192)(self._of_hour)
        self.content = lru_cache(maxsize=512)(self._content)

    def _of_hour(self, dataset: Dataset, hour: int) -> tuple[HourFile, ...]:
        chance = self.brand.chance("names", dataset.name, hour)
        files: list[HourFile] = []
        for part, numbers in enumerate(self.brand.parts(dataset.name, hour)):
            stem = f"{dataset.prefix}.{hour * HOUR}.{(hour + 1) * HOUR}.part-{part:05d}-0"
            bare = dataset.name == "agent_activity" and chance.random() < 0.3
            rare = bare and chance.random() < 0.1
            files.append(
                HourFile(
                    dataset,
                    name=stem if bare else stem + ".gz",
                    href_name=stem if rare else stem + ".gz",
                    hour=hour,
                    numbers=numbers,
                )
            )
        return tuple(files)

    def of_day(self, dataset: Dataset, day: date) -> list[HourFile]:
        """The files whose scope starts on a UTC day."""
        first = (day - _EPOCH.date()).days * 24
        return [file for hour in range(first, first + 24) for file in self.of_hour(dataset, hour)]

    def rows(self, file: HourFile) -> Iterator[Row]:
        """What a correct extraction of the file holds, in the columns of its table."""
        for session, rows in file.dataset.sessions(self.brand, file.hour, file.numbers):
            yield from ({**session, **row} for row in rows) if rows else (session,)

    def _content(self, file: HourFile) -> bytes:
        """The file's bytes, always the same ones: containers in either encoding, blank lines now and then."""
        chance = self.brand.chance("content", file.dataset.name, file.hour, file.numbers.start)
        production, gap = chance.random() < 0.6, b"\n\n" if chance.random() < 0.1 else b"\n"
        write = file.dataset.format.write
        sessions = file.dataset.sessions(self.brand, file.hour, file.numbers)
        lines = [write(session, *rows, production=production) for session, rows in sessions]
        return gzip.compress(gap.join(lines) + b"\n", compresslevel=4, mtime=0)
