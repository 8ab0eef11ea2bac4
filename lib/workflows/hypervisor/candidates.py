"""Runbooks that choose hypervisors: hypervisor.find_empty, hypervisor.find_candidates.

They stand behind the subject hypervisor, whose module imports them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from accounts.cloud import Cloud
from hypervisors.hosts import Host, Hosts, hosts, place
from hypervisors.occupants import Occupant, occupants, told, unconfirmed
from hypervisors.ranking import Candidate
from hypervisors.vacancy import UNKNOWN, vacancy
from migration.placement_check import CloudState, placement_check
from migration.policy import choose_migration
from query_api.execution.query import query
from query_api.lookups import compute
from query_api.wire.reading import Reading
from workflow_api import CloudError, Context, Table, clean, count, listed, workflow
from workflow_api.parameters import AggregateName, ZoneName

# Hosts whose servers are looked at, for each one that is told of: the numbers of servers, by which
# they are taken, are not all that counts.
_LOOKED_AT = 2
Limit = Annotated[int, Meta(ge=1, le=50)]
_UNPLACED = "where its servers fit is not known, since aggregates could not be read"
_PLACE = ("name", "state", "status", "reason", "zone", "aggregates")


@workflow("hypervisor.find_empty")
def find_empty(
    ctx: Context,
    cloud: Cloud,
    aggregate: AggregateName | None = None,
    zone: ZoneName | None = None,
) -> Table:
    """Find empty hypervisors."""
    found = hosts(cloud, aggregate, zone, servers=True, without_place=True)
    vacant = [host for host in found.chosen if host.servers == 0]
    reading = Reading(cloud)
    look = vacancy(reading, vacant)
    unknown = [host.name for host in found.chosen if host.servers is None]
    if unknown:
        reading.incomplete(f"servers on {listed(unknown)}", "Nova does not say how many there are")
    rows = []
    for host in vacant:
        if host.id in look.held:
            continue
        capacity = look.rooms[host.id].capacity if host.id in look.rooms else {}
        rows.append(
            {
                **_where(host),
                "vcpus_capacity": capacity.get("VCPU"),
                "memory_capacity": capacity.get("MEMORY_MB"),
                "note": UNKNOWN if host.id in look.unknown else None,
            }
        )
    reasons = [*found.reasons, *reading.reasons]
    summary = f"{count(len(rows), 'empty hypervisor')} of {len(found.chosen)}"
    kept = [
        f"{clean(host.name)}: {told(look.held[host.id])}" for host in vacant if host.id in look.held
    ]
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


@workflow("hypervisor.find_candidates")
def find_candidates(
    ctx: Context,
    cloud: Cloud,
    aggregate: AggregateName | None = None,
    zone: ZoneName | None = None,
    limit: Limit = 10,
) -> Table:
    """Find the hypervisors that are least disruptive to reinstall, with the reasons.

    limit: How many hypervisors to list, the best first.
    """
    found = hosts(cloud, aggregate, zone, servers=True, without_place=True)
    candidates = sorted(
        (Candidate(host, _last_of(host, found.all)) for host in found.chosen),
        key=lambda one: one.cost,
    )[: limit * _LOOKED_AT]
    reading = Reading(cloud)
    _judge_vacant(reading, [one for one in candidates if one.host.servers == 0])
    laden = [one for one in candidates if one.host.servers and one.can_be_drained]
    _judge_laden(ctx, reading, laden, found)
    candidates.sort(key=lambda one: one.cost)
    rows = [_row(rank, one) for rank, one in enumerate(candidates[:limit], 1)]
    reasons = [*found.reasons, *reading.reasons]
    return Table(
        ("rank", "name", "servers", "live", "cold", "stay", "memory", "why"),
        rows,
        summary=f"{len(rows)} of {count(len(found.chosen), 'hypervisor')}"
        + place(aggregate, zone)
        + (f", first {clean(rows[0]['name'])}" if rows else ""),
        good=not reasons,
        extra=("id", "state", "status", "zone", "aggregates", "fits", "staying", "services"),
        units={"memory": "MiB"},
        reasons=reasons,
    )


def _judge_vacant(reading: Reading, vacant: Sequence[Candidate]) -> None:
    look = vacancy(reading, [one.host for one in vacant])
    for one in vacant:
        one.stay = [_staying(thing) for thing in look.held.get(one.host.id, [])]
        one.unknown = UNKNOWN if one.host.id in look.unknown else ""


def _judge_laden(ctx: Context, reading: Reading, laden: Sequence[Candidate], found: Hosts) -> None:
    """Look at the servers of each candidate as a drain would: how they move, and where to.

    What could not be read is said to be missing, and stands with the candidate.
    """
    cloud = reading.cloud
    if not laden:
        return
    state, theirs = CloudState(cloud), _service_projects(reading)
    state.aggregates = found.aggregates
    try:
        version, waiting = compute.to_judge(cloud), unconfirmed(cloud)
    except CloudError as error:
        _not_read(reading, laden, "what is on it", error)
        return
    looks = reading.tried(
        lambda one: occupants(cloud, one.host.hypervisor, microversion=version, waiting=waiting),
        laden,
    )
    for one, look in zip(laden, looks, strict=True):
        if isinstance(look, CloudError):
            _not_read(reading, [one], "what is on it", look)
            continue
        one.host.servers = len(look.servers)
        one.services = [clean(s.name) for s in look.servers if s.project_id in theirs]
        one.stay = [_staying(thing) for thing in look.others]
        judged = [choose_migration(server, "auto", ctx.config) for server in look.servers]
        if found.aggregates_unread:
            one.unknown = _UNPLACED
            continue
        try:
            known = [host.hypervisor for host in found.all]
            fate = placement_check(
                cloud, one.host.hypervisor, known, judged, None, state, look.allocated
            )
        except CloudError as error:
            _not_read(reading, [one], "where its servers fit", error)
            continue
        one.moves = [move for move in judged if move.how and move.server.id not in fate.stuck]
        one.refusals = fate.refusals
        one.stay = [
            {
                "name": clean(move.server.name),
                "id": move.server.id,
                "why": move.why or fate.stuck[move.server.id],
            }
            for move in judged
            if move.why or move.server.id in fate.stuck
        ] + one.stay


def _not_read(reading: Reading, those: Sequence[Candidate], what: str, error: CloudError) -> None:
    for one in those:
        one.unknown = f"{what} could not be read"
        reading.incomplete(f"{what} ({clean(one.host.name)})", str(error))


def _service_projects(reading: Reading) -> frozenset[str]:
    """Return the ids of the projects of the cloud's own services, as far as they can be read."""
    names = reading.cloud.config.service_projects
    if not names:
        return frozenset()
    try:
        answer = query("project").where("name", "any_in", *names).select("id").run([reading.cloud])
    except CloudError as error:
        reading.incomplete("which servers are the cloud's own", str(error))
        return frozenset()
    for what, why in answer.reasons:
        reading.incomplete(what, why)
    return frozenset(answer.column("id"))


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
        "fits": not one.refusals,
        "staying": one.stay,
        "services": one.services,
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
