"""Fixtures of the tests of LivePerson's dimensions."""

from pathlib import Path

import dagster as dg
import pytest

from contact_analytics_tests.histories import Account


@pytest.fixture
def account(tmp_path: Path, instance: dg.DagsterInstance) -> Account:
    """A sandbox's account, and an empty folder for a warehouse and an archive that are filled from it."""
    return Account(tmp_path, instance)
