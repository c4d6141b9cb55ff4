"""What LivePerson has for us: the modules of its tables, and the resources of its APIs with their settings."""

from typing import Any

from contact_analytics import settings
from contact_analytics.lib.resource import ApiResource
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

DATASETS = [agent_activity, engagement, survey, web_session, conversations]
DIMENSIONS = [users, skills, agent_groups]

_ACCOUNT: dict[str, Any] = {
    "account_id": settings.text("LIVEPERSON_ACCOUNT_ID"),
    "app_key": settings.text("LIVEPERSON_APP_KEY"),
    "app_secret": settings.text("LIVEPERSON_APP_SECRET"),
    "access_token": settings.text("LIVEPERSON_ACCESS_TOKEN"),
    "access_token_secret": settings.text("LIVEPERSON_ACCESS_TOKEN_SECRET"),
    "client_id": settings.text("LIVEPERSON_CLIENT_ID"),
    "client_secret": settings.text("LIVEPERSON_CLIENT_SECRET"),
    "domain_url": settings.text("LIVEPERSON_DOMAIN_URL", "https://api.liveperson.net"),
    "retry_wait_seconds": settings.retry_wait_seconds(),
}
RESOURCES: dict[str, ApiResource] = {
    "liveperson_data_access": LivePersonDataAccessResource(
        **_ACCOUNT,
        region=settings.text("LIVEPERSON_REGION"),
        data_access_url=settings.text("LIVEPERSON_DATA_ACCESS_URL"),
    ),
    "liveperson_messaging": LivePersonMessagingResource(**_ACCOUNT),
    "liveperson_account_config": LivePersonAccountConfigResource(**_ACCOUNT),
}
