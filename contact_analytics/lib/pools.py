"""Vendors' limits as Dagster's pools: a run that waits for its turn in one leaves the cores to the others."""

from time import time

from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext


def wait_without_a_core() -> None:
    """Let a run sleep until the next look for its turn.

    Dagster's own executor means to, and never does: it takes the least of what is left and nothing, which is nothing,
    and so looks in a loop that uses up a core (1.13; the mend was proposed as pull request 20367 and not taken).
    """
    InstanceConcurrencyContext.interval_to_next_pending_claim_check = _seconds_to_the_next_look


def _seconds_to_the_next_look(self: InstanceConcurrencyContext) -> float:
    now = time()
    looks: dict[str, float] = self._pending_timeouts  # pyright: ignore[reportPrivateUsage] - it takes the place of a method
    return max(0.0, min((at - now for at in looks.values()), default=0.0))
