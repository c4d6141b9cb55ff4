"""Runs as Celery's tasks, taken up again when their worker is gone."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, cast

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

# A worker answers while its tasks run, in a moment.
_ANSWER_SECONDS = 3.0


class AttentiveCeleryRunLauncher(CeleryRunLauncher):
    """Celery's launcher, which also notices that a worker died with its machine.

    Celery itself tells of a task whose process died, not of one whose whole worker did: such a run would be under way
    until the longest run is over. Here it has failed when for `gone_after_seconds` other workers have answered and none
    was at it, and Dagster's `run_retries` begin it anew; days that it has stored are not loaded again. A worker that is
    told to stop finishes its tasks and answers no more, so give it less than that, or stop it cold. Workers must run
    tasks in processes of their own, as they do unless told otherwise.
    """

    def __init__(self, gone_after_seconds: int = 300, **options: Any) -> None:
        super().__init__(**options)
        self._gone_after = gone_after_seconds
        self._missing_since: dict[str, float] = {}
        self._asked_at, self._answered, self._active = 0.0, False, set[str]()

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        about = "How long no worker that answers has been at a run when the run is taken for dead, in seconds."
        known = cast("dict[str, Any]", super().config_type())
        return {**known, "gone_after_seconds": dg.Field(int, default_value=300, description=about)}

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        health = super().check_run_worker_health(run)
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        if health.status is not WorkerStatus.RUNNING or self._is_at_work(task):
            self._missing_since.pop(task, None)
            return health
        gone = monotonic() - self._missing_since.setdefault(task, monotonic())
        if gone < self._gone_after:
            return health
        del self._missing_since[task]
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            f"For {gone:.0f} s no worker has been at the run: the one that was has died, or its machine has.",
        )

    def _is_at_work(self, task: str) -> bool:
        """Whether a worker says that it is at a task; also where no worker answers, as that tells nothing."""
        # One answer does for all runs that are looked at in a row.
        if monotonic() - self._asked_at > _ANSWER_SECONDS:
            answers: dict[str, list[dict[str, Any]]] | None = self.celery.control.inspect(
                timeout=_ANSWER_SECONDS
            ).active()
            self._active = {each["id"] for tasks in (answers or {}).values() for each in tasks}
            self._asked_at, self._answered = monotonic(), bool(answers)
        return not self._answered or task in self._active
