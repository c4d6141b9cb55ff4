"""Fixtures of the tests of Khoros Care."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics_tests.export_places import KhorosPlace

Open = Callable[..., KhorosPlace]


@pytest.fixture
def open_care(tmp_path: Path, instance: dg.DagsterInstance) -> Open:
    """Opens a place: `fields` are those of the resource, other options those of the sandbox's app."""

    def opened(fields: dict[str, Any] | None = None, **options: Any) -> KhorosPlace:
        known: dict[str, Any] = {"scale": 0.1, "calls_per_minute": 100_000}
        app = KhorosCare(**known | options)
        return KhorosPlace(tmp_path, instance, app, fields or {})

    return opened


@pytest.fixture
def care(open_care: Open) -> KhorosPlace:
    """A sandbox, and an empty folder for a warehouse and an archive that are filled from it."""
    return open_care()
