"""What a question is said to take, and what it takes: where a service has no list, one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from common.errors import UserError
from query_api.execution.query import Query, query
from query_api.wire import narrowing
from support.memory_cloud import Json, MemoryCloud, Shelf


def cost(asked: Query, name: str, done: str) -> str:
    """Return the requests that are expected of a part."""
    (part,) = (one for one in asked.explain().parts if (one.resource, one.done) == (name, done))
    return part.expected


def done_here(asked: Query) -> list[str]:
    return [part.what for part in asked.explain().parts if part.done == "here"]


TWO = query("server").where("id", "any_in", "a", "b", "a")
ACTIONS = query("server").select("name", "actions.action")


@pytest.mark.parametrize(
    ("asked", "name", "done", "said"),
    [
        (ACTIONS, "server_action", "join", "one request for each server_id"),
        (query("server").then("actions"), "server_action", "follow", "request for each server_id"),
        (TWO.select("actions.action"), "server_action", "join", "each server_id, 2 at most"),
        (TWO.then("actions"), "server_action", "follow", "each server_id, 2 at most"),
        (ACTIONS.limit(7), "server_action", "join", "each server_id, 7 at most"),
        (ACTIONS.select("actions.result"), "server_action", "by events", "request for each action"),
        (query("hypervisor").then("allocations"), "allocation", "follow", "for each provider_id"),
        (
            query("server").select("allocations.resources"),
            "allocation",
            "join",
            "one request for each resource_provider.id",
        ),
        (query("domain").select("users.name"), "user", "join", "a page for each domain_id"),
        (query("server").select("user.name"), "user", "join", "a page for each domain.id"),
        (query("server").select("project.name"), "project", "join", "one list, or fewer"),
        (query("server").then("project"), "project", "follow", "as many as the rows before"),
    ],
)
def test_a_link_says_what_it_takes(asked: Query, name: str, done: str, said: str) -> None:
    assert said in cost(asked, name, done)


@pytest.mark.parametrize(
    "asked",
    [
        ACTIONS.sort_by("name").limit(7),
        ACTIONS.where("project.name", "equal_to", "x").limit(7),
        ACTIONS.where("id", "not_any_in", "a", "b"),
        query("server").then("actions").limit(7),
    ],
    ids=["sorted", "decided-by-a-join", "all-but", "followed"],
)
def test_no_number_is_promised_that_is_not_known(asked: Query) -> None:
    done = "join" if len(asked.stages) == 1 else "follow"
    assert cost(asked, "server_action", done) == "one request for each server_id"


def test_what_is_done_at_last_is_told() -> None:
    assert done_here(query("server").select("status").distinct().limit(3)) == [
        "distinct: equal rows once",
        "limit: at most 3 rows",
    ]
    counted = query("server").group_by("host").count().sort_by("-count").limit(1)
    assert done_here(counted)[-2:] == ["sort by -count", "limit: at most 1 group"]


def test_requests_that_were_made_stand_in_a_column_of_their_own() -> None:
    table = query("server").explain().table({"prod": {"compute": 3}})
    assert table.columns[-2:] == ["expected", "made"]
    assert table.rows[-1] == {
        "resource": "prod",
        "done": "made",
        "what": "requests to compute",
        "expected": None,
        "made": 3,
    }
    assert "made" not in query("server").explain().table().columns


# -- one request for each ----------------------------------------------------------------------


def estate(servers: int) -> MemoryCloud:
    """Return a cloud whose servers were all made by one action."""
    shelf = Shelf([{"id": f"s{n}", "name": "x"} for n in range(servers)], name="servers")

    def nova(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path == "/os-services":
            return {"services": []}
        words = path.split("/")
        action = {"action": "create", "instance_uuid": words[2], "request_id": f"req-{words[2]}"}
        if path.endswith("/os-instance-actions"):
            return {"instanceActions": [action]}
        if "os-instance-actions" in path:
            return {"instanceAction": {**action, "events": []}}
        return shelf(path, params, version)

    return MemoryCloud({"compute": nova})


def of_actions(cloud: MemoryCloud) -> int:
    return sum("/os-instance-actions" in path for _, path, _, _ in cloud.requests)


@pytest.mark.parametrize(
    "asked",
    [
        ACTIONS,
        query("server").then("actions"),
        ACTIONS.limit(12).sort_by("name"),
        query("server_action").where("server_id", "any_in", *(f"s{n}" for n in range(11))),
    ],
    ids=["joined", "followed", "sorted", "by-hand"],
)
def test_too_many_are_refused_before_the_first(
    asked: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrowing, "MOST_SINGLE", 10)
    cloud = estate(11)
    with pytest.raises(UserError, match=r"one server_id at a time.* 11 requests.* 10 are") as told:
        asked.run([cloud])
    assert "a condition" in told.value.advice
    assert of_actions(cloud) == 0
    few = estate(10)
    assert len(query("server").then("actions").run([few]).rows) == of_actions(few) == 10


def test_events_of_too_many_actions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = estate(4)
    monkeypatch.setattr(cloud, "supports", lambda *_: True)
    monkeypatch.setattr(narrowing, "MOST_SINGLE", 3)
    asked = query("server_action").select("result").where("server_id", "any_in", "s0", "s1", "s2")
    assert len(asked.run([cloud]).rows) == 3
    monkeypatch.setattr(narrowing, "MOST_SINGLE", 2)
    with pytest.raises(UserError, match="3 requests"):
        asked.run([cloud])


def test_what_is_read_for_everything_there_is_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users stand in their domains, and an audit has to read all of them."""
    monkeypatch.setattr(narrowing, "MOST_SINGLE", 1)

    def keystone(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path == "/domains":
            return {"domains": [{"id": f"d{n}", "name": "D"} for n in range(3)]}
        return {"users": [{"id": f"u-{params['domain_id']}", "name": "ann"}]}

    answer = query("user").select("id").run([MemoryCloud({"identity": keystone})])
    assert sorted(answer.column("id")) == ["u-d0", "u-d1", "u-d2"]


def test_a_limit_bounds_what_is_read_beside_its_rows() -> None:
    cloud = estate(50)
    answer = ACTIONS.limit(7).run([cloud])
    assert (len(answer.rows), of_actions(cloud)) == (7, 7)
