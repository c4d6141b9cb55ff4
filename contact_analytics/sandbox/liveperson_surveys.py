"""The surveys that follow a conversation: the customer's in a dialog of its own, and the agent's."""

from contact_analytics.sandbox.liveperson_history import UNDEFINED, Fields, View, skill_name, times

_SATISFACTION = "How satisfied are you with this conversation?"
_INVALID = ("it depends",)
# Some leave the question out, and some write what is no answer to it.
_RECOMMENDATIONS = ("10", "9", "9", "10", "8", "7", "6", "3", "0", "", *_INVALID)


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
    if view.survey_answer is None:
        return []
    return [
        {
            "surveyType": "Satisfaction",
            "surveyStatus": "FILLED",
            "dialogId": view.survey_dialog,
            "surveyId": "6a1fbd1e",
            "surveyData": _answers(view),
        }
    ]


def _answers(view: View) -> list[Fields]:
    """How satisfied the customer was; about every other survey asks whether they would recommend the brand, and why."""
    life = view.life
    found = [_answer(_SATISFACTION, "csat", str(view.survey_answer))]
    if life.happens("asked for more", 0.5):
        recommends = _RECOMMENDATIONS[life.roll("recommendation", len(_RECOMMENDATIONS))]
        found += [
            _answer("How likely are you to recommend us to a friend?", "nps", recommends),
            _answer("Why?", "custom", ("", "Great help 👍", "10 days are too long")[life.roll("why", 3)], "open"),
        ]
    if life.happens("asked if solved", 0.3):
        found.append(_answer("Was your problem solved?", "fcr", ("yes", "yes", "no", "")[life.roll("solved", 4)]))
    return found


def _answer(question: str, kind: str, answer: str, form: str = "single") -> Fields:
    is_valid = answer not in _INVALID
    return {
        "question": question,
        "answer": answer,
        "questionId": f"q-{kind}",
        "answerId": f"a-{answer}" if is_valid else "InvalidAnswer",
        "questionType": kind,
        "questionFormat": form,
        "answerSeq": answer if answer.isdecimal() else "1",
        "isValidAnswer": is_valid,
    }


def messages(view: View) -> list[Fields]:
    """The questions that follow the end, and their answers, in the survey's own dialog."""
    life, records = view.life, list[Fields]()
    if not (life.has_survey and view.closed):
        return records
    lines = [(life.closed, "Agent", _SATISFACTION)]
    if view.survey_answer is not None:
        first, *others = _answers(view)
        lines.append((life.settled, "Consumer", first["answer"]))
        for other in others:
            lines += [(life.settled, "Agent", other["question"]), (life.settled, "Consumer", other["answer"])]
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
