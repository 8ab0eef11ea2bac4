"""What Nova knows: servers, hypervisors, services, migrations, server groups, aggregates.

Each listing asks for the lowest microversion that answers the question: a full listing costs Nova
twice as much at 2.96 as at 2.1.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CloudError, NotFound
from common.picking import picked
from query_api.lookups.compute_types import Aggregate, Hypervisor, Migration, Server, ServerGroup
from query_api.wire.paging import pages, rows
from query_api.wire.reader import one

# Flavors are embedded, tags are listed, services and hypervisors have UUIDs.
SERVERS = "2.47"
# The availability zone that a server was booted into on request.
PINNED_ZONE = "2.96"
SERVICES = "2.53"
# Migrations have UUIDs and are listed newest first.
MIGRATIONS = "2.59"
# Server groups say max_server_per_host.
GROUPS = "2.64"
_NEAR_PAGE = 1000
_DELETED = "DELETED"


class _ServerAnswer(msgspec.Struct):
    server: Server


class _Aggregates(msgspec.Struct):
    aggregates: list[Aggregate]


class _Name(msgspec.Struct):
    id: str
    name: str


def servers(
    cloud: Cloud, *, host: str | None = None, microversion: str = SERVERS, **filters: Any
) -> list[Server]:
    """Return the servers of all projects; ``host`` narrows to a compute host, and is re-checked."""
    found = rows(
        cloud,
        "compute",
        "/servers/detail",
        Server,
        "servers",
        params={"all_tenants": 1, "host": host, **filters},
        microversion=microversion,
    )
    return [server for server in found if host is None or server.host == host]


def changed_servers(cloud: Cloud, ids: Collection[str], since: float) -> dict[str, Server]:
    """Return those of these servers, in any project, that have changed since then, by id.

    ``since`` is in seconds since 1970 by the cloud's clock. What was deleted is not among them.
    """
    moment = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = servers(cloud, **{"changes-since": moment})
    return {one.id: one for one in found if one.id in ids and one.status != _DELETED}


def moment(stamp: str) -> float | None:
    """Return a time of Nova's in seconds since 1970; None for what is none."""
    try:
        return (
            datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
        )
    except ValueError:
        return None


def to_judge(cloud: Cloud) -> str:
    """Return the microversion that tells most of where a server may go."""
    return PINNED_ZONE if cloud.supports("compute", PINNED_ZONE) else SERVERS


def server(cloud: Cloud, server_id: str, *, microversion: str = SERVERS) -> Server:
    """Return one server by its id; raises CloudError with status 404 if there is none."""
    path = f"/servers/{server_id}"
    return one(cloud, "compute", path, _ServerAnswer, microversion=microversion).server


def find_server(cloud: Cloud, wanted: str, *, microversion: str = SERVERS) -> Server:
    """Return the server with this id or exactly this name, in any project.

    Raises NotFound with near names, or Ambiguous with the ids.
    """
    if is_uuid(wanted):
        try:
            return server(cloud, wanted, microversion=microversion)
        except CloudError as error:
            if not not_there(error):
                raise
    # Nova matches names as regular expressions and anywhere; so quote, anchor and check again.
    pattern = f"^{re.escape(wanted)}$"
    named = servers(cloud, name=pattern, microversion=microversion)
    return _only("server", wanted, named, cloud, likely=lambda: names_like(cloud, wanted))


def servers_on(cloud: Cloud, host: Hypervisor, **how: Any) -> list[Server]:
    """Return the servers on a hypervisor; takes what :func:`servers` takes.

    Where its compute service has other hypervisors too, its own servers are known by their node.
    """
    if not host.service.others:
        return servers(cloud, host=host.service.host, **how)
    found = servers(cloud, host=host.service.host, node=host.name, **how)
    return [server for server in found if server.node == host.name]


def hypervisors(cloud: Cloud) -> list[Hypervisor]:
    """Return all hypervisors, each with the others of its compute service."""
    found = rows(
        cloud,
        "compute",
        "/os-hypervisors/detail",
        Hypervisor,
        "hypervisors",
        microversion=SERVICES,
    )
    others = others_of_service((host.name, host.service.host) for host in found)
    for host in found:
        host.service.others = others[host.name]
    return found


def others_of_service(known: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return by the name of a hypervisor which others its compute service has.

    ``known`` are all there are, each with the host of its service.
    """
    behind: dict[str, list[str]] = {}
    for name, service in known:
        behind.setdefault(service, []).append(name)
    return {
        name: [other for other in names if other != name]
        for names in behind.values()
        for name in names
    }


def find_hypervisor(cloud: Cloud, wanted: str) -> Hypervisor:
    """Return the hypervisor with this id, host name or compute service host.

    Raises NotFound with near names, or Ambiguous with the ids.
    """
    return pick_hypervisor(cloud, wanted, hypervisors(cloud))


def pick_hypervisor(cloud: Cloud, wanted: str, known: Sequence[Hypervisor]) -> Hypervisor:
    """Return the one of ``known`` hypervisors that is meant; raises as find_hypervisor does."""
    return _only(
        "hypervisor", wanted, known, cloud, names=lambda host: (host.name, host.service.host)
    )


def hypervisor_behind(cloud: Cloud, service: str) -> Hypervisor | None:
    """Return the hypervisor of a compute service (by its UUID), or None if there is none now."""
    return next((host for host in hypervisors(cloud) if host.service.id == service), None)


def hypervisor_of(cloud: Cloud, server: Server, known: Sequence[Hypervisor]) -> Hypervisor:
    """Return the hypervisor that a server is on; raises as find_hypervisor does."""
    shared = [h for h in known if (h.service.host, h.name) == (server.host, server.node)]
    return shared[0] if shared else pick_hypervisor(cloud, server.host or "", known)


def migrations(
    cloud: Cloud, *, host: str | None = None, limit: int, **filters: Any
) -> list[Migration]:
    """Return the newest ``limit`` migration records, newest first.

    ``host`` narrows to those that have it as source or destination.
    """
    found: list[Migration] = []
    for page in pages(
        cloud,
        "compute",
        "/os-migrations",
        Migration,
        "migrations",
        params={"host": host, **filters},
        microversion=MIGRATIONS,
        limit=limit,
    ):
        found += page
        if len(found) >= limit:
            break
    return found[:limit]


def under_way(cloud: Cloud, statuses: Iterable[str]) -> dict[str, Migration]:
    """Return by server the newest record of a migration that is in one of these states.

    That is a listing for each state, however many servers there are.
    """
    known: dict[str, Migration] = {}
    for status in statuses:
        for record in rows(
            cloud,
            "compute",
            "/os-migrations",
            Migration,
            "migrations",
            params={"status": status},
            microversion=MIGRATIONS,
        ):
            newest = known.setdefault(record.instance_uuid, record)
            if record.id > newest.id:
                known[record.instance_uuid] = record
    return known


def server_groups(cloud: Cloud) -> list[ServerGroup]:
    """Return the server groups of all projects."""
    return rows(
        cloud,
        "compute",
        "/os-server-groups",
        ServerGroup,
        "server_groups",
        params={"all_projects": "True"},
        microversion=GROUPS,
        paging="offset",
    )


def aggregates(cloud: Cloud) -> list[Aggregate]:
    """Return all host aggregates."""
    return one(cloud, "compute", "/os-aggregates", _Aggregates, microversion=SERVERS).aggregates


def is_uuid(text: str) -> bool:
    """Return whether ``text`` has the form of a UUID."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


Found = TypeVar("Found", Server, Hypervisor)


def _only(kind: str, wanted: str, known: Iterable[Found], cloud: Cloud, **how: Any) -> Found:
    """Return the one that is meant; takes and raises what picked does.

    What was not found because a part of the cloud could not be read is not called missing.
    """
    try:
        return picked(kind, wanted, known, where=f"cloud {cloud.name}", **how)
    except NotFound as error:
        from query_api.lookups.absent import absent
        from query_api.wire import visibility
        from query_api.wire.reading import Reading

        why = visibility.unseen(Reading(cloud), "compute")
        raise absent(error, [(f"{kind}s of {cloud.name}", why)] if why else []) from None


def names_like(cloud: Cloud, wanted: str) -> list[str]:
    """Return names that may be meant: of one page only, so that a large cloud is not read whole."""
    found = pages(
        cloud,
        "compute",
        "/servers",
        _Name,
        "servers",
        params={"all_tenants": 1, "name": f"^{re.escape(wanted[:1])}"},
        limit=_NEAR_PAGE,
    )
    return [row.name for row in next(found)]
