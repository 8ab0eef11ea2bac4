"""Verbs that change a volume's name and metadata, its type, and the state that Cinder has of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from common.pairs import pairs
from openstack_api import volume as change
from query_api.lookups import quotas, things
from query_api.lookups.volume_pools import known_pools
from verbs.verb import Options, Verb, states
from verbs.volumes import INSTEAD, snapshots_of
from verbs.volumes_stuck import evidence, refusals
from workflow_api import Duration, ParameterGroup, clean, count
from workflow_api.parameters import Name

_Text = Annotated[str, Meta(max_length=255)]


class VolumeChanges(ParameterGroup, frozen=True, kw_only=True):
    """What is changed of a volume; all that is not given stays as it is.

    new_name: The name to give it.
    description: The description; removed if it is a blank.
    set_metadata: Metadata to set, as team=web; stage=test.
    remove_metadata: Metadata to remove, by their keys.
    bootable: Whether a server can boot from it.
    """

    new_name: Annotated[Name, Meta(min_length=1, max_length=255)] | None = None
    description: _Text | None = None
    set_metadata: str | None = None
    remove_metadata: list[str] = msgspec.field(default_factory=list)
    bootable: bool | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata to set; raises UserError."""
        return pairs("set_metadata", self.set_metadata)


class RetypeOptions(ParameterGroup, frozen=True, kw_only=True):
    """Which type a volume is to have.

    volume_type: The type, by name or id.
    migration: Whether Cinder may move its data where its own backend does not have the type.
    """

    volume_type: Name
    migration: Literal["never", "on-demand"] = "never"


class ResetOptions(ParameterGroup, frozen=True, kw_only=True):
    """Which state Cinder is to set.

    to: The state to set in Cinder; nothing is changed on the volume's backend.
    older_than: Refuse a volume changed more recently than this: it may still be busy.
    """

    to: Literal["available", "in-use", "error"] = "error"
    older_than: Duration = Duration.parse("1h")


# -- what it is called -------------------------------------------------------------------------


def _missing(volume: Any, options: Options) -> Iterator[Callable[[Cloud], None]]:
    """Yield the requests that are left until a volume is as asked for."""
    facts = {
        word: wanted.strip()
        for word, wanted in (("name", options.new_name), ("description", options.description))
        if wanted is not None and wanted.strip() != (volume.values[word] or "")
    }
    metadata, id = volume.metadata or {}, volume.id
    if facts:
        yield lambda cloud: change.update_volume(cloud, id, **facts)
    new = {key: value for key, value in options.metadata.items() if metadata.get(key) != value}
    if new:
        yield lambda cloud: change.set_volume_metadata(cloud, id, new)
    for key in options.remove_metadata:
        if key in metadata:
            yield lambda cloud, key=key: change.remove_volume_metadata(  # type: ignore[misc]
                cloud, id, key
            )
    if options.bootable is not None and options.bootable is not bool(volume.bootable):
        wanted = options.bootable
        yield lambda cloud: change.set_volume_bootable(cloud, id, wanted)


def _update(cloud: Cloud, id: str, options: Options) -> None:
    volume = things.look(cloud, "volume", id)
    for request in _missing(volume, options) if volume else ():
        request(cloud)


def _is_updated(volume: Any, options: Options) -> bool:
    return not list(_missing(volume, options))


def _no_update(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    for key in sorted(options.metadata.keys() & set(options.remove_metadata)):
        yield f"the metadata {clean(key)} is to be set and to be removed"


# -- its type ----------------------------------------------------------------------------------


def _type_by_name(cloud: Cloud, volume: Any, options: Options) -> Options:
    known = things.find(cloud, "volume_type", options.volume_type)
    return msgspec.structs.replace(options, volume_type=known.name)


def _no_retype(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    """Tell why a volume cannot be of a type: no backend of it has room, or the quota has none."""
    wanted = things.find(cloud, "volume_type", options.volume_type)
    needed = {f"volumes_{wanted.name}": 1, f"gigabytes_{wanted.name}": volume.size}
    yield from quotas.lacking(cloud, "block-storage", volume.project_id, needed, by=volume.id)
    backend = (wanted.extra_specs or {}).get("volume_backend_name")
    known = known_pools(cloud) if backend else []
    if not known:
        return
    fitting = [pool for pool in known if pool.backend == backend]
    if any(pool.name == volume.host for pool in fitting):
        return
    if not fitting:
        yield f"no backend is called {clean(backend)}, which the type asks for"
    elif options.migration == "never":
        yield (
            f"its backend {clean(volume.backend)} does not have the type: with "
            "migration=on-demand its data are moved"
        )
    elif not any(pool.takes(volume.size) for pool in fitting):
        yield f"no pool of {clean(backend)} has {volume.size} GiB free"
    elif snapshots := len(snapshots_of(cloud, volume.id)):
        yield f"it has {count(snapshots, 'snapshot')}, and Cinder moves no volume that has any"


def _reset(cloud: Cloud, id: str, options: Options) -> None:
    # A volume in error keeps the attachments that Cinder has recorded.
    attach_status = {"available": "detached", "in-use": "attached"}.get(options.to)
    change.reset_volume(cloud, id, options.to, attach_status)


CHANGE_VERBS = (
    Verb(
        name="volume.update",
        summary="Change a volume's name, description, metadata, and whether it is bootable.",
        sentence="update volume {name}",
        participle="updated",
        request=_update,
        ends=_is_updated,
        outcome=lambda volume, options: "as asked for",
        options=VolumeChanges,
        unfit=_no_update,
        disturbs=False,
    ),
    Verb(
        name="volume.retype",
        summary="Change a volume's type; it moves to another backend if allowed.",
        sentence="change the type of {name} to {options[volume_type]}",
        participle="retyped",
        request=lambda cloud, id, options: change.retype_volume(
            cloud, id, options.volume_type, options.migration
        ),
        begins=states("available", "in-use"),
        ends=lambda volume, options: volume.volume_type == options.volume_type,
        outcome=lambda volume, options: f"of type {clean(volume.volume_type)}",
        tasks=frozenset({"retyping"}),
        instead={state: why for state, why in INSTEAD.items() if state != "in-use"},
        within=Duration.parse("6h"),
        options=RetypeOptions,
        completed=_type_by_name,
        unfit=_no_retype,
    ),
    Verb(
        name="volume.reset_state",
        summary="Reset the state of a volume that is stuck.",
        sentence="reset the state of {name} to {options[to]}",
        participle="reset",
        request=_reset,
        ends=lambda volume, options: volume.status == options.to,
        options=ResetOptions,
        unfit=refusals,
        notes=evidence,
    ),
)
