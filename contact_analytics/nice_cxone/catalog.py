"""What NICE CXone has for us: the modules of its tables, and the resource of its API with its settings."""

from contact_analytics import settings
from contact_analytics.lib.resource import ApiResource
from contact_analytics.nice_cxone import qm_questions, qm_workflows, recording_interaction_metadata
from contact_analytics.nice_cxone.data_extraction import ISSUER_URL, NiceCxoneDataExtractionResource

DATASETS = [qm_workflows, qm_questions, recording_interaction_metadata]

RESOURCES: dict[str, ApiResource] = {
    "nice_cxone_data_extraction": NiceCxoneDataExtractionResource(
        url=settings.text("NICE_CXONE_URL"),
        area=settings.text("NICE_CXONE_AREA"),
        access_key_id=settings.text("NICE_CXONE_ACCESS_KEY_ID"),
        access_key_secret=settings.text("NICE_CXONE_ACCESS_KEY_SECRET"),
        client_id=settings.text("NICE_CXONE_CLIENT_ID"),
        client_secret=settings.text("NICE_CXONE_CLIENT_SECRET"),
        issuer_url=settings.text("NICE_CXONE_ISSUER_URL", ISSUER_URL),
        versions=settings.text("NICE_CXONE_VERSIONS"),
        call_interval_seconds=settings.number("NICE_CXONE_CALL_INTERVAL_SECONDS", 31),
        poll_seconds=settings.number("NICE_CXONE_POLL_SECONDS", 10),
        days_an_export=round(settings.number("NICE_CXONE_DAYS_AN_EXPORT", 14)),
        retry_wait_seconds=settings.retry_wait_seconds(),
        tenant_folder=settings.tenants(),
    )
}
