"""Runbooks that choose hypervisors: hypervisor.find_empty, hypervisor.find_candidates.

They stand behind the subject hypervisor, whose module imports them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from hypervisors.hosts import Host, because, hosts, place
from hypervisors.occupants import Occupant, leftovers, occupants, told, unconfirmed
from migration.placement_check import Around, elsewhere
from migration.policy import Movement, movement
from query_api.lookups import compute
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
from workflow_api.parameters import AggregateName, ZoneName

if TYPE_CHECKING:
    from query_api.resources.inventories import Room
    from query_api.wire.compute_types import Hypervisor

# Hosts whose servers are looked at, for each one that is told of: the numbers of servers, by which
# they are taken, are not all that counts.
_LOOKED_AT = 2
_MOST = 50
Limit = Annotated[int, Meta(ge=1, le=_MOST)]
# So many servers that stay are named in the reasons; all of them are in JSON and CSV.
_NAMED = 5
_UNKNOWN = "whether anything else holds it is not known"
_PLACE = ("name", "state", "status", "reason", "zone", "aggregates")


@workflow("hypervisor.find_empty")
def find_empty(
    ctx: Context,
    cloud: Cloud,
    aggregate: AggregateName | None = None,
    zone: ZoneName | None = None,
) -> Table:
    """Find hypervisors that nothing holds."""
    found = hosts(cloud, aggregate, zone, servers=True, without_place=True)
    vacant = [host for host in found.chosen if host.servers == 0]
    reasons, rooms = list(found.reasons), None
    try:
        rooms = _rooms(cloud, vacant)
    except CloudError as error:
        reasons.append((f"allocations on hypervisors of {cloud.name}", str(error)))
    held, note = {}, _UNKNOWN if rooms is None else None
    try:
        held = leftovers(cloud, [host.hypervisor for host in vacant], _used(rooms))
    except CloudError as error:
        note = _UNKNOWN
        reasons.append((f"what holds hypervisors of {cloud.name}", str(error)))
    empty = [host for host in vacant if host.id not in held]
    unknown = [host.name for host in found.chosen if host.servers is None]
    if unknown:
        reasons.append((f"servers on {listed(unknown)}", "Nova does not say how many there are"))
    rows = []
    for host in empty:
        capacity = rooms[host.id].capacity if rooms and host.id in rooms else {}
        rows.append(
            {
                **_where(host),
                "vcpus_capacity": capacity.get("VCPU"),
                "memory_capacity": capacity.get("MEMORY_MB"),
                "note": note,
            }
        )
    summary = f"{count(len(rows), 'empty hypervisor')} of {len(found.chosen)}"
    kept = [f"{clean(host.name)}: {told(held[host.id])}" for host in vacant if host.id in held]
    return Table(
        (*_PLACE, "vcpus_capacity", "memory_capacity", "note"),
        rows,
        title=f"No server runs there, and they are not empty: {'; '.join(kept)}." if kept else "",
        summary=summary + place(aggregate, zone),
        good=not reasons,
        extra=("id",),
        units={"memory_capacity": "MiB"},
        reasons=reasons,
    )


def _rooms(cloud: Cloud, there: Sequence[Host]) -> Mapping[str, Room]:
    from query_api.resources import inventories
    from query_api.wire.reading import Reading

    return inventories.rooms(Reading(cloud), [host.id for host in there])


def _used(rooms: Mapping[str, Room] | None) -> dict[str, dict[str, int]] | None:
    return None if rooms is None else {id: room.used for id, room in rooms.items()}


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
            host.servers is None or (host.servers > 0 and not self.can_be_drained),
            bool(self.last_of),
            bool(self.misfits),
            len(self.stay),
            host.servers or 0,
            self.memory,
            host.status == "enabled",
            host.name,
        )

    @property
    def can_be_drained(self) -> bool:
        """Whether hypervisor.drain would take it at all."""
        return self.host.state == "up" and not self.host.others

    @property
    def why(self) -> list[str]:
        """The reasons for its rank, in words."""
        host, said = self.host, []
        if host.servers is None:
            said.append("Nova does not say how many servers are on it")
        elif not host.servers and not self.stay:
            said.append("no servers are on it")
        elif host.servers and host.others:
            said.append(
                f"its compute service {clean(host.service_host)} has other hypervisors too, so it "
                f"cannot be drained of its {count(host.servers, 'server')}"
            )
        elif host.servers and host.state != "up":
            said.append(
                f"it is {host.state}, so its {count(host.servers, 'server')} cannot be migrated"
            )
        else:
            said += self._of_servers()
        if host.status != "enabled":
            said.append(f"it is disabled already{because(host.reason)}")
        said += [f"it is the last usable host of {clean(one)}" for one in self.last_of]
        return said

    def _of_servers(self) -> list[str]:
        live = sum(move.how == "live" for move in self.moves)
        cold = len(self.moves) - live
        ways = [f"{live} moved live"] if live else []
        ways += [f"{cold} stopped and moved cold"] if cold else []
        ways += [f"{len(self.stay)} cannot be moved"] if self.stay else []
        on_it = count(self.host.servers, "server") if self.host.servers else "no server runs there"
        said = [f"{on_it}: {', '.join(ways)}"]
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
    aggregate: AggregateName | None = None,
    zone: ZoneName | None = None,
    limit: Limit = 10,
) -> Table:
    """Find the hypervisors that are least disruptive to reinstall, with the reasons.

    limit: At most so many, the best first.
    """
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
    from query_api.wire.reading import Reading

    vacant = [one.host for one in candidates if one.host.servers == 0]
    held = leftovers(cloud, [host.hypervisor for host in vacant], _used(_rooms(cloud, vacant)))
    for one in candidates:
        one.stay = [_staying(thing) for thing in held.get(one.host.id, [])]
    laden = [one for one in candidates if one.host.servers and one.can_be_drained]
    version, waiting = compute.to_judge(cloud), unconfirmed(cloud) if laden else []
    looks = Reading(cloud).each(
        lambda one: occupants(cloud, one.host.hypervisor, microversion=version, waiting=waiting),
        laden,
    )
    for one, look in zip(laden, looks, strict=True):
        judged = [movement(server, "auto", ctx.config) for server in look.servers]
        others = elsewhere(cloud, one.host.hypervisor, known, judged, None, around, look.allocated)
        stuck = others.stuck
        one.host.servers = len(look.servers)
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
        one.stay += map(_staying, look.others)


def _staying(held: Occupant) -> dict[str, str]:
    return {"name": held.name, "id": held.id, "why": held.why}


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
