"""An answer that was held back stays out of every later rebuild, and one that hangs costs a run one deadline."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import dagster as dg
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace, KhorosPlace
from contact_analytics_tests.fakes import Place, days_ago

DAY, NEXT, LAST = days_ago(9), days_ago(8), days_ago(7)
STORAGES = {"response": "khoros-storage", "qm_workflows": "/nice-storage"}


def short(name: str, times: int = 1) -> Fault:
    """The vendor's next files of a table hold no row."""
    return Fault(STORAGES[name], "no_rows", times=times)


@pytest.fixture(params=["response", "qm_workflows"])
def name(request: pytest.FixtureRequest) -> str:
    """A table of each vendor."""
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path, name: str) -> Iterator[Place]:
    """A place with the vendor that has the table."""
    with dg.DagsterInstance.ephemeral() as instance:
        if name == "response":
            yield KhorosPlace(tmp_path, instance)
        else:
            yield CxonePlace(tmp_path, instance)


def test_a_rebuild_takes_the_answer_that_was_stored(place: Place, name: str) -> None:
    """The vendor's empty answer lies in the archive as the newest one; it is not what the day is."""
    assert place.materialize(name, DAY).ok
    rows = len(place.rows(name, DAY))
    assert rows
    place.app.faults.append(short(name))
    held = place.materialize(name, DAY)
    assert not held.ok
    assert "held back" in held.problem
    assert not held.checks["reloads_never_shrink_a_day"].passed
    (place.folder / "warehouse.duckdb").unlink()
    rebuilt = place.materialize(name, DAY, source="archive")
    assert rebuilt.ok
    assert rebuilt.requests == []
    assert len(place.rows(name, DAY)) == rows


def test_what_was_held_back_is_taken_when_it_is_forced(place: Place, name: str) -> None:
    """Whoever looked and decided asks again, and the smaller day is the day."""
    assert place.materialize(name, DAY).ok
    place.app.faults.append(short(name, times=2))
    assert not place.materialize(name, DAY).ok
    assert place.materialize(name, DAY, force=True).ok
    assert place.rows(name, DAY) == []
    assert place.stored(name, DAY).state == "empty"
    assert place.materialize(name, DAY, source="archive", force=True).ok
    assert place.rows(name, DAY) == []


def test_an_export_that_hangs_costs_a_run_one_deadline(place: Place, name: str) -> None:
    """All its days are red with the vendor's word, and the ones that are stored stay."""
    assert place.materialize(name, DAY).ok
    rows = place.rows(name, DAY)
    kind: Any = place
    kind.fields |= {"deadline_minutes": 0.02, "poll_seconds": 0.05}
    path = "/reports/report/response" if name == "response" else "qm-workflows"
    place.app.faults.append(Fault(path, "hangs", times=9))
    started = monotonic()
    run = place.materialize(name, DAY, LAST)
    assert not run.ok
    assert monotonic() - started < 12
    assert all(str(day) in run.problem for day in (DAY, NEXT, LAST))
    assert "the vendor still says RUNNING" in run.problem
    assert len(kind.app.submissions) == 2
    assert place.rows(name, DAY) == rows
    assert place.stored(name, NEXT).state == "failed"


def test_a_smaller_limit_of_days_is_found_out(tmp_path: Path) -> None:
    """A tenant that refuses two weeks is asked for one, and no day is lost."""
    with dg.DagsterInstance.ephemeral() as instance:
        place = CxonePlace(tmp_path, instance, NiceCxone(scale=0.05, interval=0, max_days=3))
        first = days_ago(16)
        run = place.materialize("qm_workflows", first, days_ago(5))
        assert run.ok, run.problem
        assert len(run.days) == 12
        spans = {(each["startDate"], each["endDate"]) for each in place.app.submissions}
        assert len(spans) == 4
        # What was refused asked for too much, and is all that was.
        assert all("days" in violation or "range" in violation for violation in place.app.violations)


@pytest.mark.parametrize(
    "body", [b'{"status":"FAIL","request":null,"message":null,"result":"Too many"}', b"Not ready."]
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_error_in_place_of_a_report_is_no_report(tmp_path: Path, body: bytes, form: str) -> None:
    """Neither a row of it nor an empty day, and the archive does not keep it."""

    class Talking(KhorosCare):
        """A vendor whose storage answers with words."""

        def answer(self, request: Any) -> Any:
            answer = super().answer(request)
            if request.url.path.startswith("/khoros-storage"):
                answer = type(answer)(200, content=body)
            return answer

    with dg.DagsterInstance.ephemeral() as instance:
        place = KhorosPlace(tmp_path, instance, Talking(scale=0.1, calls_per_minute=100_000))
        run = place.materialize("author", DAY, report_format=form)
        assert not run.ok
        assert place.stored("author", DAY).state == "failed"
        assert place.archived("author", DAY).files() == []
