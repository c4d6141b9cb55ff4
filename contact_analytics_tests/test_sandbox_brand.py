"""The sandbox's brand has what a report on it must cope with: odd purchases, and files that know not everyone."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contact_analytics.lib.brand_files import BrandFilesResource, in_force
from contact_analytics.reports.membership import MEMBERSHIP
from contact_analytics.reports.workforce import WORKFORCE
from contact_analytics.sandbox.brand_files import write_brand_files
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess

TODAY = date(2024, 6, 20)
DAYS = [TODAY - timedelta(days=back) for back in range(1, 5)]
SCALE = 1.0


@pytest.fixture(scope="module")
def app() -> LivePersonDataAccess:
    return LivePersonDataAccess(scale=SCALE, now=lambda: datetime(2024, 6, 20, 12, tzinfo=UTC))


@pytest.fixture
def files(tmp_path: Path) -> BrandFilesResource:
    """The brand's files, by the settings that name them."""
    written = write_brand_files(tmp_path / "brand", TODAY, SCALE)
    return BrandFilesResource(
        paths={
            "workforce": written["CONTACT_ANALYTICS_WORKFORCE"],
            "membership": written["CONTACT_ANALYTICS_MEMBERSHIP"],
        }
    )


Told = list[tuple[str, dict[str, Any], str | None]]


@pytest.fixture(scope="module")
def told(app: LivePersonDataAccess) -> Told:
    """Each purchase that visits tell of, with its visit and the customer's id."""
    found = Told()
    for visit in (visit for day in DAYS for visit in app.records("web_session", day)):
        data = [item["data"] for item in visit["engagement_attributes"] or ()]
        [who, *_] = [item["customer_info"]["customer_id"] for item in data if "customer_info" in item] or [None]
        found += [(visit["visit_id"], item["purchase"], who) for item in data if "purchase" in item]
    return found


def test_every_odd_purchase_occurs(told: Told) -> None:
    """Refunds in part and whole, guests, reloaded pages, orders in two visits, purchases that lack an id or a total."""
    orders = {purchase["order_id"]: purchase["total"] for _, purchase, _ in told if (purchase["total"] or 0) > 0}
    refunds = [purchase for _, purchase, _ in told if (purchase["total"] or 0) < 0]
    shares = {-refund["total"] / orders[refund["order_id"]] for refund in refunds if refund["order_id"] in orders}
    assert {round(share, 1) for share in shares} == {0.5, 1}
    assert {who for _, _, who in told} >= {None, ""}
    assert {purchase["order_id"] for _, purchase, _ in told} >= {None, ""}
    assert any(purchase["total"] is None for _, purchase, _ in told)
    known = [(visit, purchase["order_id"]) for visit, purchase, _ in told if (purchase["total"] or 0) > 0]
    assert max(Counter((visit, order) for visit, order in known if order).values()) == 2
    visits = Counter(order for _, order in set(known) if order)
    assert max(visits.values()) > 1


def test_the_refund_of_an_order_is_its_customers(told: Told) -> None:
    """Whoever sees an order again is who ordered it."""
    buyers: dict[str, set[str]] = {}
    for _, purchase, who in told:
        if purchase["order_id"]:
            buyers.setdefault(purchase["order_id"], set()).add(who or "a guest")
    assert {len(who) for who in buyers.values()} == {1}


def test_the_files_know_most_people_and_not_all(
    app: LivePersonDataAccess, told: Told, files: BrandFilesResource
) -> None:
    """Agents by their login in whatever case, without bots and newcomers; customers by their ids, if members."""
    workforce, membership = files.read(WORKFORCE), files.read(MEMBERSHIP)
    agents = {row["agent_loginname"].lower() for day in DAYS for row in app.records("agent_activity", day)}
    logins = set(workforce["login"].str.to_lowercase())
    assert len(agents & logins) > len(agents - logins) > 0
    assert any(login != login.lower() for login in workforce["login"])
    members = dict(membership.select("customer_id", "segment").iter_rows())
    customers = {who for _, _, who in told if who}
    assert len(customers & members.keys()) > len(customers - members.keys()) > 0
    assert set(membership["currency"]) == {"EUR", None}


def test_one_agent_has_changed_shift(files: BrandFilesResource) -> None:
    """On every day each agent has one shift, and one agent's is another than before."""
    workforce = files.read(WORKFORCE)
    shifts = [
        dict(in_force(workforce, TODAY - timedelta(days=back), "login").select("login", "shift").iter_rows())
        for back in (0, 8, 9, 30)
    ]
    assert len({tuple(sorted(held)) for held in shifts}) == 1
    assert shifts[0] == shifts[1] != shifts[2] == shifts[3]
    assert sum(shifts[0][login] != shifts[3][login] for login in shifts[0]) == 1


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    """And another seed another membership."""
    written = [write_brand_files(tmp_path / str(n), TODAY, 0.1, seed) for n, seed in enumerate((1, 1, 2))]
    texts = [
        [Path(each[f"CONTACT_ANALYTICS_{name}"]).read_bytes() for name in ("WORKFORCE", "MEMBERSHIP")]
        for each in written
    ]
    assert texts[0] == texts[1] != texts[2]
