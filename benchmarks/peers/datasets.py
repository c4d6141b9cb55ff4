"""The datasets that the peers load, and their files; nothing but the standard library, for all peers' environments."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BRANCHES = frozenset({"string", "long", "int", "double", "float", "boolean", "bytes", "array"})


@dataclass(frozen=True)
class Dataset:
    """How a dataset's files are laid out.

    `documents` splits a file's text into JSON documents, of which `rows` is the list that holds the rows; a dataset
    without it is CSV. With a `header` the documents are envelopes of sessions in Avro's JSON encoding. `key` tells
    rows apart, `items` is the longest list within a row.
    """

    key: tuple[str, ...]
    documents: Callable[[bytes], list[bytes]] | None = None
    rows: str = ""
    header: bool = False
    items: str = ""


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line]


def _whole(text: bytes) -> list[bytes]:
    return [text]


DATASETS = {
    "agent_activity": Dataset(
        key=("agentSessionId", "agentID", "timestamp", "type", "state"),
        documents=_lines,
        rows="agentSessionsData",
        header=True,
    ),
    "engagement": Dataset(
        key=("conversationId",), documents=_lines, rows="engagements", header=True, items="transcripts"
    ),
    "conversations": Dataset(
        key=("conversationId",), documents=_whole, rows="conversationHistoryRecords", items="messageRecords"
    ),
    "qm_workflows": Dataset(key=("Workflow ID",)),
}


def is_branch(name: str) -> bool:
    """Whether the only key of an object names the branch of an Avro union, and so wraps a value."""
    return name in _BRANCHES or "." in name


def files(folder: Path) -> list[Path]:
    """A dataset's files below a folder that holds no other's, in order."""
    of_archive = ("manifest.json", ".lock")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in of_archive]
    if not found:
        raise SystemExit(f"{folder} holds no files")
    return found


def text(file: Path) -> bytes:
    """What a file holds, unzipped if it is gzip."""
    stored = file.read_bytes()
    return gzip.decompress(stored) if stored.startswith(b"\x1f\x8b") else stored
