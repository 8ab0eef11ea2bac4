"""Who has which role where: as it was granted, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from query_api.language.schema import WHOLE, Link, Listing, Resource, exact
from query_api.resources.properties import boolean, text
from query_api.wire.encoding import keystone_id

# Keystone refuses a project together with a domain, and a user together with a group. So it is
# asked for one of each only; the others are looked at here. Asked for what comes of the grants of
# a user or in a project that is no more, it answers with a 404.
_USER = exact("user.id", encode=keystone_id, known=True)
_ROLE = exact("role.id", encode=keystone_id)
_PROJECT = exact("scope.project.id", encode=keystone_id, known=True)


def _grant(link: str) -> str:
    """Return the path of a grant below Keystone's own address."""
    return link.partition("/v3/")[2] or link


def _granted_role(link: str) -> str | None:
    return link.rpartition("/roles/")[2].partition("/")[0] or None


def _group(link: str) -> str | None:
    return link.rpartition("/users/")[0].rpartition("/groups/")[2] or None


def _inherited(row: Mapping[str, Any]) -> bool:
    return "OS-INHERIT:inherited_to" in row.get("scope", {})


def _system(row: Mapping[str, Any]) -> bool:
    return "system" in row.get("scope", {})


ROLE_ASSIGNMENT = Resource(
    name="role_assignment",
    plural="role_assignments",
    about="A role as it was granted: to a user or a group, on a project, a domain or the system.",
    listings=(
        Listing(service="identity", path="/role_assignments", collection="role_assignments"),
    ),
    default=("role_id", "user_id", "group_id", "project_id", "domain_id", "system", "inherited"),
    properties=(
        text(
            "id", "Its path in Keystone's API, which takes it back.", "links/assignment", of=_grant
        ),
        text("role_id", "The role.", "role/id", filters=_ROLE),
        text("user_id", "Who has it, if that is a user.", "user/id", filters=_USER),
        text("group_id", "Who has it, if that is a group.", "group/id"),
        text("project_id", "Where, if that is a project.", "scope/project/id", filters=_PROJECT),
        text("domain_id", "Where, if that is a domain.", "scope/domain/id"),
        boolean("system", "Whether it is on the whole system.", WHOLE, of=_system),
        boolean(
            "inherited",
            "Whether it is not for that project or domain, but for the projects below it.",
            WHOLE,
            of=_inherited,
        ),
    ),
    links=(
        Link("role", "role", "role_id"),
        Link("user", "user", "user_id"),
        Link("group", "group", "group_id"),
        Link("project", "project", "project_id"),
        Link("domain", "domain", "domain_id"),
    ),
)

EFFECTIVE_ROLE_ASSIGNMENT = Resource(
    name="effective_role_assignment",
    plural="effective_role_assignments",
    about="A role that a user has on a project or domain, also through a group, from above, or "
    "implied by another. Roles on the system are not among them: see role_assignment. Keystone "
    "works hard for it: give a user or a project.",
    listings=(
        Listing(
            service="identity",
            path="/role_assignments",
            collection="role_assignments",
            # Not with names: Keystone answers with a 404 then if one grant is of a project that is
            # no more.
            params={"effective": "true"},
        ),
    ),
    key="",
    default=("role_id", "user_id", "project_id", "domain_id", "via_group_id", "inherited"),
    properties=(
        text("role_id", "The role.", "role/id", filters=_ROLE),
        text("user_id", "Who has it.", "user/id", filters=_USER),
        text("project_id", "Where, if that is a project.", "scope/project/id", filters=_PROJECT),
        text("domain_id", "Where, if that is a domain.", "scope/domain/id"),
        text("via_group_id", "The group it comes from.", "links/membership", of=_group),
        boolean("inherited", "Whether it comes from above.", WHOLE, of=_inherited),
        text(
            "granted_role_id",
            "The role that was granted, and may imply this one.",
            "links/assignment",
            of=_granted_role,
        ),
        text(
            "role_assignment_id",
            "The path of the grant it comes from, in Keystone's API.",
            "links/assignment",
            of=_grant,
        ),
    ),
    links=(
        Link("role", "role", "role_id"),
        Link("user", "user", "user_id"),
        Link("project", "project", "project_id"),
        Link("domain", "domain", "domain_id"),
        Link("via_group", "group", "via_group_id"),
        Link("granted_role", "role", "granted_role_id"),
    ),
)

RESOURCES = {one.name: one for one in (ROLE_ASSIGNMENT, EFFECTIVE_ROLE_ASSIGNMENT)}
