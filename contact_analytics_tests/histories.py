"""What tests of dimensions run the product against: the sandbox's account, a warehouse and an archive."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import dagster as dg
import duckdb
import httpx

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.extractions import Extraction, extractions
from contact_analytics.lib.http import Tally
from contact_analytics.lib.snapshots import EntityList, Snapshots
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson import agent_groups, skills, users
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics_tests.fakes import PROVENANCE, Materialized, Wire

MODULES: dict[str, ModuleType] = {module.DIMENSION.name: module for module in (users, skills, agent_groups)}
KINDS = {"users": "users", "skills": "skills", "agent_groups": "agentGroups"}
LISTS = "/configuration/"
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


class SandboxedAccountConfig(LivePersonAccountConfigResource):
    """The real resource, whose requests end in an app of this process; apps are found by account."""

    apps: ClassVar[dict[str, Any]] = {}

    def transport(self) -> httpx.BaseTransport:
        return Wire(self.apps[self.account_id])


def sandboxed(app: LivePersonAccountConfig, **fields: Any) -> SandboxedAccountConfig:
    """The vendor's resource with the sandbox's credentials; each field is a keyword."""
    SandboxedAccountConfig.apps[app.account_id] = app
    names = ("account_id", "app_key", "app_secret", "access_token", "access_token_secret")
    known = {name: getattr(app, name) for name in names}
    return SandboxedAccountConfig(**(known | {"retry_wait_seconds": 0} | fields))


class NoCredentials(LivePersonAccountConfigResource):
    """The resource without credentials: using it is an error."""


@dataclass
class Account:
    """A sandbox's account, and a folder with a warehouse and an archive that are filled from it."""

    folder: Path
    instance: dg.DagsterInstance
    app: LivePersonAccountConfig = field(default_factory=lambda: LivePersonAccountConfig(scale=0.1))

    @property
    def warehouse(self) -> WarehouseResource:
        return WarehouseResource(database=str(self.folder / "warehouse.duckdb"), wait_seconds=0.3)

    @property
    def archive(self) -> ArchiveResource:
        return ArchiveResource(root=str(self.folder / "archive"))

    def resources(self, **others: object) -> dict[str, object]:
        return {
            "archive": self.archive,
            "warehouse": self.warehouse,
            "liveperson_account_config": sandboxed(self.app),
            **others,
        }

    def run(self, name: str = "users", **options: Any) -> Materialized:
        """Materialize a dimension once. `resources` and `asset` replace the account's; other options are config."""
        self.app.requests.clear()
        asset: dg.AssetsDefinition = options.pop("asset", None) or impatient(name)
        given = self.resources(**options.pop("resources", {}))
        result = dg.materialize(
            [asset],
            instance=self.instance,
            resources=given,
            run_config={"ops": {asset.op.name: {"config": options}}, "loggers": _QUIET},
            raise_on_error=False,
        )
        return Materialized(result, list(self.app.requests))

    def rows(self, name: str = "users", condition: str = "true") -> list[dict[str, Any]]:
        return self.select(
            f"select * from {MODULES[name].DIMENSION.sql_name} where {condition} order by id, valid_from"
        )

    def history_of(self, key: int, name: str = "users") -> list[dict[str, Any]]:
        """The rows of one entry, in order."""
        return self.rows(name, f"id = {key}")

    def select(self, query: str) -> list[dict[str, Any]]:
        """What a query gives, as dictionaries. Opened as anybody would: not by the product."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            connection.execute("set timezone = 'UTC'")
            found = connection.execute(query)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def stored(self, name: str = "users") -> dict[date, Extraction]:
        with self.warehouse.get_connection() as connection:
            return extractions(connection, MODULES[name].DIMENSION)

    def snapshots(self, name: str = "users") -> list[str]:
        """The names of the archived lists, in order."""
        return [file.name for file in Snapshots(self.archive, MODULES[name].DIMENSION).after(None)]

    def ids(self, name: str = "users") -> list[int]:
        """The entries that are not deleted, as the vendor has them."""
        return [entity["id"] for entity in self.app.entities(KINDS[name]) if not entity["deleted"]]

    def every_byte(self) -> bytes:
        """All that the warehouse and the archive hold."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())


def impatient(name: str) -> dg.AssetsDefinition:
    """A dimension's asset whose step is not retried after minutes."""
    module = MODULES[name]
    options = dimension_table(module.DIMENSION, "lists") | {"retry_policy": None}
    return dg.asset(**options)(getattr(module, name).op.compute_fn.decorated_fn)


def asset_of(dimension: Dimension) -> dg.AssetsDefinition:
    """An asset over another dimension than those that exist."""

    @dg.asset(**dimension_table(dimension, "lists") | {"retry_policy": None})
    def another(
        context: dg.AssetExecutionContext,
        config: DimensionConfig,
        liveperson_account_config: LivePersonAccountConfigResource,
        archive: ArchiveResource,
        warehouse: WarehouseResource,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        yield from extract_history(context, dimension, config, liveperson_account_config.connect, archive, warehouse)

    return another


def told(run: Materialized) -> dict[str, Any]:
    """What the UI shows of a run's one materialization."""
    [event] = run.result.get_asset_materialization_events()
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}


def lists(run: Materialized) -> list[str]:
    """The paths of the lists that were asked for."""
    return [path for _, path in run.requests if "/configuration/" in path]


def archive_alone(account: Account, name: str = "users") -> None:
    """What a run does that is killed before it has applied the list."""
    with sandboxed(account.app).connect() as api:
        answer = api.list_entities(name, "", Tally())
    assert answer
    assert Snapshots(account.archive, MODULES[name].DIMENSION).keep(answer, datetime.now(UTC))


def archive_made(account: Account, *entries: dict[str, Any], revision: str = "9999") -> None:
    """A list of users that somebody else has archived."""
    kept = EntityList(json.dumps(entries).encode(), revision, "https://example.com/users")
    Snapshots(account.archive, users.DIMENSION).keep(kept, datetime.now(UTC))


def forget(account: Account, *keys: int) -> None:
    """Entries that the vendor's list does not name any more, not even as deleted."""
    account.app.remove("users", *keys)
    account.app.change("users", account.ids()[0], maxChats=11)


def without_run(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows but for when and by what run they were loaded."""
    return [{name: value for name, value in row.items() if name not in PROVENANCE[2:]} for row in rows]
