"""Listings of a fake cloud that are plain rows: ports, volumes, users, flavors and the like.

A row is what the service answers. A request is answered with the rows that have each of its
parameters; those that are no key of a row are not looked at, as a real service passes over them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json, uuid_of
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_rows import Kind, Rows

# Each kind of row; which properties are unique is as the services have it.
_KINDS = {
    "ports": Kind("/network/v2.0/ports", "port", "ports"),
    "floating_ips": Kind("/network/v2.0/floatingips", "floatingip", "floatingips"),
    "networks": Kind("/network/v2.0/networks", "network", "networks"),
    "subnets": Kind("/network/v2.0/subnets", "subnet", "subnets"),
    "routers": Kind("/network/v2.0/routers", "router", "routers"),
    "security_groups": Kind("/network/v2.0/security-groups", "security_group", "security_groups"),
    "agents": Kind("/network/v2.0/agents", "agent", "agents"),
    "volumes": Kind("/volume/v3/volumes", "volume", "volumes", "/volume/v3/volumes/detail"),
    "snapshots": Kind(
        "/volume/v3/snapshots", "snapshot", "snapshots", "/volume/v3/snapshots/detail"
    ),
    "users": Kind("/identity/v3/users", "user", "users", unique=("domain_id", "name")),
    "roles": Kind("/identity/v3/roles", "role", "roles", unique=("name",)),
    "role_assignments": Kind("/identity/v3/role_assignments", "", "role_assignments"),
    "flavors": Kind(
        "/compute/v2.1/flavors",
        "flavor",
        "flavors",
        "/compute/v2.1/flavors/detail",
        unique=("name",),
    ),
    "providers": Kind("/placement/resource_providers", "", "resource_providers", key="uuid"),
}
# Parameters that are not keys of their rows, and the part of a row that they are compared with.
_PARTS: dict[str, Callable[[Json], Any]] = {
    "scope.project.id": lambda row: row["scope"].get("project", {}).get("id"),
    "user.id": lambda row: row["user"]["id"],
    "fixed_ips": lambda row: f"ip_address={row['fixed_ips'][0]['ip_address']}",
}


class Tables:
    """Rows by their kind, as attributes: ``tables.ports.append({...})``."""

    ports: Rows
    floating_ips: Rows
    networks: Rows
    subnets: Rows
    routers: Rows
    security_groups: Rows
    agents: Rows
    volumes: Rows
    snapshots: Rows
    users: Rows
    roles: Rows
    role_assignments: Rows
    flavors: Rows
    providers: Rows

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        cloud.services |= {"network": "/network", "block-storage": "/volume/v3"}
        cloud.route("GET /network", self._network)
        cloud.route("GET /volume/v3", self._volume)
        for name, kind in _KINDS.items():
            setattr(self, name, Rows(cloud, kind, _passes))
        # What only those are told who see all there is.
        for path in ("/network/v2.0/quotas/0+", "/image/v2/tasks", "/volume/v3/os-services"):
            cloud.route(f"GET {path}", lambda request: Answer({}))
        cloud.route("GET /identity/v3/users/([^/]+)", self._user)
        cloud.route("GET /identity/v3/projects/([^/]+)", self._project)
        cloud.route("GET /compute/v2.1/os-hypervisors", self._hypervisors)
        cloud.route("GET /compute/v2.1/os-hypervisors/([^/]+)", self._hypervisor)
        self.providers += [
            {"uuid": h.id, "name": h.name, "root_provider_uuid": h.id} for h in cloud.hypervisors
        ]

    def person(self, name: str, mail: str | None = None, **roles: str) -> Json:
        """Add a user with roles by the name of the project; return their row."""
        user = {"id": uuid_of("user", name).replace("-", ""), "name": name, "email": mail}
        row = {**user, "domain_id": "default", "enabled": True}
        self.users.append(row)
        projects = {project.name: project for project in self._cloud.projects}
        for project, role in roles.items():
            self.grant(row, projects[project].as_json(), role)
        return row

    def grant(self, user: Json, project: Json, role: str, *, granted: str = "") -> None:
        """Give a user a role in a project; ``granted`` is the role that implies it."""
        if f"id-of-{role}" not in {one["id"] for one in self.roles}:
            self.roles.append({"id": f"id-of-{role}", "name": role})
        self.role_assignments.append(
            {
                "role": {"id": f"id-of-{role}", "name": role},
                "user": {**user, "domain": {"id": user["domain_id"], "name": "Default"}},
                "scope": {"project": {**project, "domain": {"id": "default", "name": "Default"}}},
                "links": {"assignment": f"http://x/v3/projects/p/roles/id-of-{granted or role}"},
            }
        )

    def _user(self, request: Request) -> Answer:
        found = [row for row in self.users if row["id"] == request.parts[0]]
        return Answer({"user": found[0]}) if found else _nothing("user")

    def _project(self, request: Request) -> Answer:
        found = [one for one in self._cloud.projects if one.id == request.parts[0]]
        return Answer({"project": found[0].as_json()}) if found else _nothing("project")

    def _hypervisors(self, request: Request) -> Answer:
        rows = [
            {
                "id": host.id,
                "hypervisor_hostname": host.name,
                "servers": [
                    {"uuid": server.id, "name": server.name}
                    for server in self._cloud.servers
                    if server.host == host.host
                ],
            }
            for host in self._cloud.hypervisors
        ]
        return Answer({"hypervisors": rows})

    def _hypervisor(self, request: Request) -> Answer:
        hosts = [host for host in self._cloud.hypervisors if host.id == request.parts[0]]
        shown = [host.as_json(self._cloud.servers) for host in hosts]
        return Answer({"hypervisor": shown[0]}) if shown else _nothing("hypervisor")

    def _network(self, request: Request) -> Answer:
        links = [{"rel": "self", "href": f"{self._cloud.origin}/network/v2.0/"}]
        return Answer({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def _volume(self, request: Request) -> Answer:
        links = [{"rel": "self", "href": f"{self._cloud.origin}/volume/v3/"}]
        version = {"id": "v3.0", "status": "CURRENT", "links": links, "version": "3.70"}
        return Answer({"versions": [{**version, "min_version": "3.0"}]})


def _passes(row: Json, asked: dict[str, str]) -> bool:
    return all(
        _PARTS[name](row) == value if name in _PARTS else str(row[name]) == value
        for name, value in asked.items()
        if name in _PARTS or name in row
    )


def _nothing(kind: str) -> Answer:
    return Answer({"error": {"code": 404, "message": f"Could not find {kind}."}}, 404)
