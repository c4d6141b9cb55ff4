"""The house is built as its plan says: who may import whom, and one name for a dataset everywhere."""

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

import contact_analytics
from contact_analytics.catalog import DATASETS, DIMENSIONS
from contact_analytics.lib.dataset import Dataset, Dimension, Table

PACKAGE = Path(contact_analytics.__file__).parent
NOT_VENDORS = {"lib", "sandbox", "reports"}
VENDORS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - NOT_VENDORS
# Commands: they show or document what the code location holds.
COMMANDS = {"contact_analytics.demo", "contact_analytics.dictionary"}


def modules() -> Iterator[tuple[str, Path]]:
    for found in pkgutil.walk_packages([str(PACKAGE)], "contact_analytics."):
        yield found.name, PACKAGE.parent / (found.name.replace(".", "/") + ("/__init__.py" if found.ispkg else ".py"))


IMPORTS = {
    name: {
        module
        for node in ast.walk(ast.parse(path.read_text()))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if module.startswith("contact_analytics")
    }
    for name, path in modules()
}


def area(module: str) -> str:
    """The part of the package that a module belongs to."""
    return [*module.split("."), ""][1]


def importers(target: str) -> set[str]:
    """The modules outside an area that import something of it."""
    return {name for name, imported in IMPORTS.items() if area(name) != target and target in map(area, imported)}


def test_every_module_is_looked_at() -> None:
    """The tests below would pass for a package that they do not find."""
    assert {"contact_analytics.lib.daily", "contact_analytics.liveperson.engagement"} <= IMPORTS.keys()
    assert "liveperson" in VENDORS


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_vendors_do_not_import_each_other(vendor: str) -> None:
    """One vendor's change never breaks another's."""
    assert not {name for name in importers(vendor) if area(name) in VENDORS}


def test_lib_imports_no_vendor() -> None:
    """What all vendors share knows none of them."""
    of_lib = set().union(*(imported for name, imported in IMPORTS.items() if area(name) == "lib"))
    assert not {area(module) for module in of_lib} - {"", "lib"}


def test_nothing_imports_the_definitions() -> None:
    """Commands aside, the wiring is used by Dagster alone."""
    assert importers("definitions") <= COMMANDS


def test_the_product_runs_without_the_sandbox() -> None:
    """Only the demonstration starts it."""
    assert importers("sandbox") <= {"contact_analytics.demo"}


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.table)
def test_a_dataset_has_one_name(dataset: Dataset) -> None:
    """File, asset, table and the last part of the key."""
    module = import_module(f"contact_analytics.{dataset.vendor}.{dataset.name}")
    asset = getattr(module, dataset.name)
    assert module.DATASET is dataset
    assert module.FORMAT
    assert isinstance(asset, dg.AssetsDefinition)
    assert asset.key == dg.AssetKey([dataset.vendor, dataset.name])
    assert asset.metadata_by_key[asset.key]["dagster/table_name"] == f"{dataset.vendor}.{dataset.name}"


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.table)
def test_a_dimension_has_one_name(dimension: Dimension) -> None:
    """As a dataset does."""
    module = import_module(f"contact_analytics.{dimension.vendor}.{dimension.name}")
    asset = getattr(module, dimension.name)
    assert module.DIMENSION is dimension
    assert isinstance(asset, dg.AssetsDefinition)
    assert asset.key == dimension.key
    assert asset.metadata_by_key[asset.key]["dagster/table_name"] == dimension.table


def test_every_dimension_of_a_vendor_is_in_the_definitions() -> None:
    """As every dataset is."""
    declared = {name for name in IMPORTS if area(name) in VENDORS and hasattr(import_module(name), "DIMENSION")}
    assert declared == {f"contact_analytics.{dimension.table}" for dimension in DIMENSIONS}


def test_every_dataset_of_a_vendor_is_in_the_definitions() -> None:
    """A file with a dataset that nobody lists would never be loaded."""
    declared = {
        name
        for name in IMPORTS
        if area(name) in VENDORS and isinstance(getattr(import_module(name), "DATASET", 0), Dataset)
    }
    assert declared == {f"contact_analytics.{dataset.table}" for dataset in DATASETS}


@pytest.mark.parametrize("dataset", [*DATASETS, *DIMENSIONS], ids=lambda dataset: dataset.name)
def test_the_readme_lists_every_table(dataset: Table) -> None:
    """A table that the README's table of tables does not name is one that nobody finds."""
    readme = (PACKAGE.parent / "README.md").read_text()
    assert f"| `{dataset.table}` | " in readme
