"""Runbooks about what a cloud has left: capacity.report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.cloud import Cloud
from hypervisors.hosts import Host, Hosts, hosts, place
from workflow_api import CloudError, Context, Table, clean, count, listed, workflow
from workflow_api.parameters import AggregateName, Names, ZoneName

if TYPE_CHECKING:
    from query_api.lookups.compute_types import Server
    from query_api.lookups.placement import Demand
    from query_api.resources.inventories import Room
    from query_api.wire.reading import Reading

# So many different sizes are looked at if no flavors are named: there is a request for each.
_MOST = 20
_FLAVOR = ("id", "name", "vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs")
# What else Nova or a numbered group of a flavor asks of a host, in words.
_UNSEEN = {
    "resources": "numbered groups",
    "trait": "numbered groups",
    "group_policy": "numbered groups",
    "pci_passthrough:alias": "PCI devices",
    "hw:numa_nodes": "NUMA nodes",
    "hw:mem_page_size": "large pages",
}
_PLAIN = ("resources:", "trait:")
_COLUMNS = ("where", "what", "hosts", "capacity", "used", "free", "blocked", "more", "pooled")


class _Size(msgspec.Struct):
    """A flavor, what one more server of it takes, and by host how many more fit there."""

    name: str
    id: str
    server: Server
    demand: Demand
    unseen: list[str]
    same: list[str] = []
    fits: dict[str, int] = {}


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
    from query_api.wire.reading import Reading

    reading, sizes, left_out = Reading(cloud), list[_Size](), 0
    try:
        sizes, left_out = _sizes(cloud, flavors)
    except CloudError as error:
        reading.incomplete(f"flavors of {cloud.name}", str(error))
    found = hosts(cloud, aggregate, zone, without_place=True)
    rooms = _rooms_of(reading, found)
    sizes = _fitting(reading, sizes, found)
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


# -- flavors -----------------------------------------------------------------------------------


def _sizes(cloud: Cloud, wanted: Sequence[str]) -> tuple[list[_Size], int]:
    """Return the flavors that are asked for, else public ones of different sizes, smallest first.

    Also returns how many sizes were left out. Raises NotFound with near names.
    """
    from query_api.execution.query import query
    from query_api.lookups import things

    if wanted:
        return [_size(it.values) for it in things.find_all(cloud, "flavor", wanted)], 0
    asked = query("flavor").where("is_public", "equal_to", True)
    known = asked.select(*_FLAVOR).sort_by("ram", "vcpus", "disk", "name").run([cloud]).dicts()
    different: dict[tuple[object, ...], _Size] = {}
    for flavor in known:
        size = _size(flavor)
        key = (*size.demand.shape, *_aggregate_specs(size.server.flavor.extra_specs), *size.unseen)
        if different.setdefault(key, size) is not size:
            different[key].same.append(size.name)
    sizes = list(different.values())
    return sizes[:_MOST], len(sizes[_MOST:])


def _size(flavor: Mapping[str, Any]) -> _Size:
    from query_api.lookups import compute_types, placement

    specs = {key: str(value) for key, value in (flavor["extra_specs"] or {}).items()}
    sizes = {name: flavor[name] or 0 for name in ("vcpus", "ram", "disk", "ephemeral", "swap")}
    shape = compute_types.Flavor(original_name=flavor["name"], extra_specs=specs, **sizes)
    # One that is booted from an image: its root disk is on the host.
    server = compute_types.Server(flavor["id"], flavor["name"], flavor=shape, image={"id": ""})
    demand = placement.flavor_demand(flavor["id"], server)
    return _Size(flavor["name"], flavor["id"], server, demand, _unseen(specs))


def _unseen(specs: Iterable[str]) -> list[str]:
    """Return what else a flavor asks for, beyond what Placement was asked."""
    found = set()
    for key in specs:
        word = key.partition(":")[0].rstrip("0123456789")
        if not key.startswith(_PLAIN):
            found |= {_UNSEEN[name] for name in (key, word) if name in _UNSEEN}
    return sorted(found)


def _aggregate_specs(specs: Mapping[str, str]) -> list[str]:
    return sorted(f"{key}={specs[key]}" for key in specs if key.startswith("aggregate_instance"))


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


def _fitting(reading: Reading, sizes: Sequence[_Size], found: Hosts) -> list[_Size]:
    """Return the sizes of which Placement says where they fit; what is missing is said."""
    from query_api.lookups.fitting import fitting

    answered = []
    fits = reading.tried(lambda size: fitting(reading, size.demand), sizes)
    for size, there in zip(sizes, fits, strict=True):
        what = f"where flavor {size.name} fits"
        if isinstance(there, CloudError):
            reading.incomplete(what, str(there))
        elif found.aggregates_unread and _aggregate_specs(size.server.flavor.extra_specs):
            reading.incomplete(what, "it asks for aggregates, which could not be read")
        else:
            size.fits = _allowed(size, there, found)
            answered.append(size)
    return answered


def _allowed(size: _Size, fits: Mapping[str, int], found: Hosts) -> dict[str, int]:
    """Return how many fit, by host, without hosts that the scheduler does not look at."""
    return {
        host.id: fits[host.id]
        for host in found.chosen
        if host.id in fits and _may_have(size, host, found)
    }


def _may_have(size: _Size, host: Host, found: Hosts) -> bool:
    from migration.placement_check import aggregates_allow

    return host.usable and aggregates_allow(size.server, host.service_host, found.aggregates)


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
    sizes: Iterable[_Size],
    found: Hosts,
) -> Iterable[dict[str, Any]]:
    """Yield a row for each resource class of a part of the cloud, then one for each flavor."""
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
                else _pooled(size, [room for host, room in there if _may_have(size, host, found)])
            ),
            "note": _note(size),
        }


def _note(size: _Size) -> str | None:
    said = [f"not looked at: {', '.join(size.unseen)}"] if size.unseen else []
    said += [f"the same as {listed(map(clean, size.same), 3)}"] if size.same else []
    return "; ".join(said) or None


def _pooled(size: _Size, rooms: Sequence[Room]) -> int:
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
