"""What can go wrong, as one tree. Each error says what was asked, what came back, and what to do.

ContactAnalyticsError               a `dagster.Failure`: the UI shows it whole
├── ConfigurationError              a setting is missing or cannot work
├── RequestRejected                 the API refuses: asking again gives the same answer
│   └── CredentialsRejected
├── UnexpectedAnswer                an answer in a shape that the API does not document
├── ApiUnavailable                  the API is down, busy or silent: worth another try
│   ├── RequestTimedOut             no answer in time: a narrower request may get one
│   ├── DownloadIncomplete          a body was cut short each time it was fetched
│   ├── AnswerIncomplete            an answer was partial, or its pages did not add up, each time it was asked for
│   ├── ThrottledOrForbidden        403 each time, which this vendor says to callers that are too quick, too
│   ├── ExportFailed                the vendor's export ended without a file, each time it was submitted
│   ├── ExportTimedOut              the vendor's export did not end in time
│   └── TenantBusy                  another process is at an export of the tenant, and the vendor takes one at a time
├── ExportCancelled                 the vendor's export was cancelled: somebody there does not want it
├── RetentionExpired                the vendor has deleted the day and the archive does not hold it
├── FileUnreadable                  an archived file is damaged
├── WarehouseError                  the warehouse cannot be opened or written
│   ├── WarehouseBusy               another process holds it: worth another try
│   ├── WarehouseUnavailable        the lake's database does not answer: worth another try
│   ├── PublicationFailed           the copy for readers was not replaced; what was loaded is stored
│   └── SchemaConflict              a stored column cannot take the schema's type
├── DayHeldBack                     a re-load would leave a stored day with less than it has
├── SnapshotHeldBack                a list lacks most of the entries that it had
├── InputsMissing                   a report's day lacks a table that it is made from
├── UnexpectedProblem               a defect of ours, met while a day was loaded
├── ChangesUnknown                  the days asked for are stored; which ones stored before have changed is not known
└── DaysFailed                      some days of a run failed; the others are stored
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb
from sqlalchemy.exc import SQLAlchemyError


class ContactAnalyticsError(dg.Failure):
    """Base of all errors: a sentence for what happened, one for what to do, and the facts as metadata."""

    retryable = False

    def __init__(self, happened: str, remedy: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.happened, self.remedy = happened, remedy
        super().__init__(f"{happened} {remedy}", metadata=metadata, allow_retries=self.retryable)

    def __str__(self) -> str:
        return f"{self.happened} {self.remedy}"


class ConfigurationError(ContactAnalyticsError):
    """A setting is missing or cannot work."""


class RequestRejected(ContactAnalyticsError):
    """The API refuses the request: 4xx other than 408 and 429."""


class CredentialsRejected(RequestRejected):
    """401 or 403."""


class UnexpectedAnswer(ContactAnalyticsError):
    """An answer in a shape that the API does not document, such as a web page with status 200."""


class ApiUnavailable(ContactAnalyticsError):
    """429, 5xx, a timeout or a broken connection that outlasted the retries."""

    retryable = True


class RequestTimedOut(ApiUnavailable):
    """No answer in time, or 408 or 504: a narrower request may get one."""


class DownloadIncomplete(ApiUnavailable):
    """A body was cut short each time it was fetched."""


class AnswerIncomplete(ApiUnavailable):
    """An answer was partial, or its pages did not add up, each time it was asked for."""


class ThrottledOrForbidden(ApiUnavailable):
    """403 each time: this vendor says so to who asks too often, and to who has no permission."""


class ExportFailed(ApiUnavailable):
    """A vendor's export ended without a file each time it was submitted."""


class ExportCancelled(ContactAnalyticsError):
    """A vendor's export was cancelled: another one would be, too."""


class ExportTimedOut(ApiUnavailable):
    """A vendor's export did not end in time; it is taken up by the next run if it has ended by then."""


class TenantBusy(ApiUnavailable):
    """Another process is at an export of the tenant, and the vendor takes one at a time."""


class RetentionExpired(ContactAnalyticsError):
    """The vendor has deleted the day and the archive does not hold it; nothing was asked."""


class FileUnreadable(ContactAnalyticsError):
    """An archived file is damaged: its digest or its gzip members are wrong."""


class WarehouseError(ContactAnalyticsError):
    """The warehouse cannot be opened or written."""


class WarehouseBusy(WarehouseError):
    """Another process holds the warehouse longer than we wait."""

    retryable = True


class WarehouseUnavailable(WarehouseError):
    """The database of a lake does not answer, or went away."""

    retryable = True


class SchemaConflict(WarehouseError):
    """A stored column has a type that the schema's cannot widen."""


class DayHeldBack(ContactAnalyticsError):
    """A re-load would leave a stored day with fewer files or rows than it has."""


class SnapshotHeldBack(ContactAnalyticsError):
    """A vendor's list lacks most of the entries that are current, unsaid, or a rebuilt history would hold less."""


class InputsMissing(ContactAnalyticsError):
    """A day of a report cannot be made: tables that it is made from do not have the day."""

    def __init__(self, report: str, day: object, missing: Sequence[str]) -> None:
        super().__init__(
            f"{report} {day}: not stored yet: {', '.join(missing)}. Nothing was changed.",
            "Materialize these, and the report follows by itself. If the company does not have such a table, name it "
            "in CONTACT_ANALYTICS_UNUSED_TABLES: reports are then made without it.",
        )


class UnexpectedProblem(ContactAnalyticsError):
    """A defect of ours, met while a day was loaded; the day is as it was."""


class ChangesUnknown(ContactAnalyticsError):
    """The days that were asked for are stored; which of those stored before have changed is not known."""

    def __init__(self, table: str, cause: ContactAnalyticsError) -> None:
        self.retryable = cause.retryable
        super().__init__(
            f"{table}: the days that were asked for are stored, but it could not be told which of those stored before "
            f"have changed. {cause.happened}",
            f"What is stored stays; the next run that follows looks again. {cause.remedy}",
        )


class DaysFailed(ContactAnalyticsError):
    """Some days of a run failed. The others are stored and marked as materialized."""

    def __init__(
        self,
        table: str,
        asked: int,
        failures: Mapping[str, ContactAnalyticsError],
        unknown: ChangesUnknown | None = None,
    ) -> None:
        self.failures = dict(failures)
        self.retryable = any(error.retryable for error in (*failures.values(), *([unknown] if unknown else [])))
        lines = [f"{day}: {error}" for day, error in failures.items()]
        super().__init__(
            f"{table}: {len(failures)} of {asked} days failed, {asked - len(failures)} are stored.\n"
            + "\n".join([*lines, *([unknown.happened] if unknown else [])])
            + "\n",
            "Materialize the failed days again when their cause is gone; the stored ones stay as they are.",
            metadata={"failed_days": dg.MetadataValue.json(list(failures)), "reasons": _as_table(lines)},
        )


def _as_table(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))


def is_of_dagsters_storage(error: BaseException) -> bool:
    """Whether Dagster's own database is what failed: an event, a line of the log, or a question to it."""
    # The second is raised by a package that a single machine does not need.
    return isinstance(error, SQLAlchemyError) or type(error).__name__ == "DagsterPostgresException"


@contextmanager
def in_our_words(what: str) -> Generator[None]:
    """Turn an error of a library, or of ours, into one that says which day it hit and that nothing was lost.

    One of Dagster's storage stays what it is: nothing is known of the day.
    """
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
        if is_of_dagsters_storage(error):
            raise  # No defect, and worth another try.
        raise UnexpectedProblem(
            f"{what}: {type(error).__name__}: {error}.",
            "This is a defect of contact_analytics: please report it with the log. What is stored is as it was.",
        ) from error
