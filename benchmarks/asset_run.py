"""A measured run of an asset in a process of its own: `python -m benchmarks.asset_run <table> <first day> <last day>`.

It prints a line of JSON: seconds of the run (Dagster's own included, imports not), rows, calls, files that were
downloaded, phases, and its highest resident memory. Where everything lies is said by the product's own settings.
"""

import argparse
import json
import resource
import sys
from datetime import date
from time import perf_counter
from typing import Any

import dagster as dg

from benchmarks.days import SOURCES, home
from contact_analytics.definitions import defs
from contact_analytics.lib.day_range import range_tags

_SUMMED = ("rows", "calls", "files_downloaded", "seconds_list", "seconds_download", "seconds_decode", "seconds_load")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asset_run", description=__doc__)
    parser.add_argument("table", help="vendor.table")
    parser.add_argument("first", type=date.fromisoformat)
    parser.add_argument("last", type=date.fromisoformat)
    parser.add_argument("--source", choices=SOURCES, default="archive")
    parser.add_argument("--replay", action="store_true", help="run once more as an asset that only gives the results")
    options = parser.parse_args()
    key = dg.AssetKey(options.table.split("."))
    tags = range_tags(options.first, options.last)
    with dg.DagsterInstance.from_config(str(home())) as instance:
        started = perf_counter()
        result = materialize(instance, key, tags, options.source)
        seconds = perf_counter() - started
        measured = {"seconds": seconds, **summed(result, key), "peak_megabytes": peak_megabytes()}
        if options.replay:
            measured["replay_seconds"] = replay(instance, key, tags, result)
    print(json.dumps(measured))
    return 0


def materialize(
    instance: dg.DagsterInstance, key: dg.AssetKey, tags: dict[str, str], source: str
) -> dg.ExecuteInProcessResult:
    """Materialize days of a table in one run, as the UI would; quits if that fails."""
    asset = _asset(key)
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[key], tags=tags, run_config=_config(asset, {"source": source})
    )
    if not result.success:
        raise SystemExit(f"{key.to_user_string()} failed")
    return result


def summed(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, float]:
    """What the materializations of a run say, over all of its days."""
    given = [each.metadata for each in result.asset_materializations_for_node(key.to_python_identifier())]
    named = {"rows": "dagster/partition_row_count"}
    return {
        name: sum(each[named.get(name, name)].value for each in given if named.get(name, name) in each)
        for name in _SUMMED
    }  # type: ignore[misc]


def replay(
    instance: dg.DagsterInstance, key: dg.AssetKey, tags: dict[str, str], result: dg.ExecuteInProcessResult
) -> float:
    """Seconds of a run of an asset that does nothing but give the same results: what Dagster alone takes."""
    materializations = [
        dg.AssetMaterialization(key, partition=each.partition, metadata=each.metadata, tags=each.tags)
        for each in result.asset_materializations_for_node(key.to_python_identifier())
    ]
    checks = [
        dg.AssetCheckResult(
            asset_key=key,
            check_name=each.check_name,
            passed=each.passed,
            severity=each.severity,
            metadata=each.metadata,
        )
        for each in result.get_asset_check_evaluations()
    ]

    @dg.asset(
        key=key,
        partitions_def=_asset(key).partitions_def,
        check_specs=[dg.AssetCheckSpec(each.check_name or "", asset=key) for each in checks],
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
    )
    def given() -> Any:
        yield from materializations
        yield from checks

    job = dg.Definitions(assets=[given]).resolve_implicit_global_asset_job_def()
    started = perf_counter()
    job.execute_in_process(instance=instance, asset_selection=[key], tags=tags, run_config=_config(given, {}))
    return perf_counter() - started


def peak_megabytes() -> int:
    """The highest resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000


def _asset(key: dg.AssetKey) -> dg.AssetsDefinition:
    return next(asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition) and asset.key == key)


def _config(asset: dg.AssetsDefinition, config: dict[str, str]) -> dict[str, Any]:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return quiet | ({"ops": {asset.op.name: {"config": config}}} if config else {})


if __name__ == "__main__":
    sys.exit(main())
