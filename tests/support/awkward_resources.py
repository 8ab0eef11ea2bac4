"""Things on a real cloud whose names and values services may read in another way than we do.

All of them are called ``narrow-`` something, or belong to something that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from openstack.connection import Connection
from openstack.exceptions import HttpException, raise_from_response

from support.cloud_site import until

PREFIX = "narrow-"
#: Two names that differ by case, and what patterns, lists and operators are made of.
NAMES = ("narrow-Web.1", "narrow-web.1", "narrow-50%_a|b, (c)")
#: Tags of what can have them.
TAGS = ("narrow-tag", "narrow-Tag", "narrow two words")
_STEP = 20.0
_ROUTE = {"destination": "192.0.2.0/24", "nexthop": "198.51.100.2"}
_TOLD = {"dns_nameservers": ["198.51.100.3"], "host_routes": [_ROUTE]}
_MODES = {"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"}


@contextmanager
def awkward_resources(sdk: Connection) -> Iterator[None]:
    """Make them, and delete them afterwards; also those that a killed test has left."""
    _delete(sdk)
    try:
        image = _images(sdk)
        project, user = _people(sdk)
        _network(sdk, project)
        _server(sdk, image)
        _volumes(sdk)
        _grants(sdk, project, user)
        yield
    finally:
        _delete(sdk)


def _people(sdk: Connection) -> tuple[Any, Any]:
    identity = sdk.identity
    top = identity.create_project(name=NAMES[2], domain_id="default")
    below = identity.create_project(
        name=f"{PREFIX}below", domain_id="default", parent_id=top.id, is_enabled=False
    )
    identity.update_project(below, is_enabled=True, tags=[TAGS[0]])
    identity.create_user(name=NAMES[2], domain_id="default", is_enabled=False)
    user = identity.create_user(
        name=NAMES[0],
        domain_id="default",
        email="narrow@example.org",
        description=PREFIX,
        default_project_id=below.id,
    )
    for name in (NAMES[0], NAMES[2]):
        identity.create_group(name=name, domain_id="default", description=PREFIX)
        identity.create_role(name=name, description=PREFIX)
    return below, user


def _grants(sdk: Connection, project: Any, user: Any) -> None:
    role = next(one for one in sdk.identity.roles(name=NAMES[0]))
    sdk.identity.assign_project_role_to_user(project, user, role)
    sdk.identity.assign_domain_role_to_user("default", user, role)
    group = next(one for one in sdk.identity.groups(name=NAMES[0]))
    sdk.identity.add_user_to_group(user, group)
    sdk.identity.assign_project_role_to_group(project, group, role)


def _images(sdk: Connection) -> Any:
    known = {"disk_format": "raw", "container_format": "bare"}
    image = sdk.image.create_image(
        name=NAMES[0], data=b"nothing", wait=True, tags=TAGS[:2], **known
    )
    snapshot = {
        "name": NAMES[1],
        "tags": TAGS[2:],
        "min_ram": 64,
        "min_disk": 1,
        "os_hidden": True,
        "image_type": "snapshot",
        "base_image_ref": image.id,
        "instance_uuid": image.id,
        "user_id": sdk.current_user_id,
        "os_distro": "NarrowOS",
        "os_version": "1",
        "architecture": "x86_64",
    }
    other = {"name": NAMES[2], "os_distro": "narrowos", "os_version": "0x1", "min_ram": 65}
    # By hand: the SDK makes texts of numbers.
    for body in (snapshot, other):
        sdk.image.post("/images", json={**known, **body}).raise_for_status()
    return image


def _network(sdk: Connection, project: Any) -> None:
    api = sdk.network
    nets = [api.create_network(name=name, description=PREFIX) for name in NAMES]
    subnets = [
        api.create_subnet(name=name, network_id=nets[0].id, description=PREFIX, **more)
        for name, more in (
            (NAMES[0], {"ip_version": 4, "cidr": "198.51.100.0/25", **_TOLD}),
            (NAMES[1], {"ip_version": 6, "cidr": "2001:db8:0:1::/64", **_MODES}),
        )
    ]
    group = api.create_security_group(name=NAMES[0])
    for rule in (
        {"protocol": "tcp", "port_range_min": 22, "port_range_max": 23},
        {"protocol": "17", "remote_ip_prefix": "198.51.100.0/25"},
        {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
        {"protocol": "89", "remote_group_id": group.id},
        {"ether_type": "IPv6", "remote_ip_prefix": "2001:db8::/32"},
    ):
        api.create_security_group_rule(
            security_group_id=group.id, direction="ingress", description=PREFIX, **rule
        )
    port = api.create_port(
        name=NAMES[0],
        network_id=nets[0].id,
        fixed_ips=[
            {"subnet_id": subnets[0].id, "ip_address": "198.51.100.9"},
            {"subnet_id": subnets[1].id, "ip_address": "2001:db8:0:1::a"},
        ],
        security_groups=[group.id],
        device_id=NAMES[2],
        device_owner="narrow:Owner",
        description=PREFIX,
        allowed_address_pairs=[{"ip_address": "192.0.2.0/24"}],
    )
    router = api.create_router(name=NAMES[2], is_admin_state_up=False, description=PREFIX)
    outside = next(iter(api.networks(is_router_external=True)))
    floating = api.create_ip(floating_network_id=outside.id, description=PREFIX)
    for tagged in (nets[0], subnets[0], group, port, router, floating):
        api.set_tags(tagged, list(TAGS))
    api.create_rbac_policy(
        object_type="network",
        object_id=nets[1].id,
        action="access_as_shared",
        target_project_id=project.id,
    )


def _server(sdk: Connection, image: Any) -> None:
    compute = sdk.compute
    compute.create_keypair(name=f"{PREFIX}Key 1")
    flavor = compute.create_flavor(
        name=NAMES[0], ram=64, vcpus=1, disk=0, is_public=False, description=PREFIX
    )
    server = compute.create_server(
        name=NAMES[0],
        image_id=image.id,
        flavor_id=flavor.id,
        networks="none",
        key_name=f"{PREFIX}Key 1",
        access_ipv4="192.0.2.1",
        access_ipv6="2001:db8::1",
        description=PREFIX,
    )
    compute.wait_for_server(server, wait=120)
    for tag in TAGS:
        compute.add_tag_to_server(server, tag)
    # Nova forgets the migrations of deleted servers: one of a living one has to be there, and a
    # cold one, for only that names the address of the host it went to.
    compute.migrate_server(server)
    compute.wait_for_server(server, "VERIFY_RESIZE", interval=0.5, wait=120)
    compute.confirm_server_resize(server)
    server = compute.wait_for_server(server, interval=0.5, wait=120)
    # And an action with a message has to be there: only one that failed has it.
    own = {"os-migrateLive": {"host": server.compute_host, "block_migration": "auto"}}
    asked = compute.post(f"/servers/{server.id}/action", json=own, microversion="2.34")
    raise_from_response(asked)
    until(lambda: _has_failed(compute, server), "a migration to its own host has failed", _STEP)


def _has_failed(compute: Any, server: Any) -> bool:
    return any(action.message for action in compute.server_actions(server))


def _volumes(sdk: Connection) -> None:
    api = sdk.block_storage
    said = {"description": PREFIX, "metadata": {"narrow": "yes"}}
    first = api.create_volume(name=NAMES[0], size=1, **said)
    api.wait_for_status(first, "available", interval=0.5)
    told = {"os-set_image_metadata": {"metadata": {"image_id": first.id, "image_name": NAMES[2]}}}
    api.post(f"/volumes/{first.id}/action", json=told).raise_for_status()
    copy = api.create_volume(name=NAMES[1], size=1, source_volume_id=first.id)
    snapshot = api.create_snapshot(name=NAMES[2], volume_id=first.id, **said)
    api.wait_for_status(snapshot, "available", interval=0.5)
    last = api.create_volume(name=NAMES[2], size=2, snapshot_id=snapshot.id)
    for volume in (copy, last):
        api.wait_for_status(volume, "available", interval=0.5)


def _delete(sdk: Connection) -> None:
    """Delete everything of the name, what stands on others first, and wait where that is needed."""
    compute, volumes, network, who = sdk.compute, sdk.block_storage, sdk.network, sdk.identity
    _gone(
        lambda: compute.servers(all_projects=True, name=f"^{PREFIX}"),
        lambda server: compute.delete_server(server, force=True),
    )
    _gone(compute.keypairs, compute.delete_keypair)
    _gone(lambda: compute.flavors(is_public=None), compute.delete_flavor)
    _gone(lambda: (v for v in volumes.volumes() if v.snapshot_id), volumes.delete_volume)
    _gone(volumes.snapshots, volumes.delete_snapshot)
    _gone(volumes.volumes, volumes.delete_volume)
    _gone(sdk.image.images, sdk.image.delete_image)
    _gone(lambda: sdk.image.images(is_hidden=True), sdk.image.delete_image)
    described = (one for one in network.ips() if one.description == PREFIX)
    for floating in described:
        network.delete_ip(floating)
    nets = {one.id for one in network.networks() if one.description == PREFIX}
    for policy in network.rbac_policies():
        if policy.object_id in nets:
            network.delete_rbac_policy(policy)
    _gone(network.ports, network.delete_port)
    _gone(network.routers, network.delete_router)
    _gone(network.networks, network.delete_network)
    _gone(network.security_groups, network.delete_security_group)
    _gone(who.users, who.delete_user)
    _gone(who.groups, who.delete_group)
    _gone(who.roles, who.delete_role)
    # Those below another one first.
    _gone(lambda: who.projects(name=f"{PREFIX}below"), who.delete_project)
    _gone(who.projects, who.delete_project)


def _gone(listed: Any, delete: Any) -> None:
    def there() -> list[Any]:
        return [one for one in listed() if str(one.name).startswith(PREFIX)]

    found = there()
    for one in found:
        with suppress(HttpException):  # said again below, if it stays
            delete(one)
    if found:
        until(lambda: not there(), f"{[one.name for one in found]} gone", seconds=_STEP)
