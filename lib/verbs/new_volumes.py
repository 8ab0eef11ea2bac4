"""What volumes are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from openstack_api import volume as change
from query_api.lookups import quotas, things
from query_api.lookups.image import is_usable
from query_api.lookups.volume_pools import known_pools
from query_api.wire.reader import one
from verbs.creation import Creation, Marks, NewName, ProjectOfNew
from verbs.verb import Options
from verbs.volumes import VOLUME
from workflow_api import Duration, ParameterGroup, clean, listed
from workflow_api.parameters import ImageName, Name, SnapshotName

_GIB = 1 << 30
# By this word Cinder shows the type that a volume gets where none is given.
_DEFAULT = "default"


class NewVolume(ParameterGroup, frozen=True, kw_only=True):
    """A new volume.

    size_gib: Its size, in GiB; at least the size of its source.
    description: The description.
    volume_type: Its type, by name or id; the cloud's default type if empty.
    image: The image that is written to it, by its exact name or id.
    volume_snapshot: The snapshot that it is made from, by name or id.
    zone: The availability zone; Cinder chooses if empty.
    bootable: Make it bootable; a volume from an image always is.
    same_name: Make it although there is another of that name in the project.
    delete_failed: Delete it again if it fails.
    """

    name: NewName
    size_gib: Annotated[int, Meta(ge=1)]
    description: str | None = None
    volume_type: Name | None = None
    image: ImageName | None = None
    volume_snapshot: SnapshotName | None = None
    zone: Name | None = None
    bootable: bool = False
    project: ProjectOfNew | None = None
    same_name: bool = False
    delete_failed: bool = False


class _Zone(msgspec.Struct, rename="camel"):
    zone_name: str
    zone_state: dict[str, bool] = {}


class _Zones(msgspec.Struct):
    zones: list[_Zone] = msgspec.field(name="availabilityZoneInfo")


def _request(cloud: Cloud, options: Options, marks: Marks) -> str:
    return change.create_volume(
        cloud,
        name=options.name,
        size=options.size_gib,
        description=options.description,
        volume_type=options.volume_type,
        image_id=options.image,
        snapshot_id=options.volume_snapshot,
        availability_zone=options.zone,
        metadata=dict(marks),
    )


def _unfit(cloud: Cloud, options: Options, project: str) -> Iterator[str]:
    """Tell what of the quota does not suffice, and what of its sources and zone does not fit."""
    if options.image and options.volume_snapshot:
        yield "it is made from an image or from a snapshot, not from both"
    owner = project or cloud.own_project()
    if options.image:
        yield from _image_against(cloud, options, owner)
    if options.volume_snapshot:
        found = things.look(cloud, "volume_snapshot", options.volume_snapshot)
        yield from _snapshot_against(found, options, project)
    if options.zone:
        known = one(cloud, "block-storage", "/os-availability-zone", _Zones).zones
        names = [zone.zone_name for zone in known if zone.zone_state.get("available", True)]
        if options.zone not in names:
            yield f"there is no zone {clean(options.zone)} for volumes; known: {listed(names)}"
    needed = {"volumes": 1, "gigabytes": options.size_gib, "per_volume_gigabytes": options.size_gib}
    found = things.look(cloud, "volume_type", options.volume_type or _DEFAULT)
    if found is not None:
        needed |= {f"volumes_{found.name}": 1, f"gigabytes_{found.name}": options.size_gib}
    yield from quotas.lacking(cloud, "block-storage", owner, needed, by=options.name)
    yield from _no_pool(cloud, found, options.size_gib)


def _no_pool(cloud: Cloud, volume_type: Any, size: int) -> Iterator[str]:
    """Tell it if no pool that the type may use has room, as far as the account is told of pools."""
    known = known_pools(cloud)
    backend = ((volume_type and volume_type.extra_specs) or {}).get("volume_backend_name")
    fitting = [pool for pool in known if backend in (None, pool.backend)]
    if known and not fitting:
        yield f"no backend is called {clean(backend)}, which the type asks for"
    elif known and not any(pool.takes(size) for pool in fitting):
        yield f"no pool{f' of {clean(backend)}' if backend else ''} has {size} GiB free"


def _image_against(cloud: Cloud, options: Options, owner: str) -> Iterator[str]:
    image = things.look(cloud, "image", options.image)
    if image is None:
        yield "its image is gone"
        return
    if image.status != "active":
        yield f"the image {clean(image.name)} is {clean(image.status)}"
    if not is_usable(cloud, image, owner):
        yield f"the image {clean(image.name)} is another project's, and not shared with this one"
    data = max(image.virtual_size or 0, image.size or 0)
    least = max(image.min_disk or 0, math.ceil(data / _GIB))
    if options.size_gib < least:
        yield f"the image {clean(image.name)} needs {least} GiB"


def _snapshot_against(snapshot: Any, options: Options, project: str) -> Iterator[str]:
    if snapshot is None:
        yield "its snapshot is gone"
        return
    if snapshot.status != "available":
        yield f"the snapshot {clean(snapshot.name)} is {clean(snapshot.status)}"
    if project and snapshot.project_id != project:
        yield f"the snapshot {clean(snapshot.name)} belongs to project {snapshot.project_id}"
    if options.size_gib < snapshot.size:
        yield f"the snapshot {clean(snapshot.name)} needs {snapshot.size} GiB"


VOLUME_CREATION = Creation(
    name="volume.create",
    summary="Create a volume, empty or from an image or a snapshot, in any project.",
    subject=VOLUME,
    sentence="create the volume {name} of {options[size_gib]} GiB",
    options=NewVolume,
    request=_request,
    complete=lambda cloud, id, options: change.set_volume_bootable(cloud, id, True),
    lacks=lambda volume, options: options.bootable and not volume.bootable,
    delete=lambda cloud, id, options: change.delete_volume(cloud, id),
    ready=("available",),
    within=Duration.parse("2h"),
    others={
        "volume_type": "volume_type",
        "image": "image",
        "volume_snapshot": "volume_snapshot",
        "project": "project",
    },
    unfit=_unfit,
)
