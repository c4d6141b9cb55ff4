"""Survey: each survey that was shown or answered."""

import dataframely as dy

from contact_analytics.lib.schema import field, instant, many, record
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import VisitorRecord


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
