"""Survey: each survey that was shown or answered."""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.checks import HOURLY_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LATENESS, RETENTION, LivePersonDataAccessResource
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import VisitorRecord
from contact_analytics.settings import PARTITIONS


class Survey(VisitorRecord):
    """One row a survey shown or answered."""

    conversation_id = field(dy.String, "Conversation; joins engagement", key=True)
    id = field(dy.Int64, "Survey", key=True)
    type = field(dy.Int32, "1 pre-chat, 2 exit, 3 agent, 4 offline", key=True)
    view_time = instant("Time the survey was displayed")
    contents = many(
        record(
            {
                "question": field(dy.String, "Question"),
                "answer": field(dy.String, "Answer", personal=True),
                "answer_submit_time": instant("Time the answer was submitted"),
                "survey_name": field(dy.String, "Name of the survey"),
                "answer_type": field(dy.Int32, "Kind of answer; the vendor lists no values, 2 and 4 were seen"),
                "csat_threshold": field(dy.Float64, "Customer-satisfaction threshold; -1 for none"),
            }
        ),
        "Questions and answers; the vendor repeats some within milliseconds",
    )


FORMAT = FileFormat(Survey, "Survey", "VisitorHeader", body="SurveyData", rows="surveys")
DATASET = Dataset(
    vendor="liveperson",
    name="survey",
    schema=Survey,
    grain="One row a survey shown or answered, with its questions and answers as a nested column.",
    documentation="https://developers.liveperson.com/data-access-api-methods-survey.html",
    event_time="start_time",
    retention=RETENTION,
    lateness=LATENESS,
    checks=HOURLY_CHECKS,
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="liveperson_data_access"))
def survey(
    context: dg.AssetExecutionContext,
    config: ExtractionConfig,
    liveperson_data_access: LivePersonDataAccessResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    yield from extract_days(context, DATASET, config, liveperson_data_access.connect, FORMAT, archive, warehouse)
