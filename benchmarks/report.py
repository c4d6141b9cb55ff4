"""`docs/benchmarks.md`, from what was measured."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_START, _END = "<!-- figures -->", "<!-- end of figures -->"

Found = Mapping[str, Any]


def write_report(results: Found) -> None:
    """Put the figures between their marks; the text around them is written by hand."""
    text = DOCUMENT.read_text()
    before, after = text.partition(_START)[0], text.partition(_END)[2]
    parts = [_WRITERS[part](results[part]) for part in _WRITERS if part in results]
    DOCUMENT.write_text(
        f"{before}{_START}\n\n{_about(results['about'])}\n\n" + "\n\n".join(parts) + f"\n\n{_END}{after}"
    )


def _about(about: Found) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return f"{about['machine']}; {versions}; {about['measured'][:10]}."


def _days(found: Found) -> str:
    rows = [
        (
            name,
            f"{day['raw_megabytes']:,.0f}",
            f"{day['rows']:,}",
            _seconds(day["seconds"]["asset"]),
            _seconds(day["seconds"]["duckdb"]),
            f"**{day['ratio'][1]}** ({day['ratio'][0]} to {day['ratio'][2]})",
            _seconds(day["seconds"].get("lake")),
            _seconds(day["seconds"].get("vendor")),
            f"{day['again_ratio']}" if "again_ratio" in day else "",
            f"{day['peak_megabytes']}",
        )
        for name, day in found.items()
    ]
    heads = (
        *("table", "text, MB", "rows", "asset, s", "DuckDB, s", "ratio"),
        *("into a lake, s", "from the vendor, s", "again ÷ first", "MB"),
    )
    # What was not measured has no column.
    shown = [place for place, values in enumerate(zip(*rows, strict=True)) if any(values)]
    kept = [[each[place] for place in shown] for each in (heads, *rows)]
    return f"### A day of each table\n\n{_table(kept[0], kept[1:])}"


def _peers(found: Found) -> str:
    rows = [
        (
            table,
            name,
            said.get("version", ""),
            _seconds(said["seconds"]),
            f"{said['ratio']}",
            f"{said['peak_megabytes']:.0f}",
        )
        for table, each in found.items()
        for name, said in each.items()
        if name != "asset"
    ]
    asset = ", ".join(f"{table} {_seconds(each['asset']['seconds'])} s" for table, each in found.items())
    heads = ("table", "loader and form", "version", "s", "÷ asset", "MB")
    return f"### What others use\n\nThe asset itself: {asset}.\n\n{_table(heads, rows)}"


def _tenfold(found: Found) -> str:
    rows = [
        (
            table,
            f"{times['1']['raw_megabytes']:,.0f} and {times['10']['raw_megabytes']:,.0f}",
            f"{_seconds(times['1']['seconds'])} and {_seconds(times['10']['seconds'])}",
            f"{times['1']['peak_megabytes']} and {times['10']['peak_megabytes']}",
            f"{times['10']['peak_megabytes'] / times['1']['peak_megabytes']:.2f}",
        )
        for table, times in found.items()
    ]
    heads = ("table", "text, MB", "s", "memory, MB", "ratio")
    return f"### The day ten times the size\n\n{_table(heads, rows)}"


def _month(found: Found) -> str:
    tables, daemon = found["tables"], found["daemon"]
    rows = [
        (
            table,
            f"{run['rows']:,.0f}",
            f"{run['calls']:,.0f}",
            _seconds(run["process_seconds"]),
            _seconds(run["seconds"]),
            f"{run['dagster_share']:.0%}",
        )
        for table, run in tables.items()
    ]
    whole = sum(run["seconds"] for run in tables.values())
    share = sum(run["dagster_share"] * run["seconds"] for run in tables.values()) / whole
    heads = ("table", "rows", "calls", "process, s", "run, s", "Dagster's share")
    said = (
        f"From the command line: {len(tables)} tables, {len(tables)} runs one after the other, {whole:.0f} s, of which "
        f"Dagster's {share:.0%}. One backfill of the daemon's: {daemon['runs']} runs, {daemon['seconds']} s until all "
        f"is done, {daemon['seconds_of_runs']} s of runs that overlap."
    )
    return f"### Thirty days of each table\n\n{said}\n\n{_table(heads, rows)}"


def _slope(found: Found) -> str:
    rows = [
        (
            f"{each['rows']:,}",
            f"{each['raw_megabytes']:,.0f}",
            _seconds(each["asset_seconds"]),
            _seconds(each["duckdb_seconds"]),
            f"{each['asset_seconds'] / each['duckdb_seconds']:.2f}",
            f"{each['peak_megabytes']}",
        )
        for each in found.values()
    ]
    steps = list(found.values())
    slopes = [
        math.log(b["asset_seconds"] / a["asset_seconds"]) / math.log(b["rows"] / a["rows"]) for a, b in pairwise(steps)
    ]
    heads = ("rows", "text, MB", "asset, s", "DuckDB, s", "ratio", "MB")
    said = f"Slope of the logarithms, step by step: {', '.join(f'{slope:.2f}' for slope in slopes)}."
    return f"### Rows of agent activity\n\n{said}\n\n{_table(heads, rows)}"


def _small_days(found: Found) -> str:
    day, prepare = found["day_seconds"], found["prepare_seconds"]
    said = (
        f"A day of {found['rows']:,} rows put in its place: {day['lake']} s in a lake, {day['file']} s in a DuckDB "
        f"file. A table brought up to date, once a run: {prepare['lake']} s and {prepare['file']} s."
    )
    return f"### Small days\n\n{said}"


def _scale_out(found: Found) -> str:
    return (
        f"### One worker and two\n\n{_by_workers(found)} The tables of one API go one after the other, whoever has "
        "them: where most are Khoros Care's, a second worker has little to do."
    )


def _accounts(found: Found) -> str:
    return f"### {found['accounts']} accounts by one worker and by two\n\nOf each account, {_by_workers(found)}"


def _by_workers(found: Found) -> str:
    one, two = found["workers"]["1"], found["workers"]["2"]
    return (
        f"{found['days']} days of {found['tables']} tables, {one['rows']:,} rows in all, by Celery's workers into a "
        f"lake, from the vendors' APIs, a run for each table: {one['seconds']} s by one worker, {two['seconds']} s by "
        f"two, **{one['seconds'] / two['seconds']:.2f}** times as fast. All tables were equal. The vendors, "
        f"PostgreSQL, Redis and Dagster ran on the same {found['cores']} cores."
    )


_WRITERS = {
    "days": _days,
    "peers": _peers,
    "tenfold": _tenfold,
    "month": _month,
    "slope": _slope,
    "small_days": _small_days,
    "scale_out": _scale_out,
    "accounts": _accounts,
}


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
