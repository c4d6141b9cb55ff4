"""Rows of Khoros Care's exports that are about people: agents, their teams, authors, and the brand itself."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from contact_analytics.sandbox.khoros_care_query import WEEK, ZERO, Query, lasted, milliseconds
from contact_analytics.sandbox.khoros_care_records import EPOCH, TEAMS, Care, disabled, display_id, place, team
from contact_analytics.sandbox.khoros_care_rows import Row, received, replies
from contact_analytics.sandbox.liveperson_brand import DAY, Agent, Shift

_STATES = ("AVAILABLE", "BUSY", "AWAY", "AVAILABLE")


def teams(care: Care) -> list[Row]:
    """The teams in the shape of `GET /teams`."""
    sizes = Counter(team(agent) for agent in care.brand.agents)
    return [
        {
            "uuid": f"0f8d{id:04x}-52d4-4e1b-9f0a-6d1f0a2b{id:04x}",
            "teamId": id,
            "name": name,
            "description": None,
            "numberOfMembers": sizes[id],
        }
        for id, name in TEAMS.items()
    ]


def _shifts(care: Care, query: Query) -> Iterator[Shift]:
    """The shifts of which some may lie among the rows."""
    for day in range(query.first // DAY - 1, query.end // DAY + 2):
        yield from (shift for shift in care.brand.shifts(day) if shift.start <= query.end and shift.end >= query.first)


def _chosen(care: Care, query: Query) -> list[Agent]:
    """The agents that the filters admit: those who are turned off on request alone."""
    return [
        agent
        for agent in care.brand.agents
        if (query.include_disabled or not disabled(agent))
        and (not query.team_ids or team(agent) in query.team_ids)
        and (not query.agent_ids or display_id(agent) in query.agent_ids)
    ]


def agent_states(care: Care, query: Query) -> Iterator[Row]:
    for shift in _shifts(care, query):
        agent, part = shift.agent, (shift.end - shift.start) // len(_STATES)
        if query.team_ids and team(agent) not in query.team_ids:
            continue
        for number, state in enumerate(_STATES):
            start = shift.start + number * part
            if query.counts(start):
                ended = start + part <= query.at
                yield {
                    "AGENT_NAME": agent.full_name,
                    "AGENT_EMAIL": agent.loginname,
                    "AGENT_ID": display_id(agent),
                    "TEAM": TEAMS[team(agent)],
                    "STATE": state,
                    "STATE_START_DATE": query.written(start),
                    "STATE_END_DATE": query.written(start + part),
                    "STATE_DURATION": lasted(part) if ended else None,
                }


def _sums(care: Care, query: Query, of: Callable[[Agent, int], object]) -> tuple[Counter[object], ...]:
    """Claims, closes, responses and their TARs, added up by what an agent's deed at a time belongs to."""
    claims, closes, said, tars = Counter[object](), Counter[object](), Counter[object](), Counter[object]()
    for one in care.alive(query.first, query.end):
        if one.agent and query.admits(one):
            claims[of(one.agent, one.claimed)] += query.counts(one.claimed)
            closes[of(one.agent, one.closed)] += query.counts(one.closed)
    for _, reply in replies(care, query):
        said[of(reply.agent, reply.published)] += 1
        tars[of(reply.agent, reply.published)] += reply.published - reply.post.received
    return claims, closes, said, tars


def _performance(sums: tuple[Counter[object], ...], key: object) -> Row:
    claims, closes, said, tars = (sum_[key] for sum_ in sums)
    return {
        "CONVERSATIONS_CLAIMED": claims,
        "CONVERSATIONS_CLOSED": closes,
        "RESPONSE_COUNT": said,
        "AVERAGE_TAR": lasted(tars // said) if said else None,
    }


def team_performance(care: Care, query: Query) -> Iterator[Row]:
    """A row an agent."""
    sums = _sums(care, query, lambda agent, _: agent)
    for agent in _chosen(care, query):
        yield {
            "TEAM_ID": team(agent),
            "TEAM": TEAMS[team(agent)],
            "AGENT_DISPLAY_ID": display_id(agent),
            "AGENT_EMAIL": agent.loginname,
            "AGENT_ENABLED": not disabled(agent),
            **_performance(sums, agent),
        }


def _buckets(query: Query) -> list[int]:
    """Where the intervals begin: after one another from the start, or with the months."""
    if query.interval <= WEEK:
        return list(range(query.first, query.last + 1, query.interval))
    starts, at = [query.first], ZERO + timedelta(milliseconds=query.first)
    while True:
        at = (at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        if milliseconds(at) > query.last:
            return starts
        starts.append(milliseconds(at))


def team_performance_interval(care: Care, query: Query) -> Iterator[Row]:
    """A row a team and interval, whether anything happened or not."""
    starts = _buckets(query)
    chosen = _chosen(care, query)
    known = set(chosen)

    def of(agent: Agent, time: int) -> object:
        return (team(agent), bisect_right(starts, time) - 1) if agent in known else None

    sums, sizes = _sums(care, query, of), Counter(team(agent) for agent in chosen)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], query.last + 1], strict=True)):
        for id, name in TEAMS.items():
            if not query.team_ids or id in query.team_ids:
                yield {
                    "INTERVAL_START_DATE": query.stamp(start),
                    "INTERVAL_END_DATE": query.stamp(end),
                    "TEAM_ID": id,
                    "TEAM": name,
                    "AGENT_COUNT": sizes[id],
                    **_performance(sums, (id, number)),
                }


def users(care: Care, query: Query) -> Iterator[Row]:
    """A row an agent, whatever the time: it is for `TOTAL_TIME` alone."""
    times = Counter[Agent]()
    for shift in _shifts(care, query):
        times[shift.agent] += max(0, min(shift.end, query.end) - max(shift.start, query.first))
    for agent in _chosen(care, query):
        yield {
            "AGENT_DISPLAY_ID": display_id(agent),
            "NAME": agent.full_name,
            "EMAIL": agent.loginname,
            "EMPLOYEE_ID": agent.employee_id or None,
            "ROLE": "BOT" if agent.bot else "SUPERVISOR" if place(agent) % 10 == 0 else "AGENT",
            "ENABLED": not disabled(agent),
            "TEAM_ID": team(agent),
            "TEAM": TEAMS[team(agent)],
            "TOTAL_TIME": lasted(times[agent]),
        }


def authors(care: Care, query: Query) -> Iterator[Row]:
    posted = list(received(care, query))
    posts = Counter((one.author, one.network) for one, _ in posted)
    begun = Counter((one.author, one.network) for one in {one.id: one for one, _ in posted}.values())
    last = {(one.author, one.network): post.received for one, post in sorted(posted, key=lambda it: it[1].received)}
    for (author, network), count in sorted(posts.items()):
        yield {
            "AUTHOR_UUID": author.uuid,
            "AUTHOR_HANDLE": author.handle,
            "AUTHOR_NAME": author.name,
            "NETWORK": network,
            "FOLLOWER_COUNT": author.followers,
            "POST_COUNT": count,
            "CONVERSATION_COUNT": begun[author, network],
            "LAST_POST_DATE": query.written(last[author, network]),
        }


def brand_posts(care: Care, query: Query) -> Iterator[Row]:
    for day in range(query.first // DAY, query.end // DAY + 1):
        chance = care.brand.chance("brand posts", day)
        for number, time in enumerate(sorted(day * DAY + chance.randrange(DAY) for _ in range(chance.randrange(1, 5)))):
            campaign = chance.choice(("Spring", "Summer, too", "Größer"))
            if query.counts(time):
                yield {
                    "BRAND_POST_ID": f"{day}{number:02d}",
                    "CAMPAIGN": campaign,
                    "NETWORK": ("Twitter", "Facebook", "Instagram")[number % 3],
                    "POST_CONTENT": f'{date.fromordinal(EPOCH + day)}: "{campaign}"\nNew, and in stock.',
                    "PUBLISHED_DATE": query.written(time),
                    "LIKE_COUNT": 40 + number * 7,
                }
