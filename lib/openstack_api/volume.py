"""Changes to Cinder's things. Each function sends one and returns when Cinder accepted it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.cloud import Cloud
from common.redaction import learn
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


def update_volume(cloud: Cloud, volume: str, **facts: str) -> None:
    """Give a volume another ``name`` or ``description``; what is not given stays as it is."""
    with changing(cloud, f"updating {volume}") as sdk:
        sdk.block_storage.update_volume(volume, **facts)


def set_volume_metadata(cloud: Cloud, volume: str, metadata: Mapping[str, str]) -> None:
    """Set these keys of a volume's metadata; others stay as they are."""
    with changing(cloud, f"setting metadata of {volume}") as sdk:
        sdk.block_storage.set_volume_metadata(volume, **metadata)


def remove_volume_metadata(cloud: Cloud, volume: str, key: str) -> None:
    """Remove a key of a volume's metadata, which must be there."""
    with changing(cloud, f"removing metadata of {volume}") as sdk:
        sdk.block_storage.delete_volume_metadata(volume, [key])


def set_volume_bootable(cloud: Cloud, volume: str, bootable: bool) -> None:
    """Say whether a server can boot from a volume."""
    with changing(cloud, f"saying whether {volume} is bootable") as sdk:
        sdk.block_storage.set_volume_bootable_status(volume, bootable)


def retype_volume(cloud: Cloud, volume: str, volume_type: str, policy: str) -> None:
    """Ask for a volume to be of another type; ``policy`` is never or on-demand, for its data."""
    with changing(cloud, f"retyping {volume}") as sdk:
        sdk.block_storage.retype_volume(volume, volume_type, policy)


def reset_volume(cloud: Cloud, volume: str, status: str, attach_status: str | None = None) -> None:
    """Have Cinder call a volume so; with ``detached`` it forgets the volume's attachments."""
    with changing(cloud, f"resetting the status of {volume}") as sdk:
        sdk.block_storage.reset_volume_status(volume, status, attach_status)


def delete_snapshot(cloud: Cloud, snapshot: str) -> None:
    """Ask for a snapshot of a volume to be deleted."""
    with changing(cloud, f"deleting the snapshot {snapshot}") as sdk:
        sdk.block_storage.delete_snapshot(snapshot, ignore_missing=False)


def create_snapshot(
    cloud: Cloud, volume: str, name: str, metadata: Mapping[str, str], *, force: bool
) -> str:
    """Ask for a snapshot of a volume; ``force`` is for one that is attached. Return its id."""
    with changing(cloud, f"taking a snapshot of {volume}") as sdk:
        made = sdk.block_storage.create_snapshot(
            volume_id=volume, name=name, metadata=dict(metadata), is_forced=force
        )
        id: str = made.id
        return id


def delete_attachment(cloud: Cloud, attachment: str) -> None:
    """Have Cinder forget an attachment; one that Nova still has is refused."""
    with changing(cloud, f"deleting the attachment {attachment}") as sdk:
        sdk.block_storage.delete_attachment(attachment, ignore_missing=False)


def offer_volume(cloud: Cloud, volume: str, name: str, *, snapshots: bool) -> tuple[str, str]:
    """Offer a volume to whoever has the key; return the transfer's id and the key, a secret."""
    with changing(cloud, f"offering {volume} to another project") as sdk:
        made = sdk.block_storage.create_transfer(
            volume_id=volume, name=name, no_snapshots=not snapshots
        )
        learn(made.auth_key)
        return made.id, made.auth_key


def accept_volume(cloud: Cloud, transfer: str, key: str) -> None:
    """Make the project that ``cloud`` is logged in to the owner of what a transfer offers."""
    with changing(cloud, f"accepting the transfer {transfer}") as sdk:
        sdk.block_storage.accept_transfer(transfer, key)


def withdraw_volume(cloud: Cloud, transfer: str) -> None:
    """Take back an offer that nobody has accepted."""
    with changing(cloud, f"withdrawing the transfer {transfer}") as sdk:
        sdk.block_storage.delete_transfer(transfer, ignore_missing=False)
