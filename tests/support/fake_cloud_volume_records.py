"""What a fake Cinder knows beside its volumes: types, pools, attachments, transfers."""

from __future__ import annotations

import itertools
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json, Server, uuid_of
from support.fake_cloud_http import Answer, Request

_V3 = "/volume/v3"
_ID = r"([^/]+)"
_OWNER = "os-vol-tenant-attr:tenant_id"
# The second one is not to be used.
_ZONES = [
    {"zoneName": "az-1", "zoneState": {"available": True}},
    {"zoneName": "az-2", "zoneState": {"available": False}},
]


class VolumeRecords:
    """Their rows are what Cinder answers; attachments of Nova are its servers' own."""

    def __init__(self, cloud: FakeCloud, volumes: list[Json], snapshots: list[Json]) -> None:
        self._cloud, self._volumes, self._snapshots = cloud, volumes, snapshots
        self._numbers = itertools.count(1)
        self.services: list[Json] = []
        self.types: list[Json] = []
        self.pools: list[Json] = []
        self.attachments: list[Json] = []
        self.transfers: list[Json] = []
        #: What Cinder says of what went wrong, the newest first.
        self.messages: list[Json] = []
        #: The keys that were told, each once.
        self.keys: list[str] = []
        #: By which attachment Nova has a volume, by server and volume.
        self.at_nova: dict[tuple[str, str], str] = {}
        for name in ("fast", "slow"):
            self.types.append({"id": uuid_of("type", name), "name": name, "extra_specs": {}})
        for pattern, handle in {
            # What only those are told who see all there is.
            "GET /os-services": lambda request: Answer({"services": self.services}),
            "GET /os-availability-zone": lambda request: Answer({"availabilityZoneInfo": _ZONES}),
            "GET /messages": lambda request: Answer({"messages": self.messages}),
            "GET /types": lambda request: Answer({"volume_types": self.types}),
            f"GET /types/{_ID}": self._type,
            "GET /scheduler-stats/get_pools": lambda request: Answer({"pools": self.pools}),
            "GET /attachments/detail": self._attachments,
            f"DELETE /attachments/{_ID}": self._detach,
            "GET /os-volume-transfer/detail": self._transfers,
            "POST /volume-transfers": self._offer,
            f"DELETE /volume-transfers/{_ID}": self._withdraw,
            f"POST /volume-transfers/{_ID}/accept": self._accept,
        }.items():
            method, _, path = pattern.partition(" ")
            cloud.route(f"{method} {_V3}{path}", handle)
        path = f"/compute/v2.1/servers/{_ID}/os-volume_attachments/{_ID}"
        cloud.route(f"GET {path}", self._at_nova)
        cloud.route(f"DELETE {path}", self._detach_at_nova)

    def attach(self, volume: Json, server: str | None, *, status: str = "attached") -> Json:
        """Give Cinder a record of a volume that is attached to a server; return the record."""
        row: Json = {
            "id": uuid_of("attachment", f"{volume['id']} {server}"),
            "status": status,
            "instance": server,
            "volume_id": volume["id"],
        }
        self.attachments.append(row)
        volume["attachments"] = [*volume["attachments"], {"server_id": server}]
        return row

    def have_at_nova(self, server: Server, volume: Json, attachment: str) -> None:
        """Have Nova say that it has a volume on a server, by this attachment."""
        server.volumes.append(volume["id"])
        self.at_nova[server.id, volume["id"]] = attachment

    # -- types ---------------------------------------------------------------------------------

    def _type(self, request: Request) -> Answer:
        for row in self.types:
            if row["id"] == request.parts[0]:
                return Answer({"volume_type": row})
        return refused("itemNotFound", "Volume type could not be found.", 404)

    # -- attachments ---------------------------------------------------------------------------

    def _attachments(self, request: Request) -> Answer:
        wanted = request.query.get("volume_id")
        found = [row for row in self.attachments if wanted in (None, row["volume_id"])]
        return Answer({"attachments": found})

    def _detach(self, request: Request) -> Answer:
        for row in self.attachments:
            if row["id"] == request.parts[0]:
                return self._detached(row)
        return refused("itemNotFound", "Volume attachment could not be found.", 404)

    def _detached(self, row: Json) -> Answer:
        if row["id"] in self.at_nova.values():
            said = "Detach volume from instance using the Compute API"
            return refused("conflictingRequest", said, 409)
        self.forget(row)
        return Answer({"attachments": []})

    def forget(self, row: Json) -> None:
        """Take a record away; a volume without any is available."""
        self.attachments.remove(row)
        for volume in self._volumes:
            if volume["id"] == row["volume_id"]:
                left = [one for one in self.attachments if one["volume_id"] == volume["id"]]
                volume["attachments"] = [{"server_id": one["instance"]} for one in left]
                volume["status"] = "in-use" if left else "available"

    def _at_nova(self, request: Request) -> Answer:
        id, volume = request.parts
        if (id, volume) not in self.at_nova:
            return refused("itemNotFound", "No such attachment.", 404)
        known: Json = {"serverId": id, "volumeId": volume}
        if request.version >= (2, 89):
            known["attachment_id"] = self.at_nova[id, volume]
        return Answer({"volumeAttachment": known})

    def _detach_at_nova(self, request: Request) -> Answer:
        id, volume = request.parts
        if (id, volume) not in self.at_nova:
            return refused("itemNotFound", "No such attachment.", 404)
        by = self.at_nova.pop((id, volume))
        for server in self._cloud.servers:
            if server.id == id:
                server.volumes.remove(volume)
        for row in [row for row in self.attachments if row["id"] == by]:
            self.forget(row)
        return Answer(status=202)

    # -- transfers -----------------------------------------------------------------------------

    def _transfers(self, request: Request) -> Answer:
        return Answer({"transfers": [_public(row) for row in self.transfers]})

    def _offer(self, request: Request) -> Answer:
        given = request.body["transfer"]
        volume = self._volume(given["volume_id"])
        if volume["status"] != "available":
            return refused("badRequest", "Invalid volume: status must be available", 400)
        number = next(self._numbers)
        row = {**given, "id": uuid_of("transfer", str(number)), "auth_key": f"key-{number:012}"}
        self.transfers.append(row)
        self.keys.append(row["auth_key"])
        volume["status"] = "awaiting-transfer"
        return Answer({"transfer": row}, 202)

    def _withdraw(self, request: Request) -> Answer:
        for row in self.transfers:
            if row["id"] == request.parts[0]:
                self.transfers.remove(row)
                self._volume(row["volume_id"])["status"] = "available"
                return Answer(status=202)
        return refused("itemNotFound", "Transfer could not be found.", 404)

    def _accept(self, request: Request) -> Answer:
        for row in self.transfers:
            if row["id"] != request.parts[0]:
                continue
            if request.body["accept"]["auth_key"] != row["auth_key"]:
                return refused("badRequest", "Invalid auth key", 400)
            self.transfers.remove(row)
            volume = self._volume(row["volume_id"])
            volume["status"], volume[_OWNER] = "available", self._cloud.project_of(request)
            return Answer({"transfer": _public(row)}, 202)
        return refused("itemNotFound", "Transfer could not be found.", 404)

    def _volume(self, id: str) -> Json:
        (found,) = (row for row in self._volumes if row["id"] == id)
        return found


def _public(row: Json) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "auth_key"}


def refused(word: str, said: str, status: int) -> Answer:
    """Return what a service answers that refuses."""
    return Answer({word: {"message": said, "code": status}}, status)
