"""What Neutron knows of networks, their subnets and their ports."""

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
    elements,
    listing,
    named,
    routes,
    whose,
)
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    integer,
    or_none,
    text,
    texts,
)
from query_api.wire.encoding import cidr, flag, ip, whole


class _FixedIp(msgspec.Struct):
    ip_address: str | None = None
    subnet_id: str | None = None


class _Pair(msgspec.Struct):
    ip_address: str | None = None


class _Pool(msgspec.Struct):
    start: str
    end: str


_FIXED: Any = list[_FixedIp] | None


def _addresses(fixed: list[_FixedIp]) -> list[str]:
    return [one.ip_address for one in fixed if one.ip_address]


def _subnets(fixed: list[_FixedIp]) -> list[str]:
    return list(dict.fromkeys(one.subnet_id for one in fixed if one.subnet_id))


def _pairs(pairs: list[_Pair]) -> list[str]:
    return [one.ip_address for one in pairs if one.ip_address]


def _pools(pools: list[_Pool]) -> list[str]:
    return [f"{one.start}-{one.end}" for one in pools]


def _fixed_ip(value: str) -> str | None:
    return f"ip_address={found}" if (found := ip(value)) else None


def _fixed_subnet(value: str) -> str:
    return f"subnet_id={value}"


_STATUS = text("status", "ACTIVE, DOWN, BUILD or ERROR.", case="upper", filters=any_of("status"))
NETWORK = Resource(
    name="network",
    plural="networks",
    about="A network of any project.",
    listings=(listing("networks", proof="provider:network_type"),),
    default=("id", "name", "status", "project_id", "external", "shared", "subnet_ids"),
    properties=(
        *named(),
        *whose(BY_PROJECT),
        _STATUS,
        UP,
        boolean("shared", "Whether all projects may use it."),
        boolean(
            "external",
            "Whether it leads out, and gives floating IPs.",
            "router:external",
            filters=exact("router:external", encode=flag),
        ),
        texts("subnet_ids", "Its subnets.", "subnets"),
        integer("mtu", "The longest packet, in bytes.", filters=any_of("mtu", encode=whole)),
        text(
            "provider_network_type",
            "How it is made, such as vxlan, vlan or flat.",
            "provider:network_type",
            case="lower",
            filters=any_of("provider:network_type"),
        ),
        text(
            "provider_physical_network",
            "The physical network it is on.",
            "provider:physical_network",
            filters=any_of("provider:physical_network"),
        ),
        integer(
            "provider_segmentation_id",
            "Its VLAN or tunnel.",
            "provider:segmentation_id",
            filters=any_of("provider:segmentation_id", encode=whole),
        ),
        texts("availability_zones", "Where its agents are."),
        boolean("port_security_enabled", "Whether new ports on it are protected."),
        text("qos_policy_id", "The limits on its traffic."),
        text("dns_domain", "The domain of its ports' names.", of=or_none),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("subnets", "subnet", "id", "network_id", many=True),
        Link("ports", "port", "id", "network_id", many=True),
        Link("floating_ips", "floating_ip", "id", "floating_network_id", many=True),
        Link("routers", "router", "id", "external_network_id", many=True),
        Link("rbac_policies", "rbac_policy", "id", "object_id", many=True),
    ),
)

SUBNET = Resource(
    name="subnet",
    plural="subnets",
    about="A range of addresses on a network.",
    listings=(listing("subnets"),),
    default=("id", "name", "cidr", "network_id", "project_id", "gateway_ip", "enable_dhcp"),
    properties=(
        *named(),
        *whose(BY_PROJECT),
        text("network_id", "The network it is on.", filters=any_of("network_id")),
        text("cidr", "Its range.", filters=any_of("cidr", encode=cidr)),
        integer("ip_version", "4 or 6.", filters=exact("ip_version", encode=whole)),
        address("gateway_ip", "The way out.", filters=any_of("gateway_ip", encode=ip)),
        boolean(
            "enable_dhcp",
            "Whether DHCP tells servers their addresses.",
            filters=exact("enable_dhcp", encode=flag),
        ),
        texts(
            "allocation_pools", "What it gives addresses from.", shape=list[_Pool] | None, of=_pools
        ),
        addresses("dns_nameservers", "The name servers it tells of."),
        texts("host_routes", "The routes it tells of.", shape=ROUTES, of=routes),
        text("subnetpool_id", "The pool it was made from.", filters=any_of("subnetpool_id")),
        text("ipv6_address_mode", "How IPv6 addresses come about."),
        text("ipv6_ra_mode", "Who sends router advertisements."),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("network", "network", "network_id"),
        Link("ports", "port", "id", "subnet_ids", many=True),
    ),
)

PORT = Resource(
    name="port",
    plural="ports",
    about="A port on a network: of a server, a router, or a service of Neutron's.",
    listings=(listing("ports", proof="binding:host_id"),),
    default=("id", "addresses", "status", "device_owner", "device_id", "network_id", "project_id"),
    properties=(
        *named("Its name; few have one."),
        *whose(BY_PROJECT),
        _STATUS,
        UP,
        text("network_id", "The network it is on.", filters=any_of("network_id")),
        addresses(
            "addresses",
            "Its addresses on the network.",
            "fixed_ips",
            shape=_FIXED,
            of=_addresses,
            filters=elements("fixed_ips", encode=_fixed_ip),
        ),
        texts(
            "subnet_ids",
            "The subnets they are of.",
            "fixed_ips",
            shape=_FIXED,
            of=_subnets,
            filters=elements("fixed_ips", encode=_fixed_subnet),
        ),
        text(
            "mac_address",
            "Its MAC address.",
            case="lower",
            of=str.lower,
            filters=any_of("mac_address"),
        ),
        text(
            "device_id",
            "The server, router or service it belongs to.",
            of=or_none,
            filters=any_of("device_id"),
        ),
        text(
            "device_owner",
            "What that is, such as compute:nova or network:router_gateway.",
            of=or_none,
            filters=any_of("device_owner"),
        ),
        text(
            "host",
            "The host it is bound to.",
            "binding:host_id",
            of=or_none,
            filters=any_of("binding:host_id"),
        ),
        text("vnic_type", "Its kind, such as normal or direct.", "binding:vnic_type"),
        text("vif_type", "How it is bound; binding_failed if it is not.", "binding:vif_type"),
        texts(
            "security_group_ids",
            "Its security groups.",
            "security_groups",
            filters=elements("security_groups"),
        ),
        texts(
            "allowed_addresses",
            "Addresses and ranges it may also send from.",
            "allowed_address_pairs",
            shape=list[_Pair] | None,
            of=_pairs,
        ),
        boolean("port_security_enabled", "Whether it is protected from false addresses."),
        text("qos_policy_id", "The limits on its traffic."),
        text("dns_name", "Its name in DNS.", of=or_none),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("server", "server", "device_id"),
        Link("router", "router", "device_id"),
        Link("network", "network", "network_id"),
        Link("subnets", "subnet", "subnet_ids"),
        Link("floating_ips", "floating_ip", "id", "port_id", many=True),
        Link("security_groups", "security_group", "security_group_ids"),
        Link("agents", "network_agent", "host", "host", many=True),
    ),
)

RESOURCES = {one.name: one for one in (NETWORK, SUBNET, PORT)}
