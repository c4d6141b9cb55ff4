"""What can be wrong with an answer in JSON: with the records in it, and with its bytes on their way."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Record = dict[str, Any]

_HALF = 2


class Body(httpx.SyncByteStream):
    """A body as it comes over the network, in pieces; a broken one ends with the connection."""

    def __init__(self, body: bytes, *, broken: bool = False) -> None:
        self._body, self._broken = body, broken

    def __iter__(self) -> Iterator[bytes]:
        yield from (self._body[at : at + 65_536] for at in range(0, len(self._body), 65_536))
        if self._broken:
            raise httpx.ReadError("the connection was reset")


def answered(
    request: httpx.Request, answer: object, headers: dict[str, str] | None = None, fault: str = ""
) -> httpx.Response:
    """An answer in JSON, compressed where the client accepts that, with what is wrong with its bytes."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    if fault == "cut_json":
        body = body[: len(body) // _HALF]
    headers = {"Content-Type": "application/json;charset=UTF-8", **(headers or {})}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=1, mtime=0), "gzip"
    headers["Content-Length"] = str(len(body))
    if fault in BODIES:
        body = body[: len(body) // _HALF]
    return httpx.Response(200, headers=headers, stream=Body(body, broken=fault == "dropped_body"))


def merge(record: Record, new: Record) -> None:
    """Add fields to a record, nested ones where it nests, and to each of the records of a list."""
    for name, value in new.items():
        known = record.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            merge(known, value)
        elif isinstance(value, dict) and isinstance(known, list):
            for item in known:
                merge(item, value)
        else:
            record[name] = value


def cut_short(record: Record) -> None:
    """A conversation as lists show those that are too large: with its first messages alone."""
    record["info"]["isPartial"] = True
    for name in ("messageRecords", "messageStatuses"):
        if name in record:
            record[name] = record[name][:2]


def _partial_result(answer: Record, _: Any) -> None:
    """A shard of the search did not answer: every third record is missing, one at least."""
    answer["_metadata"]["shardsStatusResult"] = {"partialResult": True, "failureShards": 1, "totalShards": 5}
    records = answer["conversationHistoryRecords"]
    answer["conversationHistoryRecords"] = [record for place, record in enumerate(records) if place % 3]


def _no_records(answer: Record, _: Any) -> None:
    answer["_metadata"]["count"] = 0
    answer["conversationHistoryRecords"] = []


def _still_partial(answer: Record, _: Any) -> None:
    for record in answer["conversationHistoryRecords"]:
        cut_short(record)


def _grown(answer: Record, value: Any) -> None:
    for record in answer["conversationHistoryRecords"]:
        merge(record, value or {"info": {"sentiment": 0.5}})


def _mistyped(answer: Record, value: Any) -> None:
    merge(answer["conversationHistoryRecords"][0], value or {"info": {"mcs": "many"}})


def _without_id(answer: Record, _: Any) -> None:
    del answer["conversationHistoryRecords"][0]["info"]["conversationId"]


# What is wrong with the records of a page of conversations. `value` is what to merge into them.
PAGES: dict[str, Callable[[Record, Any], None]] = {
    "partial_result": _partial_result,
    "no_records": _no_records,
    "still_partial": _still_partial,
    "drifted_field": _grown,
    "wrong_type": _mistyped,
    "missing_key": _without_id,
}

# Conversations that came or went while they were paged: how far the pages move in the list from the faulted one on,
# until it is read anew from its beginning, and by how much its length differs. Pages that move back repeat a record of
# the one before, pages that move on leave one out.
DRIFTS = {"drift_repeat": (-1, 0), "drift_skip": (1, 0), "drift_count": (1, -1), "drift_count_more": (-1, 1)}


def _entities_grown(entities: list[Record], value: Any) -> list[Record]:
    return [{**entity, **(value or {"sentiment": 0.5})} for entity in entities]


def _entities_mistyped(entities: list[Record], value: Any) -> list[Record]:
    first, *others = entities
    return [{**first, **(value or {"deleted": "perhaps"})}, *others]


def _entities_without_id(entities: list[Record], _: Any) -> list[Record]:
    first, *others = entities
    return [{name: value for name, value in first.items() if name != "id"}, *others]


# What is wrong with a list of entities.
LISTS: dict[str, Callable[[list[Record], Any], list[Record]]] = {
    "truncated_list": lambda entities, _: entities[: max(1, len(entities) // 3)],
    "empty_list": lambda *_: [],
    "drifted_field": _entities_grown,
    "wrong_type": _entities_mistyped,
    "missing_key": _entities_without_id,
}

# What happens to an answer on its way: it ends early, with the length of the whole or of what is left, or breaks.
BODIES = frozenset({"cut_body", "dropped_body"})
WIRES = BODIES | {"cut_json"}

KINDS = PAGES.keys() | DRIFTS.keys() | LISTS.keys() | WIRES
