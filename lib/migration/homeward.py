"""Which servers that were moved off a host can go back to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from migration.placement_check import CloudState, Groups, aggregates_allow
from migration.policy import MigrationChoice, step_data
from query_api.lookups import placement
from query_api.lookups.compute_types import Hypervisor, Server
from query_api.lookups.packing import Item, placed

_DOWN = "its hypervisor is down: servers of a dead hypervisor are evacuated, not migrated"
_NO_PLACE = "it has no room for it by now, or zone, aggregates or server groups forbid it"
_NOT_ALL = "it has no room for it beside the others"


class Homeward(msgspec.Struct):
    """The moves back, as data of the step that moves, and who stays and why."""

    moves: list[dict[str, Any]] = []
    left: list[tuple[Server, str]] = []


def homeward(
    cloud: Cloud, home: Hypervisor, choices: Sequence[MigrationChoice], known: Sequence[Hypervisor]
) -> Homeward:
    """Return the moves of servers to one host, as many as it has room for together.

    One request for each different size of server, and those of CloudState.
    """
    found, state = Homeward(), CloudState(cloud)
    up = {host.service.host for host in known if host.state == "up"}
    moving = [one.server for one in choices if one.how]
    groups = Groups(state, moving)
    demands = placement.demands(moving, {})
    room = state.room(demands)
    takes = {demand.server: demand.resources for demand in demands}

    def why_not(one: MigrationChoice) -> str:
        server, host = one.server, home.service.host
        if one.how is None:
            return one.why
        if server.host not in up:
            return _DOWN
        if why := groups.why_stuck(server):
            return why
        fits = home.id in room.hosts[server.id]
        fits = fits and aggregates_allow(server, host, state.aggregates)
        return "" if fits and groups.allows(server, host) else _NO_PLACE

    reasons = {one.server.id: why_not(one) for one in choices}
    items = [
        Item(id, {**takes[id], **groups.takes(server)}, frozenset({home.id}))
        for server in moving
        for id in [server.id]
        if not reasons[id]
    ]
    free = {home.id: {**room.free.get(home.id, {}), **groups.free(home.service.host)}}
    going = placed(items, free)
    for one in choices:
        server = one.server
        if server.id in going and one.how and server.host:
            found.moves.append(step_data(server, one.how, server.host, home.service.host))
        else:
            found.left.append((server, reasons[server.id] or _NOT_ALL))
    return found
