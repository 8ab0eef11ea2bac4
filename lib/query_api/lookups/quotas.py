"""What of a project's quota is left, in one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accounts.cloud import Cloud
from query_api.resources.quota import QUOTA
from query_api.wire.reader import not_understood, one


def quotas(cloud: Cloud, service: str, project: str) -> dict[str, Mapping[str, Any]]:
    """Return a project's quotas of a service by resource: limit, in_use and free; None is no limit.

    ``service`` is compute, block-storage or network, ``project`` an id. Raises CloudError.
    """
    (listing,) = (listing for listing in QUOTA.listings if listing.service == service)
    path = listing.path.format(project_id=project)
    answer: dict[str, Any] = one(
        cloud,
        service,
        path,
        dict[str, Any],
        params=listing.params,
        microversion=listing.microversion,
    )
    assert listing.unpack is not None
    try:
        return {row["resource"]: row for row in listing.unpack(answer)}
    except (LookupError, TypeError, AttributeError) as error:
        raise not_understood(cloud, service, path, error) from None


def lacking(cloud: Cloud, service: str, project: str, needed: Mapping[str, int]) -> Iterator[str]:
    """Yield what of a project's quota does not suffice for what is needed of each resource.

    A resource of which the service keeps no quota is not limited. Raises CloudError.
    """
    if not any(need > 0 for need in needed.values()):
        return
    known = quotas(cloud, service, project)
    for resource, need in needed.items():
        quota = known.get(resource)
        if quota is None or quota["free"] is None or quota["free"] >= need:
            continue
        yield (
            f"the project's quota of {resource} is {quota['limit']}, of which "
            f"{max(0, quota['free'])} are free, and it needs {need}"
        )
