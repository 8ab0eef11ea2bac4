"""Changes to Nova's host aggregates. Each function sends one and returns when Nova has made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.cloud import Cloud
from openstack_api.sdk import changing


def create_aggregate(cloud: Cloud, name: str, zone: str | None = None) -> str:
    """Make an aggregate without hosts, and with a zone of that name if one is given; return its
    id."""
    with changing(cloud, f"creating aggregate {name}") as sdk:
        given = {"availability_zone": zone} if zone else {}
        return str(sdk.compute.create_aggregate(name=name, **given).id)


def rename_aggregate(cloud: Cloud, aggregate: str, name: str) -> None:
    """Give an aggregate another name."""
    with changing(cloud, f"renaming aggregate {aggregate}") as sdk:
        sdk.compute.update_aggregate(aggregate, name=name)


def set_aggregate_metadata(
    cloud: Cloud, aggregate: str, metadata: Mapping[str, str | None]
) -> None:
    """Set some metadata of an aggregate, and remove those whose value is None; others stay.

    Its zone is the value of ``availability_zone``.
    """
    with changing(cloud, f"setting metadata of aggregate {aggregate}") as sdk:
        _named(aggregate).set_metadata(sdk.compute, dict(metadata))


def add_host(cloud: Cloud, aggregate: str, host: str) -> None:
    """Put a host (by its compute service) into an aggregate."""
    with changing(cloud, f"adding {host} to aggregate {aggregate}") as sdk:
        _named(aggregate).add_host(sdk.compute, host)


def remove_host(cloud: Cloud, aggregate: str, host: str) -> None:
    """Take a host (by its compute service) out of an aggregate."""
    with changing(cloud, f"removing {host} from aggregate {aggregate}") as sdk:
        _named(aggregate).remove_host(sdk.compute, host)


def delete_aggregate(cloud: Cloud, aggregate: str) -> None:
    """Delete an aggregate, which may have no hosts."""
    with changing(cloud, f"deleting aggregate {aggregate}") as sdk:
        sdk.compute.delete_aggregate(aggregate, ignore_missing=False)


def _named(aggregate: str) -> Any:
    """Return the SDK's aggregate of an id: its proxy takes metadata as keywords only."""
    from openstack.compute.v2.aggregate import Aggregate

    return Aggregate.new(id=aggregate)
