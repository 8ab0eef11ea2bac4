"""Whom to write to: projects, their users with roles, and the users' mail addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from accounts.cloud import not_there
from common.errors import CloudError
from query_api.execution.query import query
from query_api.resources.properties import listed_text
from query_api.wire.reading import Reading

# So few users are asked for one by one: a listing may be of everybody in a company.
FEW = 4
# Users who are on no first page of a listing are asked for one by one, up to so many.
MOST = 50
# Users are asked for by name domain by domain where there are no more domains than this.
_MOST_DOMAINS = 100
_PAGE = 1000


class Account(msgspec.Struct):
    """A project or a user, as Keystone knows it."""

    id: str
    name: str = ""
    domain_id: str | None = None
    enabled: bool = True
    # Keystone stores what it is given here.
    email: Any = None

    @property
    def mail(self) -> str | None:
        """The mail address, if there is one."""
        return listed_text(self.email)


class Holder(msgspec.Struct):
    """A user and the roles that they have somewhere; ``account`` None if they are no more."""

    id: str
    name: str
    domain_id: str | None
    roles: list[str]
    account: Account | None = None


class _Project(msgspec.Struct):
    project: Account


class _User(msgspec.Struct):
    user: Account


class _Users(msgspec.Struct):
    users: list[Account]


class _Named(msgspec.Struct):
    id: str
    name: str = ""
    domain: _Named | None = None


class _Links(msgspec.Struct):
    assignment: str = ""


class _Grant(msgspec.Struct):
    role: _Named
    links: _Links
    user: _Named | None = None

    @property
    def is_implied(self) -> bool:
        """Whether another role was granted, of which this one comes."""
        return f"/roles/{self.role.id}/" not in f"{self.links.assignment}/"


class _Grants(msgspec.Struct):
    role_assignments: list[_Grant]


def project(reading: Reading, id: str) -> Account | None:
    """Return a project by its id, None if there is none. Raises CloudError."""
    found = _one(reading, "projects", id, _Project)
    return found.project if found else None


def user(reading: Reading, id: str) -> Account | None:
    """Return a user by their id, None if there is none. Raises CloudError."""
    found = _one(reading, "users", id, _User)
    return found.user if found else None


def _one(reading: Reading, what: str, id: str, shape: Any) -> Any:
    try:
        return reading.one("identity", f"/{what}/{quote(id, safe='')}", shape)
    except CloudError as error:
        if not not_there(error):
            raise
        return None


def users_named(reading: Reading, name: str) -> list[Account]:
    """Return the users of this name: one request for each domain.

    A domain that could not be read is said to be missing. Raises CloudError if none could.
    """
    answer = query("domain").select("id").limit(_MOST_DOMAINS + 1).run([reading.cloud])
    for what, why in answer.reasons:
        reading.incomplete(what, why)
    domains: list[str | None] = answer.column("id")
    if len(domains) > _MOST_DOMAINS:
        # Whether Keystone then looks into all of them depends on how it stores users.
        domains = [None]
        why = f"there are more than {_MOST_DOMAINS} domains: some may not have been looked into"
        reading.incomplete(f"users of {reading.cloud.name}", why)

    def named(domain: str | None) -> list[Account]:
        params = {"name": name, "domain_id": domain}
        answer: _Users = reading.one("identity", "/users", _Users, params)
        return [one for one in answer.users if one.name == name]

    answers = reading.answers(named, domains, lambda domain: _users_of(reading, domain))
    found = {one.id: one for some in answers.values() for one in some}
    return list(found.values())


def _users_of(reading: Reading, domain: str | None) -> str:
    return f"users of {reading.cloud.name}" + (f" (domain_id {domain})" if domain else "")


def roles_in(reading: Reading, project: str) -> list[Holder]:
    """Return who has roles in a project, also through groups and from above: one request.

    Raises CloudError, with the status 404 if there is no such project. Accounts are not filled in:
    see :func:`accounts`.
    """
    # With the names of users, who may be too many to be listed. Keystone has no answer of this kind
    # where one grant is of a project that is no more; but these are all of this one.
    params = {"effective": "true", "include_names": "true", "scope.project.id": project}
    answer: _Grants = reading.one("identity", "/role_assignments", _Grants, params)
    holders: dict[str, Holder] = {}
    for grant in answer.role_assignments:
        user, role = grant.user, grant.role
        # A role that another one implies says nothing more; a user without a name is no more.
        if user is not None and user.name and not grant.is_implied:
            domain = user.domain.id if user.domain else None
            holder = holders.setdefault(user.id, Holder(user.id, user.name, domain, []))
            if role.name not in holder.roles:
                holder.roles.append(role.name)
    for holder in holders.values():
        holder.roles.sort()
    return sorted(holders.values(), key=lambda one: (one.name, one.id))


def roles_of(reading: Reading, user: str) -> list[tuple[str, str]]:
    """Return the (project or domain, role) pairs of a user, by name: one request, and a listing of
    what the names are of.

    What has no name any more goes by its id. Raises CloudError.
    """
    answer = (
        query("effective_role_assignment")
        .where("user_id", "equal_to", user)
        .select("role_id", "granted_role_id", "project_id", "domain_id")
        .append_from("project", "name")
        .append_from("domain", "name")
        .append_from("role", "name")
        .run([reading.cloud])
    )
    for what, why in answer.reasons:
        reading.incomplete(what, why)
    return sorted(
        {
            (_place(row), row["role.name"] or row["role_id"])
            for row in answer.dicts()
            if row["role_id"] == row["granted_role_id"]
        }
    )


def _place(row: Mapping[str, Any]) -> str:
    if row["project_id"]:
        return str(row["project.name"] or row["project_id"])
    return f"domain {row['domain.name'] or row['domain_id']}"


def accounts(reading: Reading, wanted: Mapping[str, str | None]) -> dict[str, Account | None]:
    """Return users by their ids, None for one who is no more; ``wanted`` are their domains by their
    ids, None if unknown.

    A few are asked for one by one; else a page of each domain is read, and who is not on it is
    asked for. Who could not be read is left out and said to be missing. Raises CloudError if
    nobody could.
    """
    found: dict[str, Account | None] = {}
    if len(wanted) > FEW:
        domains = list(dict.fromkeys(domain for domain in wanted.values() if domain))
        # Whoever is on a page that could not be read is asked for like those who are on none.
        for some in reading.tried(lambda domain: _page(reading, domain), domains):
            if not isinstance(some, CloudError):
                found.update({one.id: one for one in some if one.id in wanted})
    lacking = [id for id in wanted if id not in found]
    if len(lacking) > MOST:
        why = f"only {MOST} of {len(lacking)} were asked for"
        reading.incomplete(f"mail addresses of users of {reading.cloud.name}", why)
    named = f"mail addresses of users of {reading.cloud.name}"
    tried = reading.tried(lambda id: user(reading, id), lacking[:MOST])
    told = [(f"{named} ({id})", got) for id, got in zip(lacking, tried, strict=False)]
    # With somebody found nothing is lost but what lacks.
    reading.say_failed([*told, *((named, one) for one in found)])
    answered = zip(lacking, tried, strict=False)
    found.update({id: got for id, got in answered if not isinstance(got, CloudError)})
    return found


def _page(reading: Reading, domain: str) -> list[Account]:
    answer: _Users = reading.one(
        "identity", "/users", _Users, {"domain_id": domain, "limit": _PAGE}
    )
    return answer.users
