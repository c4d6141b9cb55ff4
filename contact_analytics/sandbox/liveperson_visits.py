"""Web sessions of the sandbox, in the columns of their table."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from contact_analytics.sandbox.liveperson_brand import FIRST_NAMES, HOUR, LAST_NAMES, PRODUCTS, SKILLS, Brand, token
from contact_analytics.sandbox.liveperson_orders import cart, order
from contact_analytics.sandbox.liveperson_records import Row, Session

_PAGES = (
    ("https://shop.example/", ["home"]),
    ("https://shop.example/login", ["loginPages"]),
    ("https://shop.example/kitchen?page=2&sort=price", ["shop", "kitchen"]),
    ("https://shop.example/caf%C3%A9/überblick", ["shop"]),
    ("https://shop.example/cart", ["cart", "checkout"]),
    ("https://shop.example/help/returns#faq", []),
)
_REFERRERS = ("", "https://search.example/?q=espresso", "https://news.example/a?b=c&d=%20", None)
_PLACES = (
    ("United States", "New York", "New York", "Example Telecom", "US"),
    ("United States", "Austin", "Texas", "Example Cable", "US"),
    ("Deutschland", "Köln", "Nordrhein-Westfalen", "Beispiel Netz", "DE"),
    ("Côte d'Ivoire", "Abidjan", "", "Exemple Télécom", "CI"),
    ("日本", "東京", "東京都", "例ネット", "JP"),
)
_DEVICES = (
    ("WINDOWS", "DESKTOP", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"),
    ("MAC_OS", "DESKTOP", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari"),
    ("ANDROID", "MOBILE", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0 Mobile Safari"),
    ("IOS", "MOBILE", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"),
    ("NA", "NA", ""),
)


def _campaign(number: int) -> Row:
    profiles = [{"id": 156_579_410 + number * 3 + n, "revision": 111 + n} for n in range(number % 3)]
    # The last campaign's id is one that a floating-point number can't hold.
    return {"id": (129082910, 129082911, 129082912, 9_007_199_254_740_993)[number], "visitor_profiles": profiles}


def _offer(place: int) -> Row:
    """An engagement as campaigns list it; the id, which the vendor's example lacks, only on some."""
    skill = (*SKILLS, -1)[place]
    ask = [{"id": number, "name": name} for number, name in SKILLS.items()] if place == 1 else None
    return {
        "id": 9_007_199_254_740_993 + 2 * place if place % 2 else None,
        "channel": "100" if place == 3 else "1",
        "type": str((0, 1, 2, 5, 6)[place]),
        "visitor_behaviors": [{"id": 126_225_110 + place, "revision": 33}] * (place % 3),
        # Skill ids elsewhere are 64 bits long; here the vendor has 32.
        "skill_id": skill if skill < 2**31 else -1,
        "skill_name": SKILLS.get(skill),
        "survey_skills": ask,
        "is_offsite_engagement": place == 4,
        "availability_policy": None if place == 2 else "1",
        "interaction_type": 1 if place % 2 else 5,
        "rendering_type": 1 if place == 4 else None,
    }


_CAMPAIGNS = [_campaign(number) for number in range(4)]
_OFFERS = [_offer(number) for number in range(5)]
_GOALS = [{"id": 126_222_610 + number, "type": number, "indicator_type": 3} for number in range(1, 5)]


def web_session(brand: Brand, hour: int, numbers: range) -> Iterator[Session]:
    """Visits that closed in the hour; some began many hours before."""
    for number in numbers:
        yield _Visit(brand, hour, number).row(), []


class _Visit:
    """One visitor on the site, from the first page to the last."""

    def __init__(self, brand: Brand, hour: int, number: int) -> None:
        self.brand = brand
        self.chance = chance = brand.chance("visit", hour, number)
        self.end = hour * HOUR + chance.randrange(3_500_000)
        long = chance.random() < 0.05
        self.start = self.end - int(chance.uniform(4, 14) * HOUR if long else chance.lognormvariate(6, 0.8) * 1000)
        self.id = f"{token(chance, 12)}.{hour:x}{number:04x}"
        visitor = brand.customer(chance)
        self.order = order(brand, hour, number)
        self.customer = self.order.customer if self.order else visitor

    def moment(self) -> int:
        return self.chance.randint(self.start, self.end)

    def row(self) -> Row:
        """The visit; sections that nothing happened in are missing, or present and empty."""
        happens = self.chance.random
        return {
            "account_id": self.brand.account_id,
            "schema_version": "1.0.0.35",
            "start_time": self.start,
            "end_time": None,
            "visit_id": self.id,
            "visitor_id": "" if happens() < 0.03 else token(self.chance, 9),
            "context_id": None if happens() < 0.8 else "",
            "navigation_data": None if happens() < 0.02 else self._pages(),
            "engagement_attributes": self._attributes(),
            "achieved_goals": self._goals(),
            "eligibility_data": None if happens() < 0.6 else self._eligibility(),
            "impressions": None if happens() < 0.65 else self._impressions(),
            "geo": None if happens() < 0.2 else [self._place()],
            "session_info": [self._device()],
        }

    def _pages(self) -> list[Row]:
        times = sorted(self.moment() for _ in range(self.chance.choice((0, 1, 2, 2, 3, 4, 7))))
        pages: list[Row] = []
        before = self.chance.choice(_REFERRERS)
        for time in times:
            url, sections = self.chance.choice(_PAGES)
            pages.append({"timestamp": time, "url": url, "referrer_url": before, "sections": sections})
            before = url
        return pages

    def _attributes(self) -> list[Row] | None:
        chosen = [name for name, (share, _) in _ATTRIBUTES.items() if self.chance.random() < share]
        data = [{name: _ATTRIBUTES[name][1](self)} for name in chosen]
        if self.order:
            # A buyer has logged in, or is a guest of whom the site knows no number.
            if "customer_info" not in chosen:
                data.append({"customer_info": self.customer_info()})
            data += [{"purchase": purchase} for purchase in self.order.purchases]
        if not data and self.chance.random() < 0.5:
            return None
        return [{"timestamp": self.moment(), "data": item} for item in data]

    def _goals(self) -> list[Row] | None:
        chosen = [name for name, (share, _, _) in _ACHIEVEMENTS.items() if self.chance.random() < share]
        reached = [(_ACHIEVEMENTS[name][1], {name: _ACHIEVEMENTS[name][2](self)}) for name in chosen]
        if self.order and (bought := self.order.bought):
            told = {"total": bought["total"], "order_id": bought["order_id"], "cart_status": bought["cart"]}
            reached.append((3, {"purchase": told}))
        if not reached and self.chance.random() < 0.8:
            return None
        return [
            {
                "id": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
                "timestamp": self.moment(),
                "campaign_goal_revision": 13,
                "campaign_goal_id": 153_250_510 + kind,
                "campaign_goal_type": kind,
                "goal_meta_data": data,
            }
            for kind, data in reached
        ]

    def _eligibility(self) -> list[Row]:
        return [
            {
                "timestamp": self.moment(),
                "eligible_campaigns": [
                    {
                        "campaign": campaign,
                        "engagements": self.chance.sample(_OFFERS, k=self.chance.choice((0, 1, 1, 2))),
                        "goal": self.chance.choice((None, *_GOALS)),
                        "control_group_type": self.chance.choice(("NA", "NA", "TEST", "CONTROL")),
                    }
                    for campaign in self.chance.sample(_CAMPAIGNS, k=self.chance.choice((1, 1, 2)))
                ],
            }
        ]

    def _impressions(self) -> list[Row]:
        offer, campaign = self.chance.choice(_OFFERS), self.chance.choice((*_CAMPAIGNS, None))
        kinds = self.chance.choice((("Show",), ("Show", "Accept"), ("Show", "Close"), ("Show", "Timeout")))
        shown = self.moment()
        return [
            {
                # The vendor's table has a timestamp, its example none.
                "timestamp": shown + 4_000 * index if self.chance.random() < 0.8 else None,
                "engagement_instance_id": str(self.chance.randrange(1, 4)),
                "impression_type": kind,
                "state": self.chance.choice(("0", "1", "chatonline", "chatoffline", "content")),
                "engagement": offer,
                "campaign": campaign,
                "goal": self.chance.choice(_GOALS),
                "control_group": self.chance.choice((None, "NA", "TEST")),
            }
            for index, kind in enumerate(kinds)
        ]

    def _place(self) -> Row:
        country, city, state, provider, code = self.chance.choice(_PLACES)
        last = self.chance.randrange(1, 255)
        return {
            "ipv4": f"203.0.113.{last}" if last % 4 else None,
            "ipv6": None if last % 4 else f"2001:db8::{last:x}",
            "country": country,
            "city": city,
            "state": state,
            "org": None if last % 3 else "Example GmbH & Co. KG",
            "isp": provider,
            "country_code": code,
        }

    def _device(self) -> Row:
        system, family, agent = self.chance.choice(_DEVICES)
        searched = self.chance.random() < 0.2
        return {
            "session_start_time": self.start,
            "user_agent": agent,
            "device_os": system,
            "device_family": family,
            "site_control_group": self.chance.choice(("NA", "NA", "TEST", "CONTROL")),
            "search_engine": "Example Search" if searched else None,
            "search_engine_key": 'espresso "7 bar"' if searched else "",
        }

    def lead(self) -> Row:
        return {"topic": "newsletter", "lead_id": token(self.chance, 6), "value": self.chance.choice((0.0, 12.5, None))}

    def service(self) -> Row:
        status = self.chance.choice((0, 1, -1))
        return {"topic": "address change", "status": status, "category": None, "service_id": token(self.chance, 6)}

    def customer_info(self) -> Row:
        number = self.customer
        if number is None:
            return {"customer_status": "none", "customer_id": self.chance.choice((None, ""))}
        # The first day of membership is the same at each visit.
        joined = {"year": 2015 + number % 9, "month": number % 12 + 1, "day": number % 28 + 1}
        return {
            "is_authenticated": self.chance.choice((True, None)),
            "customer_status": self.brand.customer_status(number),
            "customer_type": ("private", "business", "")[number % 3],
            "balance": self.chance.choice((None, 0.0, -12.34, 1500.1)),
            "customer_id": f"C-{number}",
            "user_name": f"customer{number}",
            "company_size": 250 if number % 3 == 1 else None,
            "registration_date": joined,
            "last_payment_date": self.chance.choice((None, {**joined, "year": 2024})),
            "store_number": f"{number % 40:03d}",
            "store_zip_code": "01067",
        }

    def personal_info(self) -> Row:
        born = self.chance.randrange(1945, 2006)
        name, surname = self.chance.choice(FIRST_NAMES), self.chance.choice(LAST_NAMES)
        email = f"customer{self.customer}@example.com" if self.customer else "guest@example.com"
        contact = {"email": email, "phone": self.chance.choice(("+1 555 0100", None))}
        return {
            "name": name,
            "surname": surname,
            "gender": self.chance.choice(("FEMALE", "MALE", "OTHER", None)),
            "company": "",
            "customer_age": {"customer_age_in_years": 2024 - born, "customer_year_of_birth": born},
            "contacts": [contact] * self.chance.choice((0, 1, 1, 2)),
        }

    def viewed_products(self) -> Row:
        return {"products": self.chance.sample(PRODUCTS, k=self.chance.choice((1, 1, 2)))}

    def error(self) -> Row:
        code = self.chance.choice((404, 9_223_372_036_854_775_807, -1))
        return {"context_id": None, "message": "payment\nfailed", "code": code, "level": 2, "resolved": False}

    def marketing(self) -> Row:
        channel = self.chance.randrange(5)
        return {"originating_channel": channel, "affiliate": None, "campaign_id": "spring/été & co"}


_Writer = Callable[[_Visit], Any]
_ATTRIBUTES: dict[str, tuple[float, _Writer]] = {
    "customer_info": (0.3, _Visit.customer_info),
    "personal_info": (0.1, _Visit.personal_info),
    "viewed_product": (0.3, _Visit.viewed_products),
    "cart_status": (0.2, lambda visit: cart(visit.chance)),
    "lead": (0.03, _Visit.lead),
    "service_activity": (0.05, _Visit.service),
    "visitor_error": (0.04, _Visit.error),
    "marketing_campaign_info": (0.15, _Visit.marketing),
}
# What a goal recorded, how often, and the kind of goal that it goes with.
_ACHIEVEMENTS: dict[str, tuple[float, int, _Writer]] = {
    "url": (0.12, 0, lambda visit: {"url": visit.chance.choice(_PAGES)[0]}),
    "reduce_abandonment": (0.1, 1, lambda visit: {"number_of_pages": visit.chance.randrange(2, 9)}),
    "lead": (0.02, 2, _Visit.lead),
    "service_activity": (0.03, 4, _Visit.service),
    "increase_interaction": (0.04, 5, lambda _: {"engagement": _OFFERS[1], "campaign": _CAMPAIGNS[3]}),
}
