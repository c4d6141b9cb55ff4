"""The code location: what exists, wired. It loads with no environment set; a run says which setting is missing."""

import dagster as dg

from contact_analytics import automation, settings
from contact_analytics.khoros_care import catalog as khoros_care
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import DUE_CRON
from contact_analytics.lib.checks import freshness_check
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import catalog as liveperson
from contact_analytics.nice_cxone import catalog as nice_cxone

DATASET_MODULES = [*liveperson.DATASETS, *khoros_care.DATASETS, *nice_cxone.DATASETS]
DATASETS = [
    *(module.DATASET for module in DATASET_MODULES),
    *(dataset for dataset, _ in khoros_care.MARKETING),
]
DIMENSION_MODULES = [*liveperson.DIMENSIONS, *khoros_care.DIMENSIONS]
DIMENSIONS = [module.DIMENSION for module in DIMENSION_MODULES]

defs = dg.Definitions(
    assets=[
        *dg.load_assets_from_modules([*DATASET_MODULES, *DIMENSION_MODULES]),
        *(asset for _, asset in khoros_care.MARKETING),
    ],
    asset_checks=[freshness_check(dataset, settings.PARTITIONS, DUE_CRON) for dataset in DATASETS],
    jobs=[
        automation.liveperson_data_access_job,
        automation.liveperson_messaging_job,
        automation.liveperson_account_config_job,
        automation.khoros_care_job,
        automation.khoros_care_lists_job,
        automation.nice_cxone_job,
    ],
    schedules=[
        automation.liveperson_data_access_daily,
        automation.liveperson_messaging_daily,
        automation.liveperson_account_config_daily,
        automation.khoros_care_daily,
        automation.khoros_care_lists_daily,
        automation.nice_cxone_daily,
    ],
    sensors=[automation.freshness_sensor],
    executor=dg.in_process_executor,
    resources={
        "archive": ArchiveResource(root=settings.path("CONTACT_ANALYTICS_ARCHIVE", "data/archive")),
        "warehouse": WarehouseResource(database=settings.warehouse()),
        **liveperson.RESOURCES,
        **khoros_care.RESOURCES,
        **nice_cxone.RESOURCES,
    },
)
