"""How many more servers of which flavors fit on which hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from hypervisors.hosts import Host, Hosts
from migration.placement_check import aggregates_allow
from query_api.execution.query import query
from query_api.lookups import compute_types, placement, things
from query_api.lookups.fitting import fitting
from query_api.wire.reading import Reading
from workflow_api import CloudError

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


class Size(msgspec.Struct):
    """A flavor, what one more server of it takes, and by host how many more fit there."""

    name: str
    id: str
    server: compute_types.Server
    demand: placement.Demand
    unseen: list[str]
    same: list[str] = []
    fits: dict[str, int] = {}


def flavor_sizes(cloud: Cloud, wanted: Sequence[str]) -> tuple[list[Size], int]:
    """Return the flavors that are asked for, else public ones of different sizes, smallest first.

    Also returns how many sizes were left out. Raises NotFound with near names.
    """
    if wanted:
        return [size_of(it) for it in things.find_all(cloud, "flavor", wanted)], 0
    asked = query("flavor").where("is_public", "equal_to", True)
    known = asked.select(*_FLAVOR).sort_by("ram", "vcpus", "disk", "name").run([cloud]).dicts()
    different: dict[tuple[object, ...], Size] = {}
    for flavor in known:
        size = _size(flavor)
        key = (*size.demand.shape, *aggregate_specs(size.server.flavor.extra_specs), *size.unseen)
        if different.setdefault(key, size) is not size:
            different[key].same.append(size.name)
    sizes = list(different.values())
    return sizes[:_MOST], len(sizes[_MOST:])


def size_of(flavor: things.Thing) -> Size:
    """Return what one more server of a flavor takes; where it fits is not known yet."""
    return _size(flavor.values)


def _size(flavor: Mapping[str, Any]) -> Size:
    specs = {key: str(value) for key, value in (flavor["extra_specs"] or {}).items()}
    sizes = {name: flavor[name] or 0 for name in ("vcpus", "ram", "disk", "ephemeral", "swap")}
    shape = compute_types.Flavor(original_name=flavor["name"], extra_specs=specs, **sizes)
    # One that is booted from an image: its root disk is on the host.
    server = compute_types.Server(flavor["id"], flavor["name"], flavor=shape, image={"id": ""})
    demand = placement.flavor_demand(flavor["id"], server)
    return Size(flavor["name"], flavor["id"], server, demand, _unseen(specs))


def _unseen(specs: Iterable[str]) -> list[str]:
    """Return what else a flavor asks for, beyond what Placement was asked."""
    found = set()
    for key in specs:
        word = key.partition(":")[0].rstrip("0123456789")
        if not key.startswith(_PLAIN):
            found |= {_UNSEEN[name] for name in (key, word) if name in _UNSEEN}
    return sorted(found)


def aggregate_specs(specs: Mapping[str, str]) -> list[str]:
    """Return what a flavor asks of the aggregates of its host."""
    return sorted(f"{key}={specs[key]}" for key in specs if key.startswith("aggregate_instance"))


def fitting_sizes(reading: Reading, sizes: Sequence[Size], found: Hosts) -> list[Size]:
    """Return the sizes of which Placement says where they fit; what is missing is said."""
    answered = []
    fits = reading.tried(lambda size: fitting(reading, size.demand), sizes)
    for size, there in zip(sizes, fits, strict=True):
        what = f"where flavor {size.name} fits"
        if isinstance(there, CloudError):
            reading.incomplete(what, str(there))
        elif found.aggregates_unread and aggregate_specs(size.server.flavor.extra_specs):
            reading.incomplete(what, "it asks for aggregates, which could not be read")
        else:
            size.fits = _allowed(size, there, found)
            answered.append(size)
    return answered


def _allowed(size: Size, fits: Mapping[str, int], found: Hosts) -> dict[str, int]:
    """Return how many fit, by host, without hosts that the scheduler does not look at."""
    return {
        host.id: fits[host.id]
        for host in found.chosen
        if host.id in fits and may_have(size, host, found)
    }


def may_have(size: Size, host: Host, found: Hosts) -> bool:
    """Return whether the scheduler looks at a host for a flavor."""
    return host.usable and aggregates_allow(size.server, host.service_host, found.aggregates)
