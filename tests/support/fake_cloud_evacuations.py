"""Evacuations of a fake Nova: servers of dead hosts are rebuilt, and what they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.fake_cloud_estate import Hypervisor, Json, Server
from support.fake_cloud_http import Answer

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud
    from support.fake_cloud_nova import FakeNova

_FROM = ("ACTIVE", "SHUTOFF", "ERROR", "REBUILD")
_KIND = "evacuation"


class FakeEvacuations:
    """What Nova does about hosts that are called down."""

    def __init__(self, cloud: FakeCloud, nova: FakeNova) -> None:
        self._cloud, self._nova = cloud, nova

    def force_down(self, host: Hypervisor, down: bool) -> Answer:
        """Believe what is said of a host; not that it is up while its evacuated servers remain."""
        if not down and self.remain(host):
            said = f"Unable to force up host {host.host} as `done` evacuation migration records"
            return _refused(f"{said} remain associated with the host.", 400)
        host.forced_down = down
        return Answer({"service": {"id": host.service, "forced_down": down}})

    def evacuate(self, server: Server, given: Json) -> Answer:
        """Rebuild a server elsewhere; Nova does not mind that it is just being rebuilt."""
        (host,) = (h for h in self._cloud.hypervisors if h.host == server.host)
        if host.seen == "up":
            return _refused(f"Compute service of {server.host} is still in use.", 400)
        if server.status not in _FROM:
            said = f"Cannot 'evacuate' instance {server.id} while it is in {server.status}"
            return _refused(said, 409)
        before = server.status
        migration = self._nova.migrate(server, _KIND, given)
        migration.status = "accepted"
        # A server in ERROR runs again.
        self._nova.before[server.id] = "ACTIVE" if before in ("ERROR", "REBUILD") else before
        self._leave_allocation(host, server)
        return Answer({"adminPass": "never told"})

    def remain(self, host: Hypervisor) -> list[str]:
        """Return the ids of the servers that the host's nova-compute has not cleared away yet."""
        return [
            migration.server.id
            for migration in self._cloud.migrations
            if (migration.kind, migration.source, migration.status) == (_KIND, host.host, "done")
        ]

    def restart(self, host: Hypervisor) -> None:
        """Have nova-compute start on a host: it clears away what was evacuated."""
        host.state = "up"
        leaked = self._cloud.placement.leaked.get(host.name, {})
        for migration in self._cloud.migrations:
            if (migration.kind, migration.source) == (_KIND, host.host):
                migration.status = "completed" if migration.status == "done" else migration.status
                leaked.pop(migration.server.id, None)

    def _leave_allocation(self, host: Hypervisor, server: Server) -> None:
        # Until then the host still holds what they took.
        leaked = self._cloud.placement.leaked.setdefault(host.name, {})
        leaked[server.id] = server.resources


def _refused(said: str, code: int) -> Answer:
    return Answer({"badRequest": {"message": said, "code": code}}, code)
