"""Runbooks about volumes: list, search, and the verbs of ``verbs.volumes``."""

from searches import searching
from verbs import runbooks
from verbs.new_volumes import VOLUME_CREATION
from verbs.volumes import VOLUME, VOLUME_VERBS

searching.register(
    "volume",
    "volumes",
    where="status = available and updated_at older_than 90d",
    group_by="volume_type, status",
    join="project: name; user: name",
)

runbooks.register(VOLUME, VOLUME_VERBS)
runbooks.register_creations([VOLUME_CREATION])
