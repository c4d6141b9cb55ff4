"""Data Access files: every row of every dataset comes back, or is named with the reason why not."""

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contact_analytics.lib.bodies import by_documents
from contact_analytics.lib.formats import Decoded
from contact_analytics.lib.schema import facts
from contact_analytics.liveperson import agent_activity, engagement, survey, web_session
from contact_analytics.liveperson.files import FileFormat

NAMESPACE = "com.liveperson.dataaccess."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATASETS: dict[str, tuple[FileFormat, type[dy.Schema]]] = {
    "agent_activity": (agent_activity.FORMAT, agent_activity.AgentActivity),
    "engagement": (engagement.FORMAT, engagement.Engagement),
    "survey": (survey.FORMAT, survey.Survey),
    "web_session": (web_session.FORMAT, web_session.WebSession),
}
Row = dict[str, Any]
every_dataset = pytest.mark.parametrize("dataset", DATASETS)
slowly = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def sample(column: dy.Column, number: int) -> Any:
    """A value for a column, the same for the same number; a union has its first branch."""
    if facts(column).avro == "JSON":
        return json.dumps({"number": number})
    if isinstance(column, dy.List):
        return [sample(column.inner, number), sample(column.inner, number + 1)]
    if isinstance(column, dy.Struct):
        given = list(column.inner)[:1] if facts(column).union else column.inner
        return {name: sample(inner, number) if name in given else None for name, inner in column.inner.items()}
    texts = {
        pl.String: f"t{number}",
        pl.Boolean: True,
        pl.Float64: number + 0.5,
        pl.Datetime: 1_717_200_000_000 + number,
    }
    return texts.get(type(column.dtype), number)


def sample_row(dataset: str, number: int) -> Row:
    return {name: sample(column, number) for name, column in DATASETS[dataset][1].columns().items()}


def sample_line(dataset: str, *numbers: int, production: bool = False) -> bytes:
    """An envelope with a row for each number; a web session is the first of them."""
    rows = [sample_row(dataset, number) for number in numbers]
    return DATASETS[dataset][0].write(rows[0], *rows, production=production)


def sample_document(dataset: str, *numbers: int) -> dict[str, Any]:
    return json.loads(sample_line(dataset, *numbers))


def decode(dataset: str, *documents: Any) -> Decoded:
    """What a file of these documents holds; bytes stand for a line as they are."""
    lines = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
    return DATASETS[dataset][0].decode(b"\n".join(lines))


def rows_of(decoded: Decoded) -> list[Row]:
    return [comparable(row) for row in decoded.frame.drop("_extra", "_record").to_dicts()]


def comparable(value: Any) -> Any:
    """A value whose times are epoch milliseconds again, and whose NaN equals itself."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    return [comparable(item) for item in value] if isinstance(value, list) else value


def extras(decoded: Decoded) -> list[Any]:
    return [json.loads(extra) if extra else None for extra in decoded.frame["_extra"]]


def at(content: Any, *path: Any) -> Any:
    """The part of a document at a path; `array` and type names are steps like any other."""
    for step in path:
        content = content[step]
    return content


def rows_in(dataset: str, document: Any) -> list[Any]:
    """The list of rows in the first body of a document."""
    [branch] = at(document, "recordCollection", 0, "body").values()
    return next(part for name, part in branch.items() if name != "header")["array"]


# Generated rows -----------------------------------------------------------------------------------------------------

texts = st.text(max_size=6) | st.sampled_from(
    ["", "null", "\x00", "a\nb", "\u2028", "👩🏽‍💻", '"\\', "\ufeff", "é" * 40]
)
odd_values = st.recursive(st.none() | st.integers() | texts, lambda inner: st.dictionaries(texts, inner, max_size=2))
SCALARS: dict[type[pl.DataType], st.SearchStrategy[Any]] = {
    pl.String: texts,
    pl.Int32: st.integers(-(2**31), 2**31 - 1) | st.sampled_from([-(2**31), 2**31 - 1]),
    pl.Int64: st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1]),
    pl.Datetime: st.sampled_from([-62_135_596_800_000, 253_402_300_799_999, 0, -1]) | st.integers(-(10**13), 10**14),
    pl.Float64: st.floats(),
    pl.Boolean: st.booleans(),
}


def values(column: dy.Column) -> st.SearchStrategy[Any]:
    """Every value that a column can hold, except null."""
    if facts(column).avro == "JSON":
        return odd_values.filter(lambda value: value is not None).map(json.dumps)
    if isinstance(column, dy.List):
        return st.lists(values(column.inner), max_size=2)
    if isinstance(column, dy.Struct):
        return fields(column.inner)
    return SCALARS[type(column.dtype)]


def fields(columns: dict[str, dy.Column]) -> st.SearchStrategy[Row]:
    """A few fields filled, in any combination, and the others null: what makes wide records quick to generate."""
    nothing = dict.fromkeys(columns)
    options = {name: values(column) for name, column in columns.items()}

    def some(names: list[str]) -> st.SearchStrategy[Row]:
        return st.fixed_dictionaries({name: options[name] for name in names}).map(lambda row: nothing | row)

    return st.lists(st.sampled_from(list(columns)), max_size=5, unique=True).flatmap(some)


SESSIONS = {name: st.lists(fields(schema.columns()), min_size=1, max_size=3) for name, (_, schema) in DATASETS.items()}
SECTIONS = [
    name for name, c in web_session.WebSession.columns().items() if facts(c).section not in ("metaData", "header")
]


@every_dataset
@slowly
@given(data=st.data())
def test_rows_come_back_as_they_were_written(dataset: str, data: st.DataObject) -> None:
    """All values of all columns, in both encodings of the envelope, in order, fast or record by record."""
    file_format, schema = DATASETS[dataset]
    lines, expected, numbers = list[bytes](), list[Row](), list[int]()
    sessions = data.draw(st.lists(SESSIONS[dataset], max_size=3))
    encodings = data.draw(st.sampled_from([[False], [True], [False, True]]))
    for number, rows in enumerate(sessions, 1):
        lines.append(file_format.write(rows[0], *rows, production=encodings[number % len(encodings)]))
        if dataset == "web_session":
            held = rows[:1] if any(rows[0][section] is not None for section in SECTIONS) else []
        else:
            held = rows
        shared = {n: rows[0][n] for n, c in schema.columns().items() if facts(c).section in ("metaData", "header")}
        expected += [row | shared for row in held]
        numbers += [number] * len(held)
    fast = file_format.decode(b"\n".join(lines))
    assert rows_of(fast) == [comparable(row) for row in expected]
    assert fast.frame["_record"].to_list() == numbers
    assert (fast.rejected, fast.unknown, extras(fast)) == ([], Counter(), [None] * len(expected))
    assert dict(fast.frame.drop("_extra", "_record").schema) == {n: c.dtype for n, c in schema.columns().items()}
    slow = file_format.decode(b"\n".join([*lines, b"null"]))
    assert slow.frame.equals(fast.frame)
    assert [rejected.record for rejected in slow.rejected] == [len(lines) + 1]


@every_dataset
@pytest.mark.parametrize("production", [False, True])
def test_every_field_filled_comes_back(dataset: str, production: bool) -> None:
    """No column is left out by the generator of few fields."""
    decoded = DATASETS[dataset][0].decode(sample_line(dataset, 1, production=production))
    assert rows_of(decoded) == [sample_row(dataset, 1)]
    assert not decoded.rejected


# Layouts ------------------------------------------------------------------------------------------------------------


@every_dataset
@pytest.mark.parametrize(
    "layout",
    [
        lambda documents: "\n".join(map(json.dumps, documents)) + "\n",
        lambda documents: "\n".join(map(json.dumps, documents)),
        lambda documents: "\r\n".join(map(json.dumps, documents)) + "\r\n",
        lambda documents: "\n\n \n" + "\n\n\n".join(map(json.dumps, documents)) + "\n\n",
        lambda documents: "\n".join(json.dumps(document, indent=2) for document in documents),
        lambda documents: "\n\n".join(json.dumps(document, indent="\t") for document in documents),
        lambda documents: "".join(map(json.dumps, documents)),
        lambda documents: " ".join(map(json.dumps, documents)),
        json.dumps,
        lambda documents: json.dumps(documents, indent=2),
        lambda documents: "[\n" + ",\n".join(map(json.dumps, documents)) + "\n]\n",
        lambda documents: "\ufeff" + "\n".join(map(json.dumps, documents)),
        lambda documents: "\ufeff" + json.dumps(documents),
    ],
    ids=[
        "lines",
        "unfinished",
        "crlf",
        "blanks",
        "pretty",
        "tabs",
        "joined",
        "spaced",
        "array",
        "pretty array",
        "array of lines",
        "mark",
        "mark and array",
    ],
)
def test_the_layout_of_documents_does_not_matter(dataset: str, layout: Any) -> None:
    """The vendor's words and its files differ: all layouts give the same rows, and the same document numbers."""
    documents = [sample_document(dataset, number, number + 10) for number in (1, 2, 3)]
    decoded = DATASETS[dataset][0].decode(layout(documents).encode())
    plain = decode(dataset, *documents)
    assert decoded.frame.equals(plain.frame)
    assert not decoded.rejected
    assert sorted(set(decoded.frame["_record"])) == [1, 2, 3]


@every_dataset
@pytest.mark.parametrize("text", [b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf", b"[]", b"[ ]\n"])
def test_a_file_without_documents_has_no_rows(dataset: str, text: bytes) -> None:
    """An empty file is a frame of the same columns, not an error."""
    decoded = DATASETS[dataset][0].decode(text)
    assert decoded.frame.height == 0
    assert decoded.frame.schema == decode(dataset, sample_document(dataset, 1)).frame.schema
    assert not decoded.rejected


@every_dataset
@pytest.mark.parametrize("problem", [b"", b"{broken"])
def test_records_are_counted_through_a_large_file(dataset: str, problem: bytes) -> None:
    """A file of many blocks numbers its documents from 1 to the end; blank lines are no documents."""
    lines = [sample_line(dataset, number) for number in range(40)]
    copies = 9_500_000 // sum(map(len, lines)) if not problem else 2
    decoded = DATASETS[dataset][0].decode(b"\n\n".join([*lines * copies, problem]))
    assert decoded.frame["_record"].to_list() == list(range(1, 40 * copies + 1))
    assert [rejected.record for rejected in decoded.rejected] == ([40 * copies + 1] if problem else [])


def test_a_record_of_ten_megabytes_is_read() -> None:
    """A conversation may be larger than any block of the reader."""
    row = sample_row("engagement", 1) | {"start_page": "x" * 10_000_000}
    decoded = decode("engagement", sample_line("engagement", 0), engagement.FORMAT.write(row, row))
    assert rows_of(decoded) == [sample_row("engagement", 0), row]


# Other encodings ----------------------------------------------------------------------------------------------------


def without_wrappers(value: Any) -> Any:
    """A document as plain JSON: without the names of union branches, except a body's, which names the section."""
    if isinstance(value, list):
        return [without_wrappers(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, inner)] = value.items()
        section = name.endswith("Data") and name.startswith(
            (f"{NAMESPACE}Web", f"{NAMESPACE}Agent", f"{NAMESPACE}Eng", f"{NAMESPACE}Sur")
        )
        if name in {"string", "long", "int", "double", "boolean", "array"} or ("." in name and not section):
            return without_wrappers(inner)
    return {name: without_wrappers(inner) for name, inner in value.items()}


@every_dataset
def test_plain_json_without_wrappers_is_the_same_row(dataset: str) -> None:
    """The vendor's beta files name no branches; records are known by their fields."""
    document = sample_document(dataset, 1, 2)
    decoded = decode(dataset, without_wrappers(document))
    assert rows_of(decoded) == rows_of(decode(dataset, document))
    assert not decoded.unknown
    assert not decoded.rejected


@pytest.mark.parametrize(
    ("section", "field"), [("engagement_attributes", "data"), ("achieved_goals", "goal_meta_data")]
)
def test_a_union_without_a_wrapper_is_known_by_its_fields(section: str, field: str) -> None:
    """Each branch of a record union is found again from its keys alone."""
    column: Any = web_session.WebSession.columns()[section]
    union = column.inner.inner[field].inner
    for branch, inner in union.items():
        item = dict.fromkeys(column.inner.inner) | {field: dict.fromkeys(union) | {branch: sample(inner, 1)}}
        row = dict.fromkeys(sample_row("web_session", 1)) | {"visit_id": "v", section: [item]}
        plain = without_wrappers(json.loads(web_session.FORMAT.write(row)))
        assert rows_of(decode("web_session", plain)) == [row], branch


def test_other_spellings_and_number_branches_are_the_same_row() -> None:
    """The vendor's tables and its examples spell names differently, and number types vary."""
    document = sample_document("agent_activity", 1)
    [row] = rows_in("agent_activity", document)
    for name, spelling in (
        ("agentUsername", "agentUserName"),
        ("agentNickname", "agentNickName"),
        ("agentID", "agentId"),
    ):
        row[spelling] = row.pop(name)
    row |= {"type": {"int": 1}, "agentEmployeeId": {"long": 1}, "state": {"double": 1.0}}
    decoded = decode("agent_activity", document)
    expected = sample_row("agent_activity", 1) | {"agent_employee_id": "1"}
    assert rows_of(decoded) == [expected]
    assert not decoded.unknown


def test_enum_values_that_nobody_knows_stay_text() -> None:
    """A new kind of conversation is a value, not an error."""
    row = sample_row("engagement", 1) | {"type": "HOLOGRAM", "source_device": "WATCH"}
    assert rows_of(DATASETS["engagement"][0].decode(engagement.FORMAT.write(row, row))) == [row]


# What the schema does not know --------------------------------------------------------------------------------------

CONVERSATION = (
    "recordCollection",
    0,
    "body",
    f"{NAMESPACE}EngagementData",
    "engagements",
    "array",
    1,
    f"{NAMESPACE}Conversation",
)
SECTION = "recordCollection[{}].body." + NAMESPACE
NAVIGATION = ("recordCollection", 0, "body", f"{NAMESPACE}WebSessionNavigationData")
NOVELTY = {"long": [1, None]}


@pytest.mark.parametrize(
    ("dataset", "path", "known_as", "rows"),
    [
        ("engagement", (), "new", [0, 1]),
        ("engagement", ("metaData",), "metaData.new", [0, 1]),
        ("engagement", ("recordCollection", 0), "recordCollection[0].new", [0, 1]),
        ("engagement", ("recordCollection", 0, "body"), "recordCollection[0].body.new", [0, 1]),
        ("engagement", CONVERSATION[:4], SECTION.format(0) + "EngagementData.new", [0, 1]),
        (
            "engagement",
            (*CONVERSATION[:4], "header", f"{NAMESPACE}VisitorHeader"),
            SECTION.format(0) + "EngagementData.header.new",
            [0, 1],
        ),
        ("engagement", CONVERSATION, "new", [1]),
        ("engagement", (*CONVERSATION, "campaignData", f"{NAMESPACE}CampaignData"), "campaignData.new", [1]),
        ("engagement", (*CONVERSATION, "transcripts", "array", 1), "transcripts[1].new", [1]),
        (
            "engagement",
            (*CONVERSATION, "transcripts", "array", 0, "fileData", f"{NAMESPACE}FileData"),
            "transcripts[0].fileData.new",
            [1],
        ),
        ("web_session", ("metaData",), "metaData.new", [0]),
        ("web_session", NAVIGATION, SECTION.format(0) + "WebSessionNavigationData.new", [0]),
        (
            "web_session",
            (*NAVIGATION, "navigationData", "array", 1),
            SECTION.format(0) + "WebSessionNavigationData.navigationData[1].new",
            [0],
        ),
        ("web_session", ("recordCollection", 2, "body"), "recordCollection[2].body.new", [0]),
    ],
)
def test_an_unknown_field_is_kept_beside_its_row(dataset: str, path: Any, known_as: str, rows: list[int]) -> None:
    """At every level: the row is loaded unchanged, `_extra` has the value at its path, and the path is counted."""
    document = sample_document(dataset, 1, 2)
    plain = decode(dataset, document)
    at(document, *path)["new"] = NOVELTY
    decoded = decode(dataset, document)
    assert decoded.frame.drop("_extra").equals(plain.frame.drop("_extra"))
    assert extras(decoded) == [{known_as: NOVELTY} if row in rows else None for row in range(decoded.frame.height)]
    assert decoded.unknown == Counter({known_as.replace("[0]", "[]").replace("[1]", "[]").replace("[2]", "[]"): 1})
    assert not decoded.rejected


def test_the_same_unknown_name_in_envelope_and_row_keeps_both() -> None:
    """Neither of two values hides the other."""
    document = sample_document("engagement", 1)
    document["new"] = "outer"
    rows_in("engagement", document)[0][f"{NAMESPACE}Conversation"]["new"] = "inner"
    decoded = decode("engagement", document)
    assert extras(decoded) == [{"envelope.new": "outer", "new": "inner"}]
    assert decoded.unknown == Counter({"new": 2})


def test_an_unknown_section_is_kept_beside_the_known_ones() -> None:
    """A section that the vendor adds, in a body of its own or beside another, changes no column."""
    document = sample_document("web_session", 1)
    plain = decode("web_session", document)
    document["recordCollection"].append({"body": {f"{NAMESPACE}WebSessionMoodData": {"mood": "good"}}})
    document["recordCollection"][0]["body"][f"{NAMESPACE}WebSessionNoiseData"] = None
    decoded = decode("web_session", document)
    assert rows_of(decoded) == rows_of(plain)
    last = len(document["recordCollection"]) - 1
    assert extras(decoded) == [
        {
            SECTION.format(0) + "WebSessionNoiseData": None,
            SECTION.format(last) + "WebSessionMoodData": {"mood": "good"},
        }
    ]
    assert decoded.unknown == Counter(
        {SECTION.format("") + n: 1 for n in ("WebSessionNoiseData", "WebSessionMoodData")}
    )


def test_an_unknown_branch_of_a_union_is_kept() -> None:
    """An attribute of a new type is null in its column, and whole in `_extra`."""
    document = sample_document("web_session", 1)
    bodies = [part["body"] for part in document["recordCollection"]]
    [section] = [
        body[f"{NAMESPACE}WebSessionEngAttrsData"] for body in bodies if f"{NAMESPACE}WebSessionEngAttrsData" in body
    ]
    section["engagementAttributes"]["array"][0]["data"] = {f"{NAMESPACE}Mood": {"mood": "good"}}
    decoded = decode("web_session", document)
    [row] = rows_of(decoded)
    first, second = row["engagement_attributes"]
    assert set(first["data"].values()) == {None}
    assert second == sample_row("web_session", 1)["engagement_attributes"][1]
    [(path, value)] = extras(decoded)[0].items()
    assert path.endswith(f"engagementAttributes[0].data.{NAMESPACE}Mood")
    assert value == {"mood": "good"}


def test_an_unknown_item_among_conversations_is_kept() -> None:
    """The list is a union of which one branch is documented: the other goes with the rows of its envelope."""
    document = sample_document("engagement", 1, 2)
    rows_in("engagement", document).insert(0, {f"{NAMESPACE}Content": {"timestamp": 5}})
    decoded = decode("engagement", document)
    path = SECTION.format(0) + f"EngagementData.engagements[0].{NAMESPACE}Content"
    assert rows_of(decoded) == rows_of(decode("engagement", sample_document("engagement", 1, 2)))
    assert extras(decoded) == [{path: {"timestamp": 5}}] * 2
    assert decoded.unknown == Counter({path.replace("[0]", "[]"): 1})


def test_a_document_with_nothing_known_is_rejected() -> None:
    """Another dataset's file, say: there is no row that could carry what it holds."""
    decoded = decode("engagement", sample_document("survey", 1), sample_document("engagement", 1))
    assert rows_of(decoded) == [sample_row("engagement", 1)]
    assert [(rejected.record, rejected.reason) for rejected in decoded.rejected] == [
        (1, "holds no row of this dataset")
    ]
    assert json.loads(decoded.rejected[0].raw) == sample_document("survey", 1)


@every_dataset
@pytest.mark.parametrize("name", ["_extra", "_record"])
def test_a_vendors_field_cannot_pose_as_ours(dataset: str, name: str) -> None:
    """Names that the decoder uses itself are unknown fields when a file has them."""
    document = sample_document(dataset, 1) | {name: 7}
    decoded = decode(dataset, document)
    assert extras(decoded) == [{name: 7}]
    assert decoded.frame["_record"].to_list() == [1]


# Faults -------------------------------------------------------------------------------------------------------------


@every_dataset
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"null", "record: expected an object, got null"),
        (b"5", "record: expected an object, got number 5"),
        (b"[]", "record: expected an object, got a list"),
        (b'"text"', 'record: expected an object, got text "text"'),
        (b"{}", "recordCollection: expected a list, got null"),
        (b'{"recordCollection":null}', "recordCollection: expected a list, got null"),
        (b'{"recordCollection":{"array":5}}', "recordCollection: expected a list, got number 5"),
        (b'{"recordCollection":[5]}', "recordCollection[0]: expected an object, got number 5"),
        (b'{"metaData":5,"recordCollection":[]}', "metaData: expected an object, got number 5"),
        (
            b'{"metaData":{"startTime":{"long":253402300800000}},"recordCollection":[]}',
            "metaData.startTime: 253402300800000 is out of range",
        ),
        (
            b'{"metaData":{"startTime":{"long":9223372036854775808}},"recordCollection":[]}',
            "metaData.startTime: 9223372036854775808 is out of range",
        ),
        (b'{"metaData":{"accountId":{"string":"\\ud800"}},"recordCollection":[]}', "metaData.accountId: text that is"),
        (b'{"metaData":{"accountId":{"string":"\xff"}},"recordCollection":[]}', "record: text that is not UTF-8"),
        (b'{"dataType":null,"dataType":null,"recordCollection":[]}', "record: invalid JSON: 'dataType' is given twice"),
        (b'{"recordCollection":[{"body":', "record: invalid JSON: Expecting value"),
        (b"<html>\n<body>\n</body>", "record: invalid JSON: Expecting value"),
        (b'{"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "record: invalid JSON: maximum recursion depth"),
        (b'{"recordCollection":[],"new":' + b"[" * 900 + b"]" * 900 + b"}", ""),
        (b'{"recordCollection":[],"new":NaN}', "record: cannot be kept as JSON"),
    ],
)
def test_a_faulty_document_is_rejected_and_the_others_are_loaded(dataset: str, line: bytes, reason: str) -> None:
    """Its number, its bytes and the reason with the path are kept; it costs no other record."""
    decoded = decode(dataset, sample_line(dataset, 1), line, sample_line(dataset, 2, production=True))
    assert rows_of(decoded) == [sample_row(dataset, 1), sample_row(dataset, 2)]
    assert decoded.frame["_record"].to_list() == [1, 3]
    [rejected] = decoded.rejected
    assert rejected.record == 2
    assert rejected.reason.startswith(reason)
    assert rejected.raw == line


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agentID": {"string": "x"}}, 'agentID: expected long, got text "x"'),
        ({"agentID": {"long": 2**63}}, f"agentID: {2**63} is out of range"),
        ({"timestamp": {"long": 10**17}}, f"timestamp: {10**17} is out of range"),
        ({"userProfileIDs": {"array": [1, "x"]}}, 'userProfileIDs[1]: expected long, got text "x"'),
        (None, " expected an object, got null"),
    ],
)
def test_a_faulty_row_is_rejected_and_its_siblings_are_loaded(change: Any, reason: str) -> None:
    """The rejected row comes as an envelope of its own, so that a mended reader can read it again."""
    document = sample_document("agent_activity", 1, 2, 3)
    rows = rows_in("agent_activity", document)
    rows[1] = None if change is None else rows[1] | change
    decoded = decode("agent_activity", document)
    shared = {
        name: sample_row("agent_activity", 1)[name]
        for name in ("account_id", "schema_version", "start_time", "end_time", "agent_session_id")
    }
    assert rows_of(decoded) == [sample_row("agent_activity", number) | shared for number in (1, 3)]
    [rejected] = decoded.rejected
    path = SECTION.format(0) + "AgentActivityData.agentSessionsData[1]"
    assert rejected.record == 1
    assert rejected.reason == (f"{path}:{reason}" if change is None else f"{path}.{reason}")
    alone = sample_document("agent_activity", 1, 2, 3)
    rows_in("agent_activity", alone)[:] = [rows[1]]
    assert json.loads(rejected.raw) == alone


LINES = {name: [sample_line(name, number, production=number % 2 == 1) for number in range(5)] for name in DATASETS}


@every_dataset
@slowly
@example(damages=[(0.0, 1, b"\t")])
@given(
    damages=st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 400),
            st.binary(max_size=4) | st.sampled_from([b"\n", b"{", b"}", b'"', b"null", b"\n{", b"}\n", b"[", b"]"]),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_damage_costs_only_the_lines_that_it_touches(dataset: str, damages: list[tuple[float, int, bytes]]) -> None:
    """Bytes deleted and put in at random: nothing raises, and each other line's row is loaded."""
    text = b"\n".join(LINES[dataset])
    starts = [sum(len(line) + 1 for line in LINES[dataset][:number]) for number in range(5)]
    touched = set[int]()
    whole = text
    limit = len(whole)
    for place, length, put_in in sorted(damages, reverse=True):
        start = int(place * len(whole))
        stop = min(start + length, limit)
        limit = start
        touched |= {n for n, line in enumerate(LINES[dataset]) if start <= starts[n] + len(line) and stop >= starts[n]}
        text = text[:start] + put_in + text[stop:]
    decoded = DATASETS[dataset][0].decode(text)
    found = rows_of(decoded)
    for number in set(range(5)) - touched:
        assert sample_row(dataset, number) in found
    assert len(found) + len(decoded.rejected) >= len(set(range(5)) - touched)


# Sessions -----------------------------------------------------------------------------------------------------------


def section(items: str, branch: str, header: Any, *times: int) -> dict[str, Any]:
    wrapped = {f"{NAMESPACE}VisitorHeader": header} if header else None
    rows = [{"timestamp": {"long": time}} for time in times]
    return {"body": {NAMESPACE + branch: {"header": wrapped, items: {"array": rows}}}}


def visit(identity: str | None, visitor: str | None = None) -> dict[str, Any]:
    return {
        "visitId": {"string": identity} if identity else None,
        "visitorId": {"string": visitor} if visitor else None,
        "contextId": None,
    }


def pages(header: Any, *times: int) -> dict[str, Any]:
    return section("navigationData", "WebSessionNavigationData", header, *times)


def impressions(header: Any, *times: int) -> dict[str, Any]:
    return section("impressions", "WebSessionImpressionData", header, *times)


def summary(decoded: Decoded) -> list[tuple[Any, ...]]:
    """Each row's visit and visitor, and the times of its pages and impressions."""
    return [
        (
            row["visit_id"],
            row["visitor_id"],
            *(row[name] and [item["timestamp"] for item in row[name]] for name in ("navigation_data", "impressions")),
        )
        for row in rows_of(decoded)
    ]


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([], []),
        ([pages(visit("A"), 1)], [("A", None, [1], None)]),
        ([pages(visit("A"))], [("A", None, [], None)]),
        (
            [pages(visit("A"), 1, 2), impressions(visit("A"), 9), pages(visit("A")), pages(visit("A"), 3)],
            [("A", None, [1, 2, 3], [9])],
        ),
        (
            [pages(visit("A"), 1), pages(visit("B"), 2), pages(visit("A"), 3)],
            [("A", None, [1, 3], None), ("B", None, [2], None)],
        ),
        ([pages(None, 1), impressions(visit("A", "V"), 2)], [("A", "V", [1], [2])]),
        ([pages(visit("A"), 1), impressions(visit("A", "V"), 2)], [("A", "V", [1], [2])]),
        ([pages(visit("A", "V"), 1), pages(visit("A", "W"), 2)], [("A", "V", [1], None), ("A", "W", [2], None)]),
        ([pages(None, 1)], [(None, None, [1], None)]),
        ([None, {"body": None}, {"body": {}}, pages(visit("A"), 1)], [("A", None, [1], None)]),
        ([{"body": pages(visit("A"), 1)["body"] | impressions(visit("A"), 2)["body"]}], [("A", None, [1], [2])]),
        (
            [{"body": pages(visit("A"), 1)["body"] | impressions(visit("B"), 2)["body"]}],
            [("A", None, [1], None), ("B", None, None, [2])],
        ),
    ],
)
def test_the_sections_of_a_visit_are_one_row(bodies: list[Any], expected: list[Any]) -> None:
    """Lists of the same section are joined in order, visits are kept apart, and an empty session is no row."""
    envelope = {"recordCollection": bodies}
    assert summary(decode("web_session", envelope)) == expected
    between = [pages(visit("Z"), 7)]
    decoded = decode("web_session", {"recordCollection": between}, envelope, {"recordCollection": between})
    neighbour = ("Z", None, [7], None)
    assert summary(decoded) == [neighbour, *expected, neighbour]
    assert decoded.frame["_record"].to_list() == [1] + [2] * len(expected) + [3]
    assert not decoded.rejected


@every_dataset
def test_an_empty_session_is_no_row_and_no_fault(dataset: str) -> None:
    """Nothing is lost, so nothing is reported."""
    decoded = decode(dataset, sample_document(dataset, 1) | {"recordCollection": []}, sample_document(dataset, 2))
    assert rows_of(decoded) == [sample_row(dataset, 2)]
    assert decoded.frame["_record"].to_list() == [2]
    assert not decoded.rejected


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("size", [1, 700, 10_000_000])
def test_a_file_in_parts_is_the_file(dataset: str, size: int) -> None:
    """Rows, what was refused and what is unknown, each by its number in the file."""
    file_format = DATASETS[dataset][0]
    lines = [sample_line(dataset, number, number + 50, production=number % 2 == 1) for number in range(12)]
    odd = json.dumps({**sample_document(dataset, 5), "mood": 1}).encode()
    text = b"\n".join([*lines[:6], b'{"broken": ', odd, b"", *lines[6:], b"null"])
    decoded, records = list[Decoded](), 0
    for part in by_documents([text[:500], text[500:]], size):
        decoded.append(file_format.decode(part).after(records))
        records += decoded[-1].records
    whole = file_format.decode(text)
    assert pl.concat([part.frame for part in decoded]).equals(whole.frame)
    assert [each for part in decoded for each in part.rejected] == whole.rejected
    assert sum((part.unknown for part in decoded), Counter[str]()) == whole.unknown
    assert records == whole.records
    assert len(decoded) > 1 or size > len(text)
