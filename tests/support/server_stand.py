"""A server of a fake cloud that verbs are tried on, with what their examples name."""

from __future__ import annotations

from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Course, Hypervisor, Json, Server, uuid_of
from support.fake_cloud_power import Power
from verbs.verb import Verb

_NAME = "web-1"


def images() -> list[Json]:
    """Return the image that servers of a fake cloud are made from, and the one of examples."""
    return [
        {"id": "image-1", "name": "ubuntu-24.04", "status": "active"},
        {"id": uuid_of("image", "debian-12"), "name": "debian-12", "status": "active"},
    ]


class ServerStand:
    """A server."""

    states = ("ACTIVE", "ERROR", "PAUSED", "RESCUE", "SHELVED_OFFLOADED", "SHUTOFF", "SUSPENDED")
    marks = ("protected", "locked")
    changes = "(POST|PUT|DELETE) .*/(servers|ports)/"

    def __init__(self, fake: FakeCloud) -> None:
        fake.images += images()
        fake.hypervisors.append(Hypervisor("cmp-1"))
        fake.servers.append(Server(_NAME))
        self._fake = fake
        self._devices: FakeDevices | None = None

    @property
    def _server(self) -> Server:
        return self._fake.server(_NAME)

    def prepare(self, verb: Verb) -> None:
        self._server.locked = verb.name == "server.unlock"
        if verb.name == "server.unprotect":
            self._server.tags = ["openstack-ops-protected"]
        if verb.name == "server.reset_state":
            self._server.task = "rebooting"
            self._fake.nova.power.record(self._server, "reboot", over=False)
        if "migration" in verb.options.__struct_fields__:
            self._fake.hypervisors.append(Hypervisor("cmp-2"))
            self._fake.courses[self._server.id] = Course(ends_after=None)
            self._fake.nova.migrate(self._server, "live-migration", {}).status = "running"
        if set(verb.others) & {"volume", "network", "port", "security_group"}:
            self._equip(verb)

    def _equip(self, verb: Verb) -> None:
        """Give it the volumes and ports of the examples."""
        self._devices = devices = self._fake.part(FakeDevices)
        devices.volume("data-1", self._server)
        devices.volume("data-2")
        groups = {name: devices.group(name)["id"] for name in ("default", "ssh")}
        lan = devices.network("lan")
        devices.network("backup")
        mine = ["default", *(["ssh"] if verb.name == "server.remove_security_group" else [])]
        devices.port("web-1-lan", lan, self._server, security_groups=[groups[g] for g in mine])
        devices.port("spare-1", lan)

    def set(self, state: str) -> None:
        self._server.status = state

    def is_busy(self) -> bool:
        at_it = self._devices is not None and self._devices.is_busy(self._server)
        return at_it or self._server.task is not None

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
