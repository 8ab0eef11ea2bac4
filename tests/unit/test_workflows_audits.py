"""audit.security_groups and audit.old_snapshots: what they name, whose it is, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from audits.rules import parse_ports
from support.audit_cloud import LIVING, OLD, USER, AuditCloud, port, server
from workflow_api import UserError

pytestmark = pytest.mark.usefixtures("no_back_off")

WORLD = {"remote_ip_prefix": "0.0.0.0/0"}


@pytest.fixture
def cloud() -> Iterator[AuditCloud]:
    with AuditCloud() as cloud:
        yield cloud


def day(days: float) -> str:
    return f"{datetime.now(timezone.utc) + timedelta(days=days):%Y-%m-%d}"


# -- open rules ------------------------------------------------------------------------------------


def rule(protocol: str | None, first: int | None, last: int | None, **more: Any) -> dict[str, Any]:
    known = {"id": "r", "security_group_id": "g", "project_id": LIVING, "ethertype": "IPv4"}
    where = {"protocol": protocol, "port_range_min": first, "port_range_max": last}
    return {**known, "direction": "ingress", "created_at": OLD, **where, **more}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (rule("tcp", 22, 22, **WORLD), "lets 0.0.0.0/0 reach tcp 22"),
        (rule("tcp", 22, 22, remote_ip_prefix="::/0", ethertype="IPv6"), "lets ::/0 reach tcp 22"),
        (rule("tcp", 22, 22), "lets all of IPv4 reach tcp 22"),
        (rule("6", 20, 30, **WORLD), "lets 0.0.0.0/0 reach tcp 20-30"),
        (rule("tcp", None, None, **WORLD), "lets 0.0.0.0/0 reach tcp on all ports"),
        (rule("tcp", 8090, 9000, **WORLD), "lets 0.0.0.0/0 reach tcp 8090-9000"),
        (rule("tcp", 1, 65535, **WORLD), "lets 0.0.0.0/0 reach tcp 1-65535"),
        (rule("udp", 22, 22, **WORLD), "lets 0.0.0.0/0 reach udp 22"),
        (rule(None, None, None, **WORLD), "lets 0.0.0.0/0 reach anything"),
        (rule("0", None, None), "lets all of IPv4 reach anything"),
        (rule("tcp", 23, 7999, **WORLD), None),
        (rule("tcp", 8101, 8200, **WORLD), None),
        (rule("sctp", 22, 22, **WORLD), None),
        (rule("icmp", None, None, **WORLD), None),
        (rule("icmp", 8, 0, **WORLD), None),
        (rule("tcp", 22, 22, remote_ip_prefix="10.0.0.0/8"), None),
        (rule("tcp", 22, 22, remote_ip_prefix="10.0.0.0/10"), None),
        (rule("tcp", 22, 22, remote_group_id="g"), None),
        (rule("tcp", 22, 22, remote_address_group_id="a"), None),
        (rule("tcp", 22, 22, direction="egress", **WORLD), None),
    ],
)
def test_rules_that_let_the_world_in(
    cloud: AuditCloud, found: dict[str, Any], told: str | None
) -> None:
    cloud.rows["security_group_rule"] = [found]
    rows = cloud.done("security_groups", ports="22, 8000-8100")
    assert [row["why"] for row in rows] == ([] if told is None else [f"{told}, on no server"])


def test_which_servers_it_lies_on_and_whose_they_are(cloud: AuditCloud) -> None:
    used = rule("tcp", 22, 22, id="r-2", security_group_id="g-2", **WORLD)
    cloud.rows["security_group_rule"] = [rule("tcp", 22, 22, **WORLD), used]
    cloud.rows["security_group"] = [{"id": "g", "name": "free"}, {"id": "g-2", "name": "web"}]
    nova = {"device_owner": "compute:nova", "security_groups": ["g-2", "g-3"]}
    cloud.rows["port"] = [
        port("p-1", device_id="s-1", **nova),
        port("p-2", device_id="s-1", **nova),
        port("p-3", device_id="s-2", **nova),
        port(
            "p-4",
            device_id="router",
            device_owner="network:router_interface",
            security_groups=["g-2"],
        ),
        port("p-5", device_id="s-3", device_owner="compute:nova", security_groups=["g-3"]),
    ]
    cloud.rows["server"] = [server("s-1"), server("s-2", user_id="bob"), server("s-3")]
    first, second = cloud.done("security_groups")
    assert (first["id"], first["name"]) == ("r-2", "web")
    assert first["why"].endswith("on 2 servers: name of s-1, name of s-2")
    assert first["server_ids"] == ["s-1", "s-2"]
    assert first["servers"] == ["name of s-1", "name of s-2"]
    assert (first["user"], first["mail"]) == (["ann"], ["ann@example.org"])
    assert (first["project"], first["server_projects"]) == ("living", ["living"])
    assert first["act"].endswith("openstack security group rule delete r-2")
    assert (second["id"], second["name"], second["servers"]) == ("r", "free", [])


def test_their_cost_does_not_depend_on_the_rows() -> None:
    costs = []
    for many in (30, 90):
        with AuditCloud() as cloud:
            numbers = range(many)
            cloud.rows["security_group_rule"] = [
                rule("tcp", 22, 22, id=f"r-{n}", security_group_id=f"g-{n}") for n in numbers
            ]
            cloud.rows["port"] = [
                port(f"p-{n}", device_id=f"s-{n}", security_groups=[f"g-{n}"]) for n in numbers
            ]
            cloud.rows["server"] = [server(f"s-{n}") for n in numbers]
            rows = cloud.done("security_groups")
            assert sum(len(row["servers"]) for row in rows) == many
            costs.append(cloud.asked_for())
    assert costs[0] == costs[1]


def test_what_cannot_be_read_is_said(cloud: AuditCloud) -> None:
    cloud.rows["security_group_rule"] = [rule("tcp", 22, 22, **WORLD)]
    cloud.fail("GET /network/v2.0/ports", 503, times=99)
    ended, result = cloud.audit("security_groups")
    assert (ended, len(result["rows"])) == ("failed", 1)
    ended, result = cloud.audit("security_groups", allow_partial=True)
    assert (ended, len(result["rows"])) == ("done", 1)
    assert result["rows"][0]["why"].endswith("on servers not all of which could be read")


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("22", [(22, 22)]),
        (" 22 ,3389,", [(22, 22), (3389, 3389)]),
        ("8000-8100, 0 - 65535", [(8000, 8100), (0, 65535)]),
    ],
)
def test_ports_are_read(text: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_ports(text) == ranges


@pytest.mark.parametrize("text", ["", " , ", "ssh", "22-", "30-20", "65536", "-1", "22;23", "٢٢"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"22, 3389, 8000-8100"):
        parse_ports(text)


# -- snapshots -------------------------------------------------------------------------------------


def snapshot(id: str, created: str, **metadata: str) -> dict[str, Any]:
    owner = {"os-extended-snapshot-attributes:project_id": LIVING, "volume_id": "v"}
    known = {"id": id, "name": "it", "created_at": created, "size": 2, "metadata": metadata}
    return {**known, **owner}


def image(id: str, created: str, **properties: str) -> dict[str, Any]:
    known = {"id": id, "name": "it", "created_at": created, "owner": LIVING, "size": 5}
    return {**known, "user_id": USER, **properties}


KEEP, KEPT_BEFORE = "openstack_ops:keep_until", "openstack_ops_keep_until"


def test_old_snapshots(cloud: AuditCloud) -> None:
    young, shot = f"{day(-10)}T00:00:00Z", {"image_type": "snapshot"}
    cloud.rows["snapshot"] = [
        snapshot("v-old", OLD),
        snapshot("v-young", young),
        snapshot("v-kept", OLD, **{KEEP: day(1)}),
        snapshot("v-past", young, **{KEEP: day(-1)}),
        snapshot("v-kept-of-old", OLD, **{KEPT_BEFORE: day(1)}),
        snapshot("v-past-of-old", young, **{KEPT_BEFORE: day(-1)}),
    ]
    cloud.rows["volume"] = [{"id": "v", "user_id": USER, "os-vol-tenant-attr:tenant_id": LIVING}]
    cloud.rows["image"] = [
        image("i-old", OLD, **shot),
        image("i-young", young, **shot),
        image("i-no-snapshot", OLD),
        image("i-from-volume", OLD, block_device_mapping="[]"),
        image("i-kept-today", OLD, **shot, **{KEEP: day(0)}),
        image("i-past", young, **shot, **{KEEP: f"{day(-1)}T23:59:59+00:00"}),
        image("i-past-of-old", young, **{KEPT_BEFORE: day(-1)}),
        image("i-strange", young, **shot, **{KEEP: "soon"}),
    ]
    rows = {row["id"]: row for row in cloud.done("old_snapshots")}
    past = {"v-past", "v-past-of-old", "i-past", "i-past-of-old"}
    assert set(rows) == past | {"v-old", "i-old", "i-from-volume", "i-strange"}
    assert rows["v-old"]["why"].endswith(" days old")
    assert {rows[id]["why"] for id in past} == {f"it was to be kept until {day(-1)}"}
    assert rows["i-strange"]["why"] == f"its {KEEP} is no date: soon"
    assert rows["v-old"]["act"] == "openstack volume snapshot delete v-old"
    assert rows["i-old"]["act"] == "openstack image delete i-old"
    assert {row["kind"] for row in rows.values()} == {"volume_snapshot", "server_snapshot"}
    assert {row["user"] for row in rows.values()} == {"ann"}
    assert {row["project"] for row in rows.values()} == {"living"}
    assert (rows["v-old"]["size"], rows["i-old"]["size"]) == (2 << 30, 5)


@pytest.mark.parametrize(("older_than", "many"), [("9d", 1), ("12d", 0), ("0s", 1)])
def test_how_old_is_old(cloud: AuditCloud, older_than: str, many: int) -> None:
    cloud.rows["snapshot"] = [snapshot("v", f"{day(-11)}T12:00:00Z")]
    assert len(cloud.done("old_snapshots", older_than=older_than)) == many


def test_the_cost_of_snapshots_does_not_depend_on_the_rows() -> None:
    costs = []
    for many in (1, 50):
        with AuditCloud() as cloud:
            cloud.rows["snapshot"] = [snapshot(f"s-{n}", OLD) for n in range(many)]
            cloud.rows["image"] = [image(f"i-{n}", OLD, image_type="snapshot") for n in range(many)]
            assert len(cloud.done("old_snapshots")) == 2 * many
            costs.append(cloud.asked_for())
    assert costs[0] == costs[1]
