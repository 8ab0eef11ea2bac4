"""Verbs that give a server another size: resize it, and confirm that or take it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from accounts import read_cache
from accounts.cloud import Cloud
from openstack_api import compute as change
from query_api.lookups import compute, things
from query_api.lookups.compute_types import Flavor, Server
from verbs import server_room as room
from verbs.servers import SERVER
from verbs.verb import Options, Verb, states
from workflow_api import Duration, ParameterGroup, clean
from workflow_api.parameters import FlavorName

# What the record of a migration is while nova-compute gives up the source's copy, and until the
# server shows it: the server itself has no task then.
_CONFIRMED = ("confirming", "confirmed")
_CONFIRMING = "confirming"
_HELD = "VERIFY_RESIZE"
_UNCONFIRMED = "a resize or migration of it waits: confirm it or take it back first"
_AT_REST = ("ACTIVE", "SHUTOFF")


class ResizeOptions(ParameterGroup, frozen=True, kw_only=True):
    """To what a server is resized.

    confirm: Confirm it at once; otherwise it waits for server.resize_confirm or resize_revert.
    """

    no_parameters = frozenset({"size"})

    flavor: FlavorName
    confirm: bool = True
    # What the flavor gives, as Nova embeds it in servers.
    size: dict[str, Any] = msgspec.field(default_factory=dict)


def _completed(cloud: Cloud, server: Server, options: Options) -> Options:
    flavor = things.find(cloud, "flavor", options.flavor)
    size = room.as_data(room.size_of(flavor))
    return msgspec.structs.replace(options, flavor=flavor.id, size=size)


def _name(options: Options) -> str:
    return str(options.size.get("original_name", options.flavor))


def _is_resized(server: Server, options: Options) -> bool:
    has_it = server.flavor.original_name == _name(options)
    return has_it and server.status in (_HELD, *_AT_REST)


def _outcome(server: Server, options: Options) -> str:
    state = "waits to be confirmed or taken back" if server.status == _HELD else server.status
    return f"of flavor {clean(server.flavor.original_name)}, and {state}"


def _notes(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    size = msgspec.convert(options.size, Flavor)
    yield f"From {room.described(server.flavor)} to {room.described(size)}."
    if server.status == "ACTIVE":
        yield "Its guest is shut down for that, and started again."
    if not options.confirm:
        yield "Until it is confirmed or taken back it holds what both sizes need."


def _unfit(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    """Tell what speaks against the new size; a request for the quota, and one for the room."""
    before, size = server.flavor, msgspec.convert(options.size, Flavor)
    if size.disk < before.disk and not server.boots_from_volume:
        yield f"its root disk has {before.disk} GiB, and would have {size.disk}"
    if size.ephemeral < before.ephemeral:
        yield f"its second disk has {before.ephemeral} GiB, and would have {size.ephemeral}"
    more = {"cores": size.vcpus - before.vcpus, "ram": size.ram - before.ram}
    yield from room.beyond_quota(cloud, server.project_id, more, by=server.id)
    yield from room.no_room(cloud, size, from_volume=server.boots_from_volume)


def _with_confirming(cloud: Cloud, id: str) -> Server | None:
    """Return a server, with the confirming of its resize as its task while that is under way.

    Where many are looked at by one look that is left to the step: Nova lists the migrations of one.
    """
    server: Server | None = SERVER.look(cloud, id)
    if read_cache.is_of_many():
        return server
    if server is not None and server.status == _HELD and not server.task_state:
        newest = compute.migrations(cloud, limit=1, instance_uuid=id)
        if newest and newest[0].status in _CONFIRMED:
            server.task_state = _CONFIRMING
    return server


def _at_rest(server: Server, options: Options) -> bool:
    return server.status in _AT_REST


SIZE_VERBS = (
    Verb(
        name="server.resize",
        summary="Resize a server to another flavor; it is shut down and started again.",
        sentence="resize {name} to flavor {options[size][original_name]}",
        participle="resized",
        request=lambda cloud, id, options: change.resize_server(cloud, id, options.flavor),
        begins=states(*_AT_REST),
        ends=_is_resized,
        outcome=_outcome,
        tasks=frozenset({"resize_prep", "resize_migrating", "resize_migrated", "resize_finish"}),
        instead={_HELD: _UNCONFIRMED},
        within=Duration.parse("2h"),
        undo="server.resize_revert",
        options=ResizeOptions,
        completed=_completed,
        unfit=_unfit,
        notes=_notes,
        then=lambda options: ("server.resize_confirm",) if options.confirm else (),
    ),
    Verb(
        name="server.resize_confirm",
        summary="Confirm the resize or cold migration of a server; it cannot be reverted then.",
        sentence="confirm the resize of {name}",
        participle="confirmed",
        request=lambda cloud, id, options: change.confirm_migration(cloud, id),
        begins=states(_HELD),
        ends=_at_rest,
        tasks=frozenset({_CONFIRMING}),
        within=Duration.parse("30m"),
        look=_with_confirming,
    ),
    Verb(
        name="server.resize_revert",
        summary="Revert the unconfirmed resize or cold migration of a server.",
        sentence="take back the resize of {name}",
        participle="taken back",
        request=lambda cloud, id, options: change.revert_resize(cloud, id),
        begins=states(_HELD),
        ends=_at_rest,
        tasks=frozenset({"resize_reverting"}),
        within=Duration.parse("1h"),
    ),
)
