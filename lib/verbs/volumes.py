"""The verbs of volumes, each with the states in which Cinder accepts it (see its API reference)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from accounts.cloud import Cloud
from accounts.config import PackConfig
from openstack_api import volume as change
from protection.marks import protected
from query_api.lookups import quotas, things
from query_api.lookups.related import related
from query_api.lookups.volume_messages import last_message
from query_api.lookups.volume_pools import known_pools
from verbs.verb import Options, Subject, Verb, states
from waiting.tables import FEW, listed_by_table
from workflow_api import ParameterGroup, StepFailed, clean, count
from workflow_api.parameters import VolumeName

# Cinder's states that end by themselves.
_BUSY = frozenset(
    {
        "creating",
        "downloading",
        "uploading",
        "reserved",
        "attaching",
        "detaching",
        "extending",
        "retyping",
        "deleting",
        "backing-up",
        "restoring-backup",
    }
)
_IN_USE = "it is attached to a server: detach it first"
_AWAITING = "its transfer to another project waits to be accepted: cancel that first"
INSTEAD = {"in-use": _IN_USE, "awaiting-transfer": _AWAITING, "error": "it is in error"}


class AboutVolume(ParameterGroup, frozen=True, kw_only=True):
    """The volume that a verb is about."""

    volume: VolumeName


def _kept(volume: Any, config: PackConfig, verb: Verb) -> str:
    return protected((), volume.metadata, config.protected) if verb.disturbs else ""


VOLUME = Subject(
    name="volume",
    about=AboutVolume,
    find=lambda cloud, wanted: things.find(cloud, "volume", wanted),
    look=lambda cloud, id: things.look(cloud, "volume", id),
    look_many=listed_by_table("volume"),
    few=FEW,
    state=lambda volume: volume.status,
    busy=lambda volume: volume.status if volume.status in _BUSY else "",
    kept=_kept,
    last_fault=lambda cloud, id: clean(last_message(cloud, id)),
)


class ExtendOptions(ParameterGroup, frozen=True, kw_only=True):
    """How large a volume is made.

    size_gib: Its new size, in GiB.
    """

    size_gib: Annotated[int, Meta(ge=1)]


def still_there(cloud: Cloud, volume: str, name: str) -> Any:
    """Return the volume of a step as it is now; raises StepFailed if it is gone."""
    found = things.look(cloud, "volume", volume)
    if found is None:
        raise StepFailed(f"The volume {name} is gone.")
    return found


def snapshots_of(cloud: Cloud, volume: str) -> list[things.Thing]:
    """Return the snapshots of a volume, in one listing."""
    return related(cloud, "volume_snapshot", "volume_id", [volume])


def _does_not_fit(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    more = options.size_gib - volume.size
    needed = {"gigabytes": more, f"gigabytes_{volume.volume_type}": more}
    yield from quotas.lacking(cloud, "block-storage", volume.project_id, needed, by=volume.id)
    for pool in known_pools(cloud):
        if pool.name == volume.host and not pool.takes(more):
            yield f"its pool {clean(pool.name)} has no {more} GiB more"


def _snapshots(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    """Tell the snapshots that keep a volume from being deleted."""
    if known := snapshots_of(cloud, volume.id):
        yield f"it has {count(len(known), 'snapshot')}: delete them first"


VOLUME_VERBS = (
    Verb(
        name="volume.extend",
        summary="Extend a volume, even if it is attached.",
        sentence="extend {name} to {options[size_gib]} GiB",
        participle="extended",
        request=lambda cloud, id, options: change.extend_volume(cloud, id, options.size_gib),
        begins=states("available", "in-use"),
        ends=lambda volume, options: volume.size >= options.size_gib,
        outcome=lambda volume, options: f"{volume.size} GiB large",
        tasks=frozenset({"extending"}),
        instead=INSTEAD,
        options=ExtendOptions,
        unfit=_does_not_fit,
        disturbs=False,
    ),
    Verb(
        name="volume.delete",
        summary="Delete a volume that nothing uses.",
        sentence="delete {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_volume(cloud, id),
        begins=states("available", "error", "error_restoring", "error_extending"),
        gone=True,
        tasks=frozenset({"deleting"}),
        instead=INSTEAD,
        unfit=_snapshots,
    ),
)
