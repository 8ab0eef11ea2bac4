"""Verbs that bring a broken server back: from a rescue image, from a new disk, out of a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from openstack_api import compute as change
from query_api.lookups import server_actions, things
from query_api.lookups.compute_types import Server
from verbs.servers import INSTEAD, status_is
from verbs.stuck import evidence, refusals
from verbs.verb import Kept, Options, Verb, states
from verbs.volumes_kept import boots_from, protected_volume, volumes_of
from workflow_api import Duration, ParameterGroup, clean
from workflow_api.parameters import ImageName

_RESCUE_PROPERTIES = frozenset({"hw_rescue_device", "hw_rescue_bus"})
Confirmed = Annotated[
    str, Meta(description="The server's name again, to confirm that its data are lost.")
]


class RescueOptions(ParameterGroup, frozen=True, kw_only=True):
    """What a server is rescued with.

    image: The image to boot, by its exact name or id; the server's own if empty, unless the
        server boots from a volume.
    """

    image: ImageName | None = None


class RebuildOptions(ParameterGroup, frozen=True, kw_only=True):
    """What a server is rebuilt from.

    image: The image to rebuild its disk from, by its exact name or id; its present image if empty.
    """

    confirm: Confirmed
    image: ImageName | None = None


class ResetOptions(ParameterGroup, frozen=True, kw_only=True):
    """Which state Nova is to set.

    to: The state to set in Nova; nothing is changed on the server's hypervisor.
    older_than: Refuse a server whose task began more recently than this: it may still be running.
    """

    to: Literal["active", "error"] = "error"
    older_than: Duration = Duration.parse("1h")


def _no_rescue(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    if not server.boots_from_volume:
        return
    image = things.look(cloud, "image", options.image) if options.image else None
    if image is None or not set(image.properties or {}) >= _RESCUE_PROPERTIES:
        needed = " and ".join(sorted(_RESCUE_PROPERTIES))
        yield f"it boots from a volume, and needs an image with {needed}"


def _own_image(cloud: Cloud, server: Server, options: Options) -> Options:
    if options.image is None and isinstance(server.image, dict):
        return msgspec.structs.replace(options, image=server.image.get("id"))
    return options


def _no_rebuild(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    if options.confirm != server.name:
        yield f"confirm is {clean(options.confirm)!r}, which is not its name"
    if server.boots_from_volume:
        disks = (one for one in volumes_of(cloud, server) if boots_from(server, one))
        for why in (why for one in disks for why in protected_volume(cloud, one)):
            yield Kept(f"{why}, and is rewritten")
    if options.image is None:
        yield "it boots from a volume: name the image that the volume is rewritten from"
        return
    image = things.look(cloud, "image", options.image)
    if image is None:
        yield f"its image {clean(options.image)} is gone: name another one"
    elif image.status != "active":
        yield f"the image {clean(image.name)} is {clean(image.status)}"


def _lost(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    disk = "the volume that it boots from" if server.boots_from_volume else "its root disk"
    image = things.look(cloud, "image", options.image) if options.image else None
    source = f"the image {clean(image.name)}" if image else "an image"
    yield f"{disk} is rewritten from {source}: what is on it is lost"


def _is_reset(server: Server, options: Any) -> bool:
    return bool(server.status == options.to.upper() and not server.task_state)


REPAIR_VERBS = (
    Verb(
        name="server.rescue",
        summary="Boot a server from a rescue image, with its own disk attached.",
        sentence="rescue {name}",
        participle="rescued",
        request=lambda cloud, id, options: change.rescue_server(cloud, id, options.image),
        begins=states("ACTIVE", "SHUTOFF", "ERROR"),
        ends=status_is("RESCUE"),
        tasks=frozenset({"rescuing"}),
        instead={**INSTEAD, "RESCUE": "it is in rescue mode"},
        within=Duration.parse("30m"),
        undo="server.unrescue",
        options=RescueOptions,
        others={"image": "image"},
        unfit=_no_rescue,
    ),
    Verb(
        name="server.unrescue",
        summary="End the rescue mode of a server: boot from its own disk again.",
        sentence="unrescue {name}",
        participle="unrescued",
        request=lambda cloud, id, options: change.unrescue_server(cloud, id),
        begins=states("RESCUE"),
        ends=status_is("ACTIVE"),
        tasks=frozenset({"unrescuing"}),
        undo="server.rescue",
        disturbs=False,
    ),
    Verb(
        name="server.rebuild",
        summary="Rebuild a server's disk from an image; its name, ports and volumes stay.",
        sentence="rebuild {name} and lose what is on its disk",
        participle="rebuilt",
        request=lambda cloud, id, options: change.rebuild_server(cloud, id, options.image),
        begins=states("ACTIVE", "SHUTOFF", "ERROR"),
        # One that was shut off is shut off again.
        ends=status_is("ACTIVE", "SHUTOFF"),
        record="rebuild",
        tasks=frozenset({"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"}),
        instead={key: why for key, why in INSTEAD.items() if key not in ("SHUTOFF", "ERROR")},
        within=Duration.parse("1h"),
        options=RebuildOptions,
        others={"image": "image"},
        completed=_own_image,
        unfit=_no_rebuild,
        notes=_lost,
    ),
    Verb(
        name="server.reset_state",
        summary="Reset the state of a server that is stuck in a task or in ERROR.",
        sentence="reset the state of {name} to {options[to]}",
        participle="reset",
        request=lambda cloud, id, options: change.reset_server_state(cloud, id, options.to),
        ends=_is_reset,
        options=ResetOptions,
        unfit=refusals,
        notes=evidence,
        look=server_actions.with_newest,
    ),
)
