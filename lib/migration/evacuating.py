"""Rebuilding servers of a dead host elsewhere: which can be, in which order, and the step."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from accounts.config import PackConfig
from migration.following import Follower
from migration.policy import SOFT_DELETED, MigrationChoice
from openstack_api import compute_hosts as change
from protection.marks import protected
from query_api.lookups import compute
from query_api.lookups.compute_types import Migration, Server
from workflow_api import Attempt, CloudError, clean, step

EVACUATION = "evacuation"
#: What os-migrations says of an evacuation that is not over.
UNDER_WAY = ("accepted", "pre-migrating")
# The states from which Nova evacuates, and the tasks of a server while it does.
_FROM = frozenset({"ACTIVE", "SHUTOFF", "ERROR"})
_REBUILDS = "rebuild"
_WHY_NOT = {
    "SOFT_DELETED": SOFT_DELETED,
    "VERIFY_RESIZE": "a resize or migration of it waits to be confirmed or reverted",
    "PAUSED": "it was paused, and Nova evacuates no paused server: reset its state to ERROR first",
    "SUSPENDED": "it is suspended, and Nova evacuates no suspended server",
    "RESCUE": "it was in rescue mode, and Nova evacuates no such server: reset its state to ERROR",
    "BUILD": "it was being built: delete it and build it again",
    "MIGRATING": "it was being migrated when the host died: reset its state to ERROR first",
    "RESIZE": "it was being migrated when the host died: reset its state to ERROR first",
}
_LOST = (
    "its root disk was on the dead host alone, and it would be rebuilt from its image without its "
    "data: local_disks=rebuild does that, and evacuation.shared_storage of the configuration says "
    "that disks are on shared storage"
)


class Evacuation(Follower):
    """Follows an evacuation: its source is down by definition, and is not asked for."""

    def __init__(
        self,
        attempt: Attempt,
        cloud: Cloud,
        server: str,
        name: str,
        source: str,
        newer_than: int | None = None,
    ) -> None:
        super().__init__(attempt, cloud, server, name, source, "evacuate", newer_than)

    def _involved(self, record: Migration | None) -> list[str | None]:
        return [record.dest_compute if record else None]

    def under_way(self, now: Server) -> bool:
        """Whether Nova rebuilds the server by an earlier request."""
        return (now.task_state or "").startswith(_REBUILDS)


def find_evacuation(
    attempt: Attempt, cloud: Cloud, server: str, name: str, source: str
) -> dict[str, Any] | None:
    """Say what became of an earlier attempt: its result, None if it is not done, or StepFailed.

    The attempt noted the server's newest migration before it asked for the evacuation, so a newer
    record is its own.
    """
    noted = attempt.notes.get("newest_migration")
    if noted is None:
        return None  # noted before the request is sent, so nothing was sent
    follow = Evacuation(attempt, cloud, server, name, source, noted)
    record, now = follow.record_if_any()
    if record is None:
        return None if now.host == source else follow.moved(now.host, "found on")
    return follow.to_the_end(confirms=False)


@step(
    "server.evacuate",
    "evacuate {name} ({size}) from {source}",
    key="{server}",
    find=find_evacuation,
)
def evacuate_server(
    attempt: Attempt,
    cloud: Cloud,
    server: str,
    name: str,
    size: str,
    source: str,
    target: str | None = None,
) -> dict[str, Any] | None:
    """Have one server rebuilt on another host, and follow that by the record of this request.

    Nova takes a second request for a server that it rebuilds just now, and would rebuild it twice,
    so the server is looked at before anything is sent.
    """
    follow = Evacuation(attempt, cloud, server, name, source)
    now = follow.server_now()
    if now.host != source and follow.is_settled(now):
        return follow.moved(now.host, "found on")
    under_way = follow.under_way(now)
    if under_way:
        follow.newer_than = _before_the_newest(cloud, server)
    attempt.note(newest_migration=follow.newer_than)
    if not under_way:
        try:
            change.evacuate_server(cloud, server, target)
        except CloudError as refused:
            follow.raise_if_on_its_way(refused)
            raise
    return follow.to_the_end(confirms=False)


def evacuation(
    server: Server, config: PackConfig, under_way: set[str], *, rebuild_local: bool
) -> MigrationChoice:
    """Judge one server of a dead host.

    ``under_way`` are the ids of those that are being evacuated already. A lock does not keep a
    server: whoever set it wants it to run. One whose disk is lost with the host is rebuilt only
    with ``rebuild_local``.
    """
    if why := protected(server.tags, server.metadata, config.protected):
        return MigrationChoice(server, None, why, kept=True)
    if server.id in under_way and (server.task_state or "").startswith(_REBUILDS):
        return MigrationChoice(server, None, "it is being evacuated already")
    if server.status not in _FROM:
        why = _WHY_NOT.get(server.status, f"Nova evacuates no server that is {server.status}")
        return MigrationChoice(server, None, why)
    shared = config.evacuation.shared_storage
    if not (shared or rebuild_local or server.boots_from_volume):
        return MigrationChoice(server, None, _LOST)
    return MigrationChoice(server, "evacuate")


def priority(server: Server, key: str) -> float:
    """Return how early a server is to be evacuated; one that says nothing of it, or no number, 0.

    >>> priority(Server("1", "a", metadata={"priority": "10"}), "priority")
    10.0
    """
    try:
        number = float(server.metadata.get(key, "0"))
    except ValueError:
        return 0.0
    return number if number == number else 0.0  # NaN has no place in an order


def records(cloud: Cloud, host: str, *statuses: str) -> list[Migration]:
    """Return the newest evacuations off a compute host, those in ``statuses``. One request."""
    found = compute.migrations(cloud, host=host, limit=1000, migration_type=EVACUATION)
    return [
        record
        for record in found
        if record.migration_type == EVACUATION
        and record.source_compute == host
        and record.status in statuses
    ]


def lost_with_it(server: Server) -> str:
    """Return what of a server that is evacuated is lost with the dead host, or nothing."""
    flavor = server.flavor
    parts = [] if server.boots_from_volume else ["root disk"]
    parts += ["ephemeral disk"] if flavor.ephemeral else []
    parts += ["swap"] if flavor.swap else []
    return f"{clean(server.name)} ({', '.join(parts)})" if parts else ""


def _before_the_newest(cloud: Cloud, server: str) -> int:
    found = compute.migrations(cloud, limit=1, instance_uuid=server)
    return found[0].id - 1 if found else 0
