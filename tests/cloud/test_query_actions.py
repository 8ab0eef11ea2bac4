"""Questions to a real cloud, as actions ask them: the answers are the cloud's own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from openstack.connection import Connection

from accounts.cloud import Cloud
from accounts.clouds import Clouds
from accounts.config import load
from engine.dispatch import dispatch
from local_runner.actions import Catalogue
from local_runner.arguments import parameters_for
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.query_page import commands, programs


@pytest.fixture
def estate(sdk: Connection) -> list[Any]:
    """Every server, as the SDK lists them."""
    return list(sdk.compute.servers(all_projects=True))


# -- the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_of_the_page(words: list[str], cloud_config: dict[str, Any]) -> None:
    action = Catalogue().action(words[0])
    kind, result = dispatch(action.workflow, parameters_for(action, words[1:], "ann"), cloud_config)
    assert kind == "done", result["summary"]
    assert result["complete"]


@pytest.mark.parametrize("program", programs())
def test_programs_of_the_page(program: str, cloud_config: dict[str, Any]) -> None:
    clouds = Clouds([Cloud.from_config(load(cloud_config), None)])
    exec(compile(program, "docs/QUERY.md", "exec"), {"clouds": clouds})


# -- answers -----------------------------------------------------------------------------------


def test_a_search_finds_what_the_sdk_lists(operator: Operator, estate: list[Any]) -> None:
    rows = operator.done(
        "server.search",
        where="status any_in (ACTIVE, ERROR) and not (name starts_with proof)",
        select=["id", "name", "flavor.ram", "flavor.extra_specs"],
        sort_by=["-flavor.ram", "id"],
    ).result["rows"]
    wanted = {
        server.id: (server.name, server.flavor.ram)
        for server in estate
        if server.status in ("ACTIVE", "ERROR") and not server.name.startswith("proof")
    }
    assert {row["id"]: (row["name"], row["flavor.ram"]) for row in rows} == wanted
    assert [row["flavor.ram"] for row in rows] == sorted(
        (ram for _, ram in wanted.values()), reverse=True
    )


def test_figures_of_groups(operator: Operator, estate: list[Any]) -> None:
    ended = operator.done(
        "query.run",
        resource="server",
        group_by="host, status",
        aggregate="count, sum flavor.vcpus",
    )
    rows = ended.result["rows"]
    counts = Counter((server.compute_host, server.status) for server in estate)
    vcpus: Counter[Any] = Counter()
    for server in estate:
        vcpus[server.compute_host, server.status] += server.flavor.vcpus
    assert {(row["host"], row["status"]): row["count"] for row in rows} == counts
    assert {(row["host"], row["status"]): row["sum flavor.vcpus"] for row in rows} == vcpus


def test_joins_and_followed_links(operator: Operator, sdk: Connection, estate: list[Any]) -> None:
    projects = {project.id: project.name for project in sdk.identity.projects()}
    users = {user.id: user.name for user in sdk.identity.users()}
    joined = operator.done("server.search", select=["id"], join="project: name; user: name").result[
        "rows"
    ]
    assert {row["id"]: (row["project.name"], row["user.name"]) for row in joined} == {
        server.id: (projects.get(server.project_id), users.get(server.user_id)) for server in estate
    }
    of_shop = {s.user_id for s in estate if projects.get(s.project_id) == "shop"}
    followed = operator.done(
        "server.search", where="project.name = shop", follow="user", select=["id"]
    ).result["rows"]
    assert sorted(row["id"] for row in followed) == sorted(of_shop & set(users))


def test_a_list_of_hypervisors_has_their_state(operator: Operator, sdk: Connection) -> None:
    rows = operator.done("hypervisor.list").result["rows"]
    assert {row["name"]: (row["state"], row["status"]) for row in rows} == {
        host.name: (host.state, host.status) for host in sdk.compute.hypervisors(details=True)
    }


# -- requests ----------------------------------------------------------------------------------


def test_explain_tells_the_requests_and_there_is_one_login(proxied: Proxied) -> None:
    ended = proxied.operator.done(
        "server.search", where="status = ACTIVE", join="user: email", explain=True
    )
    made = {
        row["what"].removeprefix("requests to "): row["made"]
        for row in ended.result["rows"]
        if row["done"] == "made"
    }
    assert len(proxied.proxy.logins()) == 1
    asked = [r for r in proxied.proxy.requests if r.method == "GET"]
    servers = [r for r in asked if "/servers" in r.path]
    assert servers
    assert len(servers) <= made["compute"]
    assert made["identity"] >= 1
    assert sum(made.values()) <= 6, "and not one for each server"


# -- several clouds ----------------------------------------------------------------------------


@pytest.fixture
def both(cloud_config: dict[str, Any], operator: Operator) -> Operator:
    """An operator who knows the cloud by two names, one of which has no Nova that answers."""
    (entry,) = cloud_config["clouds"]
    lame = {"endpoint_override": {"compute": "http://127.0.0.1:9/v2.1"}}
    clouds = [entry, {**entry, "name": "again"}, {**entry, "name": "lame", **lame}]
    return operator.with_config("both", clouds=clouds, default_cloud=entry["name"])


def test_rows_of_two_clouds(both: Operator, estate: list[Any]) -> None:
    ended = both.done("server.search", clouds="devcloud,again", group_by="cloud", aggregate="count")
    assert ended.result["rows"] == [
        {"cloud": "again", "count": len(estate)},
        {"cloud": "devcloud", "count": len(estate)},
    ]


def test_a_cloud_that_does_not_answer(both: Operator, estate: list[Any]) -> None:
    ended = both.run("server.list", clouds="*", select=["id"])
    assert ended.kind == "failed"
    assert ended.result["complete"] is False
    assert [entry["what"] for entry in ended.result["left"]] == ["cloud lame"]
    assert len(ended.result["rows"]) == 2 * len(estate)
    allowed = both.done("server.list", clouds="*", select=["id"], allow_partial=True)
    assert allowed.result["complete"] is False
    assert len(allowed.result["rows"]) == 2 * len(estate)


def test_a_question_that_is_not_sound(operator: Operator) -> None:
    where = "status = DOWN and (  fixed_ips in_cidr x)"
    place = f"At character {where.index('fixed') + 1}: ports have no property 'fixed_ips'"
    operator.refused("port.search", place, where, where=where)
