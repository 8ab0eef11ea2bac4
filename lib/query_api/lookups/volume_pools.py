"""Where Cinder can put a volume: its pools, with what each can do and what is free in it."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
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


class _Pools(msgspec.Struct):
    pools: list[Pool]


def pools(cloud: Cloud) -> list[Pool]:
    """Return all pools, in one request that only admins may send. Raises CloudError."""
    path = "/scheduler-stats/get_pools"
    return one(cloud, "block-storage", path, _Pools, params={"detail": "True"}).pools
