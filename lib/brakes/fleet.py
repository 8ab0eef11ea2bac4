"""The hosts of a cloud as the brakes see them."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from hypervisors.hosts import hosts
from query_api.execution.query import query
from query_api.lookups import things
from workflow_api import CloudError


class FleetHost(msgspec.Struct, frozen=True):
    """A host: whether its compute service is up, and the aggregates that it is in."""

    subject: str
    name: str
    up: bool
    aggregates: tuple[str, ...] = ()


class Fleet(msgspec.Struct, frozen=True):
    """All hosts of a cloud, the names that Placement knows, and why the look may not be whole."""

    hosts: tuple[FleetHost, ...]
    providers: frozenset[str]
    unread: tuple[str, ...] = ()


def fleet(cloud: Cloud) -> Fleet:
    """Return the hosts of a cloud: four requests, whatever their number.

    What cannot be read is told in ``unread``; raises CloudError if it is the hosts themselves.
    """
    found = hosts(cloud, without_place=True)
    known = tuple(
        FleetHost(
            subject=host.hypervisor.subject,
            name=host.name,
            up=host.state == "up",
            aggregates=tuple(host.aggregates),
        )
        for host in found.all
    )
    unread = [f"{what}: {why}" for what, why in found.reasons]
    providers: frozenset[str] = frozenset()
    try:
        listing = things.of_query(cloud, query("resource_provider").select("name"))
        providers = frozenset(provider.name for provider in listing)
    except CloudError as error:
        unread.append(f"what Placement knows: {error}")
    return Fleet(known, providers, tuple(unread))
