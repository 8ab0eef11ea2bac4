"""Paths to a property (`status`), a key of one (`metadata.owner`), over links (`user.email`)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from common.errors import UserError
from common.text import clean, listed, near
from query_api.language.kinds import LISTS
from query_api.language.schema import Kind, Link, Property, Resource
from query_api.resources import resource

_DEEPEST = 4
# The column that says which cloud a row is from. It is not asked of any cloud, so it is no path.
CLOUD = "cloud"
# What means everything elsewhere, and how a key is written that is just that.
_STAR, _QUOTED = "*", ('"*"', "'*'")


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


class _Walk(msgspec.Struct):
    """How far a path leads: over ``links`` to ``at``, where ``rest`` is still to be found.

    ``found`` is the property that it is, and the key of its map; None if there is no such thing.
    """

    links: list[Link]
    at: Resource
    rest: str
    many: bool = False
    found: tuple[Property, str | None] | None = None


def resolve(start: Resource, text: str) -> Path:
    """Return where ``text`` leads from a resource.

    A property's name wins over a link's, the longest one over shorter ones. Raises UserError with
    near names if there is no such property, and for a key ``*`` that is not quoted: who writes
    ``metadata.*`` means all keys, and would be told that none is there.
    """
    walk = _walk(start, text)
    if walk.found is None:
        raise UserError(_unknown(walk.at, walk.rest, text), advice=_advice(walk.at, walk.rest))
    prop, key = walk.found
    if key == _STAR:
        whole = clean(text.removesuffix(f".{_STAR}"))
        raise UserError(
            f"{clean(text)!r}: a star does not stand for all keys.",
            advice=f"Select {whole} for the whole map; {whole} has_key tests whether it has one. "
            f'A key that is a star is written {whole}."*".',
        )
    key = _STAR if key in _QUOTED else key
    return Path(text, tuple(walk.links), prop, key, _end(text, prop, key, walk.many))


def _walk(start: Resource, text: str) -> _Walk:
    walk = _Walk([], start, text)
    while (found := _property(walk.at, walk.rest)) is None:
        word, dot, after = walk.rest.partition(".")
        link = walk.at.link(word)
        if link is None or not dot or len(walk.links) == _DEEPEST:
            return walk
        walk.links.append(link)
        walk.many = walk.many or leads_to_many(walk.at, link)
        walk.at, walk.rest = resource(link.resource), after
    walk.found = found
    return walk


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


def _advice(at: Resource, rest: str) -> str:
    if rest == CLOUD:
        return "Say which clouds to ask with clouds; rows can be grouped and sorted by cloud."
    link = at.link(rest)
    if link is not None:
        other = resource(link.resource)
        example = f"{link.name}.{other.key or other.properties[0].name}"
        return f"{link.name} leads to {other.plural}: say which property, as {example}."
    known = [prop.name for prop in at.properties]
    links = [one.name for one in at.links]
    likely = _mended(at, rest) or near(rest, [*known, *links])
    if likely:
        return f"Did you mean {' or '.join(likely)}?"
    return f"They have {listed(known, 60)}; and lead to {listed(links, 30)}."


def _mended(at: Resource, rest: str) -> list[str]:
    """Return what a dotted path may mean whose first word is mistyped; nothing for another one."""
    word, dot, after = rest.partition(".")
    if not dot:
        return []
    # Maps, and properties with a dot in their name, look like links to who types them.
    dotted = [prop.name for prop in at.properties if near(word, prop.name.split(".")[:-1])]
    likely = near(rest, dotted, 1)
    maps = [prop.name for prop in at.properties if prop.kind == "map"]
    likely += [f"{name}.{after}" for name in near(word, maps, 1)]
    halfway: list[str] = []
    for name in near(word, [link.name for link in at.links]):
        link = at.link(name)
        assert link is not None
        there = resource(link.resource)
        if _walk(there, after).found:
            likely.append(f"{name}.{after}")
        else:
            close = near(after, [prop.name for prop in there.properties], 1)
            halfway += [f"{name}.{one}" for one in close]
    return list(dict.fromkeys(likely)) or halfway
