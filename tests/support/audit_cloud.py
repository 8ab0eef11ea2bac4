"""A cloud for audits: every listing that they read, as plain rows that a test puts together.

Filters and limits are not obeyed, as a service may: what comes back has to be looked at here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json
from support.fake_cloud_http import Answer, Request

#: Long ago.
OLD = "2020-01-02T03:04:05Z"
#: The projects that exist; the domain is one too.
LIVING, DOMAIN = "project-living", "domain-1"
GONE = "project-gone"
USER = "user-ann"
_PATHS = {
    "project": "/identity/v3/projects",
    "domain": "/identity/v3/domains",
    "user": "/identity/v3/users",
    "group": "/identity/v3/groups",
    "role": "/identity/v3/roles",
    "role_assignment": "/identity/v3/role_assignments",
    "role_inference": "/identity/v3/role_inferences",
    "server": "/compute/v2.1/servers/detail",
    "flavor": "/compute/v2.1/flavors/detail",
    "aggregate": "/compute/v2.1/os-aggregates",
    "migration": "/compute/v2.1/os-migrations",
    "service": "/compute/v2.1/os-services",
    "image": "/image/v2/images",
    "volume": "/volume/v3/volumes/detail",
    "snapshot": "/volume/v3/snapshots/detail",
    "network": "/network/v2.0/networks",
    "router": "/network/v2.0/routers",
    "port": "/network/v2.0/ports",
    "floatingip": "/network/v2.0/floatingips",
    "security_group": "/network/v2.0/security-groups",
    "security_group_rule": "/network/v2.0/security-group-rules",
    "resource_provider": "/placement/resource_providers",
}
#: What services are asked to find out whether they show everything; they do.
_SIGHT = ("/network/v2.0/quotas/.*", "/image/v2/tasks", "/volume/v3/os-services")


class AuditCloud(FakeCloud):
    """The cloud: ``rows`` by kind, what consumers hold of providers, who is in which group.

    ``soft_deleted`` are servers that Nova shows only to who asks for such.
    """

    def __init__(self, **rows: list[Json]) -> None:
        super().__init__()
        self.services |= {"network": "/network", "block-storage": "/volume/v3"}
        self.rows: dict[str, list[Json]] = {
            "project": [{"id": LIVING, "name": "living", "domain_id": DOMAIN}],
            "domain": [{"id": DOMAIN, "name": "Default"}],
            "user": [{"id": USER, "name": "ann", "email": "ann@example.org", "enabled": True}],
            **rows,
        }
        self.allocations: dict[str, dict[str, Json]] = {}
        self.members: dict[str, list[str]] = {}
        self.effective: list[Json] = []
        self.soft_deleted: list[Json] = []
        #: More keys of an answer, by kind, as ``truncated``.
        self.more: dict[str, Json] = {}
        for kind, path in _PATHS.items():
            self.route(f"GET {path}", self._listed(kind), first=True)
        providers, groups = "/placement/resource_providers", "/identity/v3/groups"
        self.route(f"GET {providers}/([^/]+)/allocations", self._allocations, first=True)
        self.route(f"GET {groups}/([^/]+)/users", self._members)
        for path in _SIGHT:
            self.route(f"GET {path}", lambda request: Answer({}))

    def _listed(self, kind: str) -> Callable[[Request], Answer]:
        return lambda request: Answer(
            {f"{kind}s": self._rows(kind, request), **self.more.get(kind, {})}
        )

    def _allocations(self, request: Request) -> Answer:
        held = self.allocations.get(request.parts[0], {})
        wrapped = {who: {"resources": what} for who, what in held.items()}
        return Answer({"allocations": wrapped, "resource_provider_generation": 1})

    def _members(self, request: Request) -> Answer:
        return Answer({"users": [{"id": id} for id in self.members.get(request.parts[0], [])]})

    def _rows(self, kind: str, request: Request) -> list[Json]:
        if kind == "server" and request.query.get("status") == "SOFT_DELETED":
            assert request.query["deleted"] == "True"
            return self.soft_deleted
        if kind == "role_assignment" and "effective" in request.query:
            return self.effective
        if kind == "image" and request.query.get("os_hidden"):
            return []
        return self.rows.get(kind, [])

    def audit(self, name: str, **parameters: Any) -> tuple[str, Json]:
        """Return how an audit of this cloud ended, and its result."""
        return dispatch(f"audit.{name}", parameters, self.config())

    def done(self, name: str, **parameters: Any) -> list[Json]:
        """Return the rows of an audit that has to be whole."""
        kind, result = self.audit(name, **parameters)
        assert (kind, result["left"]) == ("done", []), result["summary"]
        rows: list[Json] = result["rows"]
        return rows

    def asked_for(self) -> int:
        """Return how many requests have come, logins and version documents aside."""
        plain = ("/identity/v3", "/image", "/network", "/volume/v3", "/placement", "/compute/v2.1")
        asked = [r for r in self.requests if r.method == "GET" and r.path not in plain]
        self.requests.clear()
        return len(asked)


def port(id: str, **more: Any) -> Json:
    """Return a port of a living project that is bound to nothing."""
    known = {"id": id, "project_id": LIVING, "created_at": OLD, "device_id": "", "device_owner": ""}
    return {**known, "binding:host_id": "", **more}


def server(id: str, project: str = LIVING, **more: Any) -> Json:
    """Return a server."""
    known = {"id": id, "name": f"name of {id}", "tenant_id": project, "user_id": USER}
    return {**known, "created": OLD, "OS-EXT-SRV-ATTR:host": "cmp-1", **more}
