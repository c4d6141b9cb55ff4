"""The CSV files of the Data Extraction API as rows of a schema."""

from collections.abc import Collection, Iterable, Iterator

import dataframely as dy

from contact_analytics.lib.csv_text import by_records, read_csv
from contact_analytics.lib.formats import Decoded, Format
from contact_analytics.lib.text_table import Derive, TextTable


class FileFormat(Format):
    """How the files of an entity are read; `filled` are columns that `derive` fills where a version has none."""

    def __init__(self, schema: type[dy.Schema], derive: Derive | None = None, filled: Collection[str] = ()) -> None:
        self._table = TextTable(schema, derive, filled=filled)

    def parts(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        return by_records(pieces)

    def decode(self, text: bytes) -> Decoded:
        return self._table.read(read_csv(text))
