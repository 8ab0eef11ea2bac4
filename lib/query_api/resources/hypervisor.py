"""Hypervisors: Nova's word on their state, Placement's on what they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from query_api.language.schema import Link, Listing, Property, Resource, Source
from query_api.resources import hypervisor_sources, inventories
from query_api.resources.properties import address, integer, mapping, number, text, texts

# The word for a resource class in names of properties, the class, its unit.
_CLASSES = (
    ("vcpus", "VCPU", "", "Shared vCPUs"),
    ("pcpus", "PCPU", "", "CPUs for servers with dedicated ones"),
    ("memory", "MEMORY_MB", "MiB", "Memory"),
    ("disk", "DISK_GB", "GiB", "Local disk"),
)
# The last word, where it comes from, and what it says.
_AMOUNTS = (
    ("total", "inventory", "in total"),
    ("reserved", "inventory", "reserved for the host itself"),
    ("ratio", "inventory", "how often each unit may be given away"),
    ("capacity", "room", "that may be given away: (total - reserved) * ratio"),
    ("used", "room", "given away, by Placement's allocations"),
    ("free", "room", "still to be given away: capacity - used"),
)


def _amount(amount: str, name: str) -> Callable[[Any], Any]:
    return lambda known: getattr(known, amount).get(name)


def _amounts(amount: str) -> Callable[[Any], Any]:
    return lambda known: getattr(known, amount)


def _properties() -> tuple[Property, ...]:
    """Return the properties of each class, and a map of all classes, for each amount."""
    found = []
    for amount, source, says in _AMOUNTS:
        for word, name, unit, what in _CLASSES:
            make, unit = (number, "") if amount == "ratio" else (integer, unit)
            about = f"{what}: {says}."
            of = _amount(amount, name)
            found.append(make(f"{word}_{amount}", about, source=source, of=of, unit=unit))
        about = f"By resource class, custom ones too: {says}."
        found.append(mapping(f"resources_{amount}", about, source=source, of=_amounts(amount)))
    return tuple(found)


HYPERVISOR = Resource(
    name="hypervisor",
    plural="hypervisors",
    about="A host that servers run on (or a bare-metal node), with what Placement says it has.",
    listings=(
        Listing(
            service="compute",
            path="/os-hypervisors/detail",
            collection="hypervisors",
            microversion=hypervisor_sources.NOVA,
            paging="links",
            brief="/os-hypervisors",
        ),
    ),
    default=("name", "state", "status", "disabled_reason", "type", "host_ip"),
    # Nova narrows by a part of the name, but refuses to when it is asked for pages.
    properties=(
        text("id", "Its UUID, also as a resource provider."),
        text("name", "Its host name.", "hypervisor_hostname"),
        text("state", "up or down: whether its service was heard of lately.", case="lower"),
        text("status", "enabled or disabled: whether servers may be put on it.", case="lower"),
        text("disabled_reason", "Why it is disabled.", "service/disabled_reason"),
        text("service_host", "The host of its compute service.", "service/host"),
        text("service_id", "Its compute service.", "service/id"),
        text("type", "The kind of hypervisor, such as QEMU.", "hypervisor_type"),
        integer("version", "The hypervisor's version as one number.", "hypervisor_version"),
        address("host_ip", "Its address."),
        integer("server_count", "How many servers are on it.", source="servers", of=int),
        integer(
            "uptime",
            "For how long it has been up, as its driver tells.",
            unit="seconds",
            source="uptime",
            of=lambda seconds: seconds,
        ),
        texts(
            "traits",
            "Its traits in Placement, and those of its parts.",
            source="room",
            of=lambda room: room.traits,
        ),
        *_properties(),
    ),
    links=(
        Link("servers", "server", "name", "hypervisor_hostname", many=True),
        Link("compute_service", "compute_service", "service_id"),
        Link("aggregates", "aggregate", "service_host", "hosts", many=True),
        Link("resource_providers", "resource_provider", "id", "root_id", many=True),
        Link("allocations", "allocation", "id", "provider_id", many=True),
    ),
    sources={
        "servers": Source(
            key="id",
            read=hypervisor_sources.counted,
            cost="one request for a page of hypervisors, in which Nova looks at each of them; two "
            "more where a compute service has several",
        ),
        "uptime": Source(
            key="id",
            read=hypervisor_sources.uptimes,
            cost="one request for a page of hypervisors, in which Nova asks each of them; one for "
            "each hypervisor where Nova is older than Wallaby",
        ),
        "room": Source(
            key="id",
            read=inventories.rooms,
            cost="one to four requests, and four for each host that is full to the last unit",
        ),
        "inventory": Source(
            key="id",
            read=inventories.inventories,
            cost="one request, and one for each resource provider",
        ),
    },
)

RESOURCES = {"hypervisor": HYPERVISOR}
