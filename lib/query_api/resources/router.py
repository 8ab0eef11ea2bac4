"""What Neutron knows of ways between networks: routers, floating IPs, and the agents that work."""

from __future__ import annotations

from typing import Any

import msgspec

from query_api.language.schema import Link, Resource, exact
from query_api.resources.neutron import (
    BY_PROJECT,
    PROJECT,
    ROUTES,
    UP,
    any_of,
    dated,
    listing,
    named,
    routes,
    whose,
)
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    mapping,
    or_none,
    text,
    texts,
    time,
)
from query_api.wire.encoding import flag, ip


class _External(msgspec.Struct):
    ip_address: str | None = None


_EXTERNAL: Any = list[_External] | None


def _addresses(external: list[_External]) -> list[str]:
    return [one.ip_address for one in external if one.ip_address]


ROUTER = Resource(
    name="router",
    plural="routers",
    about="A router of any project.",
    # No proof: whether admins see `ha` and `distributed` depends on what makes the routers.
    listings=(listing("routers"),),
    default=("id", "name", "status", "project_id", "external_network_id", "external_addresses"),
    properties=(
        *named(),
        *whose(BY_PROJECT),
        text("status", "ACTIVE, DOWN or ERROR.", case="upper"),
        UP,
        text(
            "external_network_id",
            "The network it leads out to.",
            "external_gateway_info/network_id",
        ),
        addresses(
            "external_addresses",
            "Its addresses there.",
            "external_gateway_info/external_fixed_ips",
            shape=_EXTERNAL,
            of=_addresses,
        ),
        boolean(
            "enable_snat",
            "Whether servers without a floating IP go out by its address.",
            "external_gateway_info/enable_snat",
        ),
        boolean("distributed", "Whether it is on the servers' hosts."),
        boolean("ha", "Whether it is on several hosts at once."),
        texts("availability_zones", "Where it is."),
        texts("routes", "Its extra routes.", shape=ROUTES, of=routes),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("external_network", "network", "external_network_id"),
        Link("ports", "port", "id", "device_id", many=True),
        Link("floating_ips", "floating_ip", "id", "router_id", many=True),
    ),
)

FLOATING_IP = Resource(
    name="floating_ip",
    plural="floating_ips",
    about="A floating IP of any project.",
    listings=(listing("floatingips"),),
    default=(
        "id",
        "floating_ip_address",
        "status",
        "fixed_ip_address",
        "port_id",
        "project_id",
    ),
    properties=(
        text("id", "Its UUID.", filters=any_of("id")),
        address(
            "floating_ip_address",
            "The address itself.",
            filters=any_of("floating_ip_address", encode=ip),
        ),
        address(
            "fixed_ip_address",
            "The address of the port it leads to.",
            filters=any_of("fixed_ip_address", encode=ip),
        ),
        text("port_id", "The port it leads to.", filters=any_of("port_id")),
        text("router_id", "The router it comes through.", filters=any_of("router_id")),
        text(
            "floating_network_id",
            "The network it is of.",
            filters=any_of("floating_network_id"),
        ),
        text("status", "ACTIVE, DOWN or ERROR.", case="upper", filters=any_of("status")),
        *whose(BY_PROJECT),
        text(
            "device_id",
            "The server or service that its port belongs to.",
            "port_details/device_id",
            of=or_none,
        ),
        text(
            "device_owner",
            "What that is, such as compute:nova.",
            "port_details/device_owner",
            of=or_none,
        ),
        text("dns_name", "Its name in DNS.", of=or_none),
        text("dns_domain", "The domain of that name.", of=or_none),
        text("qos_policy_id", "The limits on its traffic."),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("port", "port", "port_id"),
        Link("server", "server", "device_id"),
        Link("router", "router", "router_id"),
        Link("network", "network", "floating_network_id"),
    ),
)

NETWORK_AGENT = Resource(
    name="network_agent",
    plural="network_agents",
    about="A process of Neutron's on some host: DHCP, L3, Open vSwitch, metadata.",
    listings=(listing("agents"),),
    default=("agent_type", "host", "alive", "admin_state_up", "heartbeat_at"),
    properties=(
        text("id", "Its UUID.", filters=any_of("id")),
        text("host", "The host it is on.", filters=any_of("host")),
        text("agent_type", "What it does, such as DHCP agent.", filters=any_of("agent_type")),
        text("binary", "What it is called there.", filters=any_of("binary")),
        text("topic", "The queue it listens to."),
        text("availability_zone", "Its availability zone."),
        boolean("alive", "Whether it was heard of lately.", filters=exact("alive", encode=flag)),
        UP,
        boolean("resources_synced", "Whether it has told Placement what it has."),
        time("heartbeat_at", "When it was last heard of.", "heartbeat_timestamp"),
        time("started_at", "When it was last started."),
        time("created_at", "When it was first started."),
        text("description", "What is said of it."),
        mapping("configurations", "What it says of itself."),
    ),
    links=(Link("ports", "port", "host", "host", many=True),),
)

RESOURCES = {one.name: one for one in (ROUTER, FLOATING_IP, NETWORK_AGENT)}
