"""Glance of a fake cloud: images with their data, members and states, as Glance lets them change.

Its rows are the ``images`` of the cloud, which servers' snapshots are among.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from support.fake_cloud_estate import OWNER, Json, uuid_of
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_rows import paged, refusal

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud

_IMAGES = "/image/v2/images"
_ID = r"([^/]+)"
# What no row has as a key of that name, and lists nevertheless.
_KNOWN = {"limit", "marker", "visibility", "os_hidden", "sort", "sort_key", "sort_dir"}
# Without which state nothing is done.
_SWITCHES = {"deactivate": "active", "reactivate": "deactivated"}


class FakeGlance:
    """The image API of a fake cloud."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        #: The projects that an image is shared with, by its id: pending, accepted or rejected.
        self.members: dict[str, dict[str, str]] = {}
        #: What has been uploaded, by the image's id.
        self.data: dict[str, bytes] = {}
        #: What a URL gives that an image is imported from.
        self.web: dict[str, bytes] = {}
        self.methods = ["glance-direct", "web-download"]
        for pattern, handle in {
            "GET /image": self._versions,
            "GET /image/v2/info/import": self._import_info,
            # Which only those are shown who see all there is.
            "GET /image/v2/tasks": lambda request: Answer({"tasks": []}),
            f"GET {_IMAGES}": self._listed,
            f"POST {_IMAGES}": self._create,
            f"GET {_IMAGES}/{_ID}": self._one(Answer),
            f"PATCH {_IMAGES}/{_ID}": self._patch,
            f"DELETE {_IMAGES}/{_ID}": self._delete,
            f"PUT {_IMAGES}/{_ID}/file": self._upload,
            f"POST {_IMAGES}/{_ID}/import": self._import,
            f"POST {_IMAGES}/{_ID}/actions/{_ID}": self._switch,
            f"GET {_IMAGES}/{_ID}/members": self._members,
            f"POST {_IMAGES}/{_ID}/members": self._share,
            f"PUT {_IMAGES}/{_ID}/members/{_ID}": self._accept,
            f"DELETE {_IMAGES}/{_ID}/members/{_ID}": self._unshare,
        }.items():
            cloud.route(pattern, handle)

    def image(self, name: str, **facts: Any) -> Json:
        """Add an image and return its row."""
        row: Json = {
            "id": uuid_of("image", name),
            "name": name,
            "status": "active",
            "visibility": "shared",
            "owner": OWNER,
            "protected": False,
            "os_hidden": False,
            "min_disk": 0,
            "min_ram": 0,
            "size": 1,
            "tags": [],
            "disk_format": "raw",
            "container_format": "bare",
            "created_at": "2026-01-01T00:00:00Z",
            **facts,
        }
        self._cloud.images.append(row)
        return row

    def find(self, id: str) -> Json | None:
        """Return the row with that id."""
        return next((row for row in self._cloud.images if row["id"] == id), None)

    # -- reading -------------------------------------------------------------------------------

    def _versions(self, request: Request) -> Answer:
        links = [{"rel": "self", "href": f"{self._cloud.origin}/image/v2/"}]
        return Answer({"versions": [{"id": "v2.9", "status": "CURRENT", "links": links}]})

    def _import_info(self, request: Request) -> Answer:
        return Answer({"import-methods": {"type": "array", "value": self.methods}})

    def _listed(self, request: Request) -> Answer:
        asked = request.query
        hidden = asked.get("os_hidden") == "true"
        wanted = {name: value for name, value in asked.items() if name not in _KNOWN}
        rows = [
            row
            for row in self._cloud.images
            if bool(row.get("os_hidden")) is hidden
            and asked.get("visibility", "all") in ("all", row.get("visibility"))
            and all(_has(row, name, value) for name, value in wanted.items())
        ]
        return paged(self._cloud, request, "images", [row["id"] for row in rows], rows)

    def _members(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        if row["visibility"] != "shared":
            return refusal(request, 403, "Only shared images have members.")
        known = self.members.get(row["id"], {})
        return Answer({"members": [{"member_id": p, "status": s} for p, s in known.items()]})

    def _one(self, answered: Callable[[Json], Answer]) -> Callable[[Request], Answer]:
        def handle(request: Request) -> Answer:
            row = self.find(request.parts[0])
            return _missing(request) if row is None else answered(row)

        return handle

    # -- changing ------------------------------------------------------------------------------

    def _create(self, request: Request) -> Answer:
        given = dict(request.body)
        id = uuid_of("image", f"{given['name']}-{len(self._cloud.images)}")
        new = {"id": id, "status": "queued", "size": None, **given}
        return Answer(self.image(new.pop("name"), **new), 201)

    def _patch(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        changed = dict(row)
        for change in request.body:
            name = change["path"][1:].replace("~1", "/").replace("~0", "~")
            if change["op"] != "add" and name not in changed:
                return refusal(request, 409, f"Property {name} does not exist.")
            if change["op"] == "remove":
                del changed[name]
            else:
                changed[name] = change["value"]
        row.clear()
        row.update(changed)
        return Answer(row)

    def _delete(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        if row.get("protected"):
            said = f"Image {row['id']} is protected and cannot be deleted."
            return refusal(request, 403, said)
        self._cloud.images.remove(row)
        return Answer(status=204)

    def _upload(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        if row["status"] != "queued":
            said = f"Image status transition from {row['status']} to saving is not allowed"
            return refusal(request, 409, said)
        self.fill(row, request.body or b"")
        return Answer(status=204)

    def _import(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        method = request.body["method"]
        if method["name"] not in self.methods or row["status"] != "queued":
            return refusal(request, 409, f"{method['name']} is not possible.")
        if method["uri"] in self.web:
            self.fill(row, self.web[method["uri"]])
        else:  # Glance tells of an import that fails in no other way
            row["os_glance_failed_import"] = "file"
        return Answer(status=202)

    def fill(self, row: Json, data: bytes) -> None:
        """Give an image its data, which makes it active."""
        self.data[row["id"]] = data
        row |= {"status": "active", "size": len(data), "os_hash_algo": "sha512"}
        row["os_hash_value"] = hashlib.sha512(data).hexdigest()
        row["checksum"] = hashlib.md5(data, usedforsecurity=False).hexdigest()

    def _switch(self, request: Request) -> Answer:
        row, action = self.find(request.parts[0]), request.parts[1]
        if row is None:
            return _missing(request)
        if row["status"] not in _SWITCHES.values():
            said = f"Image status transition from {row['status']} is not allowed"
            return refusal(request, 400, said)
        row["status"] = "deactivated" if action == "deactivate" else "active"
        return Answer(status=204)

    def _share(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        if row["visibility"] != "shared":
            return refusal(request, 403, "Only shared images have members.")
        known, member = self.members.setdefault(row["id"], {}), request.body["member"]
        if member in known:
            return refusal(request, 409, f"Image {row['id']} is already shared with {member}.")
        known[member] = "pending"
        return Answer({"member_id": member, "status": "pending"})

    def _accept(self, request: Request) -> Answer:
        image, member = request.parts
        if member not in self.members.get(image, {}):
            return _missing(request)
        self.members[image][member] = request.body["status"]
        return Answer({"member_id": member, "status": request.body["status"]})

    def _unshare(self, request: Request) -> Answer:
        image, member = request.parts
        if member not in self.members.get(image, {}):
            return _missing(request)
        del self.members[image][member]
        return Answer(status=204)


def _has(row: Json, name: str, value: str) -> bool:
    if name == "tag":
        return value in row.get("tags", ())
    if name.endswith(("_min", "_max")) or name in ("created_at", "updated_at"):
        return True  # it only narrows
    known = str(row.get(name))
    if not value.startswith("in:"):
        return known == value
    return known in next(csv.reader([value.removeprefix("in:")]))


def _missing(request: Request) -> Answer:
    return refusal(request, 404, f"No image found with ID {request.parts[0]}")
