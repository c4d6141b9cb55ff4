"""The code location: what exists, wired. It loads with no environment set; a run says which setting is missing."""

from typing import Any

import dagster as dg

from contact_analytics import automation, settings
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import DUE_CRON
from contact_analytics.lib.checks import freshness_check
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import (
    agent_activity,
    agent_groups,
    conversations,
    engagement,
    skills,
    survey,
    users,
    web_session,
)
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.liveperson.messaging import LivePersonMessagingResource

DATASET_MODULES = [agent_activity, engagement, survey, web_session, conversations]
DATASETS = [module.DATASET for module in DATASET_MODULES]
DIMENSION_MODULES = [users, skills, agent_groups]
DIMENSIONS = [module.DIMENSION for module in DIMENSION_MODULES]

LIVEPERSON: dict[str, Any] = {
    "account_id": settings.text("LIVEPERSON_ACCOUNT_ID"),
    "app_key": settings.text("LIVEPERSON_APP_KEY"),
    "app_secret": settings.text("LIVEPERSON_APP_SECRET"),
    "access_token": settings.text("LIVEPERSON_ACCESS_TOKEN"),
    "access_token_secret": settings.text("LIVEPERSON_ACCESS_TOKEN_SECRET"),
    "client_id": settings.text("LIVEPERSON_CLIENT_ID"),
    "client_secret": settings.text("LIVEPERSON_CLIENT_SECRET"),
    "domain_url": settings.text("LIVEPERSON_DOMAIN_URL", "https://api.liveperson.net"),
    "retry_wait_seconds": settings.number("CONTACT_ANALYTICS_RETRY_WAIT_SECONDS", 1),
}

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([*DATASET_MODULES, *DIMENSION_MODULES]),
    asset_checks=[freshness_check(dataset, settings.PARTITIONS, DUE_CRON) for dataset in DATASETS],
    jobs=[
        automation.liveperson_data_access_job,
        automation.liveperson_messaging_job,
        automation.liveperson_account_config_job,
    ],
    schedules=[
        automation.liveperson_data_access_daily,
        automation.liveperson_messaging_daily,
        automation.liveperson_account_config_daily,
    ],
    sensors=[automation.freshness_sensor],
    executor=dg.in_process_executor,
    resources={
        "archive": ArchiveResource(root=settings.path("CONTACT_ANALYTICS_ARCHIVE", "data/archive")),
        "warehouse": WarehouseResource(
            database=settings.path("CONTACT_ANALYTICS_WAREHOUSE", "data/contact_analytics.duckdb")
        ),
        "liveperson_data_access": LivePersonDataAccessResource(
            **LIVEPERSON,
            region=settings.text("LIVEPERSON_REGION"),
            data_access_url=settings.text("LIVEPERSON_DATA_ACCESS_URL"),
        ),
        "liveperson_messaging": LivePersonMessagingResource(**LIVEPERSON),
        "liveperson_account_config": LivePersonAccountConfigResource(**LIVEPERSON),
    },
)
