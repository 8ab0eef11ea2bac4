"""Cinder of a fake cloud: volumes and snapshots, with the states in which it accepts what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Json, uuid_of
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_rows import paged
from support.fake_cloud_volume_records import VolumeRecords
from support.fake_cloud_volume_records import refused as _refused

_VOLUME = "/volume/v3/volumes"
_SNAPSHOT = "/volume/v3/snapshots"
_ID = r"([^/]+)"


@dataclass
class Course:
    """How the next action on a thing goes: how long it takes, and whether the cloud gives it up.

    ``ends`` is the status at the end, where it is not the usual one; without ``seconds`` it never
    ends. ``task`` is False if the service drops it without a word.
    """

    seconds: float | None = 0.2
    ends: str = ""
    task: bool = True


@dataclass(frozen=True)
class Action:
    """An action by the API reference: accepted in which states, the state meanwhile, its effect.

    None is any state. The thing is afterwards in the state that it was in, unless ``ends`` names
    another; ``gone`` takes it away; ``at_once`` says that it is done when it is answered.
    """

    accepted: frozenset[str] | None
    meanwhile: str
    effect: Callable[[Json, Json], None] = lambda row, given: None
    ends: str = ""
    gone: bool = False
    at_once: bool = False


def _extended(row: Json, given: Json) -> None:
    row["size"] = given["new_size"]


def _retyped(row: Json, given: Json) -> None:
    row["volume_type"] = given["new_type"]


def _set_bootable(row: Json, given: Json) -> None:
    row["bootable"] = str(given["bootable"]).lower()


def _reset(row: Json, given: Json) -> None:
    row["status"] = given["status"]
    if given.get("attach_status") == "detached":
        row["attachments"] = []


VOLUME_ACTIONS: dict[str, Action] = {
    "os-extend": Action(frozenset({"available", "in-use"}), "extending", _extended),
    "os-retype": Action(frozenset({"available", "in-use"}), "retyping", _retyped),
    "os-set_bootable": Action(None, "", _set_bootable, at_once=True),
    "os-reset_status": Action(None, "", _reset, at_once=True),
    "delete": Action(
        frozenset({"available", "error", "error_restoring", "error_extending"}),
        "deleting",
        gone=True,
    ),
}
SNAPSHOT_ACTIONS: dict[str, Action] = {
    "delete": Action(frozenset({"available", "error", "error_deleting"}), "deleting", gone=True),
}


class FakeCinder:
    """The block storage API of a fake cloud; its rows are what Cinder answers."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        cloud.services.setdefault("block-storage", "/volume/v3")
        self.volumes: list[Json] = []
        self.snapshots: list[Json] = []
        #: How the next action on a thing goes, by its id.
        self.courses: dict[str, Course] = {}
        #: What a project may have, -1 for any number.
        self.quota = {"volumes": 10, "gigabytes": 1000, "snapshots": -1}
        #: How the next volume that is created comes out.
        self.birth = Course()
        #: And how the next snapshot that is taken does.
        self.snapshot_birth = Course()
        self._ends: list[tuple[float, Callable[[], None]]] = []
        cloud.route("GET /volume/v3", self._version)
        cloud.route(f"GET /volume/v3/os-quota-sets/{_ID}", self._quota)
        cloud.route(f"POST {_VOLUME}", self._create)
        cloud.route(f"POST {_SNAPSHOT}", self._take)
        self.records = VolumeRecords(cloud, self.volumes, self.snapshots)
        self._serve(_VOLUME, "volume", self.volumes, VOLUME_ACTIONS)
        self._serve(_SNAPSHOT, "snapshot", self.snapshots, SNAPSHOT_ACTIONS)
        cloud.hooks.append(lambda request: self.advance())

    def volume(self, name: str, **facts: Any) -> Json:
        """Add a volume and return its row."""
        row: Json = {
            "id": uuid_of("volume", name),
            "name": name,
            "status": "available",
            "size": 1,
            "volume_type": "fast",
            "bootable": "false",
            "metadata": {},
            "attachments": [],
            "updated_at": "2026-01-02T00:00:00.000000",
            "os-vol-tenant-attr:tenant_id": OWNER,
            "os-vol-host-attr:host": "block@lvm#lvm",
            **facts,
        }
        self.volumes.append(row)
        return row

    def snapshot(self, name: str, volume: Json, **facts: Any) -> Json:
        """Add a snapshot of a volume and return its row."""
        row: Json = {
            "id": uuid_of("snapshot", name),
            "name": name,
            "status": "available",
            "size": volume["size"],
            "volume_id": volume["id"],
            "metadata": {},
            "os-extended-snapshot-attributes:project_id": OWNER,
            **facts,
        }
        self.snapshots.append(row)
        return row

    def advance(self) -> None:
        """Bring to an end what has taken its time."""
        for end in [end for end in self._ends if end[0] <= self._cloud.now()]:
            self._ends.remove(end)
            end[1]()

    def _quota(self, request: Request) -> Answer:
        mine = [row for row in self.volumes if row["os-vol-tenant-attr:tenant_id"]]
        used = {"volumes": len(mine), "gigabytes": sum(row["size"] for row in mine)}
        rows = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in self.quota.items()
        }
        return Answer({"quota_set": {"id": request.parts[0], **rows}})

    def _create(self, request: Request) -> Answer:
        given = request.body["volume"]
        course, self.birth = self.birth, Course()
        # Cinder gives each an id of its own, whatever its name.
        id = uuid_of("volume", f"{given['name']} {len(self._cloud.requests)}")
        row = self.volume(**{"metadata": {}, **given}, id=id, status="creating")

        def end() -> None:
            row["status"] = course.ends or "available"

        if course.seconds is not None:
            self._ends.append((self._cloud.now() + course.seconds, end))
        return Answer({"volume": row}, 202)

    def _take(self, request: Request) -> Answer:
        given = request.body["snapshot"]
        (volume,) = (row for row in self.volumes if row["id"] == given["volume_id"])
        if volume["status"] != "available" and not given.get("force"):
            return _refused("badRequest", "Invalid volume: its status must be available.", 400)
        course, self.snapshot_birth = self.snapshot_birth, Course()
        row = self.snapshot(
            given["name"],
            volume,
            id=uuid_of("snapshot", f"{given['name']} {len(self._cloud.requests)}"),
            status="creating",
            metadata=given["metadata"],
        )
        row["os-extended-snapshot-attributes:project_id"] = self._cloud.project_of(request)

        def end() -> None:
            row["status"] = course.ends or "available"

        if course.seconds is not None:
            self._ends.append((self._cloud.now() + course.seconds, end))
        return Answer({"snapshot": row}, 202)

    # -- what is alike for volumes and snapshots -----------------------------------------------

    def _serve(self, path: str, word: str, rows: list[Json], actions: Mapping[str, Action]) -> None:
        def one(request: Request) -> Json | Answer:
            found = [row for row in rows if row["id"] == request.parts[0]]
            said = f"{word.capitalize()} {request.parts[0]} could not be found."
            return found[0] if found else _refused("itemNotFound", said, 404)

        def listed(request: Request) -> Answer:
            asked = {key: value for key, value in request.query.items() if key in _KEYS}
            keys = ((_KEYS[key], value) for key, value in asked.items())
            wanted = list(keys)
            found = [row for row in rows if all(str(row.get(k)) == v for k, v in wanted)]
            return paged(self._cloud, request, f"{word}s", [row["id"] for row in found], found)

        def shown(request: Request) -> Answer:
            row = one(request)
            return row if isinstance(row, Answer) else Answer({word: row})

        def act(request: Request) -> Answer:
            row = one(request)
            if isinstance(row, Answer):
                return row
            ((name, given),) = request.body.items()
            return self._act(rows, row, name, actions[name], given or {})

        def delete(request: Request) -> Answer:
            row = one(request)
            if isinstance(row, Answer):
                return row
            return self._act(rows, row, "delete", actions["delete"], {})

        def update(request: Request) -> Answer:
            row = one(request)
            if isinstance(row, Answer):
                return row
            row |= request.body[word]
            return Answer({word: row})

        def set_metadata(request: Request) -> Answer:
            row = one(request)
            if isinstance(row, Answer):
                return row
            row["metadata"] = {**row["metadata"], **request.body["metadata"]}
            return Answer({"metadata": row["metadata"]})

        def remove_metadata(request: Request) -> Answer:
            row = one(request)
            if isinstance(row, Answer):
                return row
            if request.parts[1] not in row["metadata"]:
                return _refused("itemNotFound", "Metadata item was not found", 404)
            row["metadata"] = {k: v for k, v in row["metadata"].items() if k != request.parts[1]}
            return Answer(status=200)

        self._cloud.route(f"PUT {path}/{_ID}", update)
        self._cloud.route(f"POST {path}/{_ID}/metadata", set_metadata)
        self._cloud.route(f"DELETE {path}/{_ID}/metadata/{_ID}", remove_metadata)
        self._cloud.route(f"GET {path}(?:/detail)?", listed)
        self._cloud.route(f"GET {path}/{_ID}", shown)
        self._cloud.route(f"POST {path}/{_ID}/action", act)
        self._cloud.route(f"DELETE {path}/{_ID}", delete)

    def _act(self, rows: list[Json], row: Json, name: str, action: Action, given: Json) -> Answer:
        if action.accepted is not None and row["status"] not in action.accepted:
            said = f"Invalid volume: cannot {name} while it is {row['status']}."
            return _refused("badRequest", said, 400)
        course = self.courses.pop(row["id"], Course())
        before = row["status"]
        if action.at_once:
            action.effect(row, given)
            return Answer(status=202)
        if not course.task:
            return Answer(status=202)
        row["status"] = action.meanwhile or before

        def end() -> None:
            row["status"] = course.ends or action.ends or before
            if course.ends:
                return
            action.effect(row, given)
            if action.gone:
                rows.remove(row)

        if course.seconds is not None:
            self._ends.append((self._cloud.now() + course.seconds, end))
        return Answer(status=202)

    def _version(self, request: Request) -> Answer:
        links = [{"rel": "self", "href": f"{self._cloud.origin}/volume/v3/"}]
        version = {"id": "v3.0", "status": "CURRENT", "links": links, "version": "3.70"}
        return Answer({"versions": [{**version, "min_version": "3.0"}]})


# What Cinder filters by, and where it stands in a row.
_KEYS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "volume_id": "volume_id",
    "project_id": "os-vol-tenant-attr:tenant_id",
    "snapshot_id": "snapshot_id",
}
