"""Deleting a server: what goes with it is said before, or kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from keeping import snapshots
from keeping.marks import last_day
from openstack_api import compute as change
from query_api.lookups.compute_types import Server
from query_api.lookups.related import related
from verbs.verb import Kept, Options, Verb, states
from verbs.volumes_kept import lost, volumes_of
from workflow_api import (
    Context,
    Duration,
    ParameterGroup,
    Plan,
    clean,
    count,
    listed,
    step,
)

# Since then Nova changes what becomes of a volume that is attached already.
_KEEPS_VOLUMES = "2.85"
_SOFTLY = "SOFT_DELETED"
_DELETED_IN = (
    "ACTIVE",
    "ERROR",
    "PAUSED",
    "RESCUE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SUSPENDED",
    "VERIFY_RESIZE",
)


class DeleteOptions(ParameterGroup, frozen=True, kw_only=True):
    """What is kept of a server that is deleted.

    snapshot: Save the server as an image first.
    keep_snapshot: How long to keep that snapshot, as 12h or 30d.
    keep_volumes: Also keep the volumes that Nova would delete with it.
    """

    snapshot: bool = False
    keep_snapshot: Duration = Duration.parse("30d")
    keep_volumes: bool = False


def _doomed(server: Server) -> list[str]:
    """Return the ids of the volumes that Nova deletes with a server."""
    return [one["id"] for one in server.volumes if one.get("delete_on_termination")]


def _unfit(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    if options.snapshot:
        yield from (f"no snapshot can be taken: {why}" for why in snapshots.not_taken(server))
    if doomed := [] if options.keep_volumes else _doomed(server):
        for why in lost(cloud, volumes_of(cloud, server), doomed):
            yield Kept(f"{why}, and goes with it: keep_volumes=true keeps it")
    if options.keep_volumes and _doomed(server) and not cloud.supports("compute", _KEEPS_VOLUMES):
        yield f"its volumes cannot be kept: Nova offers that since microversion {_KEEPS_VOLUMES}"


def _notes(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    """Tell what goes with a server, in a request each for volumes, ports and floating IPs."""
    yield from _of_volumes(cloud, server, options)
    ports = related(cloud, "port", "device_id", [server.id])
    if ports:
        shown = listed(sorted(clean(address) for port in ports for address in port.addresses or ()))
        yield (
            f"It has {count(len(ports), 'port')}{f' ({shown})' if shown else ''}: those that Nova "
            "made for it are deleted with it, others stay."
        )
        leading = related(cloud, "floating_ip", "port_id", [port.id for port in ports])
        freed = [clean(one.floating_ip_address) for one in leading]
        if freed:
            yield f"Left without a server, and still its project's: {listed(sorted(freed))}."
    if options.snapshot:
        yield from snapshots.notes(cloud, server)


def _of_volumes(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    attached = [one["id"] for one in server.volumes]
    name = {one.id: _volume(one) for one in volumes_of(cloud, server)}
    doomed = [] if options.keep_volumes else _doomed(server)
    if gone := [name.get(id, id) for id in attached if id in doomed]:
        yield f"Deleted with it: {count(len(gone), 'volume')} ({listed(gone)})."
    if kept := [name.get(id, id) for id in attached if id not in doomed]:
        yield f"Kept, and free afterwards: {count(len(kept), 'volume')} ({listed(kept)})."


def _volume(volume: Any) -> str:
    return f"{clean(volume.name)}, {volume.size} GiB"


def _before(ctx: Context, plan: Plan, server: Server, options: Options) -> None:
    name = clean(server.name)
    if options.snapshot:
        plan.add(
            snapshots.take_snapshot,
            server=server.id,
            name=name,
            keep_until=last_day(ctx.asked_at, options.keep_snapshot),
            before="deletion",
        )
    if options.keep_volumes:
        kept = [{"server": server.id, "name": name, "volume": id} for id in _doomed(server)]
        plan.each(keep_volume, kept, undo="on_failure")


def _let_go(cloud: Cloud, server: str, volume: str) -> None:
    change.delete_volume_with_server(cloud, server, volume, True)


@step(
    "server.keep_volume",
    "have the volume {volume} stay when {name} is deleted",
    key="{server}:{volume}",
    undo=_let_go,
    repeatable=True,
)
def keep_volume(cloud: Cloud, server: str, name: str, volume: str) -> None:
    """Have a volume stay that Nova would delete with the server."""
    change.delete_volume_with_server(cloud, server, volume, False)


SERVER_DELETE = Verb(
    name="server.delete",
    summary="Delete a server; the plan shows what is deleted with it.",
    sentence="delete {name}",
    participle="deleted",
    request=lambda cloud, id, options: change.delete_server(cloud, id),
    begins=states(*_DELETED_IN),
    ends=lambda server, options: server.status == _SOFTLY,
    outcome=lambda server, options: "deleted, and can be restored until Nova reclaims it",
    gone=True,
    tasks=frozenset({"deleting", "soft-deleting"}),
    besides=Duration.parse("7h"),
    options=DeleteOptions,
    unfit=_unfit,
    notes=_notes,
    before=_before,
)
