"""LivePerson's account configuration in miniature: users, skills and agent groups, each in one list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from contact_analytics.sandbox import json_faults
from contact_analytics.sandbox.app import Answer
from contact_analytics.sandbox.liveperson_app import LivePersonApp
from contact_analytics.sandbox.liveperson_brand import Brand
from contact_analytics.sandbox.liveperson_entities import Entity, daily_changes, entities, new_entity, written

_DEFAULT_FIELDS = {
    "users": ("id", "pid", "loginName", "deleted"),
    "skills": ("id", "pid", "name", "deleted"),
    "agentGroups": ("id", "name", "deleted"),
}
_REVISION_HEADERS = {"users": "ac-revision", "skills": "ac-revision", "agentGroups": "ETag"}


@dataclass(kw_only=True, eq=False)
class LivePersonAccountConfig(LivePersonApp):
    """The API with its lists; `users`, `skills` and `agentGroups` are the kinds of entities.

    `text_ids` writes every third id as a text, `text_booleans` every third entity's truth values. `leaks_hashes` adds
    the hash of the password to users, as older answers did. `changing` lets the brand change a little from day to day.
    """

    text_ids: bool = False
    text_booleans: bool = False
    leaks_hashes: bool = False
    changing: bool = False

    segment: ClassVar[str] = "configuration"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._brand = Brand(self.account_id, self.seed, self.scale)
        self._entities = entities(self._brand)
        self._changed: dict[tuple[str, int], Entity] = {}
        self._removed: set[tuple[str, int]] = set()
        self._changes = 0

    @property
    def revision(self) -> int:
        """The account's revision: each change of any entity raises it."""
        return 4_000 + self._changes + daily_changes(self._brand, self._day)[0]

    @property
    def _day(self) -> int:
        """The day until which the brand has changed: none where it doesn't."""
        return self.now().date().toordinal() if self.changing else 0

    def entities(self, kind: str) -> list[Entity]:
        """All entities of a kind as they are now, deleted ones included, with every field in its documented type."""
        daily = daily_changes(self._brand, self._day)[1]
        hidden = set[str]() if self.leaks_hashes else {"passwordSh"}
        whole = (
            {**entity, **daily.get(id, {}), **self._changed.get((kind, id), {})}
            for id, entity in self._entities[kind].items()
            if (kind, id) not in self._removed
        )
        return [{name: value for name, value in entity.items() if name not in hidden} for entity in whole]

    def change(self, kind: str, id: int, **fields: Any) -> None:  # noqa: A002 - the vendor's name
        """Change fields of an entity."""
        if id not in self._entities[kind]:
            raise ValueError(f"no such entity: {kind} {id}")
        self._changed.setdefault((kind, id), {}).update({**fields, "dateUpdated": written(self.now())})
        self._changes += 1

    def delete(self, kind: str, id: int) -> None:  # noqa: A002 - the vendor's name
        """Delete an entity, which is a field of it."""
        self.change(kind, id, deleted=True)

    def remove(self, kind: str, *ids: int) -> None:
        """Leave entities out of the list without a word, as a partial answer does: the revision stays."""
        self._removed |= {(kind, id) for id in ids}

    def restore(self) -> None:
        """List what was removed again."""
        self._removed.clear()

    def add(self, kind: str, **fields: Any) -> int:
        """Add an entity; its id is the next one unless it is among the fields."""
        entity = new_entity(self._brand, kind, max(self._entities[kind]) + 1)
        entity |= {"dateUpdated": written(self.now()), **fields}
        self._entities[kind][entity["id"]] = entity
        self._changes += 1
        return entity["id"]

    def api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        match request.method, parts:
            case "GET", ["api", "account", account, "configuration", "le-users", kind] if kind in _DEFAULT_FIELDS:
                self.admit(request, account)
                return self._list(request, kind)
            case _, ["api", "account", _, "configuration", "le-users", kind] if kind in _DEFAULT_FIELDS:
                raise Answer(405, "Method Not Allowed")
            case _:
                raise Answer(404, "Not Found")

    def _list(self, request: httpx.Request, kind: str) -> httpx.Response:
        asked, revision = request.url.params, str(self.revision)
        if not asked.get("v", "").replace(".", "", 1).isdecimal():
            raise Answer(400, "v is required, a version such as 4.0")
        if (deleted := asked.get("include_deleted", "false")) not in {"true", "false"}:
            raise Answer(400, "include_deleted is true or false")
        headers = {_REVISION_HEADERS[kind]: revision}
        if request.headers.get("if-match") == revision:
            return httpx.Response(304, headers=headers)
        chosen = [entity for entity in self.entities(kind) if deleted == "true" or not entity["deleted"]]
        found = [self._shown(entity, kind, asked.get("select", "")) for entity in chosen]
        if found and (spoil := self.due(request, json_faults.LISTS)):
            found = json_faults.LISTS[spoil.kind](found, spoil.value)
        broken = self.due(request, json_faults.WIRES)
        return json_faults.answered(request, found, headers, broken.kind if broken else "")

    def _shown(self, entity: Entity, kind: str, select: str) -> Entity:
        """The fields of an entity that are asked for; one that it doesn't have is left out."""
        names = entity if select == "$all" else select.split(",") if select else _DEFAULT_FIELDS[kind]
        shown = {name: entity[name] for name in names if name in entity}
        third = int(entity["id"]) % 3 == 0
        if self.text_ids and third and "id" in shown:
            shown["id"] = str(shown["id"])
        return _with_text_booleans(shown) if self.text_booleans and third else shown


def _with_text_booleans(entity: Mapping[str, Any]) -> Entity:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in entity.items()}
