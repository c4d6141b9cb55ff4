"""The brand behind the sandbox's account: what it sells, who works for it, and how busy its days are."""

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

HOUR, DAY = 3_600_000, 86_400_000

# Contacts by hour of the day, UTC: an American working day, with a quiet night from 4 to 9.
HOURS = (6, 4, 2.5, 1.5, 0.8, 0.5, 0.3, 0.3, 0.4, 0.8, 2, 4, 6.5, 8, 8.5, 8, 7.5, 8, 8.5, 8, 7, 6.5, 7, 6.5)
_WEEKDAYS = (1.25, 1.15, 1.1, 1.05, 1.1, 0.75, 0.6)
_DAILY = {"engagement": 600, "survey": 310, "web_session": 1500, "agent_activity": 100, "messaging": 310}
_AGENTS = 52

SKILLS = {326244912: "Billing", 326244913: "Orders", 326244914: "Technical support", 2359235912: "Ventas y más"}
PRODUCTS: tuple[dict[str, Any], ...] = (
    {"name": "Espresso machine", "category": "Kitchen", "sku": "KT-1001", "price": 349.0},
    {"name": "Coffee grinder", "category": "Kitchen", "sku": "KT-1002", "price": 89.95},
    {"name": "Café moulu, 1 kg", "category": "Grocery", "sku": "GR-2001", "price": 17.49},
    {"name": 'Kettle 1.7 l, 7"', "category": "Kitchen", "sku": "KT-1003", "price": 45.5},
    {"name": "Desk lamp", "category": "Home", "sku": "HM-3001", "price": 59.0},
    {"name": "Standing desk", "category": "Home", "sku": "HM-3002", "price": 629.99},
    {"name": "Headphones 🎧", "category": "Audio", "sku": "AU-4001", "price": 199.0},
    {"name": "Gift card", "category": "", "sku": "", "price": 25.0},
)
FIRST_NAMES = ("Mira", "Jonas", "Aïcha", "Søren", "Wei", "Priya", "Tomás", "Olga", "Dana", "Kofi", "José", "Noor")
LAST_NAMES = ("Lindqvist", "O'Brien", "García", "Nowak", "Okafor", "Schäfer", "Tanaka", "D'Souza", "Meyer", "Ionescu")
STATUSES = ("gold", "silver", "bronze", "platinum", "none")
_STATUS_WEIGHTS = (12, 25, 38, 5, 20)


@dataclass(frozen=True)
class Agent:
    """Someone who answers, or a bot that is logged in around the clock; other vendors know agents by their names."""

    id: int
    first_name: str
    last_name: str
    username: str
    nickname: str
    loginname: str
    employee_id: str
    group_id: int
    most_chats: int
    profile_ids: tuple[int, ...]
    night: bool
    bot: bool

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Shift:
    """A stretch between an agent's login and logout: one agent session. Times in epoch milliseconds."""

    agent: Agent
    number: int
    start: int
    end: int


def token(chance: random.Random, size: int = 16) -> str:
    """An id as LivePerson writes them: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(chance.randbytes(size)).rstrip(b"=").decode()


class Brand:
    """What the account's data is about, a function of account, seed and scale alone.

    Hours and days are counted from the epoch, so that a file's content depends on nothing but its hour and part.
    """

    def __init__(self, account_id: str, seed: int, scale: float) -> None:
        self.account_id, self.seed, self.scale = account_id, seed, scale
        self.agents = tuple(self._agent(number) for number in range(max(3, round(_AGENTS * scale))))
        self.customers = max(20, round(4000 * scale))
        self.shifts = lru_cache(maxsize=16)(self._shifts)
        self.on_duty = lru_cache(maxsize=128)(self._on_duty)
        self.volume = lru_cache(maxsize=4096)(self._volume)

    def chance(self, *about: object) -> random.Random:
        """Random numbers that are always the same for the same subject."""
        return random.Random("/".join(map(str, (self.seed, self.account_id, *about))))

    def customer_status(self, number: int) -> str:
        """Membership of customer `C-{number}`, the same in every visit."""
        return self.chance("customer", number).choices(STATUSES, _STATUS_WEIGHTS)[0]

    def customer(self, chance: random.Random) -> int:
        """The number of a customer; a few come often, most seldom."""
        return int(self.customers * chance.random() ** 2) + 1

    def _agent(self, number: int) -> Agent:
        chance = self.chance("agent", number)
        name, surname = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        login = f"agent{number:03d}"
        return Agent(
            id=3_677_470_000 + number,
            first_name=name,
            last_name=surname,
            username=login,
            nickname=f"{name} {surname[0]}." if number % 5 else f"{name} ☕",
            loginname=f"{login}@example.com",
            employee_id=chance.choice((f"E-{number}", f"{number:06d}", "", f"E-{number}")),
            group_id=chance.choice((-1, 1, 2, 3)),
            most_chats=chance.choice((3, 4, 4, 5)),
            profile_ids=tuple(
                chance.sample((2438730312, 2359273612, 9_007_199_254_740_993), k=chance.choice((0, 1, 1, 2)))
            ),
            night=chance.random() < 0.08,
            bot=number % 40 == 2,
        )

    def _shifts(self, day: int) -> tuple[Shift, ...]:
        """The shifts that begin on a day; the last of them end before 08:00 of the next."""
        weekday = (day + 3) % 7  # The epoch was a Thursday.
        chance = self.chance("shifts", day)
        shifts: list[Shift] = []
        for place, agent in enumerate(self.agents):
            number = (day * 10_000 + place) * 4
            if agent.bot:
                # From 06:00 to shortly before 06:00: the session that is a day long.
                start = day * DAY + 6 * HOUR + 1_000 * place
                shifts.append(Shift(agent, number, start, start + DAY - chance.randrange(60_000, 600_000)))
                continue
            if chance.random() > 0.74 * _WEEKDAYS[weekday]:
                continue
            begin = chance.choice((1, 2) if agent.night else (11, 12, 12, 13, 13, 14, 15, 16, 17, 20))
            start = day * DAY + begin * HOUR + chance.randrange(-900_000, 1_200_000)
            end = start + chance.randrange(6 * HOUR, 9 * HOUR)
            pauses = sorted(chance.randrange(start + HOUR, end - HOUR) for _ in range(chance.choice((0, 1, 1, 1, 2))))
            for segment, stop in enumerate((*pauses, end)):
                if stop - start > 600_000:
                    shifts.append(Shift(agent, number + segment, start, stop))
                start = stop + chance.randrange(600_000, 3_000_000)
        return tuple(shifts)

    def shifts_closed_in(self, hour: int) -> list[Shift]:
        """The agent sessions that end in an hour."""
        days = (hour // 24 - 1, hour // 24)
        sessions = (shift for day in days for shift in (*self.shifts(day), *self._second_windows(day)))
        return [session for session in sessions if session.end // HOUR == hour]

    def _second_windows(self, day: int) -> Iterator[Shift]:
        """The sessions of agents who log in a second time for a while, each within the first shift of its agent."""
        for shift in self.shifts(day):
            chance = self.chance("second window", shift.number)
            if shift.number % 4 == 0 and not shift.agent.bot and chance.random() < 0.08:
                lasts = shift.end - shift.start
                start = shift.start + chance.randrange(lasts // 5, lasts // 2)
                yield Shift(shift.agent, shift.number + 3, start, start + chance.randrange(lasts // 5, lasts // 3))

    def _on_duty(self, hour: int) -> tuple[Agent, ...]:
        """Who is logged in during an hour, bots aside; everyone where nobody is, so that no chat goes unanswered."""
        days = (hour // 24 - 1, hour // 24)
        present = (s.agent for day in days for s in self.shifts(day) if s.start // HOUR <= hour <= s.end // HOUR)
        return tuple({agent.id: agent for agent in present if not agent.bot}.values()) or self.agents

    def _volume(self, dataset: str, hour: int) -> int:
        """How many sessions of a dataset close in an hour."""
        if dataset == "agent_activity":
            return len(self.shifts_closed_in(hour))
        if dataset == "survey":
            return len(self.surveyed(hour))
        chance = self.chance("volume", dataset, hour)
        weight = HOURS[hour % 24]
        if weight < 1 and chance.random() < 0.35:
            return 0
        share = weight / sum(HOURS) * _WEEKDAYS[(hour // 24 + 3) % 7]
        return int(_DAILY[dataset] * self.scale * share * chance.uniform(0.85, 1.15) + chance.random())

    def surveyed(self, hour: int) -> list[int]:
        """Which of the hour's conversations were followed or preceded by a survey, by their numbers."""
        conversations = self.volume("engagement", hour)
        share = _DAILY["survey"] / _DAILY["engagement"]
        return sorted(self.chance("surveyed", hour).sample(range(conversations), round(conversations * share)))

    def parts(self, dataset: str, hour: int) -> list[range]:
        """The parts of an hour's file, each with the numbers of its sessions: more where the hour is busy."""
        sessions = self.volume(dataset, hour)
        busy = sessions / max(_DAILY[dataset] * self.scale / 24, 1)
        count = min(sessions, 3 if busy > 1.9 else 2 if busy > 1.3 else 1)
        edges = [sessions * part // count for part in range(count + 1)] if count else []
        return [range(first, last) for first, last in pairwise(edges)]
