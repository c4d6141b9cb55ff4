"""Web session: each visit to a tagged site, with pages, attributes, goals, campaigns and impressions."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.daily import ExtractionConfig, extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LATENESS, RETENTION, LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import VisitorRecord
from contact_analytics.settings import PARTITIONS


def _revision(meaning: str) -> Any:
    return record({"id": field(dy.Int64, meaning), "revision": field(dy.Int64, f"Revision of the {meaning.lower()}")})


def _campaign() -> Any:
    return record(
        {
            "id": field(dy.Int64, "Campaign"),
            "visitor_profiles": many(_revision("Visitor profile"), "Visitor profiles that the campaign targets"),
        },
        "Campaign",
        avro="Campaign",
    )


def _engagement(**wrapper: Any) -> Any:
    return record(
        {
            "id": field(dy.Int64, "Engagement; in the vendor's table, absent from its example"),
            "channel": field(dy.String, "Channel, such as 1 or 100"),
            "type": field(dy.String, "0 peeling corner, 1 overlay, 2 toaster, 3 slide-out, 5 embedded, 6 sticky"),
            "visitor_behaviors": many(_revision("Visitor behaviour"), "Behaviours that the engagement targets"),
            "skill_id": field(dy.Int32, "Skill; -1 for none"),
            "skill_name": field(dy.String, "Name of the skill"),
            "survey_skills": many(
                record({"id": field(dy.Int64, "Skill"), "name": field(dy.String, "Name of the skill")}),
                "Skills offered by the pre-chat survey",
            ),
            "is_offsite_engagement": field(dy.Bool, "Shown on another site than the brand's"),
            "availability_policy": field(dy.String, "When the engagement is offered"),
            "interaction_type": field(dy.Int32, "Chat or messaging; the vendor lists no values, 1 and 5 were seen"),
            "rendering_type": field(dy.Int32, "How the engagement is drawn"),
        },
        "Engagement offered to the visitor",
        **wrapper,
    )


def _goal() -> Any:
    return record(
        {
            "id": field(dy.Int64, "Goal"),
            "type": field(dy.Int32, "Kind of goal"),
            "indicator_type": field(dy.Int32, "Indicator of the goal"),
        },
        "Goal of the campaign",
        avro="Goal",
    )


def _product(**wrapper: Any) -> Any:
    return record(
        {
            "name": field(dy.String, "Name of the product"),
            "category": field(dy.String, "Category of the product"),
            "sku": field(dy.String, "Stock keeping unit"),
            "price": field(dy.Float64, "Price of one", unit="the site's currency"),
        },
        "Product",
        **wrapper,
    )


def _cart() -> Any:
    return record(
        {
            "total": field(dy.Float64, "Value of the cart", unit="the site's currency"),
            "num_items": field(dy.Int32, "Items in the cart", unit="items"),
            "products": many(
                record(
                    {
                        "quantity": field(dy.Int32, "Pieces of the product", unit="items"),
                        "product": _product(avro="Product", inferred=True),
                    }
                ),
                "Products in the cart",
            ),
        },
        "Cart",
        avro="CartStatus",
        inferred=True,
    )


def _purchase(avro: str, cart: str) -> Any:
    return record(
        {
            "total": field(dy.Float64, "Value of the order", unit="the site's currency"),
            "order_id": field(dy.String, "Order"),
            cart: _cart(),
        },
        "Purchase",
        avro=avro,
        bare=True,
    )


def _lead() -> Any:
    return record(
        {
            "topic": field(dy.String, "Topic of the lead"),
            "lead_id": field(dy.String, "Lead"),
            "value": field(dy.Float64, "Value of the lead", unit="the site's currency"),
        },
        "Lead",
        bare=True,
    )


def _service_activity() -> dict[str, Any]:
    return {
        "topic": field(dy.String, "Topic of the activity"),
        "status": field(dy.Int32, "Status of the activity"),
        "category": field(dy.String, "Category of the activity"),
        "service_id": field(dy.String, "Service"),
    }


def _date(meaning: str) -> Any:
    return record(
        {
            "year": field(dy.Int32, "Year"),
            "month": field(dy.Int32, "Month of the year"),
            "day": field(dy.Int32, "Day of the month"),
        },
        meaning,
        avro="YMDDate",
        inferred=True,
    )


def _authentication() -> dict[str, Any]:
    return {
        "is_authenticated": field(dy.Bool, "Visitor was authenticated"),
        "authenticated_conversation_id": field(dy.String, "Conversation in which the visitor was authenticated"),
    }


def _customer_info() -> Any:
    return record(
        {
            **_authentication(),
            "customer_status": field(dy.String, "Status of the customer"),
            "customer_type": field(dy.String, "Type of the customer"),
            "balance": field(dy.Float64, "Balance of the customer", unit="the site's currency"),
            "customer_id": field(dy.String, "Customer, the brand's own id", personal=True),
            "social_id": field(dy.String, "Account in a social network", personal=True),
            "imei": field(dy.String, "Device's IMEI", personal=True),
            "user_name": field(dy.String, "User name on the site", personal=True),
            "company_size": field(dy.Int32, "Size of the customer's company", unit="people"),
            "account_name": field(dy.String, "Account of the customer", personal=True),
            "role": field(dy.String, "Role of the customer"),
            "last_payment_date": _date("Day of the last payment"),
            "registration_date": _date("Day of the registration"),
            "store_number": field(dy.String, "Store"),
            "store_zip_code": field(dy.String, "Postal code of the store"),
        },
        "Who the customer is to the brand",
        avro="CustomerInfo",
        bare=True,
    )


def _personal_info() -> Any:
    age = {
        "customer_age_in_years": field(dy.Int32, "Age", unit="years", personal=True),
        "customer_year_of_birth": field(dy.Int32, "Year of birth", personal=True),
        "customer_month_of_birth": field(dy.Int32, "Month of birth", personal=True),
        "customer_date_of_birth": field(dy.Int32, "Day of birth", personal=True, wire="CustomerDateOfBirth"),
    }
    contact = {
        "email": field(dy.String, "E-mail address", personal=True),
        "phone": field(dy.String, "Telephone number", personal=True),
    }
    return record(
        {
            **_authentication(),
            "name": field(dy.String, "First name", personal=True),
            "surname": field(dy.String, "Last name", personal=True),
            "gender": field(dy.String, "Gender", personal=True),
            "company": field(dy.String, "Company", personal=True),
            "customer_age": record(age, "Age of the customer", avro="CustomerAge", inferred=True),
            "contacts": many(record(contact), "Ways to reach the customer"),
        },
        "Who the customer is",
        avro="PersonalInfo",
        bare=True,
    )


def _branch(fields: dict[str, Any], meaning: str, avro: str) -> Any:
    return record(fields, meaning, avro=avro, bare=True)


def _attribute_data() -> Any:
    return record(
        {
            "purchase": _purchase("Purchase", "cart"),
            "cart_status": _branch(dict(_cart().inner), "Cart", "CartStatus"),
            "lead": _branch(dict(_lead().inner), "Lead", "Lead"),
            "customer_info": _customer_info(),
            "personal_info": _personal_info(),
            "viewed_product": _branch(
                {"products": many(_product(), "Products seen")}, "Products that the visitor looked at", "ViewedProduct"
            ),
            "service_activity": _branch(_service_activity(), "Service activity", "ServiceActivity"),
            "visitor_error": _branch(
                {
                    "context_id": field(dy.String, "Context of the error"),
                    "message": field(dy.String, "Message shown"),
                    "code": field(dy.Int64, "Code of the error"),
                    "level": field(dy.Int64, "Level of the error"),
                    "resolved": field(dy.Bool, "Error was resolved"),
                },
                "Error that the visitor met",
                "VisitorError",
            ),
            "marketing_campaign_info": _branch(
                {
                    "originating_channel": field(dy.Int32, "Channel of origin", wire="OriginatingChannel"),
                    "affiliate": field(dy.String, "Affiliate"),
                    "campaign_id": field(dy.String, "Campaign"),
                },
                "Marketing campaign that brought the visitor",
                "MarketingCampaignInfo",
            ),
        },
        "The attribute: one branch is filled, the others are null",
        union=True,
    )


def _goal_metadata() -> Any:
    return record(
        {
            "url": _branch({"url": field(dy.String, "Address reached")}, "Goal of a page", "UrlGoalMetadata"),
            "purchase": _purchase("PurchaseMetadata", "cart_status"),
            "reduce_abandonment": _branch(
                {"number_of_pages": field(dy.Int32, "Pages visited", unit="pages")},
                "Goal of fewer abandoned visits",
                "ReduceAbandonmentGoalMetadata",
            ),
            "lead": _branch(dict(_lead().inner), "Goal of a lead", "LeadMetadata"),
            "service_activity": _branch(
                _service_activity(), "Goal of a service activity", "ServiceActivityMetadata"
            ),
            "increase_interaction": _branch(
                {"engagement": _engagement(avro="Engagement", inferred=True), "campaign": _campaign()},
                "Goal of more interaction",
                "IncreaseInteractionGoalMetadata",
            ),
        },
        "What the goal recorded: one branch is filled, the others are null",
        union=True,
        wire="goalMetaData",
    )


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
        record({"timestamp": instant("Time of the attribute"), "data": _attribute_data()}),
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
                "goal_meta_data": _goal_metadata(),
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
                            "campaign": _campaign(),
                            "engagements": many(_engagement(), "Engagements that could be offered"),
                            "goal": _goal(),
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
                "engagement": _engagement(avro="Engagement"),
                "campaign": _campaign(),
                "goal": _goal(),
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
)


@dg.asset(**daily_table(DATASET, PARTITIONS), pool="liveperson_data_access")
def web_session(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_data_access: LivePersonDataAccessResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_days(
        context, DATASET, config, liveperson_data_access.connect, FORMAT.decode, archive, warehouse
    )
