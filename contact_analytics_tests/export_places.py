"""Places whose vendor exports: the sandbox's app of Khoros Care or NICE CXone, and a folder that is filled from it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

import httpx

from contact_analytics.khoros_care.analytics_reports import KhorosCareAnalyticsReportsResource
from contact_analytics.nice_cxone.data_extraction import NiceCxoneDataExtractionResource
from contact_analytics.sandbox.khoros_care import KhorosCare
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.fakes import Place, Wire


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class SandboxedReports(KhorosCareAnalyticsReportsResource):
    """The real resource, whose requests end in an app of this process; apps are found by the company's key."""

    apps: ClassVar[dict[str, KhorosCare]] = {}

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.company_key])


class SandboxedExtraction(NiceCxoneDataExtractionResource):
    """The real resource, whose requests end in an app of this process; apps are found by the access key."""

    apps: ClassVar[dict[str, NiceCxone]] = {}

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.access_key_id])


@dataclass
class KhorosPlace(Place):
    """A sandbox of Khoros Care's; `fields` are those of the resource."""

    app: KhorosCare = field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default_factory=lambda: KhorosCare(scale=0.2, calls_per_minute=100_000)
    )
    fields: dict[str, Any] = field(default_factory=dict[str, Any])

    def reports(self) -> SandboxedReports:
        """The vendor's resource with the sandbox's credentials, which waits for nothing."""
        SandboxedReports.apps[self.app.company_key] = self.app
        known: dict[str, Any] = {
            "company_key": self.app.company_key,
            "username": self.app.username,
            "password": self.app.password,
            "poll_seconds": 0,
            "retry_wait_seconds": 0,
            "calls_per_minute": 100_000,
            "tenant_folder": str(self.folder / "tenants"),
        }
        return SandboxedReports(**known | self.fields)

    def resources(self, **others: object) -> dict[str, object]:
        return {
            "archive": self.archive,
            "warehouse": self.warehouse,
            "khoros_care_analytics_reports": self.reports(),
            **others,
        }

    def sent(self, export: str, day: date, **options: Any) -> list[dict[str, Any]]:
        """The rows that the sandbox gives for a UTC day, by metric id."""
        return self.app.rows(export, start_of(day), start_of(day + timedelta(days=1)), **options)


@dataclass
class CxonePlace(Place):
    """A sandbox of NICE CXone's; `fields` are those of the resource."""

    app: NiceCxone = field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default_factory=lambda: NiceCxone(scale=0.2, interval=0)
    )
    fields: dict[str, Any] = field(default_factory=dict[str, Any])

    def extraction(self) -> SandboxedExtraction:
        """The vendor's resource with the sandbox's credentials, which waits for nothing."""
        SandboxedExtraction.apps[self.app.access_key_id] = self.app
        known: dict[str, Any] = {
            "area": "na1",
            "access_key_id": self.app.access_key_id,
            "access_key_secret": self.app.access_key_secret,
            "call_interval_seconds": 0,
            "poll_seconds": 0,
            "retry_wait_seconds": 0,
            "tenant_folder": str(self.folder / "tenants"),
        }
        return SandboxedExtraction(**known | self.fields)

    def resources(self, **others: object) -> dict[str, object]:
        return {
            "archive": self.archive,
            "warehouse": self.warehouse,
            "nice_cxone_data_extraction": self.extraction(),
            **others,
        }
