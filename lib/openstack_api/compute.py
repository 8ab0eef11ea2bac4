"""Changes to Nova's things. Each function sends one change and returns when Nova accepted it."""

from __future__ import annotations

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def disable_service(cloud: Cloud, service: str, reason: str) -> None:
    """Take a compute service (by its UUID) out of scheduling, with a reason of 1 to 255 letters."""
    with changing(cloud, "disabling a compute service") as sdk:
        sdk.compute.update_service(service, status="disabled", disabled_reason=reason)


def enable_service(cloud: Cloud, service: str) -> None:
    """Put a compute service (by its UUID) back into scheduling."""
    with changing(cloud, "enabling a compute service") as sdk:
        sdk.compute.update_service(service, status="enabled")


def live_migrate(cloud: Cloud, server: str, target: str | None = None) -> None:
    """Ask for a live migration; Nova chooses how disks move, and the host if none is given.

    A target is checked by the scheduler, never forced.
    """
    with changing(cloud, f"live-migrating {server}") as sdk:
        sdk.compute.live_migrate_server(server, host=target, block_migration="auto")


def cold_migrate(cloud: Cloud, server: str, target: str | None = None) -> None:
    """Ask for a cold migration, which ends in VERIFY_RESIZE and has to be confirmed."""
    with changing(cloud, f"migrating {server}") as sdk:
        sdk.compute.migrate_server(server, **({"host": target} if target else {}))


def confirm_migration(cloud: Cloud, server: str) -> None:
    """Confirm a cold migration: the source's copy is given up."""
    with changing(cloud, f"confirming the migration of {server}") as sdk:
        sdk.compute.confirm_server_resize(server)


def create_snapshot(cloud: Cloud, server: str, name: str, metadata: dict[str, str]) -> str:
    """Ask for a snapshot of a server; return the id of the image that will hold it."""
    with changing(cloud, f"taking a snapshot of {server}") as sdk:
        image: str = sdk.compute.create_server_image(server, name, metadata=metadata, wait=False).id
        return image
