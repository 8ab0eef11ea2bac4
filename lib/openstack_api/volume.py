"""Changes to Cinder's things. Each function sends one and returns when Cinder accepted it."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def create_volume(cloud: Cloud, **facts: Any) -> str:
    """Ask for a volume, as Cinder's API calls its facts (``size`` in GiB); return its id."""
    given = {name: value for name, value in facts.items() if value is not None}
    with changing(cloud, f"creating the volume {facts['name']}") as sdk:
        volume: str = sdk.block_storage.create_volume(**given).id
        return volume


def extend_volume(cloud: Cloud, volume: str, size_gib: int) -> None:
    """Ask for a volume to be made larger, to a size in GiB."""
    with changing(cloud, f"extending {volume}") as sdk:
        sdk.block_storage.extend_volume(volume, size_gib)


def delete_volume(cloud: Cloud, volume: str) -> None:
    """Ask for a volume to be deleted; its snapshots keep it from being so."""
    with changing(cloud, f"deleting {volume}") as sdk:
        sdk.block_storage.delete_volume(volume, ignore_missing=False)
