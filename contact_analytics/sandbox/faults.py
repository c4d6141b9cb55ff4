"""What can go wrong at a vendor, on request and a given number of times."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from contact_analytics.sandbox import export_faults, json_faults


@dataclass
class Fault:
    """One thing to go wrong with requests whose path or query contains `path`, `times` times.

    `value` is the kind's own detail: seconds of a `Retry-After`, a new field with its value, an address.
    """

    path: str
    kind: str
    times: int = 1
    value: Any = None

    def __post_init__(self) -> None:
        if self.kind not in ANSWERS.keys() | FILES | json_faults.KINDS | export_faults.KINDS:
            raise ValueError(f"no such kind of fault: {self.kind}")


class _Dropped(httpx.SyncByteStream):
    """A body whose connection breaks halfway."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise httpx.ReadError("the connection was reset")


def _raise(error: httpx.TransportError) -> httpx.Response:
    raise error


def _busy(fault: Fault) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": str(fault.value or 1)}, json={"error": "Too Many Requests"})


def _moved(fault: Fault) -> httpx.Response:
    return httpx.Response(302, headers={"Location": fault.value or "https://login.example/sso"})


_PAGE = "<!DOCTYPE html><html><title>Maintenance</title><body>We'll be back soon.</body></html>"


def search_failed() -> httpx.Response:
    """A failure of the search behind the API, in the shape in which the vendor writes other errors."""
    error = {"message": "Elasticsearch exception", "internalCode": "0007", "responseStatus": "INTERNAL_SERVER_ERROR"}
    return httpx.Response(500, json={"error": error})


# Instead of the answer. A list that is faulty here is as good as a file.
ANSWERS: dict[str, Callable[[Fault], httpx.Response]] = {
    "500": lambda _: httpx.Response(500, text="Internal Server Error"),
    "500_0007": lambda _: search_failed(),
    "503": lambda _: httpx.Response(503, text="Service Unavailable"),
    "429": lambda _: httpx.Response(429, json={"error": "Too Many Requests"}),
    "429_retry_after": _busy,
    "401": lambda _: httpx.Response(401, json={"error": "token was revoked"}),
    "403": lambda _: httpx.Response(403, json={"error": "this API is not enabled for the account"}),
    "timeout": lambda _: _raise(httpx.ReadTimeout("the sandbox keeps silent")),
    "connection": lambda _: _raise(httpx.ConnectError("the sandbox refuses the connection")),
    "html": lambda _: httpx.Response(200, html=_PAGE),
    "empty": lambda _: httpx.Response(200, content=b"", headers={"Content-Type": "application/json"}),
    "redirect": _moved,
}


def _members(body: bytes) -> httpx.Response:
    text = gzip.decompress(body)
    cut = text.rfind(b"\n", 0, len(text) // 2) + 1
    return gzip_body(gzip.compress(text[:cut], mtime=0) + gzip.compress(text[cut:], mtime=0))


# What happens to the file's bytes on their way.
WIRES: dict[str, Callable[[bytes], httpx.Response]] = {
    "cut_body": lambda body: gzip_body(body[: len(body) // 2], len(body)),
    "dropped_body": lambda body: httpx.Response(
        200, headers={"Content-Type": "application/gzip", "Content-Length": str(len(body))}, stream=_Dropped(body)
    ),
    "truncated_gzip": lambda body: gzip_body(body[: len(body) * 2 // 3]),
    "corrupt_gzip": lambda body: gzip_body(body[:-8] + bytes(byte ^ 0xFF for byte in body[-8:-4]) + body[-4:]),
    "two_members": _members,
    "not_gzip": lambda body: gzip_body(gzip.decompress(body)),
}


def gzip_body(body: bytes, length: int | None = None) -> httpx.Response:
    """A file as it is sent: of the length that it says, unless told otherwise."""
    length = len(body) if length is None else length
    return httpx.Response(
        200, headers={"Content-Type": "application/gzip", "Content-Length": str(length)}, content=body
    )


def _branches(envelope: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each body's branch with the name of its list, in whichever encoding the envelope is."""
    bodies = envelope["recordCollection"]
    for part in bodies["array"] if isinstance(bodies, dict) else bodies:
        for branch in part["body"].values():
            yield from ((branch, key) for key in branch if key != "header")


def _items(envelope: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of an envelope's lists, out of the type that wraps them."""
    for branch, key in _branches(envelope):
        for item in branch[key]["array"]:
            [inner] = item.values() if len(item) == 1 else [item]
            yield inner if isinstance(inner, dict) and any("." in name for name in item) else item


def _changed(line: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    envelope = json.loads(line)
    change(envelope)
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def _first(change: Callable[[dict[str, Any]], object]) -> Callable[[list[bytes], Fault], list[bytes]]:
    """A fault of the file's first record."""
    return lambda lines, _: [_changed(lines[0], change), *lines[1:]]


def _drift(lines: list[bytes], fault: Fault) -> list[bytes]:
    new = fault.value or {"sentiment": {"double": 0.5}}

    def grow(envelope: dict[str, Any]) -> None:
        for item in _items(envelope):
            item.update(new)

    return [_changed(line, grow) for line in lines]


def _mistype(envelope: dict[str, Any]) -> None:
    numbers = (
        (item, name, branch)
        for item in _items(envelope)
        for name, value in item.items()
        for branch in ("long", "int")
        if isinstance(value, dict) and branch in value
    )
    item, name, branch = next(numbers)
    item[name] = {branch: "many"}


def _without_key(envelope: dict[str, Any]) -> None:
    """The documented bug: an id that is null. Of the row where the row has one, else of the header."""
    keys = ("conversationId", "agentID")
    for item in _items(envelope):
        if named := [key for key in keys if key in item]:
            item[named[0]] = None
            return
    for branch, _ in _branches(envelope):
        for header in branch["header"].values():
            header["visitId"] = None


def _new_branch(envelope: dict[str, Any]) -> None:
    bodies = envelope["recordCollection"]
    bodies = bodies["array"] if isinstance(bodies, dict) else bodies
    [known] = bodies[0]["body"].values()
    news = {"header": known["header"], "news": {"array": [{"score": {"int": 7}}]}}
    bodies.append({"body": {"com.liveperson.dataaccess.SandboxNewsData": news}})


# What is wrong with the file's records; the lines are those of the file without blank ones.
TEXTS: dict[str, Callable[[list[bytes], Fault], list[bytes]]] = {
    "duplicate_session": lambda lines, _: [*lines, lines[0]],
    "drifted_field": _drift,
    "wrong_type": _first(_mistype),
    "missing_key": _first(_without_key),
    "unknown_branch": _first(_new_branch),
    "invalid_json": lambda lines, _: [lines[0][: len(lines[0]) // 2], *lines[1:]],
    "pretty_printed": lambda lines, _: [json.dumps(json.loads(line), indent=2).encode() for line in lines],
    "no_records": lambda *_: [],
}

# What a file shares with the one before it in the lists; both are given by their lines.
PAIRS: dict[str, Callable[[list[bytes], list[bytes]], list[bytes]]] = {
    "session_in_two_files": lambda lines, before: [*lines, before[0]],
}

# What spoils a file, and so waits for the request of one.
FILES = WIRES.keys() | TEXTS.keys() | PAIRS.keys()


def spoiled(fault: Fault, body: bytes, before: Callable[[], bytes]) -> httpx.Response:
    """The answer to a file's request with a fault in it; `before` makes the file that precedes it."""
    if fault.kind in WIRES:
        return WIRES[fault.kind](body)
    lines, pair = _lines(body), PAIRS.get(fault.kind)
    changed = pair(lines, _lines(before())) if pair else TEXTS[fault.kind](lines, fault)
    return gzip_body(gzip.compress(b"".join(line + b"\n" for line in changed), mtime=0))


def _lines(body: bytes) -> list[bytes]:
    # By newline alone: other line separators may stand in a text.
    return [line for line in gzip.decompress(body).split(b"\n") if line]
