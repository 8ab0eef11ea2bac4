"""What Nova's things look like: just the fields that are wanted, typed.

How Nova calls a field, the tables of the query API say (``query_api.resources``), and they alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from query_api.resources import resource


def _as_in(name: str, **properties: str) -> Callable[[str], str | None]:
    """Return how Nova calls a field, from a resource's table.

    ``properties`` are the fields that are called otherwise than their properties. What has no
    property keeps its name: it is a whole of which the table has the parts.
    """
    known = {prop.name: prop.place for prop in resource(name).properties}

    def wire(field: str) -> str | None:
        place = known.get(properties.get(field, field), ())
        return place[0] if len(place) == 1 else None

    return wire


class Flavor(msgspec.Struct):
    """The flavor a server was booted from, as it was then. RAM in MiB, disk in GiB."""

    original_name: str = ""
    vcpus: int = 0
    ram: int = 0
    disk: int = 0
    ephemeral: int = 0
    swap: int = 0
    extra_specs: dict[str, str] = {}


class Fault(msgspec.Struct):
    """Why a server is in ERROR."""

    message: str = ""


class Server(
    msgspec.Struct,
    rename=_as_in(
        "server",
        node="hypervisor_hostname",
        zone="availability_zone",
        created="created_at",
        updated="updated_at",
    ),
):
    """A server as an admin sees it."""

    id: str
    name: str
    status: str = ""
    host: str | None = None
    node: str | None = None
    task_state: str | None = None
    project_id: str = ""
    user_id: str = ""
    created: str = ""
    updated: str = ""
    locked: bool = False
    flavor: Flavor = msgspec.field(default_factory=Flavor)
    image: dict[str, Any] | str = ""
    description: str | None = None
    metadata: dict[str, str] = {}
    tags: list[str] = []
    addresses: dict[str, list[dict[str, Any]]] = {}
    zone: str | None = None
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


class Hypervisor(msgspec.Struct, rename=_as_in("hypervisor")):
    """A hypervisor: ``state`` is up or down, ``status`` enabled or disabled. RAM in MiB."""

    id: str
    name: str
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


class Migration(
    msgspec.Struct,
    rename=_as_in("migration", instance_uuid="server_id", migration_type="type"),
):
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
