"""Runbooks about volumes: volume.list, volume.search, and the verbs of ``verbs.volumes``."""

from searches import searching
from verbs import runbooks
from verbs.new_volumes import VOLUME_CREATION
from verbs.volumes import VOLUME, VOLUME_VERBS
from verbs.volumes_changes import CHANGE_VERBS
from verbs.volumes_marks import MARK_VERBS

searching.register(
    "volume",
    "volumes",
    where="status = available and updated_at older_than 90d",
    group_by="volume_type, status",
    join="project: name; user: name",
)

for table in (VOLUME_VERBS, CHANGE_VERBS, MARK_VERBS):
    runbooks.register(VOLUME, table)
runbooks.register_creations([VOLUME_CREATION])
