"""Runbooks about volumes: list, search."""

from searches.searching import register

register(
    "volume",
    "volumes",
    where="status = available and updated_at older_than 90d",
    group_by="volume_type, status",
    join="project: name; user: name",
)
