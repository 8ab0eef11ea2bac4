"""What examples are about, by the kind of thing: how it is made on a fake cloud and on a real one.

A kind is what a parameter is called that names such a thing: ``volume``, ``image``. A runbook whose
example names things of these kinds needs nothing else for the tests that go through all actions;
where the thing has to be in some state, the test's own table says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from support.cloud_site import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Group, Hypervisor, Json, Project, Server, uuid_of
from support.fake_cloud_flavors import FakeFlavors
from support.fake_cloud_tables import Tables
from support.fake_cloud_volume import FakeCinder


def _row(table: str, **more: Any) -> Callable[[FakeCloud, str], Any]:
    def add(fake: FakeCloud, name: str) -> Json:
        rows = getattr(fake.part(Tables), table)
        rows.append({"id": uuid_of(table, name), "name": name, "status": "ACTIVE", **more})
        row: Json = rows[-1]
        return row

    return add


def _server(fake: FakeCloud, name: str) -> Server:
    if not fake.hypervisors:
        fake.hypervisors.append(Hypervisor("cmp-1"))
    fake.servers.append(Server(name))
    return fake.servers[-1]


def _address(fake: FakeCloud, id: str) -> Json:
    """Floating IPs have no names."""
    fake.part(Tables).floating_ips.append({"id": id, "status": "DOWN"})
    row: Json = fake.part(Tables).floating_ips[-1]
    return row


def _snapshot(fake: FakeCloud, name: str) -> Json:
    cinder = fake.part(FakeCinder)
    return cinder.snapshot(name, cinder.volume(f"volume-of-{name}"))


#: How a thing of a kind gets into a fake cloud: most kinds are rows, which are returned.
ON_FAKE: Mapping[str, Callable[[FakeCloud, str], Any]] = {
    "server": _server,
    "hypervisor": lambda fake, name: fake.hypervisors.append(Hypervisor(name)),
    "aggregate": lambda fake, name: fake.aggregates.append(Aggregate(name, [])),
    "server_group": lambda fake, name: fake.groups.append(Group(name, "soft-anti-affinity", [])),
    "flavor": lambda fake, name: fake.part(FakeFlavors).flavor(name),
    "image": lambda fake, name: fake.glance.image(name),
    # Options are compared as they are sent, so its id is what the examples call it.
    "project": lambda fake, name: fake.projects.append(Project(name, id=name)),
    "volume": lambda fake, name: fake.part(FakeCinder).volume(name),
    "volume_snapshot": _snapshot,
    "network": _row("networks"),
    "subnet": _row("subnets"),
    "port": _row("ports"),
    "router": _row("routers"),
    "security_group": _row("security_groups"),
    "floating_ip": _address,
    "user": _row("users", domain_id="default"),
    "role": _row("roles"),
}


def _booted(site: Site) -> str:
    (guest,) = site.boot()
    return guest.id


def _taken(site: Site) -> str:
    name = _new_name()
    return site.volume_snapshot(name, site.volume(name))


def _new_name() -> str:
    return f"proof-{uuid.uuid4().hex[:8]}"


#: How it is made on a real cloud, or which one is taken there; its name or id is returned.
ON_CLOUD: Mapping[str, Callable[[Site], str]] = {
    "server": _booted,
    "hypervisor": lambda site: site.source,
    "aggregate": lambda site: str(site.aggregate(_new_name())),
    "server_group": lambda site: site.group("soft-anti-affinity"),
    "flavor": lambda site: site.flavor(),
    "image": lambda site: site.new_image(),
    "project": lambda site: site.project(),
    "volume": lambda site: site.volume(_new_name()),
    "volume_snapshot": _taken,
}


def place(fake: FakeCloud, kind: str, name: str) -> Any:
    """Have a thing of a kind in a fake cloud; return its row."""
    return ON_FAKE[kind](fake, name)


def place_missing(fake: FakeCloud, parameters: Mapping[str, Any]) -> None:
    """Have what an example names, each under the name that it has there, unless it is there."""
    fake.part(FakeCinder)  # whose volumes can be changed: those of the tables are only read
    tables = fake.part(Tables)
    there = {
        "server": [server.name for server in fake.servers],
        "hypervisor": [host.name for host in fake.hypervisors],
        "aggregate": [aggregate.name for aggregate in fake.aggregates],
        "server_group": [group.name for group in fake.groups],
        "image": [image["name"] for image in fake.images],
        "flavor": [flavor["name"] for flavor in tables.flavors],
        "network": [network["name"] for network in tables.networks],
    }
    for kind, name in parameters.items():
        if kind in ON_FAKE and name not in there.get(kind, ()):
            place(fake, kind, name)


def made(site: Site, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Make what an example names on a real cloud; return the parameters that name it there."""
    return {kind: ON_CLOUD[kind](site) for kind in parameters if kind in ON_CLOUD}
