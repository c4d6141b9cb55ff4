"""Engagement attributes (SDEs): what the site told about the consumer, as a conversation's events carry it.

Some are nested in themselves (`customerInfo.customerInfo`): the inner record's fields stand beside the outer one's.
"""

from typing import Any

import dataframely as dy

from contact_analytics.lib.schema import field, instant, many, record


def _text(meaning: str, **facts: Any) -> Any:
    return field(dy.String, meaning, **facts)


def _amount(meaning: str, **facts: Any) -> Any:
    return field(dy.Float64, meaning, unit="`currency`", **facts)


def _stamps() -> dict[str, Any]:
    return {
        "server_time_stamp": instant("Time the vendor processed it", text=True),
        "original_time_stamp": instant("Time the site sent it", text=True),
        "is_authenticated": field(dy.Bool, "Whether the consumer was authenticated"),
    }


def _attribute(fields: dict[str, Any], meaning: str) -> Any:
    return record({**fields, **_stamps()}, meaning)


def _nested(section: str, meaning: str, **columns: Any) -> Any:
    """An attribute whose fields lie in a record of the attribute's own name."""
    return _attribute({name: make(section=section) for name, make in columns.items()}, meaning)


def _of(kind: type[dy.Column], meaning: str, **facts: Any) -> Any:
    """A field that is yet to learn its section."""
    return lambda section: field(kind, meaning, section=section, **facts)


def _string(meaning: str, **facts: Any) -> Any:
    return _of(dy.String, meaning, **facts)


def _date(meaning: str) -> Any:
    parts = {name: field(dy.Int32, name.capitalize()) for name in ("year", "month", "day")}
    return lambda section: record(parts, meaning, section=section)


def _products(meaning: str) -> Any:
    product = {
        "name": _text("Name"),
        "category": _text("Category"),
        "sku": _text("Stock keeping unit"),
        "price": _amount("Price of one"),
        "status_in_stock": field(dy.Bool, "Whether it is in stock", inferred=True),
        "quantity_in_stock": field(dy.Int32, "Pieces in stock"),
    }
    return many(record({"quantity": field(dy.Int32, "Pieces"), "product": record(product, "Product")}), meaning)


def _cart() -> dict[str, Any]:
    return {
        "total": _amount("Value of the cart"),
        "currency": _text("Currency, ISO 4217"),
        "num_items": field(dy.Int32, "Items in the cart"),
        "products": _products("Products in the cart"),
    }


def _customer_info() -> Any:
    return _nested(
        "customerInfo",
        "Who the customer is to the brand",
        customer_status=_string("Status of the customer"),
        customer_type=_string("Type of the customer"),
        balance=_of(dy.Float64, "Balance of the customer", unit="`currency`"),
        currency=_string("Currency, ISO 4217"),
        customer_id=_string("Customer, the brand's own id", personal=True),
        social_id=_string("Account in a social network", personal=True),
        imei=_string("Device's IMEI", personal=True),
        user_name=_string("User name on the site", personal=True),
        account_name=_string("Account of the customer", personal=True),
        role=_string("Role of the customer"),
        last_payment_date=_date("Day of the last payment"),
        registration_date=_date("Day of the registration"),
        company_size=_of(dy.Int32, "Size of the customer's company", unit="people"),
        company_branch=_string("Branch of the customer's company"),
        store_zip_code=_string("Postal code of the store"),
        store_number=_string("Store"),
        login_status=_of(dy.Int32, "Login status"),
    )


def _personal_info() -> Any:
    age = {
        "customer_age_in_years": field(dy.Int32, "Age", unit="years", personal=True),
        "customer_year_of_birth": _text("Year of birth", personal=True),
        "customer_month_of_birth": _text("Month of birth", personal=True),
        "customer_date_of_birth": _text("Day of birth", personal=True),
    }
    contact = {
        "email": _text("E-mail address", section="personalContact", personal=True),
        "phone": _text("Telephone number", section="personalContact", personal=True),
    }
    return _nested(
        "personalInfo",
        "Who the consumer is",
        name=_string("First name", personal=True),
        surname=_string("Last name", personal=True),
        gender=_string("Gender", personal=True),
        company=_string("Company", personal=True),
        language=_string("Language"),
        customer_age=lambda section: record(age, "Age of the customer", section=section),
        contacts=lambda section: many(record(contact), "Ways to reach the consumer", section=section),
    )


def sde() -> Any:
    """An event: one attribute, with its type and times."""
    return record(
        {
            "sde_type": _text("Kind of the attribute, such as CUSTOMER_INFO"),
            "server_time_stamp": instant("Time the vendor processed it", text=True),
            "is_authenticated": field(dy.Bool, "Whether the consumer was authenticated"),
            "customer_info": _customer_info(),
            "personal_info": _personal_info(),
            "marketing_campaign_info": _nested(
                "marketingCampaignInfo",
                "Where the consumer came from",
                originating_channel=_of(dy.Int32, "Channel"),
                affiliate=_string("Affiliate"),
                campaign_id=_string("Campaign"),
            ),
            "lead": _nested(
                "lead",
                "Lead",
                topic=_string("Topic"),
                value=_of(dy.Float64, "Value", unit="`currency`"),
                currency=_string("Currency, ISO 4217"),
                lead_id=_string("Lead"),
            ),
            "service_activity": _nested(
                "serviceActivity",
                "Service activity",
                topic=_string("Topic"),
                status=_of(dy.Int32, "Status"),
                category=_string("Category"),
                service_id=_string("Service"),
            ),
            "visitor_error": _nested(
                "visitorError",
                "Error that the consumer met",
                context_id=_string("Context"),
                message=_string("Message"),
                code=_string("Code"),
                level=_of(dy.Int64, "Level"),
                resolved=_of(dy.Bool, "Whether it was resolved"),
            ),
            "cart_status": _attribute(_cart(), "Cart"),
            "purchase": _attribute(
                {
                    "total": _amount("Value of the order"),
                    "currency": _text("Currency, ISO 4217"),
                    "order_id": _text("Order"),
                    "cart": _attribute(_cart(), "What was bought"),
                },
                "Purchase",
            ),
            "viewed_product": _attribute(
                {"products": _products("Products"), "currency": _text("Currency, ISO 4217")}, "Products looked at"
            ),
            "search_content": _attribute({"keywords": many(_text("Keyword"), "Keywords")}, "Searches on the site"),
        }
    )
