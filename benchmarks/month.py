"""Thirty days of every daily table, each backfilled in one run: wall time, Dagster's share of it, runs and calls."""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.days import measured, settings_of
from contact_analytics.sandbox.serve import running

_DAYS = 30
_TABLES = (
    "liveperson.agent_activity",
    "liveperson.engagement",
    "liveperson.survey",
    "liveperson.web_session",
    "liveperson.conversations",
    "khoros_care.conversation",
    "khoros_care.response",
    "nice_cxone.qm_workflows",
    "nice_cxone.qm_questions",
)


def month(scale: float, _: int) -> dict[str, Any]:
    """From the command line, a process a table; Dagster's events go to SQLite, as on one machine they do."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=_DAYS - 1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, running(scale=scale) as url:
        folder = Path(name)
        settings = settings_of(url, folder, folder / "archive", first)
        for table in _TABLES:
            started = perf_counter()
            words = table, str(first), str(last), "--source", "vendor"
            run = measured("benchmarks.asset_run", *words, "--replay", settings=settings)
            replay = run.pop("replay_seconds")
            run["process_seconds"] = perf_counter() - started - replay
            run["dagster_share"] = round(replay / run["seconds"], 2)
            found[table] = {key: round(value, 2) for key, value in run.items()}
            print(table, json.dumps(found[table]), flush=True)
    return found
