"""Nova of a fake cloud: listings as it pages them, and migrations that take their course."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from support.fake_cloud_estate import Course, Json, Migration, Server, uuid_of
from support.fake_cloud_evacuations import FakeEvacuations
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_lives import FakeLives
from support.fake_cloud_power import FakePower
from support.fake_cloud_rows import paged

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud

_ID = r"([^/]+)"
_USABLE = ("up", "enabled")
# What a record says while a migration of a kind goes on, and at its end.
_MEANWHILE = {"live-migration": "running", "evacuation": "pre-migrating"}
_ENDS = {"live-migration": "completed", "evacuation": "done"}


def _moment(text: str | None) -> float:
    """Return a time of a query in seconds since 1970; what changed at no known time was before."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


class FakeNova:
    """The compute API of a fake cloud."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._numbers = itertools.count(1)
        #: What each server that was moved was before, by its id.
        self.before: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self.power = FakePower(cloud.now)
        #: How long a snapshot of a server is being saved, in seconds.
        self.saving = 0.0
        self._saved: list[tuple[float, Json]] = []
        #: What else a server has to be, given what was asked for.
        self.server_filters: list[Callable[[Server, dict[str, str]], bool]] = []
        self.lives = FakeLives(cloud, self)
        self.evacuations = FakeEvacuations(cloud, self)
        for pattern, handle in {
            "GET ": self._version,
            "GET /servers(?:/detail)?": self._servers,
            f"GET /servers/{_ID}": self._server,
            f"POST /servers/{_ID}/action": self._action,
            f"GET /servers/{_ID}/os-instance-actions": self._actions,
            f"GET /servers/{_ID}/os-instance-actions/{_ID}": self._events,
            "GET /os-hypervisors/detail": self._hypervisors,
            "GET /os-services": self._services,
            "GET /os-migrations": self._migrations,
            "GET /os-server-groups": self._groups,
            "GET /os-aggregates": self._aggregates,
            f"PUT /os-services/{_ID}": self._update_service,
            f"DELETE /servers/{_ID}/migrations/{_ID}": self._abort_migration,
            f"POST /servers/{_ID}/migrations/{_ID}/action": self._force_migration,
        }.items():
            method, _, path = pattern.partition(" ")
            cloud.route(f"{method} /compute/v2.1{path}", handle)
        cloud.hooks.append(lambda request: self.advance())

    # -- reading -------------------------------------------------------------------------------

    def _version(self, request: Request) -> Answer:
        top = self._cloud.compute_version
        version = {"id": "v2.1", "status": "CURRENT", "min_version": "2.1", "version": top}
        links = [{"rel": "self", "href": f"{self._cloud.origin}/compute/v2.1/"}]
        return Answer({"version": {**version, "links": links}})

    def _servers(self, request: Request) -> Answer:
        query = request.query
        ignored = self._cloud.ignores
        wanted = {name: query[name] for name in query if name not in ignored}
        found = [
            server
            for server in self._cloud.servers
            # As MariaDB matches: anywhere in the name, and in any case.
            if re.search(wanted.get("name", ""), server.name, re.IGNORECASE)
            and wanted.get("host", server.host) == server.host
            and wanted.get("status", server.status) == server.status
            and wanted.get("project_id", server.project) == server.project
            and wanted.get("image", server.image) == server.image
            and all(fits(server, wanted) for fits in self.server_filters)
            and wanted.get("node", server.node or server.host) == (server.node or server.host)
            and (server.status != "SOFT_DELETED" or {"soft_deleted", "deleted"} & wanted.keys())
            and self.power.changed.get(server.id, 0.0) >= _moment(wanted.get("changes-since"))
        ]
        ids = [server.id for server in found]
        return paged(
            self._cloud, request, "servers", ids, [self._shown(server, request) for server in found]
        )

    def _server(self, request: Request) -> Answer:
        server = self._known(request)
        return (
            server
            if isinstance(server, Answer)
            else Answer({"server": self._shown(server, request)})
        )

    def _shown(self, server: Server, request: Request) -> Json:
        shown = server.as_json(request.version)
        if changed := self.power.changed.get(server.id):
            shown["updated"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(changed))
        return shown

    def _hypervisors(self, request: Request) -> Answer:
        if request.version > tuple(map(int, self._cloud.compute_version.split("."))):
            said = f"Version {request.version} is not supported by the API."
            return Answer({"computeFault": {"code": 406, "message": said}}, 406)
        hosts, servers = self._cloud.hypervisors, self._cloud.servers
        rows = [host.as_json(servers) for host in hosts]
        if request.query.get("with_servers"):
            for host, row in zip(hosts, rows, strict=True):
                row["servers"] = [{"uuid": it.id} for it in servers if it.host == host.host]
        return paged(self._cloud, request, "hypervisors", [host.id for host in hosts], rows)

    def _services(self, request: Request) -> Answer:
        rows = [
            {"id": h.service, "host": h.host, "binary": "nova-compute"}
            | {"status": h.status, "state": h.seen, "disabled_reason": h.reason, "zone": "nova"}
            | {"forced_down": h.forced_down, "updated_at": h.heard}
            for h in self._cloud.hypervisors
        ]
        return Answer({"services": rows})

    def _migrations(self, request: Request) -> Answer:
        query = request.query
        newest_first = sorted(self._cloud.migrations, key=lambda m: -m.number)
        found = [
            migration.as_json()
            for migration in newest_first
            if migration.visible
            and query.get("host") in (None, migration.source, migration.to)
            and query.get("instance_uuid") in (None, migration.server.id)
            and query.get("status") in (None, migration.status)
        ]
        ids = [migration["uuid"] for migration in found]
        return paged(self._cloud, request, "migrations", ids, found)

    def _groups(self, request: Request) -> Answer:
        start = int(request.query.get("offset", 0))
        end = start + min(self._cloud.page, int(request.query.get("limit", self._cloud.page)))
        return Answer({"server_groups": [g.as_json() for g in self._cloud.groups[start:end]]})

    def _aggregates(self, request: Request) -> Answer:
        return Answer({"aggregates": [a.as_json() for a in self._cloud.aggregates]})

    def _actions(self, request: Request) -> Answer:
        server = request.parts[0]
        known = [m for m in self._cloud.migrations if m.server.id == server]
        mine = self.power.records.get(server, ())
        rows = [{key: record[key] for key in record if key != "events"} for record in mine]
        rows += [
            {"action": "migrate", "request_id": f"req-m{m.number}", "message": None}
            for m in reversed(known)
        ]
        return Answer({"instanceActions": rows})

    def _events(self, request: Request) -> Answer:
        for record in self.power.records.get(request.parts[0], ()):
            if record["request_id"] == request.parts[1]:
                return Answer({"instanceAction": record})
        why = self._why.get(request.parts[0])
        failed = {"event": "conductor_migrate", "result": "Error", "details": why}
        return Answer({"instanceAction": {"events": [failed] if why else []}})

    def _known(self, request: Request) -> Server | Answer:
        for server in self._cloud.servers:
            if server.id == request.parts[0]:
                return server
        said = f"Instance {request.parts[0]} could not be found."
        return Answer({"itemNotFound": {"message": said, "code": 404}}, 404)

    # -- changing ------------------------------------------------------------------------------

    def _update_service(self, request: Request) -> Answer:
        for host in self._cloud.hypervisors:
            if host.service == request.parts[0] and "forced_down" in request.body:
                return self.evacuations.force_down(host, request.body["forced_down"])
            if host.service == request.parts[0]:
                host.status = request.body["status"]
                host.reason = request.body.get("disabled_reason")
                shown = {"id": host.service, "host": host.host, "status": host.status}
                return Answer({"service": {**shown, "disabled_reason": host.reason}})
        return Answer({"itemNotFound": {"message": "Service could not be found."}}, 404)

    def _action(self, request: Request) -> Answer:
        server = self._known(request)
        if isinstance(server, Answer):
            return server
        (name,) = request.body
        given = request.body[name] or {}
        if name == "os-getConsoleOutput":
            lines = server.console.splitlines(keepends=True)[-given["length"] :]
            return Answer({"output": "".join(lines)})
        if self.power.knows(name):
            return self.power.act(server, name, given)
        if self.lives.knows(name):
            return self.lives.act(server, name, given)
        if name == "evacuate":
            return self.evacuations.evacuate(server, given)
        if name == "createImage":
            image = {"id": uuid_of("image", given["name"]), "name": given["name"]}
            row = {**image, "status": "saving" if self.saving else "active", **given["metadata"]}
            self._cloud.images.append(row)
            if self.saving:
                self._saved.append((self._cloud.now() + self.saving, row))
            return Answer({"image_id": image["id"]}, 202)
        movable = {"os-migrateLive": ("ACTIVE", "PAUSED"), "migrate": ("ACTIVE", "SHUTOFF")}
        if server.task or server.status not in movable[name]:
            said = f"Cannot '{name}' instance {server.id} while it is in {server.status}"
            return Answer({"conflictingRequest": {"message": said, "code": 409}}, 409)
        self.migrate(server, "live-migration" if name == "os-migrateLive" else "migration", given)
        return Answer(status=202)

    def _abort_migration(self, request: Request) -> Answer:
        return self._hasten(request, "live_migration_cancel", "cancelled")

    def _force_migration(self, request: Request) -> Answer:
        return self._hasten(request, "live_migration_force_complete", "completed")

    def _hasten(self, request: Request, action: str, ends: str) -> Answer:
        """Have a live migration end in a moment, or refuse it as Nova does."""
        found = [m for m in self._cloud.migrations if str(m.number) == request.parts[1]]
        if not found:
            return Answer({"itemNotFound": {"message": "Migration not found.", "code": 404}}, 404)
        (migration,) = found
        if migration.status != "running":
            said = f"Migration {migration.number} state of instance is {migration.status}."
            return Answer({"badRequest": {"message": said, "code": 400}}, 400)
        self.power.record(migration.server, action)
        age = self._cloud.now() - migration.begun
        migration.course = replace(migration.course, ends_after=age + 0.2, ends=ends)
        return Answer(status=202)

    def confirm(self, server: Server) -> None:
        """Confirm a cold migration, as a user or Nova's own resize_confirm_window does."""
        self.newest(server).status, server.status = "confirmed", self.before[server.id]

    def newest(self, server: Server) -> Migration:
        """Return the newest migration of a server."""
        mine = (m for m in self._cloud.migrations if m.server is server)
        return max(mine, key=lambda m: m.number)

    def migrate(self, server: Server, kind: str, given: Json) -> Migration:
        """Begin a migration of a server: it takes the course that the test set for it."""
        cloud = self._cloud
        course = cloud.courses.get(server.id, Course())
        to = course.to or (self._told(given) if given.get("host") else self._scheduled(server))
        if to is None:
            course = Course(ends="error", why="No valid host was found.")
        assert server.host is not None
        migration = Migration(
            self.number(), server, kind, server.host, to or "", cloud.now(), course
        )
        migration.visible = course.record_after == 0
        self.before[server.id] = server.status
        server.status = {"live-migration": "MIGRATING", "evacuation": "REBUILD"}.get(kind, "RESIZE")
        server.task = "rebuilding" if kind == "evacuation" else "migrating"
        cloud.migrations.append(migration)
        return migration

    def number(self) -> int:
        """Return the number of the next migration."""
        return next(self._numbers)

    def _told(self, given: Json) -> str | None:
        """Return the host that Nova is told, unless the scheduler is asked and passes it over."""
        usable = {h.host for h in self._cloud.hypervisors if (h.state, h.status) == _USABLE}
        host: str = given["host"]
        return host if given.get("force") or host in usable else None

    def _scheduled(self, server: Server) -> str | None:
        fitting = [
            host.host
            for host in self._cloud.hypervisors
            if host.host != server.host
            and (host.state, host.status) == ("up", "enabled")
            and self._cloud.placement.fits(host, server.resources)
        ]
        return min(fitting, default=None)

    def advance(self) -> None:
        """Let everything that takes time come as far as it is by now."""
        self.power.advance()
        self.lives.advance()
        for due, image in self._saved:
            if self._cloud.now() >= due:
                image["status"] = "active"
        for migration in self._cloud.migrations:
            age, course = self._cloud.now() - migration.begun, migration.course
            appears = math.inf if course.record_after is None else course.record_after
            migration.visible = migration.visible or age >= appears
            if migration.over:
                continue
            if course.ends_after is not None and age >= course.ends_after:
                self._end(migration)
            elif age > 0:
                migration.status = _MEANWHILE.get(migration.kind, "migrating")

    def _end(self, migration: Migration) -> None:
        server = migration.server
        migration.status = migration.course.ends or _ENDS.get(migration.kind, "finished")
        server.task, server.status = None, self.before[server.id]
        if migration.status in ("completed", "finished", "done"):
            server.host = migration.to
            self.power.changed[server.id] = time.time()
        if migration.status == "finished":
            server.status = "VERIFY_RESIZE"
        if migration.course.why:
            self._why[server.id] = migration.course.why
