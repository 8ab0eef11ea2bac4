"""What Neutron knows of who may reach and use what: security groups, their rules, RBAC policies."""

from __future__ import annotations

from typing import Any

import msgspec

from query_api.language.schema import Filter, Link, Resource
from query_api.resources.neutron import PROJECT, any_of, dated, listing, named, whose
from query_api.resources.properties import boolean, integer, or_none, text, texts, time
from query_api.wire.encoding import cidr, whole

# Never asked for here: whoever asks Neutron for the groups or rules of a project makes it a default
# security group if it has none, also if there is no such project (any more).
_NOT_BY_PROJECT: dict[str, Filter] = {}
_DIRECTIONS = frozenset({"ingress", "egress"})
_ETHERTYPES = frozenset({"IPv4", "IPv6"})
# Neutron refuses to look for a protocol that it does not know; these all versions do.
_PROTOCOLS = frozenset({"tcp", "udp", "icmp", "sctp", "vrrp", "gre", "esp", "ah"})
_LAST_PORT = 65535


class _Rule(msgspec.Struct):
    id: str


_RULES: Any = list[_Rule] | None


def _ids(rules: list[_Rule]) -> list[str]:
    return [rule.id for rule in rules]


def _direction(value: str) -> str | None:
    return value if value in _DIRECTIONS else None


def _ethertype(value: str) -> str | None:
    return value if value in _ETHERTYPES else None


def _protocol(value: str) -> str | None:
    return value if value in _PROTOCOLS else None


def _port(value: float) -> str | None:
    return whole(value) if 0 <= value <= _LAST_PORT else None


SECURITY_GROUP = Resource(
    name="security_group",
    plural="security_groups",
    about="A security group of any project: what may reach the ports that have it.",
    listings=(listing("security-groups", "security_groups"),),
    default=("id", "name", "project_id", "description"),
    properties=(
        *named("Its name; each project has one called default."),
        *whose(_NOT_BY_PROJECT),
        boolean("stateful", "Whether answers are let through."),
        boolean("shared", "Whether all projects may use it."),
        texts("rule_ids", "Its rules.", "security_group_rules", shape=_RULES, of=_ids),
        *dated(),
    ),
    links=(
        PROJECT,
        Link("rules", "security_group_rule", "id", "security_group_id", many=True),
        Link("ports", "port", "id", "security_group_ids", many=True),
        Link("rbac_policies", "rbac_policy", "id", "object_id", many=True),
    ),
)

SECURITY_GROUP_RULE = Resource(
    name="security_group_rule",
    plural="security_group_rules",
    about="A rule of a security group: something that is let through.",
    listings=(listing("security-group-rules", "security_group_rules"),),
    default=(
        "id",
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    ),
    properties=(
        text("id", "Its UUID.", filters=any_of("id")),
        text(
            "security_group_id",
            "The security group it is of.",
            filters=any_of("security_group_id"),
        ),
        text(
            "direction",
            "ingress or egress.",
            case="lower",
            filters=any_of("direction", encode=_direction),
        ),
        text("ethertype", "IPv4 or IPv6.", filters=any_of("ethertype", encode=_ethertype)),
        text(
            "protocol",
            "By name or number, such as tcp; missing if it is any.",
            case="lower",
            filters=any_of("protocol", encode=_protocol),
        ),
        integer(
            "port_range_min",
            "The first port, or an ICMP type; missing if all.",
            filters=any_of("port_range_min", encode=_port),
        ),
        integer(
            "port_range_max",
            "The last port, or an ICMP code; missing if all.",
            filters=any_of("port_range_max", encode=_port),
        ),
        text(
            "remote_ip_prefix",
            "The range it is for; missing if it is any, or a group.",
            filters=any_of("remote_ip_prefix", encode=cidr),
        ),
        text(
            "remote_group_id",
            "The security group it is for, instead of a range.",
            filters=any_of("remote_group_id"),
        ),
        text("remote_address_group_id", "The address group it is for, instead of a range."),
        *whose(_NOT_BY_PROJECT),
        time("created_at", "When it was made."),
        time("updated_at", "When it last changed."),
    ),
    links=(
        PROJECT,
        Link("security_group", "security_group", "security_group_id"),
        Link("remote_group", "security_group", "remote_group_id"),
    ),
)

RBAC_POLICY = Resource(
    name="rbac_policy",
    plural="rbac_policies",
    about="A right of one project, or all, to use something of another in Neutron.",
    listings=(listing("rbac-policies", "rbac_policies"),),
    default=("id", "object_type", "object_id", "action", "target_project_id", "project_id"),
    properties=(
        text("id", "Its UUID.", filters=any_of("id")),
        text("object_type", "What it is about, such as network."),
        text("object_id", "Which one of these.", filters=any_of("object_id")),
        text(
            "action",
            "The right, such as access_as_shared or access_as_external.",
            filters=any_of("action"),
        ),
        text(
            "target_project_id",
            "Who has it; * if all.",
            "target_tenant",
            filters=any_of("target_tenant"),
        ),
        text("project_id", "Who gave it.", of=or_none, filters=any_of("project_id")),
    ),
    links=(
        PROJECT,
        Link("target_project", "project", "target_project_id"),
        Link("network", "network", "object_id"),
        Link("security_group", "security_group", "object_id"),
    ),
)

RESOURCES = {one.name: one for one in (SECURITY_GROUP, SECURITY_GROUP_RULE, RBAC_POLICY)}
