"""Publishing exports, which the vendor only mentions, become tables when the company's settings name them."""

import json
import subprocess
import sys

import dagster as dg
import pytest

from contact_analytics.khoros_care import catalog
from contact_analytics.khoros_care.marketing import marketing_export
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.settings import PARTITIONS
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import Materialized, days_ago

DAY, NEXT = days_ago(9), days_ago(8)
DATASET, ASSET = marketing_export("brand_post")


def materialize(place: KhorosPlace, **config: object) -> Materialized:
    options = daily_table(DATASET, PARTITIONS, "khoros_care") | {"retry_policy": None}
    return place.run(dg.asset(**options)(ASSET.op.compute_fn.decorated_fn), DAY, NEXT, **config)  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_publishing_export_is_a_table_of_its_fields(care: KhorosPlace, form: str) -> None:
    """As no column is documented, each row is kept whole in `_extra`."""
    run = materialize(care, report_format=form, campaign_id="77")
    assert run.ok, run.problem
    assert [each["export"] for each in care.app.submissions] == ["marketing/brand_post"] * 2
    assert care.app.submissions[0]["params"]["campaignId"] == ["77"]
    for day in (DAY, NEXT):
        rows = care.select("select * from khoros_care.marketing_brand_post where partition_date = $day", {"day": day})
        told = [list(map(str, row.values())) for row in care.sent("marketing/brand_post", day)]
        assert sorted(list(map(str, json.loads(row["_extra"]).values())) for row in rows) == sorted(told)
        assert told


def test_an_export_that_settings_name_is_an_asset() -> None:
    """With its table's name; without the setting there is none."""
    code = (
        "from contact_analytics.khoros_care import catalog\n"
        "print([asset.key.to_user_string() for _, asset in catalog.MARKETING])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"KHOROS_CARE_MARKETING_EXPORTS": "brand_post", "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    ).stdout
    assert "'khoros_care/marketing_brand_post'" in found
    assert catalog.MARKETING == []


@pytest.mark.parametrize(("id", "name"), [("brand_post", "brand_post"), ("Raw-Brand Post", "raw_brand_post")])
def test_a_tables_name_can_be_written_in_sql(id: str, name: str) -> None:  # noqa: A002 - the vendor's own word
    """Whatever the vendor calls the export."""
    assert marketing_export(id)[0].table == f"khoros_care.marketing_{name}"
