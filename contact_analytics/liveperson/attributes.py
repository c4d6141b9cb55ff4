"""Nested records of web sessions: what the site told about the visitor, and what an achieved goal recorded."""

from typing import Any

import dataframely as dy

from contact_analytics.lib.schema import field, many, record
from contact_analytics.liveperson.campaigns import campaign, engagement


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


def attribute_data() -> Any:
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


def goal_metadata() -> Any:
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
            "service_activity": _branch(_service_activity(), "Goal of a service activity", "ServiceActivityMetadata"),
            "increase_interaction": _branch(
                {"engagement": engagement(avro="Engagement", inferred=True), "campaign": campaign()},
                "Goal of more interaction",
                "IncreaseInteractionGoalMetadata",
            ),
        },
        "What the goal recorded: one branch is filled, the others are null",
        union=True,
        wire="goalMetaData",
    )
