"""The code location: what exists, wired. It loads with no environment set; a run says which setting is missing."""

import dagster as dg

from contact_analytics import automation, endangered_days, maintenance, notifications, retention_clock, settings
from contact_analytics.catalog import DATASET_MODULES, DATASETS, DIMENSION_MODULES, DIMENSIONS
from contact_analytics.khoros_care import catalog as khoros_care
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.brand_files import BrandFilesResource
from contact_analytics.lib.freshness import freshness_check
from contact_analytics.lib.pools import wait_without_a_core
from contact_analytics.lib.report_days import PagesResource
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.lib.webhook import WebhookResource
from contact_analytics.liveperson import catalog as liveperson
from contact_analytics.nice_cxone import catalog as nice_cxone
from contact_analytics.reports import catalog as reports

wait_without_a_core()
settings.check_unused_tables([table.table for table in [*DATASETS, *DIMENSIONS]])

defs = dg.Definitions(
    assets=[
        *dg.load_assets_from_modules([*DATASET_MODULES, *DIMENSION_MODULES]),
        *(asset for _, asset in khoros_care.MARKETING),
        *dg.load_assets_from_modules([*reports.REPORTS, *reports.UNPARTITIONED]),
        *reports.BRAND_FILES,
        retention_clock.retention_clock,
    ],
    asset_checks=[
        freshness_check(dataset, settings.PARTITIONS, is_used=settings.has_table(dataset.table)) for dataset in DATASETS
    ],
    jobs=[
        automation.liveperson_data_access_job,
        automation.liveperson_messaging_job,
        automation.liveperson_account_config_job,
        automation.khoros_care_job,
        automation.khoros_care_lists_job,
        automation.nice_cxone_job,
        automation.retention_clock_job,
        maintenance.compact_warehouse,
    ],
    schedules=[
        automation.liveperson_data_access_daily,
        automation.liveperson_messaging_daily,
        automation.liveperson_account_config_daily,
        automation.khoros_care_daily,
        automation.khoros_care_lists_daily,
        automation.nice_cxone_daily,
        automation.retention_clock_hourly,
        maintenance.compact_warehouse_weekly,
    ],
    sensors=[
        automation.freshness_sensor,
        automation.reports_sensor,
        endangered_days.endangered_days,
        notifications.notify_failures,
        notifications.notify_failed_checks,
    ],
    executor=dg.in_process_executor,
    resources={
        "archive": ArchiveResource(root=settings.path("CONTACT_ANALYTICS_ARCHIVE")),
        "warehouse": WarehouseResource(
            database=settings.warehouse(),
            publish=settings.path("CONTACT_ANALYTICS_PUBLISH"),
            lake_data=settings.path("CONTACT_ANALYTICS_LAKE_DATA"),
        ),
        "webhook": WebhookResource(
            url=settings.text("CONTACT_ANALYTICS_WEBHOOK_URL"),
            ui_url=settings.text("CONTACT_ANALYTICS_UI_URL"),
            retry_wait_seconds=settings.retry_wait_seconds(),
        ),
        "brand_files": BrandFilesResource(paths=settings.brand_files()),
        "pages": PagesResource(root=settings.path("CONTACT_ANALYTICS_REPORTS")),
        **liveperson.RESOURCES,
        **khoros_care.RESOURCES,
        **nice_cxone.RESOURCES,
    },
)
