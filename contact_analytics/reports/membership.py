"""The brand's membership file: in which segment of its programme its customers are."""

import polars as pl

from contact_analytics.lib.asset_options import brand_file
from contact_analytics.lib.report import BrandFile

MEMBERSHIP = BrandFile(
    name="membership",
    grain="One row a customer, or a stretch of time of a customer's in a segment.",
    columns={
        "customer_id": pl.String,
        "segment": pl.String,
        "currency": pl.String,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
    },
    optional=frozenset({"currency", "valid_from", "valid_to"}),
)
membership = brand_file(MEMBERSHIP)
