"""A conversation as it is at a time: its own facts, and the containers around its messages."""

from collections.abc import Callable, Collection
from typing import Any

from contact_analytics.sandbox import liveperson_sdes as attributes
from contact_analytics.sandbox import liveperson_surveys as surveys
from contact_analytics.sandbox.liveperson_history import (
    GROUPS,
    MESSAGES,
    Fields,
    View,
    message_records,
    named,
    score,
    skill_name,
    times,
)

_SOURCES = ("APP", "APP", "SHARK", "SHARK", "WhatsApp Business", "SMS", "Apple Business Chat", "FACEBOOK")
_DEVICES = (("undefined", "chrome", "NA"), ("MOBILE", "safari", "IOS"), ("DESKTOP", "firefox", "WINDOWS"))
_PLACES = (("United States", "US", "Georgia", "Atlanta"), ("Deutschland", "DE", "Sachsen", "Dresden"))
_INTENTS = (("order_status", "Order status"), ("return_item", "Return an item"), ("billing", "Billing question"))
_ENGAGEMENTS = {"2330596212": "Sticky button", "2330596213": "Offer, bottom right"}
_SUMMARIES = ("billing question", "asked for the delivery date\nand got it", "Rücksendung angekündigt")


def info(view: View) -> Fields:
    """The conversation's own facts."""
    life, closed = view.life, view.closed
    end = life.settled if view.settled else life.closed if closed else None
    facts = {
        **times("startTime", life.start),
        **times("endTime", end),
        **times("conversationEndTime", life.closed if closed else None),
        **times("fullDialogEndTime", life.settled if view.settled else None),
        "duration": (life.closed if closed else view.at) - life.start,
        "conversationId": life.id,
        "brandId": view.brand.account_id,
        **_latest_agent(view),
        "latestSkillId": view.skill,
        "latestSkillName": skill_name(view.skill),
        "source": _SOURCES[life.roll("source", len(_SOURCES))],
        "status": "CLOSE" if closed else "OPEN",
        "fullDialogStatus": "CLOSE" if view.settled else "OPEN",
        "firstConversation": life.happens("first", 0.2),
        "latestQueueState": _queue_state(view),
        "isPartial": False,
        "pendingAgentSurvey": False,
        **_from(view),
    }
    if closed:
        facts |= _closing(view)
    if scored := [message for message in view.messages if message.agent is None and message.text]:
        mcs = score(life, scored[-1])
        facts |= {"mcs": mcs, "alertedMCS": -1 if mcs < 40 else 1 if mcs > 70 else 0}
    if view.survey_answer is not None:
        facts["csatRate"] = view.survey_answer
    if life.happens("intent", 0.3):
        facts["firstIntentName"], facts["firstIntentLabel"] = _INTENTS[life.roll("intents", len(_INTENTS))]
    return facts


def _closing(view: View) -> Fields:
    if view.life.happens("timeout", 0.15):
        return {"closeReason": "SYSTEM", "closeReasonDescription": "TIMEOUT"}
    by_agent = view.assignments and view.life.happens("by agent", 0.6)
    return {"closeReason": "AGENT" if by_agent else "CONSUMER", "closeReasonDescription": "MANUAL_CLOSE"}


def _latest_agent(view: View) -> Fields:
    agent = view.agent
    group = agent.group_id if agent else -1
    who = named(agent, "latestAgent") if agent else {}
    deleted = {"agentDeleted": agent.id % 23 == 0} if agent else {}
    return {**who, **deleted, "latestAgentGroupId": group, "latestAgentGroupName": GROUPS[group]}


def _queue_state(view: View) -> str:
    """Whether the conversation waits for an agent: nobody has taken it since it came or was transferred."""
    return "ACTIVE" if len(view.assignments) > len(view.transfers) else "IN_QUEUE"


def _from(view: View) -> Fields:
    """What the customer's end of the conversation is."""
    life = view.life
    device, browser, system = _DEVICES[life.roll("device", len(_DEVICES))]
    where = {"device": device, "browser": browser, "browserVersion": "125.0.0", "operatingSystem": system}
    if device == "MOBILE":
        where |= {"deviceModel": "iPhone14,4", "operatingSystemVersion": "17.5", "integration": "mobile-sdk"}
        where |= {"integrationVersion": "6.17.0", "appId": "ConsumerApp", "appVersion": "4.2"}
    if device == "DESKTOP":
        where |= {"integration": "web-sdk", "timeZone": "Europe/Berlin", "sessionId": f"{life.bits:x}"[:12]}
        where |= {"interactionContextId": "2", "ipAddress": "203.0.113.7", "language": "de-DE", "wasStepUp": False}
    return where | {"features": ["PHOTOSHARING", "QUICKREPLIES", "RICHCONTENT"]}


def _campaign(view: View) -> Fields | None:
    life = view.life
    if not life.happens("campaign", 0.5):
        return None
    engagement = tuple(_ENGAGEMENTS)[life.roll("campaign", 2)]
    return {
        "campaignEngagementId": engagement,
        "campaignEngagementName": _ENGAGEMENTS[engagement],
        "campaignId": "2330594512",
        "campaignName": "Sandbox campaign",
        "goalId": "2330594612",
        "goalName": "Interact with customers",
        "engagementAgentNote": "",
        "engagementSource": "WEB_SITE",
        "visitorBehaviorId": "2330594712",
        "visitorBehaviorName": "Visitors in any flow",
        "engagementApplicationId": "7d3c1f58-0a6e-4a18-9d35-0c8f3a1b2c4d",
        "engagementApplicationName": "Web messaging",
        "engagementApplicationTypeId": "4",
        "engagementApplicationTypeName": "WEB",
        "visitorProfileId": "2330594812",
        "visitorProfileName": "All visitors",
        "lobId": 766661812,
        "lobName": "Retail",
        "locationId": "2330594912",
        "locationName": "Entire site",
        "behaviorSystemDefault": True,
        "profileSystemDefault": True,
    }


def _monitoring(view: View) -> Fields:
    device, browser, system = _DEVICES[view.life.roll("device", len(_DEVICES))]
    country, code, state, city = _PLACES[view.life.roll("place", len(_PLACES))]
    return {
        "country": country,
        "countryCode": code,
        "state": state,
        "city": city,
        "isp": "Example Networks",
        "org": "Example",
        "device": device,
        "ipAddress": "203.0.113.7",
        "browser": browser,
        "operatingSystem": system,
        "conversationStartPage": "https://shop.example/help?topic=order&lang=de",
        "conversationStartPageTitle": "Help – Hilfe",
    }


def _cobrowse(view: View) -> Fields:
    life = view.life
    if not (view.closed and view.agent and life.happens("co-browse", 0.03)):
        return {"coBrowseSessionsList": []}
    start, length = life.start + 20_000, life.roll("co-browse length", 30_000)
    session = {
        "sessionId": f"cb-{life.bits:x}",
        **times("startTime", start),
        **times("endTime", start + length),
        **times("interactiveTime", start + length // 2),
        "interactive": True,
        "endReason": "AGENT",
        "duration": length,
        "type": "web",
        "capabilities": ["CONSUMER_VOICE_CONNECTION"],
        "agentId": str(view.agent.id),
    }
    return {"coBrowseSessionsList": [session]}


def _attributes(view: View, *, authenticated: bool) -> Fields:
    told = (event for time, event in attributes.events(view.brand, view.life) if time <= view.at)
    return {"events": [event for event in told if ("isAuthenticated" not in event) is authenticated]}


def _response_time(view: View) -> Fields:
    waiting = not view.closed and view.messages and view.messages[-1].agent is None
    due = view.messages[-1].time + 180_000 if waiting else -1
    return {"latestEffectiveResponseDueTime": due, "configuredResponseTime": 3000}


def _summary(view: View) -> Fields | None:
    if not (view.closed and view.life.happens("summary", 0.4)):
        return None
    return {"text": _SUMMARIES[view.life.roll("summaries", len(_SUMMARIES))], "lastUpdatedTime": view.life.closed}


def _skill_changes(view: View) -> list[Fields]:
    """Undocumented, so its fields are the sandbox's own."""
    moved = [one for one in view.transfers if one.source_skill != one.target_skill]
    if not view.life.happens("skill changes", 0.2):
        return []
    return [{**times("time", one.time), "from": one.source_skill, "to": one.target_skill} for one in moved]


def _intents(view: View) -> list[Fields]:
    life = view.life
    if not life.happens("intent", 0.3):
        return []
    found: list[Fields] = []
    for place, message in enumerate([one for one in view.messages if one.agent is None][:2]):
        label, confidence = _INTENTS[(life.roll("intents", 3) + place) % 3], 500 + life.roll(f"sure {place}", 500)
        chosen = {
            "intentName": label[0],
            "intentLabel": label[1],
            "confidenceScore": confidence / 1000,
            "versions": [{"modelName": "Sandbox intents", "modelVersion": "2.0"}],
        }
        found.append(
            {"selectedClassification": chosen, "allClassifications": [chosen], "messageId": view.message_id(message)}
        )
    return found


def _unique_intents(view: View) -> list[Fields]:
    chosen = [intent["selectedClassification"] for intent in _intents(view)]
    return [{name: one[name] for name in ("intentName", "intentLabel")} for one in chosen]


# The containers of a conversation beside `info`; one that is None is left out.
CONTAINERS: dict[str, Callable[[View], Any]] = {
    "campaign": _campaign,
    "monitoring": _monitoring,
    "messageRecords": lambda view: message_records(view) + surveys.messages(view),
    **MESSAGES,
    "dialogs": surveys.dialogs,
    "conversationSurveys": surveys.conversation_surveys,
    "coBrowseSessions": _cobrowse,
    "sdes": lambda view: _attributes(view, authenticated=True),
    "unAuthSdes": lambda view: _attributes(view, authenticated=False),
    "responseTime": _response_time,
    "summary": _summary,
    "skillChanges": _skill_changes,
    "intents": _intents,
    "uniqueIntents": _unique_intents,
    "latestAgentSurvey": surveys.latest_agent_survey,
    "previouslySubmittedAgentSurveys": surveys.earlier_agent_surveys,
}
_NOT_DEFAULT = {
    *("dialogs", "responseTime", "monitoring", "unAuthSdes", "skillChanges", "intents", "uniqueIntents"),
    *("latestAgentSurvey", "previouslySubmittedAgentSurveys"),
}
DEFAULT = tuple(name for name in CONTAINERS if name not in _NOT_DEFAULT)


def record(view: View, containers: Collection[str] = tuple(CONTAINERS)) -> Fields:
    """The whole record with these containers: every attribute in its own type, in today's spelling."""
    found = ((name, CONTAINERS[name](view)) for name in containers)
    return {"info": info(view), **{name: value for name, value in found if value is not None}}
