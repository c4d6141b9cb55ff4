"""The sandbox's conversations: when each begins, changes and ends, a function of account, seed, day and number."""

import re
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import accumulate

from contact_analytics.sandbox.liveperson_brand import DAY, HOUR, HOURS, SKILLS, Agent, Brand
from contact_analytics.sandbox.liveperson_records import AGENT_LINES, VISITOR_LINES

MINUTE = 60_000
EPOCH = date(1970, 1, 1).toordinal()

_BY_HOUR = tuple(accumulate(HOURS))
_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4})-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_REASONS = ("Skill", "Skill", "Skill", "back2Q", "Agent", "TakeOver", "SuggestedAgentTimeout")
_KINDS = ("text", "text", "text", "text", "text", "text", "text", "text", "rich", "choices", "file", "note")


@dataclass(frozen=True, slots=True)
class Life:
    """When a conversation begins and ends, in epoch milliseconds; `bits` decide what else is particular to it.

    It is settled when its survey was answered or timed out, or at its end where none was sent.
    """

    id: str
    day: int
    number: int
    start: int
    closed: int
    settled: int
    answered: bool
    customer: int
    bits: int

    def roll(self, about: str, sides: int) -> int:
        """A number below `sides`, always the same for the same subject: cheaper than a generator for each."""
        return zlib.crc32(f"{self.bits}/{about}".encode()) % sides

    def happens(self, about: str, share: float) -> bool:
        """Whether something that is so in a share of the conversations is so in this one."""
        return self.roll(about, 1_000_000) < share * 1_000_000

    @property
    def has_survey(self) -> bool:
        return self.settled > self.closed


def life(brand: Brand, day: int, number: int, start: int | None = None) -> Life:
    """A conversation that begins on a day, at its own time unless told."""
    chance = brand.chance("messaging", day, number)
    bits = chance.getrandbits(64)
    hour = chance.choices(range(24), cum_weights=_BY_HOUR)[0]
    start = day * DAY + hour * HOUR + chance.randrange(HOUR) if start is None else start
    kind = chance.random()
    if kind < 0.03:
        lasted = chance.uniform(1, 6) * DAY
    elif kind < 0.12:
        lasted = chance.uniform(1, 20) * HOUR
    else:
        lasted = chance.lognormvariate(6.6, 0.6) * 1000
    closed = settled = start + MINUTE + int(lasted)
    answered = chance.random() < 0.4
    if answered:
        wait = chance.uniform(1, 20) * HOUR if chance.random() < 0.1 else chance.expovariate(1 / (10 * MINUTE))
        settled += 5_000 + int(wait)
    elif chance.random() < 0.3:
        settled += HOUR
    customer = chance.randrange(brand.customers)
    return Life(_identity(day, number, bits), day, number, start, closed, settled, answered, customer, bits)


def _identity(day: int, number: int, bits: int) -> str:
    """A version 4 UUID to look at, from which the day and so the conversation is found without an index of all."""
    version, variant = bits & 0xFFF, 0x8000 | (bits >> 12) & 0x3FFF
    node = (bits >> 26 ^ number) & 0xFFFFFF
    return f"{bits >> 32:08x}-{day & 0xFFFF:04x}-4{version:03x}-{variant:04x}-{node:06x}{number:06x}"


class Conversations:
    """The conversations of an account by the day on which they begin: few bytes each, so that many are found quickly.

    `volume` says how many begin on a day, `starts` when each does, in epoch milliseconds.
    """

    def __init__(self, brand: Brand, volume: Mapping[date, int], starts: Mapping[date, Sequence[int]]) -> None:
        self.brand, self._volume, self._starts = brand, volume, starts
        self.of_day = lru_cache(maxsize=512)(self._of_day)
        self._start_times = lru_cache(maxsize=512)(lambda day: [life.start for life in self.of_day(day)])

    def _of_day(self, day: int) -> tuple[Life, ...]:
        on = date.fromordinal(EPOCH + day)
        if on in self._starts:
            lives = [life(self.brand, day, number, start) for number, start in enumerate(self._starts[on])]
        else:
            count = self._volume.get(on)
            if count is None:
                count = sum(self.brand.volume("messaging", hour) for hour in range(day * 24, day * 24 + 24))
            lives = [life(self.brand, day, number) for number in range(count)]
        return tuple(sorted(lives, key=lambda one: (one.start, one.id)))

    def between(self, first: int, last: int) -> Iterator[Life]:
        """Those that begin from one moment to another, both included, in order."""
        for day in range(first // DAY, last // DAY + 1):
            starts = self._start_times(day)
            yield from self.of_day(day)[bisect_left(starts, first) : bisect_right(starts, last)]

    def find(self, identity: str) -> Life | None:
        """The conversation with an id."""
        if not (known := _ID.fullmatch(identity)):
            return None
        return next((one for one in self.of_day(int(known[1], 16)) if one.id == identity), None)


@dataclass(frozen=True, slots=True)
class Assignment:
    """An agent takes the conversation over, with the skill that it has by then."""

    time: int
    agent: Agent
    skill: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """A conversation leaves its agent: for the queue of a skill, or for another agent."""

    time: int
    reason: str
    source: Agent
    source_skill: int
    target: Agent | None
    target_skill: int


@dataclass(frozen=True, slots=True)
class Message:
    """What someone wrote: the agent, or the customer where there is none. Delivery and reading have their times."""

    number: int
    time: int
    agent: Agent | None
    kind: str
    text: str
    accepted: int
    read: int


class Story:
    """All that happens in a conversation until it ends, in order of time."""

    def __init__(self, brand: Brand, life: Life) -> None:
        self.life = life
        self._brand = brand
        self._chance = brand.chance("story", life.day, life.number)
        self.first_skill = -1 if self._chance.random() < 0.1 else self._chance.choice(tuple(SKILLS))
        self.assignments: list[Assignment] = []
        self.transfers: list[Transfer] = []
        self._assign(life.start + 1_000 + int(self._chance.expovariate(1 / 90_000)), self.first_skill)
        if self.assignments and self._chance.random() < 0.2:
            self._transfer()
        self.messages = self._messages()

    def changes(self) -> Iterator[int]:
        """The times at which something about the conversation changes."""
        yield from (self.life.start, self.life.closed, self.life.settled)
        yield from (event.time for event in (*self.assignments, *self.transfers))
        for message in self.messages:
            yield from (message.time, message.accepted, message.read)

    def skill(self, at: int) -> int:
        """The skill in whose queue or hands the conversation is."""
        return next((moved.target_skill for moved in reversed(self.transfers) if moved.time <= at), self.first_skill)

    def agent(self, at: int) -> Agent | None:
        """Who has the conversation, or had it last."""
        return next((one.agent for one in reversed(self.assignments) if one.time <= at), None)

    def _assign(self, time: int, skill: int, agent: Agent | None = None) -> None:
        # A few never get an agent: the customer is gone before one is free.
        if time < self.life.closed:
            agent = agent or self._chance.choice(self._brand.on_duty(time // HOUR))
            self.assignments.append(Assignment(time, agent, skill))

    def _transfer(self) -> None:
        [taken] = self.assignments
        reason = self._chance.choice(_REASONS)
        time = taken.time + int((self.life.closed - taken.time) * self._chance.uniform(0.1, 0.7))
        to_agent = reason in {"Agent", "TakeOver"}
        others = [agent for agent in self._brand.on_duty(time // HOUR) if agent is not taken.agent]
        target = self._chance.choice(others) if to_agent and others else None
        skill = self._chance.choice(tuple(SKILLS)) if reason == "Skill" else taken.skill
        self.transfers.append(Transfer(time, reason, taken.agent, taken.skill, target, skill))
        self._assign(time if target else time + int(self._chance.expovariate(1 / 60_000)) + 1_000, skill, target)

    def _messages(self) -> list[Message]:
        chance, life = self._chance, self.life
        last = life.closed - life.start - 5_000
        count = 3 + min(60, int(chance.expovariate(1 / 7)))
        times = sorted(life.start + 2_000 + int(last * chance.random()) for _ in range(count))
        times[0] = life.start + 500
        return [self._message(number, time) for number, time in enumerate(times)]

    def _message(self, number: int, time: int) -> Message:
        chance, closed = self._chance, self.life.closed
        agent = self.agent(time) if number and chance.random() < 0.55 else None
        text = chance.choice(AGENT_LINES if agent else VISITOR_LINES)
        accepted = min(closed, time + chance.randrange(80, 900))
        read = min(closed, accepted + int(chance.expovariate(1 / 20_000)))
        return Message(number, time, agent, chance.choice(_KINDS), text, accepted, read)
