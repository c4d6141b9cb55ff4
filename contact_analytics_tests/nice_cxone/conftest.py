"""Fixtures of the tests of NICE CXone's exports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace

OpenPlace = Callable[..., CxonePlace]


@pytest.fixture
def open_place(tmp_path: Path, instance: dg.DagsterInstance) -> OpenPlace:
    """Makes a place: `fields` are those of the resource, `folder` is one in the test's, the rest the sandbox's."""

    def opened(fields: dict[str, Any] | None = None, folder: str = "", **options: Any) -> CxonePlace:
        (tmp_path / folder).mkdir(exist_ok=True)
        app = NiceCxone(**{"scale": 0.1, "interval": 0} | options)
        return CxonePlace(tmp_path / folder, instance, app, fields or {})

    return opened


@pytest.fixture
def place(open_place: OpenPlace) -> CxonePlace:
    """A small sandbox without a limit, and an empty folder for a warehouse and an archive that are filled from it."""
    return open_place()
