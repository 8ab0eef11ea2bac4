"""Faults of the kind that audits look for, made on a real cloud and taken away again.

Everything has a name that begins with PREFIX, so that what a killed test leaves can be told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openstack
import pymysql
from openstack.connection import Connection

from devcloud.settings import Settings
from support.cloud_site import until

PREFIX = "audit-test-"
_PLACEMENT = "placement 1.28"


@dataclass
class Faults:
    """Makes faults; what was made last is taken away first."""

    sdk: Connection
    settings: Settings
    _undo: list[Callable[[], object]] = field(default_factory=list)

    def name(self) -> str:
        """Return a new name."""
        return f"{PREFIX}{uuid.uuid4().hex[:8]}"

    def later(self, undo: Callable[..., object], *args: Any, **how: Any) -> None:
        """Have something done at the end."""
        self._undo.append(lambda: undo(*args, **how))

    def clear(self) -> None:
        """Take everything away; what fails is raised when the rest is gone."""
        failed: list[Exception] = []
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as error:  # the rest has to go in any case
                failed.append(error)
        if failed:
            raise failed[0]

    # -- Keystone ------------------------------------------------------------------------------

    def role(self, name: str) -> str:
        """Return the id of a role."""
        return str(self.sdk.identity.find_role(name, ignore_missing=False).id)

    def project(self) -> str:
        """Make a project; it may be gone by the end."""
        made = self.sdk.identity.create_project(name=self.name(), domain_id="default")
        self.later(self._delete_project, made.id)
        return str(made.id)

    def _delete_project(self, project: str) -> None:
        self.sdk.identity.delete_project(project, ignore_missing=True)
        # The default group that Neutron has made of itself. Asking it for the groups of a project
        # would make one.
        for group in list(self.sdk.network.security_groups()):
            if group.project_id == project:
                self.sdk.network.delete_security_group(group.id)

    def user(self, **more: Any) -> str:
        """Make a user."""
        made = self.sdk.identity.create_user(name=self.name(), domain_id="default", **more)
        self.later(self.sdk.identity.delete_user, made.id, ignore_missing=True)
        return str(made.id)

    def group(self, user: str) -> str:
        """Make a group with one user in it."""
        made = self.sdk.identity.create_group(name=self.name(), domain_id="default")
        self.later(self.sdk.identity.delete_group, made.id, ignore_missing=True)
        self.sdk.identity.add_user_to_group(user, made.id)
        return str(made.id)

    def grant(self, where: str, who: str, role: str) -> None:
        """Grant a role, with the path of a place and that of a user or group."""
        path = f"/{where}/{who}/roles/{self.role(role)}"
        if where.startswith("OS-INHERIT"):
            path += "/inherited_to_projects"
        self.sdk.identity.put(path).raise_for_status()

    def grant_to_nobody(self, role: str, user: str, project: str) -> None:
        """Leave an assignment behind, as a user does who is taken out of a directory."""
        values = ("UserProject", user, project, self.role(role), 0)
        with self._keystone() as cursor:
            cursor.execute(
                "INSERT INTO assignment (type, actor_id, target_id, role_id, inherited) "
                "VALUES (%s, %s, %s, %s, %s)",
                values,
            )
        self.later(self._forget, user)

    def _forget(self, user: str) -> None:
        with self._keystone() as cursor:
            cursor.execute("DELETE FROM assignment WHERE actor_id = %s", (user,))

    @contextmanager
    def _keystone(self) -> Iterator[Any]:
        database = pymysql.connect(
            host="127.0.0.1",
            port=self.settings.ports["mariadb"],
            user="devcloud",
            password=self.settings.passwords["database"],
            database="keystone",
            autocommit=True,
        )
        with database, database.cursor() as cursor:
            yield cursor

    def within(self, project: str) -> Connection:
        """Return the administrator's connection to a project."""
        self.grant(f"projects/{project}", f"users/{self.sdk.current_user_id}", "admin")
        auth = dict(self.sdk.config.auth)
        for key in ("project_name", "project_domain_id", "project_domain_name"):
            auth.pop(key, None)
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth={**auth, "project_id": project},
            region_name=self.sdk.config.region_name,
        )

    # -- things of a project ---------------------------------------------------------------------

    def network(self, cloud: Connection) -> str:
        """Make a network with a subnet, which goes with it."""
        made = cloud.network.create_network(name=self.name())
        self.later(self.sdk.network.delete_network, made.id)
        cloud.network.create_subnet(
            name=self.name(), network_id=made.id, ip_version=4, cidr="192.0.2.0/24"
        )
        return str(made.id)

    def port(self, cloud: Connection, network: str, **more: Any) -> str:
        """Make a port."""
        made = cloud.network.create_port(name=self.name(), network_id=network, **more)
        self.later(self.sdk.network.delete_port, made.id)
        return str(made.id)

    def floating_ip(self, cloud: Connection) -> str:
        """Make a floating IP that leads nowhere."""
        public = next(iter(cloud.network.networks(is_router_external=True)))
        made = cloud.network.create_ip(floating_network_id=public.id)
        self.later(self.sdk.network.delete_ip, made.id)
        return str(made.id)

    def security_group(self, cloud: Connection) -> str:
        """Make a security group."""
        made = cloud.network.create_security_group(name=self.name())
        self.later(self.sdk.network.delete_security_group, made.id)
        return str(made.id)

    def rule(self, cloud: Connection, group: str, **what: Any) -> str:
        """Make a rule that lets something in; it goes with its group."""
        made = cloud.network.create_security_group_rule(
            security_group_id=group, direction="ingress", **what
        )
        return str(made.id)

    def image(self, cloud: Connection) -> str:
        """Make an image."""
        made = cloud.image.create_image(
            name=self.name(), disk_format="raw", container_format="bare", data=b"nothing", wait=True
        )
        self.later(self.sdk.image.delete_image, made.id)
        return str(made.id)

    def volume(self, cloud: Connection) -> str:
        """Make a volume."""
        made = cloud.block_storage.create_volume(name=self.name(), size=1)
        self.later(self._delete_volume, made.id)
        until(lambda: self.sdk.block_storage.get_volume(made.id).status == "available", "a volume")
        return str(made.id)

    def _delete_volume(self, volume: str) -> None:
        storage = self.sdk.block_storage
        until(
            lambda: not [s for s in storage.snapshots(all_projects=True) if s.volume_id == volume],
            "the snapshots of a volume are gone",
        )
        storage.delete_volume(volume)

    def volume_snapshot(self, cloud: Connection, volume: str, **metadata: str) -> str:
        """Make a snapshot of a volume."""
        made = cloud.block_storage.create_snapshot(
            volume_id=volume, name=self.name(), metadata=metadata
        )
        self.later(self.sdk.block_storage.delete_snapshot, made.id)
        until(
            lambda: self.sdk.block_storage.get_snapshot(made.id).status == "available", "a snapshot"
        )
        return str(made.id)

    def flavor(self) -> str:
        """Make a flavor that boots at once."""
        made = self.sdk.compute.create_flavor(name=self.name(), ram=64, vcpus=1, disk=0)
        self.later(self.sdk.compute.delete_flavor, made.id)
        return str(made.id)

    def server(self, cloud: Connection, image: str, flavor: str, port: str | None = None) -> str:
        """Boot a server, on a port if one is given."""
        body = {
            "name": self.name(),
            "imageRef": image,
            "flavorRef": flavor,
            "networks": [{"port": port}] if port else "none",
        }
        answer = cloud.compute.post("/servers", json={"server": body}, microversion="2.74")
        answer.raise_for_status()
        id = str(answer.json()["server"]["id"])
        self.later(self._delete_server, id)
        until(lambda: self.sdk.compute.get_server(id).status == "ACTIVE", "a server")
        return id

    def _delete_server(self, id: str) -> None:
        server = self.sdk.compute.get_server(id)
        self.sdk.compute.delete_server(server, force=True)
        self.sdk.compute.wait_for_delete(server, interval=1, wait=60)

    def server_snapshot(self, cloud: Connection, server: str, **metadata: str) -> str:
        """Take a snapshot of a server."""
        made = cloud.compute.create_server_image(server, self.name(), metadata=metadata, wait=True)
        self.later(self.sdk.image.delete_image, made.id)
        return str(made.id)

    def allocation(self) -> str:
        """Let nobody hold something of a provider."""
        placement = self.sdk.placement
        provider = next(iter(placement.resource_providers()))
        consumer = str(uuid.uuid4())
        body = {
            "allocations": {provider.id: {"resources": {"VCPU": 1}}},
            "project_id": self.sdk.current_project_id,
            "user_id": self.sdk.current_user_id,
            "consumer_generation": None,
        }
        headers = {"OpenStack-API-Version": _PLACEMENT}
        path = f"/allocations/{consumer}"
        placement.put(path, json=body, headers=headers).raise_for_status()
        self.later(placement.delete, path)
        return consumer
