"""The brand's workforce file: where and on which shift its agents work."""

import polars as pl

from contact_analytics.lib.asset_options import brand_file
from contact_analytics.lib.report import BrandFile

WORKFORCE = BrandFile(
    name="workforce",
    grain="One row an agent, or a stretch of time of an agent's with a region and a shift.",
    columns={
        "login": pl.String,
        "region": pl.String,
        "shift": pl.String,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
    },
    optional=frozenset({"valid_from", "valid_to"}),
)
workforce = brand_file(WORKFORCE)
