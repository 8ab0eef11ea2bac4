"""Changes to Nova's flavors. Each function sends one and returns when Nova has made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def create_flavor(cloud: Cloud, **facts: Any) -> str:
    """Make a flavor, of the facts that the SDK's Flavor has; return its id.

    ``ram`` is in MiB, ``disk`` and ``ephemeral`` in GiB, ``swap`` in MiB. Facts that are None are
    left to Nova.
    """
    given = {name: value for name, value in facts.items() if value is not None}
    with changing(cloud, f"creating flavor {facts['name']}") as sdk:
        flavor: str = sdk.compute.create_flavor(**given).id
        return flavor


def delete_flavor(cloud: Cloud, flavor: str) -> None:
    """Delete a flavor; servers keep what they have of it."""
    with changing(cloud, f"deleting flavor {flavor}") as sdk:
        sdk.compute.delete_flavor(flavor, ignore_missing=False)


def describe_flavor(cloud: Cloud, flavor: str, description: str) -> None:
    """Give a flavor a description of at most 65535 characters, "" for none."""
    with changing(cloud, f"describing flavor {flavor}") as sdk:
        sdk.compute.update_flavor(flavor, description=description or None)


def set_extra_specs(cloud: Cloud, flavor: str, specs: Mapping[str, str]) -> None:
    """Set some extra specs of a flavor; the others stay."""
    with changing(cloud, f"setting extra specs of flavor {flavor}") as sdk:
        sdk.compute.create_flavor_extra_specs(flavor, dict(specs))


def remove_extra_spec(cloud: Cloud, flavor: str, spec: str) -> None:
    """Remove one extra spec of a flavor."""
    with changing(cloud, f"removing the extra spec {spec} of flavor {flavor}") as sdk:
        sdk.compute.delete_flavor_extra_specs_property(flavor, spec)


def grant_flavor(cloud: Cloud, flavor: str, project: str) -> None:
    """Let a project use a flavor that is not public; CloudError 409 if it may already."""
    with changing(cloud, f"granting flavor {flavor}") as sdk:
        sdk.compute.flavor_add_tenant_access(flavor, project)


def revoke_flavor(cloud: Cloud, flavor: str, project: str) -> None:
    """Take a flavor that is not public from a project; CloudError 404 if it may not use it."""
    with changing(cloud, f"revoking flavor {flavor}") as sdk:
        sdk.compute.flavor_remove_tenant_access(flavor, project)
