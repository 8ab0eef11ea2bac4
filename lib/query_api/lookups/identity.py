"""What Keystone knows: projects, and which of them a name means."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from accounts.cloud import Cloud
from common.errors import Ambiguous, NotFound
from common.text import near
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
    rows = answer.rows
    called: dict[str, list[str]] = {}
    for id, name, domain_id, domain in rows:
        # A name may have slashes of its own.
        for word in {name, f"{domain_id}/{name}", f"{domain}/{name}"}:
            called.setdefault(word, []).append(id)
    known, found, where = {row[0] for row in rows}, list[str](), f"cloud {cloud.name}"
    for project in wanted:
        ids = [project] if project in known else called.get(project, [])
        if len(ids) > 1:
            raise Ambiguous("project", project, ids, where=where)
        if not ids:
            name = project.rpartition("/")[2]
            likely = near(name, [row[1] for row in rows])
            error = NotFound("project", project, where=where, near=likely)
            raise absent(error, answer.reasons)
        found += ids
    return list(dict.fromkeys(found))
