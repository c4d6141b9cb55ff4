"""What comes in place of a report is never loaded as one: no row of it, no empty day, and no later day is spoiled."""

import gzip
from collections.abc import Callable

import pytest

from contact_analytics.khoros_care.marketing import marketing_export
from contact_analytics_tests.khoros_care.altered import DAY, as_csv, as_lines, opened
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held, of_conversations

PAGE = b"<!DOCTYPE html>\n<html><title>Sign in</title>\n<body>Your session has ended.</body></html>\n"
BODIES = {
    "nothing": b"{}",
    "an error": b'{"message":"Forbidden"}',
    "the envelope": b'{"status":"FAIL","request":null,"message":"Forbidden","result":"Unable to hydrate filter"}',
    "an error of a framework": b'{"timestamp":1,"status":500,"error":"Internal Server Error","path":"/x"}',
    "a text": b"Report is not ready",
    "lines of text": b"Report is not ready.\nPlease try again later.\n",
    "a line end": b"\r\n",
    "a byte order mark": b"\xef\xbb\xbf",
    "a compressed page": gzip.compress(PAGE, mtime=0),
}
CASES = [("response", kind) for kind in BODIES] + [("conversation", kind) for kind in ("nothing", "the envelope")]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_error_in_place_of_a_file_is_no_day(open_care: Open, name: str, kind: str) -> None:
    """The day fails and nothing of it is archived, so that the next answer makes the day right by itself."""
    form = "json" if BODIES[kind][:1] in (b"{", b"\x1f") else "csv"
    place = opened(open_care, file=lambda _: BODIES[kind])
    run = place.materialize(name, DAY, report_format=form)
    assert not run.ok
    assert "This is a defect" not in run.problem
    assert place.rows(name) == []
    assert place.stored(name, DAY).state == "failed"
    assert place.archived(name, DAY).files() == []
    place.app.file = lambda body: body  # type: ignore[attr-defined]
    again = place.materialize(name, DAY, report_format=form)
    assert again.ok, again.problem
    sent = of_conversations(place, DAY) if name == "conversation" else place.sent(name, DAY)
    assert held(place, name, DAY) == expected(name, sent) != []
    assert again.checks["nothing_is_quarantined"].passed


def test_an_error_in_place_of_a_publishing_export_is_no_row(open_care: Open) -> None:
    """No column of these is known, and still an object by itself is no list of rows."""
    _, asset = marketing_export("brand_post")
    place = opened(open_care, file=lambda _: BODIES["an error"])
    run = place.run(asset, DAY)
    assert "Forbidden" in run.problem
    assert place.select("from khoros_care.marketing_brand_post") == []


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "json in an envelope": ("json", lambda body: b'{"status":"PASS","request":null,"result":' + body + b"}"),
    "json in an object": ("json", lambda body: b'{"result":' + body + b"}"),
    "json, one row a line": ("json", as_lines),
    "json with a byte order mark": ("json", lambda body: b"\xef\xbb\xbf\r\n" + body),
    "json, compressed": ("json", gzip.compress),
    "csv for json": ("json", as_csv),
    "csv, compressed": ("csv", gzip.compress),
    "csv without the last line end": ("csv", lambda body: body.rstrip(b"\r\n")),
    "csv with blank lines": ("csv", lambda body: b"\r\n" + body + b"\r\n\r\n"),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_report_is_read_in_whichever_form_it_comes(open_care: Open, kind: str) -> None:
    """The vendor documents one, and others are as good: the day is the same."""
    (form, change), name = FORMS[kind], "conversation"
    place = opened(open_care, file=change)
    run = place.materialize(name, DAY, report_format=form)
    assert run.ok, run.problem
    assert held(place, name, DAY) == expected(name, of_conversations(place, DAY)) != []
    assert {each.name.rpartition(".")[2] for each in place.archived(name, DAY).files()} == {kind[:4].strip(", ")}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_report_that_is_cut_is_noticed_in_whichever_form_it_comes(open_care: Open, form: str) -> None:
    """Its form is told by its look, and so is what its end has to be like.

    Of CSV, a record that ends within its last field cannot be told from one without a line end.
    """
    other = as_csv if form == "json" else (lambda body: b'[{"CONVERSATION_ID":"1"},{"CONVERSATION_ID":"2"}]')
    place = opened(open_care, file=lambda body: other(body)[:-30])
    run = place.materialize("response", DAY, report_format=form)
    assert "did not arrive whole" in run.problem
    assert place.archived("response", DAY).files() == []
