"""Dagster's own daemon over the real code location: what it runs by itself, counted."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from contact_analytics.endangered_days import TAG
from contact_analytics.lib.day_range import days_of
from contact_analytics.sandbox.dagster_processes import dagster_home, process
from contact_analytics.sandbox.serve import environment, running
from contact_analytics_tests.waiting import until

ROOT = Path(__file__).parents[1]
DAYS = 30
ACTIVITY, GROUPS = dg.AssetKey(["liveperson", "agent_activity"]), dg.AssetKey(["liveperson", "agent_groups"])
REPORT = dg.AssetKey(["reports", "agent_utilization"])
DATA_ACCESS = ("agent_activity", "engagement", "survey", "web_session")


@contextmanager
def daemon(folder: Path, **settings: str) -> Iterator[tuple[dg.DagsterInstance, dict[str, str]]]:
    """The daemon, running, over an empty warehouse and a small sandbox; its instance, and its environment."""
    home = dagster_home(folder / "dagster", "dagster.yaml")
    with running(scale=0.02) as url:
        variables = {
            "DAGSTER_HOME": str(home),
            "CONTACT_ANALYTICS_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
            "CONTACT_ANALYTICS_REPORTS": str(folder / "reports"),
            "CONTACT_ANALYTICS_START_DATE": str(datetime.now(UTC).date() - timedelta(days=DAYS)),
            **environment(url),
            **settings,
        }
        # Opened first, as two processes would make the same files at once.
        with dg.DagsterInstance.from_config(str(home)) as instance:
            instance.get_runs()
            words = ["dagster-daemon", "run", "-m", "contact_analytics_tests.daemon_location"]
            with process(words, variables, folder / "daemon.log"):
                yield instance, variables


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> Counter[str]:
    """How often each day of an asset was materialized."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1000).records
    return Counter(record.partition_key or "" for record in records)


def runs_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[dg.DagsterRun]:
    """The runs that were to materialize an asset, oldest first."""
    return [run for run in reversed(instance.get_runs()) if key in (run.asset_selection or ())]


def launched(variables: dict[str, str], key: dg.AssetKey, first: date | None = None, last: date | None = None) -> None:
    """What a user launches, as a process of its own."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "contact_analytics.definitions"]
    command += ["--select", f'key:"{key.to_user_string()}"']
    command += ["--partition-range", f"{first}...{last}"] if first else []
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def ticks(instance: dg.DagsterInstance, sensor: str) -> int:
    """How many times a sensor has looked."""
    state = next((each for each in instance.all_instigator_state() if each.instigator_name == sensor), None)
    return len(instance.get_ticks(state.instigator_origin_id, state.selector_id)) if state else 0


def test_reports_follow_their_inputs_and_freshness_its_deadline(tmp_path: Path) -> None:
    """A month loaded in one run is made once a day, in few runs, when the last input has come.

    A reload without a change makes nothing, a change makes its days. At the deadline, the daemon finds the table whose
    newest day is missing, though an old one was loaded meanwhile, and passes the one that has it.
    """
    deadline = (datetime.now(UTC) + timedelta(seconds=130)).replace(second=0, microsecond=0)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    days = [yesterday - timedelta(days=back) for back in reversed(range(DAYS))]
    with daemon(tmp_path, DEADLINE=deadline.isoformat()) as (instance, variables):
        sensor = "reports_when_complete"

        def looked(times: int) -> None:
            before = ticks(instance, sensor)
            until(
                lambda: ticks(instance, sensor) >= before + times,
                90,
                lambda: (tmp_path / "daemon.log").read_text()[-4000:],
            )

        def is_settled() -> bool:
            return all(run.is_finished for run in instance.get_runs())

        looked(1)
        # The day before yesterday is the one that is due at the deadline.
        for name, day in (("fresh", days[-2]), ("stale", days[-3]), ("stale", days[3])):
            key = dg.AssetKey(["test", name])
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=str(day)))
        launched(variables, ACTIVITY, days[0], days[-1])
        looked(2)
        assert not runs_of(instance, REPORT), "made although the agent groups were missing"
        assert not _checks(instance, "fresh") + _checks(instance, "stale")

        launched(variables, GROUPS)
        until(lambda: len(materialized(instance, REPORT)) == DAYS, 120, lambda: materialized(instance, REPORT))
        until(is_settled, 30, lambda: "a run does not end")
        assert materialized(instance, REPORT) == dict.fromkeys(map(str, days), 1)
        made_by = len(runs_of(instance, REPORT))
        assert made_by <= 3

        launched(variables, ACTIVITY, days[-3], days[-1])
        looked(2)
        assert len(runs_of(instance, REPORT)) == made_by, "made again although nothing had changed"

        changed = dg.AssetMaterialization(ACTIVITY, partition=str(days[10]), tags={"dagster/data_version": "another"})
        instance.report_runless_asset_event(changed)
        until(lambda: len(runs_of(instance, REPORT)) > made_by, 60, lambda: "a change made nothing")
        until(is_settled, 60, lambda: "a run does not end")
        again = {day for day, times in materialized(instance, REPORT).items() if times == 2}
        assert again == {str(days[10])}

        until(lambda: bool(_checks(instance, "fresh") and _checks(instance, "stale")), 120, lambda: "never evaluated")
        assert datetime.now(UTC) >= deadline
        assert (_checks(instance, "fresh"), _checks(instance, "stale")) == ([True], [False])


def _checks(instance: dg.DagsterInstance, name: str) -> list[bool]:
    """The results of a table's freshness check."""
    key = dg.AssetCheckKey(dg.AssetKey(["test", name]), "newest_due_day_is_in")
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED: True, AssetCheckExecutionRecordStatus.FAILED: False}
    return [ended[record.status] for record in records if record.status in ended]


def test_what_is_in_danger_is_loaded_first(tmp_path: Path) -> None:
    """The daemon runs the sensor's requests: the oldest week of each table, each table at its own, then the next."""
    unused = ",".join([*(f"liveperson.{name}" for name in ("engagement", "web_session")), "liveperson.conversations"])
    settings = {"CONTACT_ANALYTICS_AUTOMATION": "running", "CONTACT_ANALYTICS_UNUSED_TABLES": unused}
    moment = datetime.now(UTC) + timedelta(hours=1)
    with daemon(tmp_path, DEADLINE=moment.isoformat(), **settings) as (instance, _):

        def ended() -> list[dg.DagsterRun]:
            return [run for run in instance.get_runs() if TAG in run.tags and run.status is dg.DagsterRunStatus.SUCCESS]

        until(lambda: len(ended()) >= 2, 150, lambda: [(run.status, run.tags) for run in instance.get_runs()])
        runs = [run for run in reversed(instance.get_runs()) if TAG in run.tags][:2]
        oldest = datetime.now(UTC).date() - timedelta(days=DAYS)
        spans = {run.tags[TAG]: days_of(run.tags) for run in runs}
        week = (str(oldest), str(oldest + timedelta(days=6)))
        assert spans == {"liveperson.agent_activity": week, "liveperson.survey": week}
        for name in ("agent_activity", "survey"):
            stored = materialized(instance, dg.AssetKey(["liveperson", name]))
            assert {str(oldest + timedelta(days=n)) for n in range(7)} <= stored.keys()
