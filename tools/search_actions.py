"""The actions that ask: their YAML, from the resources' tables and the workflows' sentences."""

from __future__ import annotations

from typing import Any, NamedTuple

from forms import written
from query_api.language.schema import Resource
from query_api.resources import names, resource
from workflow_api.workflow import workflow_named


class Search(NamedTuple):
    """What suits a resource as an example: a condition, and what to group by."""

    where: str
    group_by: str


# The resources that have a search and a list of their own.
SEARCHES = {
    "server": Search(
        "status any_in (SHUTOFF, ERROR) and updated_at older_than 30d", "host, status"
    ),
    "project": Search("enabled = true and description is null", "domain.name, enabled"),
    "user": Search("email is null or enabled = false", "domain.name, enabled"),
    "hypervisor": Search("state = down or disabled_reason contains disk", "state, status"),
    "image": Search("visibility = private and created_at older_than 365d", "os_distro"),
    "flavor": Search("vcpus >= 8 and ram >= 64GiB and is_public = true", "is_public, vcpus"),
    "network": Search("external = true or shared = true", "provider_network_type"),
    "volume": Search("status = available and updated_at older_than 90d", "volume_type, status"),
    "port": Search("addresses in_cidr 10.0.0.0/8 and status = DOWN", "device_owner"),
    "router": Search("external_network_id is null", "project.name, status"),
    "floating_ip": Search("port_id is null and created_at older_than 7d", "project.name"),
    "security_group": Search("name != default and stateful = true", "project.name"),
}
_STRING: dict[str, Any] = {"type": "string"}
_WORDS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_FLAG: dict[str, Any] = {"type": "boolean", "default": False}
_TIMEOUT: dict[str, Any] = {
    "description": "Seconds after which StackStorm kills the action.",
    "default": 600,
}


def actions() -> dict[str, str]:
    """Return the text of each action's YAML by the action's name."""
    found = {"query.run": _action("query.run", _query_parameters())}
    for name in SEARCHES:
        found[f"{name}.search"] = _action(f"{name}.search", _search_parameters(resource(name)))
        found[f"{name}.list"] = _action(f"{name}.list", _list_parameters(resource(name)))
    return found


def description(action: str) -> str:
    """Return what an action is described by: a search also by the properties it knows."""
    said = workflow_named(action).summary
    subject, _, verb = action.partition(".")
    if verb != "search":
        return said
    known = ", ".join(prop.name for prop in resource(subject).properties)
    return f"{said.removesuffix('.')}: {known}."


def _action(name: str, parameters: dict[str, dict[str, Any]]) -> str:
    return written(name, description(name), parameters, _TIMEOUT)


# -- parameters --------------------------------------------------------------------------------


def _clouds() -> dict[str, dict[str, Any]]:
    said = "The clouds, as the configuration calls them; the default one if empty, all if *."
    return {"clouds": {"description": said, **_WORDS}}


def _query_parameters() -> dict[str, dict[str, Any]]:
    what = {"description": "What is asked about.", **_STRING, "required": True, "enum": names()}
    return {**_clouds(), "resource": what, **_question(resource("server")), **_ways()}


def _search_parameters(of: Resource) -> dict[str, dict[str, Any]]:
    return {**_clouds(), **_question(of), **_ways()}


def _list_parameters(of: Resource) -> dict[str, dict[str, Any]]:
    wanted = ("select", "sort_by", "group_by", "limit")
    asked = _question(of)
    return {**_clouds(), **{name: asked[name] for name in wanted}, **_ways()}


def _question(of: Resource) -> dict[str, dict[str, Any]]:
    example = SEARCHES[of.name]
    said = {
        "where": f"Only those that pass, as: {example.where}.",
        "select": "The columns: properties, paths over links, or * for all; a few if empty.",
        "sort_by": "The columns to sort by, a minus before one for descending.",
        "group_by": f"Properties to group by, or named ranges of one, as: {example.group_by}.",
        "aggregate": "Figures of each group, as count, sum, min, max, avg of a property.",
        "follow": f"Links to go on over, as {of.links[0].name}; all but where is about their end.",
        "join": f"Columns of what each row leads to, as {_joined(of)}.",
        "limit": "At most so many rows, or groups.",
    }
    kinds: dict[str, dict[str, Any]] = {
        **dict.fromkeys(said, _STRING),
        "select": {**_WORDS, "default": []},
        "sort_by": {**_WORDS, "default": []},
        "limit": {"type": "integer", "minimum": 1},
    }
    return {name: {"description": text, **kinds[name]} for name, text in said.items()}


def _joined(of: Resource) -> str:
    """Return an example of a join: the names of what two links lead to, if there are two."""
    named = [link.name for link in of.links if resource(link.resource).property("name")]
    return "; ".join(f"{link}: name" for link in named[:2])


def _ways() -> dict[str, dict[str, Any]]:
    parts = "Show how it was asked, and the requests expected and made, instead of rows."
    partial = "Succeed even if something is missing in the answer, which says so."
    return {
        "explain": {"description": parts, **_FLAG},
        "allow_partial": {"description": partial, **_FLAG},
    }
