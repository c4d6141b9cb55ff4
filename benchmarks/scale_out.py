"""Thirty days of every daily table by Celery's workers into a lake: by one and by two, and whether all is equal.

Of one account the tables of an API go one after the other, whoever has them; two accounts have APIs of their own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import dagster as dg
import redis

from benchmarks.databases import database
from contact_analytics.catalog import DATASETS
from contact_analytics.definitions import defs
from contact_analytics.lib.dataset import Provenance
from contact_analytics.lib.lake import Lake, lake_of
from contact_analytics.lib.schema import columns_of
from contact_analytics.lib.tables import row_digest
from contact_analytics.sandbox.dagster_processes import ROOT, celery_worker, dagster_dev, dagster_home
from contact_analytics.sandbox.serve import environment, running

_DAYS = 30
_TABLES = tuple(dataset.table for dataset in DATASETS)
# Conversations that are open go on between the two, at the vendor's as well: of them as many rows must do.
_GOES_ON = "liveperson.conversations"
_WAIT_SECONDS = 3600
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_REDIS = os.environ.get("CONTACT_ANALYTICS_TEST_REDIS") or "redis://127.0.0.1:6379"

Digests = dict[str, tuple[int, int | None]]


def scale_out(scale: float, _: int) -> dict[str, Any]:
    """Seconds by the number of workers, each from an empty lake and an empty archive; quits if the tables differ."""
    return _compared(("acme",), scale)


def accounts(scale: float, _: int) -> dict[str, Any]:
    """The same of two accounts, each with a sandbox of its own."""
    return _compared(("acme", "globex"), scale)


def _compared(names: Sequence[str], scale: float) -> dict[str, Any]:
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=_DAYS - 1)
    found: dict[str, dict[str, int]] = {}
    stored: list[Digests] = []
    with ExitStack() as stack:
        urls = {name: stack.enter_context(running(scale=scale)) for name in names}
        for workers in (1, 2):
            with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                seconds, digests = _by_workers(workers, urls, Path(folder), first, last)
            stored.append(digests)
            found[str(workers)] = {"seconds": round(seconds), "rows": sum(rows for rows, _ in digests.values())}
            print(len(names), "accounts", workers, "workers", found[str(workers)], flush=True)
    if stored[0] != stored[1]:
        raise SystemExit(f"the tables differ: {[table for table in stored[0] if stored[0][table] != stored[1][table]]}")
    common = {"accounts": len(names), "tables": len(_TABLES), "days": _DAYS, "scale": scale, "cores": os.cpu_count()}
    return {**common, "workers": found}


def _by_workers(workers: int, urls: dict[str, str], folder: Path, first: date, last: date) -> tuple[float, Digests]:
    with database() as storage, database() as catalog:
        return _measured(workers, urls, folder, (storage, catalog), first, last)


def _measured(
    workers: int, urls: dict[str, str], folder: Path, databases: tuple[str, str], first: date, last: date
) -> tuple[float, Digests]:
    storage, catalog = databases
    words = dict(word.split("=") for word in storage.split())
    for number in (14, 15):
        redis.Redis.from_url(f"{_REDIS}/{number}").flushdb()
    home = dagster_home(folder / "dagster", "celery/dagster.yaml")
    # One run more than can be worked at waits at the broker, so that no worker does.
    text = (home / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(text.replace("max_concurrent_runs: 4", f"max_concurrent_runs: {workers + 1}"))
    files = folder / "accounts"
    files.mkdir()
    for name, url in urls.items():
        (files / f"{name}.env").write_text("".join(f"{key}={value}\n" for key, value in environment(url).items()))
    settings = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://{words['user']}@{words['host']}:{words['port']}/{words['dbname']}",
        "DAGSTER_CELERY_BROKER": f"{_REDIS}/14",
        "DAGSTER_CELERY_BACKEND": f"{_REDIS}/15",
        "CONTACT_ANALYTICS_ACCOUNTS": str(files),
        "CONTACT_ANALYTICS_START_DATE": str(first),
        "CONTACT_ANALYTICS_WAREHOUSE": f"ducklake:postgres:{catalog}",
        "CONTACT_ANALYTICS_LAKE_DATA": str(folder / "lake"),
        "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
        "CONTACT_ANALYTICS_REPORTS": str(folder / "reports"),
    }
    _know_pools(settings, urls)
    with dagster_dev(settings, workspace=_workspace(folder, settings)) as dagster, ExitStack() as stack:
        for number in range(workers):
            stack.enter_context(celery_worker(settings, f"worker-{number}"))
        started = perf_counter()
        for table in _TABLES:
            for name in urls:
                dagster.launch([f"{name}.{table}"], first, last, location=name)
        while not all(run["status"] in _ENDED for run in dagster.runs()):
            sleep(1)
            if perf_counter() - started > _WAIT_SECONDS:
                raise SystemExit(f"not done after {_WAIT_SECONDS} s: {dagster.runs()}")
        seconds, runs = perf_counter() - started, dagster.runs()
    if failed := [run for run in runs if run["status"] != "SUCCESS"]:
        raise SystemExit(f"runs failed: {failed}")
    digests: Digests = {}
    for name in urls:
        lake = lake_of(settings["CONTACT_ANALYTICS_WAREHOUSE"], str(folder / "lake" / name), name)
        assert lake
        digests |= {f"{name}.{table}": digest for table, digest in _digests(lake).items()}
    return seconds, digests


def _know_pools(settings: dict[str, str], names: Iterable[str]) -> None:
    """Let Dagster know the pools' limits, as of all that it has once met: it then sends no run to wait in a worker."""
    assets = (asset for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition))
    for pool in sorted({asset.op.pool for asset in assets if asset.op.pool}):
        for name in names:
            command = [sys.executable, "-m", "dagster", "instance", "concurrency", "set", f"{name}_{pool}", "1"]
            subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, check=True)


def _workspace(folder: Path, settings: dict[str, str]) -> Path:
    """The file by which Dagster finds the accounts, as the command writes it."""
    command = [sys.executable, "-m", "contact_analytics.accounts"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True)
    (folder / "workspace.yaml").write_text(done.stdout)
    return folder / "workspace.yaml"


def _digests(lake: Lake) -> Digests:
    """What a lake holds, without where a row comes from and when, which differs from load to load."""
    own = ", ".join(name for name in columns_of(Provenance) if name != "_extra")
    with lake.opened() as connection:
        digests = {
            table: row_digest(connection, f"(select * exclude ({own}) from {table})")
            for table in _TABLES
            if table != _GOES_ON
        }
        [(rows,)] = connection.execute(f"select count(*) from {_GOES_ON}").fetchall()
    return {**digests, _GOES_ON: (rows, None)}
