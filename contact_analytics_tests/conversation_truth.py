"""Conversations as the vendor documents them, in the columns of the table: a second, plain way there."""

import json
import re
from functools import cache
from typing import Any

# Where `"undefined"`, `"null"`, `-1`, `"Unassigned"` and `"0"` mean none, by the vendor's field names.
_NONE: dict[object, set[str]] = {
    "undefined": {"device", "deviceModel", "dialogId", "token", "email", "avatarURL", "phone", "firstName", "lastName"}
    | {"consumerName", "browser", "browserVersion", "operatingSystem", "operatingSystemVersion"},
    "null": {"assignedAgentId", "sourceAgentId", "latestAgentId", "by", "agentId", "performedByAgentId"},
    "-1": {"latestAgentId"},
    -1: {"latestSkillId", "latestAgentGroupId", "agentGroupId", "targetSkillId", "sourceSkillId", "skillId"}
    | {"surveySkillId", "latestEffectiveResponseDueTime"},
    "Unassigned": {"latestSkillName", "latestAgentGroupName", "agentGroupName", "targetSkillName", "sourceSkillName"}
    | {"skillName", "surveySkillName"},
    "0": {"phone"},
}
_RENAMED = {"interactive": "is_interactive"}
_STAMPS = {"serverTimeStamp", "originalTimeStamp"}


def row(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the API as the table should hold it: times in epoch milliseconds, what is null left out."""
    known = dict(record)
    flat = {**known.pop("info"), **(known.pop("campaign", None) or {}), **(known.pop("responseTime", None) or {})}
    monitoring = known.pop("monitoring", None) or {}
    pages = {name: monitoring.pop(name) for name in list(monitoring) if name.startswith("conversationStartPage")}
    summary = known.pop("summary", None) or {}
    skill_changes = known.pop("skillChanges", None)
    given = {
        **_snaked({**flat, **pages}),
        **{f"monitoring_{name}": value for name, value in _snaked(monitoring).items()},
        **{f"summary_{name}": value for name, value in _snaked(summary).items()},
        "co_browse_sessions": _plain((known.pop("coBrowseSessions", None) or {}).get("coBrowseSessionsList")),
        "sdes": _events(known.pop("sdes", None)),
        "un_auth_sdes": _events(known.pop("unAuthSdes", None)),
        "skill_changes": None if skill_changes is None else json.dumps(skill_changes),
        **_snaked(known),
    }
    return stripped(given)


def stripped(value: Any) -> Any:
    """A value without nulls and without records that hold nothing."""
    if isinstance(value, dict):
        known = {name: stripped(inner) for name, inner in value.items()}
        return {name: inner for name, inner in known.items() if inner is not None} or None
    return [stripped(item) for item in value] if isinstance(value, list) else value


def _snaked(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record by column name; of a time that comes twice, the number."""
    result: dict[str, Any] = {}
    for key, value in record.items():
        if f"{key}L" in record:
            continue
        twin = key.removesuffix("L")
        is_twin = key != twin and twin in record
        name = _RENAMED.get(key) or _snake(twin if is_twin else key)
        result[name] = None if is_twin and value == -1 else _plain(value, key)
    return result


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, str | int) and key in _NONE.get(value, ()):
        return None
    if key in _STAMPS and value is not None:
        return int(value)
    if isinstance(value, dict):
        return _snaked(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _events(container: dict[str, Any] | None) -> Any:
    """Events whose attributes are nested in themselves, with the inner record's fields beside the outer one's."""
    events = (container or {}).get("events")
    return (
        None
        if events is None
        else [_snaked({key: _unfolded(key, inner) for key, inner in event.items()}) for event in events]
    )


def _unfolded(key: str, value: Any) -> Any:
    if not isinstance(value, dict) or key not in value:
        return value
    inner = dict(value[key])
    if inner.get("contacts"):
        inner["contacts"] = [contact.get("personalContact", contact) for contact in inner["contacts"]]
    return {**{name: part for name, part in value.items() if name != key}, **inner}


@cache
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
