"""The servers, users and projects of the loopback cloud, as JSON that is ready to be sent.

Each server is as Nova shows it at microversion 2.96, about 2.5 kB. The same numbers give the same
estate but for its times, which lie in the two years before now.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

_STATUSES = {"ACTIVE": 80, "SHUTOFF": 12, "ERROR": 3, "PAUSED": 1, "SUSPENDED": 2, "BUILD": 2}
_POWER = {"ACTIVE": 1, "SHUTOFF": 4, "PAUSED": 3, "SUSPENDED": 4}
_VM_STATES = {"SHUTOFF": "stopped", "BUILD": "building"}
_ROLES = ("web", "db", "worker", "cache", "build", "notebook", "gateway", "queue")
_FLAVORS = (
    ("m1.small", 1, 2048, 20, {}),
    ("m1.large", 4, 8192, 80, {}),
    ("c2.xlarge", 16, 65536, 40, {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"}),
    ("g1.gpu", 8, 32768, 100, {"pci_passthrough:alias": "a100:1", "trait:HW_GPU": "required"}),
)
_BRIEF = ("id", "name", "links")
_EPOCH = timedelta(days=730)


class Collection:
    """Rows as one text with commas between them, and where each begins."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.text = b", ".join(texts)
        self.count = len(texts)
        self._starts = list(accumulate((len(text) + 2 for text in texts), initial=0))

    def slice(self, start: int, end: int, turned: bool = False) -> memoryview | bytes:
        """Return rows ``start`` up to ``end`` without copying them; ``turned``, as from the end."""
        if start >= end:
            return b""
        if turned:
            places = range(self.count - start - 1, self.count - end - 1, -1)
            return b", ".join(self.slice(place, place + 1) for place in places)
        return memoryview(self.text)[self._starts[start] : self._starts[end] - 2]


class Estate:
    """Everything there is in the cloud; ``place`` must be called before servers are asked for."""

    servers: Collection
    brief: Collection

    def __init__(self, servers: int, users: int, projects: int) -> None:
        self._random = random.Random(2026)
        self._now = datetime.now(timezone.utc).replace(microsecond=0)
        self._projects = [self._hex() for _ in range(projects)]
        self._users = [self._hex() for _ in range(users)]
        self._images = [str(self._uuid()) for _ in range(40)]
        self.ids = [str(self._uuid()) for _ in range(servers)]
        self.places = {identity: place for place, identity in enumerate(self.ids)}

    def place(self, url: str) -> None:
        """Make all rows; ``url`` is what their links begin with."""
        users = [self._user(*entry, url) for entry in enumerate(self._users)]
        projects = [self._project(*entry, url) for entry in enumerate(self._projects)]
        named = {"users": users, "projects": projects, "domains": [self._domain(url)]}
        self.identity = {
            name: Collection([_json(row) for row in rows]) for name, rows in named.items()
        }
        detail, brief = [], []
        for place in range(len(self.ids)):  # the unwritten servers are never all in memory
            row = self._server(place, url)
            detail.append(_json(row))
            brief.append(_json({key: row[key] for key in _BRIEF}))
        self.servers, self.brief = Collection(detail), Collection(brief)

    def _server(self, place: int, url: str) -> dict[str, Any]:
        pick = self._random
        identity, role = self.ids[place], pick.choice(_ROLES)
        name = f"{role}-{pick.randrange(10**6):06d}"
        (status,) = pick.choices(list(_STATUSES), list(_STATUSES.values()))
        # Nova lists the newest first.
        created = self._now - _EPOCH * ((place + 1) / (len(self.ids) + 1))
        updated = created + (self._now - created) * pick.random()
        flavor, vcpus, ram, disk, specs = pick.choice(_FLAVORS)
        image, host = pick.choice(self._images), f"cmp-{pick.randrange(1, 401):03d}.example.org"
        up = status != "BUILD"
        return {
            "accessIPv4": "",
            "accessIPv6": "",
            "addresses": self._addresses() if up else {},
            "created": _time(created),
            "flavor": {
                "vcpus": vcpus,
                "ram": ram,
                "disk": disk,
                "ephemeral": 0,
                "swap": 0,
                "original_name": flavor,
                "extra_specs": specs,
            },
            "hostId": f"{pick.getrandbits(224):056x}" if up else "",
            "id": identity,
            # Booted from a volume, a server has no image.
            "image": "" if pick.random() < 0.25 else {"id": image, "links": _bookmark(url, image)},
            "links": [
                {"rel": "self", "href": f"{url}/compute/v2.1/servers/{identity}"},
                {"rel": "bookmark", "href": f"{url}/compute/servers/{identity}"},
            ],
            "metadata": {
                "owner": f"team-{pick.randrange(60)}",
                "environment": pick.choice(("production", "staging", "test")),
                "ticket": f"OPS-{pick.randrange(10**5)}",
            },
            "name": name,
            "status": status,
            "tenant_id": pick.choice(self._projects),
            "user_id": pick.choice(self._users),
            "updated": _time(updated),
            "OS-DCF:diskConfig": "MANUAL",
            "progress": 0,
            "OS-EXT-AZ:availability_zone": f"az-{place % 3 + 1}" if up else "",
            "config_drive": "",
            "key_name": pick.choice((None, "laptop", "deploy")),
            "OS-SRV-USG:launched_at": f"{_time(created)[:-1]}.000000" if up else None,
            "OS-SRV-USG:terminated_at": None,
            "OS-EXT-SRV-ATTR:host": host if up else None,
            "OS-EXT-SRV-ATTR:instance_name": f"instance-{place:08x}",
            "OS-EXT-SRV-ATTR:hypervisor_hostname": host if up else None,
            "OS-EXT-SRV-ATTR:hostname": name,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:launch_index": 0,
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:reservation_id": f"r-{pick.getrandbits(40):010x}",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda" if up else None,
            "OS-EXT-SRV-ATTR:user_data": None,
            "OS-EXT-STS:task_state": None if up else "spawning",
            "OS-EXT-STS:vm_state": _VM_STATES.get(status, status.lower()),
            "OS-EXT-STS:power_state": _POWER.get(status, 0),
            "os-extended-volumes:volumes_attached": [
                {"id": str(self._uuid()), "delete_on_termination": False}
                for _ in range(pick.randrange(3))
            ],
            "locked": False,
            "description": None,
            "tags": pick.sample(("backup", "dmz", "gpu", "legacy", "pci"), pick.randrange(3)),
            "trusted_image_certificates": None,
            "locked_reason": None,
            "pinned_availability_zone": None,
            "host_status": "UP" if up else "",
            "security_groups": [{"name": "default"}, {"name": role}],
        }

    def _addresses(self) -> dict[str, Any]:
        bits, found = self._random.getrandbits, {}
        for network in ("tenant-net", "storage-net")[: self._random.choice((1, 1, 2))]:
            mac = "fa:16:3e:" + ":".join(f"{bits(8):02x}" for _ in range(3))
            inner = f"10.{bits(8)}.{bits(8)}.{bits(8)}"
            outer = f"192.0.{bits(8)}.{bits(8)}"
            pairs = [(4, inner, "fixed"), (6, f"fd00::{bits(16):x}:{bits(16):x}", "fixed")]
            if bits(1):
                pairs.append((4, outer, "floating"))
            found[network] = [
                {
                    "version": version,
                    "addr": address,
                    "OS-EXT-IPS:type": kind,
                    "OS-EXT-IPS-MAC:mac_addr": mac,
                }
                for version, address, kind in pairs
            ]
        return found

    def _user(self, place: int, identity: str, url: str) -> dict[str, Any]:
        return {
            **({"email": f"user{place}@example.org"} if place % 20 else {}),
            "id": identity,
            "name": f"user{place}",
            "domain_id": "default",
            "enabled": place % 30 > 0,
            "password_expires_at": None,
            "options": {},
            "links": {"self": f"{url}/identity/v3/users/{identity}"},
        }

    def _project(self, place: int, identity: str, url: str) -> dict[str, Any]:
        return {
            "id": identity,
            "name": f"project-{place}",
            "domain_id": "default",
            "description": f"What team {place} runs",
            "enabled": True,
            "parent_id": "default",
            "is_domain": False,
            "tags": [],
            "options": {},
            "links": {"self": f"{url}/identity/v3/projects/{identity}"},
        }

    def _domain(self, url: str) -> dict[str, Any]:
        return {
            "id": "default",
            "name": "Default",
            "description": "The default domain",
            "enabled": True,
            "tags": [],
            "options": {},
            "links": {"self": f"{url}/identity/v3/domains/default"},
        }

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def _hex(self) -> str:
        return self._uuid().hex


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode()


def _bookmark(url: str, image: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": f"{url}/compute/images/{image}"}]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
