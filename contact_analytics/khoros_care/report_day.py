"""A day of an export on its way into the archive, and which archived files make it up.

A file's name says when its export was submitted, what it holds and, if options other than the vendor's were asked for,
which: `2026-11-25T061004.123Z_created_1f0c9a2e.json`. Files of other options are other answers, and never mixed.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from time import monotonic
from typing import IO, TYPE_CHECKING

from contact_analytics.khoros_care.options import SETTING, ExportOptions, ReportFormat
from contact_analytics.khoros_care.report_format import form_of_report, report_format
from contact_analytics.lib.archive import ArchivedDay, ArchivedFile
from contact_analytics.lib.dataset import Dataset, Repeats
from contact_analytics.lib.delivery import Delivery, Order, all_of
from contact_analytics.lib.errors import RequestRejected
from contact_analytics.lib.exported_files import keep, moment_of, stamp

if TYPE_CHECKING:
    from contact_analytics.khoros_care.analytics_reports import AnalyticsReports
    from contact_analytics.lib.tenant_homes import Submitted

# What a day of conversations is made of, by the word in a file's name; every other export has one part.
CONVERSATIONS = {"created": "CREATED", "closed": "CLOSED", "open": "OPEN_AT_END"}
_WHOLE = "report"
_NAME = re.compile(
    rf"[^_]+_(?P<part>{'|'.join((*CONVERSATIONS, _WHOLE))})(?:_(?P<mark>[0-9a-f]{{8}}))?(?P<forced>_forced)?\.\w+"
)


class ReportDay:
    """One day's delivery: its exports, asked for anew, each archived if it differs from the one before."""

    def __init__(self, api: "AnalyticsReports", order: Order) -> None:
        self._api, self._order = api, order

    def deliver(self) -> Delivery:
        started, order, delivery = monotonic(), self._order, Delivery([])
        asked = list[datetime]()

        def fetch(part: str) -> None:
            params = [("conversationReportType", CONVERSATIONS[part])] if part in CONVERSATIONS else []
            kept = partial(self._keep, part, asked.append)
            self._api.export(order.day, params, kept, delivery.tally, order.takes)

        before = set(order.archived.files())
        all_of(order.downloads, fetch, parts_of(order.dataset, self._api.options))
        delivery.files = files_of(order.archived, order.dataset, self._api.options)
        delivery.downloaded = len(set(order.archived.files()) - before)
        delivery.listed_at = min(asked)
        delivery.seconds["download"] = monotonic() - started
        return delivery

    def _keep(
        self, part: str, note: Callable[[datetime], None], submitted: "Submitted", source: str, file: IO[bytes]
    ) -> None:
        order, options = self._order, self._api.options
        form = form_of_report(report_format(order.dataset.schema), file)
        mark = options.mark(order.dataset.name)
        is_forced = order.refetch and order.force
        words = [stamp(submitted.submitted_at), part, *([mark] if mark else []), *(["forced"] if is_forced else [])]
        newest = None if is_forced else _newest(order.archived, part, mark)
        is_text = form == ReportFormat.csv.value
        keep(order.archived, f"{'_'.join(words)}.{form}", source, order.day, file, newest, is_text=is_text)
        note(submitted.submitted_at)


def parts_of(dataset: Dataset, options: ExportOptions) -> Sequence[str]:
    """The exports that make up a day."""
    if dataset.name != "conversation":
        return [_WHOLE]
    return [part for part in CONVERSATIONS if part != "open" or options.open_at_end]


def files_of(archived: ArchivedDay, dataset: Dataset, options: ExportOptions) -> list[ArchivedFile]:
    """The archived files that make up a day, in the order in which they were asked for.

    Where rows have a key, a later answer stands for what it holds and takes nothing back, unless that was forced;
    elsewhere the newest answer is the day. What was open at the day's end comes first, whenever it was asked for: every
    other answer tells of later.
    """
    mark, found = options.mark(dataset.name), list[ArchivedFile]()
    # What was open at the day's end once stays a part of it, also where a later run does not ask for that.
    for part in (*CONVERSATIONS, _WHOLE):
        files = _files(archived, part, mark)
        begins = [place for place, file in enumerate(files) if _NAME.fullmatch(file.name)["forced"]]  # pyright: ignore[reportOptionalSubscript]
        found += files[begins[-1] if begins else 0 :] if dataset.repeats is Repeats.LATEST else files[-1:]
    return sorted(found, key=lambda file: (not _is_of_open(file), moment_of(file.name), file.name))


def _is_of_open(file: ArchivedFile) -> bool:
    return file.name.partition("_")[2].startswith("open")


def archived_day(dataset: Dataset, options: ExportOptions, archived: ArchivedDay) -> Delivery:
    """A day as the archive has it: of conversations only if each of its parts is there."""
    files = files_of(archived, dataset, options)
    missing = [part for part in parts_of(dataset, options) if not _newest(archived, part, options.mark(dataset.name))]
    others = [file.name for file in archived.files() if file not in files]
    if missing and others:
        raise RequestRejected(
            f"{dataset.table} {archived.folder.name}: the archive does not hold {' and '.join(missing)} of this day "
            f"with the options that are set; it has {', '.join(others)}.",
            "Set the options that those files were asked for with, in the launch's config or in "
            f"{SETTING}, or materialize with `source: vendor`.",
        )
    return Delivery([] if missing else files)


def _newest(archived: ArchivedDay, part: str, mark: str) -> ArchivedFile | None:
    return next(reversed(_files(archived, part, mark)), None)


def _files(archived: ArchivedDay, part: str, mark: str) -> list[ArchivedFile]:
    """The archived answers of one export with the same options, oldest first."""
    named = ((file, _NAME.fullmatch(file.name)) for file in archived.files())
    found = [
        file
        for file, name in named
        if name and name["part"] == part and (name["mark"] or "") == mark and not file.held_back
    ]
    return sorted(found, key=lambda file: moment_of(file.name))
