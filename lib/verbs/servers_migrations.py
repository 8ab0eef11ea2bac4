"""Verbs about the live migration of a server that is under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from accounts import read_cache
from accounts.cloud import Cloud, not_there
from openstack_api import compute as change
from query_api.lookups import compute, server_actions
from query_api.lookups.compute_types import Migration, Server
from verbs.verb import Options, Verb
from workflow_api import CloudError, Duration, ParameterGroup, clean

_LIVE = "live-migration"
_RUNNING = frozenset({"running"})
# Since this microversion Nova gives up what it has not begun to move, too.
_QUEUED_TOO = "2.65"
_QUEUED = frozenset({"queued", "preparing"})
_UNDER_WAY = (*sorted(_RUNNING), *sorted(_QUEUED), "accepted", "post-migrating")


class ServerAndMigration(Server):
    """A server, and the newest record of a migration of it."""

    migration: Migration | None = None


class MigrationOptions(ParameterGroup, frozen=True, kw_only=True):
    """The number of the migration that the plan is about."""

    no_parameters = frozenset({"migration"})

    migration: int = 0


def _with_migration(cloud: Cloud, id: str) -> ServerAndMigration | None:
    try:
        # The record first: what it says has ended, the server shows.
        newest = _newest_of(cloud, id)
        server = compute.server(cloud, id)
    except CloudError as error:
        if not_there(error):
            return None
        raise
    return ServerAndMigration(
        **server_actions.fields(server), migration=newest[0] if newest else None
    )


def _newest_of(cloud: Cloud, id: str) -> list[Migration]:
    """Return the newest record of a migration of a server; of many by one look, one under way."""
    reads = read_cache.current()
    if reads is None or not reads.many:
        return compute.migrations(cloud, limit=1, instance_uuid=id)
    known = reads.shared(
        (cloud, "migrations under way"), lambda: compute.under_way(cloud, _UNDER_WAY)
    )
    return [known[id]] if id in known else []


def _newest(cloud: Cloud, server: ServerAndMigration, options: Options) -> Options:
    number = server.migration.id if server.migration else 0
    return msgspec.structs.replace(options, migration=number)


def _has_come_to(status: str) -> Any:
    """Return that the migration has this status, and the server is at rest."""

    def ends(server: ServerAndMigration, options: MigrationOptions) -> bool:
        record = server.migration
        return (
            record is not None
            and (record.id, record.status) == (options.migration, status)
            and not server.task_state
        )

    return ends


def _way(record: Migration) -> str:
    ends = f"from {clean(record.source_compute or '')} to {clean(record.dest_compute or '')}"
    return f"its live migration {record.id} {ends} is at {clean(record.status)!r}"


def _notes(cloud: Cloud, server: ServerAndMigration, options: Options) -> Iterator[str]:
    if server.migration:
        yield _way(server.migration)


def _not_at(cloud: Cloud, server: ServerAndMigration, accepted: frozenset[str]) -> Iterator[str]:
    record = server.migration
    if server.task_state != "migrating" or record is None or record.migration_type != _LIVE:
        yield f"no live migration of it is under way (it is {server.status})"
    elif record.status not in accepted:
        yield f"{_way(record)}: Nova does so only at {' or '.join(sorted(accepted))}"


def _not_to_be_aborted(cloud: Cloud, server: ServerAndMigration, options: Options) -> Iterator[str]:
    queued_too = cloud.supports("compute", _QUEUED_TOO)
    return _not_at(cloud, server, _RUNNING | _QUEUED if queued_too else _RUNNING)


def _not_to_be_forced(cloud: Cloud, server: ServerAndMigration, options: Options) -> Iterator[str]:
    return _not_at(cloud, server, _RUNNING)


MIGRATION_VERBS = (
    Verb(
        name="server.abort_migration",
        summary="Abort a running live migration; the server stays where it is.",
        sentence="abort the live migration of {name}",
        participle="stopped on its way",
        request=lambda cloud, id, options: change.abort_migration(cloud, id, options.migration),
        ends=_has_come_to("cancelled"),
        outcome=lambda server, options: f"still on {clean(server.host or 'its host')}",
        record="live_migration_cancel",
        options=MigrationOptions,
        completed=_newest,
        unfit=_not_to_be_aborted,
        notes=_notes,
        look=_with_migration,
        disturbs=False,
    ),
    Verb(
        name="server.force_complete",
        summary="Force a running live migration to complete; the server may be paused.",
        sentence="force the live migration of {name} to its end",
        participle="forced to its new host",
        request=lambda cloud, id, options: change.force_complete_migration(
            cloud, id, options.migration
        ),
        ends=_has_come_to("completed"),
        outcome=lambda server, options: f"on {clean(server.host or 'its host')}",
        record="live_migration_force_complete",
        within=Duration.parse("1h"),
        options=MigrationOptions,
        completed=_newest,
        unfit=_not_to_be_forced,
        notes=_notes,
        look=_with_migration,
    ),
)
