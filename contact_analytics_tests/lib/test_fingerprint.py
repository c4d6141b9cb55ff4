"""A table's fingerprint changes with what its rows would become, and with nothing else."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics_tests.fakes import MODULES, dataset_of


class Order(dy.Schema):
    """One row an order."""

    id = field(dy.String, "Order", key=True)
    amount = field(dy.Int32, "Amount", unit="cents")
    channel = field(dy.String, "Where it was placed")
    placed_at = instant("When it was placed")
    lines = many(record({"item": field(dy.String, "Item"), "size": field(dy.Int32, "Size")}), "Lines")
    tags = many(field(dy.String, "Tag"), "Tags")


def orders(*, rule: pl.Expr | None = None, **columns: Any) -> Dataset:
    """The orders with other columns, and with a rule; without those columns that are None."""
    known = {name: column for name, column in (dict(Order.columns()) | columns).items() if column is not None}
    if rule is not None:
        known["is_right"] = dy.rule()(lambda cls: rule)
    return dataset_of("order", type("Order", (dy.Schema,), known))


def lines(**fields: Any) -> Any:
    return many(record({"item": field(dy.String, "Item"), "size": field(dy.Int32, "Size")} | fields), "Lines")


BEFORE = orders().fingerprint
OTHERS = {
    "a column": orders(note=field(dy.String, "Note")),
    "a column less": orders(channel=None),
    "a type": orders(amount=field(dy.Int64, "Amount", unit="cents")),
    "a nested type": orders(lines=lines(size=field(dy.Int64, "Size"))),
    "a column that must be there": orders(amount=field(dy.Int32, "Amount", required=True)),
    "a nested field that must be there": orders(lines=lines(item=field(dy.String, "Item", required=True))),
    "an item that must be there": orders(tags=many(field(dy.String, "Tag", required=True), "Tags")),
    "a key": orders(amount=field(dy.Int32, "Amount", key=True)),
    "a rule": orders(rule=pl.col("amount") > 0),
    "a rule's limit": orders(rule=pl.col("amount") > 1),
    "a rule's list": orders(rule=pl.col("amount").is_in(list(range(100)))),
    "a value in the middle of a rule's list": orders(rule=pl.col("amount").is_in([*range(50), 7, *range(51, 100)])),
    "a bound": orders(amount=dy.Int32(nullable=True, min=0)),
    "a pattern": orders(channel=dy.String(nullable=True, regex="^[a-z]+$")),
    "a name on the wire": orders(channel=field(dy.String, "Where it was placed", wire="source")),
    "another name": orders(channel=field(dy.String, "Where it was placed", also=("source",))),
    "a value that means none": orders(placed_at=instant("When it was placed", none=(-1,))),
    "a nested field's other name": orders(lines=lines(item=field(dy.String, "Item", also=("sku",)))),
    "an item's value that means none": orders(tags=many(field(dy.String, "Tag", none=("-",)), "Tags")),
}


def test_each_change_of_what_is_stored_is_another_fingerprint() -> None:
    """A day of the same files is loaded again then."""
    found = {name: dataset.fingerprint for name, dataset in OTHERS.items()}
    assert BEFORE not in found.values()
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    "same",
    [
        orders(),
        orders(amount=field(dy.Int32, "Another word for it", unit="euros")),
        orders(channel=field(dy.String, "Where it was placed", personal=True, seen=True)),
        replace(orders(), grain="Another word for it.", documentation="https://example.com/moved"),
    ],
    ids=["nothing", "meaning and unit", "who may see it", "the table's description"],
)
def test_what_is_only_said_of_a_column_leaves_it(same: Dataset) -> None:
    """No day is loaded again for a better description."""
    assert same.fingerprint == BEFORE


def test_it_is_the_same_in_every_process() -> None:
    """Python's own hashes differ from process to process."""
    code = (
        "from contact_analytics_tests.fakes import MODULES\n"
        "from contact_analytics_tests.lib.test_fingerprint import OTHERS\n"
        "tables = [*(module.DATASET for module in MODULES.values()), *OTHERS.values()]\n"
        "print([table.fingerprint for table in tables])"
    )
    tables = [*(module.DATASET for module in MODULES.values()), *OTHERS.values()]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == f"{[table.fingerprint for table in tables]}\n", done.stderr
