"""Changes to Nova's server groups. Each function sends one and returns when Nova has made it."""

from __future__ import annotations

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def create_server_group(
    cloud: Cloud, name: str, policy: str, max_server_per_host: int | None = None
) -> str:
    """Make a server group in the account's project; return its id.

    Only anti-affinity takes more than one server per host.
    """
    with changing(cloud, f"creating server group {name}") as sdk:
        most = max_server_per_host
        rules = {} if most is None else {"rules": {"max_server_per_host": most}}
        return str(sdk.compute.create_server_group(name=name, policy=policy, **rules).id)


def delete_server_group(cloud: Cloud, group: str) -> None:
    """Delete a server group; its servers stay."""
    with changing(cloud, f"deleting server group {group}") as sdk:
        sdk.compute.delete_server_group(group, ignore_missing=False)
