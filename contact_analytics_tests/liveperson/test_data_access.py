"""Data Access gives a day's files exactly, whole or not at all, whatever the vendor and the network do."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contact_analytics.lib.archive import MANIFEST, ArchivedDay, ArchiveResource, ListedFile
from contact_analytics.lib.dataset import Dataset
from contact_analytics.lib.errors import (
    ApiUnavailable,
    ContactAnalyticsError,
    CredentialsRejected,
    DownloadIncomplete,
    RequestRejected,
    RequestTimedOut,
    UnexpectedAnswer,
)
from contact_analytics.lib.http import Tally
from contact_analytics.liveperson import agent_activity, engagement, survey, web_session
from contact_analytics.liveperson.data_access import DataAccess, LivePersonDataAccessResource
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
DAY = date(2024, 6, 18)
MIDNIGHT = datetime(2024, 6, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROOT = "/data_access_le/account/10203040/le"
DATASETS = [module.DATASET for module in (agent_activity, engagement, survey, web_session)]
SURVEY = survey.DATASET
TEXT = b'{"dataType": {"x": "Survey"}}\n' * 100
FILE = gzip.compress(TEXT, mtime=0)

Resource = Callable[..., LivePersonDataAccessResource]
Reply = Callable[[httpx.Request], httpx.Response]


def sandbox(**options: Any) -> LivePersonDataAccess:
    return LivePersonDataAccess(**{"scale": 0.02, "now": lambda: NOON} | options)


def entry(start: datetime, name: str = "", hours: float = 1, **changed: Any) -> dict[str, Any]:
    """A list entry as the vendor writes it, in the data centre's local time."""
    end = start + timedelta(hours=hours)
    name = name or f"Survey.{start.timestamp() * 1000:.0f}.{end.timestamp() * 1000:.0f}.part-00000-0.gz"
    scope = {"@scopeStartDate": local(start), "@scopeEndDate": local(end)}
    return {"@name": name, **scope, "@href": f"https://va-a.da.liveperson.net{ROOT}/survey/{name}"} | changed


def local(instant: datetime) -> str:
    return (instant - 4 * HOUR).strftime("%Y-%m-%dT%H:%M:%S-04:00")


def listing(file: object) -> httpx.Response:
    return httpx.Response(200, json={"dataAccessFiles": {"@id": "10203040", "file": file}})


class Vendor:
    """An API that answers every list and every file as a test says; base resource as documented."""

    def __init__(self, lists: Reply | None = None, files: Reply | None = None) -> None:
        self._lists = lists or (lambda request: listing(entry(MIDNIGHT)))
        self._files = files or (lambda request: httpx.Response(200, content=FILE))
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == ROOT:
            links = [{"@rel": "survey", "@href": f"https://va-a.da.liveperson.net{ROOT}/survey"}]
            return httpx.Response(200, json={"le": {"link": links}})
        return (self._lists if request.url.path == f"{ROOT}/survey" else self._files)(request)


@contextmanager
def connected(resource: LivePersonDataAccessResource) -> Generator[DataAccess]:
    with resource.connect() as api:
        yield api


def list_day(resource: LivePersonDataAccessResource, dataset: Dataset = SURVEY, day: date = DAY) -> list[ListedFile]:
    with resource.connect() as api:
        return api.list_day(dataset, day, Tally())


@pytest.fixture
def archived(tmp_path: Path) -> ArchivedDay:
    return ArchiveResource(root=str(tmp_path / "archive")).day("liveperson", "survey", DAY)


def download(resource: LivePersonDataAccessResource, archived: ArchivedDay, tally: Tally | None = None) -> bytes:
    """The text of the day's first file, by way of the archive."""
    with resource.connect() as api:
        file = api.list_day(SURVEY, DAY, Tally())[0]
        return archived.read(api.download(file, archived, tally or Tally()))


def kept(archived: ArchivedDay) -> set[str]:
    return {path.name for path in archived.folder.iterdir()} - {".lock"} if archived.folder.exists() else set()


# Windows


@pytest.mark.parametrize("inclusive", ["overlap", "closed", "strict"])
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_days_are_half_open_whatever_the_servers_windows_are(
    data_access: Resource, dataset: Dataset, inclusive: str
) -> None:
    """Every file belongs to one of three adjacent days, to the one that its scope begins on, and none is missing."""
    app = sandbox(inclusive=inclusive, scale=1.0)
    days = [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)]
    found = [list_day(data_access(app), dataset, day) for day in days]
    for day, files in zip(days, found, strict=True):
        truth = [f"{file.name.removesuffix('.gz')}.gz" for file in app.files(dataset.name, day)]
        assert sorted(file.name for file in files) == sorted(truth)
    middle = {file.scope_start for file in found[1]}
    assert {MIDNIGHT, MIDNIGHT + 23 * HOUR} <= middle


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (MIDNIGHT - HOUR, -1),
        (MIDNIGHT - timedelta(milliseconds=1000), -1),
        (MIDNIGHT, 0),
        (MIDNIGHT + 23 * HOUR, 0),
        (MIDNIGHT + 24 * HOUR, 1),
    ],
)
def test_a_file_belongs_to_the_day_that_its_scope_begins_on(data_access: Resource, start: datetime, day: int) -> None:
    """Also where the server lists more than it was asked for."""
    resource = data_access(Vendor(lambda request: listing([entry(start)])))
    days = {back: list_day(resource, day=DAY + timedelta(days=back)) for back in (-1, 0, 1)}
    assert [back for back, files in days.items() if files] == [day]
    assert days[day][0].scope_start == start


def test_a_window_reaches_an_hour_beyond_the_day(data_access: Resource) -> None:
    """In epoch milliseconds, so that no reading of its bounds loses the first or the last file."""
    vendor = Vendor()
    list_day(data_access(vendor))
    params = vendor.requests[-1].url.params
    assert params["startTime"] == str(round((MIDNIGHT - HOUR).timestamp()) * 1000)
    assert params["endTime"] == str(round((MIDNIGHT + 25 * HOUR).timestamp()) * 1000)


def test_a_single_file_may_come_without_a_list(data_access: Resource) -> None:
    """As XML that became JSON has it."""
    assert len(list_day(data_access(Vendor(lambda request: listing(entry(MIDNIGHT)))))) == 1


def test_names_with_and_without_gz_are_one_file(data_access: Resource) -> None:
    """In one list and between lists, so that nothing is downloaded twice."""
    [short] = list_day(data_access(Vendor(lambda request: listing(entry(MIDNIGHT, "Survey.1.2.part-0")))))
    both = [entry(MIDNIGHT, "Survey.1.2.part-0"), entry(MIDNIGHT, "Survey.1.2.part-0.gz")]
    [one] = list_day(data_access(Vendor(lambda request: listing(both))))
    assert one.name == short.name == "Survey.1.2.part-0.gz"


def test_files_are_in_order(data_access: Resource) -> None:
    """By scope and name, whatever the list's order."""
    entries = [entry(MIDNIGHT + hour * HOUR) for hour in (5, 0, 3)]
    files = list_day(data_access(Vendor(lambda request: listing(entries))))
    assert [file.scope_start.hour for file in files] == [0, 3, 5]


@pytest.mark.parametrize("hours", [4, 6, 13, 20])
def test_a_window_too_wide_for_the_server_is_split(data_access: Resource, hours: int) -> None:
    """And the parts together are exactly the whole, each file once."""
    wide, narrow = sandbox(scale=0.3), sandbox(scale=0.3, max_window=timedelta(hours=hours))
    start, end = MIDNIGHT - timedelta(days=2), MIDNIGHT + timedelta(days=1, hours=1)
    tally = Tally()
    with connected(data_access(wide)) as one, connected(data_access(narrow)) as other:
        assert one.list_files("survey", start, end, Tally()) == other.list_files("survey", start, end, tally)
    assert tally.retries == 0
    assert list_day(data_access(narrow)) == list_day(data_access(wide))


def test_a_silence_about_a_wide_window_splits_it(data_access: Resource) -> None:
    """A read timeout is the other way in which a server says that it is too much."""
    app = sandbox(scale=0.3)
    whole = list_day(data_access(app))
    app.faults.append(Fault("startTime", "timeout", times=2))
    tally = Tally()
    with connected(data_access(app)) as api:
        assert api.list_day(SURVEY, DAY, tally) == whole
    assert (tally.calls, tally.retries) == (1 + 2 + 3, 0)


def test_a_server_that_times_out_on_anything_ends_it(data_access: Resource) -> None:
    """Four hours are narrow enough: they are retried, and then it is an error."""
    app = sandbox(max_window=timedelta(hours=2))
    with pytest.raises(RequestTimedOut, match="504"):
        list_day(data_access(app))
    assert len(app.requests) < 12


# What is no list


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_no_available_files_is_the_vendors_word_for_none(data_access: Resource, status: int) -> None:
    """With whatever status it comes, at the first try."""
    vendor = Vendor(lambda request: httpx.Response(status, text="No Available Files for account 10203040"))
    assert list_day(data_access(vendor)) == []
    assert len(vendor.requests) == 2


def test_an_empty_list_is_none(data_access: Resource) -> None:
    """It says so in the documented shape."""
    assert list_day(data_access(Vendor(lambda request: listing([])))) == []


SHAPES: dict[str, Any] = {
    "no file": {"dataAccessFiles": {"@id": "10203040"}},
    "null": {"dataAccessFiles": {"file": None}},
    "text": {"dataAccessFiles": {"file": "none"}},
    "empty text": {"dataAccessFiles": {"file": ""}},
    "number": {"dataAccessFiles": {"file": 0}},
    "false": {"dataAccessFiles": {"file": False}},
    "empty object": {"dataAccessFiles": {"file": {}}},
    "list of null": {"dataAccessFiles": {"file": [None]}},
    "list of text": {"dataAccessFiles": {"file": ["Survey.1.2.gz"]}},
    "list of lists": {"dataAccessFiles": {"file": [[]]}},
    "not wrapped": {"file": []},
    "files null": {"dataAccessFiles": None},
    "files a list": {"dataAccessFiles": []},
    "a list": [],
    "null itself": None,
    "a number": 0,
    "a text": "No Available Files",
    "an error": {"error": "something"},
    "no name": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@name": None})]}},
    "empty name": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@name": ".gz"})]}},
    "name a number": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@name": 5})]}},
    "half a character": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@name": "\ud800"})]}},
    "no link": {"dataAccessFiles": {"file": [{k: v for k, v in entry(MIDNIGHT).items() if k != "@href"}]}},
    "link null": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@href": None})]}},
    "no offset": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@scopeStartDate": "2024-06-18T00:00:00"})]}},
    "a day": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@scopeEndDate": "2024-06-18"})]}},
    "garbage": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@scopeStartDate": "yesterday"})]}},
    "milliseconds": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@scopeStartDate": 1718668800000})]}},
    "before time": {"dataAccessFiles": {"file": [entry(MIDNIGHT, **{"@scopeStartDate": "0001-01-01T00:00:00+14:00"})]}},
    "backwards": {"dataAccessFiles": {"file": [entry(MIDNIGHT, hours=-1)]}},
    "two scopes": {"dataAccessFiles": {"file": [entry(MIDNIGHT, "a"), entry(MIDNIGHT + HOUR, "a.gz")]}},
    "one of two": {"dataAccessFiles": {"file": [entry(MIDNIGHT), None]}},
}
BODIES = {
    "web page": b"<!DOCTYPE html><html><body>Log in</body></html>",
    "empty": b"",
    "the vendor's word": b"No Available Files",
    "cut": json.dumps(SHAPES["backwards"]).encode()[:-9],
    "too deep": b"[" * 100_000,
    "not UTF-8": b'{"dataAccessFiles": "\xff"}',
}


@pytest.mark.parametrize("body", [*SHAPES, *BODIES])
def test_what_is_no_list_is_an_error_and_never_an_empty_day(data_access: Resource, body: str) -> None:
    """With status 200 too: at once, in words, without the query."""
    content = json.dumps(SHAPES[body]).encode() if body in SHAPES else BODIES[body]
    vendor = Vendor(lambda request: httpx.Response(200, content=content))
    with pytest.raises(UnexpectedAnswer, match="le/survey") as raised:
        list_day(data_access(vendor))
    assert "startTime" not in str(raised.value)
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("status", [201, 204])
def test_success_without_a_list_is_an_error(data_access: Resource, status: int) -> None:
    """Nothing is not none."""
    with pytest.raises(UnexpectedAnswer):
        list_day(data_access(Vendor(lambda request: httpx.Response(status))))


@pytest.mark.parametrize(
    "answer",
    [
        {"le": {"link": []}},
        {"le": {"link": {"@rel": "self", "@href": "https://va-a.da.liveperson.net"}}},
        {"le": {}},
        {"le": None},
        {},
        [],
        {"le": {"link": [{"@rel": "survey"}]}},
        {"le": {"link": [{"@rel": "survey", "@href": None}]}},
        {"le": {"link": "survey"}},
        {"le": {"link": [{"@rel": "survey", "@href": f"http://va-a.da.liveperson.net{ROOT}/survey"}]}},
        {"le": {"link": [{"@rel": "survey", "@href": "https://\u0000"}]}},
    ],
)
def test_a_base_resource_without_the_dataset_is_an_error(data_access: Resource, answer: Any) -> None:
    """And nothing else is asked, least of all in the clear."""
    requests: list[httpx.Request] = []

    def app(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=answer)

    with pytest.raises((UnexpectedAnswer, RequestRejected)):
        list_day(data_access(app))
    assert len(requests) == 1


def test_a_dataset_that_is_not_enabled_is_refused_in_words(data_access: Resource) -> None:
    """Whether the base resource lacks it or its list is forbidden: the account manager enables it."""
    with pytest.raises(CredentialsRejected, match="enabled"):
        list_day(data_access(sandbox(enabled=["engagement"])))
    with (
        connected(data_access(Vendor())) as api,
        pytest.raises(RequestRejected, match=r"has no webSession; it has survey\. Each data type is enabled"),
    ):
        api.list_day(web_session.DATASET, DAY, Tally())


def test_another_account_is_refused(data_access: Resource) -> None:
    """The key is of one account."""
    with pytest.raises(CredentialsRejected, match="that the key is for this account"):
        list_day(data_access(sandbox(), account_id="999"))


def test_the_methods_are_asked_for_once(data_access: Resource) -> None:
    """However many days are listed."""
    app = sandbox()
    with connected(data_access(app)) as api:
        for back in range(3):
            api.list_day(SURVEY, DAY - timedelta(days=back), Tally())
    assert [path for _, path in app.requests].count(ROOT) == 1


@pytest.mark.parametrize("region", ["us", "UK", "apac"])
def test_a_region_has_its_host(data_access: Resource, region: str) -> None:
    """Documented for the three."""
    vendor = Vendor()
    list_day(data_access(vendor, region=region))
    assert vendor.requests[0].url.host == {"us": "va", "UK": "lo", "apac": "sy"}[region] + ".da.liveperson.net"


# Trouble


@pytest.mark.parametrize("kind", ["503", "500", "429", "connection"])
def test_trouble_with_a_list_passes(data_access: Resource, kind: str) -> None:
    """Two failures and an answer are an answer."""
    app = sandbox(faults=[Fault("startTime", kind, times=2)])
    tally = Tally()
    with connected(data_access(app)) as api:
        assert api.list_day(SURVEY, DAY, tally)
    assert (tally.calls, tally.retries) == (4, 2)


@pytest.mark.parametrize(("kind", "calls"), [("503", 4), ("429", 6), ("connection", 4), ("401", 1), ("403", 1)])
def test_lasting_trouble_with_a_list_is_an_error(data_access: Resource, kind: str, calls: int) -> None:
    """After as many tries as LivePerson asks for, and never an empty day."""
    app = sandbox(faults=[Fault("startTime", kind, times=99)])
    with pytest.raises((ApiUnavailable, CredentialsRejected)):
        list_day(data_access(app))
    assert len(app.requests) == 1 + calls


@pytest.mark.parametrize("path", [ROOT, "startTime", "part-"])
def test_a_redirect_is_refused(data_access: Resource, archived: ArchivedDay, path: str) -> None:
    """It is not followed: to a login page it would end in a web page, to another host in a leak."""
    app = sandbox(faults=[Fault(path, "redirect", value="https://va-a.da.liveperson.net/elsewhere")])
    with pytest.raises(UnexpectedAnswer, match="Redirects"):
        download(data_access(app), archived)
    assert not any(path.endswith("elsewhere") for _, path in app.requests)


# Downloads


class Pieces(httpx.SyncByteStream):
    """A body in pieces, and an error behind them."""

    def __init__(self, *pieces: bytes | httpx.TransportError) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, httpx.TransportError):
                raise piece
            yield piece


def body(*pieces: bytes | httpx.TransportError, **headers: str) -> Callable[[], httpx.Response]:
    """An answer, made anew for each request."""
    known = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx.Response(200, headers=known, stream=Pieces(*pieces))


CUT = {
    "cut by length": body(FILE[:-9], Content_Length=str(len(FILE))),
    "too long": body(FILE, b"more", Content_Length=str(len(FILE))),
    "truncated with matching length": body(FILE[:-9], Content_Length=str(len(FILE) - 9)),
    "truncated without length": body(FILE[:-9]),
    "corrupt": body(FILE[:-8], b"\0\0\0\0", FILE[-4:], Content_Length=str(len(FILE))),
    "empty": body(Content_Length="0"),
    "empty without length": body(),
    "second member cut": body(FILE, FILE[:-9]),
    "plain JSON cut": body(TEXT[:-9]),
    "other text": body(b"upstream connect error or disconnect/reset before headers"),
    "another encoding": body(b"\x1b\x03", TEXT[:7], Content_Encoding="br"),
}
SILENCE = {
    "reset": body(FILE[:9], httpx.ReadError("reset"), Content_Length=str(len(FILE))),
    "closed": body(FILE[:9], httpx.RemoteProtocolError("peer closed connection without sending complete message")),
    "silent": body(FILE[:9], httpx.ReadTimeout("silence")),
}


@pytest.mark.parametrize("case", [*CUT, *SILENCE])
def test_a_body_that_is_cut_is_fetched_again(data_access: Resource, archived: ArchivedDay, case: str) -> None:
    """And the file is whole in the end, with nothing left of the tries before."""
    answers = [CUT.get(case) or SILENCE[case]] * 3 + [body(FILE, Content_Length=str(len(FILE)))]
    tally = Tally()
    vendor = Vendor(files=lambda request: answers.pop(0)())
    assert download(data_access(vendor), archived, tally) == TEXT
    assert (tally.calls, tally.retries) == (4, 3)
    assert tally.bytes >= len(FILE)
    assert len(kept(archived)) == 2


@pytest.mark.parametrize("case", [*CUT, *SILENCE])
def test_a_body_that_stays_cut_is_named_and_not_kept(data_access: Resource, archived: ArchivedDay, case: str) -> None:
    """Neither it nor a part of it, and the copy of an earlier day's run stays."""
    answer = CUT.get(case) or SILENCE[case]
    error = DownloadIncomplete if case in CUT else ApiUnavailable
    resource = data_access(Vendor(files=lambda request: answer()))
    with pytest.raises(error, match=r"Survey\.1718668800000\.1718672400000\.part-00000-0\.gz"):
        download(resource, archived)
    assert kept(archived) == set()
    assert download(data_access(Vendor()), archived) == TEXT
    before = {name: (archived.folder / name).read_bytes() for name in kept(archived)}
    with pytest.raises(error):
        download(resource, archived)
    assert {name: (archived.folder / name).read_bytes() for name in kept(archived)} == before


WHOLE = {
    "with length": (body(FILE, Content_Length=str(len(FILE))), TEXT),
    "without length": (body(FILE[:7], FILE[7:]), TEXT),
    "in single bytes": (body(*(FILE[at : at + 1] for at in range(len(FILE)))), TEXT),
    "an odd length": (body(FILE, Content_Length="unknown"), TEXT),
    "two members": (body(FILE, FILE), TEXT + TEXT),
    "encoded once more": (body(gzip.compress(FILE), Content_Encoding="gzip"), TEXT),
    "declared as encoded": (body(FILE, Content_Encoding="gzip", Content_Length=str(len(FILE))), TEXT),
    "plain JSON": (body(TEXT), TEXT),
    "plain JSON after blanks": (body(b"\r\n", b"\xef\xbb\xbf", TEXT), b"\r\n\xef\xbb\xbf" + TEXT),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_body_is_taken_as_it_comes(data_access: Resource, archived: ArchivedDay, case: str) -> None:
    """At the first try."""
    answer, text = WHOLE[case]
    tally = Tally()
    assert download(data_access(Vendor(files=lambda request: answer())), archived, tally) == text
    assert (tally.calls, tally.retries) == (1, 0)
    assert tally.bytes == archived.files()[0].bytes


@pytest.mark.parametrize(
    "pieces",
    [
        [b"<!DOCTYPE html><html>Log in</html>"],
        [b"\n", b"\r\n <html></html>"],
        [b"\xef\xbb\xbf", b"<html></html>"],
        [b"<", b"html></html>"],
        [b'{"error":', b'"internal"}'],
        [b'[{"message": "', b"x" * 5000, b'"}]'],
    ],
)
def test_a_web_page_or_an_error_instead_of_a_file_is_refused(
    data_access: Resource, archived: ArchivedDay, pieces: list[bytes]
) -> None:
    """With status 200, at once: neither becomes a file, which later runs would take for the hour's."""
    vendor = Vendor(files=lambda request: body(*pieces, Content_Type="text/html")())
    with pytest.raises(UnexpectedAnswer, match=r"part-00000-0\.gz was answered 200 with a web page"):
        download(data_access(vendor), archived)
    assert kept(archived) == set()
    assert len(vendor.requests) == 3


def test_a_file_that_is_gone_is_refused(data_access: Resource, archived: ArchivedDay) -> None:
    """The vendor deleted it after it was listed."""
    with pytest.raises(RequestRejected, match="404"):
        download(data_access(Vendor(files=lambda request: httpx.Response(404))), archived)
    assert kept(archived) == set()


@pytest.mark.parametrize("link", ["http://va-a.da.liveperson.net/file.gz?s3cret", "http://127.0.0.1/x", "ftp://x/y"])
def test_a_link_that_leaves_https_is_not_followed(data_access: Resource, archived: ArchivedDay, link: str) -> None:
    """Customers' conversations do not travel in the clear because a list says so."""
    vendor = Vendor(lambda request: listing(entry(MIDNIGHT, **{"@href": link})))
    with pytest.raises(UnexpectedAnswer, match="not an https:// address") as raised:
        download(data_access(vendor), archived)
    assert "s3cret" not in str(raised.value)
    assert len(vendor.requests) == 2


def test_a_link_is_asked_for_as_it_is_written(data_access: Resource, archived: ArchivedDay) -> None:
    """Its query belongs to the request and to no record of it."""
    href = f"https://va-a.da.liveperson.net{ROOT}/survey/a%2Fb.gz?sig=s3cret%2B%3D&x=1"
    vendor = Vendor(lambda request: listing(entry(MIDNIGHT, **{"@href": href})))
    assert download(data_access(vendor), archived) == TEXT
    assert str(vendor.requests[-1].url) == href
    assert "s3cret" not in (archived.folder / MANIFEST).read_text()


@pytest.mark.parametrize("kind", ["cut_body", "dropped_body", "truncated_gzip", "corrupt_gzip"])
def test_the_sandboxes_faults_of_files_pass(data_access: Resource, archived: ArchivedDay, kind: str) -> None:
    """The file of the real protocol, byte for byte."""
    app = sandbox(faults=[Fault("part-", kind, times=2)])
    assert download(data_access(app), archived) == gzip.decompress(app.body(app.files("survey", DAY)[0]))


def test_a_day_is_downloaded_exactly(data_access: Resource, archived: ArchivedDay) -> None:
    """Every file of it, as the vendor has it."""
    app, tally = sandbox(scale=0.1), Tally()
    with connected(data_access(app)) as api:
        for file in api.list_day(SURVEY, DAY, tally):
            api.download(file, archived, tally)
    bodies = [app.body(file) for file in app.files("survey", DAY)]
    assert [archived.read(file) for file in archived.files()] == [gzip.decompress(body) for body in bodies]
    assert (tally.calls, tally.retries) == (2 + len(bodies), 0)
    assert tally.bytes > sum(map(len, bodies))


# Ways


@contextmanager
def listening(answer: bytes) -> Generator[tuple[int, list[bytes]]]:
    """A port on this machine, and the first lines of what came to it."""
    lines: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    lines.append(connection.recv(65_536).partition(b"\r\n")[0])
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], lines
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_requests_go_through_the_environments_proxy_but_not_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company's proxy there is no other way out; and no way back to the sandbox through it."""
    known = {name: getattr(LivePersonDataAccess, name) for name in ("account_id", "app_key", "app_secret")}
    known |= {"access_token": "a", "access_token_secret": "b", "region": "us", "retry_wait_seconds": 0}
    with (
        listening(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as (proxy, proxied),
        listening(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as (port, reached),
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
            monkeypatch.delenv(name.lower(), raising=False)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ApiUnavailable):
            list_day(LivePersonDataAccessResource(**known))
        assert set(proxied) == {b"CONNECT va.da.liveperson.net:443 HTTP/1.1"}
        proxied.clear()
        with pytest.raises(ContactAnalyticsError, match="404"):
            list_day(LivePersonDataAccessResource(**known, data_access_url=f"http://127.0.0.1:{port}"))
        assert proxied == []
        assert len(reached) == 1
