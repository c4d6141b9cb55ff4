"""The demonstration: thirty days of every daily table, backfilled from the sandbox through the real protocols, and
the reports that are made from them.

`python -m contact_analytics.demo` backfills and prints a table of tables; `--ui` opens Dagster's UI over the same
data. Everything lies in `data/demo`, apart from what your own credentials bring in.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "data" / "demo"
DAYS = 30
# A line of `.env.example` that sets something.
_SETTING = re.compile(r"^([A-Z][A-Z0-9_]*)=", re.MULTILINE)
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m contact_analytics.demo", description=__doc__)
    parser.add_argument("--ui", action="store_true", help="open Dagster's UI instead of backfilling")
    parser.add_argument(
        "--days",
        type=int,
        default=DAYS,
        choices=range(1, DAYS + 1),
        metavar="N",
        help="days to backfill, up to yesterday (default 30)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="volume of the sandbox (default 1)")
    parser.add_argument("--port", type=int, default=3000, help="port of the UI; the next free one is taken")
    options = parser.parse_args()
    return show_ui(options.port, options.scale) if options.ui else backfill(options.days, options.scale)


def backfill(days: int, scale: float) -> int:
    """Backfill the last `days` complete days of every table and report, and print what came; 0 if all did."""
    with _sandbox(scale) as url:
        console.print(f"The sandbox answers at {url} as the vendors' APIs would.\n")
        # Settings are read when the definitions are loaded, so these imports come after the environment is set.
        import dagster as dg

        from contact_analytics.catalog import DATASETS, DIMENSIONS, REPORTS
        from contact_analytics.lib.day_range import range_tags
        from contact_analytics.lib.report import UnpartitionedReport
        from contact_analytics.retention_clock import TABLE as CLOCK

        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        first = yesterday - timedelta(days=days - 1)
        span = range_tags(first, yesterday)
        spent: dict[str, float] = {}
        failed: list[str] = []
        columns = TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn(), TextColumn("days")
        with (
            dg.DagsterInstance.from_config(str(_home(DEMO))) as instance,
            ThreadPoolExecutor(1) as runs,
            Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        ):
            whole = [*DIMENSIONS, *(each for each in REPORTS if isinstance(each, UnpartitionedReport)), CLOCK]
            for table in [*DIMENSIONS, *DATASETS, *REPORTS, CLOCK]:
                tags, parts = ({}, 1) if table in whole else (span, days)
                task = progress.add_task(table.table, total=parts)
                started = datetime.now(UTC)
                clock, run = monotonic(), runs.submit(_materialize, instance, table.key, tags)
                while not run.done():
                    wait([run], timeout=0.3)
                    records = instance.fetch_materializations(
                        dg.AssetRecordsFilter(asset_key=table.key, after_timestamp=started.timestamp()), limit=1000
                    )
                    progress.update(task, completed=len({record.partition_key for record in records.records}))
                spent[table.table] = monotonic() - clock
                if not run.result():
                    failed.append(table.table)
        _print_tables(spent)
    if failed:
        console.print(f"\n[red]{', '.join(failed)} did not finish.[/] `make ui` shows why, run by run.")
        return 1
    console.print(
        "\nNext: [bold]make ui[/] opens Dagster over this data. Your own account: copy .env.example to .env and fill "
        f"it in.\nThe tables are in {_shown(DEMO / 'contact_analytics.duckdb')}, the files as received in "
        f"{_shown(DEMO / 'archive')}, the reports' pages in {_shown(DEMO / 'reports' / str(yesterday))}."
    )
    return 0


def _materialize(instance: "DagsterInstance", key: "AssetKey", tags: dict[str, str]) -> bool:
    """Materialize a table in one run, as the UI would, the days of a range in its tags; whether all of it worked."""
    from contact_analytics.definitions import defs

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key],
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    return result.success


def show_ui(port: int, scale: float) -> int:
    """Run `dagster dev` until it is interrupted: over your data with credentials set, else over the sandbox's."""
    from dotenv import dotenv_values

    from contact_analytics.settings import CREDENTIALS

    own = {**dotenv_values(ROOT / ".env"), **os.environ}
    if any(own.get(name) for names in CREDENTIALS.values() for name in names):
        os.environ.setdefault("DAGSTER_HOME", str(_home(ROOT / "data")))
        return _dagster_dev(port)
    with _sandbox(scale) as url:
        console.print(f"No credentials are set: the sandbox answers at {url} as the vendors' APIs would.")
        os.environ["DAGSTER_HOME"] = str(_home(DEMO))
        return _dagster_dev(port)


def _dagster_dev(port: int) -> int:
    port = _free_port(port)
    console.print(f"Dagster's UI opens in some ten seconds at [bold]http://127.0.0.1:{port}[/]. Ctrl-C stops it.")
    # A shell that starts programs in the background lets them ignore Ctrl-C; Dagster's processes must not inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    process = subprocess.Popen([*command, "-p", str(port)], cwd=ROOT)  # noqa: S603 - our own command
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)


@contextmanager
def _sandbox(scale: float) -> Generator[str]:
    """The sandbox, running, and the environment that points everything at it and at the demonstration's own folder."""
    from contact_analytics.sandbox.serve import running

    with running(scale=scale) as url:
        os.environ.update(settings_of(url, scale))
        yield url


def settings_of(url: str, scale: float, folder: Path = DEMO) -> dict[str, str]:
    """Every documented setting as the demonstration has it.

    Those that it does not need are empty, and not left out: a `.env` fills in what is not set, and a demonstration must
    reach nobody's webhook, copy or files.
    """
    from contact_analytics.sandbox.brand_files import write_brand_files
    from contact_analytics.sandbox.serve import environment

    documented = _SETTING.findall((ROOT / ".env.example").read_text())
    return {
        **dict.fromkeys(documented, ""),
        **environment(url),
        **write_brand_files(folder / "brand", datetime.now(UTC).date(), scale),
        "CONTACT_ANALYTICS_WAREHOUSE": str(folder / "contact_analytics.duckdb"),
        "CONTACT_ANALYTICS_ARCHIVE": str(folder / "archive"),
        "CONTACT_ANALYTICS_REPORTS": str(folder / "reports"),
        "CONTACT_ANALYTICS_AUTOMATION": "running",
        "CONTACT_ANALYTICS_START_DATE": _first_partition(folder),
    }


def _first_partition(folder: Path) -> str:
    """The demonstration's first day: the oldest that the sandbox had when it first ran, and the same ever after."""
    known = folder / "first_partition"
    if not known.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        known.write_text(str(datetime.now(UTC).date() - timedelta(days=DAYS)))
    return known.read_text()


def _home(folder: Path) -> Path:
    """Dagster's own storage in a folder, with this project's instance settings."""
    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    return home


def _print_tables(spent: dict[str, float]) -> None:
    from contact_analytics.lib.extractions import IS_STORED
    from contact_analytics.lib.warehouse import WarehouseResource

    table = Table("table", "rows", "days", "files", "MB", "s", box=box.SIMPLE)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:]:
        column.justify, column.min_width = "right", 5
    table.columns[1].min_width = 8
    with WarehouseResource(database=os.environ["CONTACT_ANALYTICS_WAREHOUSE"]).get_connection() as connection:
        rows = connection.execute(
            "select dataset, sum(rows), count(*), sum(files), sum(bytes) / 1e6 from meta.extractions "
            f"where {IS_STORED} group by dataset order by dataset"
        ).fetchall()
    for name, count, days, files, megabytes in rows:
        seconds = f"{spent.get(name, 0.0):.1f}"
        table.add_row(name, f"{count:,}", f"{days}", f"{files:,}", f"{megabytes:,.1f}", seconds)
    console.print(table)


def _free_port(wanted: int) -> int:
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise SystemExit(f"No free port from {wanted} on: name one with --port.")


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
