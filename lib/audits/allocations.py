"""Allocations in Placement that no server explains, and servers whose allocation is not there.

Placement lists allocations by provider only: a request for each hypervisor. But its totals of all
hypervisors can be read at once, and what servers take is known from their flavors. Only
hypervisors where the two differ, or cannot be compared, are examined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from audits.findings import Finding, Part, named
from audits.orphans import IN_PROGRESS, soft_deleted
from query_api.execution.query import query
from query_api.lookups.compute_types import Flavor
from query_api.lookups.placement import Resources, taken_by
from query_api.resources.inventories import rooms_left
from query_api.wire.reading import Reading
from workflow_api import CloudError, clean

_FLAVOR = ("vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs")
_COLUMNS = (
    "id",
    "name",
    "host",
    "hypervisor_hostname",
    "status",
    "task_state",
    "project_id",
    "user_id",
    "image_id",
    *(f"flavor.{name}" for name in _FLAVOR),
)
# What is being moved, or waits for somebody to confirm that it was, has allocations on two hosts.
_MOVING = frozenset({"BUILD", "MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE"})


_DELETE = (
    "nova-manage placement audit shows it; if nothing else uses Placement: "
    "openstack resource provider allocation delete {id}"
)
_EVACUATED = (
    "nova-manage placement audit --verbose shows it; if the server was evacuated, starting "
    "nova-compute on {host} takes it away"
)


class _Server(msgspec.Struct, frozen=True):
    id: str
    name: str | None
    at: str
    settled: bool
    project_id: str | None
    user_id: str | None


class _Host(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Seen(msgspec.Struct):
    """What one look shows: servers by id, and what hypervisors have given away, by consumer."""

    servers: dict[str, _Server]
    held: dict[str, dict[str, Resources]]


def allocations(part: Part, *, every_host: bool) -> Iterator[Finding]:
    """Yield what Nova and Placement tell differently in one cloud.

    With ``every_host`` each hypervisor's allocations are read, not only where sums differ. What
    looks wrong is read once more: what has been put right in the meantime is no finding.
    Raises CloudError if the hypervisors, or the servers, cannot all be read.
    """
    hosts = _hosts(part)
    providers, whole = part.read(query("resource_provider").select("id", "name", "root_id"))
    known = {row[0] for row in providers}
    if whole:
        yield from _without_provider(host for host in hosts.values() if host.id not in known)
    strays = {id: _Host(id, name) for id, name, root in providers if id == root and id not in hosts}
    there = {id: host for id, host in hosts.items() if id in known}
    servers, wanted = _servers(part, hosts)
    asked = {**there, **strays} if every_host else {**_differing(part, there, wanted), **strays}
    seen = _Seen(servers, _held(part, asked))
    suspects = _suspects(seen, there)
    if not suspects:
        return
    explained = _explained(part)
    if explained is None:
        return
    first = set(_judged(seen, asked, suspects, explained, there))
    if not first:
        return
    accused, where = {one[3] for one in first}, {id for one in first for id in one[1:3]}
    again = {id: host for id, host in asked.items() if id in where}
    left = {id: server for id, server in servers.items() if id not in accused}
    seen = _Seen({**left, **_again(part, hosts, accused)}, _held(part, again))
    for one in _judged(seen, asked, suspects, explained, there):
        if one in first:
            yield _finding(one, seen, {**hosts, **strays})


def _hosts(part: Part) -> dict[str, _Host]:
    rows = part.whole(query("hypervisor").select("id", "name"), "no allocation can be judged")
    return {id: _Host(id, name) for id, name in rows}


def _servers(
    part: Part, hosts: Mapping[str, _Host]
) -> tuple[dict[str, _Server], dict[str, Resources]]:
    """Return all servers, and what is taken of each hypervisor by their flavors."""
    rows = part.whole(query("server").select(*_COLUMNS), "no allocation can be judged")
    ids = {host.name: host.id for host in hosts.values()}
    flavors: dict[Any, Resources] = {}
    found: dict[str, _Server] = {}
    wanted: dict[str, Resources] = {}
    for row in rows:
        server = _server(row, ids)
        found[server.id] = server
        if not server.at:
            continue
        image, size, specs = row[8], row[9:14], row[14] or {}
        key = (bool(image), size, tuple(sorted(specs.items())))
        if key not in flavors:
            vcpus, ram, disk, ephemeral, swap = (amount or 0 for amount in size)
            flavor = Flavor("", vcpus, ram, disk, ephemeral, swap, specs)
            flavors[key] = taken_by(flavor, boots_from_volume=not image)
        total = wanted.setdefault(server.at, {})
        for name, amount in flavors[key].items():
            total[name] = total.get(name, 0) + amount
    return found, wanted


def _server(row: Sequence[Any], hosts: Mapping[str, str]) -> _Server:
    id, name, host, node, status, task, project, user = row[:8]
    at = hosts.get(node or host or "", "")
    return _Server(id, name, at, not task and status not in _MOVING, project, user)


def _again(part: Part, hosts: Mapping[str, _Host], ids: Iterable[str]) -> dict[str, _Server]:
    """Return those of the servers that are still there, as they are by now."""
    asked = query("server").where("id", "any_in", *sorted(set(ids))).select(*_COLUMNS[:8])
    names = {host.name: host.id for host in hosts.values()}
    return {row[0]: _server(row, names) for row in part.read(asked)[0]}


def _differing(
    part: Part, hosts: Mapping[str, _Host], wanted: Mapping[str, Resources]
) -> dict[str, _Host]:
    """Return the hypervisors on which servers' flavors and Placement's sums are not the same.

    What Placement does not name has nothing left of any kind; then nothing is known of its sums.
    """
    try:
        rooms = rooms_left(Reading(part.cloud), set(hosts))
    except CloudError as error:
        part.lacks(f"sums of Placement of {part.cloud.name}", str(error))
        return dict(hosts)
    return {
        id: host
        for id, host in hosts.items()
        if id not in rooms or _nonzero(rooms[id].used) != _nonzero(wanted.get(id, {}))
    }


def _nonzero(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount}


def _held(part: Part, hosts: Mapping[str, _Host]) -> dict[str, dict[str, Resources]]:
    """Return what is given away of each of these hypervisors, by consumer; a request for each.

    One that could not be read, or may not have been, is left out.
    """
    if not hosts:
        return {}
    asked = query("allocation").where("provider_id", "any_in", *sorted(hosts))
    rows, whole = part.read(asked.select("provider_id", "consumer_id", "resources"))
    found: dict[str, dict[str, Resources]] = {id: {} for id in hosts} if whole else {}
    for provider, consumer, resources in rows:
        found.setdefault(provider, {})[consumer] = resources
    return found


# A kind of finding, the hypervisor that has the allocation, the one that should, and whose it is.
_Wrong = tuple[str, str, str, str]


def _suspects(seen: _Seen, hosts: Mapping[str, _Host]) -> set[str]:
    """Return who may have an allocation too many or too few."""
    found: set[str] = set()
    for host, held in seen.held.items():
        found |= {
            consumer
            for consumer in held
            if consumer not in seen.servers or (host in hosts and seen.servers[consumer].at != host)
        }
    return found | {
        server.id
        for server in seen.servers.values()
        if server.at in seen.held and server.id not in seen.held[server.at]
    }


def _explained(part: Part) -> set[str] | None:
    """Return consumers that are neither servers nor lost: what is deleted softly, or on its way.

    None if that could not all be read: then nobody can be accused.
    """
    moving = query("migration").where("status", "any_in", *IN_PROGRESS).select("uuid")
    (soft, all_soft), (migrations, all_migrations) = part.read_all([soft_deleted(), moving])
    if not (all_soft and all_migrations):
        return None
    return {row[0] for row in (*soft, *migrations)}


def _judged(
    seen: _Seen,
    asked: Mapping[str, _Host],
    suspects: set[str],
    explained: set[str],
    hosts: Mapping[str, _Host],
) -> Iterator[_Wrong]:
    holds: dict[str, list[str]] = {}
    for host, held in seen.held.items():
        for consumer in held:
            if consumer in suspects:
                holds.setdefault(consumer, []).append(host)
    for id in sorted(suspects - explained):
        server, held_on = seen.servers.get(id), sorted(holds.get(id, ()))
        if server is None:
            yield from (("orphaned", host, "", id) for host in held_on)
        elif server.settled:
            elsewhere = [host for host in held_on if host != server.at and host in hosts]
            yield from (("elsewhere", host, server.at, id) for host in elsewhere)
            if server.at in asked and server.at not in held_on and not elsewhere:
                yield ("missing", "", server.at, id)


def _finding(one: _Wrong, seen: _Seen, hosts: Mapping[str, _Host]) -> Finding:
    kind, holding, right, id = one
    server = seen.servers.get(id)
    amounts = seen.held.get(holding, {}).get(id, {})
    holds = named(f"{amount} {clean(name)}" for name, amount in sorted(amounts.items()))
    has, should = (
        clean(hosts[host].name) if host else "no hypervisor" for host in (holding, right)
    )
    why, act = {
        "orphaned": (
            f"it holds {holds} of {has}, and is no server and no migration in progress",
            _DELETE.format(id=clean(id)),
        ),
        "elsewhere": (
            f"it holds {holds} of {has}, and is on {should}",
            _EVACUATED.format(host=has),
        ),
        "missing": (
            f"it is on {should}, and holds nothing there",
            f"nova-manage placement heal_allocations --instance {clean(id)}",
        ),
    }[kind]
    return Finding(
        kind=f"{kind}_allocation",
        id=id,
        name=server.name if server else None,
        why=why,
        act=act,
        project_id=server.project_id if server else None,
        user_id=server.user_id if server else None,
        more={"hypervisor": hosts[holding or right].name},
    )


def _without_provider(hosts: Iterable[_Host]) -> Iterator[Finding]:
    for host in hosts:
        yield Finding(
            kind="missing_provider",
            id=host.id,
            name=host.name,
            why="Placement has no resource provider of this hypervisor, so nothing is put on it",
            act="look into nova-compute's log there: it makes its provider when it starts",
            more={"hypervisor": host.name},
        )
