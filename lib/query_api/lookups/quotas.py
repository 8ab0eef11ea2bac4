"""What of a project's quota is left, in one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accounts import read_cache
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


def lacking(
    cloud: Cloud, service: str, project: str, needed: Mapping[str, int], *, by: str
) -> Iterator[str]:
    """Yield what of a project's quota does not suffice for what is needed of each resource.

    A resource of which the service keeps no quota is not limited. ``by`` tells what needs it from
    others: if many plans share reads, each has what the others leave. Raises
    CloudError.
    """
    if not any(need > 0 for need in needed.values()):
        return
    known = quotas(cloud, service, project)
    for resource, need in needed.items():
        quota = known.get(resource)
        if quota is None or quota["free"] is None:
            continue
        taken = _taken((cloud.name, service, project, resource), by, need)
        if quota["free"] - taken >= need:
            continue
        others = f", {taken} of them for others of this run" if taken else ""
        yield (
            f"the project's quota of {resource} is {quota['limit']}, of which "
            f"{max(0, quota['free'])} are free{others}, and it needs {need}"
        )


def _taken(what: tuple[str, ...], by: str, need: int) -> int:
    """Return how much the other plans that share these reads take of a quota."""
    reads = read_cache.current()
    of_one = what[-1].startswith("per_")  # the most that one thing may have, not all together
    return reads.take(what, by, max(0, need)) if reads and not of_one else 0
