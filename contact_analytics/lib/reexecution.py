"""Which failed runs are begun anew by Dagster's `run_retries`, where an instance has them enabled."""

import dagster as dg
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG


@dg.failure_hook(name="begin_anew_if_dagster_failed")
def begin_anew_if_dagster_failed(context: dg.HookContext) -> None:
    """Let a run be begun anew whose step Dagster could not see through, as when its database was restarted.

    A step's own errors are `dagster.Failure`, and its retry policy has tried them again. What Dagster meets itself, an
    event that it cannot store for one, fails a step past that policy, and `run_retries` would not tell the two apart.
    """
    error = context.op_exception
    if not isinstance(error, dg.Failure):
        context.log.warning(
            f"Dagster failed, not the step: where run_retries are enabled the run begins anew. {error!r}"
        )
        context.instance.add_run_tags(context.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true"})
