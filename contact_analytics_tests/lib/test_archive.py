"""The archive keeps what it was given, whole or not at all, under names that stay inside."""

import gzip
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contact_analytics.lib.archive import MANIFEST, ArchivedDay, ArchiveResource, ListedFile, stored_name
from contact_analytics.lib.bodies import Body, CutShort, gunzip, text_of
from contact_analytics.lib.errors import ConfigurationError, FileUnreadable

DAY = date(2024, 6, 18)
TEXT = b'{"conversation": "caf\xc3\xa9"}\n' * 50
FILE = gzip.compress(TEXT, mtime=0)
OTHER = gzip.compress(TEXT * 2, mtime=0)
HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "",
    ".",
    "..",
    ".lock",
    "manifest.json",
    "MANIFEST.JSON",
    "x" * 300,
    "é" * 300,
    "☕ 名前.gz",
    "nul\x00.gz",
    "new\nline.gz",
    "half \ud800.gz",
    "~",
    "%2E",
]


def listed(name: str = "Engagement.1.2.part-00000-0.gz", hour: int = 0) -> ListedFile:
    start = datetime(2024, 6, 18, hour, tzinfo=UTC)
    return ListedFile(name, f"https://va-a.da.liveperson.net/x/{hour}?token=s3cret", start, start + timedelta(hours=1))


def chunks(body: bytes, size: int = 7) -> Iterator[bytes]:
    yield from (body[at : at + size] for at in range(0, len(body), size))


@pytest.fixture(params=["folder", "file://", "memory://"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveResource:
    """An archive in a folder by its path or its URL, and one in a store that is no folder."""
    places = {"folder": str(tmp_path / "archive"), "file://": f"file://{tmp_path}/archive"}
    return ArchiveResource(root=places.get(request.param, f"memory://{uuid4().hex}/archive"))


@pytest.fixture
def day(archive: ArchiveResource) -> ArchivedDay:
    return archive.day("liveperson", "engagement", DAY)


@pytest.fixture
def local(tmp_path: Path) -> ArchivedDay:
    return ArchiveResource(root=str(tmp_path / "archive")).day("liveperson", "engagement", DAY)


def contents(day: ArchivedDay) -> dict[str, bytes]:
    """Every file of a day's folder, hidden ones included, save the lock."""
    found = list(day.folder.iterdir()) if day.folder.exists() else []
    return {path.name: path.read_bytes() for path in found if path.name != ".lock"}


def test_a_file_is_kept_as_it_was_received(day: ArchivedDay, archive: ArchiveResource) -> None:
    """Bytes, size, digest, scope and source, for whoever opens the archive next; never the link's query."""
    stored = day.store(listed(), chunks(FILE), length=len(FILE))
    again = archive.day("liveperson", "engagement", DAY)
    assert again.files() == [stored]
    assert again.read(stored) == TEXT
    assert contents(day)[listed().name] == FILE
    assert stored.bytes == len(FILE)
    assert stored.source == "https://va-a.da.liveperson.net/x/0"
    assert (stored.scope_start, stored.scope_end) == (listed().scope_start, listed().scope_end)


def test_files_are_in_the_order_of_their_scopes(day: ArchivedDay) -> None:
    """Whatever order they were stored in."""
    for hour in (3, 1, 2):
        day.store(listed(f"{9 - hour}.gz", hour), [FILE])
    assert [file.scope_start.hour for file in day.files()] == [1, 2, 3]


def test_a_day_that_nobody_stored_has_no_files(day: ArchivedDay) -> None:
    """And is no error."""
    assert day.files() == []
    assert day.holds(listed()) is None


def test_a_stored_file_is_held(day: ArchivedDay) -> None:
    """It needs no download."""
    stored = day.store(listed(), [FILE])
    assert day.holds(listed()) == stored
    assert day.holds(listed("another.gz")) is None


BROKEN = {
    "cut by length": (FILE[:-5], len(FILE), f"{len(FILE) - 5:,} of {len(FILE):,} bytes"),
    "too long": (FILE, len(FILE) - 1, "bytes arrived"),
    "truncated gzip": (FILE[:-5], len(FILE) - 5, "within a gzip member"),
    "truncated gzip, no length": (FILE[:-5], None, "within a gzip member"),
    "corrupt checksum": (FILE[:-8] + bytes(4) + FILE[-4:], len(FILE), "damaged gzip"),
    "corrupt data": (FILE[:20] + b"\xff" * 10 + FILE[30:], len(FILE), "damaged gzip"),
    "second member cut": (FILE + FILE[:-3], None, "within a gzip member"),
    "garbage behind": (FILE + b"garbage", None, "damaged gzip"),
    "magic alone": (FILE[:2], None, "within a gzip member"),
    "one byte": (FILE[:1], None, "neither gzip nor whole JSON"),
    "empty": (b"", 0, "empty"),
    "empty, no length": (b"", None, "empty"),
    "text": (b"Service temporarily unavailable", None, "neither gzip nor whole JSON"),
    "blank and a web page": (b"\r\n \xef\xbb\xbf<html></html>", None, "neither gzip nor whole JSON"),
    "JSON cut": (TEXT[:-10], None, "neither gzip nor whole JSON"),
    "blank": (b"\n\n\n", None, "neither gzip nor whole JSON"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_body_that_is_not_whole_leaves_nothing(day: ArchivedDay, case: str) -> None:
    """No file, no manifest entry, no temporary file; what was there before is as it was."""
    body, length, reason = BROKEN[case]
    with pytest.raises(CutShort, match=reason):
        day.store(listed(), chunks(body), length=length)
    assert contents(day) == {}
    stored = day.store(listed(), [OTHER])
    before = contents(day)
    with pytest.raises(CutShort, match=reason):
        day.store(listed(), chunks(body), length=length)
    assert contents(day) == before
    assert day.holds(listed()) == stored


WHOLE = {
    "gzip": FILE,
    "two members": FILE + FILE,
    "padded": FILE + bytes(512),
    "padded between members": FILE + bytes(3) + FILE,
    "plain JSON": TEXT,
    "a JSON list": b"\xef\xbb\xbf [1,\n 2]\n\n",
    "no records": gzip.compress(b""),
    "gzip within gzip": gzip.compress(FILE),
}


@pytest.mark.parametrize("case", WHOLE)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_whole_body_is_whole_however_it_arrives(day: ArchivedDay, case: str, size: int) -> None:
    """One byte at a time too."""
    stored = day.store(listed(), chunks(WHOLE[case], size), length=len(WHOLE[case]))
    assert contents(day)[listed().name] == WHOLE[case]
    assert day.read(stored) == gunzip(WHOLE[case])


@given(
    st.lists(st.binary(max_size=200).map(lambda text: text * 300), min_size=1, max_size=3),
    st.sampled_from([0, 1, 6]),
    st.integers(1, 5000),
)
def test_the_text_of_gzip_is_what_was_compressed(texts: list[bytes], level: int, size: int) -> None:
    """Of all members, piece by piece, however the bytes come."""
    packed = b"".join(gzip.compress(text, level) for text in texts)
    assert b"".join(text_of(chunks(packed, size))) == b"".join(texts)


@given(
    body=st.sampled_from([*WHOLE.values(), *(body for body, length, _ in BROKEN.values() if length is None)]),
    data=st.data(),
)
def test_the_verdict_on_a_body_does_not_depend_on_its_chunks(body: bytes, data: st.DataObject) -> None:
    """A network cuts where it likes."""

    def verdict(pieces: list[bytes]) -> str:
        seen = Body()
        try:
            for piece in pieces:
                seen.feed(piece)
            seen.finish()
        except CutShort as error:
            return str(error).partition(":")[0]
        return f"{seen.size} {seen.sha256}"

    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert verdict(pieces) == verdict([body])


def test_a_failing_download_keeps_the_copy_that_is_there(day: ArchivedDay) -> None:
    """Whatever breaks, halfway."""
    stored = day.store(listed(), [FILE])
    before = contents(day)

    def breaking() -> Iterator[bytes]:
        yield OTHER[:10]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        day.store(listed(), breaking())
    assert contents(day) == before
    assert day.read(stored) == TEXT


def test_storing_again_replaces(day: ArchivedDay) -> None:
    """One file, one entry, the new bytes."""
    day.store(listed(), [FILE])
    stored = day.store(listed(), [OTHER])
    assert day.files() == [stored]
    assert day.read(stored) == TEXT * 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_in_its_folder(archive: ArchiveResource, name: str) -> None:
    """Whatever a vendor calls a file, it is one file beside the manifest, found again by its name."""
    day = archive.day("liveperson", "engagement", DAY)
    stored = day.store(listed(name), [FILE])
    assert day.files() == [stored]
    assert day.holds(listed(name)) == stored
    assert day.read(stored) == TEXT
    assert len(contents(day)) == 2
    assert json.loads(contents(day)[MANIFEST])[0]["name"] == name
    assert [path.name for path in day.folder.parent.iterdir()] == [DAY.isoformat()]


NAMES = st.one_of(st.text(st.characters(), max_size=300), st.sampled_from(HOSTILE))


@given(first=NAMES, second=NAMES)
@example("%7E", "~")
@example("x" * 201, stored_name("x" * 201))
@example(stored_name(MANIFEST), MANIFEST)
def test_distinct_names_are_distinct_files(first: str, second: str) -> None:
    """One path part of at most 200 ASCII characters that is neither hidden nor the manifest nor anybody else's."""
    for stored in (stored_name(first), stored_name(second)):
        assert 0 < len(stored) <= 200
        assert stored.isascii()
        assert stored.isprintable()
        assert "/" not in stored
        assert not stored.startswith(".")
        assert stored != MANIFEST
    assert (stored_name(first) == stored_name(second)) == (first == second)


def test_ordinary_names_are_kept() -> None:
    """Whoever looks into the archive recognises the vendor's files."""
    name = "Engagement.1717200000000.1717203600000.part-00000-0.gz"
    assert stored_name(name) == name


def test_a_file_that_missed_the_manifest_is_taken_up(day: ArchivedDay) -> None:
    """A run killed between the file and its entry costs no download."""
    stored = day.store(listed(), [FILE])
    (day.folder / MANIFEST).unlink()
    taken = day.holds(listed())
    assert taken is not None
    assert (taken.sha256, taken.bytes) == (stored.sha256, stored.bytes)
    assert day.files() == [taken]


def test_a_damaged_file_that_missed_the_manifest_is_not_taken_up(day: ArchivedDay) -> None:
    """Somebody may have copied half of it there."""
    day.store(listed(), [FILE])
    (day.folder / MANIFEST).unlink()
    (day.folder / listed().name).write_bytes(FILE[:-3])
    assert day.holds(listed()) is None
    assert day.files() == []


@pytest.mark.parametrize("damage", [FILE[:-1], FILE[:-1] + b"!", b"", None])
def test_a_damaged_file_is_not_held_and_not_read(day: ArchivedDay, damage: bytes | None) -> None:
    """By size, digest or absence: the vendor's copy is fetched again, and without one an error says which file it is.

    It stays listed: a day that quietly lost a file would load short.
    """
    stored = day.store(listed(), [FILE])
    path = day.folder / listed().name
    path.unlink() if damage is None else path.write_bytes(damage)
    assert day.holds(listed()) is None
    assert day.files() == [stored]
    with pytest.raises(FileUnreadable, match=listed().name):
        day.read(stored)
    day.store(listed(), [FILE])
    assert day.holds(listed()) is not None
    assert day.read(stored) == TEXT


NO_MANIFESTS = [b"", b"[{", b"\xff\xfe", b"{}x", b"null", b"5", b'{"name": "x"}', b"[1]", b'[{"name": "x"}]', b'["x"]']
NO_TIME = b'[{"name":"x","source":"","scope_start":"soon","scope_end":"","bytes":1,"sha256":"","fetched_at":""}]'


@pytest.mark.parametrize("damage", [*NO_MANIFESTS, NO_TIME])
def test_a_damaged_manifest_is_an_error_in_words(day: ArchivedDay, damage: bytes) -> None:
    """Nothing is taken for an empty day, and the files beside it are untouched."""
    day.store(listed(), [FILE])
    (day.folder / MANIFEST).write_bytes(damage)
    for use in (day.files, lambda: day.holds(listed()), lambda: day.store(listed("new.gz"), [FILE])):
        with pytest.raises(FileUnreadable, match=r"manifest\.json is damaged"):
            use()
    assert contents(day)[MANIFEST] == damage
    assert contents(day)[listed().name] == FILE


def test_only_the_owner_can_read(tmp_path: Path, local: ArchivedDay) -> None:
    """Customers' conversations lie there: folders 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        local.store(listed(), [FILE])
    finally:
        os.umask(before)
    made = [tmp_path / "archive", *(tmp_path / "archive").rglob("*")]
    assert {path.name for path in made} >= {
        "archive",
        "liveperson",
        "engagement",
        "2024-06-18",
        listed().name,
        MANIFEST,
    }
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_threads_store_into_one_day(day: ArchivedDay, archive: ArchiveResource) -> None:
    """Every file has its entry."""
    names = [f"{number}.gz" for number in range(40)]
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda name: day.store(listed(name), chunks(FILE)), names))
    assert {file.name for file in day.files()} == set(names)
    assert set(contents(day)) == {*names, MANIFEST}


_STORE = """
import sys
from contact_analytics.lib.archive import ArchiveResource
from contact_analytics_tests.lib.test_archive import DAY, FILE, listed
day = ArchiveResource(root=sys.argv[1]).day("liveperson", "engagement", DAY)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    day.store(listed(f"{sys.argv[2]}-{number}.gz"), [FILE])
"""


def storing(root: Path, name: str, files: int) -> subprocess.Popen[str]:
    """A process of its own that stores files into the day."""
    command = [sys.executable, "-c", _STORE, str(root), name, str(files)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_files_without_an_entry_are_told(local: ArchivedDay) -> None:
    """A vendor that offers no list cannot say that they are missing."""
    assert local.unlisted() == []
    for name in ("known.gz", "tick of a clock: 06:10.json", "half"):
        local.store(listed(name), chunks(FILE))
    entries = json.loads((local.folder / MANIFEST).read_text())
    (local.folder / MANIFEST).write_text(json.dumps([each for each in entries if each["name"] == "known.gz"]))
    assert local.unlisted() == ["half", "tick of a clock: 06:10.json"]


def test_processes_store_into_one_day_and_may_be_killed(tmp_path: Path, local: ArchivedDay) -> None:
    """No entry is lost; one that is killed leaves whole files, a readable manifest, and at most a hidden part."""
    first, second, killed = (storing(tmp_path / "archive", name, n) for name, n in (("a", 60), ("b", 60), ("k", 10**6)))
    with first, second, killed:
        assert first.wait(60) == second.wait(60) == 0
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait(60) == -signal.SIGKILL
    names = {file.name for file in local.files()}
    assert names >= {f"{process}-{number}.gz" for process in "ab" for number in range(60)}
    seen = {name: body for name, body in contents(local).items() if not name.endswith(".part") and name != MANIFEST}
    assert names <= set(seen)
    assert set(seen.values()) == {FILE}
    assert local.store(listed(), [FILE]) in local.files()


def test_what_killed_runs_left_is_swept_when_it_is_old(local: ArchivedDay) -> None:
    """A part that another process may still be writing stays."""
    local.store(listed(), [FILE])
    for name in (".old.part", ".new.part"):
        (local.folder / name).write_bytes(b"half")
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(str(local.folder / ".old.part"), (long_ago, long_ago))
    local.store(listed("next.gz"), [FILE])
    assert set(contents(local)) == {listed().name, "next.gz", MANIFEST, ".new.part"}


def test_an_archive_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With its place, the reason, and the setting."""
    (tmp_path / "archive").write_text("this is a file")
    day = ArchiveResource(root=str(tmp_path / "archive")).day("liveperson", "engagement", DAY)
    for use in (lambda: day.store(listed(), [FILE]), day.files, lambda: day.holds(listed())):
        with pytest.raises(ConfigurationError, match=r"Not a directory.*CONTACT_ANALYTICS_ARCHIVE"):
            use()


def test_a_full_disk_is_named_and_costs_nothing(local: ArchivedDay) -> None:
    """The half-written file is gone, and what was there is as it was."""
    local.store(listed(), [FILE])
    before = contents(local)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ConfigurationError, match="free space"):
            local.store(listed("large.json"), [b'{"a": "' + b"x" * 5000 + b'"}'])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(local) == before
