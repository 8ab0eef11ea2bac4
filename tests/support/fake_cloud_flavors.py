"""Flavors of a fake cloud's Nova: unique ids and names, extra specs, and who may use them."""

from __future__ import annotations

from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json, Server, uuid_of
from support.fake_cloud_http import Answer, Request

_FLAVORS = "/compute/v2.1/flavors"
_ID = r"([^/]+)"


class FakeFlavors:
    """The flavors; ``rows`` are what Nova answers, ``access`` the projects of each private one."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.rows: list[Json] = []
        self.access: dict[str, list[str]] = {}
        # Servers whose flavor was deleted: Nova finds them by the id of none.
        self._cut_off: set[str] = set()
        cloud.nova.server_filters.append(self._fits)
        for pattern, handle in {
            f"GET {_FLAVORS}(?:/detail)?": self._listed,
            f"POST {_FLAVORS}": self._create,
            f"GET {_FLAVORS}/{_ID}": self._shown,
            f"PUT {_FLAVORS}/{_ID}": self._update,
            f"DELETE {_FLAVORS}/{_ID}": self._delete,
            f"POST {_FLAVORS}/{_ID}/action": self._act,
            f"GET {_FLAVORS}/{_ID}/os-flavor-access": self._accesses,
            f"POST {_FLAVORS}/{_ID}/os-extra_specs": self._set_specs,
            f"DELETE {_FLAVORS}/{_ID}/os-extra_specs/{_ID}": self._remove_spec,
        }.items():
            cloud.route(pattern, handle)

    def flavor(self, name: str, **facts: Any) -> Json:
        """Add a flavor and return its row."""
        row: Json = {
            "id": uuid_of("flavor", name),
            "name": name,
            "vcpus": 1,
            "ram": 1024,
            "disk": 10,
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "swap": "",
            "rxtx_factor": 1.0,
            "os-flavor-access:is_public": True,
            "OS-FLV-DISABLED:disabled": False,
            "description": None,
            "extra_specs": {},
            **facts,
        }
        self.rows.append(row)
        return row

    def find(self, id: str) -> Json | None:
        """Return the row with that id."""
        return next((row for row in self.rows if row["id"] == id), None)

    # -- reading -------------------------------------------------------------------------------

    def _listed(self, request: Request) -> Answer:
        public = {"True": [True], "False": [False]}.get(request.query.get("is_public", ""), [])
        rows = [
            row for row in self.rows if not public or row["os-flavor-access:is_public"] in public
        ]
        marker = request.query.get("marker")
        ids = [row["id"] for row in rows]
        return Answer({"flavors": rows[ids.index(marker) + 1 :] if marker in ids else rows})

    def _shown(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        return Answer({"flavor": row}) if row else _missing(request)

    def _accesses(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None or row["os-flavor-access:is_public"]:
            return _refused("itemNotFound", "Access list not available for public flavors.", 404)
        known = self.access.get(row["id"], [])
        return Answer({"flavor_access": [{"flavor_id": row["id"], "tenant_id": p} for p in known]})

    def _fits(self, server: Server, wanted: dict[str, str]) -> bool:
        if "flavor" not in wanted:
            return True
        row = self.find(wanted["flavor"])
        named = row is not None and row["name"] == server.flavor.name
        return named and server.id not in self._cut_off

    # -- changing ------------------------------------------------------------------------------

    def _create(self, request: Request) -> Answer:
        given = dict(request.body["flavor"])
        id = given.pop("id", None) or uuid_of("flavor", given["name"])
        if any(row["name"] == given["name"] for row in self.rows):
            said = f"Flavor with name {given['name']} already exists."
            return _refused("conflictingRequest", said, 409)
        if self.find(id):
            return _refused("conflictingRequest", f"Flavor with ID {id} already exists.", 409)
        return Answer({"flavor": self.flavor(given.pop("name"), **{**given, "id": id})})

    def _update(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        row["description"] = request.body["flavor"]["description"]
        return Answer({"flavor": row})

    def _delete(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        had = [server for server in self._cloud.servers if server.flavor.name == row["name"]]
        self._cut_off |= {server.id for server in had}
        self.rows.remove(row)
        self.access.pop(row["id"], None)
        return Answer(status=202)

    def _act(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        ((action, given),) = request.body.items()
        project, known = given["tenant"], self.access.setdefault(row["id"], [])
        if row["os-flavor-access:is_public"]:
            said = "Can not add access to a public flavor."
            return _refused("conflictingRequest", said, 409)
        if action == "addTenantAccess":
            if project in known:
                said = f"Flavor access already exists for flavor {row['id']} and {project}."
                return _refused("conflictingRequest", said, 409)
            known.append(project)
        elif project not in known:
            said = f"Flavor access not found for {row['id']} / {project} combination."
            return _refused("itemNotFound", said, 404)
        else:
            known.remove(project)
        return self._accesses(request)

    def _set_specs(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return _missing(request)
        row["extra_specs"] |= request.body["extra_specs"]
        return Answer({"extra_specs": request.body["extra_specs"]})

    def _remove_spec(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None or request.parts[1] not in row["extra_specs"]:
            return _missing(request)
        del row["extra_specs"][request.parts[1]]
        return Answer()


def _missing(request: Request) -> Answer:
    return _refused("itemNotFound", f"Flavor {request.parts[0]} could not be found.", 404)


def _refused(word: str, said: str, status: int) -> Answer:
    return Answer({word: {"message": said, "code": status}}, status)
