"""What is done to the warehouse as a whole, once a week if it is switched on."""

import dagster as dg
from pydantic import Field

from contact_analytics.lib.compaction import WORTHWHILE, compact
from contact_analytics.lib.warehouse import WarehouseResource


class CompactionConfig(dg.Config):
    """What to do differently this once."""

    force: bool = Field(default=False, description=f"Write the file anew although less than {WORTHWHILE:.0%} is free.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description=f"Writes the warehouse's file anew, without what replaced days have left in it, if {WORTHWHILE:.0%} of "
    "its blocks or more are free. Needs room for a second file; runs that want to write wait meanwhile. Then publishes "
    "a copy, where copies are published.",
)
def compact_file(context: dg.OpExecutionContext, config: CompactionConfig, warehouse: WarehouseResource) -> None:
    done = compact(warehouse, force=config.force)
    free = f"{done.free_share:.1%} of its blocks were free"
    if done.is_rewritten:
        context.log.info(f"Written anew, as {free}: {done.before:,} bytes before, {done.after:,} after.")
    else:
        context.log.info(f"Left as it is, {done.before:,} bytes: {free}, and {WORTHWHILE:.0%} is worth a rewrite.")
    publication = warehouse.publish_copy(anew=done.is_rewritten)
    context.add_output_metadata(
        {
            "bytes_before": done.before,
            "bytes_after": done.after,
            "free_share_before": done.free_share,
            "written_anew": done.is_rewritten,
            **({"published": dg.MetadataValue.path(str(publication.path))} if publication else {}),
        }
    )


@dg.job(description="Gives back the disk space that replaced days have left in the warehouse's file.")
def compact_warehouse() -> None:
    compact_file()


compact_warehouse_weekly = dg.ScheduleDefinition(
    name="compact_warehouse_weekly",
    job=compact_warehouse,
    cron_schedule="30 3 * * 0",
    execution_timezone="UTC",
    description="Each Sunday at 03:30, between the nightly runs and the morning's: gives back disk space.",
)
