"""What a request asks of an export of Khoros Care: which rows, and how they are written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contact_analytics.sandbox.khoros_care_records import Conversation
from contact_analytics.sandbox.liveperson_brand import DAY, HOUR

LOCALES = ("en", "es", "fr", "de", "tr")
KINDS = ("OPEN_AT_END", "CLOSED", "CREATED")
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
WEEK = 7 * DAY
_INTERVALS = (*(minutes * 60_000 for minutes in (5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)), WEEK)
# The vendor's examples allow 31 and refuse 42; where in between the limit is, nobody says.
_MOST_BUCKETS = 31
# The sandbox's smart views: which priorities each shows.
SMART_VIEWS: dict[int, Collection[int]] = {8001: (4, 5), 8002: (0, 1, 2, 3)}


class Malformed(Exception):
    """A request that breaks a rule of the reference, with the rule."""


class BadInterval(Exception):
    """An interval that the vendor answers in a text of its own."""

    def __init__(self, problem: str) -> None:
        model = "com.lithium.socialweb.analytics.webapp.models.filter.HydrationException"
        super().__init__(f"Unable to hydrate filter for export info: {model}: {problem}")


def milliseconds(at: datetime) -> int:
    return (at - ZERO) // timedelta(milliseconds=1)


def lasted(span: int | None) -> str | None:
    """A duration as files have it, `H:MM:SS`."""
    if span is None:
        return None
    seconds = span // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which rows: from one millisecond to another, both included, as far as they have happened at a time.

    A filter that is empty admits all; `business` is inside or outside of business hours, or any.
    """

    first: int
    last: int
    at: int
    kind: str = "OPEN_AT_END"
    priorities: Collection[int] = ()
    queue_ids: Collection[int] = ()
    team_ids: Collection[int] = ()
    agent_ids: Collection[str] = ()
    business: bool | None = None
    include_disabled: bool = False
    interval: int = DAY
    raise_limit: bool = False
    zone: tzinfo = UTC

    @property
    def end(self) -> int:
        """The last moment that the rows can be about."""
        return min(self.last, self.at)

    def counts(self, time: int | None) -> bool:
        """Whether what happened at a time is among the rows."""
        if time is None or not self.first <= time <= self.end:
            return False
        return self.business is None or self.business is in_business_hours(time)

    def admits(self, one: Conversation) -> bool:
        return (not self.priorities or one.priority in self.priorities) and (
            not self.queue_ids or one.queue in self.queue_ids
        )

    def written(self, time: int | None) -> str | None:
        """A time as files have it, if it has come."""
        return None if time is None or time > self.at else self.stamp(time)

    def stamp(self, time: int) -> str:
        """A time as files have it, whether it has come or not."""
        return (ZERO + timedelta(milliseconds=time)).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a submit asks for: the query, and how its rows are written."""

    query: Query
    csv: bool
    locale: str
    metrics: Sequence[str] = field(default_factory=list[str])


def in_business_hours(time: int) -> bool:
    """From 09:00 to 17:00 of a working day, UTC: the sandbox's own hours."""
    return (time // DAY + 3) % 7 < 5 and 9 * HOUR <= time % DAY < 17 * HOUR


def asked(export: str, params: Mapping[str, Sequence[str]], at: int) -> Asked:
    """What the parameters of a submit mean; raises `Malformed` or `BadInterval`."""
    words = _Words(params)
    first, last = words.number("startTime"), words.number("endTime")
    if first is None or last is None:
        raise Malformed("startTime and endTime are required")
    if last < first:
        raise Malformed("startTime is after endTime")
    business, hours = words.truth("businessHourType"), words.truth("enableBusinessHour")
    if business is not None and not hours:
        raise Malformed("businessHourType needs enableBusinessHour=true")
    query = Query(
        first=first,
        last=last,
        at=at,
        kind=words.one_of("conversationReportType", KINDS),
        priorities=_priorities(words),
        queue_ids=words.numbers("workqueueIds"),
        team_ids=[_team_id(text) for text in params.get("teamId", ())] or words.numbers("teamIds"),
        agent_ids=params.get("agentId", ()),
        business=business,
        include_disabled=bool(words.truth("includeDisabled")),
        interval=_interval(words, last - first) if export == "team_performance_interval" else DAY,
        raise_limit=bool(words.truth("raiselimit")),
        zone=_zone(words),
    )
    locale = words.one("locale", "en").replace("-", "_").partition("_")[0].lower()
    if locale not in LOCALES:
        raise Malformed(f"no such locale: {locale}")
    csv = words.one_of("reportFormat", ("JSON", "CSV")) == "CSV"
    return Asked(
        query=query, csv=csv, locale=locale, metrics=[name.upper() for name in params.get("reportMetrics", ())]
    )


class _Words:
    """Parameters by their names: everything is a text on the wire."""

    def __init__(self, params: Mapping[str, Sequence[str]]) -> None:
        self._params = params

    def one(self, name: str, default: str = "") -> str:
        values = self._params.get(name, ())
        if len(values) > 1:
            raise Malformed(f"{name} is given more than once")
        return values[0] if values else default

    def one_of(self, name: str, choices: Sequence[str]) -> str:
        value = self.one(name, choices[0]).upper()
        return value if value in choices else _refuse(name, value)

    def number(self, name: str) -> int | None:
        text = self.one(name)
        if text.removeprefix("-").isdecimal():
            return int(text)
        return _refuse(name, text) if text else None

    def numbers(self, name: str) -> list[int]:
        texts = [text.strip() for text in self.one(name).split(",") if text.strip()]
        return [int(text) if text.isdecimal() else _refuse(name, text) for text in texts]

    def truth(self, name: str) -> bool | None:
        text = self.one(name).lower()
        if text in {"", "true", "false"}:
            return text == "true" if text else None
        return _refuse(name, text)


def _refuse(name: str, value: str) -> NoReturn:
    raise Malformed(f"{name} cannot be {value!r}")


def _team_id(text: str) -> int:
    return int(text) if text.isdecimal() else _refuse("teamId", text)


def _priorities(words: _Words) -> Collection[int]:
    wanted = words.numbers("priorities")
    if any(priority > 5 for priority in wanted):
        raise Malformed("priorities are 0 to 5")
    if (view := words.number("smartViewId")) is None:
        return wanted
    if view not in SMART_VIEWS:
        _refuse("smartViewId", str(view))
    # A priority that none has admits none, where an empty filter would admit all.
    return [one for one in SMART_VIEWS[view] if not wanted or one in wanted] or [-1]


def _zone(words: _Words) -> tzinfo:
    if name := words.one("timezone"):
        try:
            return ZoneInfo(name)
        except (ValueError, ZoneInfoNotFoundError):
            _refuse("timezone", name)
    offset = words.number("timezoneOffset") or 0
    if abs(offset) >= DAY:
        _refuse("timezoneOffset", str(offset))
    return timezone(timedelta(milliseconds=offset))


def _interval(words: _Words, span: int) -> int:
    interval = words.number("timeInterval")
    if interval is None:
        raise Malformed("timeInterval is required")
    if interval <= 0 or (interval < WEEK and interval not in _INTERVALS):
        raise BadInterval(f"Unsupported interval ({interval}) requested.")
    if (buckets := -(-span // interval)) > _MOST_BUCKETS:
        raise BadInterval(f"Too many buckets ({buckets}) requested. Select a larger interval?")
    return interval
