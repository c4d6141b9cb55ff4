"""How an export's file is read: JSON or CSV, columns as the company has them."""

from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import IO

import dataframely as dy

from contact_analytics.lib.bodies import BLANK, CutShort, gunzip
from contact_analytics.lib.csv_text import read_csv, records
from contact_analytics.lib.errors import UnexpectedAnswer
from contact_analytics.lib.formats import Decoded, Format
from contact_analytics.lib.http import in_short
from contact_analytics.lib.json_documents import documents
from contact_analytics.lib.json_texts import LIST, read_json
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.text_table import TextTable

ROW_ID = "row_id"


def report_format(schema: type[dy.Schema]) -> TextTable:
    """How the files of an export are read; rows without a key of the vendor's are told apart by what they hold."""
    return TextTable(schema, row_id=ROW_ID if ROW_ID in columns_of(schema) else "")


@dataclass(frozen=True)
class ExportFormat(Format):
    """The files of an export, whichever of the two forms they have; times without a zone are in `zone`."""

    table: TextTable
    zone: str

    def decode(self, text: bytes) -> Decoded:
        return self.table.read(read_json(text) if _is_json(text) else read_csv(text), self.zone)


def form_of_report(table: TextTable, file: IO[bytes]) -> str:
    """The form that a report has, whichever was asked for: `json` or `csv`.

    Raises `CutShort` for a file that is not whole, `UnexpectedAnswer` for one that is no report, such as an error: the
    API's envelope, another object that is no list, or a text, which is a header that nobody knows, of one column or
    with nothing behind it.
    """
    text = gunzip(file.read())
    file.seek(0)
    if not text.strip(BLANK):
        raise CutShort("the body is empty")
    if _is_json(text):
        names = read_json(text).names
        if _is_lone_object(text) and (len(names) < 2 or "status" in names or not table.knows_any(names)):
            raise _no_report("an object", text)
        table.check_names(names)
        return "json"
    found = list(records(BytesIO(text)))
    names = found[0].fields if found else []
    if not table.knows_any(names) and 1 in (len(found), len(names)):
        raise _no_report("a text", text)
    table.check_names(names)
    return "csv"


def _no_report(what: str, text: bytes) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"Khoros Care: a download was answered with {what} in place of a report: "
        f"“{in_short(text.decode(errors='replace'))}”.",
        "Nothing of it was kept. Materialize again; if it stays so, give the vendor its words.",
    )


def _is_lone_object(text: bytes) -> bool:
    """Whether all that there is is one object, which is no list, and has none as the API's envelope would."""
    found = list(islice(documents(text), 2)) if text.lstrip(BLANK).startswith(b"{") else []
    return len(found) == 1 and not (isinstance(found[0].content, dict) and isinstance(found[0].content.get(LIST), list))


def _is_json(text: bytes) -> bool:
    return text.lstrip(BLANK)[:1] in (b"[", b"{")
