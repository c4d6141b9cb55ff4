"""Which failed runs are begun anew by Dagster's `run_retries`, where an instance has them enabled."""

import dagster as dg
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG

from contact_analytics.lib.errors import is_of_dagsters_storage


@dg.failure_hook(name="begin_anew_if_storage_failed")
def begin_anew_if_storage_failed(context: dg.HookContext) -> None:
    """Mark a run to be begun anew whose step failed by Dagster's own database, as when that was restarted.

    An event that cannot be stored fails a step past its retry policy, and `run_retries` would take that for an error of
    the step. A step's own errors have had their retries: their runs are marked as not to be begun anew, since one that
    was has the mark of the run before.
    """
    error = context.op_exception
    is_storages = error is not None and is_of_dagsters_storage(error)
    context.instance.add_run_tags(context.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: str(is_storages).lower()})
    if is_storages:
        context.log.warning(f"Dagster's database failed the step: the run begins anew if run_retries are on. {error!r}")
