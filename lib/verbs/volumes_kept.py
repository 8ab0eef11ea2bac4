"""Volumes of a server that would be lost with it, and are protected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from accounts.cloud import Cloud
from protection.marks import protected
from query_api.lookups.compute_types import Server
from query_api.lookups.related import related
from query_api.lookups.things import Thing
from verbs.verb import Kept
from workflow_api import clean

# What a first disk is called: the one that a server boots from.
_FIRST_DISKS = frozenset({"/dev/vda", "/dev/sda", "/dev/hda", "/dev/xvda"})


def volumes_of(cloud: Cloud, server: Server) -> list[Thing]:
    """Return the volumes that are attached to a server, in one listing. Raises CloudError."""
    return related(cloud, "volume", "id", [one["id"] for one in server.volumes])


def boots_from(server: Server, volume: Any) -> bool:
    """Return whether a volume is the one that a server boots from."""
    known = zip(volume.server_ids or (), volume.devices or (), strict=False)
    return server.boots_from_volume and dict(known).get(server.id) in _FIRST_DISKS


def protected_volume(cloud: Cloud, volume: Any) -> Iterator[Kept]:
    """Tell by which mark a volume is protected, if it is."""
    if why := protected((), volume.metadata, cloud.config.protected):
        yield Kept(f"the volume {clean(volume.name)} {why.removeprefix('it ')}")


def lost(cloud: Cloud, volumes: Iterable[Any], ids: Collection[str]) -> Iterator[Kept]:
    """Tell which of the volumes with these ids are protected, and would be lost."""
    for volume in volumes:
        if volume.id in ids:
            yield from protected_volume(cloud, volume)
