"""The lives of a fake Nova's servers: they are born, get another size, and die.

How the next of that goes for a server is told by ``power.courses``, as of other actions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from support.fake_cloud_estate import Course, Flavor, Json, Migration, Server
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_power import Power

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud
    from support.fake_cloud_nova import FakeNova

_COMPUTE = "/compute/v2.1"
_ID = r"([^/]+)"
_AT_REST = ("ACTIVE", "SHUTOFF")


class FakeLives:
    """What Nova does with servers that takes more than another status."""

    def __init__(self, cloud: FakeCloud, nova: FakeNova) -> None:
        self._cloud, self._nova = cloud, nova
        #: How the next server that is created comes out.
        self.birth = Power()
        #: What a project may have, -1 for any number.
        self.quota = {"instances": 10, "cores": 20, "ram": 51200, "server_groups": 10}
        #: Whether what is deleted can be restored for a time.
        self.softly = False
        #: What else happens when a server is there, given what was asked for, and when it is gone.
        self.born: list[Callable[[Server, Json], None]] = []
        self.died: list[Callable[[Server], None]] = []
        self._ends: list[tuple[float, Callable[[], None]]] = []
        self._sizes: dict[str, tuple[Flavor, str | None]] = {}
        self._acts: dict[str, Callable[[Server, Json], Answer]] = {
            "resize": self._resize,
            "confirmResize": self._confirm,
            "revertResize": self._revert,
        }
        for pattern, handle in {
            "POST /servers": self._create,
            f"DELETE /servers/{_ID}": self._delete,
            f"PUT /servers/{_ID}/os-volume_attachments/{_ID}": self._attachment,
            f"GET /os-quota-sets/{_ID}/detail": self._quota,
        }.items():
            method, _, path = pattern.partition(" ")
            cloud.route(f"{method} {_COMPUTE}{path}", handle)

    def knows(self, name: str) -> bool:
        """Return whether an action is one of these."""
        return name in self._acts or name == "forceDelete"

    def act(self, server: Server, name: str, given: Json) -> Answer:
        """Obey an action, or refuse it as Nova does."""
        if name == "forceDelete":
            self._end_of(server, softly=False)
            return Answer(status=202)
        accepted = _AT_REST if name == "resize" else ("VERIFY_RESIZE",)
        if server.task or server.status not in accepted:
            return _conflict(f"Cannot '{name}' instance {server.id} while it is {server.status}")
        return self._acts[name](server, given)

    def hold(self, server: Server) -> None:
        """Have a server wait for its resize to be confirmed."""
        self._before(server)
        self._resized(server, self._moved(server), server.flavor)

    def advance(self) -> None:
        """Bring to an end what has taken its time."""
        for end in [end for end in self._ends if end[0] <= self._cloud.now()]:
            self._ends.remove(end)
            end[1]()

    # -- sizes ---------------------------------------------------------------------------------

    def _resize(self, server: Server, given: Json) -> Answer:
        rows = self._cloud.ask(f"{_COMPUTE}/flavors/detail")["flavors"]
        row = next(row for row in rows if row["id"] == given["flavorRef"])
        if row["name"] == server.flavor.name:
            said = "When resizing, instances must change flavor!"
            return Answer({"badRequest": {"message": said, "code": 400}}, 400)
        flavor = Flavor(row["name"], row["vcpus"], row["ram"], row["disk"])
        self._before(server)
        migration = self._moved(server)
        self._begin(server, "resize_prep", lambda: self._resized(server, migration, flavor))
        server.status = "RESIZE" if server.task else server.status
        return Answer(status=202)

    def _before(self, server: Server) -> None:
        before = server.status if server.status in _AT_REST else "ACTIVE"
        self._nova.before[server.id] = before
        self._sizes[server.id] = (server.flavor, server.host)

    def _moved(self, server: Server) -> Migration:
        course, number = Course(ends_after=None), self._nova.number()
        host = server.host or ""
        now = self._cloud.now()
        migration = Migration(number, server, "resize", host, host, now, course, "migrating")
        self._cloud.migrations.append(migration)
        return migration

    def _resized(self, server: Server, migration: Migration, flavor: Flavor) -> None:
        migration.status, server.status, server.flavor = "finished", "VERIFY_RESIZE", flavor

    def _confirm(self, server: Server, given: Json) -> Answer:
        # At once, unless a test has it take its time.
        course = self._nova.power.courses.pop(server.id, Power(0.0))
        if not course.task:
            return Answer(status=204)
        if course.seconds == 0:
            self._nova.confirm(server)
            return Answer(status=204)
        self._nova.newest(server).status = "confirming"

        def end() -> None:
            self._nova.confirm(server)
            server.status, server.fault = course.ends or server.status, course.fault

        self._later(course.seconds, end)
        return Answer(status=204)

    def _revert(self, server: Server, given: Json) -> Answer:
        def end() -> None:
            self._nova.newest(server).status = "reverted"
            server.status = self._nova.before[server.id]
            server.flavor, server.host = self._sizes[server.id]

        self._begin(server, "resize_reverting", end)
        return Answer(status=202)

    # -- birth and death -----------------------------------------------------------------------

    def _create(self, request: Request) -> Answer:
        given = request.body["server"]
        rows = self._cloud.ask(f"{_COMPUTE}/flavors/detail")["flavors"]
        row = next((row for row in rows if row["id"] == given["flavorRef"]), None)
        if row is None:
            said = f"Flavor {given['flavorRef']} could not be found."
            return Answer({"badRequest": {"message": said, "code": 400}}, 400)
        # zone:host is where it is put, past all filters.
        zone, _, named = (given.get("availability_zone") or "").partition(":")
        server = Server(
            given["name"],
            host=given.get("host"),
            status="BUILD",
            id=str(uuid.uuid4()),
            flavor=Flavor(row["name"], row["vcpus"], row["ram"], row["disk"]),
            metadata=given.get("metadata", {}),
            tags=given.get("tags", []),
            image=given.get("imageRef", ""),
            zone=zone or None,
        )
        course, self.birth = self.birth, Power()

        def end() -> None:
            placed = self._placed(server, named)
            server.status = course.ends or ("ACTIVE" if placed else "ERROR")
            server.fault = course.fault or ("" if placed else "No valid host was found.")
            server.host = server.host or placed
            for born in self.born if placed else ():
                born(server, given)

        self._cloud.servers.append(server)
        self._later(course.seconds, end)
        return Answer({"server": {"id": server.id, "links": [], "adminPass": "never told"}}, 202)

    def _placed(self, server: Server, named: str) -> str | None:
        """Return the host that the scheduler finds; one that is named if Placement names it too."""
        cloud = self._cloud
        if not named:
            return min(host.host for host in cloud.hypervisors)
        admitted = (h.host for h in cloud.hypervisors if cloud.placement.admits(h))
        return named if named in admitted else None

    def _delete(self, request: Request) -> Answer:
        server = self._known(request)
        if server is None:
            return _missing(request)
        self._end_of(server, softly=self.softly)
        return Answer(status=204)

    def _end_of(self, server: Server, *, softly: bool) -> None:
        def end() -> None:
            if softly:
                server.status = "SOFT_DELETED"
            else:
                self._cloud.servers[:] = [s for s in self._cloud.servers if s is not server]
                for died in self.died:
                    died(server)

        self._begin(server, "soft-deleting" if softly else "deleting", end)

    def _attachment(self, request: Request) -> Answer:
        server = self._known(request)
        if server is None or request.parts[1] not in server.volumes:
            return _missing(request)
        others = [id for id in server.doomed if id != request.parts[1]]
        goes = request.body["volumeAttachment"]["delete_on_termination"]
        server.doomed = [*others, request.parts[1]] if goes else others
        return Answer(status=202)

    def _quota(self, request: Request) -> Answer:
        mine = [server for server in self._cloud.servers if server.project == request.parts[0]]
        used = {
            "instances": len(mine),
            "cores": sum(server.flavor.vcpus for server in mine),
            "ram": sum(server.flavor.ram for server in mine),
            "server_groups": len([g for g in self._cloud.groups if g.project == request.parts[0]]),
        }
        rows: dict[str, Any] = {
            name: {"limit": limit, "in_use": used[name], "reserved": 0}
            for name, limit in self.quota.items()
        }
        return Answer({"quota_set": {"id": request.parts[0], **rows}})

    def _known(self, request: Request) -> Server | None:
        mine = (server for server in self._cloud.servers if server.id == request.parts[0])
        return next(mine, None)

    # -- what takes its time -------------------------------------------------------------------

    def _begin(self, server: Server, task: str, usual: Callable[[], None]) -> None:
        """Have a task under way on a server, which takes the course that the test set for it."""
        power = self._nova.power
        course = power.courses.pop(server.id, Power())
        power.touch(server)
        if not course.task:
            return
        server.task = task

        def end() -> None:
            server.task = None
            power.touch(server)
            if course.ends:
                server.status, server.fault = course.ends, course.fault
            else:
                usual()

        self._later(course.seconds, end)

    def _later(self, seconds: float | None, end: Callable[[], None]) -> None:
        if seconds is not None:
            self._ends.append((self._cloud.now() + seconds, end))


def _conflict(said: str) -> Answer:
    return Answer({"conflictingRequest": {"message": said, "code": 409}}, 409)


def _missing(request: Request) -> Answer:
    said = f"Instance {request.parts[0]} could not be found."
    return Answer({"itemNotFound": {"message": said, "code": 404}}, 404)
