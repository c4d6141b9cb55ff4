"""Agent activity, engagements and surveys of the sandbox, in the columns of their tables."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contact_analytics.sandbox.liveperson_brand import DAY, FIRST_NAMES, HOUR, SKILLS, Agent, Brand, Shift, token

Row = dict[str, Any]
Session = tuple[Row, list[Row]]

_CHAT, _LOGIN, _LOGOUT = 1, 3, 4
_OFFLINE, _ONLINE, _BACK_SOON, _AWAY = 1, 2, 3, 4
# Few go offline without a logout.
_PAUSES = (_BACK_SOON, _AWAY, _BACK_SOON, _AWAY, _BACK_SOON, _AWAY, _BACK_SOON, _OFFLINE)
VISITOR_LINES = (
    "Hi, my order hasn't arrived yet.",
    "Where do I find the invoice?",
    'It says "error 500" when I pay \\ with card 😕',
    "Two questions:\n1. can I change the address?\n2. until when?",
    "thanks!! 🙏🏽",
    "ok",
    "",
    "¿Hablan español?",
    "我的订单在哪里？",
    "The tracking number is 1Z999AA10123456784,\tis that right?",
)
AGENT_LINES = (
    "Hello, how can I help?",
    "Let me look that up for you, one moment please.",
    "I can see the order; it left our warehouse yesterday.",
    "You will get an e-mail with the new invoice within the hour.",
    "Could you tell me the last four digits of the order number?",
    "Is there anything else I can do for you?",
    "Die Lieferung trifft voraussichtlich am Freitag zwischen 9 und 12 Uhr ein.",
    "I have refunded the shipping costs. Sorry for the trouble! 🙂",
)
_CONTROL_LINES = (
    "Thank you for your patience. An agent will be with you shortly.",
    "You are now chatting with {agent}.",
    "Please note that this conversation is recorded.",
)
_REASONS = (101, 106, 201, 201, 202, 205, 205, 208, 210)
_QUESTIONS: dict[int, tuple[tuple[str, int, tuple[str, ...]], ...]] = {
    1: (
        ("What is your name?", 2, FIRST_NAMES),
        ("What is it about?", 4, ("Order", "Invoice", "Return", "")),
    ),
    2: (
        ("How satisfied are you with this conversation?", 4, ("5", "5", "4", "4", "3", "2", "1")),
        ("Was your question answered?", 4, ("Yes", "Yes", "No")),
        ("Would you tell us more?", 2, ("", "Great help 👍", "Took too long.\nTwice.", "n/a", "Très bien")),
    ),
    3: (("Chat result", 4, ("Resolved", "Resolved", "Open", "Spam")),),
    4: (("Your message", 2, ("Please call me back.", "No one was there ☹", "")),),
}
_SURVEYS = {1: "PreChat", 2: "CustomerExit", 3: "AgentExit", 4: "Offline"}


@dataclass(frozen=True)
class Conversation:
    """What engagements and surveys must agree on; times in epoch milliseconds."""

    id: str
    queued: int
    connected: int
    ended: int
    agent: Agent
    chance: random.Random


def conversation(brand: Brand, hour: int, number: int) -> Conversation:
    """A conversation that ended in the hour; some began many hours before."""
    chance = brand.chance("conversation", hour, number)
    ended = hour * HOUR + chance.randrange(3_400_000)
    lasted = chance.uniform(5, 20) * HOUR if chance.random() < 0.03 else chance.lognormvariate(6.5, 0.5) * 1000
    connected = ended - int(lasted)
    queued = connected - int(chance.expovariate(1 / 60_000))
    agent = chance.choice(brand.on_duty(connected // HOUR))
    return Conversation(f"{brand.account_id}{hour}{number:04d}", queued, connected, ended, agent, chance)


def _session(brand: Brand, version: str, start: int, end: int | None) -> Row:
    return {"account_id": brand.account_id, "schema_version": version, "start_time": start, "end_time": end}


def _visitor(chance: random.Random) -> Row:
    """The visitor's header in engagements and surveys: mostly empty texts, as the vendor's examples have it."""
    if chance.random() < 0.9:
        return {"visit_id": "", "visitor_id": "", "context_id": "" if chance.random() < 0.8 else None}
    return {"visit_id": token(chance), "visitor_id": token(chance, 8), "context_id": None}


def agent_activity(brand: Brand, hour: int, numbers: range) -> Iterator[Session]:
    """Agent sessions that closed in the hour, each with its changes since the login; some lack the logout."""
    shifts = brand.shifts_closed_in(hour)
    for number in numbers:
        shift = shifts[number]
        header = {"agent_session_id": f"{brand.account_id}-{shift.number}"}
        changes = _changes(shift, brand.chance("shift", shift.number))
        if brand.chance("no logout", shift.number).random() < 0.04:
            changes.pop()
        yield _session(brand, "1.0.0.4", shift.start, None) | header, changes


def _changes(shift: Shift, chance: random.Random) -> list[Row]:
    agent = shift.agent
    who: Row = {
        "agent_id": agent.id,
        "agent_employee_id": agent.employee_id,
        "agent_username": agent.username,
        "agent_nickname": agent.nickname,
        "agent_loginname": agent.loginname,
        "agent_group_id": agent.group_id,
        "user_profile_ids": list(agent.profile_ids),
    }
    rows: list[Row] = []

    def note(moment: int, kind: int, state: int, chats: int) -> None:
        before = rows[-1] if rows else {"state": _OFFLINE, "concurrent_eng": 0}
        most = -9 if kind in (_LOGIN, _LOGOUT) else agent.most_chats
        change = {"timestamp": moment, "type": kind, "state": state, "prev_state": before["state"]}
        load = {"prev_concurrent_eng": before["concurrent_eng"], "concurrent_eng": chats, "max_concurrent_eng": most}
        rows.append({**change, **who, **load})

    note(shift.start, _LOGIN, 0, 0)
    moment, step = shift.start + 2_047, 1_800_000 if agent.bot else 360_000
    note(moment, _CHAT, _ONLINE, 0)
    while (moment := moment + chance.randrange(step // 4, step * 7 // 4)) < shift.end - 60_000:
        state, chats = rows[-1]["state"], rows[-1]["concurrent_eng"]
        if state != _ONLINE:
            note(moment, _CHAT, _ONLINE, chats)
        elif chance.random() < 0.12:
            note(moment, _CHAT, chance.choice(_PAUSES), chats)
        else:
            more = chats < agent.most_chats and (not chats or chance.random() < 0.5)
            note(moment, _CHAT, _ONLINE, chats + 1 if more else chats - 1)
    note(shift.end, _LOGOUT, _OFFLINE, 0)
    return rows


def engagement(brand: Brand, hour: int, numbers: range) -> Iterator[Session]:
    """Conversations that ended in the hour; a session now and then holds two."""
    chance = brand.chance("engagement", hour, numbers.start)
    waiting = list(reversed(numbers))
    while waiting:
        count = 2 if len(waiting) > 1 and chance.random() < 0.05 else 1
        talks = [conversation(brand, hour, waiting.pop()) for _ in range(count)]
        start, end = min(talk.queued for talk in talks), max(talk.ended for talk in talks)
        session = _session(brand, "1.0.0.35", start, end + 12_000 if chance.random() < 0.97 else None)
        yield session | _visitor(chance), [_conversation_row(brand, talk) for talk in talks]


def _conversation_row(brand: Brand, talk: Conversation) -> Row:
    chance, agent_id = talk.chance, str(talk.agent.id)
    skill = chance.choice(tuple(SKILLS))
    transfers = [_transfer(brand, talk, skill) for _ in range(chance.choice((0,) * 8 + (1, 2)))]
    page = chance.choice((None, "Checkout", "Contact us", "Überblick"))
    # The parts that the vendor documents nowhere are in few hours, so that most files can be read strictly.
    scored = brand.chance("undocumented", talk.ended // HOUR).random() < 0.02 and chance.random() < 0.05
    return {
        "conversation_id": talk.id,
        "type": "LIVE_CHAT" if chance.random() < 0.97 else "MESSAGING",
        "conversation_start_time": talk.queued,
        "interaction_start_time": talk.connected,
        "conversation_end_time": talk.ended,
        "consumer_id": None if chance.random() < 0.7 else token(chance),
        "is_interactive": chance.random() < 0.9,
        "source_origin": "Web",
        "source_device": chance.choice((None, "DESKTOP", "MOBILE", "TABLET", "NA")),
        "end_reason_id": chance.choice(_REASONS),
        "campaign_data": chance.choice((None, {"campaign_id": 129082910, "campaign_engagement_id": 9007199254740993})),
        "agent_id": agent_id,
        "skill_id": skill,
        "skills": [skill, *(transfer["target_skill_id"] for transfer in transfers)],
        "start_reason_id": 2 if transfers else 0,
        "start_page": page,
        "start_url": page and f"https://shop.example/{page.lower().replace(' ', '-')}?q=%C3%BC&ref=",
        "transcripts": _transcript(talk, agent_id),
        "transfers": transfers,
        "secure_forms": [json.dumps({"formId": 7, "submitted": True})] if scored else [],
        "mcs": json.dumps({"score": 61}) if scored else None,
        "queue_start_time": talk.queued,
        "queue_end_time": talk.connected,
    }


def _transcript(talk: Conversation, agent_id: str) -> list[Row]:
    chance, visitor = talk.chance, talk.chance.choice((*FIRST_NAMES, "you", ""))
    count = int(chance.triangular(10, 21, 10))
    pace = (talk.ended - talk.connected) // count
    lines: list[Row] = []
    for index in range(count):
        kind = "2" if index == 0 else chance.choice("0001111110000123405")
        who = {"0": visitor, "2": "info"}.get(kind, talk.agent.nickname)
        texts = {"0": VISITOR_LINES, "2": _CONTROL_LINES}.get(kind, AGENT_LINES)
        text = chance.choice(texts)
        if kind == "2":
            text = text.format(agent=talk.agent.nickname)
        elif kind == "3":
            text = "https://shop.example/help/returns#faq"
        elif kind == "4":
            text = '<p style="margin:0">See <a href="https://shop.example/faq">our FAQ</a> &amp; more</p>'
        lines.append(
            {
                "text": text,
                "timestamp": talk.connected + pace * index + chance.randrange(max(pace, 1)),
                "by": who,
                "type": kind,
                "control_type": "4" if kind == "2" else "0",
                "agent_id": agent_id if kind in "1345" else "0",
                "content_format": "TEXT_HTML" if kind == "4" else "Text",
                "message_id": token(chance),
            }
        )
    if chance.random() < 0.04:
        lines[-1] |= {"content_format": "HOSTED_FILE", "file_data": {"caption": "receipt 📎", "file_type": "PDF"}}
    if chance.random() < 0.04:
        link = {"external_file_link": "https://files.example/a%20b.png", "file_type": "PNG", "caption": None}
        lines[-1] |= {"content_format": "LINK", "link_data": link, "dialog_id": talk.id}
    return lines


def _transfer(brand: Brand, talk: Conversation, skill: int) -> Row:
    chance = talk.chance
    moment = chance.randrange(talk.connected, talk.ended + 1)
    return {
        "timestamp": str(moment),
        "skill_id": skill,
        "target_skill_id": chance.choice((-1, *SKILLS)),
        "agent_id": str(talk.agent.id),
        "target_agent_id": str(chance.choice(brand.agents).id) if chance.random() < 0.6 else None,
        "reason": chance.randrange(4),
        "queue_start_time": moment,
        "queue_end_time": moment + chance.randrange(90_000),
        "is_interactive": chance.choice((True, False, None)),
    }


def survey(brand: Brand, hour: int, numbers: range) -> Iterator[Session]:
    """Surveys of the hour's conversations; a session holds one or two, answered or only shown.

    A few customers answer what they were sent days ago: the survey of a conversation that ended as many days before.
    """
    surveyed = brand.surveyed(hour)
    for number in numbers:
        chance = brand.chance("survey", hour, number)
        late = _days_late(brand, hour, number)
        talk = conversation(brand, hour - 24 * late, 0 if late else surveyed[number])
        kinds = chance.choice(((2,), (2,), (2,), (3,), (1, 2), (2, 3), (1,), (2,), (2,), (4,)))
        rows = [_survey_row(talk, kind, chance, late * DAY) for kind in kinds]
        answered = [content["answer_submit_time"] for row in rows for content in row["contents"]]
        start, end = min(answered, default=talk.ended + late * DAY), max(answered, default=None)
        yield _session(brand, "1.0.0.22", start, end) | _visitor(chance), rows


def _days_late(brand: Brand, hour: int, number: int) -> int:
    chance = brand.chance("late survey", hour, number)
    days = chance.randrange(2, 6) if chance.random() < 0.03 else 0
    return days if days and brand.volume("engagement", hour - 24 * days) else 0


def _survey_row(talk: Conversation, kind: int, chance: random.Random, delay: int) -> Row:
    shown = (talk.queued - 45_000 if kind == 1 else talk.ended) + delay + chance.randrange(30_000)
    contents: list[Row] = []
    for index, (question, answer_type, answers) in enumerate(_QUESTIONS[kind] if chance.random() < 0.85 else ()):
        content: Row = {
            "question": question,
            "answer": chance.choice(answers) if chance.random() < 0.96 else None,
            "answer_submit_time": shown + 8_000 * (index + 1) + chance.randrange(5_000),
            "survey_name": _SURVEYS[kind],
            "answer_type": answer_type,
            "csat_threshold": 4.0 if kind == 2 and index == 0 else -1.0,
        }
        contents.append(content)
        if chance.random() < 0.1:
            # The vendor's own example repeats an answer 7 ms later.
            contents.append(content | {"answer_submit_time": content["answer_submit_time"] + 7})
    return {
        "conversation_id": talk.id,
        "id": 275_330 + kind if kind != 2 else 9_007_199_254_740_995,
        "type": kind,
        "view_time": shown if chance.random() < 0.8 else None,
        "contents": contents,
    }
