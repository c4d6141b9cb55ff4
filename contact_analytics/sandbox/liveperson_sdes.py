"""What brands tell LivePerson about a visitor during a conversation: engagement attributes, as conversations have them.

Some are nested twice under their own name, some aren't, as at the vendor.
"""

import random
from collections.abc import Callable
from typing import Any

from contact_analytics.sandbox.liveperson_brand import FIRST_NAMES, LAST_NAMES, PRODUCTS, Brand, token
from contact_analytics.sandbox.liveperson_conversations import Life

Fields = dict[str, Any]

_NESTED = {"customerInfo", "personalInfo", "marketingCampaignInfo", "visitorError", "lead", "serviceActivity"}


def events(brand: Brand, life: Life) -> list[tuple[int, Fields]]:
    """The attributes of a conversation in the order in which they came, each with its time."""
    if not life.happens("attributes", 0.5):
        return []
    chance = random.Random(life.bits)
    names = chance.sample(tuple(_WRITERS), k=chance.choice((1, 1, 2, 2, 3, 4)))
    if chance.random() < 0.1:
        # A status that was updated: by its id a conversation comes with both, in a list with the last.
        names = ["customerInfo", *(name for name in names if name != "customerInfo"), "customerInfo"]
    told = _Attributes(brand, life, chance)
    times = sorted(life.start - 3_000 + int(chance.random() * (life.closed - life.start)) for _ in names)
    return [(time, _event(told, name, time)) for time, name in zip(times, names, strict=True)]


def last_of_a_kind(found: list[Fields]) -> list[Fields]:
    """What lists show of the attributes: of each kind the last update."""
    last = {event["sdeType"]: place for place, event in enumerate(found)}
    return [event for place, event in enumerate(found) if last[event["sdeType"]] == place]


def as_text(value: Any) -> Any:
    """A value as the first version of the API writes it: every number and truth value as a text."""
    if isinstance(value, dict):
        return {name: as_text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class _Attributes:
    """What is told of one conversation's customer."""

    def __init__(self, brand: Brand, life: Life, chance: random.Random) -> None:
        self.brand, self.life, self.chance = brand, life, chance

    def customer_info(self) -> Fields:
        number = self.life.customer
        joined = {"year": 2015 + number % 9, "month": number % 12 + 1, "day": number % 28 + 1}
        return {
            "customerStatus": self.brand.customer_status(self.life.customer),
            "customerType": ("private", "business", "")[number % 3],
            "balance": self.chance.choice((0.0, -12.34, 1500.1)),
            "currency": "USD",
            "customerId": f"C-{number}",
            "socialId": "",
            "imei": "3543546543545688",
            "userName": f"customer{number}",
            "accountName": "",
            "role": self.chance.choice(("buyer", "")),
            "lastPaymentDate": {**joined, "year": 2024},
            "registrationDate": joined,
            "companySize": 250 if number % 3 == 1 else 0,
            "companyBranch": "",
            "storeZipCode": "01067",
            "storeNumber": f"{number % 40:03d}",
            "loginStatus": self.chance.randrange(2),
        }

    def personal_info(self) -> Fields:
        born = self.chance.randrange(1945, 2006)
        return {
            "name": self.chance.choice(FIRST_NAMES),
            "surname": self.chance.choice(LAST_NAMES),
            "gender": self.chance.choice(("FEMALE", "MALE", "OTHER")),
            "company": "",
            "customerAge": {
                "customerAgeInYears": 2024 - born,
                "customerYearOfBirth": str(born),
                "customerMonthOfBirth": "5",
                "customerDateOfBirth": "17",
            },
            "contacts": [
                {"personalContact": {"email": f"customer{self.life.customer}@example.com", "phone": "+1 555 0100"}}
            ],
            "language": self.chance.choice(("en-US", "es", "de-DE")),
        }

    def _products(self) -> list[Fields]:
        chosen = self.chance.sample(PRODUCTS, k=self.chance.choice((1, 1, 2)))
        return [{"quantity": self.chance.randrange(1, 4), "product": dict(product)} for product in chosen]

    def cart(self) -> Fields:
        products = self._products()
        total = round(sum(line["quantity"] * line["product"]["price"] for line in products), 2)
        count = sum(line["quantity"] for line in products)
        return {"total": total, "currency": "USD", "numItems": count, "products": products}

    def purchase(self) -> Fields:
        cart = self.cart()
        inner = {name: cart[name] for name in ("total", "products", "numItems")} | {
            "serverTimeStamp": str(self.life.start)
        }
        order = f"DRV{self.chance.getrandbits(40):012d}"
        return {"total": cart["total"], "currency": "USD", "orderId": order, "cart": inner}

    def viewed_product(self) -> Fields:
        lines = self._products()
        for line in lines:
            line["product"] |= {"statusInStock": True, "quantityInStock": self.chance.randrange(50)}
        return {"products": lines, "currency": "USD"}

    def visitor_error(self) -> Fields:
        code = self.chance.choice(("404", "er100", "-1"))
        return {"contextId": "", "message": "payment\nfailed", "code": code, "level": 2, "resolved": False}

    def lead(self) -> Fields:
        return {
            "topic": "newsletter",
            "value": self.chance.choice((0.0, 12.5)),
            "currency": "USD",
            "leadId": token(self.chance, 6),
        }

    def service(self) -> Fields:
        status = self.chance.choice((0, 1, -1))
        return {"topic": "address change", "status": status, "category": "account", "serviceId": token(self.chance, 6)}

    def marketing(self) -> Fields:
        return {"originatingChannel": self.chance.randrange(5), "affiliate": "Yahoo", "campaignId": "spring/été & co"}

    def search(self) -> Fields:
        return {"keywords": self.chance.sample(("espresso", "kettle", "Lampe", "auriculares 🎧"), k=2)}


_WRITERS: dict[str, Callable[[_Attributes], Fields]] = {
    "customerInfo": _Attributes.customer_info,
    "personalInfo": _Attributes.personal_info,
    "cartStatus": _Attributes.cart,
    "purchase": _Attributes.purchase,
    "marketingCampaignInfo": _Attributes.marketing,
    "searchContent": _Attributes.search,
    "viewedProduct": _Attributes.viewed_product,
    "visitorError": _Attributes.visitor_error,
    "lead": _Attributes.lead,
    "serviceActivity": _Attributes.service,
}


def _event(of: _Attributes, name: str, time: int) -> Fields:
    """An attribute as an event; one that the customer did not authenticate says so."""
    fields = _WRITERS[name](of)
    stamps: Fields = {"serverTimeStamp": str(time + 40), "originalTimeStamp": str(time)}
    whose = {} if of.chance.random() < 0.7 else {"isAuthenticated": False}
    told = {name: fields, **stamps, **whose} if name in _NESTED else {**fields, **stamps}
    kind = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)
    return {name: told, "sdeType": kind, "serverTimeStamp": stamps["serverTimeStamp"], **whose}
