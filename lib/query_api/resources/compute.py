"""What else Nova lists: flavors, services, aggregates, zones, server groups, key pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from query_api.language.schema import Filter, Link, Listing, Resource, Source, exact
from query_api.resources.properties import (
    boolean,
    integer,
    mapping,
    number,
    or_none,
    text,
    texts,
    time,
)

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

# Flavors come with their extra specs; the form of the rest has not changed since.
_FLAVORS = "2.61"


class _Id(msgspec.Struct):
    id: str


class _Flavors(msgspec.Struct):
    flavors: list[_Id]


class _Access(msgspec.Struct):
    tenant_id: str


class _Accesses(msgspec.Struct):
    flavor_access: list[_Access]


def _access(reading: Reading, flavors: list[str]) -> Mapping[str, list[str]]:
    """Return the projects that may use each flavor that not everybody may use."""
    wanted, private = set(flavors), list[str]()
    params = {"is_public": "False", "limit": 1000}
    while True:
        page: _Flavors = reading.one("compute", "/flavors", _Flavors, params, _FLAVORS)
        new = [one.id for one in page.flavors if one.id not in private]
        if not new:
            break
        private += new
        params["marker"] = new[-1]
    asked = [flavor for flavor in private if flavor in wanted]
    where = f"projects of private flavors of {reading.cloud.name}"
    return reading.answers(
        lambda one: _projects(reading, one), asked, lambda one: f"{where} ({one})"
    )


def _projects(reading: Reading, flavor: str) -> list[str]:
    path = f"/flavors/{flavor}/os-flavor-access"
    answer: _Accesses = reading.one("compute", path, _Accesses, None, _FLAVORS)
    return [access.tenant_id for access in answer.flavor_access]


def _whole_number(size: float) -> str | None:
    return str(int(size)) if size >= 0 else None


def _at_least(param: str) -> dict[str, Filter]:
    least = Filter(param=param, encode=_whole_number)
    return {"greater_than": least, "greater_or_equal": least}


FLAVOR = Resource(
    name="flavor",
    plural="flavors",
    about="A size that servers can be booted with.",
    listings=(
        Listing(
            service="compute",
            path="/flavors/detail",
            collection="flavors",
            microversion=_FLAVORS,
            # Those too that only some projects may use.
            params={"is_public": "None"},
            paging="links",
            brief="/flavors",
        ),
    ),
    default=("id", "name", "vcpus", "ram", "disk", "is_public"),
    properties=(
        text("id", "Its id, often no UUID."),
        text("name", "Its name, unique."),
        integer("vcpus", "vCPUs."),
        integer("ram", "Memory.", unit="MiB", filters=_at_least("minRam")),
        integer(
            "disk",
            "Root disk; 0: as large as the image.",
            unit="GiB",
            filters=_at_least("minDisk"),
        ),
        integer("ephemeral", "A second disk.", "OS-FLV-EXT-DATA:ephemeral", unit="GiB"),
        # Nova says "" for none.
        integer(
            "swap", "Swap.", unit="MiB", shape=int | str | None, of=lambda size: int(size or 0)
        ),
        number("rxtx_factor", "Its share of the network, with Xen."),
        boolean(
            "is_public",
            "Whether every project may use it.",
            "os-flavor-access:is_public",
            filters=exact("is_public"),
        ),
        boolean("disabled", "Whether nobody may boot with it.", "OS-FLV-DISABLED:disabled"),
        text("description", "What it is for."),
        mapping("extra_specs", "What else it asks of a host."),
        texts("access_project_ids", "Who may use it, if not everybody.", source="access"),
    ),
    links=(
        Link("servers", "server", "name", "flavor.name", many=True),
        Link("access_projects", "project", "access_project_ids"),
    ),
    sources={
        "access": Source(
            key="id", read=_access, cost="two requests, and one for each flavor that is not public"
        )
    },
)

COMPUTE_SERVICE = Resource(
    name="compute_service",
    plural="compute_services",
    about="A process of Nova: nova-compute on each host, schedulers, conductors.",
    listings=(
        Listing(
            service="compute",
            path="/os-services",
            collection="services",
            # UUIDs; then also the computes of cells that do not answer, with little but a name.
            microversion="2.53",
            better="2.69",
        ),
    ),
    # Those of cells that do not answer have no id.
    key="",
    default=("binary", "host", "availability_zone", "status", "state", "disabled_reason"),
    properties=(
        text("id", "Its UUID."),
        text("binary", "The program, such as nova-compute.", filters=exact("binary")),
        text("host", "Where it runs, by its own word.", filters=exact("host")),
        text("availability_zone", "The availability zone of the host.", "zone"),
        text(
            "status",
            "enabled or disabled; unknown if its cell does not answer.",
            case="lower",
            of=str.lower,
        ),
        text("state", "up or down: whether it was heard of lately.", case="lower"),
        time("updated_at", "When it was last heard of."),
        text("disabled_reason", "Why it is disabled."),
        boolean("forced_down", "Whether somebody said that it is down."),
    ),
    links=(
        Link("hypervisors", "hypervisor", "id", "service_id", many=True),
        Link("servers", "server", "host", "host", many=True),
        Link("aggregates", "aggregate", "host", "hosts", many=True),
    ),
)

AGGREGATE = Resource(
    name="aggregate",
    plural="aggregates",
    about="A group of hosts that the scheduler may be told of.",
    listings=(
        # They have UUIDs.
        Listing(
            service="compute", path="/os-aggregates", collection="aggregates", microversion="2.41"
        ),
    ),
    default=("id", "name", "availability_zone", "hosts", "metadata"),
    properties=(
        integer("id", "Its number."),
        text("uuid", "Its UUID, as Placement knows it."),
        text("name", "Its name."),
        text("availability_zone", "The availability zone that it makes, if any."),
        texts("hosts", "The hosts in it, by their compute services."),
        mapping("metadata", "What the scheduler is told."),
        time("created_at", "When it was made."),
        time("updated_at", "When it itself last changed."),
    ),
    links=(
        Link("hypervisors", "hypervisor", "hosts", "service_host", many=True),
        Link("servers", "server", "hosts", "host", many=True),
    ),
)


def _lost(hosts: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    return [
        host
        for host, services in hosts.items()
        if not all(service.get("available") for service in services.values())
    ]


_Hosts = dict[str, dict[str, dict[str, Any]]]

AVAILABILITY_ZONE = Resource(
    name="availability_zone",
    plural="availability_zones",
    about="A part of the cloud that users can choose for their servers.",
    listings=(
        Listing(
            service="compute",
            path="/os-availability-zone/detail",
            collection="availabilityZoneInfo",
            microversion="2.1",
        ),
    ),
    key="name",
    default=("name", "available", "hosts"),
    properties=(
        text("name", "Its name.", "zoneName"),
        boolean("available", "Whether any service in it is enabled.", "zoneState/available"),
        texts("hosts", "Its hosts with an enabled service.", shape=_Hosts | None, of=list),
        texts(
            "hosts_down",
            "Those of them that were not heard of lately.",
            "hosts",
            shape=_Hosts | None,
            of=_lost,
        ),
    ),
    links=(
        Link("aggregates", "aggregate", "name", "availability_zone", many=True),
        Link("hypervisors", "hypervisor", "hosts", "service_host", many=True),
        Link("servers", "server", "name", "availability_zone", many=True),
    ),
)

SERVER_GROUP = Resource(
    name="server_group",
    plural="server_groups",
    about="Servers that are to be together, or apart.",
    listings=(
        Listing(
            service="compute",
            path="/os-server-groups",
            collection="server_groups",
            # One policy and its rules, in place of a list of policies.
            microversion="2.64",
            params={"all_projects": "True"},
            paging="offset",
        ),
    ),
    default=("id", "name", "policy", "project_id", "members"),
    properties=(
        text("id", "Its UUID."),
        text("name", "Its name."),
        text("policy", "affinity, anti-affinity, or soft- before either.", case="lower"),
        mapping("rules", "More of the policy, such as max_server_per_host."),
        texts("members", "The servers in it, by their UUIDs."),
        text("project_id", "Whose it is."),
        text("user_id", "Who made it."),
    ),
    links=(
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
        Link("servers", "server", "members"),
    ),
)

KEYPAIR = Resource(
    name="keypair",
    plural="keypairs",
    about="A public key of a user, for logging in to servers.",
    listings=(
        # The lowest that tells those of others: it has no pages, so they come all at once.
        Listing(service="compute", path="/os-keypairs", collection="keypairs", microversion="2.10"),
    ),
    # Names are unique for a user only, and whose they are does not stand in the answer.
    key="",
    needs={"user_id": "user.id"},
    default=("user_id", "name", "type", "fingerprint"),
    properties=(
        text("user_id", "Whose it is.", asked=True, filters=exact("user_id")),
        text("name", "Its name, unique for the user.", "keypair/name"),
        text("type", "ssh or x509.", "keypair/type", case="lower"),
        text("fingerprint", "Its fingerprint.", "keypair/fingerprint"),
        text("public_key", "The key itself.", "keypair/public_key", of=or_none),
    ),
    links=(Link("user", "user", "user_id"),),
)

RESOURCES = {
    resource.name: resource
    for resource in (
        FLAVOR,
        COMPUTE_SERVICE,
        AGGREGATE,
        AVAILABILITY_ZONE,
        SERVER_GROUP,
        KEYPAIR,
    )
}
