"""Orphans: what is left of projects that are gone, what is bound to nothing, what nobody holds.

First what may be an orphan is read and then what it may belong to: what is made in the meantime
belongs to something that the later listing has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from audits.findings import Finding, Part, Row, named
from query_api.execution.query import Query, Stage, query
from query_api.resources import resource
from workflow_api import Duration, clean

# Who has just made a port or a floating IP may be about to use it.
_GRACE = float(Duration.parse("1d"))
# Migrations that have not ended: they hold room on one of their two hosts.
IN_PROGRESS = (
    "accepted",
    "queued",
    "preparing",
    "running",
    "pre-migrating",
    "migrating",
    "post-migrating",
    "finished",
    "confirming",
    "reverting",
)


class Kind(msgspec.Struct, frozen=True):
    """A kind of thing that projects have: how one is got rid of, and what is read of it.

    A row is its id, name, project and the time of its making, then ``columns``, then who made it
    if the cloud says so (``has_user``).
    """

    act: str
    name: str = "name"
    has_user: bool = False
    columns: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "server": Kind("openstack server delete {id}", has_user=True),
    "volume": Kind("after its snapshots: openstack volume delete {id}", has_user=True),
    "volume_snapshot": Kind("openstack volume snapshot delete {id}"),
    "image": Kind(
        "openstack image delete {id}; or give it away: openstack image set --project PROJECT {id}",
        has_user=True,
    ),
    "network": Kind("after its ports: openstack network delete {id}"),
    "router": Kind("after its interfaces: openstack router delete {id}"),
    "port": Kind(
        "openstack port delete {id}",
        columns=("device_id", "device_owner", "addresses", "allowed_addresses"),
    ),
    "floating_ip": Kind(
        "openstack floating ip delete {id}", name="floating_ip_address", columns=("port_id",)
    ),
    "security_group": Kind("openstack security group delete {id}"),
}
ALLOCATION = "allocation"
# To judge these one has to know which servers there are.
_OF_SERVERS = frozenset({"server", "port", ALLOCATION})
_NOVA = "compute:"
_NEUTRON = "network:"


def orphans(part: Part, kinds: Collection[str], older_than: float | None) -> Iterator[Finding]:
    """Yield what is orphaned in one cloud, of these kinds and older than so many seconds.

    Raises CloudError if the projects cannot all be read.
    """
    things = [kind for kind in KINDS if kind in kinds and kind != "server"]
    asked = [_question(kind) for kind in things]
    if ALLOCATION in kinds:
        asked.append(_holders())
    answers = [rows for rows, _whole in part.read_all(asked)]
    held = answers.pop() if ALLOCATION in kinds else []
    found = dict(zip(things, answers, strict=True))
    servers, all_servers = list[Row](), True
    if _OF_SERVERS & set(kinds):
        servers, all_servers = part.read(_question("server"))
    there = {row[0] for row in servers}
    strays = {row[4] for row in found.get("port", ()) if _is_of_nova(row)} - there
    suspects = {row[0] for row in held} - there
    if all_servers and (strays or suspects):
        soft, all_servers = part.read(soft_deleted())
        there |= {row[0] for row in soft}
        suspects -= there
    projects = part.whole(query("project").select("id", "name"), _REFUSED)
    domains = part.whole(query("domain").select("id", "name"), _REFUSED)
    part.projects = {**dict(projects), **dict(domains)}
    judge = _Judge(part, part.projects, older_than)
    if "server" in kinds:
        found = {"server": servers, **found}
    for kind, rows in found.items():
        if kind == "port":
            going = {row[0] for row in servers if judge.is_gone(row[2])}
            # Without all servers nobody can say that one is not there.
            yield from judge.ports(rows, there if all_servers else None, going)
        elif kind == "floating_ip":
            yield from judge.floating_ips(rows)
        else:
            yield from judge.left_behind(kind, rows)
    if all_servers and suspects:
        yield from _unheld(part, held, suspects)


_REFUSED = "nothing is called an orphan"


def _question(kind: str) -> Query:
    what = KINDS[kind]
    user = ("user_id",) if what.has_user else ()
    return query(kind).select("id", what.name, "project_id", "created_at", *what.columns, *user)


def soft_deleted() -> Query:
    """Return the question for servers that were deleted and can be restored.

    Nova lists them nowhere else. They keep their ports and allocations until they are reclaimed.
    """
    server = resource("server")
    asked = {"deleted": "True", "status": "SOFT_DELETED"}
    listings = tuple(
        msgspec.structs.replace(one, params={**one.params, **asked}) for one in server.listings
    )
    return Query((Stage(msgspec.structs.replace(server, listings=listings)),)).select("id")


def _holders() -> Query:
    return query("allocation").select("consumer_id", "provider_id", "provider.name", "resources")


def _is_of_nova(port: Row) -> bool:
    return bool(port[4]) and (port[5] or "").startswith(_NOVA)


class _Judge:
    """Says which rows are orphans; ``owners`` are the names of projects and domains by id."""

    def __init__(self, part: Part, owners: Mapping[str, str], older_than: float | None) -> None:
        self._part, self.owners = part, owners
        self._gone_for = older_than or 0.0
        self._unused_for = _GRACE if older_than is None else older_than

    def is_gone(self, project: str | None) -> bool:
        """Return whether a project is named that does not exist. Neutron's own things have none."""
        return bool(project) and project not in self.owners

    def left_behind(self, kind: str, rows: Sequence[Row]) -> Iterator[Finding]:
        """Yield what is of projects that no longer exist."""
        for row in rows:
            yield from self._found(kind, row, self._whose(row))

    def floating_ips(self, rows: Sequence[Row]) -> Iterator[Finding]:
        """Yield floating IPs of no project, or that lead nowhere."""
        for row in rows:
            whys = self._whose(row)
            if row[4] is None and self._part.is_older(row[3], self._unused_for):
                whys.append("it leads to no port")
            yield from self._found("floating_ip", row, whys)

    def ports(
        self, rows: Sequence[Row], servers: Collection[str] | None, going: Collection[str]
    ) -> Iterator[Finding]:
        """Yield ports of no project, of no server any more, or that are bound to nothing.

        Left out are Neutron's own, those that go with a server of ``going``, and those whose
        address another port may use: it is shared by servers that stand in for each other.
        ``servers`` is None if nobody knows them all.
        """
        shared = {address for row in rows if row[4] for address in row[7] or ()}
        for row in rows:
            device, owner = row[4], row[5] or ""
            if owner.startswith(_NEUTRON) or device in going:
                continue
            whys = self._whose(row)
            if device is None:
                unused = shared.isdisjoint(row[6] or ())
                if unused and self._part.is_older(row[3], self._unused_for):
                    whys.append("it is bound to nothing")
            elif (
                _is_of_nova(row)
                and servers is not None
                and device not in servers
                and self._part.is_older(row[3], self._gone_for)
            ):
                whys.append(f"its server {clean(device)} no longer exists")
            named_so = row[1] or ", ".join(row[6] or ()) or None
            yield from self._found("port", (row[0], named_so, *row[2:]), whys)

    def _whose(self, row: Row) -> list[str]:
        if self.is_gone(row[2]) and self._part.is_older(row[3], self._gone_for):
            return [f"its project {clean(row[2])} no longer exists"]
        return []

    def _found(self, kind: str, row: Row, whys: Sequence[str]) -> Iterator[Finding]:
        if not whys:
            return
        yield Finding(
            kind=kind,
            id=row[0],
            name=row[1],
            why=", and ".join(whys),
            act=KINDS[kind].act.format(id=clean(row[0])),
            created_at=row[3],
            project_id=row[2],
            user_id=row[-1] if KINDS[kind].has_user else None,
        )


def _unheld(part: Part, held: Sequence[Row], suspects: set[str]) -> Iterator[Finding]:
    """Yield the allocations of consumers that are neither a server nor a migration in progress.

    They are read again: what was let go of in the meantime is no orphan.
    """
    migrations, whole = part.read(
        query("migration").where("status", "any_in", *IN_PROGRESS).select("uuid")
    )
    suspects = suspects - {row[0] for row in migrations}
    providers = sorted({row[1] for row in held if row[0] in suspects})
    if not whole or not providers:
        return
    again, _whole = part.read(_holders().where("provider_id", "any_in", *providers))
    by_consumer: dict[str, list[Row]] = {}
    for row in again:
        if row[0] in suspects:
            by_consumer.setdefault(row[0], []).append(row)
    for consumer, rows in by_consumer.items():
        amounts = (
            f"{amount} {clean(name)} of {clean(provider or id)}"
            for _, id, provider, resources in rows
            for name, amount in resources.items()
        )
        yield Finding(
            kind=ALLOCATION,
            id=consumer,
            name=None,
            why=f"it holds {named(amounts)}, and is no server and no migration in progress",
            act="nova-manage placement audit shows it; if nothing else uses Placement: "
            f"openstack resource provider allocation delete {clean(consumer)}",
        )
