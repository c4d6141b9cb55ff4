"""Each export becomes a table that holds exactly what the vendor says of each day."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from contact_analytics.khoros_care import catalog
from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import YESTERDAY, days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held, of_conversations

EXPORTS = [module.DATASET.name for module in catalog.DATASETS]
DAY, NEXT = days_ago(9), days_ago(8)
HOURLY: dict[str, dict[str, Any]] = {"team_performance_interval": {"interval": 3_600_000}}

# Some things are rare.
SCALES = {"response_approval": 0.7, "raw_expert_help": 0.7}


def assert_true(place: KhorosPlace, name: str, day: date) -> None:
    """The table holds of a day exactly what the sandbox says: every row, every column."""
    sent = of_conversations(place, day) if name == "conversation" else place.sent(name, day, **HOURLY.get(name, {}))
    assert sent
    assert held(place, name, day) == expected(name, sent)


def test_there_are_thirteen_exports() -> None:
    """As many as the vendor documents."""
    assert len(set(EXPORTS)) == 13


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("name", EXPORTS)
def test_each_day_equals_the_vendors(open_care: Open, name: str, form: str) -> None:
    """Every row with every column, whichever the form of the file; no rule of the vendor's is broken."""
    care = open_care(scale=SCALES.get(name, 0.1))
    run = care.materialize(name, DAY, NEXT, report_format=form)
    assert run.ok, run.problem
    for day in (DAY, NEXT):
        assert run.metadata(day)["state"] == "loaded"
        assert_true(care, name, day)
        assert not care.stored(name, day).unknown_fields
        assert care.stored(name, day).quarantined == 0
    assert care.app.violations == []
    failed = {name for name, check in run.checks.items() if not check.passed} - {"newest_due_day_is_in"}
    # The sandbox has a conversation with more actions than the vendor gives.
    assert failed <= {"no_history_is_truncated"}


@pytest.mark.parametrize("options", [{"csv_bom": True}, {"running_polls": 0}, {"status_shape": "object"}])
def test_the_vendors_moods_change_nothing(open_care: Open, options: dict[str, object]) -> None:
    """A byte order mark, an export that is done at once, and a status that is no list."""
    place = open_care(**options)
    assert place.materialize("response", DAY, report_format="csv").ok
    assert_true(place, "response", DAY)
    assert place.app.violations == []


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("name", ["conversation", "response"])
def test_a_day_without_rows_is_stored_as_empty(open_care: Open, name: str, form: str) -> None:
    """An empty list, or a header and nothing else, is what the vendor says of a quiet day."""
    place = open_care()
    place.app.faults.append(Fault(f"/{name}/", "no_rows", times=9))
    run = place.materialize(name, DAY, report_format=form)
    assert run.ok, run.problem
    assert run.metadata(DAY)["state"] == "empty"
    assert place.rows(name, DAY) == []


def test_rows_that_are_the_same_are_both_kept(open_care: Open) -> None:
    """Without a key of the vendor's, two rows that hold the same are two rows."""
    place = open_care()
    metrics = ["NETWORK"]
    assert place.materialize("conversation_actions", DAY, report_metrics=metrics).ok
    sent = place.sent("conversation_actions", DAY)
    networks = Counter(row["network"] for row in place.rows("conversation_actions", DAY))
    assert networks == Counter(row["NETWORK"] for row in sent)
    assert max(networks.values()) > 1
    assert len({row["row_id"] for row in place.rows("conversation_actions", DAY)}) == len(sent)


def test_a_window_is_the_utc_day_to_the_millisecond(care: KhorosPlace) -> None:
    """Both ends are included by the vendor, so that adjacent days share no moment."""
    assert care.materialize("author", DAY, NEXT).ok
    [first, second] = [each["params"] for each in care.app.submissions]
    start = int(first["startTime"][0])
    assert start % 86_400_000 == 0
    assert int(first["endTime"][0]) == start + 86_399_999
    assert int(second["startTime"][0]) == start + 86_400_000


def test_materializing_again_gives_the_vendors_newest_answer(open_care: Open) -> None:
    """What is unchanged is not loaded again, more rows replace fewer, and fewer are held back unless forced."""
    place = open_care()
    place.app.faults.append(Fault("/response/", "missing_column"))
    assert place.materialize("response", YESTERDAY).ok
    assert {row["conversation_id"] for row in place.rows("response", YESTERDAY)} == {None}
    later = place.materialize("response", YESTERDAY)
    assert later.metadata(YESTERDAY)["state"] == "loaded"
    assert all(row["conversation_id"] for row in place.rows("response", YESTERDAY))
    count = len(place.rows("response", YESTERDAY))
    assert place.materialize("response", YESTERDAY).metadata(YESTERDAY)["state"] == "unchanged"
    place.app.faults.append(Fault("/response/", "no_rows"))
    held_back = place.materialize("response", YESTERDAY)
    assert "held back" in held_back.problem
    assert len(place.rows("response", YESTERDAY)) == count
    place.app.faults.append(Fault("/response/", "no_rows"))
    assert place.materialize("response", YESTERDAY, force=True).ok
    assert place.rows("response", YESTERDAY) == []


def test_what_is_shown_of_a_day_masks_personal_data(care: KhorosPlace) -> None:
    """The UI's sample holds no e-mail address of an agent."""
    run = care.materialize("response", DAY)
    sample = repr(run.days[str(DAY)].metadata["sample"])
    addresses = {row["responding_agent_email"] for row in care.rows("response", DAY)}
    assert addresses
    assert "•••" in sample
    assert not any(address in sample for address in addresses)
