"""A small OpenStack in memory, spoken to over real HTTP on loopback.

It is built from plain data and answers as the real services do where this pack asks them:
``FakeCloud(hypervisors=[...], servers=[...])``. What a test does to its data is what the next
request sees. It counts requests, and misbehaves as it is told to (``fail``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from accounts.cloud import Cloud
from accounts.config import load
from support.fake_cloud_estate import (
    OWNER,
    Aggregate,
    Course,
    Group,
    Hypervisor,
    Json,
    Migration,
    Project,
    Server,
)
from support.fake_cloud_facts import FakeFacts
from support.fake_cloud_http import Answer, Request, Web
from support.fake_cloud_image import FakeGlance
from support.fake_cloud_nova import FakeNova
from support.fake_cloud_placement import FakePlacement

PASSWORD = "open sesame"
Part = TypeVar("Part")
_SERVICES = {
    "identity": "/identity/v3",
    "compute": "/compute/v2.1",
    "placement": "/placement",
    "image": "/image",
}


class FakeCloud(Web):
    """The cloud. Use it as a context manager, and change its data as you like."""

    def __init__(
        self,
        hypervisors: Iterable[Hypervisor] = (),
        servers: Iterable[Server] = (),
        *,
        groups: Iterable[Group] = (),
        aggregates: Iterable[Aggregate] = (),
        projects: Iterable[Project] = (),
        domains: Iterable[str] = ("default",),
        now: Callable[[], float] = time.monotonic,
        certificate: Path | None = None,
    ) -> None:
        super().__init__()
        self.hypervisors, self.servers = list(hypervisors), list(servers)
        self.groups, self.aggregates = list(groups), list(aggregates)
        self.projects, self.domains = list(projects), list(domains)
        self.migrations: list[Migration] = []
        self.images: list[Json] = []
        self.now = now
        #: How the next migration of a server goes, by the server's id.
        self.courses: dict[str, Course] = {}
        #: Query parameters that Nova pays no heed to, as a real one ignores what it does not know.
        self.ignores: set[str] = set()
        #: Rows of a page at most (osapi_max_limit).
        self.page = 1000
        self.compute_version = "2.96"
        #: The catalogue: paths, or whole addresses, by service type.
        self.services = dict(_SERVICES)
        #: The project that is logged in to.
        self.project = OWNER
        #: Projects in which the account has no role.
        self.closed: set[str] = set()
        self._projects_of: dict[str, str] = {}
        #: The regions of the catalogue, and what stands before the paths of each one's services.
        self.regions = {"one": ""}
        self.issued = time.time
        self._certificate = certificate
        self.route("POST /identity/v3/auth/tokens", self._log_in)
        self.route("GET /identity/v3", self._identity_version)
        self.route("GET /identity/v3/projects", self._projects)
        self.route("GET /identity/v3/projects/([^/]+)", self._project)
        self.route("GET /identity/v3/domains", self._domains)
        self.route("GET /identity/v3/domains/([^/]+)", self._domain)
        self._parts: dict[Any, Any] = {}
        self._accounts: dict[str, Cloud] = {}
        self.nova, self.placement = self.part(FakeNova), self.part(FakePlacement)
        self.glance = self.part(FakeGlance)
        self.part(FakeFacts)

    def __enter__(self) -> FakeCloud:
        self.start(self._certificate)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def entry(self, **more: Any) -> Json:
        """Return the cloud's entry in a configuration."""
        auth = {
            "auth_url": f"{self.origin}/identity/v3",
            "username": "admin",
            "password": PASSWORD,
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        return {"name": "fake", "auth": auth, **more}

    def config(self, **more: Any) -> Json:
        """Return a configuration with this cloud alone; ``more`` are its other keys."""
        return {"clouds": [self.entry()], **more}

    def account(self, **config: Any) -> Cloud:
        """Return the cloud as the workflow and the steps of a run get it: with one login."""
        key = json.dumps(config, sort_keys=True)
        if key not in self._accounts:
            self._accounts[key] = self.new_account(**config)
        return self._accounts[key]

    def new_account(self, **config: Any) -> Cloud:
        """Return the cloud as another run gets it, not logged in yet."""
        return Cloud.from_config(load(self.config(**config)), None)

    def part(self, kind: Callable[[FakeCloud], Part]) -> Part:
        """Return this cloud's one part of that class, as ``fake.part(Tables)``.

        It is made when it is first asked for, and brings its routes and its place in the catalogue.
        """
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        found: Part = self._parts[kind]
        return found

    def server(self, name: str) -> Server:
        """Return the server of that name."""
        (found,) = (server for server in self.servers if server.name == name)
        return found

    # -- Keystone ------------------------------------------------------------------------------

    def _log_in(self, request: Request) -> Answer:
        identity = request.body["auth"]["identity"]
        if identity.get("password", {}).get("user", {}).get("password") != PASSWORD:
            said = "The request you have made requires authentication."
            return Answer({"error": {"code": 401, "message": said}}, 401)
        now = self.issued()
        scope = request.body["auth"].get("scope", {}).get("project", {})
        project = scope.get("id", self.project)
        if project in self.closed:
            said = "User has no access to project."
            return Answer({"error": {"code": 401, "message": said}}, 401)
        number = f"token-{self.count('POST')}"
        self._projects_of[number] = project
        token = {
            "methods": ["password"],
            "user": {"id": "user-1", "name": "admin", "domain": {"id": "default", "name": "D"}},
            "project": {
                "id": project,
                "name": "admin",
                "domain": {"id": "default", "name": "D"},
            },
            "roles": [{"id": "role-1", "name": "admin"}, {"id": "role-2", "name": "member"}],
            "issued_at": _stamp(now),
            "expires_at": _stamp(now + 3600),
            "catalog": [self._catalogued(service) for service in self.services],
        }
        return Answer({"token": token}, 201, {"X-Subject-Token": number})

    def project_of(self, request: Request) -> str:
        """Return the project that the sender of a request is logged in to."""
        return self._projects_of[request.headers["x-auth-token"]]

    def _catalogued(self, service: str) -> Json:
        path = self.services[service]
        ends = [
            {
                "id": f"{service}-{region}",
                "interface": "public",
                "region_id": region,
                "region": region,
                "url": path if "://" in path else f"{self.origin}{before}{path}",
            }
            for region, before in self.regions.items()
        ]
        return {"type": service, "name": service, "endpoints": ends}

    def _identity_version(self, request: Request) -> Answer:
        links = [{"rel": "self", "href": f"{self.origin}/identity/v3/"}]
        return Answer({"version": {"id": "v3.14", "status": "stable", "links": links}})

    def _projects(self, request: Request) -> Answer:
        return Answer({"projects": [project.as_json() for project in self.projects]})

    def _project(self, request: Request) -> Answer:
        return _one_of("project", self._projects(request).body["projects"], request)

    def _domains(self, request: Request) -> Answer:
        rows = [{"id": name, "name": name.capitalize()} for name in self.domains]
        return Answer({"domains": rows})

    def _domain(self, request: Request) -> Answer:
        return _one_of("domain", self._domains(request).body["domains"], request)


def _one_of(word: str, rows: list[Json], request: Request) -> Answer:
    """Return Keystone's answer to who asks for one of its rows by the id."""
    for row in rows:
        if row["id"] == request.parts[0]:
            return Answer({word: row})
    said = f"Could not find {word}: {request.parts[0]}."
    return Answer({"error": {"code": 404, "message": said}}, 404)


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))
