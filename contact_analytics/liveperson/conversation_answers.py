"""What a search for conversations is answered, and what the search needs to know of it."""

import json
from dataclasses import dataclass
from typing import Any

from contact_analytics.lib.plain_json import milliseconds
from contact_analytics.lib.wire import Fault


@dataclass(frozen=True)
class Entry:
    """A conversation of an answer: its id, its start in epoch milliseconds, and whether the vendor cut its record."""

    id: str | None
    start: int | None
    is_partial: bool


@dataclass(frozen=True)
class Answer:
    """What a search was answered: how many conversations match, and those of this page, with the body as received."""

    body: bytes
    text: bytes
    count: int
    is_partial_result: bool
    entries: tuple[Entry, ...]


def parse(body: bytes, text: bytes) -> Answer:
    """An answer from its text. Raises `ValueError`, `KeyError` or `TypeError` for any other shape."""
    content = json.loads(text)
    about, records = content["_metadata"], content["conversationHistoryRecords"]
    if not isinstance(about["count"], int) or not isinstance(records, list):
        raise TypeError("a count and a list of records are expected")
    shards = about.get("shardsStatusResult") or {}
    is_partial = shards.get("partialResult") in (True, "true") or str(shards.get("failureShards") or 0) != "0"
    return Answer(body, text, about["count"], is_partial, tuple(map(_entry, records)))


def states(text: bytes) -> dict[str, Any]:
    """The records of an answer by conversation, without what counts on while a conversation is open."""
    found: dict[str, Any] = {}
    for record in json.loads(text)["conversationHistoryRecords"]:
        if identity := _entry(record).id:
            info = {name: value for name, value in record["info"].items() if name != "duration"}
            found[identity] = {**record, "info": info}
    return found


def _entry(record: Any) -> Entry:
    """What the search needs of a record; one that lacks it is for the decoder to refuse."""
    info = record.get("info") if isinstance(record, dict) else None
    info = info if isinstance(info, dict) else {}
    identity = info.get("conversationId")
    return Entry(identity if isinstance(identity, str) else None, _start(info), info.get("isPartial") in (True, "true"))


def _start(info: dict[str, Any]) -> int | None:
    """The start in epoch milliseconds, whichever of the two fields tells it."""
    number = str(info.get("startTimeL"))
    try:
        return int(number) if number.isascii() and number.isdecimal() else milliseconds(str(info["startTime"]), "")
    except (Fault, KeyError):
        return None
