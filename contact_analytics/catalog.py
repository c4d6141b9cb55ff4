"""Every table of the vendors, and every report."""

from contact_analytics.khoros_care import catalog as khoros_care
from contact_analytics.liveperson import catalog as liveperson
from contact_analytics.nice_cxone import catalog as nice_cxone
from contact_analytics.reports import catalog as reports

DATASET_MODULES = [*liveperson.DATASETS, *khoros_care.DATASETS, *nice_cxone.DATASETS]
DATASETS = [
    *(module.DATASET for module in DATASET_MODULES),
    *(dataset for dataset, _ in khoros_care.MARKETING),
]
DIMENSION_MODULES = [*liveperson.DIMENSIONS, *khoros_care.DIMENSIONS]
DIMENSIONS = [module.DIMENSION for module in DIMENSION_MODULES]
REPORTS = [module.REPORT for module in [*reports.REPORTS, *reports.UNPARTITIONED]]
