"""What stands in a fake cloud: plain data, and how each service's API shows it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
OWNER = "project-of-tests"


def uuid_of(kind: str, name: str) -> str:
    """Return the id that a thing has unless a test gives it another: always the same.

    Ids sort as the beginnings of names do.
    """
    start = name[:6].encode()[:6].ljust(6, b"\0")
    return str(uuid.UUID(bytes=start + uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}:{name}").bytes[6:]))


@dataclass
class Flavor:
    """A flavor, RAM in MiB, disk in GiB."""

    name: str = "small"
    vcpus: int = 1
    ram: int = 1024
    disk: int = 10
    extra_specs: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> Json:
        """Return it as Nova embeds it in a server."""
        named = {"original_name": self.name, "vcpus": self.vcpus, "ram": self.ram}
        return {
            **named,
            "disk": self.disk,
            "ephemeral": 0,
            "swap": 0,
            "extra_specs": self.extra_specs,
        }


@dataclass
class Server:
    """A server; without ``allocated`` Placement knows nothing of it.

    ``node`` is its hypervisor, if that is not called as the host of the compute service.
    """

    name: str
    host: str | None = "cmp-1"
    status: str = "ACTIVE"
    id: str = ""
    flavor: Flavor = field(default_factory=Flavor)
    task: str | None = None
    locked: bool = False
    locked_reason: str = ""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    project: str = OWNER
    zone: str | None = None
    fault: str = ""
    image: str = "image-1"
    allocated: bool = True
    node: str | None = None
    description: str | None = None
    console: str = ""
    host_status: str = "UP"
    #: The ids of the volumes that are attached to it, and of those that Nova deletes with it.
    volumes: list[str] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = self.id or uuid_of("server", self.name)

    @property
    def resources(self) -> dict[str, int]:
        """What it takes up in Placement."""
        disk = self.flavor.disk if self.image else 0
        wanted = {"VCPU": self.flavor.vcpus, "MEMORY_MB": self.flavor.ram, "DISK_GB": disk}
        wanted |= {
            key.removeprefix("resources:"): int(value)
            for key, value in self.flavor.extra_specs.items()
            if key.startswith("resources:")
        }
        return {name: amount for name, amount in wanted.items() if amount}

    def as_json(self, version: tuple[int, ...]) -> Json:
        """Return it as Nova shows it to an admin under a microversion."""
        shown: Json = {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "tenant_id": self.project,
            "user_id": "user-1",
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-02T00:00:00Z",
            "metadata": self.metadata,
            "image": {"id": self.image} if self.image else "",
            "addresses": {"net": [{"addr": "192.0.2.10", "version": 4}]},
            "flavor": self.flavor.as_json() if version >= (2, 47) else {"id": "1"},
            "OS-EXT-SRV-ATTR:host": self.host,
            "OS-EXT-SRV-ATTR:hypervisor_hostname": self.node or self.host,
            "OS-EXT-STS:task_state": self.task,
            "OS-EXT-AZ:availability_zone": "nova",
            "os-extended-volumes:volumes_attached": [
                {"id": id, "delete_on_termination": id in self.doomed} for id in self.volumes
            ],
        }
        if version >= (2, 9):
            shown["locked"] = self.locked
        if version >= (2, 16):
            shown["host_status"] = self.host_status if self.host else ""
        if version >= (2, 19):
            shown["description"] = self.description
        if version >= (2, 26):
            shown["tags"] = self.tags
        if version >= (2, 96):
            shown["pinned_availability_zone"] = self.zone
        if self.fault:
            shown["fault"] = {"message": self.fault, "code": 500}
        return shown


@dataclass
class Hypervisor:
    """A hypervisor with its compute service and its resource provider, of the same id as it.

    ``holds`` is the capacity of each resource class, allocation ratios and reserves worked in.
    """

    name: str
    state: str = "up"
    status: str = "enabled"
    reason: str | None = None
    host: str = ""
    holds: dict[str, int] = field(
        default_factory=lambda: {"VCPU": 16, "MEMORY_MB": 16384, "DISK_GB": 200}
    )
    traits: set[str] = field(default_factory=set)
    id: str = ""
    #: Whether somebody said that it is down, and when it was heard of last.
    forced_down: bool = False
    heard: str = "2026-01-02T00:00:00.000000"

    def __post_init__(self) -> None:
        self.id = self.id or uuid_of("hypervisor", self.name)
        self.host = self.host or self.name

    @property
    def service(self) -> str:
        """The id of its nova-compute service."""
        return uuid_of("service", self.name)

    @property
    def seen(self) -> str:
        """Its state as Nova tells it."""
        return "down" if self.forced_down else self.state

    def as_json(self, servers: Iterable[Server]) -> Json:
        """Return it as os-hypervisors/detail does."""
        mine = [server for server in servers if server.host == self.host]
        service = {"id": self.service, "host": self.host, "disabled_reason": self.reason}
        return {
            "id": self.id,
            "hypervisor_hostname": self.name,
            "state": self.seen,
            "status": self.status,
            "service": service,
            "vcpus": self.holds.get("VCPU", 0),
            "vcpus_used": sum(s.flavor.vcpus for s in mine),
            "memory_mb": self.holds.get("MEMORY_MB", 0),
            "memory_mb_used": sum(s.flavor.ram for s in mine),
            "running_vms": len(mine),
            "hypervisor_type": "fake",
        }


@dataclass
class Group:
    """A server group; members are names of servers."""

    name: str
    policy: str
    members: list[str]
    most: int | None = None
    project: str = OWNER
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or uuid_of("group", self.name)

    def as_json(self) -> Json:
        """Return it as os-server-groups does since 2.64."""
        return {
            "id": self.id,
            "name": self.name,
            "policy": self.policy,
            "project_id": self.project,
            "members": [uuid_of("server", member) for member in self.members],
            "rules": {} if self.most is None else {"max_server_per_host": self.most},
        }


@dataclass
class Aggregate:
    """A host aggregate."""

    name: str
    hosts: list[str]
    metadata: dict[str, str] = field(default_factory=dict)
    id: int = 0

    def __post_init__(self) -> None:
        self.id = self.id or int(uuid_of("aggregate", self.name)[:4], 16)

    def as_json(self) -> Json:
        """Return it as os-aggregates does."""
        zone = self.metadata.get("availability_zone")
        shown = {"id": self.id, "name": self.name, "availability_zone": zone}
        return {**shown, "hosts": self.hosts, "metadata": self.metadata}


@dataclass
class Project:
    """A project."""

    name: str
    domain: str = "default"
    id: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = self.id or uuid_of("project", f"{self.domain}/{self.name}").replace("-", "")

    def as_json(self) -> Json:
        """Return it as Keystone does."""
        shown = {"id": self.id, "name": self.name, "domain_id": self.domain, "tags": self.tags}
        return {**shown, "enabled": True, **self.properties}


@dataclass
class Course:
    """How the next migration of a server goes, in seconds after it was accepted.

    ``ends`` is the last status of its record: for a cold one ``finished`` (it awaits its
    confirmation), for a live one ``completed``, or ``error`` with ``why``, the words of the event
    that failed. None is never: no record, no end.
    """

    record_after: float | None = 0.0
    ends_after: float | None = 2.0
    ends: str = ""
    why: str = ""
    to: str | None = None


@dataclass
class Migration:
    """One record of os-migrations, and the course that it takes."""

    number: int
    server: Server
    kind: str
    source: str
    to: str
    begun: float
    course: Course
    status: str = "queued"
    visible: bool = True

    @property
    def uuid(self) -> str:
        """Its UUID, which is also what holds the source's resources in Placement."""
        return uuid_of("migration", str(self.number))

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        under_way = ("queued", "running", "migrating", "accepted", "pre-migrating")
        return self.status not in under_way

    def as_json(self) -> Json:
        """Return it as os-migrations does since 2.59."""
        return {
            "id": self.number,
            "uuid": self.uuid,
            "instance_uuid": self.server.id,
            "status": self.status,
            "migration_type": self.kind,
            "source_compute": self.source,
            "dest_compute": self.to,
        }
