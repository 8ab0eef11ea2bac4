"""Changes to Neutron's things. Each function sends one and returns when Neutron has made it."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def set_security_groups(cloud: Cloud, port: str, groups: Sequence[str]) -> None:
    """Give a port these security groups (by their ids), and no others."""
    with changing(cloud, f"setting the security groups of port {port}") as sdk:
        sdk.network.update_port(port, security_groups=list(groups))
