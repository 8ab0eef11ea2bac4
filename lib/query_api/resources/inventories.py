"""What hosts have and what of it is taken, of every resource class, as Placement counts it.

A host's resource provider has the hypervisor's id; what is nested in it (NUMA nodes, GPUs) counts
with it. Amounts are in the class's own unit: VCPU, MEMORY_MB (MiB), DISK_GB (GiB).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from accounts.cloud import not_there
from common.errors import CloudError
from common.text import listed
from query_api.wire.objects import Summary

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

Answer = TypeVar("Answer")
# Resources of all classes and of nested providers stand in summaries; one tree can be asked for.
_PLACEMENT = "1.31"
# So few hosts are asked for one by one: Placement looks at all of them to say where there is room.
FEW = 4
# A host appears among those with room if it has one unit left of any of these.
_ANY = ("VCPU:1", "MEMORY_MB:1", "DISK_GB:1")


class Inventory(msgspec.Struct):
    """What a host has: in total, of that reserved, and how often the rest may be given away.

    A ratio is None where the parts of a host differ in it.
    """

    total: dict[str, int] = {}
    reserved: dict[str, int] = {}
    ratio: dict[str, float | None] = {}


class Room(msgspec.Struct):
    """What may be given away, (total - reserved) * ratio, and what is; and the host's traits."""

    capacity: dict[str, int] = {}
    used: dict[str, int] = {}
    traits: list[str] = []

    @property
    def free(self) -> dict[str, int]:
        """What is left; below zero where more is given away than there is."""
        return {name: amount - self.used.get(name, 0) for name, amount in self.capacity.items()}


class _Amount(msgspec.Struct):
    total: int
    reserved: int = 0
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)


class _Inventories(msgspec.Struct):
    inventories: dict[str, _Amount]


class _Usages(msgspec.Struct):
    usages: dict[str, int]


class _Traits(msgspec.Struct):
    traits: list[str]


class _Provider(msgspec.Struct, frozen=True):
    uuid: str
    root_provider_uuid: str


class _Providers(msgspec.Struct):
    resource_providers: list[_Provider]


class _Candidates(msgspec.Struct):
    provider_summaries: dict[str, Summary]


def inventories(reading: Reading, hosts: list[str]) -> Mapping[str, Inventory]:
    """Return what hosts have, by their ids; one that Placement does not know is left out.

    Hosts with unreadable parts are also left out and reported as missing, because their sums
    would be wrong. Raises
    CloudError if nothing could be read.
    """
    found: dict[str, Inventory] = {}
    for provider, amounts in _of_each(reading, hosts, _amounts):
        host = found.setdefault(provider.root_provider_uuid, Inventory())
        for name, amount in amounts.items():
            if host.ratio.setdefault(name, amount.allocation_ratio) != amount.allocation_ratio:
                host.ratio[name] = None
            _add(host.total, name, amount.total)
            _add(host.reserved, name, amount.reserved)
    return found


def rooms(reading: Reading, hosts: list[str]) -> Mapping[str, Room]:
    """Return what hosts have room for, by their ids; as :func:`inventories` otherwise.

    Placement has no list of it, but says it of every host that has anything left at all: one to
    three requests. What is full to the last unit is asked for provider by provider.
    """
    mark = reading.mark()
    found = rooms_left(reading, set(hosts))
    lacking = [host for host in hosts if host not in found]
    try:
        parts = _of_each(reading, lacking, _room)
    except CloudError as error:
        if not found:
            raise
        parts = []  # of the others it is known
        reading.incomplete(f"inventory of {reading.cloud.name} ({listed(lacking, 3)})", str(error))
    for provider, room in parts:
        _join(found.setdefault(provider.root_provider_uuid, Room()), room)
    if all(host in found for host in hosts):
        reading.take_back(mark)  # what did not answer at first was found in another way
    return {host: found[host] for host in hosts if host in found}


def _of_each(
    reading: Reading, hosts: list[str], read: Callable[[Reading, _Provider], Answer]
) -> list[tuple[_Provider, Answer]]:
    """Return what is read of each provider, of those hosts of which all of it could be read."""
    providers = _providers(reading, hosts)
    known = reading.answers(
        lambda one: read(reading, one),
        providers,
        lambda one: f"inventory of {reading.cloud.name} ({one.root_provider_uuid})",
    )
    torn = {one.root_provider_uuid for one in providers if one not in known}
    return [(one, got) for one, got in known.items() if one.root_provider_uuid not in torn]


def rooms_left(reading: Reading, hosts: set[str]) -> dict[str, Room]:
    """Return the room in hosts that have anything left; perhaps in others too.

    One to three requests, or one a host if they are few. Raises CloudError.
    """
    found: dict[str, Room] = {}
    if len(hosts) <= FEW:
        what = f"room of {reading.cloud.name}"
        for room in reading.answers(
            lambda host: _with_room(reading, _ANY[0], host),
            sorted(hosts),
            lambda host: f"{what} ({host})",
        ).values():
            found.update(room)
        return found
    for resources in _ANY:
        if not hosts <= found.keys():
            found = {**_with_room(reading, resources), **found}
    return found


def _with_room(reading: Reading, resources: str, host: str | None = None) -> dict[str, Room]:
    """Return the hosts that have ``resources`` left, or just one of them if it has."""
    path, params = "/allocation_candidates", {"resources": resources, "in_tree": host}
    answer = reading.one("placement", path, _Candidates, params, _PLACEMENT)
    found: dict[str, Room] = {}
    for summary in answer.provider_summaries.values():
        room = Room(
            {name: taken.capacity for name, taken in summary.resources.items()},
            {name: taken.used for name, taken in summary.resources.items()},
            summary.traits,
        )
        _join(found.setdefault(summary.root_provider_uuid, Room()), room)
    return found


def _room(reading: Reading, provider: _Provider) -> Room:
    amounts = _amounts(reading, provider)
    if not amounts:
        return Room(traits=_part(reading, provider, "traits", _Traits([])).traits)
    return Room(
        {name: amount.capacity for name, amount in amounts.items()},
        _part(reading, provider, "usages", _Usages({})).usages,
        _part(reading, provider, "traits", _Traits([])).traits,
    )


def _amounts(reading: Reading, provider: _Provider) -> dict[str, _Amount]:
    return _part(reading, provider, "inventories", _Inventories({})).inventories


def _providers(reading: Reading, hosts: list[str]) -> list[_Provider]:
    """Return the resource providers of hosts, those that are nested in them too."""
    if not hosts:
        return []
    wanted = set(hosts)
    asked: Iterable[str | None] = hosts if len(hosts) <= FEW else [None]
    answers = reading.answers(
        lambda host: _tree(reading, host),
        asked,
        lambda host: f"inventory of {reading.cloud.name} ({host})",
    )
    found = [one for answer in answers.values() for one in answer]
    return [one for one in found if one.root_provider_uuid in wanted]


def _tree(reading: Reading, host: str | None) -> list[_Provider]:
    path, params = "/resource_providers", {"in_tree": host}
    answer: _Providers = reading.one("placement", path, _Providers, params, _PLACEMENT)
    return answer.resource_providers


def _part(reading: Reading, provider: _Provider, name: str, nothing: Answer) -> Answer:
    """Return what is said of a provider; ``nothing`` if it has just been deleted."""
    path = f"/resource_providers/{provider.uuid}/{name}"
    try:
        found: Answer = reading.one("placement", path, type(nothing), None, _PLACEMENT)
    except CloudError as error:
        if not not_there(error):
            raise
        return nothing
    return found


def _join(host: Room, more: Room) -> None:
    for name, amount in more.capacity.items():
        _add(host.capacity, name, amount)
    for name, amount in more.used.items():
        _add(host.used, name, amount)
    host.traits = sorted({*host.traits, *more.traits})


def _add(amounts: dict[str, Any], name: str, amount: int) -> None:
    amounts[name] = amounts.get(name, 0) + amount
