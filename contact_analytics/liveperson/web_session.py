"""Web session: each visit to a tagged site, with pages, attributes, goals, campaigns and impressions."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.checks import HOURLY_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.attributes import attribute_data, goal_metadata
from contact_analytics.liveperson.campaigns import campaign, engagement, goal
from contact_analytics.liveperson.data_access import LATENESS, RETENTION, LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import VisitorRecord
from contact_analytics.settings import PARTITIONS


class WebSession(VisitorRecord):
    """One row a visit; each section of the session is a nested column."""

    visit_id = field(dy.String, "Visit", key=True, section="header")
    navigation_data = many(
        record(
            {
                "timestamp": instant("Time of the page view"),
                "url": field(dy.String, "Address of the page", personal=True),
                "referrer_url": field(dy.String, "Address of the page before", personal=True),
                "sections": many(field(dy.String, "Section", bare=True), "Sections of the site"),
            }
        ),
        "Tagged pages that the visitor saw",
        section="WebSessionNavigationData",
    )
    engagement_attributes = many(
        record({"timestamp": instant("Time of the attribute"), "data": attribute_data()}),
        "What the site told about the visitor",
        section="WebSessionEngAttrsData",
    )
    achieved_goals = many(
        record(
            {
                "id": field(dy.String, "Achievement"),
                "timestamp": instant("Time the goal was achieved"),
                "campaign_goal_revision": field(dy.Int64, "Revision of the campaign's goal"),
                "campaign_goal_id": field(dy.Int64, "Goal of the campaign"),
                "campaign_goal_type": field(dy.Int32, "Kind of goal"),
                "goal_meta_data": goal_metadata(),
            }
        ),
        "Goals that the visitor achieved",
        section="WebSessionGoalAchievedData",
    )
    eligibility_data = many(
        record(
            {
                "eligible_campaigns": many(
                    record(
                        {
                            "campaign": campaign(),
                            "engagements": many(engagement(), "Engagements that could be offered"),
                            "goal": goal(),
                            "control_group_type": field(dy.String, "NA, TEST or CONTROL", avro="ControlGroupEnum"),
                        }
                    ),
                    "Campaigns that the visitor was eligible for",
                ),
                "timestamp": instant("Time of the decision"),
            }
        ),
        "Which campaigns could be offered, and when",
        section="WebSessionEligibilityData",
    )
    impressions = many(
        record(
            {
                "timestamp": instant("Time of the impression; in the vendor's table, absent from its example"),
                "engagement_instance_id": field(dy.String, "Instance of the engagement"),
                "impression_type": field(dy.String, "Show, Accept, Close or Timeout"),
                "state": field(dy.String, "content, chatonline or chatoffline; files also hold 0 and 1"),
                "engagement": engagement(avro="Engagement"),
                "campaign": campaign(),
                "goal": goal(),
                "control_group": field(
                    dy.String, "NA, TEST or CONTROL, since version 1.0.0.35", avro="ControlGroupEnum", inferred=True
                ),
            }
        ),
        "Engagements that were shown",
        section="WebSessionImpressionData",
    )
    geo = many(
        record(
            {
                "ipv4": field(dy.String, "IPv4 address", wire="iPV4", personal=True),
                "ipv6": field(dy.String, "IPv6 address", wire="iPV6", personal=True),
                "country": field(dy.String, "Country"),
                "city": field(dy.String, "City"),
                "state": field(dy.String, "State"),
                "org": field(dy.String, "Organisation"),
                "isp": field(dy.String, "Internet service provider"),
                "country_code": field(dy.String, "Country code"),
            }
        ),
        "Where the visitor was",
        section="WebSessionGeoData",
        wire="geoData",
        inferred=True,
    )
    session_info = many(
        record(
            {
                "session_start_time": instant("Start of the visit"),
                "user_agent": field(dy.String, "User agent of the browser"),
                "device_os": field(dy.String, "NA, WINDOWS, MAC_OS, LINUX, IOS or ANDROID", wire="deviceOS"),
                "device_family": field(dy.String, "NA, DESKTOP, TABLET or MOBILE"),
                "site_control_group": field(dy.String, "NA, CONTROL or TEST"),
                "search_engine": field(dy.String, "Search engine"),
                "search_engine_key": field(dy.String, "Words searched for"),
            }
        ),
        "Browser and device of the visit",
        section="WebSessionInfoData",
        wire="sessionInfo",
        inferred=True,
    )


FORMAT = FileFormat(WebSession, "WebSession", "VisitorHeader")
DATASET = Dataset(
    vendor="liveperson",
    name="web_session",
    schema=WebSession,
    grain="One row a visit to the site; each section of the session is a nested column.",
    documentation="https://developers.liveperson.com/data-access-api-methods-web-session.html",
    event_time="start_time",
    retention=RETENTION,
    lateness=LATENESS,
    checks=HOURLY_CHECKS,
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="liveperson_data_access"))
def web_session(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_data_access: LivePersonDataAccessResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_days(context, DATASET, config, liveperson_data_access.connect, FORMAT, archive, warehouse)
