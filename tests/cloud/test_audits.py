"""Audits of a real cloud in which the very faults were made that they look for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from openstack.connection import Connection

from accounts.cloud import Cloud
from accounts.config import load
from audits.drift import WHAT, drift
from audits.findings import Part, Row
from devcloud.settings import Settings
from query_api.execution.query import Query
from support.audit_faults import Faults
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.proxy import Match, Status

KEEP = "openstack_ops:keep_until"


def _day(days: int) -> str:
    return f"{datetime.now(timezone.utc) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def faults(sdk: Connection, devcloud: Settings) -> Iterator[Faults]:
    faults = Faults(sdk, devcloud)
    try:
        yield faults
    finally:
        faults.clear()


@dataclass
class Left:
    """What a deleted project left behind, by kind, and what lives on beside it."""

    project: str
    behind: dict[str, str]
    living: set[str]
    old: dict[str, str]


@pytest.fixture(scope="module")
def left(sdk: Connection, devcloud: Settings) -> Iterator[Left]:
    """A project that is gone, with one thing of each kind left of it; another that is there."""
    faults = Faults(sdk, devcloud)
    try:
        yield _leave(faults)
    finally:
        faults.clear()


def _leave(faults: Faults) -> Left:
    there = faults.within(faults.project())
    flavor = faults.flavor()
    network = faults.network(there)
    image = faults.image(there)
    bound = faults.port(there, network)
    # First the server of a port goes, then the port.
    living = {
        network,
        image,
        bound,
        faults.security_group(there),
        faults.server(there, image, flavor, bound),
    }
    project = faults.project()
    mine = faults.within(project)
    gone_network, gone_image = faults.network(mine), faults.image(mine)
    volume, server = faults.volume(mine), faults.server(mine, gone_image, flavor)
    behind = {
        "network": gone_network,
        "image": gone_image,
        "volume": volume,
        "server": server,
        "volume_snapshot": faults.volume_snapshot(mine, volume),
        "port": faults.port(mine, gone_network),
        "floating_ip": faults.floating_ip(mine),
        "security_group": faults.security_group(mine),
    }
    old = {
        "past": faults.server_snapshot(mine, server, **{KEEP: _day(-1)}),
        "today": faults.server_snapshot(mine, server, **{KEEP: _day(0)}),
        "plain": faults.server_snapshot(mine, server),
        "volume": faults.volume_snapshot(mine, volume, **{KEEP: _day(-3)}),
    }
    faults.sdk.identity.delete_project(project)
    return Left(project, behind, living, old)


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows}


# -- orphans ---------------------------------------------------------------------------------------


def test_what_a_deleted_project_leaves_behind(left: Left, operator: Operator) -> None:
    ended = operator.done("audit.orphans")
    rows = by_id(ended.result["rows"])
    for kind, id in left.behind.items():
        assert rows[id]["kind"] == kind
        assert rows[id]["why"].startswith(f"its project {left.project} no longer exists")
        assert rows[id]["project_id"] == left.project
        assert rows[id]["created_at"]
        assert id in rows[id]["act"]
    assert {rows[left.behind[kind]]["user"] for kind in ("server", "volume")} == {"admin"}
    assert not left.living & set(rows)
    assert "1 server" in ended.summary
    # Those of another project have an owner, whatever else is told of them.
    owners = {row["project_id"] for row in rows.values() if "its project" in row["why"]}
    assert owners == {left.project}


def test_only_some_kinds(left: Left, operator: Operator) -> None:
    rows = by_id(operator.done("audit.orphans", kinds="volume,port").result["rows"])
    assert {row["kind"] for row in rows.values()} == {"volume", "port"}
    assert {left.behind["volume"], left.behind["port"]} <= set(rows)
    young = operator.done("audit.orphans", kinds="volume,port", older_than="1d").result["rows"]
    assert not {left.behind["volume"], left.behind["port"]} & set(by_id(young))


def test_what_is_bound_to_nothing(faults: Faults, operator: Operator) -> None:
    network = faults.network(faults.sdk)
    unbound, address = faults.port(faults.sdk, network), faults.floating_ip(faults.sdk)
    gone = {"device_id": str(uuid.uuid4()), "device_owner": "compute:nova"}
    of_nobody = faults.port(faults.sdk, network, **gone)
    rows = by_id(operator.done("audit.orphans", older_than="0s").result["rows"])
    assert rows[unbound]["why"] == "it is bound to nothing"
    assert rows[address]["why"] == "it leads to no port"
    assert rows[of_nobody]["why"] == f"its server {gone['device_id']} no longer exists"
    assert rows[unbound]["project"] == "admin"
    # Who has just made one may be about to use it.
    assert not {unbound, address} & set(by_id(operator.done("audit.orphans").result["rows"]))


def test_an_allocation_without_a_server(faults: Faults, operator: Operator) -> None:
    consumer = faults.allocation()
    rows = by_id(operator.done("audit.orphans", kinds="allocation").result["rows"])
    assert "it holds 1 VCPU of cmp-" in rows[consumer]["why"]
    servers = {server.id for server in faults.sdk.compute.servers(all_projects=True)}
    assert not servers & set(rows)


def test_nothing_is_called_an_orphan_without_the_projects(left: Left, proxied: Proxied) -> None:
    proxied.proxy.fault(Match("identity", "GET", r"/projects\b"), Status(503), times=99)
    ended = proxied.operator.run("audit.orphans", allow_partial=True)
    assert (ended.kind, ended.result["rows"]) == ("failed", [])
    assert "so nothing is called an orphan" in ended.summary


# -- the others ------------------------------------------------------------------------------------


def test_rules_that_are_open_to_the_world(faults: Faults, operator: Operator) -> None:
    there, flavor = faults.within(faults.project()), faults.flavor()
    image, network = faults.image(there), faults.network(there)
    group = faults.security_group(there)
    tcp = {"protocol": "tcp", "ethertype": "IPv4"}
    anybody = {"remote_ip_prefix": "0.0.0.0/0", **tcp}
    named = {
        faults.rule(there, group, port_range_min=20, port_range_max=30, **anybody): "tcp 20-30",
        faults.rule(there, group, port_range_min=3389, port_range_max=3389, **tcp): "tcp 3389",
        faults.rule(there, group, ethertype="IPv6", remote_ip_prefix="::/0"): "anything",
    }
    left_out = {
        faults.rule(there, group, port_range_min=443, port_range_max=443, **anybody),
        faults.rule(there, group, remote_group_id=group, **tcp),
        faults.rule(
            there,
            group,
            remote_ip_prefix="192.0.2.0/24",
            port_range_min=22,
            port_range_max=22,
            **tcp,
        ),
    }
    port = faults.port(there, network, security_groups=[group])
    server = faults.server(there, image, flavor, port)
    rows = by_id(operator.done("audit.security_groups").result["rows"])
    for rule, told in named.items():
        assert f"reach {told}, on 1 server: audit-test-" in rows[rule]["why"]
        assert rows[rule]["server_ids"] == [server]
        assert rows[rule]["user"] == ["admin"]
    assert not left_out & set(rows)
    rows = by_id(operator.done("audit.security_groups", ports="443").result["rows"])
    assert len(set(rows) & {*named, *left_out}) == 2


def test_snapshots_that_are_old_or_kept_too_long(left: Left, operator: Operator) -> None:
    mine = {*left.old.values(), left.behind["volume_snapshot"]}
    rows = by_id(operator.done("audit.old_snapshots").result["rows"])
    assert set(rows) & mine == {left.old["past"], left.old["volume"]}
    assert rows[left.old["past"]]["why"] == f"it was to be kept until {_day(-1)}"
    assert rows[left.old["past"]]["kind"] == "server_snapshot"
    assert rows[left.old["volume"]]["size"] == 1 << 30
    rows = by_id(operator.done("audit.old_snapshots", older_than="0s").result["rows"])
    assert set(rows) & mine == mine - {left.old["today"]}
    assert rows[left.old["plain"]]["user"] == "admin"


def test_who_may_do_much_and_roles_that_are_left_over(faults: Faults, operator: Operator) -> None:
    project, empty = faults.project(), faults.project()
    boss, asleep = faults.user(email="boss@example.org"), faults.user(is_enabled=False)
    group, gone = faults.group(boss), uuid.uuid4().hex
    faults.grant(f"projects/{project}", f"groups/{group}", "admin")
    faults.grant(f"OS-INHERIT/projects/{project}", f"users/{boss}", "manager")
    faults.grant(f"projects/{project}", f"users/{asleep}", "member")
    faults.grant("system", f"groups/{group}", "admin")
    below = faults.sdk.identity.create_project(
        name=faults.name(), domain_id="default", parent_id=project
    )
    faults.later(faults.sdk.identity.delete_project, below.id)
    faults.grant_to_nobody("member", gone, project)
    faults.grant_to_nobody("member", boss, gone)
    rows = operator.done("audit.roles").result["rows"]
    named = {group: faults.sdk.identity.get_group(group).name}
    named |= {id: faults.sdk.identity.get_project(id).name for id in (project, empty)}
    whys = {row["why"] for row in rows if (row["kind"], row["id"]) == ("powerful_role", boss)}
    assert whys == {
        f"has admin and manager on project {named[project]}, through group {named[group]}",
        f"has manager on 1 project below project {named[project]}",
        f"has admin on the whole system, through group {named[group]}",
    }
    assert {row["mail"] for row in rows if row["id"] == boss} == {"boss@example.org"}
    found = {(row["kind"], row["id"]): row["why"] for row in rows}
    assert found["disabled_user", asleep] == (
        f"is disabled and has 1 role: member on project {named[project]}"
    )
    assert found["ownerless_project", empty] == "no user has a role on it"
    assert ("ownerless_project", project) not in found
    stale = {row["why"] for row in rows if row["kind"] == "stale_assignment" and gone in row["why"]}
    assert stale == {f"its user {gone} no longer exists", f"its project {gone} no longer exists"}


# -- drift -----------------------------------------------------------------------------------------


class _Changing(Part):
    """A part before whose first question something is changed."""

    def __init__(self, cloud: Cloud, change: Callable[[], object]) -> None:
        super().__init__(cloud, datetime.now(timezone.utc))
        self._change: Callable[[], object] | None = change

    def read(self, asked: Query) -> tuple[list[Row], bool]:
        if self._change is not None:
            self._change()
            self._change = None
        return super().read(asked)


def test_the_accounts_of_the_cloud_itself_are_not_to_be_harmed(operator: Operator) -> None:
    rows = operator.done("audit.roles").result["rows"]
    acts = {row["act"] for row in rows if row["name"] in ("nova", "neutron", "cinder", "glance")}
    assert acts
    assert all(act.startswith("leave it to those who run the cloud") for act in acts)


def test_a_flavor_that_differs(faults: Faults, cloud_config: dict[str, Any]) -> None:
    (entry,) = cloud_config["clouds"]
    config = load({**cloud_config, "clouds": [entry, {**entry, "name": "twin"}]})
    same, changed = faults.flavor(), faults.flavor()

    def change() -> None:
        faults.sdk.compute.create_flavor_extra_specs(changed, {"hw:cpu_policy": "dedicated"})
        made.append(faults.flavor())

    made: list[str] = []
    model = Part(Cloud.from_config(config, "devcloud"), datetime.now(timezone.utc))
    twin = _Changing(Cloud.from_config(config, "twin"), change)
    drift(model, twin, WHAT)
    assert not model.reasons + twin.reasons
    found = {finding.id: finding for finding in (*model.findings, *twin.findings)}
    assert same not in found
    assert (
        found[changed].why
        == "extra_specs.hw:cpu_policy is nothing in devcloud and dedicated in twin"
    )
    assert found[made[0]].why == "only in twin"


def test_a_cloud_is_like_its_twin(cloud_config: dict[str, Any], operator: Operator) -> None:
    (entry,) = cloud_config["clouds"]
    twins = operator.with_config("twins", clouds=[entry, {**entry, "name": "twin"}])
    what = "images,aggregates"  # flavors come and go with other tests
    ended = twins.done("audit.drift", cloud_a="devcloud", cloud_b="twin", what=what)
    assert ended.summary == "0 differences"
    twins.refused("audit.drift", "cannot differ from itself", cloud_a="twin", cloud_b="twin")
