"""What Nova's things look like: just the fields that are wanted, typed."""

from __future__ import annotations

from typing import Any

import msgspec


class Flavor(msgspec.Struct):
    """The flavor a server was booted from, as it was then. RAM in MiB, disk in GiB."""

    original_name: str = ""
    vcpus: int = 0
    ram: int = 0
    disk: int = 0
    ephemeral: int = msgspec.field(name="ephemeral", default=0)
    swap: int = 0
    extra_specs: dict[str, str] = {}


class Fault(msgspec.Struct):
    """Why a server is in ERROR."""

    message: str = ""


class Server(msgspec.Struct):
    """A server as an admin sees it."""

    id: str
    name: str
    status: str = ""
    host: str | None = msgspec.field(name="OS-EXT-SRV-ATTR:host", default=None)
    node: str | None = msgspec.field(name="OS-EXT-SRV-ATTR:hypervisor_hostname", default=None)
    task_state: str | None = msgspec.field(name="OS-EXT-STS:task_state", default=None)
    project_id: str = msgspec.field(name="tenant_id", default="")
    user_id: str = ""
    created: str = ""
    updated: str = ""
    locked: bool = False
    flavor: Flavor = msgspec.field(default_factory=Flavor)
    image: dict[str, Any] | str = ""
    metadata: dict[str, str] = {}
    tags: list[str] = []
    addresses: dict[str, list[dict[str, Any]]] = {}
    zone: str | None = msgspec.field(name="OS-EXT-AZ:availability_zone", default=None)
    pinned_zone: str | None = msgspec.field(name="pinned_availability_zone", default=None)
    fault: Fault | None = None
    volumes: list[dict[str, Any]] = msgspec.field(
        name="os-extended-volumes:volumes_attached", default_factory=list
    )

    @property
    def subject(self) -> str:
        """What a run claims to be the only one to work on it."""
        return f"server:{self.id}"

    @property
    def boots_from_volume(self) -> bool:
        """Whether the root disk is a volume: such a server has no image and needs no local disk."""
        return not self.image

    @property
    def ips(self) -> list[str]:
        """All its addresses, fixed and floating."""
        return [entry["addr"] for net in self.addresses.values() for entry in net]


class HypervisorService(msgspec.Struct):
    """The nova-compute service behind a hypervisor.

    ``others`` are the names of the other hypervisors that it serves, as one of Ironic does:
    compute.hypervisors fills them in.
    """

    id: str
    host: str
    disabled_reason: str | None = None
    others: list[str] = []


class Hypervisor(msgspec.Struct):
    """A hypervisor: ``state`` is up or down, ``status`` enabled or disabled. RAM in MiB."""

    id: str
    name: str = msgspec.field(name="hypervisor_hostname")
    state: str
    status: str
    service: HypervisorService
    vcpus: int = 0
    vcpus_used: int = 0
    memory_mb: int = 0
    memory_mb_used: int = 0
    running_vms: int = 0
    hypervisor_type: str = ""

    @property
    def subject(self) -> str:
        """What a run claims to be the only one to work on it."""
        return f"hypervisor:{self.id}"

    @property
    def usable(self) -> bool:
        """Whether servers may be put on it: it is up and enabled."""
        return self.state == "up" and self.status == "enabled"


# A cold migration or resize at this status waits to be confirmed or reverted, and holds its source.
UNCONFIRMED = "finished"


class Migration(msgspec.Struct):
    """One record of os-migrations; ``id`` grows with each new one of the same cell."""

    id: int
    uuid: str
    instance_uuid: str
    status: str
    migration_type: str | None = None
    source_compute: str | None = None
    dest_compute: str | None = None
    updated_at: str | None = None


class ServerGroup(msgspec.Struct):
    """A server group; ``policy`` is affinity, anti-affinity or a soft form of them."""

    id: str
    name: str
    policy: str = ""
    project_id: str = ""
    members: list[str] = []
    rules: dict[str, Any] = {}


class Aggregate(msgspec.Struct):
    """A host aggregate."""

    id: int
    name: str
    hosts: list[str] = []
    metadata: dict[str, str] = {}
