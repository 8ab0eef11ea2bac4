"""Volumes and ports of servers of a fake cloud, attached and detached by Nova."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Json, Server, uuid_of
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_power import Power
from support.fake_cloud_tables import Tables
from support.fake_cloud_volume import FakeCinder

_SERVER = "/compute/v2.1/servers/([^/]+)"
_PORT = "/network/v2.0/ports/([^/]+)"
_FOR_VOLUMES = {"ACTIVE", "PAUSED", "SHUTOFF", "VERIFY_RESIZE", "SHELVED", "SHELVED_OFFLOADED"}
_FOR_PORTS = {"ACTIVE", "PAUSED", "SHUTOFF"}


class FakeDevices:
    """The parts of the compute API that attach and detach, each by its newest record's event."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        # Volumes are Cinder's, whose routes come before those of the tables.
        self.cinder, self.tables = cloud.part(FakeCinder), cloud.part(Tables)
        self._ends: list[tuple[float, Callable[[], None]]] = []
        for line, handle in {
            f"POST {_SERVER}/os-volume_attachments": self._attach_volume,
            f"DELETE {_SERVER}/os-volume_attachments/([^/]+)": self._detach_volume,
            f"POST {_SERVER}/os-interface": self._attach_port,
            f"DELETE {_SERVER}/os-interface/([^/]+)": self._detach_port,
        }.items():
            # Before Cinder's own short way of detaching, which knows no states of servers.
            cloud.route(line, self._on_server(handle), first=True)
        #: How the ports of new servers are bound.
        self.vif_type = "ovs"
        cloud.nova.lives.born.append(self._give_ports)
        cloud.nova.lives.died.append(self._take_ports)
        cloud.route(f"GET {_PORT}", self._port)
        for rows in (self.tables.networks, self.tables.security_groups):
            cloud.route(f"GET {rows.kind.path}/([^/]+)", rows.shown)
        cloud.route(f"PUT {_PORT}", self._update_port)
        cloud.hooks.append(lambda request: self.advance())

    def network(self, name: str) -> Json:
        """Add a network and return its row."""
        row = {"id": uuid_of("network", name), "name": name, "project_id": OWNER}
        self.tables.networks.append(row)
        return row

    def port(self, name: str, network: Json, server: Server | None = None, **facts: Any) -> Json:
        """Add a port, of a server if one is given, and return its row."""
        row = {
            "id": uuid_of("port", name),
            "name": name,
            "network_id": network["id"],
            "device_id": server.id if server else "",
            "device_owner": "compute:nova" if server else "",
            "fixed_ips": [{"ip_address": f"192.0.2.{len(self.tables.ports) + 10}"}],
            "security_groups": [],
            "port_security_enabled": True,
            "project_id": OWNER,
            **facts,
        }
        self.tables.ports.append(row)
        return row

    def group(self, name: str) -> Json:
        """Add a security group and return its row."""
        row = {"id": uuid_of("group", name), "name": name, "project_id": OWNER}
        self.tables.security_groups.append(row)
        return row

    def volume(self, name: str, server: Server | None = None, **facts: Any) -> Json:
        """Add a volume, attached to a server if one is given, and return its row."""
        row = self.cinder.volume(name, **facts)
        if server:
            server.volumes.append(row["id"])
            self._attached(row, server)
        return row

    def is_busy(self, server: Server) -> bool:
        """Return whether a change of the server's devices is under way."""
        records = self._cloud.nova.power.records.get(server.id, ())
        return any(part["finish_time"] is None for record in records for part in record["events"])

    def advance(self) -> None:
        """Bring to an end what has taken its time."""
        for end in [end for end in self._ends if end[0] <= self._cloud.now()]:
            self._ends.remove(end)
            end[1]()

    # -- Nova ----------------------------------------------------------------------------------

    def _attach_volume(self, server: Server, request: Request) -> Answer:
        volume = self._volume(request.body["volumeAttachment"]["volumeId"])
        if volume["status"] != "available":
            return _refused(f"Invalid volume: it is {volume['status']}", 400)
        if refused := _busy(server, _FOR_VOLUMES, "attach_volume"):
            return refused

        def undone() -> None:
            server.volumes.remove(volume["id"])
            volume["status"] = "available"

        server.volumes.append(volume["id"])
        volume["status"] = "reserved"
        self._go(server, "attach_volume", lambda: self._attached(volume, server), undone)
        given = {"id": volume["id"], "volumeId": volume["id"], "serverId": server.id}
        return Answer({"volumeAttachment": {**given, "device": "/dev/vdb"}})

    def _attached(self, volume: Json, server: Server) -> None:
        if not any(one is server for one in self._cloud.servers):  # deleted meanwhile
            volume["status"] = "available"
            return
        volume["status"] = "in-use"
        volume["attachments"] = [{"server_id": server.id, "device": "/dev/vdb"}]

    def _detach_volume(self, server: Server, request: Request) -> Answer:
        volume = self._volume(request.parts[1])
        if volume["id"] not in server.volumes:
            return _refused("The volume is not attached to this server.", 404)
        if refused := _busy(server, _FOR_VOLUMES, "detach_volume"):
            return refused

        def done() -> None:
            server.volumes.remove(volume["id"])
            volume["status"], volume["attachments"] = "available", []

        volume["status"] = "detaching"
        self._go(server, "detach_volume", done, lambda: volume.update(status="in-use"))
        return Answer(status=202)

    def _attach_port(self, server: Server, request: Request) -> Answer:
        given = request.body["interfaceAttachment"]
        if refused := _busy(server, _FOR_PORTS, "attach_interface"):
            return refused

        def done() -> None:
            network = {"id": given.get("net_id", "")}
            fixed = {"fixed_ips": given["fixed_ips"]} if "fixed_ips" in given else {}
            if "port_id" in given:
                self._found(given["port_id"]).update(device_id=server.id)
            else:
                self.port(f"port-{len(self.tables.ports)}", network, server, **fixed)

        self._go(server, "attach_interface", done)
        return Answer({"interfaceAttachment": {"port_id": given.get("port_id", "new")}})

    def _detach_port(self, server: Server, request: Request) -> Answer:
        port = self._found(request.parts[1])
        if refused := _busy(server, _FOR_PORTS, "detach_interface"):
            return refused
        self._go(server, "detach_interface", lambda: port.update(device_id="", device_owner=""))
        return Answer(status=202)

    def _go(
        self,
        server: Server,
        action: str,
        done: Callable[[], None],
        undone: Callable[[], None] = lambda: None,
    ) -> None:
        """Record an action, and have it take the course that a test set for the server."""
        power = self._cloud.nova.power
        course = power.courses.pop(server.id, Power())
        begun = self._cloud.nova.power.moment()
        record = power.record(server, action, begun=begun, over=False)

        def end() -> None:
            failed = bool(course.ends) or not course.task
            (undone if failed else done)()
            power.finish(record, course.fault)

        if not course.task:
            end()
        elif course.seconds is not None:
            self._ends.append((self._cloud.now() + course.seconds, end))

    def _on_server(self, handle: Callable[[Server, Request], Answer]) -> Callable[..., Answer]:
        def answer(request: Request) -> Answer:
            for server in self._cloud.servers:
                if server.id == request.parts[0]:
                    return handle(server, request)
            return _refused(f"Instance {request.parts[0]} could not be found.", 404)

        return answer

    def _volume(self, id: str) -> Json:
        return next(row for row in self.cinder.volumes if row["id"] == id)

    def _give_ports(self, server: Server, given: Json) -> None:
        for network in given.get("networks", ()) if given.get("networks") != "none" else ():
            bound = {"binding:vif_type": self.vif_type, "binding:host_id": server.host}
            self.port(f"port of {server.id}", {"id": network["uuid"]}, server, **bound)

    def _take_ports(self, server: Server) -> None:
        self.tables.ports[:] = [p for p in self.tables.ports if p["device_id"] != server.id]
        for volume in self.cinder.volumes:
            if volume["id"] in server.volumes:
                volume["status"], volume["attachments"] = "available", []

    # -- Neutron -------------------------------------------------------------------------------

    def _found(self, id: str) -> Json:
        return next(row for row in self.tables.ports if row["id"] == id)

    def _port(self, request: Request) -> Answer:
        found = [row for row in self.tables.ports if row["id"] == request.parts[0]]
        return Answer({"port": found[0]}) if found else _refused("No such port.", 404)

    def _update_port(self, request: Request) -> Answer:
        port = self._found(request.parts[0])
        port.update(request.body["port"])
        return Answer({"port": port})


def _busy(server: Server, accepted: set[str], action: str) -> Answer | None:
    if server.status in accepted and not server.task:
        return None
    state = f"vm_state {server.status}, task_state {server.task}"
    return _refused(f"Cannot '{action}' instance {server.id} while it is in {state}", 409)


def _refused(said: str, status: int) -> Answer:
    return Answer({"conflictingRequest": {"message": said, "code": status}}, status)
