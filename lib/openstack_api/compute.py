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


def start_server(cloud: Cloud, server: str) -> None:
    """Ask for a server that is shut off to be started."""
    with changing(cloud, f"starting {server}") as sdk:
        sdk.compute.start_server(server)


def stop_server(cloud: Cloud, server: str) -> None:
    """Ask for a server to be shut off."""
    with changing(cloud, f"stopping {server}") as sdk:
        sdk.compute.stop_server(server)


def reboot_server(cloud: Cloud, server: str, how: str) -> None:
    """Ask for a reboot, ``soft`` or ``hard``."""
    with changing(cloud, f"rebooting {server}") as sdk:
        sdk.compute.reboot_server(server, how.upper())


def pause_server(cloud: Cloud, server: str) -> None:
    """Ask for a server to be paused."""
    with changing(cloud, f"pausing {server}") as sdk:
        sdk.compute.pause_server(server)


def unpause_server(cloud: Cloud, server: str) -> None:
    """Ask for a paused server to run on."""
    with changing(cloud, f"unpausing {server}") as sdk:
        sdk.compute.unpause_server(server)


def suspend_server(cloud: Cloud, server: str) -> None:
    """Ask for a server to be suspended to disk."""
    with changing(cloud, f"suspending {server}") as sdk:
        sdk.compute.suspend_server(server)


def resume_server(cloud: Cloud, server: str) -> None:
    """Ask for a suspended server to be resumed."""
    with changing(cloud, f"resuming {server}") as sdk:
        sdk.compute.resume_server(server)


def shelve_server(cloud: Cloud, server: str) -> None:
    """Ask for a server to be shelved."""
    with changing(cloud, f"shelving {server}") as sdk:
        sdk.compute.shelve_server(server)


def unshelve_server(cloud: Cloud, server: str) -> None:
    """Ask for a shelved server to be brought back."""
    with changing(cloud, f"unshelving {server}") as sdk:
        sdk.compute.unshelve_server(server)


def lock_server(cloud: Cloud, server: str, reason: str | None = None) -> None:
    """Lock a server, with a reason of at most 255 letters."""
    with changing(cloud, f"locking {server}") as sdk:
        sdk.compute.lock_server(server, locked_reason=reason)


def unlock_server(cloud: Cloud, server: str) -> None:
    """Unlock a server."""
    with changing(cloud, f"unlocking {server}") as sdk:
        sdk.compute.unlock_server(server)
