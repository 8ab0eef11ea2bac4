"""Paths to a property (`status`), a key of one (`metadata.owner`), over links (`user.email`)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from query_api.kinds import LISTS
from query_api.resources import resource
from query_api.schema import Kind, Link, Property, Resource
from workflow_api.errors import UserError
from workflow_api.text import clean, listed, near

_DEEPEST = 4
# The column that says which cloud a row is from. It is not asked of any cloud, so it is no path.
CLOUD = "cloud"


class Path(msgspec.Struct, frozen=True):
    """Where a path leads: over ``links``, to a property, and perhaps to a key of its map.

    ``end`` is the property as seen from the start: a key's value is a text, and what is reached
    over a link with many rows is a list.
    """

    text: str
    links: tuple[Link, ...]
    prop: Property
    key: str | None
    end: Property


def resolve(start: Resource, text: str) -> Path:
    """Return where ``text`` leads from a resource.

    A property's name wins over a link's, the longest one over shorter ones. Raises UserError with
    near names if there is no such property.
    """
    links: list[Link] = []
    at, rest, many = start, text, False
    while (found := _property(at, rest)) is None:
        word, dot, after = rest.partition(".")
        link = at.link(word)
        if link is None or not dot or len(links) == _DEEPEST:
            raise UserError(_unknown(at, rest, text), advice=_advice(at, rest, link))
        links.append(link)
        many = many or leads_to_many(at, link)
        at, rest = resource(link.resource), after
    prop, key = found
    return Path(text, tuple(links), prop, key, _end(text, prop, key, many))


def _property(at: Resource, text: str) -> tuple[Property, str | None] | None:
    if prop := at.property(text):
        return prop, None
    for name in _heads(text):
        prop = at.property(name)
        if prop is not None and prop.kind == "map":
            return prop, text[len(name) + 1 :]
    return None


def _heads(text: str) -> Iterator[str]:
    """Yield what stands before each dot, the longest first."""
    while "." in text:
        text = text.rpartition(".")[0]
        yield text


def leads_to_many(at: Resource, link: Link) -> bool:
    """Return whether a row leads to a list of rows over a link: each value of a list leads on."""
    here = resolve(at, link.here).end
    return link.many or here.kind in LISTS


def _end(text: str, prop: Property, key: str | None, many: bool) -> Property:
    kind: Kind = "text" if key is not None else prop.kind
    if many and kind not in LISTS:
        kind = "addresses" if kind == "address" else "texts"
    return Property(
        name=text,
        kind=kind,
        about=prop.about,
        unit=prop.unit if kind == prop.kind else "",
        case=prop.case,
    )


def _unknown(at: Resource, rest: str, text: str) -> str:
    where = f"{clean(text)!r}: " if rest != text else ""
    return f"{where}{at.plural} have no property {clean(rest)!r}."


def _advice(at: Resource, rest: str, link: Link | None) -> str:
    known = [prop.name for prop in at.properties]
    if rest == CLOUD:
        return "Say which clouds to ask with clouds; rows can be grouped and sorted by cloud."
    if link is not None and "." not in rest:
        other = resource(link.resource)
        example = f"{link.name}.{other.key or other.properties[0].name}"
        return f"{link.name} leads to {other.plural}: say which property, as {example}."
    links = [one.name for one in at.links]
    word, dot, after = rest.partition(".")
    likely = near(rest, [*known, *links])
    if not likely and dot:
        likely = [f"{name}.{after}" for name in near(word, links)]
    if likely:
        return f"Did you mean {' or '.join(likely)}?"
    return f"They have {listed(known, 60)}; and lead to {listed(links, 30)}."
