"""Records of conversations as older pages of the vendor's documentation spell them."""

from contact_analytics.sandbox.liveperson_history import Fields


def in_older_spelling(record: Fields) -> Fields:
    """A record as older pages of the documentation have it: other names, texts for numbers and numbers for texts."""
    facts, renamed = record["info"], {"messageScores": "messageScore", "consumerParticipants": "consumerParticipant"}
    if "csatRate" in facts:
        facts["csat"] = facts.pop("csatRate")
    if "latestAgentId" in facts:
        facts["latestAgentId"] = int(facts["latestAgentId"])
    for name in [name for name in record.get("campaign", ()) if name.endswith("Id") and name != "lobId"]:
        value = record["campaign"][name]
        record["campaign"][name] = int(value) if value.isdecimal() else value
    for message in record.get("messageRecords", ()):
        message |= {"seq": str(message["seq"]), "sentBy": message["sentBy"].lower()}
    for dialog in record.get("dialogs", ()):
        dialog["skillId"] = str(dialog["skillId"])
    for item in record.get("interactions", ()):
        for name in ("LoginName", "Nickname", "FullName"):
            item[f"agent{name}"] = item.pop(f"assignedAgent{name}")
    for item in record.get("messageScores", ()):
        item["score"] = item.pop("mcs")
    for session in record.get("coBrowseSessions", {}).get("coBrowseSessionsList", ()):
        session["isInteractive"] = session.pop("interactive")
    return {renamed.get(name, name): value for name, value in record.items()}
