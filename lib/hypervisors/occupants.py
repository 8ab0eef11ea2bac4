"""What holds a hypervisor: the one definition of an empty hypervisor, for every runbook.

Nova's listing of a host's servers is not the whole of it. A server that was deleted softly, a cold
migration or resize away from the host that nobody has confirmed, and an allocation in Placement
that no server explains keep their place there too: a host that is reinstalled under them loses
disks that can still be asked for, and one that is counted as free is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from migration.policy import SOFT_DELETED
from query_api.lookups import compute, placement
from query_api.lookups.compute_types import UNCONFIRMED, Hypervisor, Migration, Server
from query_api.lookups.placement import Resources
from query_api.wire.reading import Reading
from workflow_api import CloudError, Context, UserError, clean, count, listed, picked

# Records of migrations that are looked at: those that wait for a confirmation are few, and of the
# newest of a host are those that an allocation can still be for.
_WAITING, _NEWEST = 1000, 1000


class Occupant(msgspec.Struct, frozen=True):
    """Something that holds a hypervisor; ``why`` says what it is and what ends it.

    ``id`` is the server's, or the consumer's where only Placement knows it; ``status`` is that of
    a server on the hypervisor.
    """

    id: str
    name: str
    why: str
    status: str = ""
    is_allocation: bool = False

    @property
    def shown(self) -> str:
        """Its name and id, for people."""
        return f"{self.name} ({self.id})" if self.name != self.id else self.id


class Occupants(msgspec.Struct, frozen=True):
    """All that holds a hypervisor: the servers on it, also deleted ones, and everything else.

    ``allocated`` is what Placement has given away of it, by consumer.
    """

    servers: list[Server]
    others: list[Occupant]
    allocated: Mapping[str, Resources]

    @property
    def all(self) -> list[Occupant]:
        """Servers and everything else, in the same form."""
        return [*map(_of_server, self.servers), *self.others]


def occupants(
    cloud: Cloud,
    host: Hypervisor,
    *,
    microversion: str = compute.SERVERS,
    waiting: Sequence[Migration] | None = None,
    with_placement: bool = True,
) -> Occupants:
    """Return what holds a hypervisor. It is empty if that is nothing.

    Three requests, and two more if anything but servers holds it. ``waiting`` are the cloud's
    unconfirmed migrations, from whoever looks at several hypervisors. Without Placement the answer
    says nothing of allocations. Raises CloudError.
    """
    service = host.service.host
    asked: list[Callable[[], Any]] = [
        lambda: compute.servers_on(cloud, host, soft_deleted=True, microversion=microversion),
        lambda: placement.allocations(cloud, host.id) if with_placement else {},
        lambda: unconfirmed(cloud, service) if waiting is None else waiting,
    ]
    servers, held, known = Reading(cloud).each(lambda ask: ask(), asked)
    servers = sorted(servers, key=lambda server: (server.name, server.id))
    away = [m for m in known if m.source_compute == service and not host.service.others]
    return Occupants(servers, _others(cloud, service, servers, held, away), held)


def claimed_occupants(ctx: Context, cloud: Cloud, host: Hypervisor) -> Occupants:
    """Return what holds a hypervisor, which is claimed, and the servers on it with it.

    Placement and the servers are of one look, after all of it was claimed.
    """
    looks: list[Occupants] = []

    def look() -> list[Server]:
        looks.append(occupants(cloud, host, microversion=compute.to_judge(cloud)))
        return looks[-1].servers

    ctx.claim(host)
    ctx.claimed(look)
    return looks[-1]


def excluded(
    cloud: Cloud, host: Hypervisor, there: Iterable[Server | Occupant], wanted: Iterable[str]
) -> dict[str, str]:
    """Return what an operator excludes of what is on a hypervisor, as names by id.

    It is named by id, or as names are shown. Raises UserError for what is not there, Ambiguous for
    a name that several have.
    """
    names = [_Named(one.id, clean(one.name)) for one in there]
    asked = [clean(each) for each in wanted]
    unknown = [each for each in asked if not any(each in (one.id, one.name) for one in names)]
    if unknown:
        raise UserError(
            f"exclude names what is not on the hypervisor: {listed(unknown)}.",
            advice="Give names or ids as hypervisor.show and the plan list them.",
        )
    where = f"{host.name} of cloud {cloud.name}"
    chosen = [picked("server", each, names, where=where) for each in asked]
    return {one.id: one.name for one in chosen}


class _Named(msgspec.Struct, frozen=True):
    id: str
    name: str


def leftovers(
    cloud: Cloud, hosts: Sequence[Hypervisor], used: Mapping[str, Resources] | None
) -> tuple[dict[str, list[Occupant]], dict[str, CloudError]]:
    """Return by id what holds those of the hypervisors that are not empty.

    They are ones on which Nova counts no servers, and ``used`` says by their ids what Placement
    has given away of each; None where that is not known. Those that could not be looked at stand
    in the second mapping, with why. Two requests for all of them, and a few for each that is not
    empty. Raises CloudError.
    """
    asked: list[Callable[[], Any]] = [
        lambda: compute.servers(cloud, status="SOFT_DELETED", soft_deleted=True),
        lambda: unconfirmed(cloud),
    ]
    deleted, waiting = Reading(cloud).each(lambda ask: ask(), asked)
    marked = {server.host for server in deleted} | {one.source_compute for one in waiting}
    doubtful = [
        host
        for host in hosts
        if host.service.host in marked or any((used or {}).get(host.id, {}).values())
    ]
    looks = Reading(cloud).tried(
        lambda host: occupants(cloud, host, waiting=waiting, with_placement=used is not None),
        doubtful,
    )
    held, unread = dict[str, list[Occupant]](), dict[str, CloudError]()
    for host, look in zip(doubtful, looks, strict=True):
        if isinstance(look, CloudError):
            unread[host.id] = look
        elif look.all:
            held[host.id] = look.all
    return held, unread


def unconfirmed(cloud: Cloud, service: str | None = None) -> list[Migration]:
    """Return the migrations (off one compute host, or all) that wait to be confirmed."""
    found = compute.migrations(cloud, host=service, limit=_WAITING, status=UNCONFIRMED)
    return [
        migration
        for migration in found
        if migration.status == UNCONFIRMED
        and migration.source_compute != migration.dest_compute
        and service in (None, migration.source_compute)
    ]


def told(held: Sequence[Occupant]) -> str:
    """Return what holds a hypervisor in one line, as a step's failure or a title says it."""
    servers = [f"{one.name} ({one.status})" for one in held if one.status]
    said = [f"{count(len(servers), 'server')}: {listed(servers)}"] if servers else []
    return "; ".join(said + [f"{one.shown}: {one.why}" for one in held if not one.status])


def _others(
    cloud: Cloud,
    service: str,
    servers: Sequence[Server],
    held: Mapping[str, Resources],
    away: Sequence[Migration],
) -> list[Occupant]:
    """Return what holds the host and is no server on it, each thing once."""
    here = {server.id for server in servers}
    left = {consumer: held[consumer] for consumer in held.keys() - here}
    away = [migration for migration in away if migration.instance_uuid not in here]
    if not left and not away:
        return []
    found: dict[str, Occupant] = {}
    resized = {one.id: one for one in compute.servers(cloud, status="VERIFY_RESIZE")}
    for migration in away:
        server = resized.get(migration.instance_uuid)
        # A record can have been left at this status when its server was deleted or reset.
        if server is not None or migration.uuid in left:
            found[migration.instance_uuid] = _awaiting(migration, server)
            left.pop(migration.uuid, None)
    records = compute.migrations(cloud, host=service, limit=_NEWEST) if left else []
    for consumer, resources in sorted(left.items()):
        moved = next((m for m in records if consumer in (m.uuid, m.instance_uuid)), None)
        if moved is None or moved.instance_uuid not in here:
            found.setdefault(consumer, _allocated(consumer, resources, moved))
    return list(found.values())


def _of_server(server: Server) -> Occupant:
    why = SOFT_DELETED if server.status == "SOFT_DELETED" else f"it is {server.status} there"
    return Occupant(server.id, clean(server.name), why, server.status)


def _awaiting(migration: Migration, server: Server | None) -> Occupant:
    id = migration.instance_uuid
    why = (
        f"its {migration.migration_type or 'migration'} to {clean(migration.dest_compute or '?')} "
        f"waits for its confirmation: openstack server resize confirm {id}, or revert"
    )
    return Occupant(id, clean(server.name) if server else id, why)


def _allocated(consumer: str, resources: Resources, moved: Migration | None) -> Occupant:
    amounts = shown_amounts(resources)
    of = ""
    if moved is not None:
        of = (
            f" for a migration of server {moved.instance_uuid} from {moved.source_compute} to "
            f"{moved.dest_compute} that is {moved.status!r}"
        )
    why = (
        f"Placement has {amounts} allocated to it{of}, and it is no server on this hypervisor: see "
        f"openstack resource provider allocation show {consumer}"
    )
    return Occupant(consumer, consumer, why, is_allocation=True)


def shown_amounts(resources: Resources) -> str:
    """Return ``MEMORY_MB 512, VCPU 2``."""
    return ", ".join(f"{name} {amount}" for name, amount in sorted(resources.items()))
