"""Changes to Nova's things. Each function sends one change and returns when Nova accepted it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from accounts.cloud import Cloud
from openstack_api.sdk import answered, changing

_TAGS = "2.26"
# Of a server that is created: with tags, and networks by a word; on a hypervisor by its name.
_WITH_TAGS, _ON_HYPERVISOR = "2.52", "2.74"


def disable_service(cloud: Cloud, service: str, reason: str) -> None:
    """Take a compute service (by its UUID) out of scheduling; a reason has 1 to 255 characters."""
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
    from openstack.compute.v2.server import Server

    with changing(cloud, f"taking a snapshot of {server}") as sdk:
        # The proxy's own create_server_image asks for the image besides.
        image: str = Server.new(id=server).create_image(sdk.compute, name, metadata)
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
    """Lock a server, with a reason of at most 255 characters."""
    with changing(cloud, f"locking {server}") as sdk:
        sdk.compute.lock_server(server, locked_reason=reason)


def unlock_server(cloud: Cloud, server: str) -> None:
    """Unlock a server."""
    with changing(cloud, f"unlocking {server}") as sdk:
        sdk.compute.unlock_server(server)


def rescue_server(cloud: Cloud, server: str, image: str | None = None) -> None:
    """Ask for a server to be booted from a rescue image; Nova takes its own image if none."""
    with changing(cloud, f"rescuing {server}") as sdk:
        sdk.compute.rescue_server(server, image=image)


def unrescue_server(cloud: Cloud, server: str) -> None:
    """Ask for a server in rescue mode to be booted from its own disk again."""
    with changing(cloud, f"unrescuing {server}") as sdk:
        sdk.compute.unrescue_server(server)


def rebuild_server(cloud: Cloud, server: str, image: str) -> None:
    """Ask for a server's root disk to be rewritten from an image (by its id)."""
    with changing(cloud, f"rebuilding {server}") as sdk:
        sdk.compute.rebuild_server(server, image=image)


def reset_server_state(cloud: Cloud, server: str, state: str) -> None:
    """Have Nova call a server ``active`` or ``error`` and forget its task; nothing else is done."""
    with changing(cloud, f"resetting the state of {server}") as sdk:
        sdk.compute.reset_server_state(server, state)


def add_server_tag(cloud: Cloud, server: str, tag: str) -> None:
    """Put a tag on a server."""
    with changing(cloud, f"tagging {server}") as sdk:
        answered(sdk.compute.put(f"/servers/{server}/tags/{_word(tag)}", microversion=_TAGS))


def remove_server_tag(cloud: Cloud, server: str, tag: str) -> None:
    """Take a tag off a server. Raises CloudError with status 404 if it has none."""
    with changing(cloud, f"taking a tag off {server}") as sdk:
        answered(sdk.compute.delete(f"/servers/{server}/tags/{_word(tag)}", microversion=_TAGS))


def set_server_metadata(cloud: Cloud, server: str, metadata: dict[str, str]) -> None:
    """Set some of a server's metadata; the rest stays."""
    with changing(cloud, f"setting metadata of {server}") as sdk:
        # Not the SDK's method, whose own parameters are no keys.
        answered(sdk.compute.post(f"/servers/{server}/metadata", json={"metadata": metadata}))


def remove_server_metadata(cloud: Cloud, server: str, key: str) -> None:
    """Remove a key of a server's metadata. Raises CloudError with status 404 if it has none."""
    with changing(cloud, f"removing metadata of {server}") as sdk:
        answered(sdk.compute.delete(f"/servers/{server}/metadata/{_word(key)}"))


def update_server(cloud: Cloud, server: str, facts: dict[str, str]) -> None:
    """Give a server another ``name`` or ``description``."""
    with changing(cloud, f"updating {server}") as sdk:
        sdk.compute.update_server(server, **facts)


def attach_volume(cloud: Cloud, server: str, volume: str) -> None:
    """Ask for a volume to be attached to a server."""
    with changing(cloud, f"attaching volume {volume} to {server}") as sdk:
        sdk.compute.create_volume_attachment(server, volume)


def detach_volume(cloud: Cloud, server: str, volume: str) -> None:
    """Ask for a volume to be detached from a server."""
    with changing(cloud, f"detaching volume {volume} from {server}") as sdk:
        sdk.compute.delete_volume_attachment(server, volume, ignore_missing=False)


def attach_network(cloud: Cloud, server: str, network: str, address: str | None = None) -> None:
    """Give a server a new port on a network, with a fixed address if one is given.

    Nova answers when it is done.
    """
    fixed = {"fixed_ips": [{"ip_address": address}]} if address else {}
    with changing(cloud, f"attaching network {network} to {server}") as sdk:
        sdk.compute.create_server_interface(server, net_id=network, **fixed)


def attach_port(cloud: Cloud, server: str, port: str) -> None:
    """Attach an existing port to a server. Nova answers when it is done."""
    with changing(cloud, f"attaching port {port} to {server}") as sdk:
        sdk.compute.create_server_interface(server, port_id=port)


def detach_port(cloud: Cloud, server: str, port: str) -> None:
    """Ask for a port to be detached from a server; Nova deletes the port if Nova had made it."""
    with changing(cloud, f"detaching port {port} from {server}") as sdk:
        sdk.compute.delete_server_interface(port, server, ignore_missing=False)


def abort_migration(cloud: Cloud, server: str, migration: int) -> None:
    """Ask for a live migration under way to be given up: the server stays where it is."""
    with changing(cloud, f"aborting migration {migration} of {server}") as sdk:
        sdk.compute.abort_server_migration(str(migration), server, ignore_missing=False)


def force_complete_migration(cloud: Cloud, server: str, migration: int) -> None:
    """Ask for a live migration under way to be brought to its end, with the server paused."""
    with changing(cloud, f"completing migration {migration} of {server}") as sdk:
        sdk.compute.force_complete_server_migration(str(migration), server)


def _word(text: str) -> str:
    """Return a tag or a key as a part of a path; the SDK writes it as it is."""
    return quote(text, safe="")


def create_server(cloud: Cloud, server: dict[str, Any], hints: dict[str, str]) -> str:
    """Ask for a server, as Nova's API calls its facts and scheduler hints; return its id."""
    version = _ON_HYPERVISOR if "hypervisor_hostname" in server else _WITH_TAGS
    body = {"server": server, **({"os:scheduler_hints": hints} if hints else {})}
    with changing(cloud, f"creating the server {server['name']}") as sdk:
        # Not the SDK's method, which does not know all of this.
        answer = sdk.compute.post("/servers", json=body, microversion=version)
        answered(answer)
        id: str = answer.json()["server"]["id"]
        return id


def resize_server(cloud: Cloud, server: str, flavor: str) -> None:
    """Ask for another flavor (by its id), which ends in VERIFY_RESIZE and has to be confirmed."""
    with changing(cloud, f"resizing {server}") as sdk:
        sdk.compute.resize_server(server, flavor)


def revert_resize(cloud: Cloud, server: str) -> None:
    """Take back a resize or a cold migration that is not confirmed."""
    with changing(cloud, f"taking back the resize of {server}") as sdk:
        sdk.compute.revert_server_resize(server)


def delete_server(cloud: Cloud, server: str) -> None:
    """Ask for a server to be deleted, softly where Nova is so configured."""
    with changing(cloud, f"deleting {server}") as sdk:
        sdk.compute.delete_server(server, ignore_missing=False)


def delete_server_for_good(cloud: Cloud, server: str) -> None:
    """Ask for a server to be deleted at once, also where Nova keeps deleted ones for a time."""
    with changing(cloud, f"deleting {server} for good") as sdk:
        sdk.compute.delete_server(server, ignore_missing=False, force=True)


def delete_volume_with_server(cloud: Cloud, server: str, volume: str, delete: bool) -> None:
    """Say whether Nova is to delete a volume with the server that it is attached to."""
    with changing(cloud, f"changing the attachment of {volume}") as sdk:
        sdk.compute.update_volume_attachment(server, volume, delete_on_termination=delete)
