"""What goes wrong with an export of the sandbox's Khoros Care does so on request, and once."""

import csv
import io
import json

import httpx
import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.test_sandbox_khoros_care import ask, closed, ids, sandbox


@pytest.mark.parametrize(
    ("kind", "detail"),
    [("failed", "FAILED"), ("timed_out", "TIMED_OUT"), ("cancelled", "CANCELED"), ("terminated", "TERMINATED")],
)
def test_an_export_ends_as_its_submit_was_told(kind: str, detail: str) -> None:
    """Without a link and with the word about it; the next export is well."""
    app = sandbox(faults=[Fault("/reports/report/conversation", kind, value="words")])
    status = closed(app)
    assert (status["result"]["detail"], status["result"]["reason"]) == (detail, "words")
    assert status["jobInfo"]["downloadUrl"] == ""
    assert closed(app)["result"]["detail"] == "COMPLETED"


def test_an_export_hangs_is_lost_or_expires() -> None:
    """It runs for ever, is no longer known, or has a file only after another status."""
    app = sandbox(running_polls=0)
    for kind in ("hangs", "lost", "expired"):
        app.faults.append(Fault("/reports/report/response", kind))
    hangs, lost, expired = (ids(app, "response")["statusUrl"] for _ in range(3))
    assert {ask(app, hangs).json()["result"][0]["result"]["runnerState"] for _ in range(5)} == {"RUNNING"}
    assert ask(app, lost).json()["result"] == []
    link = ask(app, expired).json()["result"]["jobInfo"]["downloadUrl"]
    assert [ask(app, link).status_code for _ in range(2)] == [410, 410]
    ask(app, expired)
    assert ask(app, link).status_code == 200


def test_statuses_and_replies_come_in_odd_shapes() -> None:
    """Each once: no link, no state, no result, ids alone, a link too early, a link to elsewhere."""
    app = sandbox(running_polls=0)
    url = ids(app)["statusUrl"]
    for kind in ("no_link", "unknown_status", "no_result"):
        app.faults.append(Fault("/status", kind))
        odd = ask(app, url).json()
        if kind == "no_link":
            assert odd["result"]["result"]["detail"] == "COMPLETED"
            assert odd["result"]["jobInfo"]["downloadUrl"] == ""
        assert kind != "unknown_status" or odd["result"]["result"]["runnerState"] is None
        assert ("result" in odd) is (kind != "no_result")
        assert ask(app, url).json()["result"]["jobInfo"]["downloadUrl"]
    app.faults += [Fault("/report/user", kind) for kind in ("bare_ids", "premature_link", "foreign_link")]
    assert set(ids(app, "user")) == {"workflowId", "runId"}
    assert "/download?" in ids(app, "user")["downloadUrl"]
    foreign = ids(app, "user")["statusUrl"]
    assert foreign.startswith("https://aanalytics-api.example.com/api/public/reports/report/")
    assert app.violations == []
    assert ask(app, foreign).status_code == 404
    assert len(app.violations) == 1


@pytest.mark.parametrize("path", ["/download", "/khoros-storage/conversation"])
def test_a_file_is_spoiled_once(path: str) -> None:
    """On its way or in itself; asked for again it is whole."""
    app = sandbox(running_polls=0)
    url = closed(app, conversationReportType="CREATED", reportFormat="csv")["jobInfo"]["downloadUrl"]
    whole = ask(app, url)
    header = whole.text.splitlines()[0].split(",")
    seen: dict[str, httpx.Response] = {}
    kinds = "dead_link web_page cut_file cut_text new_column missing_column reordered no_rows no_bytes ragged not_utf8"
    for kind in kinds.split():
        app.faults.append(Fault(path, kind))
        seen[kind] = ask(app, url)
        assert ask(app, url).content == whole.content
    assert seen["dead_link"].status_code == 403
    assert seen["web_page"].headers["Content-Type"].startswith("text/html")
    assert int(seen["cut_file"].headers["Content-Length"]) == len(whole.content) > len(seen["cut_file"].content)
    assert int(seen["cut_text"].headers["Content-Length"]) == len(seen["cut_text"].content)
    headers = {kind: answer.text.splitlines()[:1] for kind, answer in seen.items()}
    assert headers["new_column"] == [",".join([*header, "Sandbox News"])]
    assert headers["missing_column"] == [",".join(header[1:])]
    assert headers["reordered"] == [",".join(reversed(header))]
    assert seen["no_rows"].text == ",".join(header) + "\r\n"
    assert seen["no_bytes"].content == b""
    ragged = list(csv.reader(io.StringIO(seen["ragged"].text, newline="")))
    assert [len(row) - len(header) for row in ragged[:3]] == [0, 1, 0]
    with pytest.raises(UnicodeDecodeError):
        seen["not_utf8"].content.decode()
    app.faults.append(Fault(path, "dropped_file"))
    with pytest.raises(httpx.ReadError):
        ask(app, url)


def test_a_json_file_is_spoiled_likewise() -> None:
    """A cut one is no JSON, one without rows is an empty array."""
    app = sandbox(running_polls=0)
    url = closed(app)["jobInfo"]["downloadUrl"]
    app.faults += [Fault("/download", kind) for kind in ("no_rows", "cut_text", "ragged")]
    assert ask(app, url).json() == []
    with pytest.raises(json.JSONDecodeError):
        ask(app, url).json()
    assert "SANDBOX_RAGGED" in ask(app, url).json()[0]
