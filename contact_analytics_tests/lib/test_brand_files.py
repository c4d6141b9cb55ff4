"""A brand's own file is read as its columns say, or refused with what is wrong with it."""

import traceback
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contact_analytics.lib.brand_files import BrandFilesResource, in_force
from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.report import BrandFile

ROSTER = BrandFile(
    name="roster",
    grain="One row a person, or a stretch of time of a person's.",
    columns={"login": pl.String, "starts": pl.Time, "valid_from": pl.Date, "valid_to": pl.Date},
    optional=frozenset({"valid_from", "valid_to"}),
)


def read(path: Path) -> list[tuple[Any, ...]]:
    return BrandFilesResource(paths={"roster": str(path)}).read(ROSTER).rows()


def test_a_csv_file_as_spreadsheets_write_it(tmp_path: Path) -> None:
    """With a byte order mark, blanks, empty cells, columns in another order and columns of the brand's own."""
    path = tmp_path / "roster.csv"
    path.write_bytes("\ufeffname, login ,starts,valid_to\r\nMira, 007 ,08:30:00,2026-03-10\r\n,jonas,,\r\n".encode())
    assert read(path) == [("007", time(8, 30), None, date(2026, 3, 10)), ("jonas", None, None, None)]


def test_a_parquet_file_with_types_of_its_own(tmp_path: Path) -> None:
    """Dates as dates or as texts, and numbers where a text is wanted."""
    path = tmp_path / "roster.parquet"
    whole = {"login": [7], "starts": [time(8)], "valid_from": ["2026-03-10"], "valid_to": [date(2026, 3, 11)]}
    pl.DataFrame(whole).write_parquet(path)
    assert read(path) == [("7", time(8), date(2026, 3, 10), date(2026, 3, 11))]


def test_no_file_is_no_rows() -> None:
    """Reports are made without it."""
    resource = BrandFilesResource()
    assert resource.read(ROSTER).schema == ROSTER.columns
    assert resource.read(ROSTER).is_empty()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("login,name\nmira,Mira Lind\n", "has no column starts; of its 2 columns, these are known: login."),
        ("login;starts\nmira;08:00:00\n", "has no column login, starts; of its 1 columns, these are known: none."),
        ("mira,08:00:00\njonas,09:00:00\n", "these are known: none. A roster file is One row a person"),
        ("login,starts,valid_from\njonas,,\nmira,08:00:00,mira@x.org\n", "has 1 values in its column valid_from"),
        ("login,starts,valid_from\njonas,,\nmira,08:00:00,10.03.2026\n", "in row 2 after the header. Dates are YYYY-"),
        ("login,starts\nmira,mira o'clock\n", "are no Time, the first of them in row 1 after the header"),
        ('login,starts\n"jonas\n",08:00:00\nmira,08:00:00,extra\n', "line 4 has 3 fields, and the first has 2"),
        ("login,starts\njonas,\nmira\udce4,\n", "line 3 is not UTF-8"),
        ("", "cannot be read: it is empty"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The error names the setting and the file, says where it is wrong and what to do, and repeats none of its words.

    A file without a header would else put a person into the log.
    """
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match="CONTACT_ANALYTICS_ROSTER") as raised:
        read(path)
    assert words in str(raised.value)
    assert str(path) in str(raised.value)
    told = "".join(traceback.format_exception(raised.value)).replace(str(path), "")
    assert not [word for word in ("mira", "jonas", "Mira", "extra", "10.03.2026") if word in told]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"login": [1001.0, None], "starts": [None, None]}, "has Float64 in its column login, where String is wanted"),
        ({"login": [["7"]], "starts": [None]}, "in its column login, where String is wanted"),
        ({"login": ["7"], "starts": [None], "valid_to": [20_000]}, "has Int64 in its column valid_to, where Date"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path: Path, columns: dict[str, list[Any]], words: str) -> None:
    """`1001.0` is nobody's id: pandas makes decimals of numbers with gaps. A number is no date either."""
    path = tmp_path / "roster.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert words in str(raised.value)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """Whatever it is called."""
    path = tmp_path / "roster.parquet"
    path.write_text("login,starts\nmira,\n")
    with pytest.raises(ConfigurationError, match="it is not a Parquet file"):
        read(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """And never an empty table."""
    with pytest.raises(ConfigurationError, match="which cannot be read"):
        read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("day", "held"), [(1, "open"), (9, "open"), (10, "first"), (11, "first"), (12, "second"), (13, "open")]
)
def test_one_row_a_key_holds_on_a_day(day: int, held: str) -> None:
    """The first and last day belong to a stretch, and the one that began last stands, whatever their order."""
    rows = pl.DataFrame(
        [
            ("mira", "second", date(2026, 3, 12), date(2026, 3, 12)),
            ("mira", "open", None, None),
            ("mira", "first", date(2026, 3, 10), date(2026, 3, 12)),
            ("jonas", "gone", None, date(2026, 2, 28)),
        ],
        {"login": pl.String, "shift": pl.String, "valid_from": pl.Date, "valid_to": pl.Date},
        orient="row",
    )
    for each in (rows, rows.reverse()):
        assert in_force(each, date(2026, 3, day), "login").select("login", "shift").rows() == [("mira", held)]


def test_rows_that_hold_alike_are_counted() -> None:
    """Two undated rows of a login that differ: the last stands, and is one of two. A repeated row is one."""
    rows = pl.DataFrame(
        [("mira", "early", None, None), ("mira", "late", None, None), ("jonas", "early", None, None)] * 2,
        {"login": pl.String, "shift": pl.String, "valid_from": pl.Date, "valid_to": pl.Date},
        orient="row",
    )
    held = in_force(rows, date(2026, 3, 10), "login").select("login", "shift", "alike").sort("login")
    assert held.rows() == [("jonas", "early", 1), ("mira", "late", 2)]
