"""Flat JSON records as a table of texts: an array of them, an object with one under `result`, or one after another."""

import json
from typing import Any

import polars as pl

from contact_analytics.lib.formats import Rejected
from contact_analytics.lib.json_documents import documents
from contact_analytics.lib.text_table import Texts
from contact_analytics.lib.wire import Fault, as_object

LIST = "result"


def read_json(text: bytes) -> Texts:
    """The fields of records as columns, by the first record that has each; what is no text is written as JSON."""
    rows, numbers, rejected = list[dict[str, str | None]](), list[int](), list[Rejected]()
    for number, (raw, content, problem) in enumerate(_records(text), 1):
        try:
            if problem or not content:
                raise Fault("", problem or "it has no fields")
            rows.append({name: _as_text(value) for name, value in as_object(content, "").items()})
            numbers.append(number)
        except (Fault, RecursionError) as fault:
            rejected.append(Rejected(number, str(fault), raw))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {
        str(place): pl.Series([row.get(name) for row in rows], dtype=pl.String) for place, name in enumerate(names)
    }
    return Texts(names, pl.DataFrame(columns), numbers, rejected)


def _records(text: bytes) -> list[tuple[bytes, Any, str | None]]:
    found = [(each.raw, each.content, each.problem) for each in documents(text)]
    if len(found) == 1 and isinstance(found[0][1], dict) and isinstance(listed := found[0][1].get(LIST), list):
        return [(json.dumps(each).encode(), each, None) for each in listed]
    return found


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        if value is not None and not _is_unicode(value):
            raise Fault("", "text that is not valid Unicode")
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
