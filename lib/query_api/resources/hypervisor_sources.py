"""What Nova says of hypervisors beside their listing: the servers on them, and their uptimes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from common.errors import CloudError
from query_api.wire.paging import TOO_NEW, rows
from query_api.wire.reading import Reading

Row = TypeVar("Row", bound=msgspec.Struct)
# Hypervisors and their services have UUIDs. CPUs are no longer told of from 2.88 on.
NOVA = "2.53"
# From this one on a listing tells for how long hosts have been up.
_UPTIMES = "2.88"
# Where a server's own record says that it is.
_HOST, _NODE = "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname"


class Guest(msgspec.Struct):
    """A server, as it is listed with its hypervisor."""

    uuid: str


class _Host(msgspec.Struct):
    id: str
    servers: list[Guest] = []


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


def counted(reading: Reading, hosts: list[str]) -> Mapping[str, int]:
    """Return how many servers are on each hypervisor, by its id."""
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


def uptimes(reading: Reading, hosts: list[str]) -> Mapping[str, int | None]:
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
