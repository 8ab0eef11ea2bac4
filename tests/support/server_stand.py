"""A server of a fake cloud that verbs are tried on, with what their examples name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import OWNER, Course, Hypervisor, Json, Server, uuid_of
from support.fake_cloud_flavors import FakeFlavors
from support.fake_cloud_power import Power
from support.fake_cloud_tables import Tables
from verbs.verb import Verb

_NAME = "web-1"


def images() -> list[Json]:
    """Return the image that servers of a fake cloud are made from, and the one of examples."""
    return [
        {"id": "image-1", "name": "ubuntu-24.04", "status": "active"},
        {"id": uuid_of("image", "debian-12"), "name": "debian-12", "status": "active"},
    ]


def sizes(fake: FakeCloud) -> None:
    """Have the flavors of examples."""
    flavors = fake.part(FakeFlavors)
    flavors.flavor("m1.small")
    flavors.flavor("m1.large", ram=4096)


class ServerStand:
    """A server."""

    states = (
        "ACTIVE",
        "ERROR",
        "PAUSED",
        "RESCUE",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SUSPENDED",
        "VERIFY_RESIZE",
    )
    marks = ("protected", "locked")
    changes = "(POST|PUT|DELETE) .*/(servers|ports)/"

    def __init__(self, fake: FakeCloud, name: str = _NAME) -> None:
        if not fake.hypervisors:
            fake.images += images()
            fake.hypervisors.append(Hypervisor("cmp-1"))
            sizes(fake)
        fake.servers.append(Server(name))
        self._fake, self._name = fake, name
        self._devices: FakeDevices | None = None

    @property
    def _server(self) -> Server:
        return self._fake.server(self._name)

    def own(self, name: str) -> str:
        """Return what a volume or port of the examples is called that is this server's."""
        return name if self._name == _NAME else f"{self._name}-{name}"

    def prepare(self, verb: Verb) -> None:
        self._server.locked = verb.name == "server.unlock"
        if verb.name == "server.unprotect":
            self._server.tags = ["openstack-ops-protected"]
        if verb.name == "server.reset_state":
            self._server.task = "rebooting"
            self._fake.nova.power.record(self._server, "reboot", over=False)
        if "migration" in verb.options.__struct_fields__:
            if len(self._fake.hypervisors) < 2:
                self._fake.hypervisors.append(Hypervisor("cmp-2"))
            self._fake.courses[self._server.id] = Course(ends_after=None)
            self._fake.nova.migrate(self._server, "live-migration", {}).status = "running"
        if set(verb.others) & {"volume", "network", "port", "security_group"}:
            self.equip(verb)
        else:
            self._fake.part(Tables)  # Neutron's and Cinder's, which say what goes with a server

    def equip(self, verb: Verb) -> None:
        """Give it the volumes and ports of the examples."""
        self._devices = devices = self._fake.part(FakeDevices)
        devices.volume(self.own("data-1"), self._server)
        devices.volume(self.own("data-2"))
        tables = devices.tables
        if not tables.networks:
            for name in ("default", "ssh"):
                devices.group(name)
            for name in ("lan", "backup"):
                devices.network(name)
        groups = {row["name"]: row["id"] for row in tables.security_groups}
        lan = next(row for row in tables.networks if row["name"] == "lan")
        mine = ["default", *(["ssh"] if verb.name == "server.remove_security_group" else [])]
        ids = [groups[group] for group in mine]
        devices.port(self.own("web-1-lan"), lan, self._server, security_groups=ids)
        devices.port(self.own("spare-1"), lan)

    def set(self, state: str) -> None:
        if state == "VERIFY_RESIZE":
            self._fake.nova.lives.hold(self._server)
        self._server.status = state

    def is_busy(self) -> bool:
        at_it = self._devices is not None and self._devices.is_busy(self._server)
        return at_it or any(server.task is not None for server in self._fake.servers)

    def disturb(self) -> str:
        self._server.task = "image_uploading"
        return "image_uploading"

    def mark(self, how: str) -> None:
        self._server.tags = ["openstack-ops-protected"] if how == "protected" else []
        self._server.locked = self._server.locked or how == "locked"

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        course = Power(seconds, ends and "ERROR", "libvirt went away" if ends else "", task)
        self._fake.nova.power.courses[self._server.id] = course
        state = "ACTIVE" if self._devices else "ERROR"
        return rf"{state}: .*\(libvirt went away\)"

    def remove(self) -> None:
        self._fake.servers.clear()


class ServerBirth:
    """Nova, with what the example names."""

    creates = "POST .*/servers$"
    deletes = "DELETE .*/servers/"

    def __init__(self, fake: FakeCloud) -> None:
        self._fake = fake
        fake.images += images()
        fake.hypervisors.append(Hypervisor("cmp-1"))
        sizes(fake)
        tables = fake.part(Tables)
        tables.networks.append({"id": "net-1", "name": "shop-net", "project_id": OWNER})
        for project in (OWNER, "another"):
            group = {"id": f"default-of-{project}", "name": "default", "project_id": project}
            tables.security_groups.append(group)

    def go(self, *, ends: str = "", seconds: float | None = 0.2) -> str:
        self._fake.nova.lives.birth = Power(seconds, ends and "ERROR", "No valid host was found")
        return "ERROR"

    def there(self) -> Sequence[Any]:
        return self._fake.servers
