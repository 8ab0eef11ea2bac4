"""Changes to Placement's things. Each function sends one."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.cloud import Cloud
from openstack_api.sdk import answered, changing

_TRAITS = "1.6"


def set_traits(cloud: Cloud, provider: str, traits: Iterable[str], generation: int) -> None:
    """Give a resource provider these traits and no others, if it is of that generation still.

    Raises CloudError with status 409 if somebody has changed the provider since it was read.
    """
    body = {"traits": sorted(traits), "resource_provider_generation": generation}
    with changing(cloud, f"setting the traits of {provider}") as sdk:
        path = f"/resource_providers/{provider}/traits"
        answered(sdk.placement.put(path, json=body, microversion=_TRAITS))
