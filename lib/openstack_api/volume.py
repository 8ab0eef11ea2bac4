"""Changes to Cinder's things. Each function sends one and returns when Cinder accepted it."""

from __future__ import annotations

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def extend_volume(cloud: Cloud, volume: str, size_gib: int) -> None:
    """Ask for a volume to be made larger, to a size in GiB."""
    with changing(cloud, f"extending {volume}") as sdk:
        sdk.block_storage.extend_volume(volume, size_gib)


def delete_volume(cloud: Cloud, volume: str) -> None:
    """Ask for a volume to be deleted; its snapshots keep it from being so."""
    with changing(cloud, f"deleting {volume}") as sdk:
        sdk.block_storage.delete_volume(volume, ignore_missing=False)
