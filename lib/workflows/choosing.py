"""Runbooks that choose hypervisors: hypervisor.find_empty, hypervisor.find_candidates.

They stand behind the subject hypervisor, whose module imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from accounts.cloud import Cloud
from query_api import compute
from workflow_api import (
    CloudError,
    Context,
    Table,
    UserError,
    clean,
    count,
    listed,
    workflow,
)
from workflows.hosts import Host, hosts, place
from workflows.movement import Movement, movement
from workflows.preflight import Around, elsewhere

if TYPE_CHECKING:
    from query_api.compute_types import Hypervisor

# Hosts whose servers are looked at, for each one that is told of: the numbers of servers, by which
# they are taken, are not all that counts.
_LOOKED_AT = 2
_MOST = 50
# So many servers that stay are named in the reasons; all of them are in JSON and CSV.
_NAMED = 5
_PLACE = ("name", "state", "status", "reason", "zone", "aggregates")


@workflow("hypervisor.find_empty")
def find_empty(
    ctx: Context, cloud: Cloud, aggregate: str | None = None, zone: str | None = None
) -> Table:
    """Find hypervisors without servers."""
    from query_api import inventories
    from query_api.reading import Reading

    found = hosts(cloud, aggregate, zone, servers=True)
    empty = [host for host in found.chosen if host.servers == 0]
    reasons, rooms = list(found.reasons), {}
    try:
        rooms = dict(inventories.rooms(Reading(cloud), [host.id for host in empty]))
    except CloudError as error:
        reasons.append((f"allocations on hypervisors of {cloud.name}", str(error)))
    unknown = [host.name for host in found.chosen if host.servers is None]
    if unknown:
        reasons.append((f"servers on {listed(unknown)}", "Nova does not say how many there are"))
    rows = []
    for host in empty:
        room = rooms.get(host.id, inventories.Room())
        held = {name: used for name, used in room.used.items() if used}
        rows.append(
            {
                **_where(host),
                "vcpus_capacity": room.capacity.get("VCPU"),
                "memory_capacity": room.capacity.get("MEMORY_MB"),
                "note": (
                    f"Placement still has allocations there: {_amounts(held)}" if held else None
                ),
                "allocated": held,
            }
        )
    summary = f"{count(len(rows), 'empty hypervisor')} of {len(found.chosen)}"
    return Table(
        (*_PLACE, "vcpus_capacity", "memory_capacity", "note"),
        rows,
        summary=summary + place(aggregate, zone),
        good=not reasons,
        extra=("id", "allocated"),
        units={"memory_capacity": "MiB"},
        reasons=reasons,
    )


class Candidate(msgspec.Struct):
    """A hypervisor that might be reinstalled, and what stands against it.

    ``stay`` are servers that cannot leave it, and why; ``misfits`` says why not all fit elsewhere.
    ``last_of`` are aggregates and zones that would have no usable host without it.
    """

    host: Host
    last_of: list[str]
    moves: list[Movement] = []
    stay: list[dict[str, str]] = []
    misfits: list[str] = []

    @property
    def memory(self) -> int:
        """The memory of the servers that would be moved live, in MiB."""
        return sum(move.server.flavor.ram for move in self.moves if move.how == "live")

    @property
    def cost(self) -> tuple[object, ...]:
        """What it would disrupt, the worst first: candidates are ranked by it."""
        host = self.host
        return (
            host.servers is None or (host.servers > 0 and host.state != "up"),
            bool(self.last_of),
            bool(self.misfits),
            len(self.stay),
            host.servers or 0,
            self.memory,
            host.status == "enabled",
            host.name,
        )

    @property
    def why(self) -> list[str]:
        """The reasons for its rank, in words."""
        host, said = self.host, []
        if host.servers is None:
            said.append("Nova does not say how many servers are on it")
        elif host.servers == 0:
            said.append("no servers are on it")
        elif host.state != "up":
            said.append(
                f"it is {host.state}, so its {count(host.servers, 'server')} cannot be migrated"
            )
        else:
            said += self._of_servers()
        if host.status != "enabled":
            because = f": {clean(host.reason)}" if host.reason else ""
            said.append(f"it is disabled already{because}")
        said += [f"it is the last usable host of {clean(one)}" for one in self.last_of]
        return said

    def _of_servers(self) -> list[str]:
        live = sum(move.how == "live" for move in self.moves)
        cold = len(self.moves) - live
        ways = [f"{live} moved live"] if live else []
        ways += [f"{cold} stopped and moved cold"] if cold else []
        ways += [f"{len(self.stay)} cannot be moved"] if self.stay else []
        said = [f"{count(self.host.servers or 0, 'server')}: {', '.join(ways)}"]
        said += [f"{one['name']} stays: {one['why']}" for one in self.stay[:_NAMED]]
        if len(self.stay) > _NAMED:
            said.append(f"{len(self.stay) - _NAMED} more stay")
        if self.misfits:
            said.append(f"not everything fits elsewhere: {listed(self.misfits, 3)}")
        elif self.moves:
            said.append("what can be moved fits elsewhere")
        return said


@workflow("hypervisor.find_candidates")
def find_candidates(
    ctx: Context,
    cloud: Cloud,
    aggregate: str | None = None,
    zone: str | None = None,
    limit: int = 10,
) -> Table:
    """Find the hypervisors that are least disruptive to reinstall, with the reasons."""
    if not 1 <= limit <= _MOST:
        raise UserError(f"limit is 1 to {_MOST}, not {limit}.")
    found = hosts(cloud, aggregate, zone, servers=True)
    candidates = sorted(
        (Candidate(host, _last_of(host, found.all)) for host in found.chosen),
        key=lambda one: one.cost,
    )[: limit * _LOOKED_AT]
    around, known = Around(cloud), [host.hypervisor for host in found.all]
    around.aggregates = found.aggregates
    _judge(ctx, cloud, candidates, known, around)
    candidates.sort(key=lambda one: one.cost)
    rows = [_row(rank, one) for rank, one in enumerate(candidates[:limit], 1)]
    return Table(
        ("rank", "name", "servers", "live", "cold", "stay", "memory", "why"),
        rows,
        summary=f"{len(rows)} of {count(len(found.chosen), 'hypervisor')}"
        + place(aggregate, zone)
        + (f", first {clean(rows[0]['name'])}" if rows else ""),
        good=not found.reasons,
        extra=("id", "state", "status", "zone", "aggregates", "fits", "staying"),
        units={"memory": "MiB"},
        reasons=found.reasons,
    )


def _judge(
    ctx: Context,
    cloud: Cloud,
    candidates: list[Candidate],
    known: list[Hypervisor],
    around: Around,
) -> None:
    """Look at the servers of each candidate as a drain would: how they move, and where to."""
    from query_api.reading import Reading

    laden = [one for one in candidates if one.host.servers and one.host.state == "up"]
    version = compute.to_judge(cloud) if laden else ""
    servers = Reading(cloud).each(
        lambda one: compute.servers(cloud, host=one.host.service_host, microversion=version), laden
    )
    for one, there in zip(laden, servers, strict=True):
        judged = [movement(server, "auto", ctx.config) for server in there]
        others = elsewhere(cloud, one.host.hypervisor, known, judged, None, around)
        stuck = others.stuck
        one.host.servers = len(there)
        one.moves = [move for move in judged if move.how and move.server.id not in stuck]
        one.misfits = others.misfits
        one.stay = [
            {
                "name": clean(move.server.name),
                "id": move.server.id,
                "why": move.why or stuck[move.server.id],
            }
            for move in judged
            if move.why or move.server.id in stuck
        ]


def _last_of(host: Host, known: list[Host]) -> list[str]:
    """Return the aggregates and the zone of which a host is the only usable one."""
    if not host.usable:
        return []
    others = [other for other in known if other.usable and other.id != host.id]
    zones = {other.zone for other in others}
    kept = {name for other in others for name in other.aggregates}
    last = [f"aggregate {name}" for name in host.aggregates if name not in kept]
    return last + ([f"zone {host.zone}"] if host.zone and host.zone not in zones else [])


def _row(rank: int, one: Candidate) -> dict[str, Any]:
    return {
        "rank": rank,
        **_where(one.host),
        "servers": one.host.servers,
        "live": sum(move.how == "live" for move in one.moves),
        "cold": sum(move.how == "cold" for move in one.moves),
        "stay": len(one.stay),
        "memory": one.memory,
        "why": "; ".join(one.why),
        "fits": not one.misfits,
        "staying": one.stay,
    }


def _where(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "id": host.id,
        "state": host.state,
        "status": host.status,
        "reason": host.reason,
        "zone": host.zone,
        "aggregates": host.aggregates,
    }


def _amounts(held: dict[str, int]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in sorted(held.items()))
