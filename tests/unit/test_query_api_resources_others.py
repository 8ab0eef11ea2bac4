"""The tables of Keystone's, Glance's, Neutron's and Cinder's resources."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from query_api.language.schema import Resource
from query_api.resources import (
    compute,
    hypervisor,
    identity,
    image,
    network,
    placement,
    quota,
    role_assignment,
    router,
    security_group,
    server,
    server_history,
    volume,
)
from query_api.wire.decode import shape_of
from support.resource_rules import faults_of


def tables(*modules: Any) -> dict[str, Resource]:
    return {name: table for module in modules for name, table in module.RESOURCES.items()}


TABLES = tables(identity, role_assignment, image, network, router, security_group, volume)
KNOWN = TABLES | tables(compute, hypervisor, placement, quota, server, server_history)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_sound(name: str) -> None:
    assert TABLES[name].name == name
    assert faults_of(TABLES[name], KNOWN) == []
    assert {link.resource for link in TABLES[name].links} <= KNOWN.keys()


def test_one_place_of_a_service_for_all_its_resources() -> None:
    places = {
        (listing.service, listing.path.split("/")[1])
        for table in TABLES.values()
        for listing in table.listings
        if listing.service in ("network", "image")
    }
    # Where the catalogue's address has no version; Keystone's and Cinder's has one.
    assert places == {("network", "v2.0"), ("image", "v2")}


def values(of: str, /, **row: Any) -> dict[str, Any]:
    """Return what a table makes of a row that a service answers with: all its properties."""
    table = TABLES[of]
    listing = table.listings[0]
    shape = shape_of(listing, table.properties)
    body = json.dumps({listing.collection: [row]}).encode()
    page = shape.page(msgspec.json.decode(body, type=shape.answer, strict=False))
    return {
        prop.name: column[0]
        for prop, column in zip(table.properties, page.columns, strict=True)
        if column[0] is not None
    }


@pytest.mark.parametrize("name", TABLES)
def test_a_row_of_which_nothing_is_said(name: str) -> None:
    """An absent key is a missing value; only what is made of the whole row has one."""
    made = {p.name for p in TABLES[name].properties if p.wire == "*"}
    assert values(name).keys() == made


# -- Keystone ------------------------------------------------------------------------------------


def test_what_an_operator_put_down_for_a_project() -> None:
    found = values(
        "project",
        id="p",
        name="shop",
        domain_id="default",
        parent_id="default",
        enabled=True,
        is_domain=False,
        tags=["gold"],
        options={},
        links={"self": "http://keystone/v3/projects/p"},
        contact="team@example.org",
        number=5,
    )
    assert found["properties"] == {"contact": "team@example.org", "number": 5}
    assert (found["tags"], found["parent_id"]) == (["gold"], "default")


@pytest.mark.parametrize(
    ("email", "value"),
    [
        ("a@example.org", "a@example.org"),
        ("", None),
        (["a", "b"], "a, b"),
        ([], None),
        ([5], None),
        (5, None),
    ],
)
def test_a_mail_address_is_whatever_was_put_down(email: Any, value: str | None) -> None:
    assert values("user", email=email, name="a").get("email") == value


def test_when_a_password_expires() -> None:
    found = values("user", password_expires_at="2026-11-06T15:32:17.000000", telephone="12")
    assert found["password_expires_at"] == "2026-11-06T15:32:17Z"
    assert found["properties"] == {"telephone": "12"}


def test_users_are_read_domain_by_domain() -> None:
    for name in ("user", "group"):
        assert TABLES[name].needs == {"domain_id": "domain.id"}


V3 = "http://keystone.example.org/identity/v3"


def test_a_role_as_it_was_granted() -> None:
    found = values(
        "role_assignment",
        role={"id": "r"},
        group={"id": "g"},
        scope={"domain": {"id": "d"}, "OS-INHERIT:inherited_to": "projects"},
        links={"assignment": f"{V3}/OS-INHERIT/domains/d/groups/g/roles/r/inherited_to_projects"},
    )
    assert found == {
        "id": "OS-INHERIT/domains/d/groups/g/roles/r/inherited_to_projects",
        "role_id": "r",
        "group_id": "g",
        "domain_id": "d",
        "system": False,
        "inherited": True,
    }


def test_a_role_on_the_system() -> None:
    found = values(
        "role_assignment",
        role={"id": "r"},
        user={"id": "u"},
        scope={"system": {"all": True}},
        links={"assignment": f"{V3}/system/users/u/roles/r"},
    )
    assert found["system"] is True
    assert found["inherited"] is False


def test_a_role_through_a_group_that_another_one_implies() -> None:
    found = values(
        "effective_role_assignment",
        role={"id": "reader-id"},
        user={"id": "u"},
        scope={"project": {"id": "p"}},
        links={
            "assignment": f"{V3}/projects/p/groups/g/roles/member-id",
            "membership": f"{V3}/groups/g/users/u",
            "prior_role": f"{V3}/prior_role/reader-id/implies/member-id",
        },
    )
    assert found == {
        "role_id": "reader-id",
        "user_id": "u",
        "project_id": "p",
        "via_group_id": "g",
        "inherited": False,
        "granted_role_id": "member-id",
        "role_assignment_id": "projects/p/groups/g/roles/member-id",
    }


# -- Glance --------------------------------------------------------------------------------------


def test_a_snapshot_and_what_was_put_down_for_it() -> None:
    found = values(
        "image",
        id="i",
        owner="p",
        size=None,
        min_disk=10,
        instance_uuid="s",
        base_image_ref="",
        image_type="snapshot",
        self="/v2/images/i",
        stores="file",
        hw_disk_bus="virtio",
    )
    assert (found["project_id"], found["instance_uuid"], found["min_disk"]) == ("p", "s", 10)
    # Of a server that was booted from a volume.
    assert "base_image_ref" not in found
    assert "size" not in found
    assert found["properties"] == {
        "instance_uuid": "s",
        "base_image_ref": "",
        "image_type": "snapshot",
        "hw_disk_bus": "virtio",
    }


def test_images_that_are_hidden_or_somebody_elses() -> None:
    asked = [dict(listing.params) for listing in TABLES["image"].listings]
    assert asked == [{"visibility": "all"}, {"visibility": "all", "os_hidden": "true"}]


# -- Neutron -------------------------------------------------------------------------------------


def test_a_port() -> None:
    found = values(
        "port",
        id="p",
        name="",
        project_id="",
        device_id="s",
        mac_address="FA:16:3E:00:00:01",
        fixed_ips=[
            {"subnet_id": "four", "ip_address": "10.0.0.5"},
            {"subnet_id": "four", "ip_address": "10.0.0.6"},
            {"subnet_id": "six", "ip_address": "2001:db8::5"},
        ],
        security_groups=["g"],
        allowed_address_pairs=[{"ip_address": "10.9.0.0/16", "mac_address": "fa:16:3e:00:00:01"}],
        **{"binding:host_id": "", "binding:vif_type": "unbound"},
    )
    assert found == {
        "id": "p",
        "device_id": "s",
        "mac_address": "fa:16:3e:00:00:01",
        "addresses": ["10.0.0.5", "10.0.0.6", "2001:db8::5"],
        "subnet_ids": ["four", "six"],
        "security_group_ids": ["g"],
        "allowed_addresses": ["10.9.0.0/16"],
        "vif_type": "unbound",
    }


def test_a_router_with_and_without_a_way_out() -> None:
    out = {
        "network_id": "n",
        "enable_snat": True,
        "external_fixed_ips": [{"subnet_id": "s", "ip_address": "203.0.113.5"}],
    }
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}
    assert values("router", external_gateway_info=out, routes=[route]) == {
        "external_network_id": "n",
        "external_addresses": ["203.0.113.5"],
        "enable_snat": True,
        "routes": ["10.9.0.0/16 via 10.0.0.9"],
    }
    assert values("router", external_gateway_info=None) == {}


def test_a_floating_ip_says_whose_port_it_leads_to() -> None:
    details = {"device_id": "s", "device_owner": "compute:nova", "name": ""}
    found = values("floating_ip", floating_ip_address="203.0.113.5", port_details=details)
    assert (found["device_id"], found["device_owner"]) == ("s", "compute:nova")
    assert "device_id" not in values("floating_ip", port_details=None)


def test_a_subnet() -> None:
    pools = [{"start": "10.0.0.2", "end": "10.0.0.9"}]
    found = values("subnet", allocation_pools=pools, gateway_ip=None)
    assert found == {"allocation_pools": ["10.0.0.2-10.0.0.9"]}


def test_an_agents_times_have_neither_zone_nor_t() -> None:
    found = values("network_agent", heartbeat_timestamp="2026-11-21 06:29:06", configurations={})
    assert found["heartbeat_at"] == "2026-11-21T06:29:06Z"


def test_a_security_groups_rules() -> None:
    rules = [{"id": "1", "direction": "egress"}, {"id": "2"}]
    assert values("security_group", security_group_rules=rules) == {"rule_ids": ["1", "2"]}


@pytest.mark.parametrize("name", ["security_group", "security_group_rule"])
def test_neutron_is_not_made_to_make_default_security_groups(name: str) -> None:
    params = {f.param for prop in TABLES[name].properties for f in prop.filters.values()}
    assert params.isdisjoint({"project_id", "tenant_id"})


# -- Cinder --------------------------------------------------------------------------------------


def test_a_volume() -> None:
    attachments = [{"server_id": "s", "host_name": None, "device": "/dev/vdb", "id": "v"}]
    found = values(
        "volume",
        name="",
        bootable="false",
        attachments=attachments,
        created_at="2026-11-21T03:10:02.500000",
        volume_image_metadata={"image_id": "i", "image_name": "debian", "min_ram": "0"},
        **{"os-vol-host-attr:host": "ctl@ceph#ssd", "os-vol-tenant-attr:tenant_id": "p"},
    )
    assert found == {
        "project_id": "p",
        "host": "ctl@ceph#ssd",
        "backend": "ctl@ceph",
        "bootable": False,
        "in_use": True,
        "server_ids": ["s"],
        "attached_hosts": [],
        "devices": ["/dev/vdb"],
        "image_id": "i",
        "image_name": "debian",
        "image_metadata": {"image_id": "i", "image_name": "debian", "min_ram": "0"},
        "created_at": "2026-11-21T03:10:02.5Z",
    }
