"""A server with its ports, and with the change of its devices that Nova works on.

Nova has no task for attaching and detaching: the newest action of the server tells of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from query_api.lookups import server_actions
from query_api.lookups.related import related
from query_api.lookups.server_actions import ServerAndAction
from query_api.lookups.things import Thing

_CHANGES = frozenset(
    {"attach_volume", "detach_volume", "swap_volume", "attach_interface", "detach_interface"}
)
# What nova-compute has not ended after so many seconds, it never heard of.
_LOST_AFTER = 3600.0


class ServerAndPorts(ServerAndAction):
    """A server with its ports, as Neutron has them."""

    ports: list[Any] = msgspec.field(default_factory=list)

    @property
    def guarded(self) -> list[Thing]:
        """Those of its ports that security groups apply to."""
        return [port for port in self.ports if port.port_security_enabled is not False]


def with_volumes(cloud: Cloud, server_id: str) -> ServerAndAction | None:
    """Return a server whose task is also an attaching or detaching; None if it is gone.

    Where many are looked at by one look their actions are left out: there is no listing of them.
    Raises CloudError.
    """
    server = server_actions.with_newest(cloud, server_id)
    if server is None or server.task_state:
        return server
    return msgspec.structs.replace(server, task_state=_device_change(cloud, server))


def with_ports(cloud: Cloud, server_id: str) -> ServerAndPorts | None:
    """Return the same with the server's ports; None if it is gone. Raises CloudError."""
    # The action first: what has ended by then shows in the ports.
    server = with_volumes(cloud, server_id)
    if server is None:
        return None
    ports = related(cloud, "port", "device_id", [server_id])
    return ServerAndPorts(**server_actions.fields(server), ports=ports)


def _device_change(cloud: Cloud, server: ServerAndAction) -> str | None:
    newest = server.newest
    if newest is None or newest.action not in _CHANGES:
        return None
    age = server_actions.seconds_since(newest.start_time)
    if age is not None and age > _LOST_AFTER:
        return None
    parts = server_actions.events(cloud, server.id, newest)
    over = bool(parts) and all(part.finish_time for part in parts)
    return None if over else newest.action
