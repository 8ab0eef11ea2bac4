"""Rules of security groups that let the whole world in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from audits.findings import Finding, Part, Row, named
from query_api.execution.query import query
from query_api.language.conditions import any_of, test
from workflow_api import UserError, clean, count

Range = tuple[int, int]
_LAST = 65535
_RANGE = re.compile(r"([0-9]{1,5})(?:\s*-\s*([0-9]{1,5}))?")
# Protocols have numbers too; a rule may have either. Those in the first line mean any.
_ANY = frozenset({None, "any", "ip", "0"})
_NUMBERS = {"6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite"}
PROTOCOLS = tuple(_NUMBERS.values())


def parse_ports(text: str) -> list[Range]:
    """Return the ranges of ports in ``22, 8000-8100``.

    Raises UserError for what is neither a port nor a range.
    """
    found: list[Range] = []
    for word in filter(None, map(str.strip, text.split(","))):
        match = _RANGE.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= _LAST:
            raise UserError(
                f"ports: {clean(word)!r} is neither a port nor a range.",
                advice="Write them as in 22, 3389, 8000-8100.",
            )
        found.append((first, last))
    if not found:
        raise UserError("ports names no port.", advice="Write them as in 22, 3389, 8000-8100.")
    return found


def open_rules(part: Part, ports: Sequence[Range], protocols: Collection[str]) -> Iterator[Finding]:
    """Yield the rules of one cloud that let anybody reach one of the ports, servers first."""
    rules, _ = part.read(
        query("security_group_rule")
        .where("direction", "equal_to", "ingress")
        .where("remote_group_id", "is_null")
        .where("remote_address_group_id", "is_null")
        .where(
            any_of(
                test("remote_ip_prefix", "is_null"),
                test("remote_ip_prefix", "matches_regex", "/0$"),
            )
        )
        .select(
            "id",
            "security_group_id",
            "project_id",
            "created_at",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "ethertype",
        )
    )
    rules = [rule for rule in rules if _is_covering(rule, ports, protocols)]
    groups = sorted({rule[1] for rule in rules})
    names, applied = part.read_all(
        [
            query("security_group").where("id", "any_in", *groups).select("id", "name"),
            query("port")
            .where("security_group_ids", "any_in", *groups)
            .select("security_group_ids", "device_id"),
        ]
    )
    devices = sorted({device for _, device in applied[0] if device})
    servers, all_servers = part.read(
        query("server")
        .where("id", "any_in", *devices)
        .select("id", "name", "project.name", "user_id", "user.name", "user.email")
    )
    by_id = {server[0]: server for server in servers}
    lies_on: dict[str, dict[str, Row]] = {}
    for of_port, device in applied[0]:
        if device in by_id:
            for group in of_port:
                lies_on.setdefault(group, {})[device] = by_id[device]
    called: dict[str, str | None] = dict(names[0])
    known = applied[1] and all_servers
    findings = [
        _finding(rule, called.get(rule[1]), lies_on.get(rule[1], {}), known) for rule in rules
    ]
    yield from sorted(findings, key=lambda one: -len(one.more["server_ids"]))


def _is_covering(rule: Row, ports: Sequence[Range], protocols: Collection[str]) -> bool:
    protocol, first, last = rule[4:7]
    if protocol not in _ANY:
        if _NUMBERS.get(protocol, protocol) not in protocols:
            return False
        if first is not None or last is not None:
            start, end = first or 0, _LAST if last is None else last
            return any(start <= most and least <= end for least, most in ports)
    return True


def _finding(rule: Row, group: str | None, servers: dict[str, Row], known: bool) -> Finding:
    id, group_id, project, created, protocol, first, last, remote, ethertype = rule
    what = "anything" if protocol in _ANY else str(_NUMBERS.get(protocol, protocol))
    if protocol not in _ANY:
        what += (
            " on all ports"
            if first is None and last is None
            else f" {first}" if first == last else f" {first}-{last}"
        )
    names = named(server[1] for server in servers.values())
    where = f"{count(len(servers), 'server')}: {names}" if servers else "no server"
    if not known:
        where = f"servers not all of which could be read{': ' if servers else ''}{names}"
    people = {server[3]: server for server in servers.values() if server[4] or server[5]}
    return Finding(
        kind="security_group_rule",
        id=id,
        name=group,
        why=f"lets {remote or f'all of {ethertype}'} reach {clean(what)}, on {where}",
        act="make one for the ranges that need it, then: openstack security group rule delete "
        f"{clean(id)}",
        created_at=created,
        project_id=project,
        user=[server[4] for server in people.values() if server[4]],
        mail=[server[5] for server in people.values() if server[5]],
        more={
            "servers": [server[1] for server in servers.values()],
            "server_ids": list(servers),
            "server_projects": sorted({server[2] for server in servers.values() if server[2]}),
            "security_group_id": group_id,
        },
    )
