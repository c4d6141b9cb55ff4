"""The reports, those for which the company has at least one input, and the brand's files that they read."""

from types import ModuleType

from contact_analytics.reports import (
    agent_utilization,
    agents,
    contact_volume,
    customer_satisfaction,
    order_value_by_segment,
    quality_scorecard,
)
from contact_analytics.reports.membership import membership
from contact_analytics.reports.workforce import workforce

ALL_REPORTS: list[ModuleType] = [
    agent_utilization,
    contact_volume,
    customer_satisfaction,
    order_value_by_segment,
    quality_scorecard,
]
REPORTS = [module for module in ALL_REPORTS if module.REPORT.used]
# One table each, made anew as a whole.
ALL_UNPARTITIONED: list[ModuleType] = [agents]
UNPARTITIONED = [module for module in ALL_UNPARTITIONED if module.REPORT.used]
BRAND_FILES = [workforce, membership]
