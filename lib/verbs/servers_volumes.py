"""Verbs that attach volumes to servers and detach them."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.cloud import Cloud
from openstack_api import compute as change
from query_api.lookups import server_devices, things
from query_api.lookups.compute_types import Server
from verbs.servers import INSTEAD
from verbs.verb import Options, Verb, states
from verbs.volumes_kept import boots_from, protected_volume
from workflow_api import ParameterGroup, clean, listed
from workflow_api.parameters import VolumeName

_BEGINS = states("ACTIVE", "PAUSED", "SHUTOFF", "VERIFY_RESIZE", "SHELVED", "SHELVED_OFFLOADED")
_INSTEAD = {key: INSTEAD[key] for key in ("SUSPENDED", "RESCUE", "ERROR", "BUILD")}


class VolumeOptions(ParameterGroup, frozen=True, kw_only=True):
    """The volume that is attached or detached."""

    volume: VolumeName


def _has_volume(server: Server, options: VolumeOptions) -> bool:
    return any(volume["id"] == options.volume for volume in server.volumes)


def _not_to_be_attached(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    volume = things.look(cloud, "volume", options.volume)
    if volume is None:
        yield "the volume is gone"
        return
    name = clean(volume.name)
    if volume.project_id and volume.project_id != server.project_id:
        yield f"the volume {name} belongs to another project"
    if volume.status == "in-use" and not volume.multiattach:
        where = listed(volume.server_ids or ["another server"])
        yield f"the volume {name} is attached to {where}: detach it there first"
    elif volume.status not in ("available", "in-use"):
        yield f"the volume {name} is {clean(volume.status)}"


def _not_to_be_detached(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    volume = things.look(cloud, "volume", options.volume)
    if volume is None:
        return
    name = clean(volume.name)
    yield from protected_volume(cloud, volume)
    if volume.status != "in-use":
        yield f"the volume {name} is {clean(volume.status)}"
    if boots_from(server, volume):
        yield f"it boots from the volume {name}"


VOLUME_DEVICE_VERBS = (
    Verb(
        name="server.attach_volume",
        summary="Attach a volume to a server.",
        sentence="attach volume {names[volume]} to {name}",
        participle="attached to the volume",
        request=lambda cloud, id, options: change.attach_volume(cloud, id, options.volume),
        begins=_BEGINS,
        ends=_has_volume,
        outcome=lambda server, options: f"attached to volume {options.volume}",
        tasks=frozenset({"attach_volume"}),
        instead=_INSTEAD,
        options=VolumeOptions,
        others={"volume": "volume"},
        claims=frozenset({"volume"}),
        unfit=_not_to_be_attached,
        look=server_devices.with_volumes,
    ),
    Verb(
        name="server.detach_volume",
        summary="Detach a volume from a server.",
        sentence="detach volume {names[volume]} from {name}",
        participle="detached from the volume",
        request=lambda cloud, id, options: change.detach_volume(cloud, id, options.volume),
        begins=_BEGINS,
        ends=lambda server, options: not _has_volume(server, options),
        outcome=lambda server, options: f"without volume {options.volume}",
        tasks=frozenset({"detach_volume"}),
        instead=_INSTEAD,
        options=VolumeOptions,
        others={"volume": "volume"},
        claims=frozenset({"volume"}),
        unfit=_not_to_be_detached,
        look=server_devices.with_volumes,
    ),
)
