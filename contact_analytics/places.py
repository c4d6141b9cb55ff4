"""Where things are kept unless a setting says otherwise; relative to where Dagster is started.

Importing it reads `.env`, whose variables the environment's own go before.
"""

from pathlib import Path

from dotenv import load_dotenv

load_dotenv(Path.cwd() / ".env")

WAREHOUSE, PUBLISH = "CONTACT_ANALYTICS_WAREHOUSE", "CONTACT_ANALYTICS_PUBLISH"
PLACES = {
    WAREHOUSE: "data/contact_analytics.duckdb",
    PUBLISH: "",
    "CONTACT_ANALYTICS_ARCHIVE": "data/archive",
    "CONTACT_ANALYTICS_REPORTS": "data/reports",
    "CONTACT_ANALYTICS_LAKE_DATA": "data/lake",
}
