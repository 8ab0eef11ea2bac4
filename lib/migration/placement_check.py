"""Whether servers can go elsewhere: hosts, room for all of them together, server groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from accounts.cloud import Cloud
from migration.policy import MigrationChoice, shown_size
from query_api.lookups import compute, placement
from query_api.lookups.compute_types import Aggregate, Hypervisor, Server, ServerGroup
from query_api.lookups.packing import Item, filled, unplaced
from workflow_api import NotFound, Refused, clean, count, listed

_DEFAULT_ZONE = "nova"
_AGGREGATE_SPEC = "aggregate_instance_extra_specs:"
_ZONED_OUT = (
    "its availability zone or its flavor's aggregates leave it no other hypervisor with room"
)
_NOWHERE = "it fits on no other hypervisor"


@dataclass
class PlacementCheck:
    """Where the servers of one hypervisor can go.

    ``refusals`` are reasons to refuse the whole; ``stuck`` says by server id why one must stay;
    ``target`` is the compute host that Nova is told, if the operator named a target, ``spare``
    those by server id that go to a spare host.
    """

    refusals: list[str] = field(default_factory=list)
    stuck: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    spare: dict[str, str] = field(default_factory=dict)


class CloudState:
    """What is asked of a cloud once, however many hypervisors are judged by it.

    Whoever then moves something judges again: nothing here is asked twice.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._fitting: dict[tuple[object, ...], frozenset[str]] = {}
        self._free: dict[str, placement.Resources] = {}
        self._hosts: dict[str, dict[str, str | None]] = {}

    @cached_property
    def aggregates(self) -> list[Aggregate]:
        """All aggregates."""
        return compute.aggregates(self.cloud)

    @cached_property
    def groups(self) -> list[ServerGroup]:
        """The server groups that the scheduler must obey."""
        known = compute.server_groups(self.cloud)
        return [group for group in known if group.policy in ("affinity", "anti-affinity")]

    def hosts_of(self, project: str) -> dict[str, str | None]:
        """Return the hosts of a project's servers, all in one listing."""
        if project not in self._hosts:
            listed = compute.servers(self.cloud, project_id=project)
            self._hosts[project] = {server.id: server.host for server in listed}
        return self._hosts[project]

    def room(self, demands: Sequence[placement.Demand]) -> placement.Room:
        """Return where each demand fits; Placement is asked for each different one once."""
        new = {demand.shape: demand for demand in demands if demand.shape not in self._fitting}
        found = placement.room(self.cloud, new.values())
        self._fitting |= {shape: found.hosts[demand.server] for shape, demand in new.items()}
        self._free |= found.free
        return placement.Room({one.server: self._fitting[one.shape] for one in demands}, self._free)


def placement_check(
    cloud: Cloud,
    source: Hypervisor,
    known: Sequence[Hypervisor],
    choices: Iterable[MigrationChoice],
    target: str | None,
    state: CloudState | None = None,
    allocated: Mapping[str, placement.Resources] | None = None,
    *,
    each_stays: bool = False,
    spare: Sequence[Hypervisor] = (),
) -> PlacementCheck:
    """Judge all movable servers together; every reason is found, not just the first.

    ``state`` is given by whoever judges several hypervisors, ``allocated`` by whoever knows what
    Placement has given away of the source. With ``each_stays`` a server that fits nowhere is stuck
    instead of a reason against all. ``spare`` hosts are filled first, in this order, as far as the
    others then still fit.
    """
    found, state = PlacementCheck(), state or CloudState(cloud)
    moving = [m.server for m in choices if m.how]
    hosts = _targets(cloud, source, known, target, found)
    if not moving or not hosts:
        return found
    groups = Groups(state, moving)
    moving = [s for s in moving if not _keep(found, s, groups.why_stuck(s))]
    held = placement.allocations(cloud, source.id) if allocated is None else allocated
    demands = placement.demands(moving, held)
    room = state.room(demands)
    items = []
    for server, demand in zip(moving, demands, strict=True):
        fitting = {host for host in hosts if host in room.hosts[server.id]}
        allowed = {h for h in fitting if aggregates_allow(server, hosts[h], state.aggregates)}
        apart = {h for h in allowed if groups.allows(server, hosts[h])}
        if each_stays and not allowed:
            found.stuck[server.id] = _ZONED_OUT if fitting else _NOWHERE
        elif fitting and not allowed:
            found.refusals.append(f"{_sized(server)}: {_ZONED_OUT}")
        elif not _keep(found, server, groups.why_apart(server) if allowed and not apart else ""):
            takes = {**demand.resources, **groups.takes(server)}
            items.append(Item(server.id, takes, frozenset(apart)))
    free = {id: {**room.free.get(id, {}), **groups.free(host)} for id, host in hosts.items()}
    _judge_room(found, items, {s.id: s for s in moving}, free)
    if spare and not found.refusals:
        goes = filled(items, free, [host.id for host in spare if host.id in hosts])
        found.spare = {server: hosts[id] for server, id in goes.items()}
    return found


def _targets(
    cloud: Cloud,
    source: Hypervisor,
    known: Sequence[Hypervisor],
    target: str | None,
    found: PlacementCheck,
) -> dict[str, str]:
    """Return the hosts that can take servers, as compute host by hypervisor id."""
    usable = {
        h.id: h.service.host
        for h in known
        if h.id != source.id and h.usable and not h.service.others
    }
    if target is not None:
        wanted = _target(cloud, source, known, target, found)
        found.target = wanted.service.host if wanted else None
        return {id: host for id, host in usable.items() if wanted and id == wanted.id}
    if not usable:
        found.refusals.append("no other hypervisor is up and enabled")
    return usable


def _target(
    cloud: Cloud,
    source: Hypervisor,
    known: Sequence[Hypervisor],
    target: str,
    found: PlacementCheck,
) -> Hypervisor | None:
    try:
        wanted = compute.pick_hypervisor(cloud, target, known)
    except NotFound as error:
        found.refusals.append(str(error).rstrip("."))
        return None
    if wanted.id == source.id:
        found.refusals.append(f"the target {wanted.name} is the hypervisor itself")
    elif wanted.service.others:
        found.refusals.append(
            f"the target {wanted.name} is one of several hypervisors of the compute service "
            f"{wanted.service.host}, and Nova can be told no more than the service"
        )
    elif not wanted.usable:
        found.refusals.append(f"the target {wanted.name} is {wanted.state} and {wanted.status}")
    return wanted


def _keep(found: PlacementCheck, server: Server, why: str) -> bool:
    if why:
        found.stuck[server.id] = why
    return bool(why)


def _judge_room(
    found: PlacementCheck,
    items: Sequence[Item],
    servers: Mapping[str, Server],
    free: Mapping[str, placement.Resources],
) -> None:
    """Say which servers fit nowhere, and which fit alone but not beside the others."""
    alone = [item for item in items if not item.places]
    for item in alone:
        found.refusals.append(f"{_sized(servers[item.name])} fits on no other hypervisor")
    together = unplaced([item for item in items if item.places], free)
    if together:
        names = listed(sorted(clean(servers[name].name) for name in together))
        found.refusals.append(
            f"each alone would fit, but there is no room for all together: {names} would be left"
        )


def _sized(server: Server) -> str:
    return f"{clean(server.name)} ({shown_size(server)})"


def aggregates_allow(server: Server, host: str, known: Sequence[Aggregate]) -> bool:
    """Return whether the scheduler's aggregate and zone filters can let the server onto a host.

    Only plain values are judged; expressions with operators are left to the scheduler.
    """
    mine = [aggregate for aggregate in known if host in aggregate.hosts]
    zones = {a.metadata.get("availability_zone") for a in mine} - {None} or {_DEFAULT_ZONE}
    if server.pinned_zone and server.pinned_zone not in zones:
        return False
    for key, wanted in server.flavor.extra_specs.items():
        if not key.startswith(_AGGREGATE_SPEC) or not wanted.replace("_", "").isalnum():
            continue
        name = key.removeprefix(_AGGREGATE_SPEC)
        offered = {
            value.strip()
            for aggregate in mine
            if name in aggregate.metadata
            for value in aggregate.metadata[name].split(",")
        }
        if wanted not in offered:
            return False
    return True


class Groups:
    """The hard server groups of the servers to be moved, and where their other members are.

    The group ``but`` is left out: it is about to be put right.
    """

    def __init__(self, state: CloudState, moving: Sequence[Server], but: str = "") -> None:
        self._of: dict[str, list[ServerGroup]] = {server.id: [] for server in moving}
        self._host = {server.id: server.host for server in moving}
        for group in (group for group in state.groups if group.id != but):
            for member in set(group.members) & set(self._of):
                self._of[member].append(group)
        mine = {group.id: group for groups in self._of.values() for group in groups}
        others = {m for group in mine.values() for m in group.members} - set(self._host)
        # A project's servers in one listing, not each member by itself.
        for project in sorted({g.project_id for g in mine.values() if others & set(g.members)}):
            there = state.hosts_of(project)
            self._host |= {id: host for id, host in there.items() if id in others}

    def why_stuck(self, server: Server) -> str:
        """Return why a member of an affinity group cannot leave the others, or nothing."""
        for group in self._of[server.id]:
            others = [m for m in group.members if m != server.id and self._host.get(m)]
            if group.policy == "affinity" and others:
                return (
                    f"affinity group {clean(group.name)} keeps it on one host with "
                    f"{len(others)} other{'s' * (len(others) > 1)}"
                )
        return ""

    def allows(self, server: Server, host: str) -> bool:
        """Return whether the anti-affinity groups of the server let it onto a host."""
        return all(self._places(group, host) > 0 for group in self._anti(server))

    def why_apart(self, server: Server) -> str:
        """Return the sentence for a server whose groups leave it no host."""
        names = listed(clean(group.name) for group in self._anti(server))
        return f"anti-affinity group {names} leaves it no other hypervisor with room"

    def takes(self, server: Server) -> dict[str, int]:
        """Return the server's membership in anti-affinity groups as resources that it takes."""
        return {group.id: 1 for group in self._anti(server)}

    def free(self, host: str) -> dict[str, int]:
        """Return how many more members of each anti-affinity group a host may take."""
        groups = [group for of in self._of.values() for group in of]
        return {group.id: self._places(group, host) for group in groups}

    def _anti(self, server: Server) -> list[ServerGroup]:
        return [g for g in self._of[server.id] if g.policy == "anti-affinity"]

    def _places(self, group: ServerGroup, host: str) -> int:
        there = sum(self._host.get(member) == host for member in group.members)
        return int(group.rules.get("max_server_per_host", 1)) - there


def refuse_shared(host: Hypervisor, doing: str) -> None:
    """Raise Refused if the compute service of a hypervisor has others too, as one of Ironic does.

    Scheduling is switched for a service and all its hypervisors at once.
    """
    service = host.service
    if service.others:
        why = (
            f"its compute service {service.host} has {count(len(service.others), 'hypervisor')} "
            f"more ({listed(service.others, 5)}), and Nova switches scheduling for all of them at "
            "once"
        )
        advice = (
            "Take a node of Ironic out by itself with openstack baremetal node maintenance set "
            f"{host.name}; openstack compute service set switches all of {service.host}."
        )
        raise Refused(f"{doing} {host.name}", [why], advice=advice)


def refuse_down(source: Hypervisor) -> None:
    """Raise Refused if the hypervisor is not up: nothing can be migrated off a dead host."""
    if source.state != "up":
        raise Refused(
            f"Moving servers off {source.name}",
            [f"its compute service is {source.state}"],
            advice="Servers of a dead hypervisor are evacuated, not migrated: once the host is "
            "proven to be off, with hypervisor.evacuate.",
        )
