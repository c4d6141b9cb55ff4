"""Fixtures that several tests share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import hypothesis
import pytest

from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests.fakes import MessagingPlace, Place, Wire

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("unhurried", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("unhurried")

# Tests start many processes of this project, and each would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Files whose tests wait for other processes: they begin first, and the others compute meanwhile.
_WAITING = ("test_celery.py", "test_daemon.py", "test_ui.py", "test_accounts.py", "test_recovery.py")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, as some tests wait."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long by the clock in front."""
    items.sort(key=lambda item: _WAITING.index(item.path.name) if item.path.name in _WAITING else len(_WAITING))


App = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def data_access() -> Callable[..., LivePersonDataAccessResource]:
    """Makes the real resource over an app, with an API key of the sandbox's; each field is a keyword."""

    def resource(app: App, **fields: Any) -> LivePersonDataAccessResource:
        class Sandboxed(LivePersonDataAccessResource):
            def transport(self) -> httpx.BaseTransport:
                return Wire(app)

        names = ("account_id", "app_key", "app_secret", "access_token", "access_token_secret")
        known = {name: getattr(LivePersonDataAccess, name) for name in names}
        return Sandboxed(**(known | {"region": "us", "retry_wait_seconds": 0} | fields))

    return resource


@pytest.fixture(scope="session")
def made_instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in memory, whose making takes ten times as long as its wiping."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def instance(made_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage, empty."""
    yield made_instance
    made_instance.wipe()


@pytest.fixture(scope="module")
def kept_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage on disk, for whoever reads its files, and every logger at debug."""
    overrides = {"python_logs": {"managed_python_loggers": ["root"], "python_log_level": "DEBUG"}}
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster")), overrides) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, instance: dg.DagsterInstance) -> Place:
    """A sandbox, and an empty folder for a warehouse and an archive that are filled from it."""
    return Place(tmp_path, instance)


@pytest.fixture
def open_place(tmp_path: Path, instance: dg.DagsterInstance) -> Any:
    """A place whose sandbox is made with options."""
    return lambda **options: MessagingPlace(tmp_path, instance, LivePersonMessaging(**options))
