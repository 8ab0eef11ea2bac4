"""Flavors with the projects that may use them."""

from __future__ import annotations

from urllib.parse import quote

from accounts.cloud import Cloud
from query_api.lookups import things
from query_api.lookups.things import Thing
from query_api.wire.objects import Accesses
from query_api.wire.reader import one


def with_access(cloud: Cloud, id: str) -> Thing | None:
    """Return a flavor whose ``access_project_ids`` are there, in two requests; None if it is gone.

    Nova keeps no such list of a public flavor: it is empty then. Raises CloudError.
    """
    found = things.look(cloud, "flavor", id)
    if found is None:
        return None
    may = [] if found.is_public else access_of(cloud, id)
    return Thing("flavor", {**found.values, "access_project_ids": may})


def access_of(cloud: Cloud, id: str) -> list[str]:
    """Return the projects that may use a flavor which is not public. Raises CloudError."""
    path = f"/flavors/{quote(id, safe='')}/os-flavor-access"
    return [access.tenant_id for access in one(cloud, "compute", path, Accesses).flavor_access]
