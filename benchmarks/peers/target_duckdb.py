"""Singer's target-duckdb on messages that were written before: what a tap does is not in its time.

`default` is the target's smallest configuration, with the key that it demands. `tuned` leaves out the key, so that
rows are added without being looked up, and loads all rows in one batch.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from benchmarks.peers.datasets import DATASETS
from benchmarks.peers.outcome import CHILDREN, arguments, print_outcome
from benchmarks.peers.rows import Row, batches

FORMS: dict[str, dict[str, Any]] = {
    "default": {},
    "tuned": {"primary_key_required": False, "batch_size_rows": 1_000_000},
}
# What a schema says of a value; the target makes an integer without a maximum a HUGEINT.
_PROPERTIES: dict[type, dict[str, Any]] = {
    bool: {"type": ["null", "boolean"]},
    int: {"type": ["null", "integer"], "maximum": 2**63 - 1},
    float: {"type": ["null", "number"]},
    str: {"type": ["null", "string"]},
    list: {"type": ["null", "array"]},
    dict: {"type": ["null", "object"]},
    type(None): {"type": ["null", "string"]},
}


def main() -> int:
    given = arguments("benchmarks.peers.target_duckdb", __doc__, FORMS)
    with tempfile.TemporaryDirectory(prefix="singer-") as folder:
        messages, config = Path(folder, "messages"), Path(folder, "config.json")
        write_messages(given.dataset, given.folder, messages, keyed=given.form == "default")
        settings = {"path": str(given.database), "default_target_schema": "loaded", "temp_dir": folder}
        config.write_bytes(orjson.dumps(settings | FORMS[given.form]))
        started = perf_counter()
        with messages.open("rb") as stdin:
            target = [Path(sys.executable).with_name("target-duckdb"), "--config", config]
            subprocess.run(target, stdin=stdin, stdout=subprocess.DEVNULL, check=True)
        seconds = perf_counter() - started
    print_outcome(given.dataset, given.database, seconds, f"target-duckdb {version('target-duckdb')}", CHILDREN)
    return 0


def write_messages(dataset: str, folder: Path, messages: Path, *, keyed: bool) -> None:
    """What a tap would send of a dataset: its schema, its records and the state after them."""
    key = DATASETS[dataset].key if keyed else ()
    schema = {"type": "object", "properties": _properties(dataset, folder)}
    with messages.open("wb") as lines:

        def write(kind: str, **content: Any) -> None:
            lines.write(orjson.dumps({"type": kind, **content}) + b"\n")

        write("SCHEMA", stream=dataset, schema=schema, key_properties=key)
        for record in _records(dataset, folder):
            write("RECORD", stream=dataset, record=record)
        write("STATE", value={"bookmarks": {dataset: {"loaded": True}}})


def _properties(dataset: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The columns of all records, each of the type of the first value that says one."""
    kinds: dict[str, type] = {}
    for record in _records(dataset, folder):
        for name, value in record.items():
            if value is not None or name not in kinds:
                kinds[name] = type(value) if kinds.get(name, type(None)) is type(None) else kinds[name]
    return {name: _PROPERTIES[kind] for name, kind in kinds.items()}


def _records(dataset: str, folder: Path) -> Iterator[Row]:
    for batch in batches(dataset, folder):
        for row in batch:
            # The key of a conversation is within its `info`, where no target looks for it.
            yield {"conversationId": row["info"]["conversationId"], **row} if dataset == "conversations" else row


if __name__ == "__main__":
    sys.exit(main())
