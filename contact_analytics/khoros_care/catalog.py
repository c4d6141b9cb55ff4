"""What Khoros Care has for us: the modules of its tables, and the resource of its API with its settings."""

from contact_analytics import settings
from contact_analytics.khoros_care import (
    agents,
    author,
    combined,
    conversation,
    conversation_actions,
    conversation_history_action,
    incoming_post,
    raw_agent_states,
    raw_expert_help,
    response,
    response_approval,
    team_performance,
    team_performance_interval,
    teams,
    user,
)
from contact_analytics.khoros_care.analytics_reports import URL, KhorosCareAnalyticsReportsResource
from contact_analytics.khoros_care.marketing import marketing_export
from contact_analytics.lib.resource import ApiResource

DATASETS = [
    conversation,
    response,
    response_approval,
    incoming_post,
    combined,
    author,
    raw_expert_help,
    raw_agent_states,
    team_performance,
    team_performance_interval,
    conversation_actions,
    conversation_history_action,
    user,
]
DIMENSIONS = [teams, agents]
# Each with its table and its asset.
MARKETING = [marketing_export(id) for id in settings.words("KHOROS_CARE_MARKETING_EXPORTS")]

RESOURCES: dict[str, ApiResource] = {
    "khoros_care_analytics_reports": KhorosCareAnalyticsReportsResource(
        url=settings.text("KHOROS_CARE_URL", URL),
        company_key=settings.text("KHOROS_CARE_COMPANY_KEY"),
        username=settings.text("KHOROS_CARE_USERNAME"),
        password=settings.text("KHOROS_CARE_PASSWORD"),
        options=settings.text("KHOROS_CARE_EXPORT_OPTIONS"),
        poll_seconds=settings.number("KHOROS_CARE_POLL_SECONDS", 5),
        calls_per_minute=round(settings.number("KHOROS_CARE_CALLS_PER_MINUTE", 20)),
        retry_wait_seconds=settings.retry_wait_seconds(),
        tenant_folder=settings.tenants(),
    )
}
