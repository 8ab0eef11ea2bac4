"""Routers whose gateway has an address in one of the ranges that a site watches."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import RouterGatewaySettings
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from query_api.execution.query import query

_COLUMNS = (
    "id",
    "name",
    "external_addresses",
    "external_network_id",
    "status",
    "admin_state_up",
    "project_id",
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a router."""

    addresses: Annotated[
        list[str], msgspec.Meta(description="The addresses of its gateway that are in a range.")
    ]
    ranges: Annotated[
        list[str], msgspec.Meta(description="The ranges that they are in, as configured.")
    ]
    network_id: Annotated[
        str | None, msgspec.Meta(description="The network that it leads out to.")
    ] = None
    status: Annotated[str | None, msgspec.Meta(description="ACTIVE, DOWN or ERROR.")] = None
    enabled: Annotated[
        bool | None, msgspec.Meta(description="Whether it is meant to work (admin_state_up).")
    ] = None
    project_id: Annotated[str | None, msgspec.Meta(description="Whose it is.")] = None


def look(cloud: Cloud, settings: RouterGatewaySettings, around: Surroundings) -> Sight:
    """Look at all routers: one listing, none if no range is configured. Raises CloudError."""
    if not settings.ranges:
        return Sight([])
    answer = query("router").select(*_COLUMNS).run([cloud], now=around.moment)
    conditions = []
    for id, name, addresses, network, status, enabled, project in answer.rows:
        inside = within(addresses or (), settings.ranges)
        if inside:
            facts = Facts(
                addresses=sorted(inside),
                ranges=[one for one in settings.ranges if any(one in of for of in inside.values())],
                network_id=network,
                status=status,
                enabled=enabled,
                project_id=project,
            )
            conditions.append(Condition("router", id, name or id, "IN_RANGE", facts))
    return Sight(conditions, sentences(answer.reasons))


def within(addresses: Sequence[str], ranges: Sequence[str]) -> dict[str, list[str]]:
    """Return the addresses that are in ranges (CIDR), with those; the others are left out."""
    networks = {one: ipaddress.ip_network(one) for one in ranges}
    found = {
        address: [one for one, net in networks.items() if ipaddress.ip_address(address) in net]
        for address in addresses
    }
    return {address: of for address, of in found.items() if of}


OBSERVER = Observer(
    name="router_gateway",
    about="A router has a gateway with an address in one of the configured ranges, or no longer.",
    kind="router",
    facts=Facts,
    states={"IN_RANGE": "an address of its gateway is in one of the ranges."},
    look=look,
)
