"""Runbooks about what a cloud has left: capacity.report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accounts.cloud import Cloud
from hypervisors.hosts import Host, Hosts, hosts, place
from workflow_api import CloudError, Context, Table, clean, count, listed, workflow
from workflow_api.parameters import AggregateName, Names, ZoneName

if TYPE_CHECKING:
    from hypervisors.flavor_room import Size
    from query_api.resources.inventories import Room
    from query_api.wire.reading import Reading

_COLUMNS = ("where", "what", "hosts", "capacity", "used", "free", "blocked", "more", "pooled")


@workflow("capacity.report")
def report(
    ctx: Context,
    cloud: Cloud,
    flavors: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    aggregate: AggregateName | None = None,
    zone: ZoneName | None = None,
) -> Table:
    """Report what is used and free by zone and aggregate, and how many more of each flavor fit.

    flavors: The flavors, by name or id, to report remaining capacity for; public ones if empty.
    """
    from hypervisors.flavor_room import Size, fitting_sizes, flavor_sizes
    from query_api.wire.reading import Reading

    reading, sizes, left_out = Reading(cloud), list[Size](), 0
    try:
        sizes, left_out = flavor_sizes(cloud, flavors)
    except CloudError as error:
        reading.incomplete(f"flavors of {cloud.name}", str(error))
    found = hosts(cloud, aggregate, zone, without_place=True)
    rooms = _rooms_of(reading, found)
    sizes = fitting_sizes(reading, sizes, found)
    parts = _parts(cloud, found, aggregate, zone)
    rows = [row for where, part in parts for row in _rows(where, part, rooms, sizes, found)]
    reasons = [*found.reasons, *reading.reasons]
    told = count(len(found.chosen), "hypervisor") + place(aggregate, zone)
    usable = sum(host.usable for host in found.chosen)
    also = f"; {left_out} more public flavors can be named in flavors" if left_out else ""
    return Table(
        (*_COLUMNS, "note"),
        rows,
        title="Amounts are Placement's own: capacity is (total - reserved) * ratio, MEMORY_MB in "
        "MiB, DISK_GB in GiB. blocked: free, but on hosts that are disabled or down. more: how "
        "many fit host by host. pooled: if what is free were on one host.",
        summary=f"{told} of {cloud.name}, {usable} of them usable{also}",
        good=not reasons,
        extra=("scope", "name", "flavor_id"),
        group_by=("where",),
        reasons=reasons,
    )


# -- hosts -------------------------------------------------------------------------------------


def _rooms_of(reading: Reading, found: Hosts) -> Mapping[str, Room] | None:
    """Return the room on hosts by their ids, None if Placement did not answer.

    What is missing is said.
    """
    from query_api.resources import inventories

    known = len(reading.reasons)
    try:
        rooms = inventories.rooms(reading, [host.id for host in found.chosen])
    except CloudError as error:
        reading.incomplete(f"room on hypervisors of {reading.cloud.name}", str(error))
        return None
    missing = [host.name for host in found.chosen if host.id not in rooms]
    if missing and len(reading.reasons) == known:
        reading.incomplete(f"room on {listed(missing)}", "Placement does not know them")
    return rooms


def _parts(
    cloud: Cloud, found: Hosts, aggregate: str | None, zone: str | None
) -> list[tuple[tuple[str, str], list[Host]]]:
    """Return the parts of a cloud that are told of, by their kind and name, and their hosts."""
    parts: list[tuple[tuple[str, str], list[Host]]] = []
    if aggregate is None:
        if zone is None:
            parts.append((("cloud", cloud.name), found.chosen))
        zones = sorted({host.zone for host in found.chosen if host.zone})
        parts += [(("zone", name), [h for h in found.chosen if h.zone == name]) for name in zones]
        named = sorted({name for host in found.chosen for name in host.aggregates})
    else:
        named = [found.aggregate.name] if found.aggregate else []
    within = f" in zone {zone}" if zone else ""
    for name in named:
        there = [host for host in found.chosen if name in host.aggregates]
        parts.append((("aggregate", name + within), there))
    return parts


def _rows(
    where: tuple[str, str],
    part: Sequence[Host],
    rooms: Mapping[str, Room] | None,
    sizes: Iterable[Size],
    found: Hosts,
) -> Iterable[dict[str, Any]]:
    """Yield a row for each resource class of a part of the cloud, then one for each flavor."""
    from hypervisors.flavor_room import may_have

    scope, name = where
    same = {"where": f"{scope} {clean(name)}", "scope": scope, "name": name}
    there = [(host, rooms[host.id]) for host in part if rooms and host.id in rooms]
    for what in sorted({what for _, room in there for what in room.capacity}, key=_by_class):
        have = [(host, room) for host, room in there if what in room.capacity]
        free = {host.id: room.free[what] for host, room in have}
        yield {
            **same,
            "what": what,
            "hosts": len(have),
            "capacity": sum(room.capacity[what] for _, room in have),
            "used": sum(room.used.get(what, 0) for _, room in have),
            "free": sum(free.values()),
            "blocked": sum(max(0, free[host.id]) for host, _ in have if not host.usable),
        }
    for size in sizes:
        fits = [size.fits[host.id] for host in part if host.id in size.fits]
        yield {
            **same,
            "what": f"flavor {clean(size.name)}",
            "flavor_id": size.id,
            "hosts": len(fits),
            "more": sum(fits),
            "pooled": (
                None
                if rooms is None
                else _pooled(size, [room for host, room in there if may_have(size, host, found)])
            ),
            "note": _note(size),
        }


def _note(size: Size) -> str | None:
    said = [f"not looked at: {', '.join(size.unseen)}"] if size.unseen else []
    said += [f"the same as {listed(map(clean, size.same), 3)}"] if size.same else []
    return "; ".join(said) or None


def _pooled(size: Size, rooms: Sequence[Room]) -> int:
    """Return how many would fit if all that is free were on one host."""
    traits = size.demand.required, size.demand.forbidden
    fitting = [one for one in rooms if traits[0] <= {*one.traits} and not traits[1] & {*one.traits}]
    return min(
        (
            sum(max(0, room.free.get(name, 0)) for room in fitting) // amount
            for name, amount in size.demand.resources.items()
        ),
        default=0,
    )


def _by_class(name: str) -> tuple[int, str]:
    usual = ("VCPU", "PCPU", "MEMORY_MB", "DISK_GB")
    return (usual.index(name) if name in usual else len(usual), name)
