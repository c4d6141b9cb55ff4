"""What the assets of all exports do."""

from collections.abc import Iterator
from functools import partial

import dagster as dg

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_day import archived_day
from contact_analytics.khoros_care.report_format import ExportFormat
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.text_table import TextTable
from contact_analytics.lib.warehouse import WarehouseResource


def extract_report(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    table: TextTable,
    config: KhorosCareConfig,
    api: KhorosCareAnalyticsReportsResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
    export: str = "",
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    """The body of an export's asset; its id is the table's name unless another one is given."""
    export = export or dataset.name
    options = api.options_for(export, config)
    connect = partial(api.connect, export, options)
    export_format = ExportFormat(table, options.timezone or "UTC")
    in_archive = partial(archived_day, dataset, options)
    yield from extract_days(context, dataset, config, connect, export_format, archive, warehouse, in_archive)
