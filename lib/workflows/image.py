"""Runbooks about images: list, search."""

from searches.searching import register

register(
    "image",
    "images",
    where="visibility = private and created_at older_than 365d",
    group_by="os_distro",
    join="project: name; user: name",
)
