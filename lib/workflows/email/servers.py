"""Mail to the owners of servers by their state: long shut off, in error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from campaigns.options import OwnerOptions
from campaigns.owner_mail import mail_workflow, server_mail
from workflow_api import Context, Duration, Plan, UserError
from workflow_api.parameters import Names

if TYPE_CHECKING:
    from owners.owners import Row
    from query_api.execution.query import Query

_SERVERS = {"name": "name", "id": "id", "project": "project.name"}
AllProjects = Annotated[
    bool,
    Meta(
        description="Servers of all projects, also meant if projects is empty; give one of the two."
    ),
]
_MONTH = Duration.parse("30d")


@mail_workflow("email.shutoff_servers")
def shutoff_servers(
    ctx: Context,
    cloud: Cloud,
    older_than: Duration = _MONTH,
    projects: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    all_projects: AllProjects = False,
    *,
    smtp: SmtpAccount,
    include_protected: bool = False,
    options: OwnerOptions,
) -> Plan:
    """Ask owners whether they still need servers that have long been shut off.

    older_than: Only servers that have not changed for this long.
    projects: Only servers of these projects, by id, name or domain/name; those of all projects if
        empty.
    include_protected: Also ask about protected servers, which are otherwise left out.
    """
    # Nova does not say when a server was shut off: it was not later than its last change.
    ids = _chosen(cloud, projects, all_projects)
    asked = (
        _servers(ids)
        .where("status", "equal_to", "SHUTOFF")
        .where("updated_at", "older_than", str(older_than))
    )
    return server_mail(
        ctx,
        cloud,
        smtp,
        options.about(projects=ids, all_projects=not ids),
        asked,
        notice="shutoff_servers",
        title=f"Ask the owners of servers that have been shut off for {_words(older_than)}",
        columns={**_SERVERS, "since": "updated_at"},
        common={"older_than": _words(older_than)},
        # Somebody has said already that these are to stay: their owners are not asked again.
        spare_protected=not include_protected,
    )


@mail_workflow("email.errored_servers")
def errored_servers(
    ctx: Context,
    cloud: Cloud,
    older_than: Duration | None = None,
    projects: Names = [],  # noqa: B006
    all_projects: AllProjects = False,
    *,
    smtp: SmtpAccount,
    options: OwnerOptions,
) -> Plan:
    """Tell owners of servers that are in an error state, with what the cloud says of the fault.

    older_than: Only servers that have not changed for this long, as 2h; all if empty.
    projects: Only servers of these projects, by id, name or domain/name; those of all projects if
        empty.
    """
    ids = _chosen(cloud, projects, all_projects)
    asked = _servers(ids).where("status", "equal_to", "ERROR")
    if older_than is not None:
        asked = asked.where("updated_at", "older_than", str(older_than))

    def since(row: Row) -> Any:
        return row["fault_at"] or row["updated_at"]

    return server_mail(
        ctx,
        cloud,
        smtp,
        options.about(projects=ids, all_projects=not ids),
        asked,
        notice="errored_servers",
        title="Tell the owners of servers that are in an error state",
        columns={**_SERVERS, "since": since, "fault": "fault"},
        also=("fault_at", "updated_at"),
    )


def _chosen(cloud: Cloud, projects: Sequence[str], all_projects: bool) -> list[str]:
    """Return the ids of the projects that are meant, none for all, also if none is said.

    Raises UserError.
    """
    from query_api.lookups import things

    if projects and all_projects:
        raise UserError("Say whose servers: give projects or all_projects=true, not both.")
    found = things.find_all(cloud, "project", projects) if projects else []
    return [project.id for project in found]


def _servers(projects: Sequence[str]) -> Query:
    """Return a question about the servers of some projects, or of all."""
    from query_api.execution.query import query

    asked = query("server")
    return asked.where("project_id", "any_in", *projects) if projects else asked


def _words(length: Duration) -> str:
    """Return a length of time as one writes it in a letter: ``30 days``."""
    for name, seconds in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if length >= seconds and length % seconds == 0:
            number = int(length // seconds)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return str(length)
