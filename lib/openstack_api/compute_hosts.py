"""Changes to Nova that only hosts need which are dead, parked or given back."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from openstack_api.sdk import answered, changing

# Services have UUIDs. A target that is forced is told between 2.30 and 2.67; an evacuation is
# left to the scheduler since 2.29, and servers that ran are left off since 2.95.
_SERVICES, _FORCED, _EVACUATES = "2.53", "2.30", "2.29"


def force_down(cloud: Cloud, service: str, down: bool) -> None:
    """Have Nova take a compute service (by its UUID) for down, or believe its reports again."""
    doing = "calling a compute service down" if down else "believing a compute service again"
    with changing(cloud, doing) as sdk:
        body = {"forced_down": down}
        answered(sdk.compute.put(f"/os-services/{service}", json=body, microversion=_SERVICES))


def evacuate_server(cloud: Cloud, server: str, target: str | None = None) -> None:
    """Ask for a server of a dead host to be rebuilt on another, which the scheduler checks."""
    given = {"host": target} if target else {}
    _act(cloud, server, f"evacuating {server}", {"evacuate": given}, _EVACUATES)


def live_migrate_onto(cloud: Cloud, server: str, host: str) -> None:
    """Ask for a live migration onto a host past the scheduler, which passes over disabled ones."""
    given = {"host": host, "block_migration": "auto", "force": True}
    _act(cloud, server, f"live-migrating {server}", {"os-migrateLive": given}, _FORCED)


def _act(cloud: Cloud, server: str, doing: str, body: dict[str, Any], version: str) -> None:
    with changing(cloud, doing) as sdk:
        # Not the SDK's methods, which take the newest microversion that both know.
        answered(sdk.compute.post(f"/servers/{server}/action", json=body, microversion=version))
