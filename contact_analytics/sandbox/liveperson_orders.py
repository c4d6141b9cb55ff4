"""Orders of the sandbox's visits: bought, given back, and told of more than once."""

import random
from dataclasses import dataclass

from contact_analytics.sandbox.liveperson_brand import PRODUCTS, Brand
from contact_analytics.sandbox.liveperson_records import Row

# How far apart, in hours, an order and another visit that tells of it can be.
_BACK = 72


@dataclass(frozen=True)
class Order:
    """Whose a visit's order is, by the customer's number, None for a guest; and each time that the site tells of it."""

    customer: int | None
    purchases: tuple[Row, ...]

    @property
    def bought(self) -> Row | None:
        """What a goal of purchases records; nothing where something is given back."""
        [purchase, *_] = self.purchases
        return purchase if purchase["cart"] else None


def order(brand: Brand, hour: int, number: int) -> Order | None:
    """What a visit buys; now and then an order of an earlier visit, which is given back or seen again."""
    if bought := _bought(brand, hour, number):
        return bought
    chance = brand.chance("earlier order", hour, number)
    if chance.random() >= 0.008:
        return None
    before = hour - chance.randrange(1, _BACK)
    visits = range(brand.volume("web_session", before))
    orders = [bought for visit in visits if (bought := _bought(brand, before, visit))]
    if not orders:
        return None
    earlier = chance.choice(orders)
    [purchase, *_] = earlier.purchases
    if not purchase["total"] or chance.random() < 0.3:
        return Order(earlier.customer, (purchase,))
    returned = round(purchase["total"] * chance.choice((1, 1, 0.5)), 2)
    return Order(earlier.customer, ({"total": -returned, "order_id": purchase["order_id"], "cart": None},))


def cart(chance: random.Random) -> Row:
    """What lies in a cart."""
    chosen = chance.sample(PRODUCTS, k=chance.choice((1, 1, 2, 3)))
    pieces = [chance.choice((1, 1, 1, 2, 4)) for _ in chosen]
    total = round(sum(count * product["price"] for count, product in zip(pieces, chosen, strict=True)), 2)
    lines = [{"quantity": count, "product": product} for count, product in zip(pieces, chosen, strict=True)]
    return {"total": total, "num_items": sum(pieces), "products": lines}


def _bought(brand: Brand, hour: int, number: int) -> Order | None:
    chance = brand.chance("order", hour, number)
    if chance.random() >= 0.09:
        return None
    customer = None if chance.random() < 0.12 else brand.customer(chance)
    basket = cart(chance)
    purchase: Row = {"total": basket["total"], "order_id": f"O-{chance.getrandbits(40):012d}", "cart": basket}
    # A site that is tagged by hand forgets a field now and then.
    purchase |= chance.choices(({}, {"order_id": None}, {"order_id": ""}, {"total": None}), (97, 1, 1, 1))[0]
    return Order(customer, (purchase,) * (2 if chance.random() < 0.06 else 1))
