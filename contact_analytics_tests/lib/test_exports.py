"""An export ends in a file or in the vendor's words, in bounded time, and is submitted no more often than needed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from contact_analytics.lib.errors import (
    ExportCancelled,
    ExportFailed,
    ExportTimedOut,
    RequestRejected,
    UnexpectedAnswer,
)
from contact_analytics.lib.exports import Export, Exports, LinkDead, Polling, State, Status
from contact_analytics.lib.tenant import Pace, Stopped, Tenant, stopped_by
from contact_analytics.lib.tenant_homes import Submitted

RUNNING, DONE = Status(State.RUNNING, "RUNNING"), Status(State.DONE, "SUCCEEDED", "link")
FAILED, GONE = Status(State.FAILED, "FAILED: too much"), Status(State.GONE, "unknown")
DEADLINE = 1800.0


@dataclass
class Vendor:
    """A vendor that answers with given statuses in turn, the last one for ever; it notes what it was asked."""

    folder: Path
    statuses: Sequence[Status | Exception] = (RUNNING, DONE)
    dead_links: int = 0
    one_at_a_time: bool = False
    now: float = 0.0
    submitted: int = 0
    looks: list[str] = field(default_factory=list[str])
    fetched: list[str] = field(default_factory=list[str])
    spoil: Callable[[], None] | None = None

    def wait(self, seconds: float) -> None:
        self.now += seconds

    @property
    def tenant(self) -> Tenant:
        return Tenant(str(self.folder), "vendor", "acme", Pace(1, 0), lambda: self.now, self.wait)

    def export(self, what: str = "one") -> Export[str]:
        def submit() -> Mapping[str, str]:
            self.submitted += 1
            return {"jobId": f"job {self.submitted}"}

        def status(submitted: Submitted) -> Status:
            self.looks.append(submitted.ticket["jobId"])
            found = self.statuses[min(len(self.looks), len(self.statuses)) - 1]
            if isinstance(found, Exception):
                raise found
            return found

        def fetch(submitted: Submitted, link: str) -> str:
            self.fetched.append(link)
            if len(self.fetched) <= self.dead_links:
                raise LinkDead("its link was answered 403")
            if self.spoil:
                self.spoil()
            return submitted.ticket["jobId"]

        request = {"what": what}
        return Export(what, request, lambda other: other.request == request, submit, status, fetch)

    def fetch(self, what: str = "one") -> str:
        polling = Polling(10, 1.5, 60, DEADLINE)
        return Exports(self.tenant, polling, one_at_a_time=self.one_at_a_time).fetch(self.export(what))


def test_an_export_is_polled_and_fetched_at_once(tmp_path: Path) -> None:
    """Waits grow to a minute; what was fetched is forgotten."""
    vendor = Vendor(tmp_path, [RUNNING] * 6 + [DONE])
    assert vendor.fetch() == "job 1"
    assert vendor.now == 10 + 15 + 22.5 + 33.75 + 50.625 + 60 + 60
    assert vendor.tenant.submitted() == []


@pytest.mark.parametrize("bad", [FAILED, GONE])
def test_what_ends_badly_is_submitted_again(tmp_path: Path, bad: Status) -> None:
    """It may be the vendor's bad moment."""
    vendor = Vendor(tmp_path, [bad, RUNNING, bad, DONE])
    assert vendor.fetch() == "job 3"


def test_what_ends_badly_each_time_ends_with_the_vendors_words(tmp_path: Path) -> None:
    """Never as an empty file, and never without end."""
    vendor = Vendor(tmp_path, [FAILED])
    with pytest.raises(ExportFailed, match=r"submitted 3 times: FAILED: too much\."):
        vendor.fetch()
    assert vendor.submitted == 3
    assert vendor.tenant.submitted() == []


def test_what_the_vendor_calls_off_is_not_submitted_again(tmp_path: Path) -> None:
    """Somebody cancelled it: another one would be, too."""
    vendor = Vendor(tmp_path, [Status(State.REFUSED, "CANCELLED")])
    with pytest.raises(ExportCancelled, match="the export was cancelled: CANCELLED") as raised:
        vendor.fetch()
    assert vendor.submitted == 1
    assert not raised.value.allow_retries


def test_an_export_that_never_ends_is_given_up_at_its_deadline(tmp_path: Path) -> None:
    """The error names it; the next run looks once more, and takes it if it has ended."""
    vendor = Vendor(tmp_path, [RUNNING])
    with pytest.raises(ExportTimedOut, match=r"30 minutes, the vendor still says RUNNING \(jobId job 1"):
        vendor.fetch()
    assert DEADLINE - 60 <= vendor.now <= DEADLINE
    vendor.statuses = [*[RUNNING] * len(vendor.looks), DONE]
    assert vendor.fetch() == "job 1"
    assert vendor.submitted == 1


def test_an_export_that_hangs_costs_one_deadline_only(tmp_path: Path) -> None:
    """The next run does not wait for it again."""
    vendor = Vendor(tmp_path, [RUNNING])
    with pytest.raises(ExportTimedOut):
        vendor.fetch()
    vendor.now, before = DEADLINE + 120, len(vendor.looks)
    vendor.statuses = [*[RUNNING] * (before + 1), DONE]
    assert vendor.fetch() == "job 2"
    assert vendor.looks[before:] == ["job 1", "job 2"]


def test_a_dead_link_is_asked_for_anew(tmp_path: Path) -> None:
    """The same export gives another one."""
    vendor = Vendor(tmp_path, [DONE], dead_links=2)
    assert vendor.fetch() == "job 1"
    assert vendor.submitted == 1


def test_links_that_are_always_dead_end_it(tmp_path: Path) -> None:
    """Three links each of three exports, then the words for it."""
    vendor = Vendor(tmp_path, [DONE], dead_links=99)
    with pytest.raises(ExportFailed, match="SUCCEEDED, but its link was answered 403"):
        vendor.fetch()
    assert (vendor.submitted, len(vendor.fetched)) == (3, 9)


def test_an_export_of_a_run_that_died_is_taken_up(tmp_path: Path) -> None:
    """It was noted before anything was waited for."""
    vendor = Vendor(tmp_path)
    vendor.tenant.note({"what": "one"}, vendor.export().submit())
    vendor.now += 300
    assert vendor.fetch() == "job 1"
    assert vendor.submitted == 1


def test_an_export_of_something_else_is_not_taken_up(tmp_path: Path) -> None:
    """Only what holds what is asked for."""
    vendor = Vendor(tmp_path)
    vendor.tenant.note({"what": "other"}, vendor.export().submit())
    assert vendor.fetch() == "job 2"
    assert [each.request for each in vendor.tenant.submitted()] == [{"what": "other"}]


def test_an_old_export_is_not_taken_up(tmp_path: Path) -> None:
    """It holds what the vendor had too long ago."""
    vendor = Vendor(tmp_path)
    vendor.tenant.note({"what": "one"}, vendor.export().submit())
    vendor.now += 4 * DEADLINE + 1
    assert vendor.fetch() == "job 2"
    assert "job 1" not in vendor.looks
    assert vendor.tenant.submitted() == []


def test_one_that_nobody_waits_for_is_waited_for(tmp_path: Path) -> None:
    """Where the vendor takes one at a time, another one before its end would be refused."""
    vendor = Vendor(tmp_path, [RUNNING, RUNNING, DONE, RUNNING, DONE], one_at_a_time=True)
    vendor.tenant.note({"what": "other"}, vendor.export().submit())
    assert vendor.fetch() == "job 2"
    assert vendor.looks == ["job 1"] * 3 + ["job 2"] * 2
    # Its file is still to be had.
    assert len(vendor.tenant.submitted()) == 1


def test_a_file_that_cannot_be_used_is_not_taken_up_again(tmp_path: Path) -> None:
    """The next run asks for another one; one that did not arrive whole is worth another try."""

    def spoil() -> None:
        raise UnexpectedAnswer("It has no columns.", "Look.")

    vendor = Vendor(tmp_path, [DONE], spoil=spoil)
    with pytest.raises(UnexpectedAnswer):
        vendor.fetch()
    assert vendor.tenant.submitted() == []


REFUSED = RequestRejected("The status is refused.", "Look.")


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("left", ["one", "other"])
def test_one_that_the_vendor_will_not_tell_of_stops_nobody(tmp_path: Path, left: str, *, one_at_a_time: bool) -> None:
    """Whatever an earlier run has left behind, this one submits its own."""
    vendor = Vendor(tmp_path, [REFUSED, DONE], one_at_a_time=one_at_a_time)
    vendor.tenant.note({"what": left}, vendor.export().submit())
    if left == "other" and not one_at_a_time:
        vendor.statuses = [DONE]
    assert vendor.fetch() == "job 2"


def test_an_export_whose_status_is_refused_is_not_taken_up(tmp_path: Path) -> None:
    """The run that submitted it says what was refused, the next one submits another."""
    vendor = Vendor(tmp_path, [REFUSED, DONE])
    with pytest.raises(RequestRejected):
        vendor.fetch()
    assert vendor.fetch() == "job 2"


def test_an_export_that_a_wrong_clock_noted_is_not_taken_up(tmp_path: Path) -> None:
    """Nothing waits for a time that never comes."""
    vendor = Vendor(tmp_path, one_at_a_time=True)
    vendor.now += 86_400
    vendor.tenant.note({"what": "other"}, vendor.export().submit())
    vendor.now -= 86_400
    assert vendor.fetch() == "job 2"
    assert vendor.tenant.submitted() == []


def test_a_wait_ends_with_the_run(tmp_path: Path) -> None:
    """Terminated in the UI, a run does not go on asking until the vendor is done."""
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        stopped_by(stop)(3600)
    busy, waiting = Vendor(tmp_path).tenant, Tenant(str(tmp_path), "vendor", "acme", Pace(1, 0), wait=stopped_by(stop))
    with busy.alone(1), pytest.raises(Stopped), waiting.alone(3600):
        pass
