"""Placement's books, read provider by provider, and the same arithmetic done one by one."""

from __future__ import annotations

from typing import Any

from openstack.connection import Connection

_PLACEMENT = "1.39"
_DISABLED = "COMPUTE_STATUS_DISABLED"


def get(sdk: Connection, service: str, path: str, version: str = "") -> Any:
    """Return the answer to a GET."""
    answer = getattr(sdk, service).get(path, microversion=version or None)
    answer.raise_for_status()
    return answer.json()


class Books:
    """Placement's books, provider by provider, and which hosts Nova puts servers on."""

    def __init__(self, sdk: Connection) -> None:
        self._sdk = sdk
        listed = get(sdk, "placement", "/resource_providers", _PLACEMENT)["resource_providers"]
        self.providers = {one["uuid"]: one["name"] for one in listed}
        self.inventories = {id: self._part(id, "inventories") for id in self.providers}
        self.usages = {id: self._part(id, "usages") for id in self.providers}
        self.traits = {id: set(self._part(id, "traits")) for id in self.providers}
        services = get(sdk, "compute", "/os-services?binary=nova-compute", "2.53")["services"]
        self.usable = {
            s["host"] for s in services if (s["status"], s["state"]) == ("enabled", "up")
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Books) and self._all() == other._all()

    def _all(self) -> tuple[object, ...]:
        return self.inventories, self.usages, self.traits, self.usable

    def _part(self, id: str, what: str) -> Any:
        return get(self._sdk, "placement", f"/resource_providers/{id}/{what}", _PLACEMENT)[what]

    def capacity(self, id: str, name: str) -> int:
        """Return how much of a resource class a provider may give away."""
        held = self.inventories[id].get(name)
        return int((held["total"] - held["reserved"]) * held["allocation_ratio"]) if held else 0

    def more(self, takes: dict[str, int], traits: dict[str, str]) -> dict[str, int]:
        """Return how many more fit by host, one after the other, as Placement's rules say."""
        found = {}
        for id, host in self.providers.items():
            required = {name for name, how in traits.items() if how == "required"}
            forbidden = {name for name, how in traits.items() if how == "forbidden"} | {_DISABLED}
            if not required <= self.traits[id] or forbidden & self.traits[id]:
                continue
            if host not in self.usable:
                continue
            used, number = dict(self.usages[id]), 0
            while all(self._takes(id, name, n, used) for name, n in takes.items()):
                used = {name: used.get(name, 0) + takes.get(name, 0) for name in {*used, *takes}}
                number += 1
            if number:
                found[host] = number
        return found

    def _takes(self, id: str, name: str, amount: int, used: dict[str, int]) -> bool:
        held = self.inventories[id].get(name)
        if held is None or not held["min_unit"] <= amount <= held["max_unit"]:
            return False
        return amount % held["step_size"] == 0 and used.get(name, 0) + amount <= self.capacity(
            id, name
        )


def takes(flavor: Any) -> dict[str, int]:
    """Return what a server of a flavor takes, if it boots from an image."""
    disk = flavor.disk + flavor.ephemeral + -(-int(flavor.swap or 0) // 1024)
    wanted = {"VCPU": flavor.vcpus, "MEMORY_MB": flavor.ram, "DISK_GB": disk}
    return {name: amount for name, amount in wanted.items() if amount}


def traits(flavor: Any) -> dict[str, str]:
    """Return the traits that a flavor requires or forbids."""
    specs = flavor.extra_specs or {}
    return {k.removeprefix("trait:"): v for k, v in specs.items() if k.startswith("trait:")}


def candidates(sdk: Connection, flavor: Any) -> set[str]:
    """Return the hosts on which Placement would put a server of a flavor."""
    wanted = ",".join(f"{name}:{amount}" for name, amount in takes(flavor).items())
    words = {"required": "", "forbidden": "!"}
    asked = ",".join([f"!{_DISABLED}", *(f"{words[how]}{n}" for n, how in traits(flavor).items())])
    path = f"/allocation_candidates?resources={wanted}&required={asked}"
    answer = get(sdk, "placement", path, _PLACEMENT)
    return {id for one in answer["allocation_requests"] for id in one["allocations"]}
