"""What is done to the warehouse as a whole, once a week if it is switched on."""

from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from contact_analytics.lib.compaction import WORTHWHILE, compact
from contact_analytics.lib.lake_maintenance import maintain
from contact_analytics.lib.warehouse import WarehouseResource


class CompactionConfig(dg.Config):
    """What to do differently this once."""

    force: bool = Field(
        default=False, description=f"Write a DuckDB file anew although less than {WORTHWHILE:.0%} is free."
    )
    keep_days: int = Field(default=30, ge=0, description="Days back from now that a lake can still be read as it was.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Gives back the room that replaced days have left. A DuckDB file is written anew if "
    f"{WORTHWHILE:.0%} of its blocks or more are free, which needs room for a second file, and runs that want to write "
    "wait meanwhile; then a copy is published, where copies are. A lake's small files are joined, and snapshots that "
    "are older than `keep_days` are forgotten with the files that only they need.",
)
def compact_file(context: dg.OpExecutionContext, config: CompactionConfig, warehouse: WarehouseResource) -> None:
    context.add_output_metadata((_lake if warehouse.lake else _file)(context, config, warehouse))


def _file(context: dg.OpExecutionContext, config: CompactionConfig, warehouse: WarehouseResource) -> dict[str, Any]:
    done = compact(warehouse, force=config.force)
    free = f"{done.free_share:.1%} of its blocks were free"
    if done.is_rewritten:
        context.log.info(f"Written anew, as {free}: {done.before:,} bytes before, {done.after:,} after.")
    else:
        context.log.info(f"Left as it is, {done.before:,} bytes: {free}, and {WORTHWHILE:.0%} is worth a rewrite.")
    publication = warehouse.publish_copy(anew=done.is_rewritten)
    return {
        "bytes_before": done.before,
        "bytes_after": done.after,
        "free_share_before": done.free_share,
        "written_anew": done.is_rewritten,
        **({"published": dg.MetadataValue.path(str(publication.path))} if publication else {}),
    }


def _lake(context: dg.OpExecutionContext, config: CompactionConfig, warehouse: WarehouseResource) -> dict[str, Any]:
    done = maintain(warehouse, timedelta(days=config.keep_days))
    before, after = done.before, done.after
    context.log.info(
        f"{before.files:,} files before, {after.files:,} after; {before.bytes:,} bytes before, {after.bytes:,} after; "
        f"{before.snapshots - after.snapshots:,} of {before.snapshots:,} snapshots forgotten."
    )
    return {
        f"{name}_{when}": value
        for when, size in (("before", before), ("after", after))
        for name, value in vars(size).items()
    }


@dg.job(description="Gives back the disk space that replaced days have left in the warehouse.")
def compact_warehouse() -> None:
    compact_file()


compact_warehouse_weekly = dg.ScheduleDefinition(
    name="compact_warehouse_weekly",
    job=compact_warehouse,
    cron_schedule="30 3 * * 0",
    execution_timezone="UTC",
    description="Each Sunday at 03:30, between the nightly runs and the morning's: gives back disk space.",
)
