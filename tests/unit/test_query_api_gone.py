"""Questions about what a service does not know, and what it knows in another case only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from common.errors import CloudError
from query_api.execution.query import query
from support.memory_cloud import Json, MemoryCloud, refused

USERS = ("Ann", "bob")


def keystone(path: str, params: Mapping[str, Any], version: str | None) -> Json:
    if path == "/domains":
        return {"domains": [{"id": "default", "name": "Default"}]}
    if path == "/users":
        return {"users": [{"id": id, "domain_id": "default"} for id in USERS]}
    if path == "/roles":
        return {"roles": [{"id": "member", "name": "member"}]}
    asked = [params["user.id"]] if "user.id" in params else USERS
    if "role.id" in params or not set(asked) <= set(USERS):
        raise refused(404, "Could not find it")
    return {"role_assignments": [granted(who) for who in asked]}


def granted(user: str) -> Json:
    path = f"http://nowhere/v3/projects/p/users/{user}/roles/member"
    return {"user": {"id": user}, "role": {"id": "member"}, "links": {"assignment": path}}


def nova(path: str, params: Mapping[str, Any], version: str | None) -> Json:
    if path == "/os-services":
        return {"services": []}
    mine = params["user_id"].lower() == "ann"  # as its database compares
    return {"keypairs": [{"keypair": {"name": "laptop"}}] if mine else []}


@pytest.fixture
def cloud() -> MemoryCloud:
    return MemoryCloud({"identity": keystone, "compute": nova})


@pytest.mark.parametrize("of", ["role_assignment", "effective_role_assignment"])
def test_who_is_no_more_has_no_roles(of: str, cloud: MemoryCloud) -> None:
    asked = query(of).select("user_id")
    assert asked.where("user_id", "equal_to", "gone").run([cloud]).rows == []
    assert asked.where("user_id", "any_in", "gone", "bob").run([cloud]).rows == [("bob",)]


def test_another_404_is_an_error(cloud: MemoryCloud) -> None:
    with pytest.raises(CloudError, match="404"):
        query("role_assignment").where("role_id", "equal_to", "gone").run([cloud])


def test_an_id_is_told_as_it_is(cloud: MemoryCloud) -> None:
    asked = query("keypair").select("user_id", "name")
    assert asked.where("user_id", "equal_to", "Ann").run([cloud]).rows == [("Ann", "laptop")]
    assert asked.where("user_id", "equal_to", "ANN").run([cloud]).rows == []
    assert asked.where("user_id", "equal_to", "bob").run([cloud]).rows == []


def test_domains_are_read_once(cloud: MemoryCloud) -> None:
    asked = query("user").then("role_assignments").select("user.name", "role.name")
    asked.run([cloud])
    assert [path for _, path, *_ in cloud.requests].count("/domains") == 1
