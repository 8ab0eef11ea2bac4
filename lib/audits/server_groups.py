"""Server groups whose members are not where their policy wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from audits.findings import Finding, Part, named
from query_api.execution.query import query
from workflow_api import clean

SOFT = "soft-"
_MOST = "max_server_per_host"


class Breach(msgspec.Struct, frozen=True):
    """How a group breaks its policy: ``why`` in words, and its members concerned, by host."""

    why: str
    by_host: Mapping[str, Sequence[str]]


def most_on_a_host(rules: Mapping[str, object] | None) -> int:
    """Return how many members of an anti-affinity group may be on one host."""
    return int(str((rules or {}).get(_MOST, 1)))


def breach(
    policy: str, rules: Mapping[str, object] | None, where: Mapping[str, str]
) -> Breach | None:
    """Return how members break a policy, by where they are: hosts by member. None if they do not.

    Who is on no host (it is shelved, deleted, or was never placed) breaks nothing.
    """
    by_host: dict[str, list[str]] = {}
    for member, host in sorted(where.items()):
        by_host.setdefault(host, []).append(member)
    hard = policy.removeprefix(SOFT)
    if hard == "affinity" and len(by_host) > 1:
        why = f"they are to be together, and are on {len(by_host)} hosts: {named(sorted(by_host))}"
        return Breach(why, by_host)
    if hard == "anti-affinity":
        most = most_on_a_host(rules)
        crowded = {host: on for host, on in sorted(by_host.items()) if len(on) > most}
        if crowded:
            there = named(f"{len(on)} on {host}" for host, on in crowded.items())
            return Breach(f"at most {most} may be on one host, and there are {there}", crowded)
    return None


def broken_groups(part: Part) -> Iterator[Finding]:
    """Yield the server groups of one cloud that break their policy, the hard ones first."""
    groups, _ = part.read(
        query("server_group").select(
            "id", "name", "policy", "rules", "members", "project_id", "user_id"
        )
    )
    members = sorted({member for group in groups for member in group[4] or ()})
    asked = query("server").where("id", "any_in", *members).select("id", "name", "host")
    servers = {row[0]: row for row in (part.read(asked)[0] if members else ())}
    found = []
    for id, name, policy, rules, of_group, project, user in groups:
        known = [servers[member] for member in of_group or () if member in servers]
        where = {member: host for member, _, host in known if host}
        broken = breach(policy or "", rules, where)
        if broken is None:
            continue
        soft = (policy or "").startswith(SOFT)
        names = _names(broken.by_host.values(), {row[0]: row[1] for row in known})
        found.append(
            Finding(
                kind=f"{SOFT if soft else ''}server_group".replace("-", "_"),
                id=id,
                name=name,
                why=f"{clean(policy)}: {broken.why} ({named(names)})",
                act=_REMARK if soft else f"server_group.repair server_group={clean(id)}",
                project_id=project,
                user_id=user,
                more={"policy": policy, "servers": names, "hosts": sorted(broken.by_host)},
            )
        )
    yield from sorted(found, key=lambda one: (one.kind.startswith("soft"), one.name or ""))


_REMARK = (
    "nothing has to be done: the scheduler only prefers it; server_group.repair does as asked "
    "where there is room"
)


def _names(members: Iterable[Sequence[str]], names: Mapping[str, str]) -> list[str]:
    return sorted(names.get(member) or member for on in members for member in on)
