"""Quotas: what a project may use and what it uses, of Nova, Cinder and Neutron in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from query_api.language.schema import Link, Listing, Resource
from query_api.resources.properties import integer, text


def _quotas(service: str, around: str, used: str) -> Callable[[Any], Iterator[dict[str, Any]]]:
    """Return what makes rows of a service's answer: it stands in ``around``, use in ``used``."""

    def rows(answer: Any) -> Iterator[dict[str, Any]]:
        for resource, quota in answer[around].items():
            if resource == "id":
                continue
            # Both -1 and None have been seen for no limit.
            limit = None if quota["limit"] in (None, -1) else quota["limit"]
            in_use, reserved = quota[used], quota.get("reserved", 0)
            yield {
                "service": service,
                "resource": resource,
                "limit": limit,
                "in_use": in_use,
                "reserved": reserved,
                "free": None if limit is None else limit - in_use - reserved,
            }

    return rows


QUOTA = Resource(
    name="quota",
    plural="quotas",
    about="How much of one thing a project may use, and uses.",
    listings=(
        Listing(
            service="compute",
            path="/os-quota-sets/{project_id}/detail",
            # Without what is Neutron's, and without injected files.
            microversion="2.57",
            unpack=_quotas("compute", "quota_set", "in_use"),
        ),
        Listing(
            service="block-storage",
            path="/os-quota-sets/{project_id}",
            params={"usage": "True"},
            unpack=_quotas("block-storage", "quota_set", "in_use"),
        ),
        Listing(
            service="network",
            path="/v2.0/quotas/{project_id}/details",
            unpack=_quotas("network", "quota", "used"),
        ),
    ),
    # One of each resource, service and project.
    key="",
    needs={"project_id": "project.id"},
    default=("project_id", "service", "resource", "limit", "in_use", "free"),
    properties=(
        text("project_id", "The project.", asked=True),
        text("service", "compute, block-storage or network."),
        text(
            "resource",
            "What of, by the service's own word: cores, ram (MiB), gigabytes, floatingip.",
        ),
        integer("limit", "How much may be used; missing if there is no limit."),
        integer("in_use", "How much is used."),
        integer("reserved", "How much is about to be used."),
        integer(
            "free",
            "What is left: limit - in_use - reserved; below zero if more is used than allowed.",
        ),
    ),
    links=(Link("project", "project", "project_id"),),
)

RESOURCES = {"quota": QUOTA}
