"""Publishing exports, which the company names in its settings: `KHOROS_CARE_MARKETING_EXPORTS`.

They are mentioned in the vendor's quick start only, with no column documented, so all of a row is kept in `_extra`.
"""

import re
from collections.abc import Iterator

import dagster as dg

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.columns import Row, report
from contact_analytics.khoros_care.extraction import extract_report
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_format import report_format
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.settings import PARTITIONS


class MarketingRow(Row):
    """One row of a Publishing export; its fields are in `_extra`."""


FORMAT = report_format(MarketingRow)


def marketing_export(id: str) -> tuple[Dataset, dg.AssetsDefinition]:  # noqa: A002 - the vendor's own word
    """The table and the asset of a Publishing export by its id."""
    name = "marketing_" + re.sub(r"\W+", "_", id).strip("_").lower()
    dataset = report(name, MarketingRow, grain=f"One row of the Publishing export {id}, its fields in `_extra`.")

    @dg.asset(**daily_table(dataset, PARTITIONS, pool="khoros_care"))
    def marketing(
        context: dg.AssetExecutionContext,
        config: KhorosCareConfig,
        khoros_care_analytics_reports: KhorosCareAnalyticsReportsResource,
        archive: ArchiveResource,
        warehouse: WarehouseResource,
    ) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
        api = khoros_care_analytics_reports
        yield from extract_report(context, dataset, FORMAT, config, api, archive, warehouse, f"marketing/{id}")

    return dataset, marketing  # pyright: ignore[reportReturnType] - the decorator made an asset of it
