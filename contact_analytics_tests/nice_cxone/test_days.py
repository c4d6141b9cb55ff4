"""A day of NICE CXone's is a slice of an export of several, and is exact at both of its ends."""

import csv
import io
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.csv_text import read_csv
from contact_analytics.lib.delivery import Order
from contact_analytics.lib.tenant_homes import Submitted
from contact_analytics.nice_cxone import qm_workflows
from contact_analytics.nice_cxone.window import archived_day, store
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.nice_cxone import truth
from contact_analytics_tests.nice_cxone.conftest import OpenPlace
from contact_analytics_tests.nice_cxone.tampering import Tampered, with_file

NAME, DAY = "qm_workflows", days_ago(6)
ONE = timedelta(days=1)


def test_a_backfill_of_30_days_is_three_exports_of_at_most_14_days(open_place: OpenPlace) -> None:
    """Each day is exact, and none is asked for twice."""
    place = open_place(scale=0.05)
    days = truth.days(days_ago(40), 30)
    run = place.materialize(NAME, days[0], days[-1])
    assert run.ok, run.problem
    ends = [days[14], days[28], days[29] + ONE]
    assert truth.submitted(place) == list(zip(map(str, [days[0], days[14], days[28]]), map(str, ends), strict=True))
    truth.assert_true(place, NAME, *days)
    assert len(place.rows(NAME)) == sum(len(truth.rows(place, NAME, day)) for day in days)
    assert place.app.violations == []
    assert {run.metadata(day)["files_downloaded"] for day in days} == {1}


def test_an_export_may_be_asked_for_fewer_days(open_place: OpenPlace) -> None:
    """For a tenant whose days are so many rows that two weeks of them take too long."""
    place = open_place({"days_an_export": 2}, scale=0.05)
    days = truth.days(DAY, 5)
    assert place.materialize(NAME, days[0], days[-1]).ok
    assert [first for first, _ in truth.submitted(place)] == [str(days[0]), str(days[2]), str(days[4])]
    truth.assert_true(place, NAME, *days)


def order(place: CxonePlace, day: date, to_come: Sequence[date], downloads: ThreadPoolExecutor) -> Order:
    return Order(
        dataset=qm_workflows.DATASET,
        day=day,
        to_come=to_come,
        archive=lambda each: place.archived(NAME, each),
        stored=None,
        refetch=False,
        force=False,
        downloads=downloads,
    )


def test_days_that_do_not_follow_each_other_are_not_asked_for_together(place: CxonePlace) -> None:
    """An export has no gaps: what lies between was not asked for."""
    days = [days_ago(back) for back in (20, 19, 12, 11, 10, 2)]
    with truth.connected(place, NAME) as api, ThreadPoolExecutor(1) as pool:
        deliveries = [api.deliver(order(place, day, days[at + 1 :], pool)) for at, day in enumerate(days)]
    assert truth.submitted(place) == [
        (str(days_ago(20)), str(days_ago(18))),
        (str(days_ago(12)), str(days_ago(9))),
        (str(days_ago(2)), str(days_ago(1))),
    ]
    for day, delivery in zip(days, deliveries, strict=True):
        [file] = delivery.files
        read = read_csv(place.archived(NAME, day).read(file))
        assert read.frame.height == len(truth.rows(place, NAME, day))
    assert place.archive.days("nice_cxone", NAME) == days


def test_an_export_that_fails_fails_its_days_and_no_others(open_place: OpenPlace) -> None:
    """Days of the next export are stored, and the failed ones name the vendor's words each."""
    place = open_place({"days_an_export": 2}, scale=0.05)
    days = truth.days(DAY, 4)
    place.app.faults.append(Fault(f"/{days[0]}/", "cancelled"))
    run = place.materialize(NAME, days[0], days[-1])
    assert not run.ok
    assert "2 of 4 days failed, 2 are stored" in run.problem
    assert run.problem.count("CANCELLED") == 2
    assert list(truth.states(run)) == days[2:]
    truth.assert_true(place, NAME, *days[2:])
    assert {place.stored(NAME, day).state for day in days[:2]} == {"failed"}


def test_the_first_and_the_last_moment_of_a_day_are_in_it(open_place: OpenPlace) -> None:
    """00:00:00.000 and 23:59:59.999, alone and beside the days before and behind."""
    for number, days in enumerate(([DAY], truth.days(DAY - ONE, 3))):
        place = open_place(folder=str(number))
        assert place.materialize(NAME, days[0], days[-1]).ok
        submissions = [row["submission_date"] for row in place.rows(NAME, DAY) if row["submission_date"]]
        midnight = datetime.combine(DAY, time(), UTC)
        assert min(submissions) == midnight
        assert max(submissions) == midnight + ONE - timedelta(milliseconds=1)
        truth.assert_true(place, NAME, *days)


def dated(body: bytes, *dates: str) -> bytes:
    """A file with copies of its first row at the end, each submitted and begun at another time."""
    rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
    places = [rows[0].index(name) for name in ("Submission Date", "Start Date")]
    id = rows[0].index("Workflow ID")
    for number, text in enumerate(dates):
        copy = list(rows[1])
        for place in places:
            copy[place] = text
        copy[id] = f"added-{number}"
        rows.append(copy)
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def test_a_row_of_no_day_of_the_export_is_set_aside_with_the_reason(open_place: OpenPlace) -> None:
    """Before, behind and without a date that can be read: each is in quarantine, on the nearest day, and none is lost.

    A row of the day behind the range is that day's, and comes with it.
    """
    place = open_place()
    days = truth.days(DAY, 2)
    dates = (f"{DAY - ONE}T23:59:59.999Z", f"{DAY + 3 * ONE}T00:00:00Z", "", "soon", f"{DAY + 2 * ONE}T00:00:00Z")
    place.app = Tampered(tamper=with_file(lambda body: dated(body, *dates)))
    run = place.materialize(NAME, days[0], days[-1])
    assert run.ok, run.problem
    truth.assert_true(place, NAME, *days)
    found = [(each["partition_date"], each["reason"], "added-" in each["raw"]) for each in truth.quarantine(place)]
    elsewhere, missing = "its dated_at is on another day, which was not asked for", '"dated_at" is missing'
    assert sorted(found) == sorted(
        [
            (days[0], elsewhere, True),
            (days[1], elsewhere, True),
            (days[1], missing, True),
            (days[1], missing, True),
        ]
    )
    assert not run.checks["nothing_is_quarantined"].passed
    assert [run.metadata(day)["quarantined"] for day in days] == [1, 3]
    assert "soon" in str([each["raw"] for each in truth.quarantine(place)])


def test_a_time_with_an_offset_is_of_its_utc_day(open_place: OpenPlace) -> None:
    """Not of the day that its text begins with."""
    place = open_place()
    texts = (f"{DAY}T23:30:00-01:00", f"{DAY - ONE}T23:30:00-01:00", f"{DAY + ONE} 00:30:00 +0100")
    place.app = Tampered(tamper=with_file(lambda body: dated(body, *texts)))
    assert place.materialize(NAME, DAY).ok
    added = {row["workflow_id"]: row["dated_at"] for row in place.rows(NAME) if row["workflow_id"].startswith("added-")}
    midnight = datetime.combine(DAY, time(), UTC)
    assert added == {"added-1": midnight + ONE / 48, "added-2": midnight + ONE - ONE / 48}
    assert truth.quarantine(place) == []


HEADER = ["Workflow ID", "Submission Date", "User Review Comments", "Start Date"]
TEXT = st.text(st.sampled_from("a,\"\n\r é😀;'\t\u2028\ufeff"), max_size=8)
MOMENTS = st.integers(-2 * 86_400_000, 7 * 86_400_000) | st.sampled_from(
    [86_400_000 * at + off for at in range(-1, 6) for off in (-1, 0)]
)
SENT = st.lists(st.tuples(st.none() | MOMENTS, st.none() | MOMENTS, TEXT), max_size=12)


@given(SENT, st.integers(1, 4), st.integers(0, 3), st.integers(1, 4), st.sampled_from(["\r\n", "\n"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_splitting_by_day_never_loses_or_doubles_a_record(
    sent: list[tuple[int | None, int | None, str]], length: int, skipped: int, asked: int, end: str, quoted: bool
) -> None:
    """Every record of an export is in the file of one of the days that were asked for, or of another day's export.

    That is so for an export of more days than are asked for as well; texts come through to the letter.
    """
    first = days_ago(20)
    midnight = datetime.combine(first, time(), UTC)
    window = truth.days(first, length)
    days = window[min(skipped, length - 1) :][:asked]

    def text(moment: int | None) -> str:
        return "" if moment is None else f"{midnight + timedelta(milliseconds=moment):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

    rows = [
        [f"{at}", text(at_), comment if quoted else comment.replace("\r", ""), text(start)]
        for at, (at_, start, comment) in enumerate(sent)
    ]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(
        [HEADER, *rows]
    )
    expected: dict[date, list[Any]] = {day: [] for day in days}
    for row in rows:
        day = date.fromisoformat((row[1] or row[3])[:10]) if row[1] or row[3] else days[-1]
        if not first <= day <= window[-1] + ONE:
            day = days[0] if day < first else days[-1]
        expected.get(day, []).append(row)
    with tempfile.TemporaryDirectory() as folder:
        archive = ArchiveResource(root=folder)
        request = {"version": "4", "startDate": str(first), "endDate": str(window[-1] + ONE)}
        store(
            qm_workflows.ENTITY,
            Submitted(request, {}, 0.0),
            "https://storage.example/file.csv",
            io.BytesIO(out.getvalue().encode()),
            days,
            lambda day: archive.day("nice_cxone", NAME, day),
        )
        for day in days:
            archived = archive.day("nice_cxone", NAME, day)
            [file] = archived_day(archived).files
            read = read_csv(archived.read(file))
            assert (list(read.names), read.rejected) == (HEADER, [])
            assert [list(row) for row in read.frame.iter_rows()] == expected[day]
        assert Path(folder, "nice_cxone", NAME, str(first)).exists()
