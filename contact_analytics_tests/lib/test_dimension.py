"""A history says of each moment what the list said then, whatever came between."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import duckdb
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension_checks import evaluate
from contact_analytics.lib.entities import SnapshotFormat
from contact_analytics.lib.errors import SnapshotHeldBack, UnexpectedAnswer
from contact_analytics.lib.extractions import prepare
from contact_analytics.lib.history import Change, HistoryTable, Origin
from contact_analytics.lib.schema import field, many, record
from contact_analytics.lib.snapshots import EntityList, Snapshots, is_forced, name_of, revision_of

START = datetime(2026, 1, 1, tzinfo=UTC)


class Thing(dy.Schema):
    """One row a state of a thing."""

    id = field(dy.Int64, "Thing", key=True)
    deleted = field(dy.Bool, "Whether it is deleted")
    name = field(dy.String, "Name")
    tags = many(record({"tag": field(dy.String, "Tag")}), "Tags")
    groups = many(field(dy.Int64, "Group"), "Groups", unordered=True)
    roles = many(record({"role": field(dy.Int64, "Role"), "name": field(dy.String, "Name")}), "Roles", unordered=True)


class Word(dy.Schema):
    """One row a state of a word of a language; the vendor never says that one is deleted."""

    language = field(dy.String, "Language", key=True)
    word = field(dy.String, "Word", key=True)
    meaning = field(dy.String, "Meaning")


def dimension_of(schema: type[dy.Schema]) -> Dimension:
    return Dimension(
        vendor="test", name="things", schema=schema, grain="One row a state.", documentation="https://example.com"
    )


THINGS, WORDS = dimension_of(Thing), dimension_of(Word)


@pytest.fixture
def connection() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def moment(place: int) -> datetime:
    return START + timedelta(days=place)


def apply(
    connection: DuckDBPyConnection,
    place: int,
    *entries: Any,
    dimension: Dimension = THINGS,
    reader: SnapshotFormat | None = None,
    force: bool = False,
) -> Change:
    """Apply the list of a day."""
    prepare(connection, dimension)
    snapshot = (reader or SnapshotFormat(dimension)).read(f"list {place}", json.dumps(entries).encode())
    origin = Origin(moment(place), f"list {place}", datetime.now(UTC), "run")
    return HistoryTable(connection, dimension).apply(snapshot, origin, force=force)


def as_of(connection: DuckDBPyConnection, when: datetime) -> dict[int, tuple[str, list[str]]]:
    """The list as the history has it at a moment."""
    found = connection.execute(
        "select id, name, [item.tag for item in tags] from test.things "
        "where valid_from <= $when and (valid_to is null or $when < valid_to)",
        {"when": when},
    ).fetchall()
    assert len({key for key, _, _ in found}) == len(found)
    return {key: (name, tags) for key, name, tags in found}


STATES = st.dictionaries(
    st.integers(0, 4),
    st.one_of(st.none(), st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from("xy"), max_size=2))),
)


@settings(deadline=None, max_examples=25)
@given(st.lists(STATES, min_size=1, max_size=6))
def test_the_history_at_each_moment_is_the_list_of_that_moment(states: list[dict[int, Any]]) -> None:
    """Entries come, change, are deleted, vanish and come back, in any order; None is deleted."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        reader = SnapshotFormat(THINGS)
        for place, state in enumerate(states):
            entries = [
                {"id": key, "deleted": value is None, "name": value and value[0], "tags": _tags(value)}
                for key, value in state.items()
            ]
            apply(connection, place, *entries, reader=reader, force=True)
        for place, state in enumerate(states):
            live = {key: value for key, value in state.items() if value is not None}
            for when in (moment(place), moment(place) + timedelta(hours=23)):
                assert as_of(connection, when) == live
        results = {result.check_name: result.passed for result in evaluate(connection, THINGS)}
        assert results["primary_key_is_unique"]
        assert results["periods_do_not_overlap"]
        seen = set().union(*states)
        [(known,)] = connection.execute("select count(distinct id) from test.things").fetchall()
        assert known == len(seen)


def _tags(value: tuple[str, list[str]] | None) -> list[dict[str, str]]:
    return [{"tag": tag} for tag in value[1]] if value else []


def test_an_entry_that_is_the_same_stays_as_it_is(connection: DuckDBPyConnection) -> None:
    """No row is opened for another order of fields, or for a null that is left out."""
    apply(connection, 0, {"id": 1, "name": "a", "tags": None, "new": {"x": 1, "y": 2}})
    change = apply(connection, 1, {"new": {"y": 2, "x": 1}, "name": "a", "id": "1", "deleted": None})
    assert change == Change()


def test_another_order_of_a_set_is_no_change(connection: DuckDBPyConnection) -> None:
    """Ids are kept by size, records by what they hold; a list whose order is not said to mean nothing keeps it."""
    roles = [{"role": 2, "name": "b"}, {"role": 1, "name": "c"}]
    apply(connection, 0, {"id": 1, "groups": [3, "20", 100], "roles": roles, "tags": [{"tag": "b"}, {"tag": "a"}]})
    again = {"groups": [100, 20, "3"], "roles": [dict(reversed(role.items())) for role in reversed(roles)]}
    assert apply(connection, 1, {"id": 1, **again, "tags": [{"tag": "b"}, {"tag": "a"}]}) == Change()
    assert apply(connection, 2, {"id": 1, **again, "tags": [{"tag": "a"}, {"tag": "b"}]}).opened == 1
    assert connection.execute("select distinct groups from test.things").fetchall() == [([3, 20, 100],)]


def test_an_entry_that_was_read_before_is_read_the_same() -> None:
    """With what is unknown in it, what cannot be read, and its key that two others share."""
    reader, lists = SnapshotFormat(THINGS), list[list[Any]]()
    lists += [[{"id": 1, "new": 1}, {"id": "x"}], [{"id": 1, "new": 1}, {"id": 2}], [{"id": 2}, {"id": "x"}]]
    for entries in lists:
        text = json.dumps(entries).encode()
        known, fresh = reader.read("list", text), SnapshotFormat(THINGS).read("list", text)
        assert known.frame.equals(fresh.frame)
        assert (known.quarantine, known.unknown, known.unread) == (fresh.quarantine, fresh.unknown, fresh.unread)
    with pytest.raises(UnexpectedAnswer, match="two different entries with the id 2"):
        reader.read("list", b'[{"id": 2}, {"id": 2, "name": "b"}]')


@pytest.mark.parametrize(
    ("current", "left", "held"),
    [(1, 0, True), (2, 1, False), (2, 0, True), (3, 1, True), (4, 2, False), (5, 2, True), (5, 3, False)],
)
def test_more_than_half_must_not_vanish_at_once(
    connection: DuckDBPyConnection, current: int, left: int, held: bool
) -> None:
    """At least two; an empty list is held back wherever rows are current. Nothing changes then."""
    apply(connection, 0, *({"id": key} for key in range(current)))
    entries = [{"id": key} for key in range(left)]
    if held:
        with pytest.raises(SnapshotHeldBack, match=f"{current - left} of {current} current entries"):
            apply(connection, 1, *entries)
        assert len(as_of(connection, moment(1))) == current
        apply(connection, 1, *entries, force=True)
    else:
        assert len(apply(connection, 1, *entries).vanished) == current - left
    assert len(as_of(connection, moment(1))) == left


def test_most_may_be_deleted_at_once(connection: DuckDBPyConnection) -> None:
    """It is the vendor's word."""
    apply(connection, 0, *({"id": key} for key in range(4)))
    change = apply(connection, 1, *({"id": key, "deleted": True} for key in range(4)))
    assert (change.closed, change.deleted, change.vanished) == (4, 4, [])


def test_an_entry_without_an_id_might_be_anyone(connection: DuckDBPyConnection) -> None:
    """Nobody is taken for vanished then; one that tells its id leaves the others to vanish."""
    apply(connection, 0, *({"id": key} for key in range(5)))
    assert apply(connection, 1, {"id": 0}, {"id": 1}, {"id": 2}, {"name": "x"}).vanished == []
    assert apply(connection, 2, {"id": 0}, {"id": 1}, {"id": "2", "deleted": 7}, {"id": 3}).vanished == ["4"]
    assert as_of(connection, moment(2)).keys() == {0, 1, 2, 3}


def test_keys_of_two_columns_and_a_list_without_deletions(connection: DuckDBPyConnection) -> None:
    """A dimension whose vendor only leaves out what is gone."""
    words = [{"language": language, "word": "gift", "meaning": "?"} for language in ("en", "de", "sv")]
    apply(connection, 0, *words, dimension=WORDS)
    change = apply(connection, 1, words[0], words[1] | {"meaning": "poison"}, dimension=WORDS)
    assert (change.opened, change.closed, change.deleted) == (1, 2, 0)
    assert change.vanished == ["sv, gift"]
    checks = {result.check_name: result for result in evaluate(connection, WORDS)}
    assert not checks["no_entry_vanished"].passed
    assert "language sv, word gift" in str(checks["no_entry_vanished"].metadata)
    assert checks["periods_do_not_overlap"].passed


def test_one_key_for_two_entries_is_refused() -> None:
    with pytest.raises(UnexpectedAnswer, match="two different entries with the id 1"):
        SnapshotFormat(THINGS).read("list", b'[{"id": 1, "name": "a"}, {"id": "1", "name": "b"}]')
    assert SnapshotFormat(THINGS).read("list", b'[{"id": 1}, {"id": "1"}]').frame.height == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (None, "record: expected an object, got null"),
        ([], "record: expected an object, got a list"),
        ({"name": "a"}, "id: is missing"),
        ({"id": None}, "id: is missing"),
        ({"id": "one"}, 'id: expected long, got text "one"'),
        ({"id": 1, "tags": "x"}, 'tags: expected a list, got text "x"'),
        ({"id": 1, "name": "\ud800"}, "name: text that is not valid Unicode"),
    ],
)
def test_an_entry_that_cannot_be_read_has_its_reason(entry: Any, reason: str) -> None:
    """The others are read."""
    snapshot = SnapshotFormat(THINGS).read("list", json.dumps([entry, {"id": 2}]).encode())
    [refused] = snapshot.quarantine
    assert (refused.reason, refused.record, json.loads(refused.raw)) == (reason, 1, entry)
    assert snapshot.frame["id"].to_list() == [2]
    told = isinstance(entry, dict) and entry.get("id") == 1
    assert snapshot.unread == ([(1,)] if told else None)


def test_names_are_in_the_order_of_time(tmp_path: Path) -> None:
    """Also when the clock was set back; a list that was archived last is not archived again."""
    snapshots = Snapshots(ArchiveResource(root=str(tmp_path)), THINGS)
    now = datetime(2026, 11, 22, 6, 10, 4, 123_999, tzinfo=UTC)
    assert snapshots.after(None) == []
    first = snapshots.keep(EntityList(b"[]", "1234", "https://example.com"), now)
    assert first
    assert first.name == "2026-11-22T061004.123Z_r1234.json"
    assert (tmp_path / "test" / "things" / "2026-11-22" / first.name).read_bytes() == b"[]"
    assert snapshots.keep(EntityList(b"[]", "1234", "https://example.com"), now) is None
    second = snapshots.keep(EntityList(b"[ ]", "1235", "https://example.com"), now - timedelta(days=3))
    assert second
    assert second.name == "2026-11-22T061004.124Z_r1235.json"
    third = snapshots.keep(EntityList(b"[]", "", "https://example.com"), now + timedelta(days=1))
    assert third
    assert [file.name for file in snapshots.after(None)] == [first.name, second.name, third.name]
    assert snapshots.after(first.scope_start) == [second, third]
    assert (revision_of(first.name), revision_of(third.name)) == ("1234", "")
    assert name_of(third.scope_start, "") == third.name


@pytest.mark.parametrize("revision", ["1234", '"1234"', 'W/"12_3.4"', "../12%20 ~", "a_forced", ""])
def test_a_revision_of_any_spelling_is_told_by_the_name(tmp_path: Path, revision: str) -> None:
    """Also of a list that is forced, and by the name of a file that did not get into the manifest."""
    snapshots = Snapshots(ArchiveResource(root=str(tmp_path)), THINGS)
    kept = snapshots.keep(EntityList(b"[]", revision, "https://example.com"), START)
    assert kept
    assert (revision_of(kept.name), is_forced(kept.name)) == (revision, False)
    forced = snapshots.force(kept)
    assert (revision_of(forced.name), is_forced(forced.name)) == (revision, True)
    assert (forced.sha256, forced.scope_start) == (kept.sha256, kept.scope_start)
    (tmp_path / "test" / "things" / "2026-01-01" / "manifest.json").unlink()
    taken_up = snapshots.after(None)
    assert [(file.name, file.sha256, file.scope_start) for file in taken_up] == [
        (file.name, file.sha256, file.scope_start) for file in (kept, forced)
    ]
    assert snapshots.newest() == taken_up[-1]


def test_a_revision_that_is_too_long_for_a_name_is_left_out(tmp_path: Path) -> None:
    """The list is kept, and asked for whole the next time; the same one is not kept twice."""
    snapshots = Snapshots(ArchiveResource(root=str(tmp_path)), THINGS)
    answer = EntityList(b"[]", "1" * 101, "https://example.com")
    kept = snapshots.keep(answer, START)
    assert kept
    assert revision_of(kept.name) == ""
    assert snapshots.keep(answer, START) is None


def test_a_file_that_is_no_list_is_not_taken_up(tmp_path: Path) -> None:
    """Somebody left it there."""
    snapshots = Snapshots(ArchiveResource(root=str(tmp_path)), THINGS)
    kept = snapshots.keep(EntityList(b"[]", "", "https://example.com"), START)
    (tmp_path / "test" / "things" / "2026-01-01" / "notes.json").write_text("[]")
    assert snapshots.after(None) == [kept]
