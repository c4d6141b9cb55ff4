"""The format of conversations: a page as the vendor documents it, and what it is seen to send instead."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contact_analytics.lib.arrow_json import read_strictly
from contact_analytics.lib.formats import Decoded
from contact_analytics.liveperson.conversations import FORMAT

ID = "5b8f0d7e-31c2-4f6a-8d19-70c4e2a6b915"
HOST = "https://ph.msghist.example/messaging_history/api/account/55500011/conversations/search"
# What the dialog, its messages and their parts share.
DIALOG = {"dialogId": ID}
AGENT = {"LoginName": "noor@example.com", "Nickname": "Noor", "FullName": "Noor B"}


def moment(name: str, milliseconds: int) -> dict[str, Any]:
    """A time in both of the vendor's forms."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return {name: f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}+0000", f"{name}L": milliseconds}


def agent(prefix: str) -> dict[str, str]:
    return {f"{prefix}Id": "7001", **{prefix + name: value for name, value in AGENT.items()}}


INFO = {
    **moment("startTime", 1_719_835_200_001),
    **moment("endTime", 1_719_838_800_250),
    **moment("conversationEndTime", 1_719_837_000_500),
    **moment("fullDialogEndTime", 1_719_838_800_250),
    "duration": 3600,
    "conversationId": ID,
    "brandId": "55500011",
    **agent("latestAgent"),
    "agentDeleted": False,
    "latestSkillId": -1,
    "latestSkillName": "Unassigned",
    "source": "SHARK",
    "closeReason": "CONSUMER",
    "closeReasonDescription": "MANUAL_CLOSE",
    "mcs": 41,
    "alertedMCS": -1,
    "status": "CLOSE",
    "fullDialogStatus": "CLOSE",
    "firstConversation": True,
    "csatRate": 4,
    "device": "undefined",
    "browser": "firefox",
    "operatingSystem": "NA",
    "latestAgentGroupId": -1,
    "latestAgentGroupName": "Unassigned",
    "latestQueueState": "ACTIVE",
    "isPartial": False,
    "pendingAgentSurvey": False,
    "features": ["QUICKREPLIES", "RICHCONTENT"],
}
MESSAGE = {
    "type": "TEXT_PLAIN",
    "messageData": {"msg": {"text": "undefined"}},
    "messageId": f"ms::dialog:{ID}::msg:0",
    "seq": 0,
    **DIALOG,
    "participantId": "c0ffee00-9d2b",
    "source": "APP",
    **moment("time", 1_719_835_210_000),
    "device": "undefined",
    "audience": "ALL",
    "sentBy": "Consumer",
    "contextData": {
        "rawMetadata": '[{"reasonId":"3"}]',
        "structuredMetadata": [
            {
                "botResponse": {
                    "externalConversationId": "b-9",
                    "businessCases": ["Refund"],
                    "intents": [{"id": "i1", "name": "refund", "confidence": "MEDIUM", "confidenceScore": 0.61}],
                }
            },
            {"actionReason": {"reason": "asked"}},
        ],
    },
}
RECORD: dict[str, Any] = {
    "info": INFO,
    "campaign": {"campaignId": "812", "lobId": 3, "lobName": "Retail", "profileSystemDefault": True},
    "monitoring": {"country": "Austria", "device": "DESKTOP", "conversationStartPage": "https://example.com/help"},
    "messageRecords": [MESSAGE],
    "agentParticipants": [
        {
            **agent("agent"),
            **moment("time", 1_719_835_230_000),
            "role": "AGENT",
            "userType": "1",
            "userTypeName": "Human",
            "agentGroupId": 77,
            "agentGroupName": "Days",
            "permission": "ASSIGNED_AGENT",
            **DIALOG,
        }
    ],
    "agentParticipantsLeave": [],
    "agentParticipantsActive": [],
    "consumerParticipants": [
        {
            "participantId": "c0ffee00-9d2b",
            **moment("time", 1_719_835_200_100),
            "firstName": "Ada",
            "lastName": "undefined",
            "phone": "0",
            "email": "undefined",
            "token": "undefined",
            "avatarURL": "undefined",
            **DIALOG,
        }
    ],
    "transfers": [
        {
            **moment("time", 1_719_835_260_000),
            "assignedAgentId": "null",
            "targetSkillId": 12,
            "targetSkillName": "Returns",
            "reason": "Skill",
            "by": "7001",
            "sourceSkillId": -1,
            "sourceSkillName": "Unassigned",
            **agent("sourceAgent"),
            **DIALOG,
        }
    ],
    "interactions": [
        {**agent("assignedAgent"), **moment("interactionTime", 1_719_835_240_000), "interactiveSequence": 1, **DIALOG}
    ],
    "dialogs": [
        {**DIALOG, "status": "CLOSE", "dialogType": "MAIN", **moment("startTime", 1_719_835_200_001), "skillId": -1}
    ],
    "messageScores": [
        {"messageId": "m0", "messageRawScore": -20, "mcs": 41, **moment("time", 1_719_835_211_000)},
    ],
    "messageStatuses": [
        {"messageId": "m0", "seq": 0, **moment("time", 1_719_835_212_000), "messageDeliveryStatus": "READ"},
    ],
    "conversationSurveys": [
        {
            "surveyType": "Satisfaction",
            "surveyStatus": "FILLED",
            "surveyId": "s1",
            "surveyData": [{"question": "How was it?", "answer": "4", "answerSeq": "1", "isValidAnswer": True}],
        }
    ],
    "coBrowseSessions": {
        "coBrowseSessionsList": [
            {"sessionId": "x1", **moment("startTime", 1_719_835_300_000), "interactive": True, "duration": 5000}
        ]
    },
    "summary": {"text": "refund asked", "lastUpdatedTime": 1_719_838_700_000},
    "responseTime": {"latestEffectiveResponseDueTime": -1, "configuredResponseTime": 3000},
    "sdes": {
        "events": [
            {
                "customerInfo": {
                    "serverTimeStamp": "1719835199000",
                    "originalTimeStamp": "1719835198000",
                    "customerInfo": {"customerId": "K-8", "lastPaymentDate": {"year": 2024, "month": 6, "day": 30}},
                },
                "sdeType": "CUSTOMER_INFO",
                "serverTimeStamp": "1719835199000",
            }
        ]
    },
    "unAuthSdes": {"events": []},
    "skillChanges": None,
    "intents": [{"selectedClassification": {"intentName": "i1", "confidenceScore": 0.6}, "messageId": "m0"}],
    "uniqueIntents": [{"intentName": "i1", "intentLabel": "Refund"}],
    "latestAgentSurvey": {"surveyStatus": "OPEN", "acSurveyRevision": 2, "lastUpdateTime": 1_719_838_000_000},
    "previouslySubmittedAgentSurveys": [],
}


def page(*records: dict[str, Any]) -> bytes:
    """An answer of the vendor."""
    link = {"rel": "self", "href": f"{HOST}?limit=100&offset=0"}
    about = {"count": len(records), "self": link, "shardsStatusResult": {"partialResult": False}}
    return json.dumps({"_metadata": about, "conversationHistoryRecords": records}).encode()


def strictly(*records: dict[str, Any]) -> Decoded:
    """A page that is exactly as declared."""
    read_strictly(page(*records), FORMAT, whole=True)
    decoded = FORMAT.decode(page(*records))
    assert not decoded.rejected
    assert not decoded.unknown
    assert decoded.frame["_extra"].null_count() == len(records)
    return decoded


def with_info(**others: Any) -> dict[str, Any]:
    """The record with other facts; those of None are left out."""
    info = {name: value for name, value in (INFO | others).items() if value is not None}
    return RECORD | {"info": info}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def given(value: Any) -> Any:
    """A value without what is null in it."""
    if isinstance(value, dict):
        return {name: given(inner) for name, inner in value.items() if inner is not None}
    return [given(item) for item in value] if isinstance(value, list) else value


def test_a_page_as_documented_is_read_strictly() -> None:
    """Sections, twins, sentinels and nested records end in their columns; what only looks like none stays."""
    [row] = given(strictly(RECORD).frame.to_dicts())
    assert {name: row[name] for name in ("conversation_id", "csat_rate", "alerted_mcs", "duration", "status")} == {
        "conversation_id": ID,
        "csat_rate": 4,
        "alerted_mcs": -1,
        "duration": 3600,
        "status": "CLOSE",
    }
    assert row["start_time"] == at("2024-07-01 12:00:00.001")
    assert (row["conversation_duration"], row["full_dialog_duration"]) == (1800.499, 3600.249)
    absent = {"device", "latest_skill_id", "latest_skill_name", "latest_agent_group_id", "skill_changes"}
    assert absent.isdisjoint(row)
    assert "latest_effective_response_due_time" not in row
    assert (row["campaign_id"], row["lob_id"], row["monitoring_country"]) == ("812", 3, "Austria")
    assert (row["summary_text"], row["features"]) == ("refund asked", ["QUICKREPLIES", "RICHCONTENT"])
    [message] = row["message_records"]
    assert message["message_data"] == {"msg": {"text": "undefined"}}
    assert message["time"] == at("2024-07-01 12:00:10")
    assert "device" not in message
    assert message["context_data"]["structured_metadata"][1] == {"action_reason": {"reason": "asked"}}
    [bot] = message["context_data"]["structured_metadata"][0]["bot_response"]["intents"]
    assert bot == {"id": "i1", "name": "refund", "confidence": "MEDIUM", "confidence_score": 0.61}
    assert row["consumer_participants"] == [
        {
            "participant_id": "c0ffee00-9d2b",
            "time": at("2024-07-01 12:00:00.100"),
            "first_name": "Ada",
            "dialog_id": ID,
        }
    ]
    [transfer] = row["transfers"]
    assert {"assigned_agent_id", "source_skill_id", "source_skill_name"}.isdisjoint(transfer)
    assert (transfer["target_skill_id"], transfer["source_agent_full_name"]) == (12, "Noor B")
    assert row["sdes"] == [
        {
            "sde_type": "CUSTOMER_INFO",
            "server_time_stamp": at("2024-07-01 11:59:59"),
            "customer_info": {
                "customer_id": "K-8",
                "last_payment_date": {"year": 2024, "month": 6, "day": 30},
                "server_time_stamp": at("2024-07-01 11:59:59"),
                "original_time_stamp": at("2024-07-01 11:59:58"),
            },
        }
    ]
    assert row["co_browse_sessions"][0]["is_interactive"]
    assert row["un_auth_sdes"] == row["previously_submitted_agent_surveys"] == row["agent_participants_leave"] == []


def test_an_open_conversation_has_no_end() -> None:
    """The vendor says so with -1 and the word undefined; that is read strictly too."""
    ends = {"endTime": "undefined", "endTimeL": -1, "conversationEndTime": None, "conversationEndTimeL": None}
    [row] = strictly(with_info(**ends, fullDialogEndTimeL=-1, fullDialogEndTime="undefined")).frame.to_dicts()
    assert row["end_time"] is row["conversation_end_time"] is row["full_dialog_end_time"] is None
    assert row["conversation_duration"] is row["full_dialog_duration"] is None


@pytest.mark.parametrize(
    ("documented", "other"),
    [
        ({"consumerParticipants": [{"firstName": "Ada"}]}, {"consumerParticipant": [{"firstName": "Ada"}]}),
        ({"messageScores": [{"score": 5}]}, {"messageScore": [{"score": 5}]}),
        ({"interactions": [agent("assignedAgent")]}, {"interactions": [{**agent("agent"), "assignedAgentId": "7001"}]}),
        (
            {"coBrowseSessions": {"coBrowseSessionsList": [{"interactive": True}]}},
            {"coBrowseSessions": {"coBrowseSessionsList": [{"isInteractive": True}]}},
        ),
    ],
)
def test_both_documented_names_of_a_part_are_read_strictly(documented: dict[str, Any], other: dict[str, Any]) -> None:
    """Tables and examples of the vendor differ in names; either is as declared."""
    if "interactions" in other:
        del other["interactions"][0]["agentId"]
    rest = {name: part for name, part in RECORD.items() if name not in documented}
    assert strictly(rest | documented).frame.equals(strictly(rest | other).frame)


def test_the_satisfaction_goes_by_two_names() -> None:
    """The table says `csat`, the example `csatRate`."""
    assert strictly(with_info(csatRate=None, csat=4)).frame.equals(strictly(RECORD).frame)


@pytest.mark.parametrize(
    "other",
    [
        with_info(startTimeL=None),
        with_info(startTimeL="1719835200001", startTime=None),
        with_info(latestSkillId="-1", latestAgentGroupId="-1", csatRate="4", duration="3600", mcs=41.0),
        with_info(latestAgentId=7001, brandId=55500011, isPartial="false", firstConversation=1),
        with_info(conversationId=None, conversationID=ID),
        RECORD | {"campaign": RECORD["campaign"] | {"campaignId": 812, "lobId": "3"}},
        RECORD | {"messageRecords": [MESSAGE | {"seq": "0"}]},
        RECORD | {"dialogs": [RECORD["dialogs"][0] | {"skillId": "-1"}]},
        RECORD | {"latestAgentSurvey": RECORD["latestAgentSurvey"] | {"acSurveyRevision": "2"}},
        RECORD | {"responseTime": {"latestEffectiveResponseDueTime": "-1", "configuredResponseTime": "3000"}},
        {("messageRECORDS" if name == "messageRecords" else name): part for name, part in RECORD.items()},
    ],
)
def test_other_documented_types_and_spellings_are_the_same_row(other: dict[str, Any]) -> None:
    """Where table and example differ, in the type or in the case of a letter, both end in the same columns."""
    decoded = FORMAT.decode(page(other))
    assert (decoded.rejected, dict(decoded.unknown)) == ([], {})
    assert decoded.frame.equals(strictly(RECORD).frame)


def test_engagement_attributes_come_as_text_or_typed() -> None:
    """Version 1 of the API writes all values as text, version 2 with their types."""

    def event(balance: Any, size: Any, stamp: Any) -> dict[str, Any]:
        outer = {"customerInfo": {"balance": balance, "companySize": size}, "serverTimeStamp": stamp}
        return RECORD | {"unAuthSdes": {"events": [{"customerInfo": outer, "isAuthenticated": False}]}}

    typed = strictly(event(10.5, 20, "1719835199000")).frame
    for other in (event("10.5", "20", "1719835199000"), event(10.5, 20, 1_719_835_199_000)):
        assert FORMAT.decode(page(other)).frame.equals(typed)


def test_one_odd_conversation_does_not_keep_the_others_of_its_page() -> None:
    """It is refused with its reason and content; an unknown part is kept in its row."""
    odd, new = with_info(mcs="much"), RECORD | {"annotations": [{"state": "OPEN"}]}
    decoded = FORMAT.decode(page(*[RECORD] * 5, odd, new))
    assert decoded.frame["_record"].to_list() == [1, 2, 3, 4, 5, 7]
    assert json.loads(decoded.frame["_extra"][-1]) == {"annotations": [{"state": "OPEN"}]}
    [refused] = decoded.rejected
    assert (refused.record, refused.reason) == (6, 'info.mcs: expected int, got text "much"')
    assert json.loads(refused.raw) == odd
    assert dict(decoded.unknown) == {"annotations": 1}


def test_an_undocumented_part_is_kept_as_json() -> None:
    """What `skillChanges` holds is documented nowhere."""
    decoded = FORMAT.decode(page(RECORD | {"skillChanges": [{"from": 1, "to": "ü"}]}))
    assert json.loads(decoded.frame["skill_changes"][0]) == [{"from": 1, "to": "ü"}]
    assert not decoded.unknown
