"""What Keystone knows: projects, and which of them a name means."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import msgspec

from accounts.cloud import Cloud
from common.errors import NotFound
from common.picking import picked
from query_api.lookups.absent import absent
from query_api.wire.reader import one


class Project(msgspec.Struct):
    """A project."""

    id: str
    name: str


class _Projects(msgspec.Struct):
    projects: list[Project]


def projects(cloud: Cloud) -> list[Project]:
    """Return projects of all domains, as many as Keystone gives in one answer."""
    return one(cloud, "identity", "/projects", _Projects).projects


def project_ids(cloud: Cloud, wanted: Sequence[str]) -> list[str]:
    """Return the ids of projects given by id, ``name`` or ``domain/name``.

    Names are case-sensitive. All are found in one listing.
    Raises NotFound with near names, or Ambiguous with the ids; CloudError for what is not found
    where not everything could be read.
    """
    from query_api.execution.query import query

    answer = query("project").select("id", "name", "domain_id", "domain.name").run([cloud])
    found: list[str] = []
    try:
        for project in wanted:
            where = f"cloud {cloud.name}"
            row = picked("project", project, answer.rows, id=_ID, names=_names, where=where)
            found.append(row[0])
    except NotFound as error:
        raise absent(error, answer.reasons) from None
    return list(dict.fromkeys(found))


_ID = itemgetter(0)


def _names(row: Sequence[str]) -> Sequence[str]:
    """Return how a project may be called. A name may have slashes of its own."""
    _, name, domain_id, domain = row
    return name, f"{domain_id}/{name}", f"{domain}/{name}"
