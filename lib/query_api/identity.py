"""What Keystone knows: projects and domains."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from query_api.reader import one
from workflow_api.errors import Ambiguous, NotFound
from workflow_api.text import near


class Project(msgspec.Struct):
    """A project."""

    id: str
    name: str
    domain_id: str = ""
    enabled: bool = True
    tags: list[str] = []


class _Domain(msgspec.Struct):
    id: str
    name: str


class _Projects(msgspec.Struct):
    projects: list[Project]


class _Domains(msgspec.Struct):
    domains: list[_Domain]


def projects(cloud: Cloud) -> list[Project]:
    """Return all projects of all domains (Keystone pages this listing only where it is told to)."""
    return one(cloud, "identity", "/projects", _Projects).projects


def find_project(cloud: Cloud, wanted: str) -> Project:
    """Return the project with this id, ``name`` or ``domain/name``; names are case-sensitive.

    Raises NotFound with near names, or Ambiguous with the ids.
    """
    known = projects(cloud)
    found = [p for p in known if p.id == wanted]
    if not found:
        # A name may have slashes of its own.
        domains = one(cloud, "identity", "/domains", _Domains).domains if "/" in wanted else []
        prefixes = {d.id: (f"{d.id}/", f"{d.name}/") for d in domains}
        found = [
            p
            for p in known
            if wanted in {start + p.name for start in ("", *prefixes.get(p.domain_id, ()))}
        ]
    if len(found) == 1:
        return found[0]
    where = f"cloud {cloud.name}"
    if found:
        raise Ambiguous("project", wanted, [p.id for p in found], where=where)
    name = wanted.rpartition("/")[2]
    raise NotFound("project", wanted, where=where, near=near(name, [p.name for p in known]))
