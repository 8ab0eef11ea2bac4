"""Runbooks about flavors: list, search, and the verbs of ``verbs.flavors``."""

from searches import searching
from verbs import runbooks
from verbs.flavors import FLAVOR, FLAVOR_VERBS

searching.register(
    "flavor",
    "flavors",
    where="vcpus >= 8 and ram >= 64GiB and is_public = true",
    group_by="is_public, vcpus",
    join="servers: name; access_projects: name",
)

runbooks.register(FLAVOR, FLAVOR_VERBS)
