"""Placement of a fake cloud: what servers take up, and where there is room, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from support.fake_cloud_estate import Hypervisor, Json
from support.fake_cloud_http import Answer, Request

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud

_DISABLED = "COMPUTE_STATUS_DISABLED"


class FakePlacement:
    """Resource providers are the hypervisors; every server holds what its flavor says."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        #: What is allocated besides, to consumers that are no servers on the host, by its name.
        self.leaked: dict[str, dict[str, dict[str, int]]] = {}
        #: Disabled hypervisors whose trait that says so was taken off.
        self.opened: set[str] = set()
        self.generation = 1
        cloud.route(r"GET /placement", self._versions)
        cloud.route(r"GET /placement/resource_providers/([^/]+)/traits", self._marks)
        cloud.route(r"PUT /placement/resource_providers/([^/]+)/traits", self._mark)
        cloud.route(r"GET /placement/resource_providers/([^/]+)/allocations", self._allocations)
        cloud.route(r"GET /placement/allocations/([^/]+)", self._held)
        cloud.route(r"GET /placement/allocation_candidates", self._candidates)

    def used(self, host: Hypervisor) -> dict[str, int]:
        """Return what is taken of each resource class of a hypervisor."""
        total = dict.fromkeys(host.holds, 0)
        for resources in self.allocated(host).values():
            for name, amount in resources.items():
                total[name] = total.get(name, 0) + amount
        return total

    def allocated(self, host: Hypervisor) -> dict[str, dict[str, int]]:
        """Return what is taken of a hypervisor, by consumer."""
        mine = [
            server
            for server in self._cloud.servers
            if server.host == host.host and server.allocated and server.node in (None, host.name)
        ]
        unconfirmed = [
            migration
            for migration in self._cloud.migrations
            if migration.status == "finished"
            and migration.source == host.host
            and migration.server.status == "VERIFY_RESIZE"
        ]
        return {
            **{server.id: server.resources for server in mine},
            **{migration.uuid: migration.server.resources for migration in unconfirmed},
            **self.leaked.get(host.name, {}),
        }

    def fits(self, host: Hypervisor, wanted: Mapping[str, int]) -> bool:
        """Return whether there is room: capacity less what is used."""
        used = self.used(host)
        return all(host.holds.get(name, 0) - used.get(name, 0) >= n for name, n in wanted.items())

    def _versions(self, request: Request) -> Answer:
        version = {"id": "v1.0", "status": "CURRENT", "min_version": "1.0", "max_version": "1.39"}
        links = [{"rel": "self", "href": f"{self._cloud.origin}/placement"}]
        return Answer({"versions": [{**version, "links": links}]})

    def _allocations(self, request: Request) -> Answer:
        host = next((h for h in self._cloud.hypervisors if h.id == request.parts[0]), None)
        if host is None:
            return Answer({"errors": [{"status": 404, "detail": "No resource provider."}]}, 404)
        held = self.allocated(host)
        allocations = {consumer: {"resources": amounts} for consumer, amounts in held.items()}
        return Answer({"allocations": allocations, "resource_provider_generation": 1})

    def _held(self, request: Request) -> Answer:
        holds = {
            host.id: {"resources": held[request.parts[0]], "generation": 1}
            for host in self._cloud.hypervisors
            if request.parts[0] in (held := self.allocated(host))
        }
        return Answer({"allocations": holds})

    def admits(self, host: Hypervisor) -> bool:
        """Return whether Placement names a hypervisor to Nova's scheduler."""
        return _DISABLED not in self._traits(host)

    def _marks(self, request: Request) -> Answer:
        (host,) = (host for host in self._cloud.hypervisors if host.id == request.parts[0])
        traits = sorted(self._traits(host))
        return Answer({"traits": traits, "resource_provider_generation": self.generation})

    def _mark(self, request: Request) -> Answer:
        (host,) = (host for host in self._cloud.hypervisors if host.id == request.parts[0])
        if request.body["resource_provider_generation"] != self.generation:
            said = "resource provider generation conflict"
            return Answer({"errors": [{"status": 409, "detail": said}]}, 409)
        self.generation += 1
        host.traits = set(request.body["traits"]) - {_DISABLED}
        (self.opened.discard if _DISABLED in request.body["traits"] else self.opened.add)(host.id)
        return self._marks(request)

    def _candidates(self, request: Request) -> Answer:
        asked = (entry.split(":") for entry in request.query["resources"].split(","))
        wanted = {name: int(amount) for name, amount in asked}
        traits = set(filter(None, request.query.get("required", "").split(",")))
        required = {trait for trait in traits if not trait.startswith("!")}
        forbidden = {trait[1:] for trait in traits - required}
        found = [
            host
            for host in self._cloud.hypervisors
            if self.fits(host, wanted)
            and request.query.get("in_tree") in (None, host.id)
            and required <= self._traits(host)
            and not forbidden & self._traits(host)
        ]
        requests = [{"allocations": {host.id: {"resources": wanted}}} for host in found]
        summaries = {host.id: self._summary(host) for host in found}
        return Answer({"allocation_requests": requests, "provider_summaries": summaries})

    def _traits(self, host: Hypervisor) -> set[str]:
        is_marked = host.status == "disabled" and host.id not in self.opened
        return host.traits | ({_DISABLED} if is_marked else set())

    def _summary(self, host: Hypervisor) -> Json:
        used = self.used(host)
        amounts = {n: {"capacity": c, "used": used[n]} for n, c in host.holds.items()}
        return {
            "resources": amounts,
            "traits": sorted(self._traits(host)),
            "parent_provider_uuid": None,
            "root_provider_uuid": host.id,
        }
