"""Aggregates and server groups of a fake cloud, which can be made, changed and deleted.

What is refused is refused as Nova does: a name that is taken, a zone that servers would change,
an aggregate that has hosts.
"""

from __future__ import annotations

from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Group, Json
from support.fake_cloud_http import Answer, Request

_ZONE = "availability_zone"
_AGGREGATES, _GROUPS = "/compute/v2.1/os-aggregates", "/compute/v2.1/os-server-groups"


class FakeGroups:
    """The part of Nova's API that changes aggregates and server groups of a cloud."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        #: How many server groups a project may have.
        for pattern, handle in {
            f"POST {_AGGREGATES}": self._create_aggregate,
            f"GET {_AGGREGATES}/([^/]+)": self._shown_aggregate,
            f"PUT {_AGGREGATES}/([^/]+)": self._update_aggregate,
            f"DELETE {_AGGREGATES}/([^/]+)": self._delete_aggregate,
            f"POST {_AGGREGATES}/([^/]+)/action": self._act,
            f"POST {_GROUPS}": self._create_group,
            f"GET {_GROUPS}/([^/]+)": self._shown_group,
            f"DELETE {_GROUPS}/([^/]+)": self._delete_group,
        }.items():
            cloud.route(pattern, handle)

    # -- aggregates ----------------------------------------------------------------------------

    def _create_aggregate(self, request: Request) -> Answer:
        given = request.body["aggregate"]
        if self._is_taken(given["name"]):
            return _refused(409, f"Aggregate {given['name']} already exists.")
        zone = given.get(_ZONE)
        made = Aggregate(given["name"], [], {_ZONE: zone} if zone else {})
        self._cloud.aggregates.append(made)
        shown = made.as_json()
        return Answer({"aggregate": {name: shown[name] for name in ("id", "name", _ZONE)}})

    def _shown_aggregate(self, request: Request) -> Answer:
        found = self._aggregate(request)
        return found if isinstance(found, Answer) else Answer({"aggregate": found.as_json()})

    def _update_aggregate(self, request: Request) -> Answer:
        found = self._aggregate(request)
        if isinstance(found, Answer):
            return found
        given = request.body["aggregate"]
        name = given.get("name", found.name)
        if name != found.name and self._is_taken(name):
            return _refused(409, f"Aggregate {name} already exists.")
        found.name = name
        return self._with_metadata(found, {_ZONE: given[_ZONE]} if _ZONE in given else {})

    def _delete_aggregate(self, request: Request) -> Answer:
        found = self._aggregate(request)
        if isinstance(found, Answer):
            return found
        if found.hosts:
            return _refused(400, "Host aggregate is not empty")
        self._cloud.aggregates.remove(found)
        return Answer({})

    def _act(self, request: Request) -> Answer:
        found = self._aggregate(request)
        if isinstance(found, Answer):
            return found
        ((name, given),) = request.body.items()
        if name == "set_metadata":
            return self._with_metadata(found, given["metadata"])
        host, is_there = given["host"], given["host"] in found.hosts
        if is_there is (name == "add_host"):
            return _refused(409 if is_there else 404, f"Cannot {name} {host}")
        zone = found.metadata.get(_ZONE)
        if zone and self._others(found, host) != {zone} and self._has_servers(host):
            return _refused(409, "the availability zone of the host would change")
        if name == "add_host":
            found.hosts.append(host)
        else:
            found.hosts.remove(host)
        return Answer({"aggregate": found.as_json()})

    def _with_metadata(self, aggregate: Aggregate, given: Json) -> Answer:
        zone = given.get(_ZONE, aggregate.metadata.get(_ZONE))
        if zone != aggregate.metadata.get(_ZONE) and any(map(self._has_servers, aggregate.hosts)):
            return _refused(400, "One or more hosts contain instances in this zone")
        for key, value in given.items():
            if value is None:
                aggregate.metadata.pop(key, None)
            else:
                aggregate.metadata[key] = value
        return Answer({"aggregate": aggregate.as_json()})

    def _others(self, aggregate: Aggregate, host: str) -> set[str]:
        """Return the zones that other aggregates make of a host."""
        others = (one for one in self._cloud.aggregates if one is not aggregate)
        return {
            one.metadata[_ZONE] for one in others if host in one.hosts and _ZONE in one.metadata
        }

    def _has_servers(self, host: str) -> bool:
        return any(server.host == host for server in self._cloud.servers)

    def _is_taken(self, name: str) -> bool:
        return any(aggregate.name == name for aggregate in self._cloud.aggregates)

    def _aggregate(self, request: Request) -> Aggregate | Answer:
        known = (one for one in self._cloud.aggregates if str(one.id) == request.parts[0])
        return next(known, _refused(404, f"Aggregate {request.parts[0]} could not be found."))

    # -- server groups -------------------------------------------------------------------------

    def _create_group(self, request: Request) -> Answer:
        given = request.body["server_group"]
        most = given.get("rules", {}).get("max_server_per_host")
        made = Group(given["name"], given["policy"], [], most, project=self._cloud.project)
        self._cloud.groups.append(made)
        return Answer({"server_group": made.as_json()})

    def _shown_group(self, request: Request) -> Answer:
        found = self._group(request)
        return found if isinstance(found, Answer) else Answer({"server_group": found.as_json()})

    def _delete_group(self, request: Request) -> Answer:
        found = self._group(request)
        if isinstance(found, Answer):
            return found
        self._cloud.groups.remove(found)
        return Answer(status=204)

    def _group(self, request: Request) -> Group | Answer:
        known = (one for one in self._cloud.groups if one.id == request.parts[0])
        return next(known, _refused(404, f"Instance group {request.parts[0]} could not be found."))


def _refused(status: int, said: str) -> Any:
    word = {400: "badRequest", 404: "itemNotFound"}.get(status, "conflictingRequest")
    return Answer({word: {"message": said, "code": status}}, status)
