"""Runbooks about flavors: list, search."""

from searches.searching import register

register(
    "flavor",
    "flavors",
    where="vcpus >= 8 and ram >= 64GiB and is_public = true",
    group_by="is_public, vcpus",
    join="servers: name; access_projects: name",
)
