"""Which servers of a group have to move, and where to, so that the group keeps its policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from migration.placement_check import CloudState, Groups, aggregates_allow
from migration.policy import MigrationChoice, step_data
from query_api.lookups import placement
from query_api.lookups.compute_types import Hypervisor, Server
from query_api.lookups.packing import Item, placed
from workflow_api import clean

_DOWN = "its hypervisor is down: servers of a dead hypervisor are evacuated, not migrated"


class Policy(msgspec.Struct, frozen=True):
    """What a group wants: its servers together or apart, at most so many on one host."""

    group: str
    together: bool
    most: int = 1


class Repair(msgspec.Struct):
    """The moves that put a group right, as data of the step that moves, and who stays and why."""

    moves: list[dict[str, Any]] = []
    left: list[tuple[Server, str]] = []


def regrouped(
    cloud: Cloud, policy: Policy, choices: Sequence[MigrationChoice], known: Sequence[Hypervisor]
) -> Repair:
    """Return the fewest moves after which a group keeps its policy, or comes closest to it.

    ``movements`` are all members that are on a host. Each goes where Placement has room for it
    beside the others, where its zone and its flavor's aggregates let it, and where no other hard
    server group minds. One request for each different size of server, and those of CloudState.
    """
    regrouping = _Regrouping(cloud, policy, choices, known)
    return regrouping.together() if policy.together else regrouping.apart()


class _Regrouping:
    def __init__(
        self,
        cloud: Cloud,
        policy: Policy,
        choices: Sequence[MigrationChoice],
        known: Sequence[Hypervisor],
    ) -> None:
        self._policy, self._movements = policy, choices
        self._up = {host.service.host for host in known if host.state == "up"}
        # Nova is told no more than a service, so one with several hypervisors is no target.
        usable = [host for host in known if host.usable and not host.service.others]
        self._hosts = {host.id: host.service.host for host in usable}
        self._ids = {name: id for id, name in self._hosts.items()}
        self._on = Counter(one.server.host for one in choices)
        moving = [one.server for one in choices if one.how]
        self._state = CloudState(cloud)
        self._others = Groups(self._state, [m.server for m in choices], but=policy.group)
        demands = placement.demands(moving, {})
        self._room = self._state.room(demands)
        self._takes = {demand.server: demand.resources for demand in demands}

    # -- one host for all ----------------------------------------------------------------------

    def together(self) -> Repair:
        """Return the moves to that one of the group's hosts which leaves fewest servers behind.

        Nova lets a member of such a group go nowhere else.
        """
        hosts = sorted(host for host in self._on if host in self._ids)
        tried = [self._all_to(host) for host in hosts]
        if not tried:
            why = "no hypervisor of the group is up and enabled"
            return Repair(left=[(one.server, why) for one in self._movements])
        return min(tried, key=lambda one: (len(one.left), len(one.moves)))

    def _all_to(self, host: str) -> Repair:
        found, items, id = Repair(), list[Item](), self._ids[host]
        movers = [one for one in self._movements if one.server.host != host]
        for one in movers:
            why = self._why_not(one)
            if not why and id not in self._places(one.server):
                why = f"{host} has no room for it, or its zone, aggregates or groups forbid it"
            if why:
                found.left.append((one.server, why))
            else:
                items.append(self._item(one.server, {id}))
        where = placed(items, self._free())
        for one in movers:
            if one.server.id in where:
                found.moves.append(self._move(one, id))
            elif any(item.name == one.server.id for item in items):
                found.left.append((one.server, f"{host} has no room for it beside the others"))
        return found

    # -- few on each host ----------------------------------------------------------------------

    def apart(self) -> Repair:
        """Return the moves off hosts that have too many: as many as are too many, small ones."""
        found, chosen = Repair(), list[Item]()
        where: dict[str, str] = {}
        movers = {one.server.id: one for one in self._movements}
        for host in sorted(host for host in self._on if host):
            surplus = self._on[host] - self._policy.most
            stay: list[tuple[Server, str]] = []
            for one in self._by_size(host) if surplus > 0 else ():
                if surplus == 0:
                    break
                if why := self._why_not(one):
                    stay.append((one.server, why))
                    continue
                item = self._item(one.server, self._places(one.server) - {self._ids.get(host, "")})
                fits = placed([*chosen, item], self._free())
                if len(fits) <= len(chosen):
                    stay.append((one.server, _NOWHERE))
                    continue
                chosen.append(item)
                where = fits
                surplus -= 1
            found.left += stay if surplus > 0 else []
        found.moves = [self._move(movers[item.name], where[item.name]) for item in chosen]
        return found

    def _by_size(self, host: str) -> Iterator[MigrationChoice]:
        here = [one for one in self._movements if one.server.host == host]
        yield from sorted(here, key=lambda one: (one.server.flavor.ram, one.server.name))

    # -- what both go by -----------------------------------------------------------------------

    def _why_not(self, one: MigrationChoice) -> str:
        if one.how is None:
            return one.why
        if one.server.host not in self._up:
            return _DOWN
        return self._others.why_stuck(one.server)

    def _places(self, server: Server) -> set[str]:
        """Return the hypervisors on which a server may be, room for it alone among that."""
        fitting = self._room.hosts.get(server.id, frozenset())
        return {
            id
            for id, host in self._hosts.items()
            if id in fitting
            and aggregates_allow(server, host, self._state.aggregates)
            and self._others.allows(server, host)
        }

    def _item(self, server: Server, places: set[str]) -> Item:
        one = {} if self._policy.together else {self._policy.group: 1}
        takes = {**self._takes.get(server.id, {}), **self._others.takes(server), **one}
        return Item(server.id, takes, frozenset(places))

    def _free(self) -> Mapping[str, Mapping[str, int]]:
        return {
            id: {
                **self._room.free.get(id, {}),
                **self._others.free(host),
                self._policy.group: self._policy.most - self._on[host],
            }
            for id, host in self._hosts.items()
        }

    def _move(self, one: MigrationChoice, target: str) -> dict[str, Any]:
        assert one.how is not None
        assert one.server.host is not None
        return step_data(one.server, one.how, one.server.host, self._hosts[target])


_NOWHERE = "no hypervisor with room for it keeps the policy"


def named_moves(moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each move in words: a step's sentence does not say the target."""
    return [f"{move['name']} goes to {clean(move['target'])}" for move in moves]
