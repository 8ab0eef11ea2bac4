"""What the cloud itself says, and what its owners do to it behind the runbooks' back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import openstack
import yaml
from openstack.connection import Connection

from devcloud import faults

Found = TypeVar("Found")
#: A flavor that boots at once and of which hundreds fit on a host.
TINY = "proof.tiny"
_NEWEST = "2.96"
_OVER = ("completed", "done", "confirmed", "error", "failed", "cancelled", "reverted")


def until(
    condition: Callable[[], Found], what: str, seconds: float = 60.0, pause: float = 0.15
) -> Found:
    """Wait until ``condition()`` is true and return what it answered; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
    return found


def connect(clouds_yaml: Path) -> Connection:
    """Log in as the administrator of a devcloud."""
    entry = yaml.safe_load(clouds_yaml.read_text())["clouds"]["devcloud"]
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth=entry["auth"],
        region_name=entry["region_name"],
    )


@dataclass(frozen=True)
class Guest:
    """A server of a test."""

    id: str
    name: str


@dataclass
class Site:
    """The cloud as its administrator sees it, asked directly."""

    sdk: Connection
    #: Hosts on which the estate has nothing: the first is what tests drain.
    hosts: Sequence[str]
    _made: list[tuple[str, str]] = field(default_factory=list)
    _ends: list[Callable[[], None]] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The host that tests drain."""
        return self.hosts[0]

    @property
    def other(self) -> str:
        """A host that has nothing on it either."""
        return self.hosts[1]

    # -- asking ------------------------------------------------------------------------------

    def nova(self, path: str, microversion: str = _NEWEST) -> Any:
        """Return Nova's answer to a GET."""
        answer = self.sdk.compute.get(path, microversion=microversion)
        answer.raise_for_status()
        return answer.json()

    def server(self, guest: Guest) -> dict[str, Any]:
        """Return a server as Nova shows it."""
        found: dict[str, Any] = self.nova(f"/servers/{guest.id}")["server"]
        return found

    def host_of(self, guest: Guest) -> str:
        """Return the compute host that a server is on."""
        return str(self.server(guest)["OS-EXT-SRV-ATTR:host"])

    def status_of(self, guest: Guest) -> str:
        """Return a server's status."""
        return str(self.server(guest)["status"])

    def names_on(self, host: str) -> set[str]:
        """Return the names of the servers on a host."""
        found = self.nova(f"/servers/detail?all_tenants=1&host={host}")["servers"]
        return {server["name"] for server in found}

    def service(self, host: str) -> dict[str, Any]:
        """Return the nova-compute service of a host: status, state, disabled_reason, id."""
        found = self.nova(f"/os-services?binary=nova-compute&host={host}")["services"]
        service: dict[str, Any] = found[0]
        return service

    def hypervisor(self, host: str) -> dict[str, Any]:
        """Return a hypervisor."""
        listing = self.nova("/os-hypervisors/detail")["hypervisors"]
        return next(row for row in listing if row["hypervisor_hostname"] == host)

    def allocations(self, host: str) -> dict[str, Any]:
        """Return what Placement has given away of a host, by consumer."""
        path = f"/resource_providers/{self.hypervisor(host)['id']}/allocations"
        answer = self.sdk.placement.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()["allocations"]
        return found

    def newest_migration(self) -> int:
        """Return the id of the newest migration record there is; 0 if there is none."""
        found = self.nova("/os-migrations?limit=1")["migrations"]
        return max((record["id"] for record in found), default=0)

    def migrations(self, since: int, guest: Guest | None = None) -> list[dict[str, Any]]:
        """Return the migration records newer than ``since``, of one server or of all."""
        narrowed = f"&instance_uuid={guest.id}" if guest else ""
        found = self.nova(f"/os-migrations?limit=1000{narrowed}")["migrations"]
        return [record for record in found if record["id"] > since]

    def is_migrated(self, since: int, guest: Guest) -> bool:
        """Whether a migration newer than ``since`` is over and the server at rest."""
        records = self.migrations(since, guest)
        at_rest = self.server(guest)["OS-EXT-STS:task_state"] is None
        return bool(records) and at_rest and all(r["status"] in _OVER for r in records)

    # -- making ------------------------------------------------------------------------------

    def flavor(
        self, ram: int = 64, vcpus: int = 1, *, public: bool = True, **extra_specs: str
    ) -> str:
        """Make a flavor of that many MiB, without a disk; return its name."""
        name = f"proof.{uuid.uuid4().hex[:8]}"
        facts = {"name": name, "ram": ram, "vcpus": vcpus, "disk": 0, "is_public": public}
        made = self.sdk.compute.create_flavor(**facts)
        self._made.append(("flavor", made.id))
        if extra_specs:
            specs = {key.replace("__", ":"): value for key, value in extra_specs.items()}
            self.sdk.compute.create_flavor_extra_specs(made, specs)
        return name

    def project(self) -> str:
        """Make a project; return its id."""
        name = f"proof-{uuid.uuid4().hex[:8]}"
        made = self.sdk.identity.create_project(name=name, domain_id="default")
        self._made.append(("project", made.id))
        return str(made.id)

    def find_flavor(self, name: str) -> dict[str, Any] | None:
        """Return a flavor as Nova shows it, with its projects as ``access``; None if none is."""
        listed = self.nova("/flavors/detail?is_public=None", "2.61")["flavors"]
        found: dict[str, Any] | None = next((row for row in listed if row["name"] == name), None)
        if found is not None and not found["os-flavor-access:is_public"]:
            known = self.nova(f"/flavors/{found['id']}/os-flavor-access")["flavor_access"]
            found["access"] = [one["tenant_id"] for one in known]
        return found

    def to_come(self, kind: str) -> str:
        """Return a name for what a test has a runbook make: a flavor or images."""
        name = f"proof.{uuid.uuid4().hex[:8]}"
        self._made.append((f"{kind}s called", name))
        return name

    def new_image(self, **more: Any) -> str:
        """Make an image of a few bytes; return its id."""
        facts = {"disk_format": "raw", "container_format": "bare", "data": b"nothing", **more}
        made = self.sdk.image.create_image(f"proof-{uuid.uuid4().hex[:8]}", wait=True, **facts)
        self._made.append(("image", made.id))
        return str(made.id)

    def find_image(self, id: str) -> dict[str, Any] | None:
        """Return an image as Glance shows it, with its ``members``; None if there is none."""
        answer = self.sdk.image.get(f"/images/{id}")
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = answer.json()
        if found["visibility"] == "shared":
            members = self.sdk.image.get(f"/images/{id}/members").json()["members"]
            found["members"] = {one["member_id"]: one["status"] for one in members}
        return found

    def group(self, policy: str) -> str:
        """Make a server group; return its id."""
        made = self.sdk.compute.create_server_group(
            name=f"proof-{uuid.uuid4().hex[:8]}", policy=policy
        )
        self._made.append(("group", made.id))
        return str(made.id)

    def aggregate(self, name: str) -> str:
        """Make a host aggregate; return its id."""
        made = self.sdk.compute.create_aggregate(name=name)
        self.at_the_end(lambda: self._forget_aggregate(made.id))
        return str(made.id)

    def _forget_aggregate(self, id: int) -> None:
        shown = self.sdk.compute.get(f"/os-aggregates/{id}").json().get("aggregate", {})
        for host in shown.get("hosts", []):
            self.sdk.compute.remove_host_from_aggregate(id, host)
        self.sdk.compute.delete_aggregate(id)

    def volume(self, name: str, size: int = 1, **more: Any) -> str:
        """Make a volume of so many GiB and wait until it is available; return its id."""
        made = self.sdk.block_storage.create_volume(name=name, size=size, **more)
        self._made.append(("volume", made.id))
        until(lambda: (self.find_volume(made.id) or {}).get("status") == "available", name)
        return str(made.id)

    def find_volume(self, id: str) -> dict[str, Any] | None:
        """Return a volume as Cinder shows it, None if there is none."""
        answer = self.sdk.block_storage.get(f"/volumes/{id}")
        found: dict[str, Any] | None = answer.json().get("volume")
        return found

    def volume_snapshot(self, name: str, volume: str, **metadata: str) -> str:
        """Take a snapshot of a volume and wait until it is available; return its id."""
        made = self.sdk.block_storage.create_snapshot(
            volume_id=volume, name=name, metadata=metadata
        )
        self._made.append(("volume_snapshot", made.id))
        until(lambda: (self.find_volume_snapshot(made.id) or {}).get("status") == "available", name)
        return str(made.id)

    def find_volume_snapshot(self, id: str) -> dict[str, Any] | None:
        """Return a volume's snapshot as Cinder shows it, None if there is none."""
        found: dict[str, Any] | None = (
            self.sdk.block_storage.get(f"/snapshots/{id}").json().get("snapshot")
        )
        return found

    def boot(
        self, count: int = 1, host: str = "", flavor: str = TINY, name: str = "", **more: Any
    ) -> list[Guest]:
        """Boot servers without a network on a host, and wait until they are ACTIVE.

        ``group`` puts them into a server group; what else is given goes into the request.
        """
        named = name or f"proof-{uuid.uuid4().hex[:6]}"
        group = more.pop("group", None)
        body: dict[str, Any] = {
            "name": named,
            "flavorRef": self._flavor_id(flavor),
            "imageRef": self.image(),
            "networks": "none",
            "host": host or self.source,
            "min_count": count,
            "return_reservation_id": True,
            **more,
        }
        request: dict[str, Any] = {"server": body}
        if group:
            request["os:scheduler_hints"] = {"group": group}
        answer = self.sdk.compute.post("/servers", json=request, microversion=_NEWEST)
        answer.raise_for_status()
        reservation = answer.json()["reservation_id"]

        def booted() -> list[dict[str, Any]]:
            path = f"/servers/detail?all_tenants=1&reservation_id={reservation}"
            found = self.nova(path)["servers"]
            failed = [server["fault"] for server in found if server["status"] == "ERROR"]
            assert not failed, f"a test's server did not boot: {failed}"
            return found if found and all(s["status"] == "ACTIVE" for s in found) else []

        self._made.append(("reservation", reservation))
        guests = [Guest(s["id"], s["name"]) for s in until(booted, f"{named} ACTIVE")]
        return sorted(guests, key=lambda guest: guest.name)

    def act(self, guest: Guest, action: str, becomes: str = "", **data: Any) -> None:
        """Ask Nova for an action on a server and wait for the status it leads to."""
        answer = self.sdk.compute.post(
            f"/servers/{guest.id}/action", json={action: data or None}, microversion="2.72"
        )
        answer.raise_for_status()
        if becomes:
            self.settle(guest, becomes)

    def tag(self, guest: Guest, tag: str) -> None:
        """Put a tag on a server."""
        self.sdk.compute.add_tag_to_server(guest.id, tag)

    def settle(self, guest: Guest, status: str) -> None:
        """Wait until a server has a status."""
        until(lambda: self.status_of(guest) == status, f"{guest.name} {status}")

    def disable(self, host: str, reason: str = "a test") -> None:
        """Take a host out of scheduling."""
        body = {"status": "disabled", "disabled_reason": reason}
        self._put_service(host, body)

    def enable(self, host: str) -> None:
        """Put a host back into scheduling."""
        self._put_service(host, {"status": "enabled"})

    def force_down(self, host: str) -> None:
        """Tell Nova that the nova-compute of a host is down."""
        self._put_service(host, {"forced_down": True})

    def set_aside(self, but: Iterable[str]) -> None:
        """Take all hosts out of scheduling except those."""
        for row in self.nova("/os-services?binary=nova-compute")["services"]:
            if row["host"] not in but:
                self.disable(row["host"])

    def at_the_end(self, tidy: Callable[[], None]) -> None:
        """Have something tidied up after the test."""
        self._ends.append(tidy)

    # -- tidying up --------------------------------------------------------------------------

    def restore(self) -> None:
        """Undo whatever tests have done: knobs, dead computes, services, servers, the rest."""
        faults.clear()
        faults.restore_hosts()
        for row in self.nova("/os-services?binary=nova-compute")["services"]:
            if row["status"] != "enabled":
                self.enable(row["host"])
        # What was made last goes first: ports before their networks.
        ends, self._ends = self._ends[::-1], []
        for tidy in ends:
            tidy()
        made, self._made = self._made, []
        self.delete([s for kind, id in made if kind == "reservation" for s in self._reserved(id)])
        # What was made of another thing goes before it.
        for kind, id in reversed(made):
            if kind == "flavor":
                self.sdk.compute.delete_flavor(id)
            elif kind == "image" and self.find_image(id):
                off = [{"op": "replace", "path": "/protected", "value": False}]
                patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
                self.sdk.image.patch(f"/images/{id}", json=off, headers=patch)
                self.sdk.image.delete_image(id)
            elif kind == "flavors called" and self.find_flavor(id):
                self.sdk.compute.delete_flavor(str(self.sdk.compute.find_flavor(id).id))
            elif kind == "images called":
                for image in list(self.sdk.image.images(name=id)):
                    self.sdk.image.delete_image(image)
            elif kind == "project":
                self.sdk.identity.delete_project(id)
            elif kind == "group":
                self.sdk.compute.delete_server_group(id)
            elif kind == "volume_snapshot" and self.find_volume_snapshot(id):
                self.sdk.block_storage.delete_snapshot(id)
                until(lambda id=id: self.find_volume_snapshot(id) is None, f"{id} to be gone")
            elif kind == "volume" and self.find_volume(id):
                self.sdk.block_storage.delete_volume(id, force=True, cascade=True)
        for host in self.hosts:
            self._free(host)

    def _free(self, host: str) -> None:
        """Give up what Placement still holds on a host for migrations that Nova has lost.

        A server that is deleted after its live migration broke off at the very end leaves that.
        """
        servers = self.nova(f"/servers/detail?all_tenants=1&host={host}&soft_deleted=true")
        there = {server["id"] for server in servers["servers"]}
        for consumer in self.allocations(host).keys() - there:
            self.sdk.placement.delete(f"/allocations/{consumer}")

    def delete(self, ids: Sequence[str]) -> None:
        """Delete servers for good (not softly) and wait until they are gone."""
        for id in ids:
            self.sdk.compute.delete_server(id, force=True)

        def gone() -> bool:
            there = self.nova("/servers?all_tenants=1&limit=1000&soft_deleted=true")["servers"]
            return not {server["id"] for server in there} & set(ids)

        if ids:
            until(gone, "the servers of the test are gone")

    def _reserved(self, reservation: str) -> list[str]:
        path = f"/servers/detail?all_tenants=1&soft_deleted=true&reservation_id={reservation}"
        return [server["id"] for server in self.nova(path)["servers"]]

    def _put_service(self, host: str, body: dict[str, Any]) -> None:
        id = self.service(host)["id"]
        answer = self.sdk.compute.put(f"/os-services/{id}", json=body, microversion=_NEWEST)
        answer.raise_for_status()

    def _flavor_id(self, name: str) -> str:
        found = self.sdk.compute.find_flavor(name)
        if found is None and name == TINY:
            found = self.sdk.compute.create_flavor(name=TINY, ram=64, vcpus=1, disk=0)
        assert found, f"no flavor {name}"
        return str(found.id)

    def image(self) -> str:
        """Return an image that boots from any flavor, making it first if it is not there."""
        name = "proof"
        for image in self.sdk.image.images(name=name, status="active"):
            return str(image.id)
        made = self.sdk.image.create_image(
            name=name, disk_format="raw", container_format="bare", data=b"nothing", wait=True
        )
        return str(made.id)
