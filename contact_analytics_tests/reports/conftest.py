"""Fixtures of the tests of reports."""

from collections.abc import Iterator

import dagster as dg
import pytest

from contact_analytics_tests.reports.contact_places import Contacts


@pytest.fixture(scope="session")
def contacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contacts]:
    """Days of contacts and surveys of every vendor; nobody changes the vendors' tables."""
    with dg.DagsterInstance.ephemeral() as instance:
        filled = Contacts(tmp_path_factory.mktemp("contacts"), instance)
        filled.fill()
        yield filled
