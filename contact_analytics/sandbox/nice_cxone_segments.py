"""Interactions of NICE CXone's sandbox: who talks with whom, one segment or several an interaction."""

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from contact_analytics.sandbox.liveperson_brand import SKILLS, Agent, Brand

Value = str | datetime | bool | float | None

_DAILY = 110
_TEAMS = {1: "Back office", 2: "Équipe café", 3: "Front line, EMEA"}
_LAG = timedelta(minutes=30)
_GROUP = ("Name", "ACD ID", "Team", "Skills", "Contact Number")

# What clients read of it. More columns exist, of which no name is public.
SEGMENT_COLUMNS = (
    "Segment ID",
    "Start Date",
    "ACD Call ID (Contact)",
    "ANI",
    "DNIS",
    "Disposition",
    "Voice Recording Status",
    *(f"Agent 1 {name}" for name in _GROUP),
    *(f"Agent 2 {name}" for name in _GROUP),
)
# Headers whose text has no public source: that of the suffix, and of a second agent.
SIMULATED = frozenset({"ACD Call ID (Contact)", *(f"Agent 2 {name}" for name in _GROUP)})


@dataclass(frozen=True)
class Person:
    """An agent as NICE names people."""

    id: str
    first_name: str
    last_name: str
    team_id: str | None
    team_name: str | None
    acd_id: str


@dataclass(frozen=True)
class Segment:
    """A stretch of an interaction with the same people on it; a transfer begins another."""

    id: str
    contact: str
    start: datetime
    end: datetime
    type: str
    direction: str | None
    phone: str | None
    dnis: str
    disposition: str | None
    agents: tuple[Person, ...]
    skills: str

    def columns(self) -> dict[str, Value]:
        """The segment as a row of recording-interaction-metadata."""
        row: dict[str, Value] = dict.fromkeys(SEGMENT_COLUMNS) | {
            "Segment ID": self.id,
            "Start Date": self.start,
            "ACD Call ID (Contact)": self.contact,
            "ANI": self.phone,
            "DNIS": self.dnis,
            "Disposition": self.disposition,
            "Voice Recording Status": "Success" if self.type == "Phone call" else None,
        }
        for place, agent in enumerate(self.agents, 1):
            values = (f"{agent.first_name} {agent.last_name}", agent.acd_id, agent.team_name, self.skills, self.contact)
            row |= {f"Agent {place} {name}": value for name, value in zip(_GROUP, values, strict=True)}
        return row


class Segments:
    """The segments of each UTC day, a function of the brand alone."""

    def __init__(self, brand: Brand) -> None:
        self._brand = brand
        self.people = tuple(_person(brand, agent) for agent in brand.agents if not agent.bot)
        self.of_day = lru_cache(maxsize=64)(self._of_day)

    def known(self, day: date, at: datetime) -> list[Segment]:
        """The segments that start on a day, as far as they are searchable at a moment: the vendor's are late."""
        return [segment for segment in self.of_day(day) if segment.end + _LAG <= at]

    def _of_day(self, day: date) -> tuple[Segment, ...]:
        count = max(1, round(_DAILY * self._brand.scale))
        return tuple(segment for number in range(count) for segment in self._interaction(day, number))

    def _interaction(self, day: date, number: int) -> list[Segment]:
        chance = self._brand.chance("nice interaction", day, number)
        kind = ("Phone call", "Phone call", "Chat", "Phone call", "Email")[number % 5]
        start = datetime.combine(day, time(), UTC) + timedelta(milliseconds=chance.randrange(84_000_000))
        # The first letters of a number are what a spreadsheet loses.
        phone = ("+1415555{:04d}", "0049301234{:04d}", "020 7946 {:04d}", "+8135550{:04d}")[number % 4]
        called = phone.format(chance.randrange(10_000)) if kind == "Phone call" else None
        transferred = number % 4 == 1
        people = chance.sample(self.people, k=min(2, len(self.people)))
        skills = ", ".join(chance.sample(list(SKILLS.values()), k=chance.choice((1, 1, 2))))
        segments: list[Segment] = []
        for part in range(2 if transferred else 1):
            end = start + timedelta(seconds=chance.randrange(40, 1_100))
            segments.append(
                Segment(
                    id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                    contact=str(400_000_000_000 + day.toordinal() * 100_000 + number),
                    start=start,
                    end=end,
                    type=kind,
                    direction=None if kind == "Chat" else "Outbound" if number % 6 == 5 else "Inbound",
                    phone=called,
                    dnis="08005550100" if called else "",
                    disposition=chance.choice((None, "Resolved", "Follow-up, by email", "Wrong number")),
                    agents=tuple(people[::-1] if part else people if number % 7 == 3 else people[:1]),
                    skills=skills,
                )
            )
            start = end
        return segments


def _person(brand: Brand, agent: Agent) -> Person:
    number = agent.id - brand.agents[0].id
    team = agent.group_id if agent.group_id in _TEAMS else None
    return Person(
        id=str(agent.id),
        first_name=agent.first_name,
        last_name=agent.last_name,
        team_id=str(team) if team else None,
        team_name=_TEAMS[team] if team else None,
        acd_id=str(20_000 + number),
    )
