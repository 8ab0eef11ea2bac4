"""What else Nova lists: services, aggregates, zones, server groups, key pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from query_api.language.schema import Link, Listing, Resource, exact
from query_api.resources.properties import (
    boolean,
    integer,
    mapping,
    or_none,
    text,
    texts,
    time,
)

if TYPE_CHECKING:
    pass

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
        COMPUTE_SERVICE,
        AGGREGATE,
        AVAILABILITY_ZONE,
        SERVER_GROUP,
        KEYPAIR,
    )
}
