"""Whom a thing belongs to: its user, the contact of its project, members of it with a role.

Everybody is found in the query that finds the things (it joins users and projects), or in one more
for all members of all projects; nobody is asked for by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from owners.owners import Owner, OwnerResolver, Row
from workflow_api import NotFound, UserError, near

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from accounts.mail_config import EmailSettings
    from query_api.execution.answer import Answer
    from query_api.language.schema import Resource

Ownership = Literal["user", "project_contact", "role"]
Reasons = list[tuple[str, str]]
NO_USER, DISABLED = "user was not found", "user is disabled"
NO_PROJECT, NO_CONTACT = "project was not found", "project has no contact"
UNREAD_USER, UNREAD_PROJECT = "user could not be read", "project could not be read"
UNREAD_OWNER, UNREAD_MEMBERS = "owner could not be read", "members of the project could not be read"


class ByUser:
    """A thing belongs to the user who made it."""

    columns: tuple[str, ...]

    def __init__(self, resource: Resource, settings: EmailSettings, cloud: Cloud) -> None:
        self._user, self._project = _lead(resource, "user"), _lead(resource, "project", False)
        self.reasons: Reasons = []
        names = ("name", "email", "enabled")
        self.columns = (_key(resource, "user"), *(f"{self._user}{name}" for name in names))
        if self._project is not None:
            self.columns += _project_columns(resource, self._project)

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterator[Owner]:
        id, name, mail, enabled = (row[column] for column in self.columns[:4])
        if id is None:
            return
        if name is None:
            yield Owner(f"user {id}", why=UNREAD_USER if self.columns[1] in unread else NO_USER)
        elif self._project is not None and not _has_project(row, self.columns[4:]):
            yield Owner(name, mail or "", _no_project(self.columns[4:], unread))
        else:
            yield _person(name, mail, enabled, id)


class ByContact:
    """A thing belongs to the contacts of its project: those in its tags or in a property."""

    def __init__(self, resource: Resource, settings: EmailSettings, cloud: Cloud) -> None:
        self.reasons: Reasons = []
        lead = _lead(resource, "project")
        self._prefix = "" if settings.contact_property else settings.contact_tag
        held = f"properties.{settings.contact_property}" if settings.contact_property else "tags"
        self.columns: tuple[str, ...] = (*_project_columns(resource, lead), f"{lead}{held}")

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterator[Owner]:
        id, name, held = (row[column] for column in self.columns)
        if id is None:
            return
        if name is None:
            yield Owner(f"project {id}", why=_no_project(self.columns, unread))
            return
        found = list(dict.fromkeys(self._contacts(held)))
        if not found:
            yield Owner(f"project {name}", why=NO_CONTACT)
        for contact in found:
            yield Owner(contact, contact)

    def _contacts(self, held: Any) -> Iterator[str]:
        from email_api.mailboxes import mailboxes

        texts = held if isinstance(held, list) else [held]
        for text in texts:
            if isinstance(text, str) and text.startswith(self._prefix):
                yield from mailboxes(text.removeprefix(self._prefix))


class ByRole:
    """A thing belongs to those who have a role in its project, also through a group or from above.

    They are all read at once, when this is made. Raises NotFound for a role that the cloud does not
    have, and CloudError if none could be read.
    """

    def __init__(self, resource: Resource, settings: EmailSettings, cloud: Cloud) -> None:
        lead = _lead(resource, "project")
        self.columns: tuple[str, ...] = _project_columns(resource, lead)
        self._nobody = f"nobody has role {settings.owner_role} in the project"
        self._members: dict[str, dict[str, Owner]] = {}
        answer = _members(cloud, settings.owner_role)
        self.reasons = list(answer.reasons)
        if self.reasons:
            self._nobody = UNREAD_MEMBERS
        missing = UNREAD_USER if "user.name" in answer.unread else NO_USER
        for project, id, name, mail, enabled in answer.rows:
            owner = _person(name, mail, enabled, id) if name else Owner(f"user {id}", why=missing)
            self._members.setdefault(project, {})[id] = owner

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterator[Owner]:
        id, name = (row[column] for column in self.columns)
        if id is None:
            return
        if name is None:
            yield Owner(f"project {id}", why=_no_project(self.columns, unread))
        else:
            found = self._members.get(id, {}).values()
            yield from found or [Owner(f"project {name}", why=self._nobody)]


class ByColumn:
    """The address of the owner, or a list of them, stands in a column, such as ``user.email``."""

    columns: tuple[str, ...]

    def __init__(self, column: str) -> None:
        self.reasons: Reasons = []
        self.columns = (column,)

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterator[Owner]:
        held = row[self.columns[0]]
        if held is None and self.columns[0] in unread:
            yield Owner("somebody", why=UNREAD_OWNER)
        from email_api.mailboxes import mailboxes

        yield from (Owner(one, one) for one in mailboxes(held))


class ByEmail(ByColumn):
    """The same for the column ``email`` of a user, whose name and state are read beside it."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        lead = column.removesuffix("email")
        self.columns = (column, f"{lead}name", f"{lead}enabled")

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterator[Owner]:
        mail, name, enabled = (row[column] for column in self.columns)
        if name is not None:
            yield _person(name, mail, enabled)
        elif self.columns[1] in unread:
            yield Owner("somebody", why=UNREAD_USER)


RESOLVERS: dict[Ownership, Callable[[Resource, EmailSettings, Cloud], OwnerResolver]] = {
    "user": ByUser,
    "project_contact": ByContact,
    "role": ByRole,
}


def owner_resolver(
    resource: Resource, cloud: Cloud, owner: Ownership | None = None, column: str | None = None
) -> OwnerResolver:
    """Return how the owners of a resource's rows are found: as configured unless given.

    ``column`` names one with addresses instead. Raises UserError if the resource does not lead
    there, and what :class:`ByRole` raises.
    """
    if column is None:
        settings = cloud.config.email
        return RESOLVERS[owner or settings.owner](resource, settings, cloud)
    from query_api.execution.paths import resolve

    resolve(resource, column)
    link = resource.link(column.removesuffix(".email")) if column.endswith(".email") else None
    is_user = column == "email" and resource.name == "user"
    is_user |= link is not None and link.resource == "user" and not link.many
    return ByEmail(column) if is_user else ByColumn(column)


def _person(name: str, mail: Any, enabled: bool | None, id: str = "") -> Owner:
    known = mail if isinstance(mail, str) else ""
    return Owner(name, known, DISABLED if enabled is False else "", is_person=True, id=id)


def _lead(resource: Resource, what: str, needed: bool = True) -> Any:
    """Return what stands before a property of a row's user or project in a path.

    That is nothing for the user or project itself, and None if there is none and none is needed.
    """
    if resource.name == what:
        return ""
    link = resource.link(what)
    if link is not None and link.resource == what:
        return f"{what}."
    if not needed:
        return None
    raise UserError(
        f"{resource.plural} do not lead to a {what}, so their owner is not found there.",
        advice="Give another owner, or owner_column, where the address stands.",
    )


def _key(resource: Resource, what: str) -> str:
    link = resource.link(what)
    return link.here if link is not None else "id"


def _project_columns(resource: Resource, lead: str) -> tuple[str, str]:
    return _key(resource, "project") if lead else "id", f"{lead}name"


def _has_project(row: Row, columns: Sequence[str]) -> bool:
    id, name = (row[column] for column in columns)
    return id is None or name is not None


def _no_project(columns: Sequence[str], unread: Collection[str]) -> str:
    return UNREAD_PROJECT if columns[1] in unread else NO_PROJECT


def _members(cloud: Cloud, role: str) -> Answer:
    from query_api.execution.query import query
    from query_api.lookups.absent import absent

    roles = query("role").select("id", "name").run([cloud])
    ids = [id for id, name in roles.rows if name == role]
    if not ids:
        names = roles.column("name")
        error = NotFound("role", role, where=f"cloud {cloud.name}", near=near(role, names))
        raise absent(error, roles.reasons)
    columns = ("project_id", "user_id", "user.name", "user.email", "user.enabled")
    asked = query("effective_role_assignment").where("role_id", "any_in", *ids)
    return asked.where("project_id", "not_null").select(*columns).run([cloud])
