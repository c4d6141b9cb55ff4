"""Author: who posted on the day."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import Row, report
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class Author(Row):
    """One row an author who posted."""

    author_uuid = field(dy.String, "Author", inferred=True)
    author_handle = field(dy.String, "Handle on the network", inferred=True, personal=True)
    author_name = field(dy.String, "Name", inferred=True, personal=True)
    network = field(dy.String, "Social network", inferred=True, also=("provider",))
    follower_count = field(dy.Int64, "Followers", inferred=True)
    post_count = field(dy.Int64, "Posts on the day", inferred=True)
    conversation_count = field(dy.Int64, "Conversations on the day", inferred=True)
    last_post_date = instant("When the author last posted", inferred=True)


FORMAT = report_format(Author)
DATASET = report(
    "author",
    Author,
    grain="One row an author who posted.",
    event_time="last_post_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def author(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
