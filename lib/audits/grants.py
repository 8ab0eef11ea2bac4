"""What Keystone knows of roles, read for an audit: grants, what comes of them, and who is who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from audits.findings import Part
from query_api.execution.query import Query, query
from workflow_api import clean


class Grant(msgspec.Struct, frozen=True):
    """A role as it was granted; its fields stand as :func:`grants` selects them."""

    id: str
    role: str
    user: str | None
    group: str | None
    project: str | None
    domain: str | None
    system: bool
    inherited: bool

    @property
    def taken_back(self) -> str:
        """The command that takes it back."""
        who = f"--user {self.user}" if self.user else f"--group {self.group}"
        where = "--system all"
        if self.project or self.domain:
            where = f"--project {self.project}" if self.project else f"--domain {self.domain}"
        below = " --inherited" if self.inherited else ""
        return clean(f"openstack role remove {who} {where}{below} {self.role}")


class Effect(msgspec.Struct, frozen=True):
    """What comes of a grant for one user in one place, as :func:`effects` selects it."""

    role: str
    user: str
    project: str | None
    domain: str | None
    group: str | None
    granted_role: str | None
    grant: str | None


def grants() -> Query:
    """Ask for all roles as they were granted."""
    return query("role_assignment").select(
        "id", "role_id", "user_id", "group_id", "project_id", "domain_id", "system", "inherited"
    )


def effects() -> Query:
    """Ask for what comes of them."""
    return query("effective_role_assignment").select(
        "role_id",
        "user_id",
        "project_id",
        "domain_id",
        "via_group_id",
        "granted_role_id",
        "role_assignment_id",
    )


class Estate(msgspec.Struct):
    """Grants by id; names of roles, users, groups, projects and domains by kind and id.

    ``whole`` are the kinds of which all could be read.
    """

    grants: Mapping[str, Grant]
    names: Mapping[str, Mapping[str, str]]
    disabled: frozenset[str]
    whole: frozenset[str]

    def all_of(self, kind: str) -> bool:
        """Return whether all of a kind could be read."""
        return kind in self.whole

    def name(self, kind: str, id: str) -> str:
        """Return a name for a sentence; the id if there is no name."""
        return clean(self.names[kind].get(id) or id)

    def place(self, project: str | None, domain: str | None) -> str:
        """Return where a role is, in words."""
        if project:
            return f"project {self.name('project', project)}"
        return f"domain {self.name('domain', domain)}" if domain else "the whole system"

    def is_gone(self, kind: str, id: str) -> bool:
        """Return whether there is no such thing any more; never if not all of them were read."""
        if id in self.names[kind] or not self.all_of(kind):
            return False
        # A domain is a project too.
        return kind != "project" or (self.all_of("domain") and id not in self.names["domain"])


def read_estate(part: Part, granted: Sequence[Grant]) -> Estate:
    """Read who is who. Raises CloudError if not all roles can be read."""
    kinds = ("group", "project", "domain")
    users, *others = part.read_all(
        [
            query("user").select("id", "name", "email", "enabled"),
            *(query(kind).select("id", "name") for kind in kinds),
        ]
    )
    names: dict[str, dict[str, str]] = {
        "role": dict(part.whole(query("role").select("id", "name"), "none can be judged")),
        "user": {row[0]: row[1] for row in users[0]},
    }
    names |= {kind: dict(rows) for kind, (rows, _) in zip(kinds, others, strict=True)}
    part.projects = names["project"]
    part.people = {id: (name, email) for id, name, email, _ in users[0]}
    complete = {kind for kind, (_, whole) in zip(kinds, others, strict=True) if whole}
    return Estate(
        {grant.id: grant for grant in granted},
        names,
        frozenset(row[0] for row in users[0] if row[3] is False),
        frozenset(complete | ({"user"} if users[1] else set())),
    )
