"""An export's file, JSON or CSV, as rows of a schema."""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import dataframely as dy

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.options import KhorosCareConfig
from contact_analytics.khoros_care.report_day import archived_day
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.bodies import BLANK
from contact_analytics.lib.csv_text import read_csv
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset, Decoded
from contact_analytics.lib.json_texts import read_json
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.text_table import TextTable
from contact_analytics.lib.warehouse import WarehouseResource

ROW_ID = "row_id"


def report_format(schema: type[dy.Schema]) -> TextTable:
    """How the files of an export are read; rows without a key of the vendor's are told apart by what they hold."""
    return TextTable(schema, row_id=ROW_ID if ROW_ID in columns_of(schema) else "")


def decode(table: TextTable, zone: str, text: bytes) -> Decoded:
    """The rows of a file, whichever of the two forms it has."""
    is_json = text.lstrip(BLANK)[:1] in (b"[", b"{")
    return table.read(read_json(text) if is_json else read_csv(text), zone)


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
    read = partial(decode, table, options.timezone or "UTC")
    in_archive = partial(archived_day, dataset, options)
    yield from extract_days(context, dataset, config, connect, read, archive, warehouse, in_archive)
