"""What may be asked of an export: each option reaches the vendor as documented, and no answer is mixed with another."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from contact_analytics.sandbox.faults import Fault
from contact_analytics_tests.export_places import KhorosPlace
from contact_analytics_tests.fakes import days_ago
from contact_analytics_tests.khoros_care.conftest import Open
from contact_analytics_tests.khoros_care.truth import expected, held, of_conversations

DAY = days_ago(9)


def submitted(place: KhorosPlace) -> Mapping[str, list[str]]:
    """What the newest submission says beside key and window."""
    own = {"companyKey", "startTime", "endTime", "conversationReportType"}
    return {name: value for name, value in place.app.submissions[-1]["params"].items() if name not in own}


OPTIONS: list[tuple[str, dict[str, Any], dict[str, list[str]]]] = [
    ("response", {}, {}),
    ("response", {"report_format": "csv"}, {"reportFormat": ["csv"]}),
    ("response", {"report_metrics": ["STATUS_ID"]}, {}),
    ("response", {"priorities": [0, 1]}, {"priorities": ["0,1"]}),
    ("response", {"smart_view_id": "8001"}, {"smartViewId": ["8001"]}),
    ("response", {"work_queue_ids": ["1", "2"]}, {"workqueueIds": ["1,2"]}),
    ("response", {"locale": "en_US"}, {"locale": ["en_US"]}),
    ("response", {"timezone": "America/Chicago"}, {"timezone": ["America/Chicago"]}),
    (
        "response",
        {"business_hours": "inside"},
        {"enableBusinessHour": ["true"], "businessHourType": ["true"]},
    ),
    (
        "response",
        {"business_hours": "outside"},
        {"enableBusinessHour": ["true"], "businessHourType": ["false"]},
    ),
    ("raw_agent_states", {"team_ids": ["6101", "6102"]}, {"teamIds": ["6101,6102"]}),
    ("team_performance", {"include_disabled": True}, {"includeDisabled": ["true"]}),
    ("team_performance", {"include_disabled": False}, {}),
    ("team_performance_interval", {}, {"timeInterval": ["3600000"]}),
    ("team_performance_interval", {"time_interval": 14_400_000}, {"timeInterval": ["14400000"]}),
    ("conversation_history_action", {"raise_limit": True}, {"raiselimit": ["true"]}),
    ("user", {"team_ids": ["6101", "6102"]}, {"teamId": ["6101", "6102"]}),
    ("user", {"agent_ids": ["7", "8"]}, {"agentId": ["7", "8"]}),
]


@pytest.mark.parametrize(("name", "config", "query"), OPTIONS)
def test_each_option_has_its_documented_name(
    care: KhorosPlace, name: str, config: dict[str, Any], query: dict[str, list[str]]
) -> None:
    """And unit: milliseconds, lists by commas, or once for each value where the reference says so."""
    run = care.materialize(name, DAY, **config)
    if config.get("report_metrics") == ["STATUS_ID"]:  # A column that there is not: the vendor refuses it.
        assert not run.ok
        assert [call.url.params.get_list("reportMetrics") for call in care.app.calls] == [["STATUS_ID"]]
        return
    assert run.ok, run.problem
    assert submitted(care) == {"reportFormat": ["json"]} | query
    assert care.app.violations == []


def test_settings_say_what_launches_do_not(open_care: Open) -> None:
    """By export and for all; a launch's config goes before both, and what an export does not take is left out."""
    settings = {"*": {"locale": "en", "priorities": [4], "team_ids": ["6101"]}, "response": {"priorities": [0, 1]}}
    place = open_care({"options": json.dumps(settings)})
    assert place.materialize("response", DAY).ok
    assert submitted(place) == {"reportFormat": ["json"], "locale": ["en"], "priorities": ["0,1"]}
    assert place.materialize("response", days_ago(8), priorities=[5]).ok
    assert submitted(place)["priorities"] == ["5"]
    assert place.materialize("user", DAY).ok
    assert submitted(place) == {"reportFormat": ["json"], "locale": ["en"], "teamId": ["6101"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{", "is no JSON object"),
        ("[]", "is no JSON object"),
        ('{"*": []}', "is no JSON object"),
        ('{"response": 7}', "is no JSON object"),
        ('{"response": {"priority": [1]}}', "there is no option priority"),
        ('{"response": {"priorities": "high"}}', "is no JSON object"),
        ('{"response": {"team_ids": ["1"]}}', "does not take team_ids"),
        ('{"respons": {"priorities": [1]}}', "respons"),
    ],
)
def test_settings_that_cannot_be_are_told_in_words(open_care: Open, settings: str, words: str) -> None:
    """Before any request, with the setting's name."""
    place = open_care({"options": settings})
    run = place.materialize("response", DAY)
    assert not run.ok
    assert words in run.problem
    assert "KHOROS_CARE_EXPORT_OPTIONS" in run.problem
    assert place.app.calls == []


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("response", {"open_at_end": True}, "does not take open_at_end"),
        ("user", {"priorities": [1]}, "does not take priorities"),
        ("response", {"timezone": "America/Chikago"}, "is no time zone"),
        ("response", {"timezone": "../etc/passwd"}, "is no time zone"),
    ],
)
def test_an_option_that_cannot_be_is_refused(care: KhorosPlace, name: str, config: dict[str, Any], words: str) -> None:
    """Before any request."""
    run = care.materialize(name, DAY, **config)
    assert not run.ok
    assert words in run.problem
    assert care.app.calls == []


def test_filtered_files_are_not_mixed_with_others(care: KhorosPlace) -> None:
    """Each is another answer, in the archive beside the other; only those of the same options make up a day."""
    assert care.materialize("conversation", DAY).ok
    every = held(care, "conversation", DAY)
    filtered = care.materialize("conversation", DAY, priorities=[0, 1])
    assert "held back" in filtered.problem
    assert held(care, "conversation", DAY) == every
    assert care.materialize("conversation", DAY, priorities=[0, 1], force=True).ok
    assert {row["priority"] for row in care.rows("conversation", DAY)} <= {0, 1}
    assert 0 < len(care.rows("conversation", DAY)) < len(every)
    assert care.materialize("conversation", DAY, source="archive").ok
    assert held(care, "conversation", DAY) == every
    of_others = care.materialize("conversation", DAY, source="archive", locale="de")
    assert "does not hold created and closed of this day with the options" in of_others.problem


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("zone", ["America/Chicago", "Etc/GMT+12", "Asia/Kolkata"])
def test_a_time_zone_changes_how_dates_are_written_and_no_instant(care: KhorosPlace, zone: str, form: str) -> None:
    """The table is in UTC, whatever zone the file is in."""
    assert care.materialize("response", DAY, timezone=zone, report_format=form).ok
    assert held(care, "response", DAY) == expected("response", care.sent("response", DAY)) != []


def test_titles_of_another_language_are_kept_by_their_names(care: KhorosPlace) -> None:
    """What the schema does not know is in `_extra` and reported; nothing is lost."""
    run = care.materialize("response", DAY, report_format="csv", locale="de")
    assert run.ok, run.problem
    rows = care.rows("response", DAY)
    assert [row["conversation_id"] for row in rows] == [None] * len(rows)
    known = sorted(json.loads(row["_extra"])["Konversation ID"] for row in rows)
    assert known == sorted(row["CONVERSATION_ID"] for row in care.sent("response", DAY))
    assert not run.checks["no_unknown_fields"].passed


def test_conversations_without_a_known_id_are_an_error_that_says_what_to_do(care: KhorosPlace) -> None:
    """In another language than the schema's, conversations cannot be told apart."""
    run = care.materialize("conversation", DAY, report_format="csv", locale="de")
    assert not run.ok
    assert "no column for conversation_id" in run.problem
    assert "Konversation ID" in run.problem
    assert "language" in run.problem
    assert care.rows("conversation", DAY) == []


def test_json_may_have_titles_for_names(open_care: Open) -> None:
    """Columns are found by their letters and digits, whichever of the two spellings the vendor has."""
    place = open_care(titles=True)
    for name in ("response", "conversation"):
        run = place.materialize(name, DAY)
        assert run.ok, run.problem
        assert not place.stored(name, DAY).unknown_fields
    assert held(place, "response", DAY) == expected("response", place.sent("response", DAY))
    assert held(place, "conversation", DAY) == expected("conversation", of_conversations(place, DAY))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_part_of_the_columns_may_be_asked_for(care: KhorosPlace, form: str) -> None:
    """In either case; the others are null."""
    wanted = ["CONVERSATION_ID", "status"]
    run = care.materialize("conversation", DAY, report_metrics=wanted, report_format=form)
    assert run.ok, run.problem
    assert submitted(care)["reportMetrics"] == wanted
    sent = [{name: row[name.upper()] for name in wanted} for row in of_conversations(care, DAY)]
    assert held(care, "conversation", DAY) == expected("conversation", sent)


def test_columns_without_the_id_are_refused(care: KhorosPlace) -> None:
    """Conversations have no other key."""
    run = care.materialize("conversation", DAY, report_metrics=["STATUS"])
    assert "no column for conversation_id" in run.problem


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_column_of_the_companys_own_is_kept_and_reported(open_care: Open, form: str) -> None:
    """In `_extra`, by the vendor's name; the check names it."""
    place = open_care(extra_columns={"LOYALTY": 'gold, "new"\nline'})
    run = place.materialize("response", DAY, report_format=form)
    assert run.ok, run.problem
    name = "LOYALTY" if form == "json" else "Loyalty"
    assert {row["_extra"] for row in place.rows("response", DAY)} == {json.dumps({name: 'gold, "new"\nline'})}
    assert not run.checks["no_unknown_fields"].passed
    assert name in run.metadata(DAY)["new_fields"]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_column_that_the_company_has_turned_off_is_null(open_care: Open, form: str) -> None:
    """From that day on; the rows are there."""
    place = open_care(dropped_columns=["PRIORITY", "NETWORK"])
    run = place.materialize("incoming_post", DAY, report_format=form)
    assert run.ok, run.problem
    sent = [
        {name: value for name, value in row.items() if name not in {"PRIORITY", "NETWORK"}}
        for row in place.sent("incoming_post", DAY)
    ]
    assert held(place, "incoming_post", DAY) == expected("incoming_post", sent) != []


def test_a_value_that_is_not_its_columns_kind_is_kept_as_text(care: KhorosPlace) -> None:
    """Null in the column, in `_extra` as it came, and reported."""
    care.app.faults.append(Fault("/response/", "new_column", value={"RESPONSE_ORDER": "many"}))
    run = care.materialize("response", DAY)
    assert run.ok, run.problem
    assert {row["response_order"] for row in care.rows("response", DAY)} == {None}
    assert {json.loads(row["_extra"])["RESPONSE_ORDER (unreadable)"] for row in care.rows("response", DAY)} == {"many"}
    assert not run.checks["no_field_changed_type"].passed
