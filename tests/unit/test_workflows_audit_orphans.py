"""audit.orphans: what is one, what looks like one, and when nothing may be called one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.audit_cloud import DOMAIN, GONE, LIVING, OLD, USER, AuditCloud, port, server

pytestmark = pytest.mark.usefixtures("no_back_off")

# Each kind, by its name and the service's, with the key that says whose it is.
KINDS = [
    ("server", "server", "tenant_id"),
    ("volume", "volume", "os-vol-tenant-attr:tenant_id"),
    ("volume_snapshot", "snapshot", "os-extended-snapshot-attributes:project_id"),
    ("image", "image", "owner"),
    ("network", "network", "project_id"),
    ("router", "router", "project_id"),
    ("port", "port", "project_id"),
    ("floating_ip", "floatingip", "project_id"),
    ("security_group", "security_group", "project_id"),
]
PROOF = {
    "OS-EXT-SRV-ATTR:host": "cmp-1",
    "os-vol-host-attr:host": "cmp-1@lvm#lvm",
    "provider:network_type": "vxlan",
    "binding:host_id": "cmp-1",
    "created": OLD,
    "created_at": OLD,
    "user_id": USER,
    "name": "it",
}


@pytest.fixture
def cloud() -> Iterator[AuditCloud]:
    with AuditCloud() as cloud:
        yield cloud


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def ago(**how: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(**how):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.long
@pytest.mark.parametrize(("kind", "wire", "owner"), KINDS, ids=[kind for kind, _, _ in KINDS])
def test_what_is_of_a_project_that_is_gone(
    cloud: AuditCloud, kind: str, wire: str, owner: str
) -> None:
    bound = {"port_id": "port-1", "device_id": "lb-1", "device_owner": "Octavia"}
    owners = {"gone": GONE, "living": LIVING, "domain": DOMAIN, "nobody": "", "none": None}
    cloud.rows[wire] = [
        {**PROOF, **bound, "id": id, owner: project, "floating_ip_address": "203.0.113.9"}
        for id, project in owners.items()
    ]
    (row,) = cloud.done("orphans")
    assert (row["kind"], row["id"], row["project_id"]) == (kind, "gone", GONE)
    assert row["why"] == f"its project {GONE} no longer exists"
    assert row["created_at"] == OLD
    assert " gone" in row["act"]
    assert "openstack " in row["act"]
    knows_user = kind in ("server", "volume", "image")
    assert (row["user"], row["mail"]) == (
        ("ann", "ann@example.org") if knows_user else (None, None)
    )
    assert cloud.done("orphans", kinds=[kind]) == [row]
    others = [other for other, _, _ in KINDS if other != kind]
    assert cloud.done("orphans", kinds=others) == []


def test_the_summary_counts_kinds(cloud: AuditCloud) -> None:
    cloud.rows["server"] = [server("s-1", GONE), server("s-2", GONE)]
    cloud.rows["floatingip"] = [{"id": "f", "project_id": GONE, "created_at": OLD, "port_id": "p"}]
    _, result = cloud.audit("orphans")
    assert result["summary"] == "3 orphans: 1 floating ip, 2 servers"


# -- when nothing may be called an orphan --------------------------------------------------------


@pytest.mark.parametrize("kind", ["project", "domain"])
@pytest.mark.parametrize("partial", [False, True])
def test_nothing_is_called_an_orphan_when_projects_are_cut(
    cloud: AuditCloud, kind: str, partial: bool
) -> None:
    cloud.rows["server"] = [server("s-1", GONE)]
    cloud.more[kind] = {"truncated": True}
    ended, result = cloud.audit("orphans", allow_partial=partial)
    assert (ended, result["rows"]) == ("failed", [])
    assert f"The {kind}s of fake could not all be read, so nothing is called" in result["summary"]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_nor_when_they_are_refused(cloud: AuditCloud, status: int) -> None:
    cloud.rows["server"] = [server("s-1", GONE)]
    cloud.fail("GET /identity/v3/projects", status, times=99)
    ended, result = cloud.audit("orphans", allow_partial=True)
    assert (ended, result["rows"]) == ("failed", [])
    assert "so nothing is called an orphan" in result["summary"]


@pytest.mark.long
def test_one_cloud_of_two_that_cannot_be_judged(cloud: AuditCloud) -> None:
    cloud.rows["server"] = [server("s-1", GONE)]
    with AuditCloud(server=[server("s-2", GONE)]) as other:
        other.more["project"] = {"truncated": True}
        config = {"clouds": [cloud.entry(name="one"), other.entry(name="two")]}
        ended, result = dispatch("audit.orphans", {"clouds": ["*"]}, config)
        assert (ended, ids(result["rows"]), result["complete"]) == ("failed", ["s-1"], False)
        assert "cloud two" in [left["what"] for left in result["left"]]
        assert result["rows"][0]["cloud"] == "one"
        parameters = {"clouds": ["*"], "allow_partial": True}
        ended, result = dispatch("audit.orphans", parameters, config)
        assert (ended, ids(result["rows"]), result["complete"]) == ("done", ["s-1"], False)


def test_a_service_that_is_down_is_missing_and_no_more(cloud: AuditCloud) -> None:
    cloud.rows["server"] = [server("s-1", GONE)]
    cloud.fail("GET /volume/v3/volumes", 503, times=99)
    ended, result = cloud.audit("orphans")
    assert (ended, ids(result["rows"])) == ("failed", ["s-1"])
    assert [left["what"] for left in result["left"]] == ["volumes of fake"]
    assert cloud.done("orphans", kinds=["server"]) == result["rows"]


def test_a_project_made_in_the_meantime_is_there(cloud: AuditCloud) -> None:
    cloud.rows["network"] = [{"id": "n", "project_id": GONE, "provider:network_type": "vxlan"}]

    def made(request: Any) -> None:
        if request.path.endswith("/networks"):
            cloud.rows["project"].append({"id": GONE, "name": "new", "domain_id": DOMAIN})

    cloud.hooks.append(made)
    assert cloud.done("orphans") == []


def test_an_unknown_kind_is_refused_before_anything_is_asked(cloud: AuditCloud) -> None:
    ended, result = cloud.audit("orphans", kinds=["floating_ips"])
    assert (ended, cloud.requests) == ("refused", [])
    assert "Did you mean floating_ip?" in result["summary"]


# -- bound to nothing --------------------------------------------------------------------------

NOVA = {"device_owner": "compute:nova"}
FIXED = {"fixed_ips": [{"ip_address": "10.0.0.9", "subnet_id": "s"}]}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (port("p"), "it is bound to nothing"),
        (port("p", device_owner="compute:nova"), "it is bound to nothing"),
        (port("p", device_id="s-9", **NOVA), "its server s-9 no longer exists"),
        (port("p", project_id=GONE), f"its project {GONE} no longer exists, and it is bound to"),
        (port("p", device_id="s-1", **NOVA), None),
        (port("p", device_id="soft", **NOVA), None),
        (port("p", device_id="s-gone", project_id=GONE, **NOVA), None),
        (port("p", device_id="r", device_owner="network:router_interface"), None),
        (port("p", device_owner="network:dhcp", project_id=GONE), None),
        (port("p", device_owner="network:floatingip", project_id=""), None),
        (port("p", device_id="lb", device_owner="Octavia"), None),
        (port("p", **FIXED), None),
    ],
)
def test_ports(cloud: AuditCloud, found: dict[str, Any], why: str | None) -> None:
    pairs = {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}
    bound = port("bound", device_id="s-1", **NOVA, **pairs)
    cloud.rows["port"] = [found, bound]
    cloud.rows["server"] = [server("s-1"), server("s-gone", GONE)]
    cloud.soft_deleted = [server("soft")]
    rows = [row for row in cloud.done("orphans") if row["kind"] == "port"]
    assert ids(rows) == ([] if why is None else ["p"])
    assert all(row["why"].startswith(str(why)) for row in rows)


def test_a_port_that_goes_with_no_server_of_this_audit_is_named(cloud: AuditCloud) -> None:
    cloud.rows["port"] = [port("p", device_id="s-9", project_id=GONE, **NOVA)]
    (row,) = cloud.done("orphans")
    assert row["why"] == f"its project {GONE} no longer exists, and its server s-9 no longer exists"


def test_without_all_servers_no_port_and_no_allocation_lacks_one(cloud: AuditCloud) -> None:
    cloud.rows["port"] = [port("p", device_id="s-9", **NOVA), port("q", project_id=GONE)]
    cloud.rows["resource_provider"] = [{"uuid": "rp", "name": "cmp-1"}]
    cloud.allocations["rp"] = {"s-9": {"VCPU": 1}}
    cloud.rows["service"] = [{"host": "cmp-7", "status": "UNKNOWN"}]
    ended, result = cloud.audit("orphans")
    assert (ended, ids(result["rows"])) == ("failed", ["q"])
    assert "cmp-7" in result["left"][0]["why"]


@pytest.mark.parametrize(
    ("failing", "named"),
    [("compute/v2.1/servers/detail", set()), ("compute/v2.1/os-migrations", {"p"})],
    ids=["servers", "migrations"],
)
def test_what_one_listing_alone_could_excuse_is_no_orphan(
    cloud: AuditCloud, failing: str, named: set[str]
) -> None:
    """What lacks a server in an answer without servers is told to be deleted while it is used."""
    cloud.rows["port"] = [port("p", device_id="s-9", **NOVA)]
    cloud.rows["resource_provider"] = [{"uuid": "rp", "name": "cmp-1"}]
    cloud.allocations["rp"] = {"s-9": {"VCPU": 1}}
    cloud.fail(f"GET /{failing}", 503, times=999)
    ended, result = cloud.audit("orphans")
    assert (ended, set(ids(result["rows"]))) == ("failed", named)


@pytest.mark.parametrize(
    ("age", "older_than", "named"),
    [
        ({"hours": 2}, None, False),
        ({"hours": 25}, None, True),
        ({"hours": 2}, "0s", True),
        ({"hours": 2}, "1h", True),
        ({"days": 20}, "30d", False),
        ({"days": 31}, "30d", True),
    ],
)
def test_what_is_bound_to_nothing_has_a_day(
    cloud: AuditCloud, age: dict[str, float], older_than: str | None, named: bool
) -> None:
    made = ago(**age)
    address = {"id": "f", "project_id": LIVING, "created_at": made, "port_id": None}
    cloud.rows["floatingip"] = [{**address, "floating_ip_address": "203.0.113.9"}]
    cloud.rows["port"] = [port("p", created_at=made)]
    cloud.rows["server"] = [server("s", GONE, created=made)]
    given = {} if older_than is None else {"older_than": older_than}
    rows = cloud.done("orphans", **given)
    bound = [row for row in rows if row["kind"] != "server"]
    assert [(row["id"], row["name"]) for row in bound] == (
        [("p", None), ("f", "203.0.113.9")] if named else []
    )
    assert len(rows) - len(bound) == (named or older_than is None)


# -- allocations ---------------------------------------------------------------------------------


@pytest.fixture
def placed(cloud: AuditCloud) -> AuditCloud:
    """A cloud in which each kind of consumer holds something."""
    cloud.rows["resource_provider"] = [
        {"uuid": "rp-1", "name": "cmp-1"},
        {"uuid": "rp-2", "name": "cmp-2"},
    ]
    cloud.rows["server"] = [server("s-1")]
    cloud.soft_deleted = [server("soft")]
    cloud.rows["migration"] = [
        {"id": 1, "uuid": "m-running", "status": "running", "instance_uuid": "s-1"},
        {"id": 2, "uuid": "m-error", "status": "error", "instance_uuid": "s-1"},
        {"id": 3, "uuid": "m-finished", "status": "finished", "instance_uuid": "s-1"},
    ]
    one = {"VCPU": 1}
    held = ("s-1", "soft", "m-running", "m-error", "m-finished", "unknown")
    cloud.allocations = {"rp-1": dict.fromkeys(held, one), "rp-2": {"unknown": {"MEMORY_MB": 512}}}
    return cloud


def test_allocations_without_a_server(placed: AuditCloud) -> None:
    rows = {row["id"]: row for row in placed.done("orphans")}
    assert set(rows) == {"m-error", "unknown"}
    assert rows["unknown"]["why"] == (
        "it holds 1 VCPU of cmp-1, 512 MEMORY_MB of cmp-2, and is no server and no migration in "
        "progress"
    )
    assert rows["unknown"]["created_at"] is None
    assert rows["unknown"]["act"].endswith("allocation delete unknown")


def test_what_is_let_go_of_in_the_meantime_is_no_orphan(placed: AuditCloud) -> None:
    def released(request: Any) -> None:
        if request.path.endswith("/os-migrations"):
            for held in placed.allocations.values():
                held.pop("unknown", None)

    placed.hooks.append(released)
    assert ids(placed.done("orphans")) == ["m-error"]


# -- costs -----------------------------------------------------------------------------------------


def test_the_cost_does_not_depend_on_the_rows() -> None:
    costs = []
    for many in (1, 60):
        with AuditCloud() as cloud:
            cloud.rows["server"] = [server(f"s-{n}", GONE) for n in range(many)]
            cloud.rows["port"] = [port(f"p-{n}", device_id=f"x-{n}", **NOVA) for n in range(many)]
            cloud.rows["volume"] = [
                {"id": f"v-{n}", "os-vol-tenant-attr:tenant_id": GONE, "user_id": f"u-{n}"}
                for n in range(many)
            ]
            cloud.rows["resource_provider"] = [{"uuid": "rp", "name": "cmp-1"}]
            cloud.allocations["rp"] = {f"c-{n}": {"VCPU": 1} for n in range(many)}
            _, result = cloud.audit("orphans")
            assert len(result["rows"]) == 4 * many
            costs.append(cloud.asked_for())
    assert costs[0] == costs[1]


def test_a_cloud_without_orphans_costs_its_listings(cloud: AuditCloud) -> None:
    assert cloud.done("orphans") == []
    # Nine kinds, images twice, providers, projects, domains; four looks at whether that is all.
    assert sorted(r.path for r in cloud.asked("GET /identity")) == [
        "/identity/v3",
        "/identity/v3/domains",
        "/identity/v3/projects",
    ]
    assert cloud.asked_for() == 13 + 4
