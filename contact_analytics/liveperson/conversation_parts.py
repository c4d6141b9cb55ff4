"""What a conversation is made of: the nested records of `conversations`, messages aside."""

from typing import Any

import dataframely as dy

from contact_analytics.lib.schema import field, instant, many, record

# What the API writes where there is nothing.
UNDEFINED = ("undefined",)
NULL = ("null",)
NO_ID = (-1,)
UNASSIGNED = ("Unassigned",)


def moment(name: str, meaning: str, **facts: Any) -> Any:
    """A time that comes twice, as `nameL` in epoch milliseconds and as `name` in text; -1 where there is none."""
    return instant(meaning, wire=f"{name}L", twin=name, none=(-1, "undefined"), **facts)


def text(meaning: str, **facts: Any) -> Any:
    return field(dy.String, meaning, **facts)


def dialog_id() -> Any:
    return text("Dialog of the conversation; the main one has the conversation's id", none=UNDEFINED)


def _agent(role: str, name: str, column: str, **also: tuple[str, ...]) -> dict[str, Any]:
    """The columns that name an agent in one role; `name` is the vendor's prefix, `column` ours."""
    return {
        f"{column}_id": text(f"{role}; joins users", wire=f"{name}Id", none=NULL),
        f"{column}_login_name": text(
            f"{role}: login name", wire=f"{name}LoginName", personal=True, also=also.get("login_name", ())
        ),
        f"{column}_nickname": text(f"{role}: nickname", wire=f"{name}Nickname", also=also.get("nickname", ())),
        f"{column}_full_name": text(
            f"{role}: full name", wire=f"{name}FullName", personal=True, also=also.get("full_name", ())
        ),
    }


def context() -> Any:
    """What a bot or a rule adds to a message, a transfer or a participant."""
    intent = {
        "id": text("Intent"),
        "name": text("Name of the intent"),
        "confidence": text("low, medium or high"),
        "confidence_score": field(dy.Float64, "Confidence"),
    }
    bot = {
        "external_conversation_id": text("The bot's own conversation"),
        "business_cases": many(text("Case"), "Business cases"),
        "intents": many(record(intent), "Intents that the bot found"),
    }
    structured = {
        "bot_response": record(bot, "What a bot made of it"),
        "action_reason": record({"reason": text("Reason")}, "Why it was done"),
    }
    return record(
        {
            "raw_metadata": text("Metadata as JSON text", personal=True),
            "structured_metadata": many(record(structured), "Metadata with known fields"),
        },
        "Context of bots and rules",
    )


def agent_participant() -> Any:
    return record(
        {
            **_agent("Agent", "agent", "agent"),
            "agent_pid": text("Agent's process id", inferred=True),
            "agent_deleted": field(dy.Bool, "Whether the agent was deleted since"),
            "time": moment("time", "Time the agent joined or changed role"),
            "role": text("Role, such as AGENT"),
            "user_type": text("0 system, 1 human, 2 bot"),
            "user_type_name": text("System, Human or Bot"),
            "agent_group_id": field(dy.Int64, "Agent group; joins agent_groups", none=NO_ID),
            "agent_group_name": text("Name of the agent group", none=UNASSIGNED),
            "permission": text("ASSIGNED_AGENT, READER, SUGGESTED_ASSIGNED_AGENT, in several spellings"),
            "context_data": context(),
            "dialog_id": dialog_id(),
        }
    )


def consumer_participant() -> Any:
    return record(
        {
            "participant_id": text("Consumer", personal=True),
            "time": moment("time", "Last update of these data; in older records the time of joining"),
            "join_time": moment("joinTime", "Time of joining"),
            "first_name": text("First name", none=UNDEFINED, personal=True),
            "last_name": text("Last name", none=UNDEFINED, personal=True),
            "consumer_name": text("Name", none=UNDEFINED, personal=True),
            "phone": text("Telephone number", none=(*UNDEFINED, "0"), personal=True),
            "email": text("E-mail address", none=UNDEFINED, personal=True),
            "token": text("Token of the consumer", none=UNDEFINED, personal=True),
            "avatar_url": text("Picture", wire="avatarURL", none=UNDEFINED, personal=True),
            "dialog_id": dialog_id(),
        }
    )


def transfer() -> Any:
    return record(
        {
            "time": moment("time", "Time of the transfer"),
            **_agent("Agent who received it", "assignedAgent", "assigned_agent"),
            "target_skill_id": field(dy.Int64, "Skill that received it; joins skills", none=NO_ID),
            "target_skill_name": text("Name of that skill", none=UNASSIGNED),
            "source_skill_id": field(dy.Int64, "Skill that passed it on; joins skills", none=NO_ID),
            "source_skill_name": text("Name of that skill", none=UNASSIGNED),
            **_agent("Agent who passed it on", "sourceAgent", "source_agent"),
            "reason": text("back2Q, Agent, SuggestedAgentTimeout, Skill or TakeOver"),
            "by": text("Who caused it", none=NULL),
            "context_data": context(),
            "dialog_id": dialog_id(),
        }
    )


def interaction() -> Any:
    other = {"login_name": ("agentLoginName",), "nickname": ("agentNickname",), "full_name": ("agentFullName",)}
    return record(
        {
            **_agent("Agent", "assignedAgent", "assigned_agent", **other),
            "interaction_time": moment("interactionTime", "Time of the interaction"),
            "interactive_sequence": field(dy.Int32, "Place among the interactions of the dialog"),
            "dialog_id": dialog_id(),
        }
    )


def dialog() -> Any:
    return record(
        {
            "dialog_id": dialog_id(),
            "status": text("OPEN or CLOSE"),
            "dialog_type": text("MAIN or POST_SURVEY"),
            "dialog_channel_type": text("Channel, such as MESSAGING"),
            "start_time": moment("startTime", "Start of the dialog"),
            "end_time": moment("endTime", "End of the dialog"),
            "close_reason": text("Who closed it"),
            "close_reason_description": text("How it was closed"),
            "skill_id": field(dy.Int64, "Skill; joins skills", none=NO_ID),
            "skill_name": text("Name of the skill", none=UNASSIGNED),
        }
    )


def conversation_survey() -> Any:
    answer = {
        "question": text("Question"),
        "answer": text("Answer", personal=True),
        "question_id": text("Question's id"),
        "answer_id": text("Answer's id, or InvalidAnswer"),
        "question_type": text("custom, csat, nps or fcr"),
        "question_format": text("single or open"),
        "answer_seq": text("Place of the answer"),
        "is_valid_answer": field(dy.Bool, "Whether the answer was accepted"),
    }
    return record(
        {
            "survey_type": text("Type, such as Satisfaction"),
            "survey_status": text("Status, such as FILLED"),
            "dialog_id": dialog_id(),
            "survey_id": text("Survey"),
            "survey_data": many(record(answer), "Questions and answers"),
        }
    )


def co_browse_session() -> Any:
    return record(
        {
            "session_id": text("Co-browsing session"),
            "start_time": moment("startTime", "Start"),
            "end_time": moment("endTime", "End"),
            "interactive_time": moment("interactiveTime", "Time it became interactive"),
            "is_interactive": field(
                dy.Bool, "Whether it became interactive", wire="interactive", also=("isInteractive",)
            ),
            "end_reason": text("AGENT or VISITOR"),
            "duration": field(dy.Int64, "Duration", unit="ms"),
            "type": text("inApp or web"),
            "capabilities": many(text("Capability"), "CONSUMER_VIDEO_CONNECTION, CONSUMER_VOICE_CONNECTION, …"),
            "agent_id": text("Agent; joins users", none=NULL),
        }
    )


def intent() -> Any:
    version = {"model_name": text("Model"), "model_version": text("Version of the model")}

    def classification() -> Any:
        return record(
            {
                "intent_name": text("Intent"),
                "intent_label": text("Its label"),
                "confidence_score": field(dy.Float64, "Confidence"),
                "versions": many(record(dict(version)), "Models that found it"),
            },
            "Classification",
        )

    return record(
        {
            "selected_classification": classification(),
            "all_classifications": many(classification(), "All that were considered"),
            "message_id": text("Message"),
        }
    )


def unique_intent() -> Any:
    return record({"intent_name": text("Intent"), "intent_label": text("Its label")})


def agent_survey() -> Any:
    answers = many(record({"answer": text("Answer", personal=True), "answer_id": text("Answer's id")}), "Answers")
    question = {
        "question_text": text("Question"),
        "question_id": text("Question's id"),
        "question_definition": text("Such as REGULAR_QUESTION"),
        "question_category": text("FREE_TEXT, NUMBER, …"),
        "answers": answers,
    }
    return record(
        {
            "survey_status": text("OPEN, SUBMITTED, DISMISSED or CLOSED"),
            "status_reason": text("Why it has this status"),
            "dialog_id": dialog_id(),
            "survey_id": text("Survey"),
            "ac_survey_id": text("Survey in the account's configuration"),
            "ac_survey_name": text("Name of the survey"),
            "ac_survey_revision": field(dy.Int64, "Revision of the survey"),
            "survey_skill_id": field(dy.Int64, "Skill; joins skills", none=NO_ID),
            "survey_skill_name": text("Name of the skill", none=UNASSIGNED),
            "assigned_agent_id": text("Agent who was asked; joins users", none=NULL),
            "assigned_agent_nick_name": text("Agent's nickname"),
            "assigned_agent_name": text("Agent's name", personal=True),
            "performed_by_agent_id": text("Agent who answered; joins users", none=NULL),
            "performed_by_agent_nick_name": text("Agent's nickname"),
            "performed_by_agent_name": text("Agent's name", personal=True),
            "last_update_time": instant("Time of the last change", none=NO_ID),
            "submitted_answers": many(record(question), "Answers"),
        },
        "Survey that the agent answers",
    )
