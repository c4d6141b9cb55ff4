"""Rows of Khoros Care's exports that are about conversations, by metric id."""

from collections.abc import Iterable, Iterator
from typing import Any

from contact_analytics.sandbox.khoros_care_query import Query, in_business_hours, lasted
from contact_analytics.sandbox.khoros_care_records import (
    QUEUES,
    SENTIMENTS,
    TEAMS,
    Action,
    Care,
    Conversation,
    Post,
    Response,
    actions,
    disabled,
    display_id,
    helps,
    team,
)
from contact_analytics.sandbox.liveperson_brand import Agent

Row = dict[str, Any]

_MOST_ACTIONS = {False: 500, True: 2000}


def link(one: Conversation) -> str:
    return f"https://response.app.lithium.com/conversation/{one.id}"


def _email(agent: Agent | None) -> str | None:
    return agent.loginname if agent else None


def _about(one: Conversation) -> Row:
    """What rows of several exports say of their conversation."""
    return {
        "CONVERSATION_ID": one.id,
        "NETWORK": one.network,
        "PRIORITY": one.priority,
        "WORK_QUEUE": QUEUES[one.queue],
        "AUTHOR_UUID": one.author.uuid,
        "AUTHOR_HANDLE": one.author.handle,
    }


def _alive(care: Care, query: Query) -> Iterable[Conversation]:
    return (one for one in care.alive(query.first, query.end) if query.admits(one))


def conversations(care: Care, query: Query) -> Iterator[Row]:
    for one in _alive(care, query):
        if query.kind == "OPEN_AT_END":
            counts = one.closed > query.end and query.business in {None, in_business_hours(one.created)}
            at = query.end
        else:
            counts = query.counts(one.created if query.kind == "CREATED" else one.closed)
            at = query.at
        if counts:
            yield _conversation(one, query, at)


def _conversation(one: Conversation, query: Query, at: int) -> Row:
    status = one.status(at)
    agent = one.agent if at >= one.claimed else None
    said = [reply for reply in one.responses if reply.published <= at]
    closed = status == "CLOSED"
    return {
        "CONVERSATION_ID": one.id,
        "STATUS": status,
        "ASSIGNED_AGENT_DISPLAY_ID": display_id(agent) if agent else None,
        "ASSIGNED_AGENT_EMAIL": _email(agent),
        "TEAM": TEAMS[team(agent)] if agent else None,
        **{name: value for name, value in _about(one).items() if name != "CONVERSATION_ID"},
        "CONVERSATION_TAGS": "|".join(one.tags) if agent else "",
        "LANGUAGE": one.language,
        "SENTIMENT": SENTIMENTS[one.roll("sentiment", 3)],
        "CREATED_DATE": query.written(one.created),
        "CLAIMED_DATE": query.written(one.claimed) if agent else None,
        "FIRST_RESPONSE_DATE": query.written(said[0].published) if said else None,
        "CLOSED_DATE": query.written(one.closed) if closed else None,
        "INCOMING_POST_COUNT": sum(post.received <= at for post in one.posts),
        "RESPONSE_COUNT": len(said),
        "CONVERSATION_TAR": lasted(said[0].published - one.created) if said else None,
        "CONVERSATION_HANDLE_TIME": lasted(one.closed - one.claimed) if closed and agent else None,
        "CONVERSATION_LINK": link(one),
    }


def replies(care: Care, query: Query, *, asked: bool = False) -> Iterator[tuple[Conversation, Response]]:
    for one in _alive(care, query):
        for reply in one.responses:
            if query.counts(reply.asked if asked else reply.published):
                yield one, reply


def _response(one: Conversation, reply: Response, query: Query) -> Row:
    bot, handled = reply.agent.bot, 20_000 + one.roll(f"handled {reply.order}", 240_000)
    approving = (reply.published - reply.asked) // 2 if reply.approver else 0
    return {
        "CONVERSATION_ID": one.id,
        "RESPONDING_AGENT_DISPLAY_ID": display_id(reply.agent),
        "AGENT_RESPONSE_ORDER": None if bot else reply.order_of_kind,
        "BOT_RESPONSE_ORDER": reply.order_of_kind if bot else None,
        "RESPONSE_ORDER": reply.order,
        "ASSISTANT_RHT": lasted(0),
        "EXPERT_RHT": lasted(sum(one.roll("expert time", 90_000) for _ in helps(one))),
        "AUTO_TAG": "|".join(one.tags[1:]),
        "MANUAL_TAG": "|".join(one.tags[:1]),
        "RESPONSE_TAG": "",
        "DATE_CLAIMED": query.written(one.claimed) if one.agent else None,
        "EXTERNAL_RESPONSE_ID": f"{one.bits % 10**15}{reply.order:03d}",
        "HANDLE_TIME_APPROVING_AGENT": lasted(approving),
        "HANDLE_TIME_OTHER_AGENT": lasted(0),
        "HANDLE_TIME_RESPONDING_AGENT": lasted(handled),
        "HANDLE_TIME_TOTAL_RESPONSE": lasted(handled + approving),
        "LSW_CONVERSATION_LINK": link(one),
        "LSW_RESPONDED_POST_IN_BUSINESS_HOUR": in_business_hours(reply.post.received),
        "LSW_RESPONDED_TO_EXTERNAL_POST_ID": _post_id(one, reply.post),
        "LSW_RESPONDED_TO_POST_AUTHOR_UUID": one.author.uuid,
        "LSW_RESPONDED_TO_POST_CONTENT": reply.post.text,
        "LSW_RESPONDED_TO_POST_PUBLISHED_TIME": query.written(reply.post.published),
        "LSW_RESPONDED_TO_POST_RECEIVED_TIME": query.written(reply.post.received),
        "RESPONDING_AGENT_EMAIL": _email(reply.agent),
        "RESPONSE_CONTENT": reply.text,
        "RESPONSE_HANDLE": "@acme",
        "RESPONSE_LANGUAGE": one.language,
        "RESPONSE_LOCATION": None,
        "RESPONSE_PROVIDER": one.network,
        "RESPONSE_TYPE": "BOT" if bot else "AGENT",
        "RESPONSE_PUBLISHED_DATE": query.written(reply.published),
        "RESPONSE_SENTIMENT": SENTIMENTS[1 + one.roll(f"mood {reply.order}", 2)],
        "RESPONSE_TAR": lasted(reply.published - reply.post.received),
        # The vendor's name for it is cut off in the only source.
        "SENTIMENT_CONVERSION": SENTIMENTS[one.roll("sentiment", 3)] + " to NEUTRAL",
    }


def responses(care: Care, query: Query) -> Iterator[Row]:
    return (_response(one, reply, query) for one, reply in replies(care, query))


def approvals(care: Care, query: Query) -> Iterator[Row]:
    for one, reply in replies(care, query, asked=True):
        approver = reply.approver
        if not approver or (query.team_ids and team(reply.agent) not in query.team_ids):
            continue
        if disabled(reply.agent) and not query.include_disabled:
            continue
        # Looked at when the response goes out, or is sent back.
        answered = reply.published <= query.at
        yield {
            **_about(one),
            "RESPONSE_ORDER": reply.order,
            "REQUESTING_AGENT_DISPLAY_ID": display_id(reply.agent),
            "REQUESTING_AGENT_EMAIL": _email(reply.agent),
            "TEAM": TEAMS[team(reply.agent)],
            "APPROVING_AGENT_DISPLAY_ID": display_id(approver) if answered else None,
            "APPROVING_AGENT_EMAIL": _email(approver) if answered else None,
            "APPROVAL_STATUS": ("APPROVED" if reply.approved else "EDITED") if answered else "PENDING",
            "RESPONSE_CONTENT": reply.text,
            "APPROVAL_REQUESTED_DATE": query.written(reply.asked),
            "APPROVAL_DATE": query.written(reply.published),
            "APPROVAL_TIME": lasted(reply.published - reply.asked) if answered else None,
        }


def _post_id(one: Conversation, post: Post) -> str:
    return f"{one.bits % 10**14}{post.number:04d}"


def received(care: Care, query: Query) -> Iterator[tuple[Conversation, Post]]:
    for one in _alive(care, query):
        yield from ((one, post) for post in one.posts if query.counts(post.received))


def incoming_posts(care: Care, query: Query) -> Iterator[Row]:
    for one, post in received(care, query):
        yield {
            **_about(one),
            "EXTERNAL_POST_ID": _post_id(one, post),
            "POST_ORDER": post.number + 1,
            "POST_CONTENT": post.text,
            "POST_LANGUAGE": one.language,
            "POST_SENTIMENT": SENTIMENTS[one.roll(f"post {post.number}", 3)],
            "POST_TAG": "|".join(one.tags),
            "POST_PUBLISHED_DATE": query.written(post.published),
            "POST_RECEIVED_DATE": query.written(post.received),
            "POST_IN_BUSINESS_HOUR": in_business_hours(post.received),
        }


def combined(care: Care, query: Query) -> Iterator[Row]:
    """Posts and responses in one list, in order of time."""
    said = [(post.received, one, post, None) for one, post in received(care, query)]
    said += [(reply.published, one, reply.post, reply) for one, reply in replies(care, query)]
    for time, one, post, reply in sorted(said, key=lambda item: (item[0], item[1].id)):
        yield {
            **_about(one),
            "ENTRY_TYPE": "RESPONSE" if reply else "INCOMING_POST",
            "ENTRY_DATE": query.written(time),
            "ENTRY_CONTENT": reply.text if reply else post.text,
            "EXTERNAL_POST_ID": _post_id(one, post),
            "RESPONSE_ORDER": reply.order if reply else None,
            "RESPONDING_AGENT_DISPLAY_ID": display_id(reply.agent) if reply else None,
            "RESPONDING_AGENT_EMAIL": _email(reply.agent) if reply else None,
            "RESPONSE_TAR": lasted(reply.published - post.received) if reply else None,
        }


def help_requests(care: Care, query: Query) -> Iterator[Row]:
    for one in _alive(care, query):
        for help_ in helps(one):
            if query.counts(help_.asked):
                answered = help_.answered if help_.answered and help_.answered <= query.at else None
                yield {
                    **_about(one),
                    "HELP_REQUEST_ID": f"{one.id}-{help_.number}",
                    "HELP_REQUEST_STATUS": "ANSWERED" if answered else "OPEN",
                    "REQUESTING_AGENT_DISPLAY_ID": display_id(help_.agent),
                    "REQUESTING_AGENT_EMAIL": _email(help_.agent),
                    "EXPERT_EMAIL": help_.expert,
                    "HELP_REQUESTED_DATE": query.written(help_.asked),
                    "HELP_ANSWERED_DATE": query.written(answered),
                    "HELP_RESPONSE_TIME": lasted(answered - help_.asked if answered else None),
                }


def _action(one: Conversation, act: Action, query: Query) -> Row:
    return {
        **_about(one),
        "ACTION": act.kind,
        "ACTION_DATE": query.written(act.time),
        "AGENT_DISPLAY_ID": display_id(act.agent) if act.agent else None,
        "AGENT_EMAIL": _email(act.agent),
    }


def conversation_actions(care: Care, query: Query) -> Iterator[Row]:
    for one in _alive(care, query):
        yield from (_action(one, act, query) for act in actions(one) if query.counts(act.time))


def history(care: Care, query: Query) -> Iterator[Row]:
    for one in _alive(care, query):
        done = [act for act in actions(one) if query.counts(act.time)]
        for act in done[: _MOST_ACTIONS[query.raise_limit]]:
            change = {"ACTION_ORDER": act.number, "PREVIOUS_VALUE": act.before or None, "NEW_VALUE": act.after}
            yield _action(one, act, query) | change
