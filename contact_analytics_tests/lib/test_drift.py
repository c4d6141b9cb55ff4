"""What the vendor sends otherwise than before is named, with an example that gives no value away."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl
import pytest

from contact_analytics.lib.dataset import Reasons
from contact_analytics.lib.drift import DRIFT_CHECKS, shape
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.schema import columns_of, field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource, replacing
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import Materialized, Place, dataset_of, days_ago

DAY = days_ago(5)


class Order(dy.Schema):
    """One row an order."""

    id = field(dy.String, "Order", key=True)
    channel = field(dy.String, "Where it was placed")
    coupon = field(dy.String, "Coupon")
    placed_at = instant("When it was placed")
    lines = many(record({"item": field(dy.String, "Item")}), "Lines")
    total = field(dy.Int64, "Sum of its lines", derived=True)


ORDERS = dataset_of("order", Order)
FIRST = date(2026, 3, 1)
Row = Mapping[str, Any]
USUAL: Row = {"channel": "web", "lines": [{"item": "shoe"}], "total": 3}


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseResource:
    found = WarehouseResource(database=str(tmp_path / "w.duckdb"))
    found.prepare(ORDERS)
    return found


def store(
    warehouse: WarehouseResource, number: int, rows: Sequence[Row], unknown: dict[str, int] | None = None
) -> None:
    """Store rows as the day that is so many after the first."""
    types = {name: column.dtype for name, column in columns_of(Order).items()}
    filled = [{"id": str(place), "_source_file": "f.gz", **row} for place, row in enumerate(rows)]
    frame = pl.DataFrame(filled, schema=types | {"_extra": pl.String, "_source_file": pl.String})
    fields = tuple({"field": name, "records": n} for name, n in (unknown or {}).items())
    day = FIRST + timedelta(days=number)
    with warehouse.get_connection() as connection, replacing(connection, ORDERS, day, "run") as replacement:
        replacement.insert(frame)
        replacement.finish(Extraction("loaded", rows=len(rows), unknown_fields=fields), [])


def found(warehouse: WarehouseResource, name: str) -> Reasons:
    """What a check finds, by the number of the day."""
    [check] = [check for check in DRIFT_CHECKS if check.name == name]
    with warehouse.get_connection() as connection:
        reasons = check.failing(connection, ORDERS, extractions(connection, ORDERS))
    return {(day - FIRST).days: reason for day, reason in reasons.items()}


def reason_of(run: Materialized, check: str) -> str:
    """The one reason of a check that warns."""
    result = run.checks[check]
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    table = result.metadata["newest_failing_days"]
    assert isinstance(table, dg.TableMetadataValue)
    [row] = table.records
    assert row.data["day"] == str(DAY)
    return str(row.data["reason"])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Ann O'Neil-42", '"xxx x\'xxxx-99"'),
        ("ann.o@example.com", '"xxx.x@xxxxxxx.xxx"'),
        (1234.5, "9999.9"),
        (True, "xxxx"),
        (None, "xxxx"),
        ({"id": 7}, '{"xx": 9}'),
        ("Zoë €5 ½\n\u0935\u093e", '"xxx x9 9\\xxx"'),
        ("a" * 38, f'"{"x" * 38}"'),
        ("a" * 39, f'"{"x" * 38}…'),
        ("1" * 400, f'"{"9" * 38}…'),
    ],
)
def test_a_shape_shows_how_a_value_is_written_and_not_what_it_is(value: Any, written: str) -> None:
    """Values may be personal: letters, digits and signs of other scripts are all masked, and it is short."""
    assert shape(value) == written
    assert len(shape(value)) <= 40


def test_a_new_field_has_an_example(place: Place) -> None:
    """How often it came, and its shape."""
    file = place.app.files("survey", DAY)[0]
    place.app.faults.append(Fault(file.href_name, "drifted_field", value={"mood": {"string": "sunny-7"}}))
    reason = reason_of(place.materialize("survey", DAY), "no_unknown_fields")
    records = [row for row in place.rows("survey") if row["_source_file"] == file.name]
    assert reason.startswith("`")
    assert f'mood` in {len(records)} records, such as {{"xxxxxx": "xxxxx-9"}}' in reason
    assert "sunny" not in reason


def test_a_field_of_a_lists_items_has_an_example(warehouse: WarehouseResource) -> None:
    """It is kept by its place in the list, which is another one in each row."""
    extras = [{"lines[0].size": 38}, {"lines[12].colour": "red"}, {"colour": "blue", "lines[3].size": 41}]
    unknown = {"colour": 1, "lines[].colour": 1, "lines[].size": 2, "envelope.version": 1}
    store(warehouse, 0, [{"_extra": json.dumps(extra)} for extra in extras], unknown)
    [reason] = found(warehouse, "no_unknown_fields").values()
    assert '`colour` in 1 records, such as "xxxx"; `lines[].colour` in 1 records, such as "xxx"' in reason
    assert "`lines[].size` in 2 records, such as 99" in reason
    assert reason.endswith("`envelope.version` in 1 records")


def test_a_field_by_an_odd_name_has_an_example(warehouse: WarehouseResource) -> None:
    """Names are the vendor's, and may hold anything."""
    names = ['a "quoted" name', "größe", "back\\slash", "per%cent_", "x[]"]
    store(
        warehouse,
        0,
        [{"_extra": json.dumps({name.replace("[]", "[4]"): 5})} for name in names],
        dict.fromkeys(names, 1),
    )
    [reason] = found(warehouse, "no_unknown_fields").values()
    assert reason == "; ".join(f"`{name}` in 1 records, such as 9" for name in names)


def test_examples_are_looked_for_in_the_newest_days_only(warehouse: WarehouseResource) -> None:
    """However many days have a field that nobody has added, the check costs the same; all of them are named."""
    for number in range(10):
        store(warehouse, number, [{"_extra": '{"mood": "sunny"}'}], {"mood": 1})
    reasons = found(warehouse, "no_unknown_fields")
    assert [number for number, reason in sorted(reasons.items()) if "such as" in reason] == list(range(3, 10))
    assert len(reasons) == 10


def test_a_field_whose_values_are_refused_is_named_with_its_types(place: Place) -> None:
    """Its records are in quarantine; the reason tells the field, what the schema expects, and what came."""
    for number in (1, 2):
        place.app.faults.append(Fault(place.app.files("engagement", DAY)[number].href_name, "wrong_type"))
    run = place.materialize("engagement", DAY)
    reason = reason_of(run, "no_field_changed_type")
    [raw, _] = place.select("select reason from meta.quarantine")
    assert "recordCollection[].body" in reason
    assert 'conversationStartTime` in 2 records that were refused: text "xxxx" where long is expected' in reason
    assert raw["reason"] not in reason
    assert run.checks["no_unknown_fields"].passed


def test_a_record_that_lacks_its_key_is_of_no_other_type(place: Place) -> None:
    """Another reason to be refused."""
    place.app.faults.append(Fault(place.app.files("engagement", DAY)[0].href_name, "missing_key"))
    run = place.materialize("engagement", DAY)
    assert not run.checks["nothing_is_quarantined"].passed
    assert run.checks["no_field_changed_type"].passed


@pytest.fixture
def care(tmp_path: Path) -> Iterator[KhorosPlace]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield KhorosPlace(tmp_path, instance, KhorosCare(scale=0.5, calls_per_minute=100_000))


def test_a_text_that_its_column_cannot_hold_is_named_with_its_shape(care: KhorosPlace) -> None:
    """The column is null there; the field is known, so `no_unknown_fields` passes."""
    care.app.faults.append(Fault("/response/", "new_column", value={"RESPONSE_ORDER": "many 4"}))
    run = care.materialize("response", DAY)
    rows = len(care.rows("response", DAY))
    reason = reason_of(run, "no_field_changed_type")
    assert reason == f'`RESPONSE_ORDER (unreadable)` in {rows:,} records, such as "xxxx 9"'
    assert run.checks["no_unknown_fields"].passed


def test_a_column_that_the_company_turned_off_is_named(care: KhorosPlace) -> None:
    """From the first day without it; the days before say how often it was filled."""
    before = DAY - timedelta(days=1)
    assert care.materialize("incoming_post", before).checks["no_field_vanished"].passed
    care.app.dropped_columns = ["PRIORITY", "NETWORK"]
    run = care.materialize("incoming_post", DAY)
    rows = len(care.rows("incoming_post", DAY))
    assert rows >= 20
    reason = reason_of(run, "no_field_vanished")
    assert f"`priority` is empty in all {rows} rows, and filled in 100% of those of the 1 stored days before" in reason
    assert "`network` is empty" in reason
    assert reason.count("is empty") == 2


EMPTY: Row = {**USUAL, "channel": None}
VANISHED = {
    "after a week": ([[USUAL] * 30] * 7, [EMPTY] * 30, "`channel` is empty in all 30 rows, and filled in 100% of"),
    "after a day": ([[USUAL] * 30], [EMPTY] * 30, "`channel` is empty in all 30 rows, and filled in 100% of"),
    "after small days": ([[USUAL] * 5] * 4, [EMPTY] * 20, "`channel` is empty in all 20 rows, and filled in 100% of"),
    "a column of a few rows": (
        [[USUAL, *[EMPTY] * 9] * 5] * 3,
        [EMPTY] * 200,
        "`channel` is empty in all 200 rows, and filled in 10% of those of the 3 stored days before",
    ),
    "a list": ([[USUAL] * 30], [{**USUAL, "lines": None}] * 30, "`lines` is empty in all 30 rows"),
}
THERE = {
    "on a day of few rows": ([[USUAL] * 30] * 7, [EMPTY] * 19),
    "after days of few rows": ([[USUAL] * 5] * 3, [EMPTY] * 30),
    "of a column that few rows would have": ([[USUAL, *[EMPTY] * 9] * 5] * 3, [EMPTY] * 199),
    "of a column that one of the days lacked as well": ([[USUAL] * 30, [EMPTY] * 5, [USUAL] * 30], [EMPTY] * 30),
    "of a column that one row has, however far behind": ([[USUAL] * 500], [*[EMPTY] * 499, USUAL]),
    "of a list without items": ([[USUAL] * 30], [{**USUAL, "lines": []}] * 30),
    "of what we derive ourselves": ([[USUAL] * 30], [{**USUAL, "total": None}] * 30),
    "without rows": ([[USUAL] * 30], []),
    "without a day before": ([], [EMPTY] * 30),
}


@pytest.mark.parametrize("case", VANISHED)
def test_a_field_that_rows_had_and_have_no_more_is_named(warehouse: WarehouseResource, case: str) -> None:
    """On the first day without it, by the share of rows that had it."""
    before, rows, reason = VANISHED[case]
    for number, each in enumerate([*before, rows]):
        store(warehouse, number, each)
    assert list(found(warehouse, "no_field_vanished")) == [len(before)]
    assert found(warehouse, "no_field_vanished")[len(before)].startswith(reason)


@pytest.mark.parametrize("case", THERE)
def test_no_alarm_is_raised(warehouse: WarehouseResource, case: str) -> None:
    """Small days, rare fields, and what was not always there tell nothing."""
    before, rows = THERE[case]
    for number, each in enumerate([*before, rows]):
        store(warehouse, number, each)
    assert found(warehouse, "no_field_vanished") == {}


def test_a_field_that_vanished_is_named_once_and_for_a_week(warehouse: WarehouseResource) -> None:
    """The days after it lack the field as well, and say nothing new; then it is what is usual."""
    for number in range(3):
        store(warehouse, number, [USUAL] * 30)
    for number in range(3, 10):
        store(warehouse, number, [EMPTY] * 30)
        assert list(found(warehouse, "no_field_vanished")) == [3]
    store(warehouse, 10, [EMPTY] * 30)
    assert found(warehouse, "no_field_vanished") == {}


def test_days_between_that_are_not_stored_change_nothing(warehouse: WarehouseResource) -> None:
    """The stored days before are what is compared, however far back."""
    store(warehouse, 0, [USUAL] * 30)
    store(warehouse, 40, [EMPTY] * 30)
    assert list(found(warehouse, "no_field_vanished")) == [40]
