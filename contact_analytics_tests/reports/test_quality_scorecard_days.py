"""Days of the quality scorecard over the tables' own assets: each figure a second time in SQL, and what is missing."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from contact_analytics.reports.quality_scorecard import REPORT, compute, quality_scorecard
from contact_analytics.reports.quality_scorecard_page import paint
from contact_analytics.sandbox.nice_cxone import NiceCxone
from contact_analytics_tests.export_places import CxonePlace
from contact_analytics_tests.reports.places import LAST, LENGTH, make, report_asset, select

# Evaluations are few, and their exports quick: enough days that all kinds are among them. Reviews expire after two
# weeks, so that some have and some have not.
FIRST = LAST - timedelta(days=max(LENGTH, 16) - 1)
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
# Of which questions are not loaded.
HALF_LOADED = LAST + timedelta(days=1)
MOVED_FROM, MOVED_TO = DAYS[3], DAYS[5]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CxonePlace]:
    """Days of evaluations, and the report of each; one of them has moved, and stands on two days."""
    with dg.DagsterInstance.ephemeral() as instance:
        place = CxonePlace(tmp_path_factory.mktemp("company"), instance, NiceCxone(scale=0.6, interval=0))
        assert place.materialize("qm_workflows", FIRST, HALF_LOADED).ok
        moved = next(each for each in place.app.evaluations(MOVED_FROM) if each.submitted is None)
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
        submitted = datetime.combine(MOVED_TO, datetime.min.time(), UTC)
        changes = {"submission_date": submitted, "workflow_status": "Sent to Agent", "Score - Percentage": 12.5}
        place.app.update(moved.id, at, **changes)
        assert place.materialize("qm_workflows", MOVED_TO).ok
        assert place.materialize("qm_questions", FIRST, LAST).ok
        assert make(quality_scorecard, place.folder, instance, FIRST, LAST).ok
        yield place


_BY_SQL = """
with latest as (
    select * from nice_cxone.qm_workflows as one where not exists (
        select 1 from nice_cxone.qm_workflows as other where one.workflow_id = other.workflow_id
        and (other.last_updated, other._source_file, other.partition_date)
            > (one.last_updated, one._source_file, one.partition_date)
    )
), told as (
    select partition_date, coalesce(agent_id, '') as agent_id, coalesce(team_id, '') as team_id, workflow_id,
        score_percentage as score, evaluator_first_name || ' ' || evaluator_last_name as evaluator,
        failed_critical_question as failed, submission_date is null as unsubmitted,
        workflow_status = 'Expired' or workflow_state = 'Timed-Out' as expired,
        case when submission_date is null then 'none' when evaluation_flow_trigger = 'Calibration' then 'calibration'
            else workflow_type end as kind,
        workflow_status = 'Dispute' or user_review_comments <> '' or dispute_resolver_last_name <> '' as disputed,
        dispute_resolver_last_name is null and workflow_state = 'Open' as undecided
    from latest
), spread as (
    select partition_date, agent_id, team_id, count(*) as evaluators,
        case when count(*) > 1 then max(mean) - min(mean) end as evaluator_spread
    from (select partition_date, agent_id, team_id, evaluator, avg(score) as mean from told
          where kind = 'Evaluation' and score is not null and evaluator is not null group by all) group by all
), asked as (
    select told.partition_date, told.agent_id, told.team_id, count(*) as asked,
        count(*) filter (where question.failed_critical_question) as failed
    from told join nice_cxone.qm_questions as question on workflow_instance_id = workflow_id
    where told.kind = 'Evaluation' and question.critical group by all
)
select partition_date, agent_id, team_id,
    count(*) filter (where kind = 'Evaluation') as evaluations,
    count(score) filter (where kind = 'Evaluation') as scored,
    round(avg(score) filter (where kind = 'Evaluation'), 6) as average_score,
    min(score) filter (where kind = 'Evaluation') as lowest_score,
    count(*) filter (where kind = 'Evaluation' and disputed) as disputes,
    count(*) filter (where kind = 'Evaluation' and disputed and undecided) as disputes_open,
    count(*) filter (where kind = 'Evaluation' and told.failed) as critical_failures,
    coalesce(max(asked), 0) as critical_questions_asked,
    coalesce(max(asked.failed), 0) as critical_questions_failed,
    coalesce(max(evaluators), 0) as evaluators,
    round(max(evaluator_spread), 6) as evaluator_spread,
    count(*) filter (where kind = 'Self-Assessment') as self_assessments,
    round(avg(score) filter (where kind = 'Self-Assessment'), 6) as average_self_assessment,
    count(*) filter (where kind = 'calibration') as calibrations,
    count(*) filter (where unsubmitted) as not_submitted,
    count(*) filter (where unsubmitted and expired) as not_submitted_expired,
    count(*) filter (where kind = 'Evaluation' and expired) as reviews_expired
from told left join spread using (partition_date, agent_id, team_id)
left join asked using (partition_date, agent_id, team_id)
where partition_date between $first and $last group by all order by all
"""


def test_each_figure_of_each_day_is_that_of_sql(company: CxonePlace) -> None:
    """All columns of all agents and teams; and the days have each thing that is told apart, save the rarest."""
    expected = select(company.folder, _BY_SQL, first=FIRST, last=LAST)
    rounded = {"average_score", "evaluator_spread", "average_self_assessment"}
    columns = ", ".join(f"round({name}, 6) as {name}" if name in rounded else name for name in expected[0])
    assert select(company.folder, f"select {columns} from reports.quality_scorecard order by all") == expected
    assert {row["partition_date"] for row in expected} == {*DAYS}
    for name in expected[0].keys() - {"reviews_expired", "disputes_open"}:
        assert any(row[name] for row in expected), name


def test_the_flat_views_have_a_row_an_evaluation_and_a_row_a_question(company: CxonePlace) -> None:
    """Details are the evaluations, each once, wherever it was stored before."""
    [counted] = select(
        company.folder,
        "select (select count(*) from reports.quality_scorecard_details) as details, "
        "(select count(distinct workflow_id) from reports.quality_scorecard_details) as workflows, "
        "(select sum(evaluations) from reports.quality_scorecard)::bigint as evaluations, "
        "(select sum(failed) from reports.quality_scorecard_critical_questions)::bigint as failed, "
        "(select sum(critical_questions_failed) from reports.quality_scorecard)::bigint as questions",
    )
    assert counted["details"] == counted["workflows"] == counted["evaluations"]
    assert counted["failed"] == counted["questions"]


def test_an_evaluation_that_stands_on_two_days_counts_on_the_day_of_its_latest_state(company: CxonePlace) -> None:
    """The day before still has it as not submitted, and shows it no more."""
    stored = select(
        company.folder,
        "select workflow_id from nice_cxone.qm_workflows group by all having count(*) > 1",
    )
    [moved] = [row["workflow_id"] for row in stored]
    found = select(
        company.folder,
        "select partition_date, score from reports.quality_scorecard_details where workflow_id = $id",
        id=moved,
    )
    assert found == [{"partition_date": MOVED_TO, "score": 12.5}]
    of_the_day = f"where partition_date = '{MOVED_FROM}'"
    [left] = select(
        company.folder, f"select sum(not_submitted)::bigint as n from reports.quality_scorecard {of_the_day}"
    )
    [held] = select(
        company.folder,
        f"select count(*) - 1 as n from nice_cxone.qm_workflows {of_the_day} and submission_date is null",
    )
    assert left == held


@pytest.fixture
def copied(company: CxonePlace, tmp_path: Path) -> Path:
    """A folder with the company's warehouse that a test may change."""
    shutil.copy(company.folder / "warehouse.duckdb", tmp_path)
    return tmp_path


def test_a_day_without_questions_is_named_and_nothing_is_changed(company: CxonePlace, copied: Path) -> None:
    """The other days of the run are made."""
    before = select(copied, "select count(*) as rows from reports.quality_scorecard")
    run = make(quality_scorecard, copied, company.instance, HALF_LOADED)
    assert not run.ok
    assert f"not stored yet: nice_cxone.qm_questions {HALF_LOADED}" in run.problem
    assert select(copied, "select count(*) as rows from reports.quality_scorecard") == before
    both = make(quality_scorecard, copied, company.instance, LAST, HALF_LOADED)
    assert not both.ok
    assert both.days.keys() == {str(LAST)}


def test_a_company_without_questions_has_the_rest(company: CxonePlace, copied: Path) -> None:
    """Each figure but those of questions is what it is with them."""
    report = replace(REPORT, has=lambda table: table != "nice_cxone.qm_questions")
    own = "select * exclude (critical_questions_asked, critical_questions_failed, critical_questions, _computed_at, "
    own += f"_run_id) from reports.quality_scorecard where partition_date = '{LAST}' order by agent_id, team_id"
    before = select(copied, own)
    assert make(report_asset(report, compute, paint), copied, company.instance, LAST, HALF_LOADED).ok
    assert select(copied, own) == before
    [asked] = select(
        copied,
        "select sum(critical_questions_asked)::bigint as asked, sum(critical_failures)::bigint as failures "
        f"from reports.quality_scorecard where partition_date in ('{LAST}', '{HALF_LOADED}')",
    )
    assert asked["asked"] == 0
    assert asked["failures"]


def test_a_company_without_nice_has_an_empty_report(tmp_path: Path) -> None:
    """Made without an error, and without a row."""
    report = replace(REPORT, has=lambda _: False)
    with dg.DagsterInstance.ephemeral() as instance:
        run = make(report_asset(report, compute, paint), tmp_path, instance, LAST)
        assert run.ok, run.problem
    assert select(tmp_path, "from reports.quality_scorecard") == []
