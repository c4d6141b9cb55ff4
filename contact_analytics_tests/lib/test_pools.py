"""A run that waits for its turn in a pool sleeps meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import dagster as dg
import pytest
from dagster._core.execution.plan.active import ActiveExecution

from contact_analytics import definitions
from contact_analytics_tests.fakes import deployed_instance

_POOL = "liveperson_data_access"
_SECONDS = 1.5


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage, with pools as on one machine."""
    with deployed_instance(tmp_path / "dagster", "dagster.yaml", "concurrency") as instance:
        yield instance


def test_a_run_that_waits_for_a_pool_looks_now_and_then(
    deployed: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About once a second and less and less often, while another run has the pool's one place."""
    assert definitions.defs
    storage, looks = deployed.event_log_storage, list[float]()
    storage.initialize_concurrency_limit_to_default(_POOL)
    assert storage.claim_concurrency_slot(_POOL, "another run", "its step").is_claimed
    sleep_interval = ActiveExecution.sleep_interval

    def counted(execution: ActiveExecution) -> float:
        looks.append(sleep_interval(execution))
        return looks[-1]

    monkeypatch.setattr(ActiveExecution, "sleep_interval", counted)

    @dg.asset(pool=_POOL)
    def waiting() -> None: ...

    leaving = Timer(_SECONDS, storage.free_concurrency_slots_for_run, ["another run"])
    leaving.start()
    assert dg.materialize([waiting], instance=deployed).success
    leaving.join()
    assert 1 <= len(looks) <= 10
    assert max(looks) > 0.5
