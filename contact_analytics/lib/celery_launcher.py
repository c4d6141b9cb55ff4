"""Runs as Celery's tasks, taken up again when their worker is gone."""

from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

# A worker answers while its tasks run, in a moment; that one is busy must not look like its end.
_ANSWER_SECONDS = 5.0
_LOOKS = 2


class AttentiveCeleryRunLauncher(CeleryRunLauncher):
    """Celery's launcher, which also notices that a worker died with its machine.

    Celery itself tells of a task whose process died, not of one whose whole worker did: such a run would be under way
    until the longest run is over. Here it has failed once the other workers answer and none is at it, and Dagster's
    `run_retries` begin it anew; days that it has stored are not loaded again. Workers must run tasks in processes of
    their own, as they do unless told otherwise.
    """

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        health = super().check_run_worker_health(run)
        for _ in range(_LOOKS):
            if health.status is not WorkerStatus.RUNNING or self._is_at_work(run.tags[DAGSTER_CELERY_TASK_ID_TAG]):
                return health
            # It may have ended since.
            health = super().check_run_worker_health(run)
        if health.status is not WorkerStatus.RUNNING:
            return health
        return CheckRunHealthResult(
            WorkerStatus.FAILED, "No worker is at the run any more: the one that was has died, or its machine has."
        )

    def _is_at_work(self, task: str) -> bool:
        """Whether a worker says that it is at a task; also where no worker answers, as that tells nothing."""
        active: dict[str, list[dict[str, Any]]] | None = self.celery.control.inspect(timeout=_ANSWER_SECONDS).active()
        return not active or any(each["id"] == task for tasks in active.values() for each in tasks)
