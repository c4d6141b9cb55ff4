"""Khoros Care's exports as files: which there are, their columns and titles, and what can be wrong with a file.

Sourced are the columns of `response` but its last, and three each of `conversation` and `raw_agent_states`. All
others are simulated, from the families that the vendor's documentation speaks of.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import httpx

from contact_analytics.sandbox import json_faults
from contact_analytics.sandbox import khoros_care_people as people
from contact_analytics.sandbox import khoros_care_rows as rows
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.khoros_care_query import Query
from contact_analytics.sandbox.khoros_care_records import Care
from contact_analytics.sandbox.khoros_care_rows import Row
from contact_analytics.sandbox.liveperson_brand import DAY, Brand

ROWS: dict[str, Callable[[Care, Query], Iterator[Row]]] = {
    "conversation": rows.conversations,
    "response": rows.responses,
    "response_approval": rows.approvals,
    "incoming_post": rows.incoming_posts,
    "combined": rows.combined,
    "author": people.authors,
    "raw_expert_help": rows.help_requests,
    "raw_agent_states": people.agent_states,
    "team_performance": people.team_performance,
    "team_performance_interval": people.team_performance_interval,
    "conversation_actions": rows.conversation_actions,
    "conversation_history_action": rows.history,
    "user": people.users,
    "marketing/brand_post": people.brand_posts,
}
EXPORTS = tuple(ROWS)

# In titles, other than by their capital letter.
_ACRONYMS = {"ID", "TAR", "RHT", "LSW", "UUID"}
_GERMAN = {
    "CONVERSATION": "Konversation",
    "CONVERSATIONS": "Konversationen",
    "RESPONSE": "Antwort",
    "RESPONDING": "antwortender",
    "RESPONDED": "beantwortet",
    "AGENT": "Bearbeiter",
    "ASSIGNED": "zugewiesener",
    "DISPLAY": "Anzeige",
    "DATE": "Datum",
    "TIME": "Zeit",
    "PRIORITY": "Priorität",
    "NETWORK": "Netzwerk",
    "QUEUE": "Warteschlange",
    "AUTHOR": "Verfasser",
    "POST": "Beitrag",
    "CONTENT": "Inhalt",
    "COUNT": "Anzahl",
    "CLOSED": "geschlossen",
    "CREATED": "erstellt",
    "LANGUAGE": "Sprache",
    "EMAIL": "E-Mail",
}


@cache
def columns(export: str) -> tuple[str, ...]:
    """The metric ids of an export in the vendor's order, which an empty file has as well."""
    first = 19_900 * DAY
    query = Query(first=first, last=first + 7 * DAY, at=first + 30 * DAY, kind="CREATED", include_disabled=True)
    return tuple(next(ROWS[export](_sample(), query)))


@cache
def _sample() -> Care:
    return Care(Brand("10203040", 1, 1.0), {})


def simulated(export: str) -> tuple[str, ...]:
    """The columns of an export that no source names."""
    sourced = {
        "conversation": {"CONVERSATION_ID", "STATUS", "ASSIGNED_AGENT_DISPLAY_ID"},
        "raw_agent_states": {"AGENT_NAME", "AGENT_EMAIL", "AGENT_ID"},
        "response": set(columns("response")) - {"SENTIMENT_CONVERSION"},
    }.get(export, set[str]())
    return tuple(name for name in columns(export) if name not in sourced)


def title(metric: str, locale: str = "en") -> str:
    """The column's name in Care's own pages."""
    english = [word if word in _ACRONYMS else word.capitalize() for word in metric.upper().split("_")]
    if locale != "de":
        return " ".join(english)
    words = [_GERMAN.get(word.upper(), word) for word in english]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def as_json(names: Mapping[str, str], found: list[Row]) -> str:
    """A bare array of flat objects, their keys by the names of the columns."""
    flat = [{names.get(key, key): value for key, value in row.items()} for row in found]
    return json.dumps(flat, ensure_ascii=False, separators=(",", ":"))


def as_csv(names: Mapping[str, str], found: list[Row]) -> str:
    """RFC 4180: lines end in CRLF, a text with a comma, a quote or an end of line is quoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names.values())
    # A row that was made ragged has more cells than the header.
    writer.writerows([_cell(value) for value in row.values()] for row in found)
    return text.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


def _new_column(names: dict[str, str], found: list[Row], fault: Fault) -> None:
    new: dict[str, Any] = fault.value or {"SANDBOX_NEWS": "7"}
    names.update({name: title(name) if name.isupper() else name for name in new})
    for row in found:
        row.update(new)


def _missing_column(names: dict[str, str], found: list[Row], fault: Fault) -> None:
    missing = str(fault.value or next(iter(names))).upper()
    for row in (names, *found):
        row.pop(missing, None)


def _reordered(names: dict[str, str], found: list[Row], _: Fault) -> None:
    for row in (names, *found):
        turned = dict(reversed(row.items()))
        row.clear()
        row.update(turned)


def _ragged(_: dict[str, str], found: list[Row], __: Fault) -> None:
    """The first row has a cell of no column, where there is a row."""
    for row in found[:1]:
        row["SANDBOX_RAGGED"] = "?"


# What is wrong with the rows before they are written.
TABLES: dict[str, Callable[[dict[str, str], list[Row], Fault], None]] = {
    "new_column": _new_column,
    "missing_column": _missing_column,
    "reordered": _reordered,
    "ragged": _ragged,
    "no_rows": lambda names, found, fault: found.clear(),
}


def _sent(body: bytes, length: int | None = None, *, dropped: bool = False) -> httpx.Response:
    headers = {
        "Content-Type": "text/plain;charset=utf-8",
        "Content-Length": str(len(body) if length is None else length),
    }
    return httpx.Response(200, headers=headers, stream=json_faults.Body(body, broken=dropped))


def refused(status: int, code: str) -> httpx.Response:
    """A refusal as storage words it."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return httpx.Response(status, headers={"Content-Type": "application/xml"}, text=text)


_PAGE = "<!DOCTYPE html><html><title>Sign in</title><body>Your session has ended.</body></html>"

# What happens to the file on its way.
_WIRES: dict[str, Callable[[bytes], httpx.Response]] = {
    "dead_link": lambda body: refused(403, "AccessDenied"),
    "dead_link_200": lambda body: refused(200, "AccessDenied"),
    "web_page": lambda body: httpx.Response(200, html=_PAGE),
    "cut_file": lambda body: _sent(body[: len(body) // 2], len(body)),
    "dropped_file": lambda body: _sent(body[: len(body) // 2], len(body), dropped=True),
    "cut_text": lambda body: _sent(body[: len(body) // 2]),
    "no_bytes": lambda body: _sent(b""),
    "no_content": lambda body: httpx.Response(204),
    "not_utf8": lambda body: _sent(body[: len(body) // 2] + b"\xe9\xff" + body[len(body) // 2 :]),
}


def sent(body: bytes, fault: Fault | None = None) -> httpx.Response:
    """A file's answer, with what is wrong with it."""
    return _WIRES[fault.kind](body) if fault and fault.kind in _WIRES else _sent(body)
