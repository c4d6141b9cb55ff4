"""The brand's users, skills and agent groups as LivePerson's account configuration has them."""

import hashlib
import uuid
from datetime import UTC, date, datetime
from typing import Any

from contact_analytics.sandbox.liveperson_brand import FIRST_NAMES, SKILLS, Agent, Brand
from contact_analytics.sandbox.liveperson_history import GROUPS

Entity = dict[str, Any]

_CREATED = "2024-01-10 09:20:03"
_ROOT_GROUP = 326244800
_MANAGER, _FIRST_OTHER = 3_677_460_000, 3_677_480_000


def written(at: datetime) -> str:
    """A time as the account configuration writes it: no zone, no fraction."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def entities(brand: Brand) -> dict[str, dict[int, Entity]]:
    """All there is before anything changes, by kind and id: of each kind one is deleted."""
    found = {"users": _users(brand), "skills": _skills(brand), "agentGroups": _groups()}
    return {kind: {entity["id"]: entity for entity in all_of_it} for kind, all_of_it in found.items()}


def new_entity(brand: Brand, kind: str, id: int) -> Entity:  # noqa: A002 - the vendor's name
    """An entity of a kind, with a name that no other has."""
    if kind == "users":
        return _user(brand, id, f"user{id}@example.com", "New")
    return _skill(brand, id, f"Skill {id}") if kind == "skills" else _group(id, f"Group {id}", _ROOT_GROUP)


def daily_changes(brand: Brand, day: int) -> tuple[int, dict[int, Entity]]:
    """How often an agent was changed until a day, and the fields that are then other than at first.

    Every week or so an agent gets another limit of conversations, and some another nickname.
    """
    changes, changed = 0, dict[int, Entity]()
    for place, agent in enumerate(brand.agents if day else ()):
        period = 7 + place % 5
        # Each on a day of its own, so that every day has some.
        times = (day + place) // period
        changes += times
        new = {"maxAsyncChats": 6 + times % 5, "dateUpdated": f"{date.fromordinal(times * period - place)} 05:30:00"}
        if place % 4 == 0:
            new["nickname"] = f"{FIRST_NAMES[(times + place) % len(FIRST_NAMES)]} {place}"
        changed[agent.id] = new
    return changes, changed


def _identity(brand: Brand, about: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{brand.account_id}/{brand.seed}/{about}/{number}"))


def _users(brand: Brand) -> list[Entity]:
    found = [_agent(brand, agent) for agent in brand.agents]
    for number in range(2):
        groups = [{"agentGroupId": group, "assignmentDate": _CREATED} for group in (1 + number, 3)]
        manager = _user(brand, _MANAGER + number, f"manager{number}@example.com", f"Manager {number}")
        found.append(manager | {"managerOf": groups, "skillIds": []})
    api = _user(brand, _FIRST_OTHER, "api@example.com", "API")
    found.append(api | {"isApiUser": True, "allowedAppKeys": "sandbox-app-key", "userTypeId": 0})
    on_leave = _user(brand, _FIRST_OTHER + 1, "on.leave@example.com", "Away")
    found.append(on_leave | {"isEnabled": False, "disabledManually": True})
    found.append(_user(brand, _FIRST_OTHER + 2, "gone@example.com", "Gone") | {"deleted": True, "isEnabled": False})
    return found


def _agent(brand: Brand, agent: Agent) -> Entity:
    skills = sorted(brand.chance("skills", agent.id).sample(tuple(SKILLS), k=2))
    member = {"agentGroupId": agent.group_id, "assignmentDate": _CREATED} if agent.group_id > 0 else None
    return _user(brand, agent.id, agent.loginname, agent.nickname) | {
        "maxChats": agent.most_chats,
        "skillIds": skills,
        "memberOf": member,
        "profileIds": list(agent.profile_ids),
        "maxAsyncChats": 10 if agent.id % 2 else None,
        "userTypeId": 2 if agent.bot else 1,
    }


def _user(brand: Brand, id: int, login: str, nickname: str) -> Entity:  # noqa: A002 - the vendor's name
    return {
        "id": id,
        "pid": _identity(brand, "user", id),
        "deleted": False,
        "loginName": login,
        "fullName": "",
        "nickname": nickname,
        "isEnabled": True,
        "maxChats": 0,
        "skillIds": [],
        "email": login,
        "memberOf": None,
        "managerOf": [],
        "changePwdNextLogin": False,
        "passwordSh": hashlib.sha256(login.encode()).hexdigest(),
        "lastPwdChangeDate": "2024-03-01 12:00:00",
        "dateUpdated": "2024-03-01 12:00:00",
        "permissionGroups": [],
        "pictureId": "",
        "pictureUrl": "",
        "disabledManually": False,
        "description": "",
        "mobileNumber": "",
        "employeeId": "",
        "backgndImgUri": "",
        "pnCertName": "",
        "maxAsyncChats": None,
        "profileIds": [2359273612],
        "isApiUser": False,
        "userTypeId": 1,
        "allowedAppKeys": "",
        "lobIds": [],
    }


def _skills(brand: Brand) -> list[Entity]:
    found = [_skill(brand, id, name) for id, name in SKILLS.items()]
    found[0] |= {"fallbackSkill": found[1]["id"], "skillTransferList": [found[1]["id"], found[2]["id"]]}
    found[0] |= {"workingHoursId": 2859745012, "lobIds": [766661812]}
    found[1] |= {"canTransfer": False, "defaultPostChatSurveyId": "28", "agentSurveyForMsgId": 2859745013}
    found.append(_skill(brand, 326244900, "Repairs") | {"deleted": True})
    return found


def _skill(brand: Brand, id: int, name: str) -> Entity:  # noqa: A002 - the vendor's name
    return {
        "id": id,
        "pid": _identity(brand, "skill", id),
        "deleted": False,
        "name": name,
        "description": f"{name.lower()} questions",
        "skillOrder": 0,
        "maxWaitTime": 120,
        "defaultPostChatSurveyId": None,
        "defaultOfflineSurveyId": None,
        "defaultAgentSurveyId": None,
        "dateUpdated": "2024-02-02 08:00:00",
        "skillRoutingConfiguration": [{"priority": 1, "splitPercentage": 100, "agentGroupId": 1}],
        "wrapUpTime": 30,
        "slaDefaultResponseTime": 600,
        "slaUrgentResponseTime": 120,
        "slaFirstTimeResponseTime": 60,
        "lobIds": [],
        "canTransfer": True,
        "skillTransferList": None,
        "workingHoursId": None,
        "specialOccasionId": None,
        "postConversationSurveyAppInstallAssociationId": None,
        "autoCloseInSeconds": 432_000,
        "transferToAgentMaxWaitInSeconds": 600,
        "fallbackSkill": None,
        "fallbackWhenAllAgentsAreAway": True,
        "agentSurveyForMsgTimeoutInMinutes": 10,
        "agentSurveyForMsgId": None,
    }


def _groups() -> list[Entity]:
    found = [_group(_ROOT_GROUP, "Main group", None)]
    found += [_group(id, name, _ROOT_GROUP) for id, name in GROUPS.items() if id > 0]
    return [*found, _group(9, "Seasonal", _ROOT_GROUP) | {"deleted": True, "isEnabled": False}]


def _group(id: int, name: str, parent: int | None) -> Entity:  # noqa: A002 - the vendor's name
    return {
        "id": id,
        "deleted": False,
        "name": name,
        "description": "",
        "parentGroupId": parent,
        "isEnabled": True,
        "dateUpdated": "2024-01-02 03:04:05",
    }
