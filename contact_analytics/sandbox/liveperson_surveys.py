"""The surveys that follow a conversation: the customer's in a dialog of its own, and the agent's."""

from contact_analytics.sandbox.liveperson_history import UNDEFINED, Fields, View, skill_name, times


def dialogs(view: View) -> list[Fields]:
    life = view.life
    found = [_dialog(view, life.id, "MAIN", life.start, life.closed)]
    if life.has_survey and view.closed:
        found.append(_dialog(view, view.survey_dialog, "POST_SURVEY", life.closed, life.settled))
    return found


def _dialog(view: View, identity: str, kind: str, start: int, end: int) -> Fields:
    ended = end <= view.at
    closing = {"closeReason": "CONSUMER", "closeReasonDescription": "MANUAL_CLOSE"} if ended else {}
    return {
        "dialogId": identity,
        "status": "CLOSE" if ended else "OPEN",
        "dialogType": kind,
        "dialogChannelType": "MESSAGING",
        **times("startTime", start),
        **times("endTime", end if ended else None),
        **closing,
        "skillId": view.skill,
        "skillName": skill_name(view.skill),
    }


def conversation_surveys(view: View) -> list[Fields]:
    if (answer := view.survey_answer) is None:
        return []
    question = {
        "question": "How satisfied are you with this conversation?",
        "answer": str(answer),
        "questionId": "q-csat",
        "answerId": f"a-{answer}",
        "questionType": "csat",
        "questionFormat": "single",
        "answerSeq": str(answer),
        "isValidAnswer": True,
    }
    return [
        {
            "surveyType": "Satisfaction",
            "surveyStatus": "FILLED",
            "dialogId": view.survey_dialog,
            "surveyId": "6a1fbd1e",
            "surveyData": [question],
        }
    ]


def messages(view: View) -> list[Fields]:
    """The question that follows the end, and its answer, in the survey's own dialog."""
    life, records = view.life, list[Fields]()
    if not (life.has_survey and view.closed):
        return records
    lines = [(life.closed, "Agent", "How satisfied are you with this conversation?")]
    if view.survey_answer is not None:
        lines.append((life.settled, "Consumer", str(view.survey_answer)))
    for number, (time, who, text) in enumerate(lines):
        records.append(
            {
                "type": "TEXT_PLAIN",
                "messageData": {"msg": {"text": text}},
                "messageId": f"ms::dialog:{view.survey_dialog}::msg:{number}",
                "seq": number,
                "dialogId": view.survey_dialog,
                "participantId": "0" if who == "Agent" else view.consumer["participantId"],
                "source": "APP",
                **times("time", time),
                "device": UNDEFINED,
                "audience": "ALL",
                "sentBy": who,
            }
        )
    return records


def latest_agent_survey(view: View) -> Fields | None:
    agent, life = view.agent, view.life
    if not (agent and view.closed and life.happens("agent survey", 0.05)):
        return None
    who = {"Id": str(agent.id), "NickName": agent.nickname, "Name": agent.loginname}
    answer = {
        "questionText": "Was the problem solved?",
        "questionId": "1",
        "questionDefinition": "REGULAR_QUESTION",
        "questionCategory": "FREE_TEXT",
        "answers": [{"answer": "yes, at once", "answerId": "1"}],
    }
    return {
        "surveyStatus": "SUBMITTED",
        "statusReason": "SUBMITTED",
        "dialogId": life.id,
        "surveyId": "ac-1",
        "acSurveyId": "17",
        "acSurveyName": "Wrap-up",
        "acSurveyRevision": 3,
        "surveySkillId": view.skill,
        "surveySkillName": skill_name(view.skill),
        **{f"assignedAgent{name}": value for name, value in who.items()},
        **{f"performedByAgent{name}": value for name, value in who.items()},
        "lastUpdateTime": life.closed,
        "submittedAnswers": [answer],
    }


def earlier_agent_surveys(view: View) -> list[Fields]:
    latest = latest_agent_survey(view)
    if latest is None or not view.life.happens("two agent surveys", 0.3):
        return []
    return [{**latest, "surveyStatus": "CLOSED", "statusReason": "PARTIALLY_SUBMITTED", "submittedAnswers": []}]
