"""What Keystone knows of who is who: domains, projects, users, groups, roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from query_api.language.schema import WHOLE, Filter, Link, Listing, Property, Resource, exact
from query_api.resources.properties import boolean, listed_text, mapping, text, texts, time
from query_api.wire.encoding import (
    flag,
    keystone_id,
    keystone_name,
    keystone_part,
    keystone_uuid,
    only_true,
)

# Comparisons in Keystone's database ignore case, which finds no less. It answers what it is asked
# for twice with what is both, so there is a request for each.
_BY_NAME = {
    "equal_to": Filter(param="name", encode=keystone_name),
    "contains": Filter(param="name__icontains", encode=keystone_part),
    "starts_with": Filter(param="name__istartswith", encode=keystone_part),
}
_BY_DOMAIN = exact("domain_id", encode=keystone_id)


# Older versions give all there is and ignore a limit; newer ones give a thousand rows to who asks
# for no limit, and do not say so.
def _listing(what: str) -> Listing:
    return Listing(service="identity", path=f"/{what}", collection=what, paging="links")


def _others(known: Iterable[Property]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what gathers the keys of a row that are no property of their own."""
    own = {prop.place[0] for prop in known} | {"links", "options", "is_domain", "federated"}

    def gathered(row: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in row.items() if key not in own}

    return gathered


DOMAIN = Resource(
    name="domain",
    plural="domains",
    about="A domain: where projects, users and groups have their names.",
    listings=(_listing("domains"),),
    default=("id", "name", "enabled", "description"),
    properties=(
        text("id", "Its id."),
        text("name", "Its name; no other has the same.", filters=_BY_NAME),
        boolean(
            "enabled",
            "Whether its users can log in.",
            filters=exact("enabled", encode=flag),
        ),
        text("description", "The description."),
        texts("tags", "Its tags."),
    ),
    links=(
        Link("projects", "project", "id", "domain_id", many=True),
        Link("users", "user", "id", "domain_id", many=True),
        Link("groups", "group", "id", "domain_id", many=True),
        Link("role_assignments", "role_assignment", "id", "domain_id", many=True),
    ),
)

_PROJECT = (
    text("id", "Its id."),
    text("name", "Its name; another domain may have the same.", filters=_BY_NAME),
    text("domain_id", "The domain it belongs to.", filters=_BY_DOMAIN),
    text("description", "The description."),
    boolean(
        "enabled",
        "Whether anybody can work in it.",
        filters=exact("enabled", encode=flag),
    ),
    text(
        "parent_id",
        "The project above it; its domain if there is none.",
        filters=exact("parent_id", encode=keystone_uuid),
    ),
    # Not asked of Keystone: newer versions look for tags only in the page they have just read.
    texts("tags", "Its tags."),
)
PROJECT = Resource(
    name="project",
    plural="projects",
    about="A project, of any domain: whose servers, volumes and networks are. Domains are not "
    "among them.",
    listings=(_listing("projects"),),
    default=("id", "name", "domain_id", "enabled", "description"),
    properties=(
        *_PROJECT,
        mapping(
            "properties",
            "What else was put down for it, such as a contact.",
            WHOLE,
            of=_others(_PROJECT),
        ),
    ),
    links=(
        Link("domain", "domain", "domain_id"),
        Link("parent", "project", "parent_id"),
        Link("children", "project", "id", "parent_id", many=True),
        Link("servers", "server", "id", "project_id", many=True),
        Link("images", "image", "id", "project_id", many=True),
        Link("volumes", "volume", "id", "project_id", many=True),
        Link("volume_snapshots", "volume_snapshot", "id", "project_id", many=True),
        Link("networks", "network", "id", "project_id", many=True),
        Link("subnets", "subnet", "id", "project_id", many=True),
        Link("ports", "port", "id", "project_id", many=True),
        Link("routers", "router", "id", "project_id", many=True),
        Link("floating_ips", "floating_ip", "id", "project_id", many=True),
        Link("security_groups", "security_group", "id", "project_id", many=True),
        Link("role_assignments", "role_assignment", "id", "project_id", many=True),
        Link(
            "effective_role_assignments",
            "effective_role_assignment",
            "id",
            "project_id",
            many=True,
        ),
    ),
)

_USER = (
    text("id", "Their id."),
    text("name", "The name they log in with.", filters=_BY_NAME),
    text("domain_id", "The domain they belong to.", filters=_BY_DOMAIN),
    text("email", "Their mail address, or several with commas.", shape=Any, of=listed_text),
    # Keystone's `enabled=false` leaves out those who were disabled because they never came.
    boolean(
        "enabled",
        "Whether they can log in.",
        filters=exact("enabled", encode=only_true),
    ),
    text("description", "Who they are.", shape=Any, of=listed_text),
    text("default_project_id", "The project they work in if they name none."),
    time("password_expires_at", "When their password expires; missing if never."),
)
USER = Resource(
    name="user",
    plural="users",
    about="A user, of any domain: a person or a service.",
    listings=(_listing("users"),),
    # Where domains have their own backends (LDAP), Keystone lists one domain at a time: without
    # a domain, the one that the account itself belongs to. In most clouds that is everybody.
    needs={"domain_id": "domain.id"},
    at_once=True,
    default=("id", "name", "email", "domain_id", "enabled"),
    properties=(
        *_USER,
        mapping("options", "What Keystone's rules make of them, such as multi_factor_auth_rules."),
        mapping(
            "properties",
            "What else was put down for them, such as a telephone number.",
            WHOLE,
            of=_others(_USER),
        ),
    ),
    links=(
        Link("domain", "domain", "domain_id"),
        Link("default_project", "project", "default_project_id"),
        Link("servers", "server", "id", "user_id", many=True),
        Link("volumes", "volume", "id", "user_id", many=True),
        Link("role_assignments", "role_assignment", "id", "user_id", many=True),
        Link("effective_role_assignments", "effective_role_assignment", "id", "user_id", many=True),
    ),
)

GROUP = Resource(
    name="group",
    plural="groups",
    about="A group of users, of any domain, which can be given roles.",
    listings=(_listing("groups"),),
    needs={"domain_id": "domain.id"},  # as for users
    default=("id", "name", "domain_id", "description"),
    properties=(
        text("id", "Its id."),
        text("name", "Its name; another domain may have the same.", filters=_BY_NAME),
        text("domain_id", "The domain it belongs to.", filters=_BY_DOMAIN),
        text("description", "Who is in it.", shape=Any, of=listed_text),
    ),
    links=(
        Link("domain", "domain", "domain_id"),
        Link("role_assignments", "role_assignment", "id", "group_id", many=True),
    ),
)

ROLE = Resource(
    name="role",
    plural="roles",
    about="A role that users can be given anywhere. Roles that are one domain's own are not "
    "listed: they take effect only through these.",
    # It answers a marker with the first page again, and has few rows: all are asked for at once.
    listings=(Listing(service="identity", path="/roles", collection="roles", open=True),),
    default=("id", "name", "description"),
    properties=(
        text("id", "Its id."),
        text("name", "Its name, such as member.", filters=_BY_NAME),
        text("description", "What it allows."),
    ),
    links=(
        Link("role_assignments", "role_assignment", "id", "role_id", many=True),
        Link("effective_role_assignments", "effective_role_assignment", "id", "role_id", many=True),
    ),
)

RESOURCES = {one.name: one for one in (DOMAIN, PROJECT, USER, GROUP, ROLE)}
