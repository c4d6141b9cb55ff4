"""Everything that is measured, as ratios in one run on one machine: `make bench`.

Each part writes what it found to `benchmarks/results.json` at once, and `docs/benchmarks.md` is made from that. Name
parts to measure them alone: `python -m benchmarks.run days peers tenfold month slope small_days scale_out accounts`.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.days import Day, generated, measured, written
from benchmarks.month import month
from benchmarks.peers.environments import python_of
from benchmarks.report import write_report
from benchmarks.scale_out import accounts, scale_out
from benchmarks.small_days import small_days

RESULTS = Path(__file__).with_name("results.json")
# The sandbox's volume at which a busy day of each table is as large as the question asks.
SCALES = {
    "liveperson.agent_activity": 75,
    "liveperson.engagement": 40,
    "liveperson.web_session": 22,
    "liveperson.conversations": 32,
    "nice_cxone.qm_workflows": 1300,
}
# Files that are asked for by name; elsewhere the sandbox writes each answer anew, and slower than any client reads.
OF_FILES = ("liveperson.agent_activity", "liveperson.engagement", "liveperson.web_session")
PEERS = {
    "liveperson.agent_activity": {
        "dlt": ("default", "nested", "flat", "arrow"),
        "singer": ("default", "tuned"),
        "polars": ("default", "schema", "arrow"),
    },
    "liveperson.engagement": {
        "dlt": ("default", "nested", "flat", "arrow"),
        "singer": ("default", "tuned"),
        "polars": ("default", "schema", "arrow"),
    },
    "liveperson.conversations": {"dlt": ("nested", "flat", "arrow")},
}
_PROGRAMS = {"dlt": "dlt_load", "singer": "target_duckdb", "polars": "polars_load"}
_PACKAGES = ("dagster", "duckdb", "polars", "pyarrow", "dataframely")
# Volumes for rows of agent activity: some 3,200 at one.
_SLOPE = {"10⁵": 31, "10⁶": 310, "10⁷": 3100}

Results = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the size of each day (default 1)")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    results: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["about"] = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {platform.python_version()}",
        "versions": {name: version(name) for name in _PACKAGES},
    }
    for part in options.parts:
        results[part] = PARTS[part](options.scale, options.repetitions)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        write_report(results)
    return 0


def days(scale: float, repetitions: int) -> Results:
    """A day of each table: the asset, with and without download, against bare DuckDB, and the asset again."""
    found: Results = {}
    for table, volume in SCALES.items():
        with _day(table, volume * scale) as day:
            sides = ["asset", "lake", "duckdb", *(["vendor", "again"] if table in OF_FILES else [])]
            pairs = day.pairs(repetitions, *sides)
            seconds = pairs.pop("seconds")
            ratios = [a / b for a, b in zip(seconds["asset"], seconds["duckdb"], strict=True)]
            found[table] = {
                "raw_megabytes": round(day.raw_bytes / 1e6, 1),
                **pairs,
                "seconds": {side: round(median(each), 2) for side, each in seconds.items()},
                "ratio": [round(each, 2) for each in (min(ratios), median(ratios), max(ratios))],
                "peak_megabytes": day.run("archive")["peak_megabytes"],
            }
            found[table]["lake_ratio"] = round(median(seconds["lake"]) / median(seconds["asset"]), 2)
            if "again" in seconds:
                found[table]["again_ratio"] = round(median(seconds["again"]) / median(seconds["vendor"]), 2)
        print(table, json.dumps(found[table]), flush=True)
    return found


def peers(scale: float, repetitions: int) -> Results:
    """What is used today, in several configurations each, from the same files; one run each, as some take minutes."""
    found: Results = {}
    for table, programs in PEERS.items():
        with _uniform_day(table, SCALES[table] * scale) as day:
            asset = day.pairs(min(3, repetitions), "asset")
            found[table] = {"asset": {"seconds": round(median(asset["seconds"]["asset"]), 2), "rows": asset["rows"]}}
            for peer, forms in programs.items():
                for form in forms:
                    said = _peer(day, peer, form)
                    if said["rows"] != asset["rows"]:
                        raise SystemExit(f"{table}: {peer} {form} ended with {said['rows']} of {asset['rows']} rows")
                    said["ratio"] = round(said["seconds"] / found[table]["asset"]["seconds"], 1)
                    found[table][f"{peer} {form}"] = said
                    print(table, peer, form, json.dumps(said), flush=True)
    return found


def tenfold(scale: float, _: int) -> Results:
    """The same day ten times the size: time and memory, each in a process of its own.

    Files are written, as for the day of ten million rows. Of what the sandbox has to answer, the large day is that of
    `days`, and the small one a tenth of it.
    """
    found: Results = {}
    for table, volume in SCALES.items():
        found[table] = {}
        for times in (1, 10):
            share = 1 if table in OF_FILES else 10
            with _uniform_day(table, volume * scale * times / share) as day:
                run = day.run("archive")
                found[table][str(times)] = {
                    "raw_megabytes": round(day.raw_bytes / 1e6, 1),
                    **{name: run[name] for name in ("rows", "seconds", "peak_megabytes")},
                }
        print(table, json.dumps(found[table]), flush=True)
    return found


def slope(scale: float, repetitions: int) -> Results:
    """Rows of agent activity over three decades, from the archive."""
    found: Results = {}
    for name, volume in _SLOPE.items():
        # Written as files, as the sandbox would be asked for an hour's file longer than any client waits.
        with _uniform_day("liveperson.agent_activity", volume * scale) as day:
            pairs = day.pairs(min(2, repetitions), "asset", "duckdb")
            run = day.run("archive")
            found[name] = {
                "raw_megabytes": round(day.raw_bytes / 1e6, 1),
                "rows": pairs["rows"],
                "asset_seconds": round(median(pairs["seconds"]["asset"]), 2),
                "duckdb_seconds": round(median(pairs["seconds"]["duckdb"]), 2),
                "peak_megabytes": run["peak_megabytes"],
            }
        print(name, json.dumps(found[name]), flush=True)
    return found


PARTS: dict[str, Callable[[float, int], Results]] = {
    "days": days,
    "peers": peers,
    "tenfold": tenfold,
    "month": month,
    "slope": slope,
    "small_days": small_days,
    "scale_out": scale_out,
    "accounts": accounts,
}


@contextmanager
def _day(table: str, scale: float) -> Generator[Day]:
    """A day from the sandbox's APIs, removed with all that was made of it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, generated(table, scale, Path(folder)) as day:
        yield day


@contextmanager
def _uniform_day(table: str, scale: float) -> Generator[Day]:
    """A day whose files are all alike."""
    if table not in OF_FILES:
        with _day(table, scale) as day:
            yield day
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        yield written(table, scale, Path(folder))


def _peer(day: Day, peer: str, form: str) -> Results:
    vendor, dataset = day.table.split(".")
    database = day.folder / f"{peer}-{form}.duckdb"
    files = day.folder / "archive" / vendor / dataset / str(day.day)
    words = dataset, str(files), str(database), "--form", form
    return measured(f"benchmarks.peers.{_PROGRAMS[peer]}", *words, python=python_of(peer))


if __name__ == "__main__":
    sys.exit(main())
