"""The verbs of volumes' snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from accounts.config import PackConfig
from openstack_api import volume as change
from protection.marks import protected
from query_api.execution.query import query
from query_api.lookups import things
from query_api.lookups.volume_messages import last_message
from verbs.verb import Options, Subject, Verb, states
from waiting.tables import FEW, listed_by_table
from workflow_api import Duration, ParameterGroup, clean, count
from workflow_api.parameters import SnapshotName

_BUSY = frozenset({"creating", "deleting", "backing-up", "restoring", "unmanaging"})


class AboutSnapshot(ParameterGroup, frozen=True, kw_only=True):
    """The snapshot that a verb is about."""

    volume_snapshot: SnapshotName


def _kept(snapshot: Any, config: PackConfig, verb: Verb) -> str:
    return protected((), snapshot.metadata, config.protected) if verb.disturbs else ""


VOLUME_SNAPSHOT = Subject(
    name="volume_snapshot",
    about=AboutSnapshot,
    find=lambda cloud, wanted: things.find(cloud, "volume_snapshot", wanted),
    look=lambda cloud, id: things.look(cloud, "volume_snapshot", id),
    look_many=listed_by_table("volume_snapshot"),
    few=FEW,
    state=lambda snapshot: snapshot.status,
    busy=lambda snapshot: snapshot.status if snapshot.status in _BUSY else "",
    kept=_kept,
    last_fault=lambda cloud, id: clean(last_message(cloud, id)),
)


def _volumes(cloud: Cloud, snapshot: Any, options: Options) -> Iterator[str]:
    """Tell the volumes that were made of a snapshot: some backends keep it for them."""
    asked = query("volume").where("snapshot_id", "equal_to", snapshot.id)
    if known := things.of_query(cloud, asked):
        yield f"{count(len(known), 'volume')} made of it; some backends keep it for as long"


SNAPSHOT_VERBS = (
    Verb(
        name="volume_snapshot.delete",
        summary="Delete a snapshot of a volume.",
        sentence="delete the snapshot {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_snapshot(cloud, id),
        begins=states("available", "error", "error_deleting"),
        gone=True,
        tasks=frozenset({"deleting"}),
        within=Duration.parse("1h"),
        notes=_volumes,
    ),
)
