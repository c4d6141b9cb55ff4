"""Quality scorecard: scores, disputes, critical questions and spread, worked out by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.page import rendered
from contact_analytics.reports.quality_scorecard import REPORT, compute
from contact_analytics.reports.quality_scorecard_page import paint
from contact_analytics_tests.reports.contact_places import frames_of
from contact_analytics_tests.reports.places import ReadPage

DAY, NOW = date(2026, 3, 10), datetime(2026, 3, 11, 8, tzinfo=UTC)
MORNING = datetime(2026, 3, 10, 8, tzinfo=UTC)
WORKFLOWS, QUESTIONS = (each.table for each in REPORT.inputs)
Row = dict[str, Any]


def workflow(number: int = 0, score: float | None = 80, evaluator: str = "Eva Lang", **columns: Any) -> Row:
    """An evaluation of agent A in team T that was submitted in the morning, unless columns say otherwise."""
    first, _, last = evaluator.partition(" ")
    at = MORNING + timedelta(minutes=number)
    known = {
        "workflow_id": f"w{number}",
        "agent_id": "A",
        "agent_first_name": "Ann",
        "agent_last_name": "Bo",
        "team_id": "T",
        "team_name": "Team",
        "workflow_type": "Evaluation",
        "evaluation_flow_trigger": "Quality Plan",
        "workflow_status": "Completed Acknowledged",
        "workflow_state": "Closed",
        "form_name": "Form",
        "submission_date": at,
        "dated_at": at,
        "score_percentage": score,
        "failed_critical_question": False,
        "evaluator_first_name": first,
        "evaluator_last_name": last,
    }
    return known | columns


def question(number: int, title: str = "Verified?", *, failed: bool = False, **columns: Any) -> Row:
    """A critical question of an evaluation."""
    known = {"workflow_instance_id": f"w{number}", "question_id": f"id of {title}", "question_title": title}
    return known | {"form_name": "Form", "failed": failed} | columns


def rows_of(workflows: Sequence[Row], questions: Sequence[Row] = ()) -> list[Row]:
    """What the report makes of workflows and critical questions."""
    return REPORT.schema.validate(
        compute(DAY, frames_of(REPORT, {WORKFLOWS: workflows, QUESTIONS: questions}))
    ).to_dicts()


def told(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


SCORES = ("evaluations", "scored", "average_score", "lowest_score", "evaluators", "evaluator_spread")
COUNTED = (
    *("evaluations", "scored", "self_assessments", "calibrations", "not_submitted"),
    *("not_submitted_expired", "reviews_expired"),
)


def test_a_day_worked_out_by_hand() -> None:
    """(80 + 90 + 60) / 3; Eva's average is 85 and Bo's 60, so they are 25 points apart."""
    [row] = rows_of([workflow(1, 80), workflow(2, 90), workflow(3, 60, "Bo Ek")])
    assert told(row, *SCORES) == (3, 3, pytest.approx(230 / 3), 60, 2, 25)
    assert told(row, "agent_id", "agent_name", "team_id", "team_name") == ("A", "Ann Bo", "T", "Team")
    assert [told(each, "workflow_id", "evaluator", "score") for each in row["details"]] == [
        ("w1", "Eva Lang", 80),
        ("w2", "Eva Lang", 90),
        ("w3", "Bo Ek", 60),
    ]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], (1, 1, 80, 80, 1, None)),
        ([workflow(2, 60)], (2, 2, 70, 60, 1, None)),
        ([workflow(2, 60, evaluator="")], (2, 2, 70, 60, 1, None)),
        ([workflow(2, None, "Bo Ek")], (2, 1, 80, 80, 1, None)),
        ([workflow(2, 80, "Eva  Lang ")], (2, 2, 80, 80, 1, None)),
        ([workflow(2, 80, "Bo Ek")], (2, 2, 80, 80, 2, 0)),
    ],
)
def test_the_spread_needs_two_evaluators_with_a_score_and_a_name(others: list[Row], expected: tuple[Any, ...]) -> None:
    """One evaluator, one without a name, one without a score; two who agree are no points apart."""
    [row] = rows_of([workflow(1), *others])
    assert told(row, *SCORES) == expected


@pytest.mark.parametrize(
    ("columns", "counted"),
    [
        ({}, (1, 1, 0, 0, 0, 0, 0)),
        ({"workflow_type": None}, (1, 1, 0, 0, 0, 0, 0)),
        ({"workflow_type": "Collaborative"}, (1, 1, 0, 0, 0, 0, 0)),
        ({"score_percentage": None}, (1, 0, 0, 0, 0, 0, 0)),
        ({"workflow_type": "Self-Assessment"}, (0, 0, 1, 0, 0, 0, 0)),
        ({"workflow_type": " self assessment"}, (0, 0, 1, 0, 0, 0, 0)),
        ({"workflow_type": "Calibration"}, (0, 0, 0, 1, 0, 0, 0)),
        ({"evaluation_flow_trigger": "CALIBRATION"}, (0, 0, 0, 1, 0, 0, 0)),
        ({"submission_date": None, "workflow_status": "In Progress"}, (0, 0, 0, 0, 1, 0, 0)),
        ({"submission_date": None, "workflow_type": "Self-Assessment"}, (0, 0, 0, 0, 1, 0, 0)),
        ({"submission_date": None, "workflow_status": "EXPIRED"}, (0, 0, 0, 0, 1, 1, 0)),
        ({"submission_date": None, "workflow_state": "Timed-Out"}, (0, 0, 0, 0, 1, 1, 0)),
        ({"workflow_status": "Expired", "workflow_state": "Timed Out"}, (1, 1, 0, 0, 0, 0, 1)),
    ],
)
def test_each_workflow_counts_as_what_it_is(columns: Row, counted: tuple[int, ...]) -> None:
    """Self-assessments, calibrations and what is not submitted are in no score; what is none of them is one."""
    [row] = rows_of([workflow(**columns)])
    assert told(row, *COUNTED) == counted
    assert (row["average_score"] is not None) == (counted[1] == 1)
    assert len(row["details"]) == counted[0]


def test_self_assessments_have_an_average_of_their_own() -> None:
    """50 and 100 of the agent's, beside the evaluator's 80."""
    own = [workflow(number, score, workflow_type="Self-Assessment") for number, score in ((1, 50), (2, 100), (3, None))]
    [row] = rows_of([workflow(0, 80), *own])
    assert told(row, "average_score", "self_assessments", "average_self_assessment") == (80, 3, 75)


@pytest.mark.parametrize(
    ("columns", "disputed", "is_open"),
    [
        ({}, 0, 0),
        ({"workflow_status": "Sent to Agent", "workflow_state": "Open"}, 0, 0),
        ({"workflow_status": "In Review", "workflow_state": "Open"}, 0, 0),
        ({"user_review_comments": " \n"}, 0, 0),
        ({"workflow_status": "Dispute", "workflow_state": "Open"}, 1, 1),
        ({"workflow_status": "In Review", "workflow_state": "Open", "user_review_comments": "No!"}, 1, 1),
        ({"user_review_comments": "No!"}, 1, 0),
        ({"workflow_status": "Expired", "workflow_state": "Open", "user_review_comments": "No!"}, 1, 0),
        ({"workflow_state": "Open", "dispute_resolver_comments": "Right."}, 1, 0),
        ({"workflow_state": "Open", "dispute_resolver_first_name": "Rita"}, 1, 0),
        ({"workflow_state": "Open", "dispute_resolver_last_name": "Roe", "user_review_comments": "No!"}, 1, 0),
        ({"workflow_status": "Dispute", "workflow_type": "Calibration"}, 0, 0),
    ],
)
def test_a_dispute_is_open_until_it_is_resolved_or_closed(columns: Row, disputed: int, is_open: int) -> None:
    """By the status, the agent's comment, or somebody who resolved it."""
    [row] = rows_of([workflow(**columns)])
    assert told(row, "disputes", "disputes_open") == (disputed, is_open)
    assert [each["disputed"] for each in row["details"]] == [bool(disputed)] * row["evaluations"]


def test_critical_questions_are_those_of_the_evaluations() -> None:
    """Of two evaluations with two critical questions each, one failed one; that zero is in the average.

    Questions of a self-assessment, of one that is not submitted and of one of another day are none of them.
    """
    [row] = rows_of(
        [
            workflow(1, 0, failed_critical_question=True),
            workflow(2, 90, failed_critical_question=None),
            workflow(3, workflow_type="Self-Assessment"),
            workflow(4, submission_date=None),
        ],
        [
            *(question(number, failed=number in (1, 3)) for number in (1, 2, 3, 4, 5)),
            *(question(number, " ", question_id="q7") for number in (1, 2)),
        ],
    )
    assert told(row, "critical_failures", "average_score", "lowest_score") == (1, 45, 0)
    assert told(row, "critical_questions_asked", "critical_questions_failed") == (4, 1)
    assert row["critical_questions"] == [
        {"form_name": "Form", "question_title": "Verified?", "asked": 2, "failed": 1},
        {"form_name": "Form", "question_title": "q7", "asked": 2, "failed": 0},
    ]


def test_without_questions_the_failed_evaluations_are_known_all_the_same() -> None:
    """By the workflow; nothing was asked that is known, and the page says so."""
    rows = REPORT.schema.validate(
        compute(DAY, frames_of(REPORT, {WORKFLOWS: [workflow(score=0, failed_critical_question=True)]}))
    )
    [row] = rows.to_dicts()
    assert told(row, "critical_failures", "critical_questions_asked", "critical_questions_failed") == (1, 0, 0)
    assert row["critical_questions"] == []
    assert any("is not known" in remark for remark in paint(rows, _month(rows)).remarks)


def test_an_agent_in_two_teams_is_two_rows() -> None:
    """As the team was at each time; what the vendor leaves out is an empty key with a name for people."""
    rows = rows_of(
        [
            workflow(1, 50, team_id="T2", team_name=None),
            workflow(2, 70, team_id=None, team_name=None),
            workflow(3, 90),
            workflow(4, 10, agent_id=None, agent_first_name=None, agent_last_name=" "),
            workflow(5, 20, agent_id="B", agent_first_name=None, agent_last_name="Bo"),
            workflow(6, 30, agent_id="C", agent_first_name=None, agent_last_name=None),
        ]
    )
    names = ("agent_id", "agent_name", "team_id", "team_name", "average_score")
    assert [told(row, *names) for row in rows] == [
        ("", None, "T", "Team", 10),
        ("A", "Ann Bo", "", "no team", 70),
        ("A", "Ann Bo", "T", "Team", 90),
        ("A", "Ann Bo", "T2", "T2", 50),
        ("B", "Bo", "T", "Team", 20),
        ("C", "C", "T", "Team", 30),
    ]


@st.composite
def a_day(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Workflows of every kind, and questions of some of them and of others."""
    workflows = [
        workflow(
            number,
            draw(st.sampled_from([None, 0.0, 33.3, 70.1, 100.0])),
            draw(st.sampled_from(["", "Eva Lang", "Bo Ek"])),
            agent_id=draw(st.sampled_from(["A", "B", None])),
            team_id=draw(st.sampled_from(["T", None])),
            workflow_type=draw(st.sampled_from(["Evaluation", "Self-Assessment", "Calibration"])),
            workflow_status=draw(st.sampled_from(["Dispute", "Completed", "Expired"])),
            workflow_state=draw(st.sampled_from(["Open", "Closed", "Timed-Out"])),
            submission_date=draw(st.sampled_from([None, MORNING])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    questions = [
        question(number, title, failed=draw(st.booleans()))
        for number in draw(st.sets(st.integers(0, 9)))
        for title in ("Verified?", "Kind?")
    ]
    return workflows, questions


@given(a_day(), st.randoms(use_true_random=False))
def test_the_parts_are_the_whole_whatever_the_order(day: tuple[list[Row], list[Row]], chance: Random) -> None:
    """Each workflow is counted once, as one thing; the details are the evaluations; the order of rows is none."""
    workflows, questions = day
    rows = rows_of(workflows, questions)
    kinds = ("evaluations", "self_assessments", "calibrations", "not_submitted")
    assert sum(row[kind] for row in rows for kind in kinds) == len(workflows)
    for row in rows:
        details, asked = row["details"], row["critical_questions"]
        scores = [each["score"] for each in details if each["score"] is not None]
        assert told(row, "evaluations", "scored") == (len(details), len(scores))
        assert row["average_score"] == (pytest.approx(sum(scores) / len(scores)) if scores else None)
        assert row["lowest_score"] == min(scores, default=None)
        assert row["disputes"] == sum(each["disputed"] for each in details)
        assert row["critical_questions_asked"] == sum(each["asked"] for each in asked)
        assert row["critical_questions_failed"] == sum(each["failed"] for each in asked)
    chance.shuffle(workflows)
    chance.shuffle(questions)
    assert rows_of(workflows, questions) == rows


def _month(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(partition_date=pl.lit(DAY))


def _read(workflows: Sequence[Row], questions: Sequence[Row] = ()) -> ReadPage:
    rows = REPORT.schema.validate(compute(DAY, frames_of(REPORT, {WORKFLOWS: workflows, QUESTIONS: questions})))
    page = paint(rows, _month(rows))
    return ReadPage(
        rendered(REPORT.title, DAY, page, grain=REPORT.grain, rules=REPORT.counted, sources=[], made_at=NOW)
    )


def test_the_page_needs_nothing_and_escapes_what_people_wrote() -> None:
    """Names of agents, teams, evaluators, forms and questions."""
    evil = "<script>alert(1)</script>"
    people = {"agent_first_name": evil, "team_name": evil, "form_name": evil}
    page = _read(
        [workflow(1, 0, f"{evil} Ek", failed_critical_question=True, **people), workflow(2, 95)],
        [question(1, evil, failed=True, form_name=evil)],
    )
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    assert "<script" not in page.text
    assert evil in page.words


def test_the_page_says_what_is_in_no_score() -> None:
    """In figures, and in words beside them."""
    page = _read(
        [
            workflow(1, 80, workflow_status="Dispute", workflow_state="Open"),
            workflow(2, 40, evaluator=""),
            workflow(3, None, workflow_status="Expired"),
            workflow(4, submission_date=None, workflow_status="Expired"),
            workflow(5, workflow_type="Calibration"),
            workflow(6, workflow_type="Self-Assessment"),
        ]
    )
    text = " ".join(page.words)
    for said in (
        "not submitted, and in no score: 1; of these expired: 1.",
        "self-assessments 1, calibrations 1.",
        "Disputed: 1; of these open: 1.",
        "although the agent's review has expired: 1.",
        "Evaluations without a score: 1.",
        "name no evaluator, and are in no evaluator's figures: 1.",
    ):
        assert said in text
    assert "60.0" in text


def test_a_page_without_an_evaluation() -> None:
    """It opens, and says none rather than zero where there is no average."""
    page = _read([])
    page.assert_needs_nothing()
    page.assert_can_be_heard()
    headline = page.words[page.words.index("Evaluations") :]
    assert headline[1] == "0"
    assert headline[headline.index("Average score, %") + 1] == "–"
