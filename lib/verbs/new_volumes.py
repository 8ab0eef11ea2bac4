"""What volumes are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from accounts.cloud import Cloud
from openstack_api import volume as change
from query_api.lookups import quotas
from verbs.creation import Creation, Marks, NewName, ProjectOfNew
from verbs.verb import Options
from verbs.volumes import VOLUME
from workflow_api import ParameterGroup


class NewVolume(ParameterGroup, frozen=True, kw_only=True):
    """A new volume.

    size_gib: Its size, in GiB.
    description: What it is for.
    volume_type: Its type, by name or id; the cloud's default type if empty.
    same_name: Make it although there is another of that name in the project.
    delete_failed: Delete it again if it fails.
    """

    name: NewName
    size_gib: Annotated[int, Meta(ge=1)]
    description: str | None = None
    volume_type: str | None = None
    project: ProjectOfNew | None = None
    same_name: bool = False
    delete_failed: bool = False


def _request(cloud: Cloud, options: Options, marks: Marks) -> str:
    return change.create_volume(
        cloud,
        name=options.name,
        size=options.size_gib,
        description=options.description,
        volume_type=options.volume_type,
        metadata=dict(marks),
    )


def _beyond_quota(cloud: Cloud, options: Options, project: str) -> Iterator[str]:
    """Tell what of the project's quota does not suffice; one request."""
    wanted = {"volumes": 1, "gigabytes": options.size_gib}
    whose = project or cloud.own_project()
    yield from quotas.lacking(cloud, "block-storage", whose, wanted)


VOLUME_CREATION = Creation(
    name="volume.create",
    summary="Create a volume, in any project.",
    subject=VOLUME,
    sentence="create the volume {name} of {options[size_gib]} GiB",
    options=NewVolume,
    request=_request,
    delete=lambda cloud, id, options: change.delete_volume(cloud, id),
    ready=("available",),
    others={"volume_type": "volume_type", "project": "project"},
    unfit=_beyond_quota,
)
