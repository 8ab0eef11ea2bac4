"""What Placement knows: what servers take up, and which hosts have room for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CloudError
from query_api.lookups.compute_types import Flavor, Server
from query_api.wire.objects import Summary
from query_api.wire.reader import one

# All resource classes of a provider stand in its summary, forbidden traits can be asked for.
PLACEMENT = "1.29"
# nova-compute sets it on a host whose service is disabled.
DISABLED = "COMPUTE_STATUS_DISABLED"
Resources = dict[str, int]


class _Allocation(msgspec.Struct):
    resources: Resources


class _Allocations(msgspec.Struct):
    allocations: dict[str, _Allocation]


class _Providers(msgspec.Struct):
    resource_providers: list[dict[str, Any]]


class Traits(msgspec.Struct):
    """What a provider is marked with; its generation tells whether it was changed since."""

    traits: list[str]
    generation: int = msgspec.field(name="resource_provider_generation")


class Request(msgspec.Struct):
    """One way to take what was asked for: from which providers how much."""

    allocations: dict[str, _Allocation]


class Candidates(msgspec.Struct):
    """Placement's answer to where something fits."""

    allocation_requests: list[Request]
    provider_summaries: dict[str, Summary]


@dataclass(frozen=True)
class Demand:
    """What one server takes up, in Placement's resource classes, and the traits it needs."""

    server: str
    resources: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()

    @property
    def shape(self) -> tuple[object, ...]:
        """What makes two servers' demands the same question to Placement."""
        return (tuple(sorted(self.resources.items())), self.required, self.forbidden)


@dataclass(frozen=True)
class Room:
    """Where demands fit: hosts (resource provider ids) by server, and what is free on each."""

    hosts: Mapping[str, frozenset[str]]
    free: Mapping[str, Resources]


def allocations(cloud: Cloud, hypervisor_id: str) -> dict[str, Resources]:
    """Return what is allocated of a hypervisor, by consumer: a server, or a migration by its UUID.

    A hypervisor that Placement does not know has given nothing away. Raises CloudError.
    """
    path = f"/resource_providers/{hypervisor_id}/allocations"
    try:
        held = one(cloud, "placement", path, _Allocations, microversion=PLACEMENT).allocations
    except CloudError as error:
        if not not_there(error) or _knows(cloud, hypervisor_id):
            raise
        return {}
    return {consumer: allocation.resources for consumer, allocation in held.items()}


def held_by(cloud: Cloud, consumer: str) -> dict[str, Resources]:
    """Return what a server or a migration holds, by the provider that gave it.

    Raises CloudError.
    """
    path = f"/allocations/{consumer}"
    held = one(cloud, "placement", path, _Allocations, microversion=PLACEMENT).allocations
    return {provider: allocation.resources for provider, allocation in held.items()}


def _knows(cloud: Cloud, provider: str) -> bool:
    """Return whether Placement knows a provider: a 404 is also what a wrong endpoint answers."""
    path, params = "/resource_providers", {"uuid": provider}
    found = one(cloud, "placement", path, _Providers, params=params, microversion=PLACEMENT)
    return bool(found.resource_providers)


def demands(servers: Iterable[Server], held: Mapping[str, Resources]) -> list[Demand]:
    """Return what each of a hypervisor's servers takes up.

    ``held`` are Placement's own allocations there; a server that has none (they can be lost, and
    healed) counts as what its flavor says.
    """
    found = []
    for server in servers:
        resources = held.get(server.id) or by_flavor(server)
        found.append(Demand(server.id, resources, *_traits(server.flavor)))
    return found


def traits(cloud: Cloud, provider: str) -> Traits:
    """Return the traits of a resource provider. Raises CloudError."""
    path = f"/resource_providers/{provider}/traits"
    return one(cloud, "placement", path, Traits, microversion=PLACEMENT)


def room(cloud: Cloud, wanted: Iterable[Demand], *, disabled_too: bool = False) -> Room:
    """Return where each demand fits by itself, by Placement's own arithmetic.

    One request for each different demand; units, ratios, reserved amounts and traits are
    Placement's business. Hosts whose service is disabled are left out, unless ``disabled_too``.
    """
    hosts: dict[str, frozenset[str]] = {}
    free: dict[str, Resources] = {}
    by_shape: dict[tuple[object, ...], list[Demand]] = {}
    for demand in wanted:
        by_shape.setdefault(demand.shape, []).append(demand)
    for alike in by_shape.values():
        found = _candidates(cloud, alike[0], disabled_too)
        summaries = found.provider_summaries
        fitting = frozenset(
            summaries[provider].root_provider_uuid
            for request in found.allocation_requests
            for provider in request.allocations
        )
        free.update(_free(summaries.values()))
        hosts.update({demand.server: fitting for demand in alike})
    return Room(hosts, free)


def _free(summaries: Iterable[Summary]) -> dict[str, Resources]:
    """Return what is free on each host, its nested providers' (GPUs, NUMA nodes) with it."""
    free: dict[str, Resources] = {}
    for summary in summaries:
        host = free.setdefault(summary.root_provider_uuid, {})
        for name, amount in summary.resources.items():
            host[name] = host.get(name, 0) + amount.capacity - amount.used
    return free


def by_flavor(server: Server) -> Resources:
    """Return what a server takes up by its flavor, as Nova would ask Placement for it."""
    return taken_by(server.flavor, boots_from_volume=server.boots_from_volume)


def taken_by(flavor: Flavor, *, boots_from_volume: bool) -> Resources:
    """Return what a server of a flavor takes up; its root disk only if that is on the host."""
    root = 0 if boots_from_volume else flavor.disk
    cpus = "PCPU" if flavor.extra_specs.get("hw:cpu_policy") == "dedicated" else "VCPU"
    wanted = {
        cpus: flavor.vcpus,
        "MEMORY_MB": flavor.ram,
        # Swap is in MiB; Nova rounds the sum up to GiB.
        "DISK_GB": root + flavor.ephemeral + -(-flavor.swap // 1024),
    }
    for key, value in flavor.extra_specs.items():
        if key.startswith("resources:") and value.isdigit():
            wanted[key.removeprefix("resources:")] = int(value)
    return {name: amount for name, amount in wanted.items() if amount}


def _traits(flavor: Flavor) -> tuple[frozenset[str], frozenset[str]]:
    traits = {
        key.removeprefix("trait:"): value
        for key, value in flavor.extra_specs.items()
        if key.startswith("trait:")
    }
    return (
        frozenset(name for name, value in traits.items() if value == "required"),
        frozenset(name for name, value in traits.items() if value == "forbidden"),
    )


def flavor_demand(name: str, server: Server) -> Demand:
    """Return what one more server like this one would take up, by its flavor."""
    return Demand(name, by_flavor(server), *_traits(server.flavor))


def wanted_of(demand: Demand, disabled_too: bool = False) -> dict[str, str]:
    """Return the parameters by which Placement is asked who has room for a demand."""
    forbidden = demand.forbidden | (frozenset() if disabled_too else {DISABLED})
    traits = sorted(demand.required) + [f"!{trait}" for trait in sorted(forbidden)]
    amounts = [f"{name}:{amount}" for name, amount in sorted(demand.resources.items())]
    marks = {"required": ",".join(traits)} if traits else {}
    return {"resources": ",".join(amounts), **marks}


def _candidates(cloud: Cloud, demand: Demand, disabled_too: bool) -> Candidates:
    return one(
        cloud,
        "placement",
        "/allocation_candidates",
        Candidates,
        params=wanted_of(demand, disabled_too),
        microversion=PLACEMENT,
    )
