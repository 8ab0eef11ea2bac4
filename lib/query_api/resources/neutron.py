"""What the tables of Neutron's resources have in common.

Neutron shows admins all projects. It refuses a filter that it does not know, takes a repeated one
for any of its values, and compares texts whole (case aside, by most databases). A listing of ids
alone costs it as much as one of everything, so there are no brief ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from query_api.language.schema import Filter, Link, Listing, Property, exact
from query_api.resources.properties import boolean, integer, or_none, text, texts, time
from query_api.wire.encoding import flag, tag

# Tags are asked for one at a time: several mean all of them.
_TAG = Filter(param="tags", encode=tag)


class _Route(msgspec.Struct):
    destination: str
    nexthop: str


ROUTES: Any = list[_Route] | None


def routes(found: list[_Route]) -> list[str]:
    """Return routes in words."""
    return [f"{one.destination} via {one.nexthop}" for one in found]


def any_of(param: str, **how: Any) -> dict[str, Filter]:
    """Return the filters of a parameter that takes several values when it is repeated."""
    return exact(param, many="repeat", **how)


def listing(path: str, collection: str = "", **more: Any) -> Listing:
    """Return the listing of one kind of thing, below Neutron's only version."""
    name = collection or path
    return Listing(service="network", path=f"/v2.0/{path}", collection=name, paging="links", **more)


def named(about: str = "Its name; others may have the same.") -> tuple[Property, ...]:
    """Return how things are told apart: by id, and by name."""
    return (
        text("id", "Its UUID.", filters=any_of("id")),
        text("name", about, of=or_none, filters=any_of("name")),
    )


def whose(filters: Mapping[str, Filter]) -> tuple[Property, ...]:
    """Return whose a thing is, and what is said of it; ``filters`` are those by project."""
    return (
        text("project_id", "Whose it is.", of=or_none, filters=filters),
        text("description", "The description.", of=or_none),
    )


def elements(param: str, **how: Any) -> dict[str, Filter]:
    """Return the filters of a parameter that looks into a list; takes several when repeated."""
    return any_of(param, **how) | {"contains": Filter(param=param, **how)}


def dated() -> tuple[Property, ...]:
    """Return when a thing was made and changed, and its tags."""
    return (
        texts("tags", "Its tags.", filters={"has_tag": _TAG, "contains": _TAG, "equal_to": _TAG}),
        time("created_at", "When it was made."),
        time("updated_at", "When it last changed."),
        integer("revision_number", "How often it has changed."),
    )


UP = boolean(
    "admin_state_up",
    "Whether it is meant to work.",
    filters=exact("admin_state_up", encode=flag),
)
BY_PROJECT = any_of("project_id")
PROJECT = Link("project", "project", "project_id")
