"""A search of LivePerson's conversations as its request states it, refused where the vendor refuses it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contact_analytics.sandbox.app import Answer
from contact_analytics.sandbox.liveperson_brand import DAY
from contact_analytics.sandbox.liveperson_conversation_info import CONTAINERS, DEFAULT

_TEN_MINUTES = 600_000
# Three months; the shortest three in a row have 89 days.
_MAX_RANGE = 89 * DAY
_STATUSES = {"OPEN", "CLOSE"}
_SORTS = {f"{field}:{order}" for field in ("start", "end") for order in ("asc", "desc")}
# Documented, but not in the sandbox: an answer that ignored them would be wrong.
_OTHER_FILTERS = {
    "skillIds", "latestSkillIds", "agentIds", "userPermissions", "latestAgentIds", "agentGroupIds", "keyword",
    "summary", "duration", "mcs", "alertedMcsValues", "csat", "source", "device", "messageContentTypes",
    "latestConversationQueueState", "sdeSearch", "responseTime", "nps", "questionBrick",
    "invalidFreeTextAnswer", "surveyBotConversations", "surveyIds", "fcr", "questionTypeAndFormatToRetrieve",
    "answerText", "selectedIntentOnly", "conversationsWithStepUpOnly", "agentSurveySearch",
    "annotationStates", "fullDialogEndTime",
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """Which part of the matches is asked for, in which order and in which version of the records."""

    offset: int
    limit: int
    sort: str
    version: int


@dataclass(frozen=True)
class Range:
    """Times from one to another, both included, in epoch milliseconds."""

    first: int
    last: int

    def __contains__(self, at: int | None) -> bool:
        return at is not None and self.first <= at <= self.last


@dataclass(frozen=True)
class Filters:
    """Which conversations are asked for."""

    start: Range
    end: Range | None
    updated_since: int | None
    statuses: frozenset[str]


def page(request: httpx.Request, *, source_required: bool) -> Page:
    """What the query of a request says."""
    given = request.url.params
    if unknown := sorted(set(given) - {"offset", "limit", "sort", "v", "source"}):
        raise Answer(400, f"{unknown[0]} is not a parameter")
    if source_required and not given.get("source"):
        raise Answer(400, "source is required")
    if len(given.get("source", "")) > 20:
        raise Answer(400, "source is longer than 20 characters")
    if given.get("v", "1") not in {"1", "2"}:
        raise Answer(400, "v is 1 or 2")
    if (sort := given.get("sort", "start:desc")) not in _SORTS:
        raise Answer(400, f"sort is one of {', '.join(sorted(_SORTS))}")
    limit = _count(given, "limit", 50)
    if not 1 <= limit <= 100:
        raise Answer(400, "limit is between 1 and 100")
    return Page(_count(given, "offset", 0), limit, sort, int(given.get("v", "1")))


def body(request: httpx.Request) -> dict[str, Any]:
    """The JSON object in a request."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Answer(400, "Content-Type is not application/json")
    try:
        given = json.loads(request.content)
    except ValueError as error:
        raise Answer(400, "the body is not JSON") from error
    if not isinstance(given, dict):
        raise Answer(400, "the body is not an object")
    return given


def filters(given: Mapping[str, Any], now: int) -> Filters:
    """What the body of a search asks for."""
    check_names(given, {"start", "end", "latestUpdateTime", "status", "contentToRetrieve"})
    if "start" not in given:
        raise Answer(400, "start is required")
    since = given.get("latestUpdateTime")
    if since is not None and not (isinstance(since, dict) and set(since) == {"from"}):
        raise Answer(400, "latestUpdateTime is an object with from")
    return Filters(
        start=_range(given, "start", now),
        end=_range(given, "end", now) if "end" in given else None,
        updated_since=None if since is None else _earlier(_time(since["from"], "latestUpdateTime.from")),
        statuses=statuses(given.get("status", sorted(_STATUSES))),
    )


def check_names(given: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a filter that is not the vendor's, and one that the sandbox doesn't know."""
    for name in set(given) - known:
        reason = "is not in the sandbox" if name in _OTHER_FILTERS else "is not known"
        raise Answer(400, f"the filter {name} {reason}")


def statuses(given: object) -> frozenset[str]:
    if not (isinstance(given, list) and given and set(map(str, given)) <= _STATUSES):
        raise Answer(400, "status is a list of OPEN, CLOSE")
    return frozenset(map(str, given))


def contents(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The containers that are asked for; `info` comes with any."""
    names = given.get("contentToRetrieve", list(DEFAULT))
    if not isinstance(names, list):
        raise Answer(400, "contentToRetrieve is a list")
    if unknown := [name for name in names if name not in CONTAINERS]:
        raise Answer(400, f"contentToRetrieve: {unknown[0]} is not known")
    return tuple(dict.fromkeys(names))


def _count(given: httpx.QueryParams, name: str, default: int) -> int:
    value = given.get(name, str(default))
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise Answer(400, f"{name} is a number")
    return int(value)


def _range(given: Mapping[str, Any], name: str, now: int) -> Range:
    """A range, widened to whole ten minutes as the vendor does."""
    bounds = given[name]
    if not (isinstance(bounds, dict) and set(bounds) == {"from", "to"}):
        raise Answer(400, f"{name} is an object with from and to")
    first, last = _time(bounds["from"], f"{name}.from"), bounds["to"]
    last = max(now, first) if last in (-1, "-1") else _time(last, f"{name}.to")
    if first > last:
        raise Answer(400, f"{name}.from is after {name}.to")
    if last - first > _MAX_RANGE:
        raise Answer(400, f"{name} is longer than three months")
    return Range(_earlier(first), -(-last // _TEN_MINUTES) * _TEN_MINUTES)


def _earlier(at: int) -> int:
    """The last whole ten minutes."""
    return at // _TEN_MINUTES * _TEN_MINUTES


def _time(value: object, name: str) -> int:
    """Epoch milliseconds, as a number or as a text of one."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 15):
        raise Answer(400, f"{name} is a time in epoch milliseconds")
    return int(text)
