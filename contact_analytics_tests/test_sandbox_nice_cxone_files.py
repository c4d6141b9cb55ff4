"""The files of NICE CXone's sandbox hold what they should, in every form, or are wrong on request."""

import csv
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.nice_cxone import ENTITIES, NiceCxone
from contact_analytics_tests.nice_cxone_tenant import DAY, NEXT, Tenant, table

# Forms


@pytest.mark.parametrize(("entity", "version"), [(name, version) for name in ENTITIES for version in ENTITIES[name]])
def test_a_file_holds_the_rows_of_its_days(entity: str, version: str) -> None:
    """The last day included, or on request not."""
    tenant = Tenant()
    days = [tenant.app.rows(entity, version, day) for day in (DAY, NEXT)]
    assert all(days)
    assert table(tenant.file(entity, version, DAY, NEXT)) == (tenant.app.columns(entity, version), days[0] + days[1])
    assert table(Tenant(end_inclusive=False).file(entity, version, DAY, NEXT))[1] == days[0]
    assert len(days[0][0]) == {"qm-workflows": 37 + (version > "1"), "qm-questions": 34}.get(entity, 17)


def test_a_file_is_written_in_every_form() -> None:
    """With a BOM, an en dash, other line ends, dates and booleans, with columns more and fewer."""
    more = {"Calibrated": "no"}
    options: dict[str, Any] = {"bom": True, "en_dash": True, "newline": "\n", "boolean_form": "TRUE"}
    tenant = Tenant(**options, extra_columns=more, dropped_columns={"Rank"}, date_form="us")
    body = tenant.file().content
    header, _, rest = body.partition(b"\n")
    assert header.startswith("\ufeffTenant Name,".encode())
    assert ("Score – Percentage".encode() in header, b"Rank" in header, header[-11:]) == (True, False, b",Calibrated")
    assert (b",TRUE," in rest, b",true," in rest, b"11/10/2026 12:00:00 AM" in rest) == (True, False, True)
    plain = Tenant(scale=1.0).file().content
    assert (b",TRUE," in plain, b",true," in plain, plain[-2:]) == (True, True, b"\r\n")
    forms = {"iso_z": "2026-11-10T00:00:00.000Z", "iso": "2026-11-10 00:00:00", "offset": "2026-11-10T00:00:00+00:00"}
    for form, text in forms.items():
        assert Tenant(date_form=form).app.rows("qm-workflows", "1", DAY)[0]["Submission Date"] == text


# Rows


def test_evaluations_are_of_all_kinds_and_their_texts_are_hard_to_read() -> None:
    """Every type and status, blanks where they belong, line breaks and quotes in comments, numbers that aren't."""
    tenant = Tenant(scale=1.0)
    rows = [row for ago in range(16) for row in tenant.app.rows("qm-workflows", "3", DAY + timedelta(days=ago))]
    assert {row["Type"] for row in rows} == {"Evaluation", "Self-Assessment", "Calibration"}
    assert {row["Workflow State"] for row in rows} == {"Open", "Closed", "Timed-Out"}
    assert len({row["Workflow Status"] for row in rows}) == 10
    assert {row["Auto Acknowledged"] for row in rows} == {"", "TRUE", "FALSE"}
    assert {row["Failed Critical Question"] for row in rows} == {"", "true", "false"}
    assert {row["Phone Number"][:1] for row in rows} == {"", "+", "0"}
    assert len({row["Workflow ID"] for row in rows}) == len(rows)
    comments = "".join(row["User Review Comments"] for row in rows)
    assert all(letter in comments for letter in '\n",Кお')
    assert all(row["Score"] == "0" for row in rows if row["Failed Critical Question"] == "true")
    assert all(bool(row["Score"]) == bool(row["Submission Date"]) for row in rows)


def test_evaluations_join_their_questions_their_segments_and_the_brands_agents() -> None:
    """By the ids that each table has, and the points add up."""
    app = Tenant().app
    workflows = {row["Workflow ID"]: row for row in app.rows("qm-workflows", "3", DAY)}
    questions = app.rows("qm-questions", "1", DAY)
    assert {row["WorkflowInstance ID"] for row in questions} == workflows.keys()
    for id, row in workflows.items():
        points = [float(one["Actual Score"] or 0) for one in questions if one["WorkflowInstance ID"] == id]
        assert float(row["Score"] or 0) in {sum(points), 0.0}
    before = [DAY - timedelta(days=ago) for ago in range(8)]
    segments = {row["Segment ID"] for day in before for row in app.rows("recording-interaction-metadata", "12", day)}
    assert {row["Segment ID"] for row in workflows.values()} - {""} <= segments
    assert all(row["Agent ID"].startswith("3677470") for row in workflows.values())


def test_an_evaluation_is_of_its_start_until_it_is_submitted() -> None:
    """Without a Submission Date before, and on one day alone."""
    tenant = Tenant(scale=1.0)
    late = next(one for one in tenant.app.evaluations(NEXT) if one.submitted and one.start.date() == DAY)
    assert late.submitted is not None

    def seen(day: date, at: datetime) -> list[str]:
        rows = tenant.app.rows("qm-workflows", "3", day, at)
        return [row["Submission Date"] for row in rows if row["Workflow ID"] == late.id]

    moment = timedelta(milliseconds=1)
    assert [seen(day, late.start - moment) for day in (DAY, NEXT)] == [[], []]
    assert [seen(day, late.submitted - moment) for day in (DAY, NEXT)] == [[""], []]
    before, after = (seen(day, late.submitted) for day in (DAY, NEXT))
    assert (before, [text[:10] for text in after]) == ([], [str(NEXT)])


def test_an_evaluation_changes_long_after_its_submission() -> None:
    """By a dispute that ends well, or by what a test says; an export shows the moment that it was asked for."""
    tenant = Tenant(scale=1.0)
    disputed = next(one for one in tenant.app.evaluations(DAY) if len(one.events) == 5)

    def seen(at: datetime | None = None) -> dict[str, str]:
        return {row["Workflow ID"]: row for row in tenant.app.rows("qm-workflows", "3", DAY, at)}[disputed.id]

    assert [seen(event.at)["Workflow Status"] for event in disputed.events[1:]] == [
        "Sent to Agent",
        "Dispute",
        "In Review",
        "Completed Reviewed",
    ]
    old, new = seen(disputed.events[1].at), seen()
    assert old["Last Updated"] < new["Last Updated"]
    assert float(old["Score"]) <= float(new["Score"]) == float(new["Maximum Possible Score"])
    tenant.app.update(disputed.id, tenant.time + timedelta(minutes=5), workflow_status="Expired", Score=1.5)
    assert table(tenant.file())[1] == list(tenant.app.rows("qm-workflows", "3", DAY))
    assert seen() == new
    tenant.wait(600)
    assert (seen()["Workflow Status"], seen()["Score"], seen()["Last Updated"]) == (
        "Expired",
        "1.5",
        "2026-11-25T12:05:00.000Z",
    )


def test_a_day_has_as_many_evaluations_as_asked_for() -> None:
    """None of them on a day that is to be empty, whatever is submitted after it."""
    app = NiceCxone(volume={DAY: 0, NEXT: 40}, now=lambda: datetime(2026, 12, 1, tzinfo=UTC))
    rows = app.rows("qm-workflows", "3", NEXT)
    assert sum(bool(row["Submission Date"]) for row in rows) == 40
    hours = [datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=6 * step) for step in range(20)]
    assert not any(app.rows(entity, "1", DAY, at) for entity in ("qm-workflows", "qm-questions") for at in hours)


# Faults


def spoiled(kind: str, value: object = None) -> httpx.Response:
    tenant = Tenant(faults=[Fault("qm-workflows", kind, value=value)])
    answer = tenant.file()
    assert tenant.app.faults == []
    assert table(tenant.file())[1] == tenant.app.rows("qm-workflows", "3", DAY)
    return answer


def test_storage_answers_otherwise_on_request() -> None:
    """With an error, a page, nothing, or a body that ends early."""
    assert [spoiled(kind).status_code for kind in ("dead_link", "dead_link_200", "no_content")] == [403, 200, 204]
    assert spoiled("dead_link_200").text.startswith("<?xml")
    assert spoiled("web_page").headers["Content-Type"].startswith("text/html")
    cut = spoiled("cut_file")
    assert int(cut.headers["Content-Length"]) > len(cut.content)
    with pytest.raises(httpx.ReadError):
        spoiled("dropped_file")


def test_a_file_is_wrong_on_request() -> None:
    """In its columns, its rows or its bytes; its length is then that of what is sent."""
    columns, rows = table(Tenant().file())
    assert table(spoiled("new_column", {"Mood": "sunny"})) == (
        [*columns, "Mood"],
        [{**r, "Mood": "sunny"} for r in rows],
    )
    assert table(spoiled("missing_column"))[0] == [name for name in columns if name != "Last Updated"]
    assert "Score" not in table(spoiled("missing_column", "Score"))[0]
    assert table(spoiled("reordered")) == (columns[::-1], rows)
    assert table(spoiled("no_rows")) == (columns, [])
    assert spoiled("no_bytes").content == b""
    assert [None in row for row in table(spoiled("ragged"))[1]] == [True] + [False] * (len(rows) - 1)
    with pytest.raises(UnicodeDecodeError):
        spoiled("not_utf8").content.decode()
    cut = spoiled("cut_text")
    assert int(cut.headers["Content-Length"]) == len(cut.content)
    with pytest.raises(csv.Error):
        table(cut)
