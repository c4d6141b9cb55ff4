"""What tests of reports run them in: a warehouse that the tables' own assets have filled, and a reader of pages."""

import html
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from contact_analytics.lib.asset_options import daily_report
from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.report import Report
from contact_analytics.lib.report_days import Compute, PagesResource, Paint, make_report
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.fakes import Materialized, Place, days_ago

# How many days of reports are computed a second time in SQL: 27 are a month, which takes minutes.
LENGTH = int(os.environ.get("CONTACT_ANALYTICS_TESTED_DAYS") or 5)
LAST = days_ago(3)
FIRST = LAST - timedelta(days=LENGTH - 1)
DAYS = [FIRST + timedelta(days=number) for number in range(LENGTH)]
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
_TABLE = re.compile("The table \N{LEFT DOUBLE QUOTATION MARK}(.+?)\N{RIGHT DOUBLE QUOTATION MARK} has")
# What a page may name without asking anybody for it.
_NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1999/xhtml")


@dataclass
class Days:
    """A warehouse with days of what a report reads, the brand's files, and the run that made the report of them."""

    place: Place
    files: dict[str, Path]
    run: Materialized

    @property
    def folder(self) -> Path:
        return self.place.folder

    def select(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        return self.place.select(query, parameters or None)


def report_asset(report: Report, compute: Compute, paint: Paint) -> Any:
    """An asset over a report as a test has it."""

    @dg.asset(**daily_report(report, PARTITIONS))
    def another(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        brand_files: BrandFilesResource,
        pages: PagesResource,
    ) -> Iterator[dg.AssetMaterialization]:
        yield from make_report(context, report, compute, paint, warehouse, brand_files, pages)

    return another


def make(
    asset: Any,
    folder: Path,
    instance: dg.DagsterInstance,
    first: date,
    last: date | None = None,
    *,
    files: Mapping[str, Path] | None = None,
) -> Materialized:
    """Make days of a report over the folder's warehouse as a backfill does; `files` are the brand's, by name."""
    result = dg.materialize(
        [asset],
        instance=instance,
        resources={
            "warehouse": WarehouseResource(database=str(folder / "warehouse.duckdb"), wait_seconds=0.3),
            "brand_files": BrandFilesResource(paths={name: str(path) for name, path in (files or {}).items()}),
            "pages": PagesResource(root=str(folder / "pages")),
        },
        run_config={"loggers": _QUIET},
        tags={
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last or first),
        },
        raise_on_error=False,
    )
    return Materialized(result, [])


def select(folder: Path, query: str, **parameters: object) -> list[dict[str, object]]:
    """What a query gives, as dictionaries. Opened as anybody would: not by the product."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.execute(query, parameters or None)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@dataclass
class ReadPage(HTMLParser):
    """A page as a browser and a screen reader meet it."""

    text: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def assert_needs_nothing(self) -> None:
        """No tag, style or address of it asks anybody for anything, and nothing in it is run."""
        assert not {"script", "link", "iframe", "object", "embed", "img"} & {tag for tag, _ in self.tags}
        assert not [attrs for _, attrs in self.tags if {"src", "href", "xlink:href", "srcset", "action"} & attrs.keys()]
        assert not re.search(r"@import|url\(", self.text)
        addresses = set(re.findall(r"https?://[^\s\"'<>)]+", self.text))
        assert addresses <= set(_NAMESPACES), addresses

    def assert_can_be_heard(self) -> None:
        """The page has a language and one heading, tables name themselves, their columns and their rows, plots say the
        figures that they show, and whatever scrolls is within reach of the keyboard under a name of its own.
        """
        names = [tag for tag, _ in self.tags]
        assert names.count("h1") == 1
        assert dict(self.tags)["html"]["lang"] == "en"
        tables = [piece.partition("</table>")[0] for piece in self.text.split("<table")[1:]]
        assert tables
        for table in tables:
            assert "<caption><h2>" in table
            assert 'scope="col"' in table
            assert ("<td" in table) == ('scope="row"' in table)
        regions = [attrs for _, attrs in self.tags if attrs.get("role") == "region"]
        assert len(regions) == len({attrs["aria-label"] for attrs in regions}) == names.count("figure") + len(tables)
        assert all(attrs["tabindex"] == "0" for attrs in regions)
        assert names.count("figure") == self.text.count("<figcaption><h2>")
        said = [attrs["aria-label"] for _, attrs in self.tags if attrs.get("role") == "img"]
        assert names.count("figure") == len(said)
        # A figure for each plot, and where it has too many the name of a table that is there.
        assert all(re.search(r"\d", text) or text.endswith("There is nothing to show.") for text in said), said
        named = {name for text in said for name in _TABLE.findall(text)}
        assert named <= {html.unescape(table.partition("<h2>")[2].partition("</h2>")[0]) for table in tables}
