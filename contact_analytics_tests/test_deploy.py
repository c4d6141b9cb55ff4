"""What `deploy/` says is what Dagster takes, and the same in all its forms."""

from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from contact_analytics.lib.celery_launcher import AttentiveCeleryRunLauncher
from contact_analytics.sandbox.dagster_processes import ROOT

DEPLOY = ROOT / "deploy"


def of(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


@pytest.mark.parametrize("name", ["dagster.yaml", "celery/dagster.yaml"])
def test_dagster_takes_the_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own schema; one machine's make an instance."""
    settings = of(name)
    checked = {key: value for key, value in settings.items() if key not in ("storage", "run_launcher")}
    validated = validate_config(dagster_instance_config_schema(), checked)
    assert validated.success, validated.errors
    if name == "dagster.yaml":
        (tmp_path / "dagster.yaml").write_text((DEPLOY / name).read_text())
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.run_monitoring_enabled


def test_the_launcher_takes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own schema, with the variables of the file."""
    launcher = of("celery/dagster.yaml")["run_launcher"]
    assert getattr(import_module(launcher["module"]), launcher["class"]) is AttentiveCeleryRunLauncher
    for name in ("BROKER", "BACKEND"):
        monkeypatch.setenv(f"DAGSTER_CELERY_{name}", "redis://127.0.0.1:6379/14")
    validated = validate_config(AttentiveCeleryRunLauncher.config_type(), launcher["config"])
    assert validated.success, validated.errors


def test_kubernetes_has_what_celery_has() -> None:
    """Limits, monitoring and retries; the chart writes their names its own way."""
    celery, values = of("celery/dagster.yaml"), of("kubernetes/values.yaml")
    pools, monitoring = values["concurrency"]["pools"], values["dagsterDaemon"]["runMonitoring"]
    assert {"default_limit": pools["defaultLimit"], "granularity": pools["granularity"]} == celery["concurrency"][
        "pools"
    ]
    assert celery["run_monitoring"] == {
        "enabled": monitoring["enabled"],
        "poll_interval_seconds": monitoring["pollIntervalSeconds"],
        "start_timeout_seconds": monitoring["startTimeoutSeconds"],
        "free_slots_after_run_end_seconds": monitoring["freeSlotsAfterRunEndSeconds"],
        "max_runtime_seconds": monitoring["maxRuntimeSeconds"],
    }
    retries = values["dagsterDaemon"]["runRetries"]
    assert celery["run_retries"] == {
        "enabled": retries["enabled"],
        "max_retries": retries["maxRetries"],
        "retry_on_asset_or_op_failure": retries["retryOnAssetOrOpFailure"],
    }
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["-m", "contact_analytics.definitions"]
    known = (ROOT / ".env.example").read_text()
    ours = {each["name"] for each in deployment["env"] if each["name"].startswith("CONTACT_ANALYTICS")}
    assert all(f"\n{name}=" in known for name in ours)


def test_workers_and_launcher_speak_to_the_same_broker() -> None:
    """Each is configured in a file of its own."""
    launcher = of("celery/dagster.yaml")["run_launcher"]["config"]
    worker = of("celery/worker.yaml")["execution"]["config"]
    assert worker == {key: launcher[key] for key in worker}


def test_the_image_installs_extras_that_there_are() -> None:
    """Pip only warns of one that there is not."""
    text = (DEPLOY / "kubernetes" / "Dockerfile").read_text()
    extras = text.partition("'.[")[2].partition("]'")[0].split(",")
    declared = (ROOT / "pyproject.toml").read_text()
    assert extras
    assert all(f"\n{extra} = [" in declared for extra in extras)
