"""The sandbox's users, skills and agent groups come as the vendor's lists do, and with the vendor's revisions."""

import re
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from contact_analytics.liveperson.auth import OAuth1
from contact_analytics.sandbox.faults import Fault
from contact_analytics.sandbox.liveperson import LivePerson
from contact_analytics.sandbox.liveperson_account_config import LivePersonAccountConfig
from contact_analytics.sandbox.liveperson_data_access import LivePersonDataAccess
from contact_analytics.sandbox.liveperson_messaging import LivePersonMessaging
from contact_analytics.sandbox.serve import environment, running

NOON = datetime(2024, 6, 20, 12, tzinfo=UTC)
HOST = "https://va.ac.liveperson.net"
ROOT = "/api/account/10203040/configuration/le-users"
KINDS = ("users", "skills", "agentGroups")
ALL = {"v": "4.0", "select": "$all", "include_deleted": "true"}


def sandbox(**options: Any) -> LivePersonAccountConfig:
    return LivePersonAccountConfig(**{"scale": 0.1, "now": lambda: NOON} | options)


def client(app: Callable[[httpx.Request], httpx.Response], url: str = HOST) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(app), base_url=url, auth=signed())


def signed() -> OAuth1:
    of = LivePersonAccountConfig
    return OAuth1(of.app_key, of.app_secret, of.access_token, of.access_token_secret)


def ask(app: LivePersonAccountConfig, kind: str = "users", match: str = "", **params: str) -> httpx.Response:
    headers = {"If-Match": match} if match else {}
    with client(app) as http:
        return http.get(f"{ROOT}/{kind}", params={"v": "4.0"} | params, headers=headers)


def listed(app: LivePersonAccountConfig, kind: str = "users", **params: str) -> list[dict[str, Any]]:
    return ask(app, kind, **params).raise_for_status().json()


# Lists


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_holds_every_entity_with_every_field(kind: str) -> None:
    """A bare array, the deleted ones in it only where they are asked for."""
    app = sandbox()
    assert listed(app, kind, **ALL) == app.entities(kind)
    assert listed(app, kind, select="$all") == [one for one in app.entities(kind) if not one["deleted"]]
    assert any(one["deleted"] for one in app.entities(kind))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("users", ["id", "pid", "loginName", "deleted"]),
        ("skills", ["id", "pid", "name", "deleted"]),
        ("agentGroups", ["id", "name", "deleted"]),
    ],
)
def test_fields_are_few_unless_they_are_selected(kind: str, fields: list[str]) -> None:
    """By name, or all of them; a name that is none is left out."""
    app = sandbox()
    assert {tuple(one) for one in listed(app, kind)} == {tuple(fields)}
    assert {tuple(one) for one in listed(app, kind, select="id,dateUpdated,nothing")} == {("id", "dateUpdated")}
    assert len(listed(app, kind, select="$all")[0]) > len(fields)


def test_the_version_is_required() -> None:
    """A number; without it there is no list."""
    app = sandbox()
    with client(app) as http:
        assert http.get(f"{ROOT}/users").status_code == 400
        assert http.get(f"{ROOT}/users", params={"v": "latest"}).status_code == 400
        assert http.get(f"{ROOT}/users", params={"v": "6.0", "include_deleted": "yes"}).status_code == 400
        assert http.get(f"{ROOT}/users", params={"v": "4"}).status_code == 200
        assert http.post(f"{ROOT}/users", params={"v": "4"}).status_code == 405
        assert http.get(f"{ROOT}/profiles", params={"v": "4"}).status_code == 404


def test_users_are_the_brands_agents_and_a_few_others() -> None:
    """Bots, managers, an API user, one that is switched off, one that is gone."""
    users = sandbox(scale=1.0).entities("users")
    assert {user["userTypeId"] for user in users} == {0, 1, 2}
    assert sum(bool(user["managerOf"]) for user in users) == 2
    for field, value in (("isApiUser", True), ("disabledManually", True), ("deleted", True)):
        assert sum(user[field] is value for user in users) == 1
    assert len({user["loginName"] for user in users}) == len(users)
    assert {user["fullName"] for user in users} == {""}
    assert any(user["memberOf"] is None for user in users)


def test_what_the_lists_refer_to_exists() -> None:
    """Skills of users, groups of users and skills, and the groups above groups."""
    app = sandbox(scale=1.0)
    skills, groups = ({one["id"] for one in app.entities(kind)} for kind in ("skills", "agentGroups"))
    for user in app.entities("users"):
        member = [user["memberOf"]] if user["memberOf"] else []
        assert {*user["skillIds"]} <= skills
        assert {of["agentGroupId"] for of in (*member, *user["managerOf"])} <= groups
    routed = [to["agentGroupId"] for skill in app.entities("skills") for to in skill["skillRoutingConfiguration"]]
    assert {*routed} <= groups
    above = [group["parentGroupId"] for group in app.entities("agentGroups")]
    assert above.count(None) == 1
    assert {*above} - {None} <= groups


def test_agents_of_conversations_are_users() -> None:
    """By id, so that tables join."""
    records = LivePersonMessaging(scale=0.1, now=lambda: NOON).conversations(date(2024, 6, 18))
    agents = {one["agentId"] for record in records for one in record["agentParticipants"]}
    assert agents
    assert agents <= {str(user["id"]) for user in sandbox().entities("users")}


def test_some_ids_and_truth_values_are_texts_on_request() -> None:
    """The vendor's examples have both; their values stay what they are."""
    app = sandbox(text_ids=True, text_booleans=True)
    users = listed(app, **ALL)
    assert {type(user["id"]) for user in users} == {int, str}
    assert {type(user["isEnabled"]) for user in users} == {bool, str}
    assert [int(user["id"]) for user in users] == [user["id"] for user in app.entities("users")]


def test_hashes_of_passwords_leak_on_request_alone() -> None:
    """As they did in older answers."""
    assert not any("passwordSh" in user for user in listed(sandbox(), **ALL))
    hashes = [user["passwordSh"] for user in listed(sandbox(leaks_hashes=True), **ALL)]
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in hashes)


# Revisions


@pytest.mark.parametrize(
    ("kind", "header"), [("users", "ac-revision"), ("skills", "ac-revision"), ("agentGroups", "ETag")]
)
def test_what_did_not_change_is_answered_without_a_body(kind: str, header: str) -> None:
    """`If-Match` with the current revision; any other, and -1 always, gives the list."""
    app = sandbox()
    revision = ask(app, kind).headers[header]
    same = ask(app, kind, match=revision)
    assert (same.status_code, same.content, same.headers[header]) == (304, b"", revision)
    for other in ("-1", str(int(revision) - 1)):
        assert ask(app, kind, match=other).status_code == 200


def test_every_change_raises_the_revision_of_the_account() -> None:
    """Of whichever list: the number is the account's."""
    app = sandbox()
    seen = [int(ask(app).headers["ac-revision"])]
    steps: tuple[Callable[[], object], ...] = (
        lambda: app.change("users", 3_677_470_001, nickname="Mia ☕"),
        lambda: app.delete("skills", 326244914),
        lambda: app.add("agentGroups", name="Weekend"),
    )
    for step in steps:
        step()
        seen.append(int(ask(app).headers["ac-revision"]))
    assert seen == sorted(set(seen))
    [changed] = [user for user in listed(app, **ALL) if user["id"] == 3_677_470_001]
    assert (changed["nickname"], changed["dateUpdated"]) == ("Mia ☕", "2024-06-20 12:00:00")
    assert 326244914 not in {skill["id"] for skill in listed(app, "skills")}
    assert 326244914 in {skill["id"] for skill in listed(app, "skills", include_deleted="true")}
    assert "Weekend" in {group["name"] for group in listed(app, "agentGroups")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_is_whole(kind: str) -> None:
    """With every field of its kind and an id of its own."""
    app = sandbox()
    first = app.entities(kind)[0]
    number = app.add(kind)
    [added] = [one for one in app.entities(kind) if one["id"] == number]
    assert added.keys() == first.keys()


def test_the_brand_changes_from_day_to_day_on_request() -> None:
    """Every day a little, on the same day nothing; the revision says which."""
    clock = [NOON]
    app = sandbox(changing=True, now=lambda: clock[0], scale=1.0)
    seen: list[tuple[int, list[dict[str, Any]]]] = []
    for _ in range(8):
        assert ask(app, match=str(app.revision)).status_code == 304
        seen.append((app.revision, app.entities("users")))
        clock[0] += timedelta(days=1)
    assert len({revision for revision, _ in seen}) > 4
    for (before, users), (after, others) in pairwise(seen):
        assert (before == after) == (users == others)
        changed = [new for old, new in zip(users, others, strict=True) if new != old]
        assert all(user["dateUpdated"] > "2024-06-20" for user in changed)
        assert len(changed) < len(users) / 2


# Access and faults


def test_a_request_needs_credentials_of_the_account() -> None:
    """Signed, for the account that the key is of."""
    with client(sandbox()) as http:
        assert http.get(f"{ROOT}/users?v=4.0", auth=None).status_code == 401
        assert http.get(f"{ROOT.replace('10203040', '99999999')}/users?v=4.0").status_code == 403
        lookup = http.get("/api/account/10203040/service/accountConfigReadOnly/baseURI.json?version=1.0")
        assert lookup.json()["baseURI"] == "va.ac.liveperson.net"


def test_faults_of_a_list_are_in_the_list() -> None:
    """Each happens once: a third of it, nothing of it, a new field, a wrong type, no id."""
    app = sandbox()
    whole = listed(app, select="$all")
    spoiled: dict[str, list[dict[str, Any]]] = {}
    for kind in ("truncated_list", "empty_list", "drifted_field", "wrong_type", "missing_key"):
        app.faults.append(Fault("/users", kind))
        spoiled[kind] = listed(app, select="$all")
        assert listed(app, select="$all") == whole
    assert spoiled["truncated_list"] == whole[: len(whole) // 3]
    assert spoiled["empty_list"] == []
    assert all(user["sentiment"] == 0.5 for user in spoiled["drifted_field"])
    assert spoiled["wrong_type"][0]["deleted"] == "perhaps"
    assert ["id" in user for user in spoiled["missing_key"][:2]] == [False, True]


@pytest.mark.parametrize(("kind", "whole"), [("cut_body", False), ("cut_json", True)])
def test_a_list_is_cut_with_the_length_of_the_whole_or_of_the_rest(kind: str, whole: bool) -> None:
    """The first shows by the length, the second in the JSON alone."""
    app = sandbox(faults=[Fault("/skills", kind)])
    answer = ask(app, "skills")
    assert (int(answer.headers["Content-Length"]) == answer.num_bytes_downloaded) is whole
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    assert ask(app, "skills").json()


# All of LivePerson


def liveperson() -> LivePerson:
    options: dict[str, Any] = {"scale": 0.02, "now": lambda: NOON}
    return LivePerson(
        LivePersonDataAccess(**options), LivePersonMessaging(**options), LivePersonAccountConfig(**options)
    )


def test_one_address_serves_every_api_with_one_token() -> None:
    """Whichever API the token was made for."""
    app = liveperson()
    start = round(NOON.timestamp() * 1000) - 86_400_000
    with client(app) as http:
        of = LivePersonDataAccess
        form = {"client_id": of.client_id, "client_secret": of.client_secret, "grant_type": "client_credentials"}
        token = http.post("/sentinel/api/v2/account/10203040/app/token", data=form).json()["access_token"]
        bearer: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "auth": None}
        assert http.get(f"{ROOT}/users?v=4.0", **bearer).status_code == 200
        assert http.get("/data_access_le/account/10203040/le", **bearer).status_code == 200
        search = "/messaging_history/api/account/10203040/conversations/search?source=Tests"
        body = {"start": {"from": start, "to": -1}}
        assert http.post(search, json=body, **bearer).status_code == 200
        assert http.get("/elsewhere").status_code == 404
    assert len(app.messaging.requests) == len(app.account_config.requests) == 1


def test_a_fault_waits_for_its_path_at_one_address() -> None:
    """Taken in one place, it happens at whichever API it names."""
    app = liveperson()
    with client(app, "http://127.0.0.1") as http:
        assert http.post("/sandbox/faults", json={"path": "/skills", "kind": "truncated_list"}).status_code == 201
        assert len(http.get(f"{ROOT}/users?v=4.0").json()) > 3
        assert [len(http.get(f"{ROOT}/skills?v=4.0").json()) for _ in range(2)] == [1, 4]


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    with running(scale=0.02) as address:
        yield address


def test_the_server_answers_lists_and_what_did_not_change(url: str) -> None:
    """The domain lookup leads to it, a 304 has no body, and the connection stays good."""
    with httpx.Client(base_url=environment(url)["LIVEPERSON_DOMAIN_URL"], auth=signed()) as http:
        lookup = http.get("/api/account/10203040/service/accountConfigReadOnly/baseURI.json?version=1.0")
        assert lookup.json()["baseURI"] == url
        for kind, header in (("users", "ac-revision"), ("skills", "ac-revision"), ("agentGroups", "ETag")):
            answer = http.get(f"{ROOT}/{kind}", params=ALL)
            assert answer.json()
            again = http.get(f"{ROOT}/{kind}", params=ALL, headers={"If-Match": answer.headers[header]})
            assert (again.status_code, again.content) == (304, b"")
