"""How an export's file is read: JSON or CSV, columns as the company has them."""

from io import BytesIO
from itertools import islice
from typing import IO

import dataframely as dy

from contact_analytics.lib.bodies import BLANK, CutShort
from contact_analytics.lib.csv_text import read_csv, records
from contact_analytics.lib.dataset import Decoded
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.http import in_short
from contact_analytics.lib.json_documents import documents
from contact_analytics.lib.json_texts import read_json
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.text_table import TextTable

ROW_ID = "row_id"


def report_format(schema: type[dy.Schema]) -> TextTable:
    """How the files of an export are read; rows without a key of the vendor's are told apart by what they hold."""
    return TextTable(schema, row_id=ROW_ID if ROW_ID in columns_of(schema) else "")


def decode(table: TextTable, zone: str, text: bytes) -> Decoded:
    """The rows of a file, whichever of the two forms it has."""
    return table.read(read_json(text) if _is_json(text) else read_csv(text), zone)


def check_is_report(table: TextTable, file: IO[bytes]) -> None:
    """Raise `CutShort` for a file that is not whole, `UnexpectedAnswer` for one that is no report, such as an error.

    An error in place of a file is the API's envelope, or a text: a header that nobody knows with nothing behind it.
    """
    text = file.read()
    if not text.strip(BLANK):
        raise CutShort("the body is empty")
    if not _is_json(text):
        found = list(records(BytesIO(text)))
        names = found[0].fields if found else []
        table.check_names(names)
        if len(found) == 1 and not table.knows_any(names):
            raise _no_report("a text", text)
    elif text.lstrip(BLANK).startswith(b"{") and _is_envelope(text):
        raise _no_report("the API's envelope", text)
    else:
        table.check_names([name for first in islice(documents(text), 1) for name in first.content or ()])
    file.seek(0)


def _no_report(what: str, text: bytes) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"Khoros Care: a download was answered with {what} in place of a report: "
        f"“{in_short(text.decode(errors='replace'))}”.",
        "Nothing of it was kept. Materialize again; if it stays so, give the vendor its words.",
    )


def _is_envelope(text: bytes) -> bool:
    """Whether an object is the API's own answer and not a report: a report in an envelope is a list there."""
    content = next(documents(text)).content
    return isinstance(content, dict) and "status" in content and not isinstance(content.get("result"), list)


def _is_json(text: bytes) -> bool:
    return text.lstrip(BLANK)[:1] in (b"[", b"{")
