"""What tests run the product against: the sandbox's apps in place of the vendors, and a warehouse of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import dagster as dg
import dataframely as dy
import duckdb
import httpx
import yaml

from contact_analytics.catalog import DATASET_MODULES
from contact_analytics.lib.archive import ArchivedDay, ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.dataset import PARTITION, Dataset
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.data_access import LivePersonDataAccessResource
from contact_analytics.liveperson.messaging import LivePersonMessagingResource
from contact_analytics.sandbox.dagster_processes import ROOT
from contact_analytics.sandbox.liveperson_app import LivePersonApp
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics_tests import conversation_truth

DATA_ACCESS = ("agent_activity", "engagement", "survey", "web_session")
MODULES: dict[str, ModuleType] = {module.DATASET.name: module for module in DATASET_MODULES}
DERIVED = ("conversation_duration", "full_dialog_duration")
TODAY = datetime.now(UTC).date()
PROVENANCE = ["_extra", "_source_file", "_extracted_at", "_run_id"]
_OURS = {PARTITION, *PROVENANCE}


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


YESTERDAY = days_ago(1)


class _Chunks(httpx.SyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from (self._body[at : at + 65_536] for at in range(0, len(self._body), 65_536))


class Wire(httpx.MockTransport):
    """A transport whose bodies arrive in chunks, as over a network: those of `MockTransport` are read already."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if not answer.is_stream_consumed:
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, stream=_Chunks(answer.content))


class SandboxedDataAccess(LivePersonDataAccessResource):
    """The real resource, whose requests end in an app of this process.

    Dagster rebuilds a resource for each run, so apps are found by account.
    """

    apps: ClassVar[dict[str, LivePersonDataAccess]] = {}

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.account_id])


class SandboxedMessaging(LivePersonMessagingResource):
    """The real resource, whose requests end in an app of this process."""

    apps: ClassVar[dict[str, LivePersonMessaging]] = {}

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.account_id])


class Unreachable(LivePersonDataAccessResource):
    """The resource without credentials: using it is an error."""


def credentials(app: LivePersonApp) -> dict[str, Any]:
    """The fields of a resource that reach an app of the sandbox, and that wait for nothing."""
    names = ("account_id", "app_key", "app_secret", "access_token", "access_token_secret")
    return {name: getattr(app, name) for name in names} | {"retry_wait_seconds": 0}


@contextmanager
def deployed_instance(folder: Path, settings: str, part: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in a folder, with one part of the instance settings in `deploy/`."""
    deployed = yaml.safe_load((ROOT / "deploy" / settings).read_text())
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder), {name: deployed[name] for name in (part, "telemetry")}) as made:
        yield made


@dataclass
class Place:
    """A sandbox, and a folder with a warehouse and an archive that is filled from it."""

    folder: Path
    instance: dg.DagsterInstance
    app: LivePersonDataAccess = field(default_factory=lambda: LivePersonDataAccess(scale=0.02))

    @property
    def warehouse(self) -> WarehouseResource:
        return WarehouseResource(
            database=str(self.folder / "warehouse.duckdb"),
            wait_seconds=0.3,
            connection_config={"default_block_size": "16384"},
        )

    @property
    def archive(self) -> ArchiveResource:
        return ArchiveResource(root=str(self.folder / "archive"))

    def data_access(self) -> SandboxedDataAccess:
        """The vendor's resource with the sandbox's credentials."""
        app = self.app
        SandboxedDataAccess.apps[app.account_id] = app
        return SandboxedDataAccess(region="us", **credentials(app))

    def resources(self, **others: object) -> dict[str, object]:
        return {
            "archive": self.archive,
            "warehouse": self.warehouse,
            "liveperson_data_access": self.data_access(),
            **others,
        }

    def materialize(self, name: str, first: date, last: date | None = None, **config: Any) -> "Materialized":
        """Materialize the days of an asset as a backfill does; `config` is the asset's."""
        return self.run(impatient(name), first, last, **config)

    def run(self, asset: dg.AssetsDefinition, first: date, last: date | None = None, **options: Any) -> "Materialized":
        """`resources` among the options replace those of the place; the others are the asset's config."""
        resources = self.resources(**options.pop("resources", {}))
        self.app.requests.clear()
        result = dg.materialize(
            [asset],
            instance=self.instance,
            resources=resources,
            run_config={"ops": {asset.op.name: {"config": options}}, "loggers": _QUIET},
            tags={
                "dagster/asset_partition_range_start": str(first),
                "dagster/asset_partition_range_end": str(last or first),
            },
            raise_on_error=False,
        )
        return Materialized(result, list(self.app.requests))

    def rows(self, name: str, day: date | None = None) -> list[dict[str, Any]]:
        """The rows of a table, or of one of its days."""
        dataset = MODULES[name].DATASET
        return self.select(f"select * from {dataset.sql_name} where $day is null or {PARTITION} = $day", {"day": day})

    def select(self, query: str, parameters: Mapping[str, object] | Sequence[object] | None = None) -> Any:
        """What a query gives, as dictionaries. Opened as anybody would: not by the product."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            connection.execute("set timezone = 'UTC'")
            found = connection.execute(query, parameters)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def stored(self, name: str, day: date) -> Extraction:
        """What the warehouse knows of a day."""
        with self.warehouse.get_connection() as connection:
            return extractions(connection, MODULES[name].DATASET)[day]

    def archived(self, name: str, day: date) -> ArchivedDay:
        return self.archive.day(MODULES[name].DATASET.vendor, name, day)

    def stated(self, name: str, day: date) -> list[dict[str, Any]]:
        """The rows that a table holds of a day, as the sandbox states them."""
        return comparable(self.rows(name, day))

    def truth(self, name: str, day: date) -> list[dict[str, Any]]:
        """What a table should hold of a day, by the sandbox."""
        return comparable(self.app.records(name, day))

    def assert_true(self, name: str, day: date) -> None:
        """The table holds of a day exactly what the sandbox says: all columns, nested ones included."""
        dataset = MODULES[name].DATASET
        assert in_order(dataset, self.stated(name, day)) == in_order(dataset, self.truth(name, day))


@dataclass
class MessagingPlace(Place):
    """A sandbox of conversations, and a folder with a warehouse and an archive that is filled from it."""

    app: LivePersonMessaging = field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default_factory=lambda: LivePersonMessaging(scale=0.1)
    )
    deepest: int = 10_000

    def messaging(self) -> SandboxedMessaging:
        """The vendor's resource with the sandbox's credentials."""
        SandboxedMessaging.apps[self.app.account_id] = self.app
        return SandboxedMessaging(deepest=self.deepest, **credentials(self.app))

    def resources(self, **others: object) -> dict[str, object]:
        return {
            "archive": self.archive,
            "warehouse": self.warehouse,
            "liveperson_messaging": self.messaging(),
            **others,
        }

    def truth(self, name: str, day: date) -> list[dict[str, Any]]:
        """What the table should hold of a day, by the sandbox and its clock."""
        assert name == "conversations"
        return [conversation_truth.row(record) for record in self.app.conversations(day, listed=True)]

    def conversations(self, day: date) -> list[dict[str, Any]]:
        """What the table holds of a day, in the form of the truth, without what we derive."""
        rows = conversation_truth.stripped(self.stated("conversations", day))
        return [{name: value for name, value in row.items() if name not in DERIVED} for row in rows]

    def assert_true(self, name: str, day: date) -> None:
        """The table holds of a day exactly what the sandbox says: all columns, nested ones included."""
        dataset = MODULES[name].DATASET
        assert in_order(dataset, self.conversations(day)) == in_order(dataset, self.truth(name, day))


@dataclass
class Clock:
    """The sandbox's time: the real one, moved on by hand, as the product reads the real one."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Materialized:
    """A run that ended, and what it asked of the vendor."""

    result: dg.ExecuteInProcessResult
    requests: list[tuple[str, str]]

    @property
    def ok(self) -> bool:
        return self.result.success

    @property
    def lists(self) -> list[str]:
        """Paths of the lists that were asked for."""
        return [path for _, path in self.requests if path.count("/") == 5]

    @property
    def downloads(self) -> list[str]:
        """Paths of the files that were downloaded."""
        return [path for _, path in self.requests if path.count("/") == 6]

    @property
    def days(self) -> dict[str, dg.AssetMaterialization]:
        """The materialization of each day; a day that was logged twice is an error."""
        found: dict[str, dg.AssetMaterialization] = {}
        for event in self.result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            assert materialization.partition
            assert materialization.partition not in found
            found[materialization.partition] = materialization
        return found

    def metadata(self, day: date) -> dict[str, Any]:
        """What the UI shows of a day."""
        return {name: value.value for name, value in self.days[str(day)].metadata.items()}

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        return {evaluation.check_name: evaluation for evaluation in self.result.get_asset_check_evaluations()}

    @property
    def problem(self) -> str:
        """What the UI shows of the step that failed."""
        [event] = [event for event in self.result.all_events if event.is_step_failure]
        failure = event.step_failure_data.user_failure_data
        return (failure and failure.description) or str(event.step_failure_data.error)


def searches(run: Materialized) -> list[str]:
    """The searches that a run asked for."""
    return [path for _, path in run.requests if path.endswith("/conversations/search")]


_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def impatient(name: str, retries: int = 0) -> dg.AssetsDefinition:
    """A daily asset whose step is retried at once or not at all, instead of after minutes."""
    module = MODULES[name]
    policy = dg.RetryPolicy(max_retries=retries, delay=0) if retries else None
    options = daily_table(module.DATASET, module.PARTITIONS, "api") | {"retry_policy": policy}
    return dg.asset(**options)(getattr(module, name).op.compute_fn.decorated_fn)


def comparable(value: Any) -> Any:
    """A stored value as the sandbox states it: epoch milliseconds, what is null and where it is from left out."""
    if isinstance(value, dict):
        return {name: comparable(inner) for name, inner in value.items() if inner is not None and name not in _OURS}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def in_order(dataset: Dataset, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by their keys: a table has no order."""
    return sorted(rows, key=lambda row: [str(row[name]) for name in dataset.primary_key])


def dataset_of(name: str, schema: type[dy.Schema], event_time: str = "placed_at") -> Dataset:
    """A daily table of no vendor."""
    return Dataset(
        vendor="test",
        name=name,
        schema=schema,
        grain="One row a thing.",
        documentation="https://example.com",
        event_time=event_time,
        retention=timedelta(days=30),
        lateness=timedelta(hours=6),
    )
