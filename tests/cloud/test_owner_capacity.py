"""Whose things are, which hosts are empty or easily emptied, and what is left: by the cloud's own
word, asked of each service directly."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection

from support.cloud_books import Books, candidates, get, takes, traits
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied


def found(operator: Operator, any: str) -> dict[str, Any]:
    """Return the one row that a text stands for."""
    (row,) = operator.done("owner.find", any=any).result["rows"]
    return dict(row)


# -- owners ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(sdk: Connection) -> Any:
    """A server of the estate."""
    server = sdk.compute.find_server("web-1", all_projects=True, ignore_missing=False)
    return sdk.compute.get_server(server.id)


@pytest.fixture(scope="module")
def people(sdk: Connection, web: Any) -> dict[str, tuple[str | None, set[str]]]:
    """Who has which roles in its project, and their mail, as Keystone says one by one."""
    roles: dict[str, set[str]] = {}
    path = f"/role_assignments?scope.project.id={web.project_id}&effective&include_names"
    for one in get(sdk, "identity", path)["role_assignments"]:
        if one["links"]["assignment"].endswith(one["role"]["id"]):
            roles.setdefault(one["user"]["id"], set()).add(one["role"]["name"])
    users = {id: sdk.identity.get_user(id) for id in roles}
    return {users[id].name: (users[id].email, roles[id]) for id in roles}


def told(row: dict[str, Any]) -> dict[str, tuple[str | None, set[str]]]:
    return {one["name"]: (one["mail"], set(one["roles"])) for one in row["people"]}


def test_a_server_by_its_names_and_id(
    web: Any, people: dict[str, Any], sdk: Connection, operator: Operator
) -> None:
    maker = sdk.identity.get_user(web.user_id)
    for text in (web.name, web.id, f"{web.name}.cloud.example.org"):
        row = found(operator, text)
        assert (row["what"], row["id"], row["server_ids"]) == ("server", web.id, [web.id])
        assert (row["project"], row["project_id"]) == ("shop", web.project_id)
        assert row["made_by"] == f"{maker.name} <{maker.email}>"
        assert row["host"] == web.compute_host
        assert told(row) == people


def test_its_port_by_address_mac_and_id(
    web: Any, people: dict[str, Any], sdk: Connection, operator: Operator
) -> None:
    (port,) = sdk.network.ports(device_id=web.id)
    (fixed,) = port.fixed_ips
    for text in (fixed["ip_address"], port.mac_address.upper(), port.id):
        row = found(operator, text)
        assert (row["what"], row["id"], row["server"]) == ("port", port.id, web.name)
        assert (row["project"], told(row)) == ("shop", people)


def test_floating_ips_that_lead_somewhere_and_nowhere(sdk: Connection, operator: Operator) -> None:
    kinds = set()
    for floating in sdk.network.ips():
        row = found(operator, floating.floating_ip_address)
        assert (row["what"], row["id"]) == ("floating IP", floating.id)
        assert row["project_id"] == floating.project_id
        behind = (floating.port_details or {}).get("device_id")
        assert row["server_ids"] == ([behind] if behind else [])
        assert (row["note"] is not None) is (behind is None)
        kinds.add(behind is None)
    assert kinds == {True, False}


def test_the_gateway_of_a_router(sdk: Connection, operator: Operator) -> None:
    router = next(one for one in sdk.network.routers() if one.external_gateway_info)
    (outside,) = router.external_gateway_info["external_fixed_ips"]
    row = found(operator, outside["ip_address"])
    assert (row["what"], row["project_id"]) == ("port", router.project_id)
    assert router.name in row["note"]


def test_projects_users_hypervisors_and_volumes(
    web: Any, people: dict[str, Any], sdk: Connection, operator: Operator
) -> None:
    for text in ("shop", web.project_id):
        row = found(operator, text)
        assert (row["what"], row["id"], told(row)) == ("project", web.project_id, people)
    name = next(name for name, (mail, _) in people.items() if mail)
    user = sdk.identity.find_user(name)
    for text in (user.name, user.id):
        row = found(operator, text)
        assert (row["what"], row["users"]) == ("user", [f"{user.name} <{user.email}>"])
    for text in (web.compute_host, web.hypervisor_hostname):
        assert found(operator, text)["what"] == "hypervisor"
    volume = next(one for one in sdk.block_storage.volumes(all_projects=True) if one.attachments)
    row = found(operator, volume.id)
    assert (row["what"], row["project_id"]) == ("volume", volume.project_id)
    assert row["server_ids"] == [one["server_id"] for one in volume.attachments]


def test_what_is_not_there(operator: Operator) -> None:
    operator.refused("owner.find", "Did you mean", "web-1", any="webb-1")
    for text in ("198.51.100.77", "fa:16:3e:ff:ff:ff", str(uuid.uuid4()), uuid.uuid4().hex):
        operator.refused("owner.find", "There is no", any=text)


def test_a_cloud_that_is_down_is_said_and_the_other_answers(operator: Operator) -> None:
    (entry,) = operator.config["clouds"]
    dead = {**entry, "name": "dead", "auth": {**entry["auth"], "auth_url": "http://127.0.0.1:9/v3"}}
    colleague = operator.with_config("colleague", clouds=[entry, dead])
    ended = colleague.run("owner.find", any="web-1")
    assert ended.kind == "failed", ended
    assert [row["cloud"] for row in ended.result["rows"]] == [entry["name"]]
    assert ended.result["complete"] is False
    assert [left["what"] for left in ended.result["left"]] == ["cloud dead"]
    assert colleague.done("owner.find", any="web-1", allow_partial=True).result["rows"]


def test_filters_answer(proxied: Proxied, web: Any, sdk: Connection) -> None:
    """No request lists what a filter could narrow, and there are few."""
    (port,) = sdk.network.ports(device_id=web.id)
    # One of them asks Glance, whose address in the catalogue names no version, for its versions.
    most = {web.name: 25, web.id: 25, port.mac_address: 10, port.fixed_ips[0]["ip_address"]: 12}
    for text, at_most in most.items():
        proxied.proxy.clear()
        proxied.operator.done("owner.find", any=text)
        asked = [one for one in proxied.proxy.requests if not one.is_login]
        assert len(asked) <= at_most, [one.path for one in asked]
        for one in asked:
            if one.path.rpartition("?")[0].endswith(
                ("/servers/detail", "/ports", "/volumes/detail")
            ):
                words = ("name=", "hostname=", "uuid=", "id=", "mac_address=", "fixed_ips=")
                assert any(word in one.path for word in words), one.path


# -- hypervisors -------------------------------------------------------------------------------


def test_empty_hypervisors(sdk: Connection, operator: Operator) -> None:
    def by_nova() -> set[str]:
        listed = get(sdk, "compute", "/os-hypervisors?with_servers=True", "2.53")["hypervisors"]
        return {one["hypervisor_hostname"] for one in listed if not one.get("servers")}

    for _ in range(5):  # others may work on the same cloud
        before = by_nova()
        rows = operator.done("hypervisor.find_empty").result["rows"]
        if before == by_nova():
            break
    assert {row["name"] for row in rows} == before


def test_candidates(sdk: Connection, operator: Operator) -> None:
    result = operator.done("hypervisor.find_candidates").result
    rows = {row["name"]: row for row in result["rows"]}
    listed = get(sdk, "compute", "/os-hypervisors/detail", "2.53")["hypervisors"]
    assert set(rows) == {one["hypervisor_hostname"] for one in listed}
    for row in rows.values():
        assert row["live"] + row["cold"] + row["stay"] == row["servers"]
        assert row["stay"] == len(row["staying"])
        assert row["why"]
    # What nobody may move in bulk stays wherever it is, and is named with the reason.
    staying = {one["name"]: one["why"] for row in rows.values() for one in row["staying"]}
    assert "protected" in staying["ledger-1"]
    assert "locked" in staying["vault-1"]
    best = operator.done("hypervisor.find_candidates", limit=1, aggregate="general").result["rows"]
    (general,) = (a for a in sdk.compute.aggregates() if a.name == "general")
    assert [row["name"] in general.hosts for row in best] == [True]


# -- capacity ----------------------------------------------------------------------------------


@pytest.fixture
def odd_flavor(sdk: Connection) -> Iterator[str]:
    """A flavor of this test's own, that fits evenly nowhere and not on hosts with a GPU."""
    name = f"capacity.{uuid.uuid4().hex[:8]}"
    made = sdk.compute.create_flavor(name=name, ram=7777, vcpus=3, disk=3, is_public=False)
    sdk.compute.create_flavor_extra_specs(made, {"trait:CUSTOM_GPU": "forbidden"})
    try:
        yield name
    finally:
        sdk.compute.delete_flavor(made.id)


def reported(
    sdk: Connection, operator: Operator, **asked: Any
) -> tuple[Books, list[dict[str, Any]]]:
    """Return Placement's books and the report, of a moment in which nothing changed."""
    for _ in range(8):  # others may work on the same cloud
        before = Books(sdk)
        rows: list[dict[str, Any]] = operator.done("capacity.report", **asked).result["rows"]
        if before == Books(sdk):
            return before, rows
        time.sleep(1)
    pytest.skip("the cloud was never quiet enough to be counted")


def test_amounts_are_placement_s(sdk: Connection, operator: Operator) -> None:
    books, rows = reported(sdk, operator)
    whole = {row["what"]: row for row in rows if row["scope"] == "cloud"}
    classes = {name for held in books.inventories.values() for name in held}
    assert classes <= set(whole)
    for name in classes:
        capacity = sum(books.capacity(id, name) for id in books.providers)
        used = sum(held.get(name, 0) for held in books.usages.values())
        assert (whole[name]["capacity"], whole[name]["used"]) == (capacity, used)
        assert whole[name]["free"] == capacity - used
    zones = [row for row in rows if row["scope"] == "zone" and row["what"] == "VCPU"]
    assert sum(row["used"] for row in zones) == whole["VCPU"]["used"]


def test_how_many_more_fit_is_what_placement_would_take(
    sdk: Connection, operator: Operator, odd_flavor: str
) -> None:
    names = ["m1.small", "m1.medium", "m1.large", "g1.large", "d1.colossal", odd_flavor]
    books, rows = reported(sdk, operator, flavors=",".join(names))
    aggregates = {one.name: set(one.hosts) for one in sdk.compute.aggregates()}
    for name in names:
        flavor = sdk.compute.find_flavor(name, get_extra_specs=True, ignore_missing=False)
        expected = books.more(takes(flavor), traits(flavor))
        told = {row["where"]: row for row in rows if row["what"] == f"flavor {name}"}
        whole = next(row for where, row in told.items() if row["scope"] == "cloud")
        assert (whole["more"], whole["hosts"]) == (sum(expected.values()), len(expected)), name
        assert whole["more"] <= whole["pooled"]
        usable = {id for id in candidates(sdk, flavor) if books.providers[id] in books.usable}
        assert {books.providers[id] for id in usable} == set(expected), name
        for aggregate, hosts in aggregates.items():
            fits = {host: number for host, number in expected.items() if host in hosts}
            if f"aggregate {aggregate}" in told:
                assert told[f"aggregate {aggregate}"]["more"] == sum(fits.values()), name


def test_requests_of_a_report(proxied: Proxied) -> None:
    """One for each flavor, and a handful besides: none for each host or server."""
    proxied.operator.done("capacity.report", flavors="m1.small,g1.large")
    asked = [one for one in proxied.proxy.requests if not one.is_login]
    placement = [one.path for one in asked if "/allocation_candidates" in one.path]
    assert len(placement) <= 2 + 3
    assert len(asked) <= 16, [one.path for one in asked]
