"""Hypervisors: Nova's word on their state, Placement's on what they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from common.errors import CloudError
from query_api.language.schema import Link, Listing, Property, Resource, Source
from query_api.resources import inventories
from query_api.resources.properties import address, integer, mapping, number, text, texts
from query_api.wire.paging import TOO_NEW, rows

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

Row = TypeVar("Row", bound=msgspec.Struct)
# Hypervisors and their services have UUIDs. CPUs are no longer told of from 2.88 on.
NOVA = "2.53"
# From this one on a listing tells for how long hosts have been up.
_UPTIMES = "2.88"
# Where a server's own record says that it is.
_HOST, _NODE = "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname"


class _Guest(msgspec.Struct):
    uuid: str


class _Host(msgspec.Struct):
    id: str
    servers: list[_Guest] = []


class _Service(msgspec.Struct):
    host: str


class _Node(msgspec.Struct):
    id: str
    hypervisor_hostname: str
    service: _Service


class _Placed(msgspec.Struct, rename={"host": _HOST, "node": _NODE}):
    id: str
    host: str | None = None
    node: str | None = None


def _server_counts(reading: Reading, hosts: list[str]) -> Mapping[str, int]:
    return server_counts(reading, _guests(reading))


def server_counts(reading: Reading, guests: Mapping[str, list[str]]) -> Mapping[str, int]:
    """Return how many servers are on each hypervisor, those with it that Nova deleted softly.

    ``guests`` are their ids as Nova lists them with hypervisors.
    """
    counts = {host: len(ids) for host, ids in guests.items()}
    if sum(counts.values()) > len({guest for ids in guests.values() for guest in ids}):
        counts |= _node_counts(reading)
    return counts


def _node_counts(reading: Reading) -> dict[str, int]:
    """Return the counts of hypervisors that share a compute service, as the nodes of Ironic do.

    Nova says the servers of the whole service of each of them; whose they are, the servers say.
    """
    found = rows(
        reading,
        "compute",
        "/os-hypervisors/detail",
        _Node,
        "hypervisors",
        microversion=NOVA,
    )
    sizes = Counter(node.service.host for node in found)
    shared = [node for node in found if sizes[node.service.host] > 1]
    services = sorted({node.service.host for node in shared})
    listings = reading.each(lambda service: _servers_of(reading, service), services)
    there = Counter((one.host, one.node) for listing in listings for one in listing)
    return {node.id: there[node.service.host, node.hypervisor_hostname] for node in shared}


def _servers_of(reading: Reading, service: str) -> list[_Placed]:
    return rows(
        reading,
        "compute",
        "/servers/detail",
        _Placed,
        "servers",
        params={"all_tenants": 1, "host": service, "soft_deleted": True},
        microversion=NOVA,
    )


def _guests(reading: Reading) -> dict[str, list[str]]:
    """Return the ids of the servers on each hypervisor, as Nova lists them."""
    hosts = rows(
        reading,
        "compute",
        "/os-hypervisors",
        _Host,
        "hypervisors",
        params={"with_servers": "True"},
        microversion=NOVA,
    )
    return {host.id: [guest.uuid for guest in host.servers] for host in hosts}


class _Up(msgspec.Struct):
    id: str
    uptime: str | None = None


class _ShownUp(msgspec.Struct):
    hypervisor: _Up


def _uptimes(reading: Reading, hosts: list[str]) -> Mapping[str, int | None]:
    """Return for how many seconds hosts have been up, by their ids; None where nobody says it."""
    found = listed_with_uptimes(reading, _Up)
    if found is None:
        return uptimes_one_by_one(reading, hosts)
    return {one.id: seconds_up(one.uptime) for one in found}


def listed_with_uptimes(
    reading: Reading, row: type[Row], params: Mapping[str, str] | None = None
) -> list[Row] | None:
    """Return all hypervisors as a listing that says ``uptime``; None where Nova is too old.

    That is tried, not looked up: it saves a new process the version document.
    """
    newer = ("compute", _UPTIMES)
    if newer in reading.refused_versions():
        return None
    path = "/os-hypervisors/detail"
    try:
        return rows(
            reading, "compute", path, row, "hypervisors", params=params, microversion=_UPTIMES
        )
    except CloudError as error:
        if error.status != TOO_NEW:
            raise
        reading.refused_versions().add(newer)
        return None


def uptimes_one_by_one(reading: Reading, hosts: list[str]) -> dict[str, int]:
    """Return the uptimes in seconds, by ids, with a request for each host."""
    told = dict(zip(hosts, reading.tried(lambda host: _uptime(reading, host), hosts), strict=True))
    # Of a host that is down, or whose driver cannot tell, Nova says so by refusing.
    return {host: got for host, got in told.items() if isinstance(got, int)}


def _uptime(reading: Reading, host: str) -> int | None:
    shown = reading.one("compute", f"/os-hypervisors/{host}/uptime", _ShownUp, microversion=NOVA)
    return seconds_up(shown.hypervisor.uptime)


_UP = re.compile(
    r"\bup\s+(?:(\d+)\s+days?)?,?\s*(?:(\d+):(\d\d)|(\d+)\s*hours?|(\d+)\s*min)?", re.IGNORECASE
)


def seconds_up(said: str | None) -> int | None:
    """Return the seconds that a host's ``uptime`` tells of; None if it tells none.

    >>> seconds_up(" 08:32:11 up 93 days, 18:25, 12 users,  load average: 0.20, 0.12, 0.14")
    8101500
    """
    found = _UP.search(said or "")
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, only_hours, only_minutes = (int(part or 0) for part in found.groups())
    return days * 86400 + (hours + only_hours) * 3600 + (minutes + only_minutes) * 60


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
            microversion=NOVA,
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
            read=_server_counts,
            cost="one request for a page of hypervisors, in which Nova looks at each of them; two "
            "more where a compute service has several",
        ),
        "uptime": Source(
            key="id",
            read=_uptimes,
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
