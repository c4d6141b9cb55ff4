"""A conversation as it is at a time, in the containers that hold who took part in it and what was written."""

import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from contact_analytics.sandbox.liveperson_brand import FIRST_NAMES, LAST_NAMES, SKILLS, Agent, Brand
from contact_analytics.sandbox.liveperson_conversations import Assignment, Life, Message, Story, Transfer

Fields = dict[str, Any]

GROUPS = {-1: "Unassigned", 1: "Service", 2: "Sales", 3: "Night shift"}
UNDEFINED = "undefined"

_REASON = {"Skill": "WRONG_SKILL", "back2Q": "BREAK"}
_ANSWERS = ("5", "5", "4", "4", "3", "2", "1")
_CHOICES = json.dumps({"type": "quickReplies", "replies": [{"type": "button", "title": "Yes"}]})
_CARD = json.dumps({"type": "vertical", "elements": [{"type": "text", "text": "Your order is on its way 🚚"}]})


def times(name: str, at: int | None, twin: str | None = None) -> Fields:
    """A time as text and in epoch milliseconds, as the vendor writes each; what has not happened is undefined."""
    return {name: UNDEFINED if at is None else _text(at), twin or f"{name}L": -1 if at is None else at}


def _text(at: int) -> str:
    seconds, milliseconds = divmod(at, 1000)
    minute, second = divmod(seconds, 60)
    return f"{_minute(minute)}:{second:02}.{milliseconds:03}+0000"


@lru_cache(maxsize=8192)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%d %H:%M")


def skill_name(skill: int) -> str:
    return SKILLS.get(skill, "Unassigned")


def named(agent: Agent | None, prefix: str) -> Fields:
    """Who an agent is, under names with a prefix; nobody is the text `null`."""
    if agent is None:
        return {f"{prefix}Id": "null", f"{prefix}LoginName": "", f"{prefix}Nickname": "", f"{prefix}FullName": ""}
    return {
        f"{prefix}Id": str(agent.id),
        f"{prefix}LoginName": agent.loginname,
        f"{prefix}Nickname": agent.nickname,
        f"{prefix}FullName": agent.nickname,
    }


@lru_cache(maxsize=8192)
def _consumer(account_id: str, seed: int, number: int) -> Fields:
    chance = random.Random(f"{account_id}/{seed}/consumer/{number}")
    name, surname = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    told = number % 3 > 0
    return {
        "participantId": consumer_id(account_id, seed, number),
        "firstName": name if told else "",
        "lastName": surname if told else "",
        "phone": "+1 555 0100" if number % 5 == 0 else "0",
        "email": f"customer{number}@example.com" if told else UNDEFINED,
        "token": UNDEFINED,
        "avatarURL": UNDEFINED,
        "consumerName": f"{name} {surname}" if told else "",
    }


@lru_cache(maxsize=8192)
def consumer_id(account_id: str, seed: int, number: int) -> str:
    """The id of a customer as a participant, the same in every conversation."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{account_id}/{seed}/{number}"))


class View:
    """A conversation as it is at a time, with what has happened until then."""

    def __init__(self, brand: Brand, story: Story, at: int) -> None:
        self.brand, self.story, self.at = brand, story, at
        self.life: Life = story.life
        self.closed, self.settled = self.life.closed <= at, self.life.settled <= at
        self.messages = [message for message in story.messages if message.time <= at]
        self.assignments = [taken for taken in story.assignments if taken.time <= at]
        self.transfers = [moved for moved in story.transfers if moved.time <= at]
        self.agent, self.skill = story.agent(at), story.skill(at)
        self.consumer = _consumer(brand.account_id, brand.seed, self.life.customer)
        self.survey_dialog = f"{self.life.bits & 0xFFFFFFFF:08x}{self.life.id[8:]}"

    @property
    def survey_answer(self) -> int | None:
        """How satisfied the customer was, once that is known."""
        if not (self.life.answered and self.settled):
            return None
        return int(_ANSWERS[self.life.roll("satisfaction", len(_ANSWERS))])

    def message_id(self, message: Message) -> str:
        return f"ms::dialog:{self.life.id}::msg:{message.number}"


def message_records(view: View) -> list[Fields]:
    return [_message(view, message) for message in view.messages]


def _message(view: View, message: Message) -> Fields:
    agent = message.agent
    kind, data = _content(view.life, message)
    record = {
        "type": kind,
        "messageData": data,
        "messageId": view.message_id(message),
        "seq": message.number,
        "dialogId": view.life.id,
        "participantId": str(agent.id) if agent else view.consumer["participantId"],
        "source": "APP",
        **times("time", message.time),
        "device": UNDEFINED,
        "audience": "AGENTS_AND_MANAGERS" if agent and message.kind == "note" else "ALL",
        "sentBy": "Agent" if agent else "Consumer",
    }
    if agent and agent.bot:
        record["contextData"] = _bot_context(view.life, message.number)
    elif agent and message.number % 9 == 4:
        record["contextData"] = _REASONED
    return record


def _content(life: Life, message: Message) -> tuple[str, Fields]:
    """The type of a message and its data."""
    data: Fields = {"msg": {"text": message.text}}
    if message.kind == "rich" and message.agent:
        return "RICH_CONTENT", {"richContent": {"content": _CARD}}
    if message.kind == "choices" and message.agent:
        data["quickReplies"] = {"content": _CHOICES}
    if message.kind == "file" and not message.agent:
        path = f"/10203040/{life.id}/{message.number}.jpg"
        file = {"relativePath": path, "fileType": "JPG", "caption": message.text}
        return "HOSTED_FILE", {"file": file}
    return "TEXT_PLAIN", data


_REASONED = {
    "rawMetadata": json.dumps([{"type": "ActionReason", "reason": "suggested", "reasonId": "7"}]),
    "structuredMetadata": [{"actionReason": {"reason": "suggested"}}],
}


def _bot_context(life: Life, number: int) -> Fields:
    intent = {"id": "order_status", "name": "Order status", "confidence": "MEDIUM", "confidenceScore": 0.62}
    response = {
        "externalConversationId": f"bot-{life.bits & 0xFFFF}-{number}",
        "businessCases": ["orders", "delivery"],
        "intents": [intent],
    }
    return {
        "rawMetadata": json.dumps([{"type": "BotResponse", **response}]),
        "structuredMetadata": [{"botResponse": response}],
    }


def message_statuses(view: View) -> list[Fields]:
    found: list[Fields] = []
    for message in view.messages:
        for status, time in (("ACCEPT", message.accepted), ("READ", message.read)):
            reader = view.story.agent(time) if message.agent is None else None
            if time > view.at or (message.agent is None and reader is None):
                continue
            participant = str(reader.id) if reader else view.consumer["participantId"]
            found.append(
                {
                    "messageId": view.message_id(message),
                    "seq": message.number,
                    **times("time", time),
                    "participantId": participant,
                    "participantType": "Agent" if reader else "Consumer",
                    "messageDeliveryStatus": status,
                    "dialogId": view.life.id,
                }
            )
    return found


def message_scores(view: View) -> list[Fields]:
    return [
        {
            "messageId": view.message_id(message),
            "messageRawScore": view.life.roll(f"raw {message.number}", 5) - 2,
            "mcs": score(view.life, message),
            **times("time", message.time),
        }
        for message in view.messages
        if message.agent is None and message.text
    ]


def score(life: Life, message: Message) -> int:
    """How satisfied the customer seemed with the conversation up to a message."""
    return 30 + life.roll(f"score {message.number}", 60)


def _participant(view: View, taken: Assignment, time: int) -> Fields:
    agent = taken.agent
    return {
        "agentFullName": agent.nickname,
        "agentNickname": agent.nickname,
        "agentId": str(agent.id),
        "agentLoginName": agent.loginname,
        "agentDeleted": agent.id % 23 == 0,
        "userType": "2" if agent.bot else "1",
        "userTypeName": "Bot" if agent.bot else "Human",
        "role": "AGENT",
        "agentGroupId": agent.group_id,
        "agentGroupName": GROUPS[agent.group_id],
        **times("time", time),
        "permission": "ASSIGNED_AGENT",
        "dialogId": view.life.id,
    }


def agent_participants(view: View) -> list[Fields]:
    return [_participant(view, taken, taken.time) for taken in view.assignments]


def agent_participants_leave(view: View) -> list[Fields]:
    left = [
        _participant(view, taken, moved.time) for taken, moved in zip(view.assignments, view.transfers, strict=False)
    ]
    if view.closed and len(view.assignments) > len(view.transfers):
        left.append(_participant(view, view.assignments[-1], view.life.closed))
    return left


def agent_participants_active(view: View) -> list[Fields]:
    present = not view.closed and len(view.assignments) > len(view.transfers)
    return [_participant(view, view.assignments[-1], view.assignments[-1].time)] if present else []


def consumer_participants(view: View) -> list[Fields]:
    start = view.life.start
    return [{**view.consumer, **times("time", start), **times("joinTime", start), "dialogId": view.life.id}]


def transfers(view: View) -> list[Fields]:
    return [_transfer(view, moved) for moved in view.transfers]


def _transfer(view: View, moved: Transfer) -> Fields:
    record = {
        **times("time", moved.time),
        **named(moved.target, "assignedAgent"),
        "targetSkillId": moved.target_skill,
        "targetSkillName": skill_name(moved.target_skill),
        "reason": moved.reason,
        "by": str(moved.source.id),
        "sourceSkillId": moved.source_skill,
        "sourceSkillName": skill_name(moved.source_skill),
        **named(moved.source, "sourceAgent"),
        "dialogId": view.life.id,
    }
    if reason := _REASON.get(moved.reason):
        context = {
            "rawMetadata": json.dumps([{"reason": reason}]),
            "structuredMetadata": [{"actionReason": {"reason": reason}}],
        }
        record["contextData"] = context
    return record


def interactions(view: View) -> list[Fields]:
    """Who answered: one record for each agent that wrote something, at the first of it."""
    first = {message.agent.id: message for message in reversed(view.messages) if message.agent}
    answered = sorted(first.values(), key=lambda message: message.number)
    return [
        {
            **named(message.agent, "assignedAgent"),
            **times("interactionTime", message.time),
            "interactiveSequence": sequence,
            "dialogId": view.life.id,
        }
        for sequence, message in enumerate(answered, 1)
    ]


# The containers of who took part and of what became of the messages.
MESSAGES: dict[str, Callable[[View], Any]] = {
    "agentParticipants": agent_participants,
    "agentParticipantsLeave": agent_participants_leave,
    "agentParticipantsActive": agent_participants_active,
    "consumerParticipants": consumer_participants,
    "transfers": transfers,
    "interactions": interactions,
    "messageScores": message_scores,
    "messageStatuses": message_statuses,
}
