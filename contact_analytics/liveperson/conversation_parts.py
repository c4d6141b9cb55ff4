"""What a conversation is made of: the nested records of `conversations`."""

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


def _text(meaning: str, **facts: Any) -> Any:
    return field(dy.String, meaning, **facts)


def _dialog() -> Any:
    return _text("Dialog of the conversation; the main one has the conversation's id", none=UNDEFINED)


def _agent(role: str, name: str, column: str, **also: tuple[str, ...]) -> dict[str, Any]:
    """The columns that name an agent in one role; `name` is the vendor's prefix, `column` ours."""
    return {
        f"{column}_id": _text(f"{role}; joins users", wire=f"{name}Id", none=NULL),
        f"{column}_login_name": _text(
            f"{role}: login name", wire=f"{name}LoginName", personal=True, also=also.get("login_name", ())
        ),
        f"{column}_nickname": _text(f"{role}: nickname", wire=f"{name}Nickname", also=also.get("nickname", ())),
        f"{column}_full_name": _text(
            f"{role}: full name", wire=f"{name}FullName", personal=True, also=also.get("full_name", ())
        ),
    }


def _context() -> Any:
    """What a bot or a rule adds to a message, a transfer or a participant."""
    intent = {
        "id": _text("Intent"),
        "name": _text("Name of the intent"),
        "confidence": _text("low, medium or high"),
        "confidence_score": field(dy.Float64, "Confidence"),
    }
    bot = {
        "external_conversation_id": _text("The bot's own conversation"),
        "business_cases": many(_text("Case"), "Business cases"),
        "intents": many(record(intent), "Intents that the bot found"),
    }
    structured = {
        "bot_response": record(bot, "What a bot made of it"),
        "action_reason": record({"reason": _text("Reason")}, "Why it was done"),
    }
    return record(
        {
            "raw_metadata": _text("Metadata as JSON text", personal=True),
            "structured_metadata": many(record(structured), "Metadata with known fields"),
        },
        "Context of bots and rules",
    )


def _file() -> dict[str, Any]:
    return {
        "relative_path": _text("Path of the file in the vendor's storage"),
        "file_type": _text("JPG, PNG, GIF, TXT or PDF"),
        "caption": _text("Caption", personal=True),
        "preview": _text("Preview in base64; only where the conversation was fetched by its id", personal=True),
    }


def _message_data() -> Any:
    """What a message holds; the names that wrap files, links and forms are not exemplified by the vendor."""
    link = {
        "external_file_link": _text("Address", personal=True),
        "file_type": _text("Type of the file"),
        "caption": _text("Caption", personal=True),
    }
    form = {
        "form_id": _text("Form"),
        "form_name": _text("Name of the form"),
        "submission_id": _text("Submission"),
        "invitation_id": _text("Invitation"),
    }
    content = {"content": _text("Content as JSON text", personal=True)}
    return record(
        {
            "msg": record({"text": _text("Text", personal=True)}, "Text message"),
            "quick_replies": record(content, "Quick replies offered"),
            "rich_content": record(content, "Structured content"),
            "file": record(_file(), "File that was sent", inferred=True),
            "link": record(link, "Link that was sent", inferred=True),
            "secure_form": record(form, "Secure form", inferred=True),
        },
        "Content of the message",
    )


def message_record() -> Any:
    return record(
        {
            "message_id": _text("Message, unique within the conversation"),
            "time": moment("time", "Time of the message"),
            "type": _text("TEXT_PLAIN, TEXT_HTML, LINK, HOSTED_FILE, IMG, SECURE_FORM_…, RICH_CONTENT"),
            "message_data": _message_data(),
            "seq": field(dy.Int64, "Place in the dialog; there may be gaps"),
            "dialog_id": _dialog(),
            "participant_id": _text("Who wrote it: a consumer's or an agent's id"),
            "source": _text("Deprecated by the vendor"),
            "device": _text("Deprecated by the vendor", none=UNDEFINED),
            "sent_by": _text("Agent or Consumer"),
            "audience": _text("ALL or AGENTS_AND_MANAGERS"),
            "context_data": _context(),
        }
    )


def agent_participant() -> Any:
    return record(
        {
            **_agent("Agent", "agent", "agent"),
            "agent_pid": _text("Agent's process id", inferred=True),
            "agent_deleted": field(dy.Bool, "Whether the agent was deleted since"),
            "time": moment("time", "Time the agent joined or changed role"),
            "role": _text("Role, such as AGENT"),
            "user_type": _text("0 system, 1 human, 2 bot"),
            "user_type_name": _text("System, Human or Bot"),
            "agent_group_id": field(dy.Int64, "Agent group; joins agent_groups", none=NO_ID),
            "agent_group_name": _text("Name of the agent group", none=UNASSIGNED),
            "permission": _text("ASSIGNED_AGENT, READER, SUGGESTED_ASSIGNED_AGENT, in several spellings"),
            "context_data": _context(),
            "dialog_id": _dialog(),
        }
    )


def consumer_participant() -> Any:
    return record(
        {
            "participant_id": _text("Consumer", personal=True),
            "time": moment("time", "Last update of these data; in older records the time of joining"),
            "join_time": moment("joinTime", "Time of joining"),
            "first_name": _text("First name", none=UNDEFINED, personal=True),
            "last_name": _text("Last name", none=UNDEFINED, personal=True),
            "consumer_name": _text("Name", none=UNDEFINED, personal=True),
            "phone": _text("Telephone number", none=(*UNDEFINED, "0"), personal=True),
            "email": _text("E-mail address", none=UNDEFINED, personal=True),
            "token": _text("Token of the consumer", none=UNDEFINED, personal=True),
            "avatar_url": _text("Picture", wire="avatarURL", none=UNDEFINED, personal=True),
            "dialog_id": _dialog(),
        }
    )


def transfer() -> Any:
    return record(
        {
            "time": moment("time", "Time of the transfer"),
            **_agent("Agent who received it", "assignedAgent", "assigned_agent"),
            "target_skill_id": field(dy.Int64, "Skill that received it; joins skills", none=NO_ID),
            "target_skill_name": _text("Name of that skill", none=UNASSIGNED),
            "source_skill_id": field(dy.Int64, "Skill that passed it on; joins skills", none=NO_ID),
            "source_skill_name": _text("Name of that skill", none=UNASSIGNED),
            **_agent("Agent who passed it on", "sourceAgent", "source_agent"),
            "reason": _text("back2Q, Agent, SuggestedAgentTimeout, Skill or TakeOver"),
            "by": _text("Who caused it", none=NULL),
            "context_data": _context(),
            "dialog_id": _dialog(),
        }
    )


def interaction() -> Any:
    other = {"login_name": ("agentLoginName",), "nickname": ("agentNickname",), "full_name": ("agentFullName",)}
    return record(
        {
            **_agent("Agent", "assignedAgent", "assigned_agent", **other),
            "interaction_time": moment("interactionTime", "Time of the interaction"),
            "interactive_sequence": field(dy.Int32, "Place among the interactions of the dialog"),
            "dialog_id": _dialog(),
        }
    )


def dialog() -> Any:
    return record(
        {
            "dialog_id": _dialog(),
            "status": _text("OPEN or CLOSE"),
            "dialog_type": _text("MAIN or POST_SURVEY"),
            "dialog_channel_type": _text("Channel, such as MESSAGING"),
            "start_time": moment("startTime", "Start of the dialog"),
            "end_time": moment("endTime", "End of the dialog"),
            "close_reason": _text("Who closed it"),
            "close_reason_description": _text("How it was closed"),
            "skill_id": field(dy.Int64, "Skill; joins skills", none=NO_ID),
            "skill_name": _text("Name of the skill", none=UNASSIGNED),
        }
    )


def message_score() -> Any:
    return record(
        {
            "message_id": _text("Message"),
            "message_raw_score": field(dy.Int32, "Raw score of the message"),
            "score": field(dy.Int32, "Score, in older records", inferred=True),
            "mcs": field(dy.Int32, "Meaningful connection score", unit="0 to 100"),
            "time": moment("time", "Time of the score"),
        }
    )


def message_status() -> Any:
    return record(
        {
            "message_id": _text("Message"),
            "seq": field(dy.Int64, "Place in the dialog"),
            "time": moment("time", "Time of the status"),
            "participant_id": _text("Whose status it is"),
            "participant_type": _text("Agent, Consumer or other"),
            "message_delivery_status": _text("SENT, ACCEPT or READ, in several spellings"),
            "dialog_id": _dialog(),
        }
    )


def conversation_survey() -> Any:
    answer = {
        "question": _text("Question"),
        "answer": _text("Answer", personal=True),
        "question_id": _text("Question's id"),
        "answer_id": _text("Answer's id, or InvalidAnswer"),
        "question_type": _text("custom, csat, nps or fcr"),
        "question_format": _text("single or open"),
        "answer_seq": _text("Place of the answer"),
        "is_valid_answer": field(dy.Bool, "Whether the answer was accepted"),
    }
    return record(
        {
            "survey_type": _text("Type, such as Satisfaction"),
            "survey_status": _text("Status, such as FILLED"),
            "dialog_id": _dialog(),
            "survey_id": _text("Survey"),
            "survey_data": many(record(answer), "Questions and answers"),
        }
    )


def co_browse_session() -> Any:
    return record(
        {
            "session_id": _text("Co-browsing session"),
            "start_time": moment("startTime", "Start"),
            "end_time": moment("endTime", "End"),
            "interactive_time": moment("interactiveTime", "Time it became interactive"),
            "is_interactive": field(
                dy.Bool, "Whether it became interactive", wire="interactive", also=("isInteractive",)
            ),
            "end_reason": _text("AGENT or VISITOR"),
            "duration": field(dy.Int64, "Duration", unit="ms"),
            "type": _text("inApp or web"),
            "capabilities": many(_text("Capability"), "CONSUMER_VIDEO_CONNECTION, CONSUMER_VOICE_CONNECTION, …"),
            "agent_id": _text("Agent; joins users", none=NULL),
        }
    )


def intent() -> Any:
    version = {"model_name": _text("Model"), "model_version": _text("Version of the model")}

    def classification() -> Any:
        return record(
            {
                "intent_name": _text("Intent"),
                "intent_label": _text("Its label"),
                "confidence_score": field(dy.Float64, "Confidence"),
                "versions": many(record(dict(version)), "Models that found it"),
            },
            "Classification",
        )

    return record(
        {
            "selected_classification": classification(),
            "all_classifications": many(classification(), "All that were considered"),
            "message_id": _text("Message"),
        }
    )


def unique_intent() -> Any:
    return record({"intent_name": _text("Intent"), "intent_label": _text("Its label")})


def agent_survey() -> Any:
    answers = many(record({"answer": _text("Answer", personal=True), "answer_id": _text("Answer's id")}), "Answers")
    question = {
        "question_text": _text("Question"),
        "question_id": _text("Question's id"),
        "question_definition": _text("Such as REGULAR_QUESTION"),
        "question_category": _text("FREE_TEXT, NUMBER, …"),
        "answers": answers,
    }
    return record(
        {
            "survey_status": _text("OPEN, SUBMITTED, DISMISSED or CLOSED"),
            "status_reason": _text("Why it has this status"),
            "dialog_id": _dialog(),
            "survey_id": _text("Survey"),
            "ac_survey_id": _text("Survey in the account's configuration"),
            "ac_survey_name": _text("Name of the survey"),
            "ac_survey_revision": field(dy.Int64, "Revision of the survey"),
            "survey_skill_id": field(dy.Int64, "Skill; joins skills", none=NO_ID),
            "survey_skill_name": _text("Name of the skill", none=UNASSIGNED),
            "assigned_agent_id": _text("Agent who was asked; joins users", none=NULL),
            "assigned_agent_nick_name": _text("Agent's nickname"),
            "assigned_agent_name": _text("Agent's name", personal=True),
            "performed_by_agent_id": _text("Agent who answered; joins users", none=NULL),
            "performed_by_agent_nick_name": _text("Agent's nickname"),
            "performed_by_agent_name": _text("Agent's name", personal=True),
            "last_update_time": instant("Time of the last change", none=NO_ID),
            "submitted_answers": many(record(question), "Answers"),
        },
        "Survey that the agent answers",
    )
