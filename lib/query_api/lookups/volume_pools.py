"""Where Cinder can put a volume: its pools, with what each can do and what is free in it."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from query_api.wire.reader import one


class Pool(msgspec.Struct):
    """A pool: ``name`` is service@backend#pool; ``capabilities`` are what its driver reports."""

    name: str
    capabilities: dict[str, Any] = {}

    @property
    def backend(self) -> str:
        """The backend's name, as volume types ask for it."""
        return str(self.capabilities.get("volume_backend_name", ""))

    @property
    def free_gib(self) -> float | None:
        """What is free in it, in GiB; None where the driver does not say."""
        free = self.capabilities.get("free_capacity_gb")
        return float(free) if isinstance(free, (int, float)) else None

    @property
    def room_gib(self) -> float | None:
        """How much Cinder's scheduler may put into it, in GiB; None where the driver does not say.

        Of a thin pool that is a multiple of what is free.
        """
        if self.free_gib is None or not self.capabilities.get("thin_provisioning_support"):
            return self.free_gib
        try:
            ratio = float(self.capabilities.get("max_over_subscription_ratio") or 1.0)
        except (TypeError, ValueError):
            return None  # "auto": Cinder works it out by itself
        return self.free_gib * max(1.0, ratio)

    def takes(self, gib: float) -> bool:
        """Return whether it has room for so much, as far as is known."""
        return self.room_gib is None or self.room_gib >= gib


class _Pools(msgspec.Struct):
    pools: list[Pool]


def known_pools(cloud: Cloud) -> list[Pool]:
    """Return all pools; none where the account is not told of them. Raises CloudError."""
    try:
        return pools(cloud)
    except CloudError as error:
        if error.status != 403:  # only admins are told; the scheduler will say the same
            raise
        return []


def pools(cloud: Cloud) -> list[Pool]:
    """Return all pools, in one request that only admins may send. Raises CloudError."""
    path = "/scheduler-stats/get_pools"
    return one(cloud, "block-storage", path, _Pools, params={"detail": "True"}).pools
