"""How much of a cloud is free while something goes on there, as Placement says every second."""

from __future__ import annotations

import threading
from types import TracebackType

from support.cloud_site import Site

_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")


class FloorWatch(threading.Thread):
    """A thread that samples while its block runs: what of the enabled hosts' capacity is free."""

    def __init__(self, site: Site, hosts: list[str]) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._providers = {host: site.hypervisor(host)["id"] for host in hosts}
        self._ended = threading.Event()
        #: Of each sample: the hosts that were enabled, and the smallest share free, in percent.
        self.samples: list[tuple[frozenset[str], float]] = []
        self.failure: BaseException | None = None

    def __enter__(self) -> FloorWatch:
        self.sample()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.join(30)

    def run(self) -> None:
        """Sample once a second until the block ends."""
        try:
            while not self._ended.wait(1.0):
                self.sample()
        except BaseException as error:
            self.failure = error

    def sample(self) -> None:
        """Ask Nova which hosts are enabled, and Placement what of them is given away."""
        rows = self._site.nova("/os-services?binary=nova-compute")["services"]
        enabled = {row["host"] for row in rows if row["status"] == "enabled"}
        whole, free = dict.fromkeys(_CLASSES, 0.0), dict.fromkeys(_CLASSES, 0.0)
        for host in enabled & self._providers.keys():
            path = f"/resource_providers/{self._providers[host]}"
            inventories = self._placement(f"{path}/inventories")["inventories"]
            usages = self._placement(f"{path}/usages")["usages"]
            for name in _CLASSES:
                one = inventories[name]
                capacity = (one["total"] - one["reserved"]) * one["allocation_ratio"]
                whole[name] += capacity
                free[name] += capacity - usages.get(name, 0)
        share = min(100 * free[name] / whole[name] for name in _CLASSES)
        self.samples.append((frozenset(enabled), share))

    def lowest(self) -> float:
        """Return the smallest share that was free at any time, in percent; raises what failed."""
        if self.failure:
            raise self.failure
        return min(share for _, share in self.samples)

    def fewest(self) -> int:
        """Return how few hosts were enabled at a time."""
        return min(len(enabled) for enabled, _ in self.samples)

    def _placement(self, path: str) -> dict[str, dict[str, dict[str, float]]]:
        answer = self._site.sdk.placement.get(path)
        answer.raise_for_status()
        found: dict[str, dict[str, dict[str, float]]] = answer.json()
        return found
