"""Runbooks about snapshots of volumes: volume_snapshot.list, volume_snapshot.search, and verbs."""

from searches import searching
from verbs import runbooks
from verbs.volume_snapshots import SNAPSHOT_VERBS, VOLUME_SNAPSHOT

searching.register(
    "volume_snapshot",
    "snapshots of volumes",
    where="status = error or created_at older_than 90d",
    group_by="status",
    join="volume: name; project: name",
)

runbooks.register(VOLUME_SNAPSHOT, SNAPSHOT_VERBS)
