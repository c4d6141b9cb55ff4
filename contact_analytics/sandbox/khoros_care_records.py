"""The brand as Khoros Care sees it: conversations on social networks and what happens in each, with the people.

All is a function of seed, scale and day. The vendor documents next to nothing of what its data looks like; which
columns of the exports are made up, `khoros_care_exports.simulated` tells.
"""

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from contact_analytics.sandbox.liveperson_brand import DAY, FIRST_NAMES, HOUR, HOURS, LAST_NAMES, Agent, Brand
from contact_analytics.sandbox.liveperson_records import AGENT_LINES, VISITOR_LINES

MINUTE = 60_000
EPOCH = date(1970, 1, 1).toordinal()
# No conversation stays open for longer.
LONGEST = 7 * DAY

NETWORKS = ("Twitter", "Facebook", "Instagram", "WhatsApp", "Apple Messages for Business", "YouTube")
QUEUES = {301: "Billing", 302: "Orders", 303: "Technical support", 304: "Ventas y más", 305: "Übrige"}
TEAMS = {6101: "Days", 6102: "Nights", 6103: "Équipe Ouest", 6104: "Specialists, 2nd line"}
TAGS = ("refund", "late delivery", "praise", "vip, gold", "broken", "größe", "返品")
LANGUAGES = ("en", "en", "en", "es", "de", "fr", "ja", "ar")
SENTIMENTS = ("NEGATIVE", "NEUTRAL", "POSITIVE")

_DAILY = 40
_BY_HOUR = tuple(accumulate(HOURS))
_WEEKDAYS = (1.2, 1.15, 1.1, 1.05, 1.1, 0.8, 0.6)
_POSTS = (
    *VISITOR_LINES,
    '@acme "free" delivery, they said…\nDay 9, still waiting.\n\n#fail',
    "Größe 42 passt nicht; Rücksendung, bitte!",
    "配送はいつですか？\n注文番号は「A-42」です",
    "متى يصل طلبي؟",
    "Мне прислали не тот чайник, что делать?",
    "=1+1, my favourite formula",
)
_REPLIES = (
    *AGENT_LINES,
    'We\'re sorry!\nPlease send us a message with "your order", name, and postcode.',
    "すぐに確認します。",
)


class Author(NamedTuple):
    """A customer as a network shows them."""

    uuid: str
    handle: str
    name: str
    followers: int


class Post(NamedTuple):
    """What a customer wrote, and when Care heard of it."""

    number: int
    published: int
    received: int
    text: str


class Response(NamedTuple):
    """What an agent, or a bot, wrote in answer to a post; an approver may have looked at it first."""

    order: int
    order_of_kind: int
    published: int
    post: Post
    agent: Agent
    text: str
    asked: int
    approver: Agent | None
    approved: bool


class Help(NamedTuple):
    """A question of an agent's to an expert; no answer is `None`."""

    number: int
    asked: int
    answered: int | None
    agent: Agent
    expert: str


class Action(NamedTuple):
    """Something that was done to a conversation, by an agent or by Care itself."""

    number: int
    time: int
    kind: str
    agent: Agent | None
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """All of a conversation, whatever the time: what has happened by a time is for the reader to choose."""

    id: str
    day: int
    created: int
    closed: int
    network: str
    author: Author
    language: str
    priority: int
    queue: int
    tags: tuple[str, ...]
    agent: Agent | None
    claimed: int
    posts: tuple[Post, ...]
    responses: tuple[Response, ...]
    bits: int
    # More is done to a few conversations than an export can tell.
    endless: bool

    def roll(self, about: str, sides: int) -> int:
        """A number below `sides`, always the same for the same subject."""
        return zlib.crc32(f"{self.bits}/{about}".encode()) % sides

    def status(self, at: int) -> str:
        if at >= self.closed:
            return "CLOSED"
        return "ASSIGNED" if self.agent and at >= self.claimed else "OPEN"


def place(agent: Agent) -> int:
    """The agent's place among the brand's."""
    return agent.id % 10_000


def display_id(agent: Agent) -> str:
    """The agent's name in Care's own exports, by which they refer to each other."""
    return str(52_000 + place(agent))


def team(agent: Agent) -> int:
    return tuple(TEAMS)[place(agent) % len(TEAMS)]


def disabled(agent: Agent) -> bool:
    """Whether the agent is turned off; what they did before remains."""
    return place(agent) % 11 == 1


class Care:
    """The brand's conversations by the day on which they begin; `volume` says how many do."""

    def __init__(self, brand: Brand, volume: Mapping[date, int]) -> None:
        self.brand, self._volume = brand, volume
        self.of_day = lru_cache(maxsize=512)(self._of_day)
        self._author = lru_cache(maxsize=8192)(self._new_author)

    def alive(self, first: int, last: int) -> Iterator[Conversation]:
        """The conversations that are open at some time from one moment to another, by when they began."""
        for day in range((first - LONGEST) // DAY, last // DAY + 1):
            yield from (one for one in self.of_day(day) if one.created <= last and one.closed >= first)

    def _of_day(self, day: int) -> tuple[Conversation, ...]:
        count = self._volume.get(date.fromordinal(EPOCH + day))
        if count is None:
            share = _WEEKDAYS[(day + 3) % 7]  # The epoch was a Thursday.
            chance = self.brand.chance("care", day)
            count = int(_DAILY * self.brand.scale * share * chance.uniform(0.85, 1.15) + chance.random())
        found = [self._conversation(day, number) for number in range(count)]
        return tuple(sorted(found, key=lambda one: (one.created, one.id)))

    def _new_author(self, number: int) -> Author:
        chance = self.brand.chance("care author", number)
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        uuid = f"{chance.getrandbits(32):08x}-{number:04x}-3{chance.getrandbits(12):03x}-9f0a-{number:012x}"
        return Author(uuid, f"@{first.lower()}_{number}", f"{first} {last}", int(chance.paretovariate(0.8) * 20))

    def _conversation(self, day: int, number: int) -> Conversation:
        chance = self.brand.chance("care", day, number)
        hour = chance.choices(range(24), cum_weights=_BY_HOUR)[0]
        created = day * DAY + hour * HOUR + chance.randrange(HOUR)
        endless = number == 0 and day % 7 == 4
        kind = chance.random()
        if endless or kind < 0.06:
            lasted = chance.uniform(1.5, 6) * DAY
        elif kind < 0.3:
            lasted = chance.uniform(1, 20) * HOUR
        else:
            lasted = min(DAY, chance.lognormvariate(7.2, 0.6) * 1000)
        closed = created + 10 * MINUTE + int(lasted)
        claimed = created + 20_000 + int(chance.expovariate(1 / (4 * MINUTE)))
        # A few are closed by a rule before anyone takes them.
        taken = claimed < closed and chance.random() > 0.07
        agent = chance.choice(self.brand.on_duty(claimed // HOUR)) if taken else None
        posts = _posts(chance, created, closed)
        return Conversation(
            id=f"{day}{number:06d}",
            day=day,
            created=created,
            closed=closed,
            network=chance.choices(NETWORKS, (30, 25, 15, 15, 10, 5))[0],
            author=self._author(chance.randrange(self.brand.customers)),
            language=chance.choice(LANGUAGES),
            priority=chance.choices(range(6), (10, 25, 30, 20, 10, 5))[0],
            queue=chance.choice(tuple(QUEUES)),
            tags=tuple(chance.sample(TAGS, k=chance.choice((0, 1, 1, 2)))),
            agent=agent,
            claimed=claimed,
            posts=posts,
            responses=self._responses(chance, posts, agent, claimed, closed),
            bits=chance.getrandbits(64),
            endless=endless,
        )

    def _responses(
        self, chance: random.Random, posts: tuple[Post, ...], agent: Agent | None, claimed: int, closed: int
    ) -> tuple[Response, ...]:
        found, of_kind = list[Response](), {True: 0, False: 0}
        bots = [one for one in self.brand.agents if one.bot]
        for post in posts:
            by_bot = bool(bots) and not post.number and chance.random() < 0.2
            if not (by_bot or (agent and chance.random() < 0.85)):
                continue
            author = bots[0] if by_bot or not agent else agent
            asked = post.received + 2_000 if by_bot else max(post.received, claimed) + chance.randrange(30_000, 400_000)
            checked = not by_bot and chance.random() < 0.15
            published = asked + (chance.randrange(20_000, 900_000) if checked else 0)
            if published >= closed:
                continue
            of_kind[by_bot] += 1
            approver = chance.choice(self.brand.agents) if checked else None
            text, approved = chance.choice(_REPLIES), chance.random() < 0.8
            order = len(found) + 1
            found.append(Response(order, of_kind[by_bot], published, post, author, text, asked, approver, approved))
        return tuple(found)


def _posts(chance: random.Random, created: int, closed: int) -> tuple[Post, ...]:
    count = 1 + min(20, int(chance.expovariate(0.6)))
    later = sorted(chance.randrange(created, closed) for _ in range(count - 1))
    received = [created, *later]
    texts = chance.choices(_POSTS, k=count)
    return tuple(
        Post(number, time - chance.randrange(500, 20_000), time, text)
        for number, (time, text) in enumerate(zip(received, texts, strict=True))
    )


def helps(one: Conversation) -> Iterator[Help]:
    """What the conversation's agent asked an expert."""
    if one.agent and one.roll("help", 8) == 0:
        asked = one.claimed + (one.closed - one.claimed) * (1 + one.roll("asked", 5)) // 10
        wait = MINUTE * (1 + one.roll("answered", 90))
        answered = asked + wait if asked + wait < one.closed else None
        yield Help(1, asked, answered, one.agent, f"expert{one.roll('expert', 4)}@partner.example")


def actions(one: Conversation) -> list[Action]:
    """What is done to a conversation until it is closed, in order of time."""
    queue, agent = QUEUES[one.queue], one.agent
    found: list[tuple[int, str, Agent | None, str, str]] = [
        (one.created, "CREATED", None, "", "OPEN"),
        (one.created + 900, "ROUTED", None, "", queue),
    ]
    if agent:
        found.append((one.claimed, "CLAIMED", agent, "OPEN", "ASSIGNED"))
        if one.roll("raised", 6) == 0 and one.priority:
            found.append((one.claimed + 5_000, "PRIORITY_CHANGED", agent, str(one.priority - 1), str(one.priority)))
        found += [(one.claimed + 9_000, "TAG_ADDED", agent, "", tag) for tag in one.tags]
    found += [(reply.published, "RESPONDED", reply.agent, "", str(reply.order)) for reply in one.responses]
    if one.endless:
        count = 700 + one.roll("endless", 2_000)
        pace = (one.closed - one.created) // (count + 1)
        found += [(one.created + pace * (1 + n), "NOTE_ADDED", agent, "", f'note {n}\n"auto"') for n in range(count)]
    found = sorted((act for act in found if act[0] < one.closed), key=lambda act: act[0])
    found.append((one.closed, "CLOSED", agent, one.status(one.closed - 1), "CLOSED"))
    return [Action(number, *act) for number, act in enumerate(found, 1)]
