"""Incoming post: what authors posted on the day."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import OfConversation, report
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class IncomingPost(OfConversation):
    """One row a post that was received."""

    external_post_id = field(dy.String, "Id on the network", inferred=True)
    post_order = field(dy.Int64, "Place among the conversation's posts, from 1", inferred=True)
    post_content = field(dy.String, "Text", inferred=True, personal=True)
    post_language = field(dy.String, "Language", inferred=True)
    post_sentiment = field(dy.String, "Sentiment", inferred=True)
    post_tag = field(dy.String, "Tags, as the vendor separates them", inferred=True)
    post_published_date = instant("When it was published", inferred=True)
    post_received_date = instant("When it was received", inferred=True)
    post_in_business_hour = field(dy.Bool, "Whether it came in business hours", inferred=True)


FORMAT = report_format(IncomingPost)
DATASET = report(
    "incoming_post",
    IncomingPost,
    grain="One row a post that was received.",
    event_time="post_received_date",
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="khoros_care"))
def incoming_post(
    context: dg.AssetExecutionContext,
    config: KhorosCareConfig,
    khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_report(context, DATASET, FORMAT, config, khoros_care_analytics_reports, archive, warehouse)
