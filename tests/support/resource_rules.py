"""What makes a resource's table sound, whichever service it describes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from query_api.execution.paths import leads_to_many
from query_api.language.kinds import NUMBERS
from query_api.language.operator_names import ARITY
from query_api.language.operators import fitting
from query_api.language.schema import WHOLE, Link, Listing, Property, Resource
from query_api.wire.decode import Shape

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_PROPERTY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_SENTENCE = re.compile(r"[^\s].*[.]", re.ASCII)
# Operators whose parameter would have to widen what is asked for.
_NEGATIVE = frozenset({"not_equal_to", "not_any_in", "not_matches_regex", "is_null", "not_null"})


def faults_of(resource: Resource, known_resources: Mapping[str, Resource]) -> list[str]:
    """Return what is wrong with a resource's table, a sentence each; an empty list if nothing.

    ``known_resources`` are the resources by their singular names; a link to one that is not among
    them is not looked at.
    """
    known = {**known_resources, resource.name: resource}
    found = [
        *_names(resource),
        *(fault for listing in resource.listings for fault in _listing(resource, listing)),
        *(fault for prop in resource.properties for fault in _property(resource, prop)),
        *_needs(resource, known),
        *(fault for link in resource.links for fault in _link(resource, link, known)),
        *_sources(resource),
    ]
    return [f"{resource.name}: {fault}" for fault in found]


def _names(resource: Resource) -> Iterator[str]:
    for name in (resource.name, resource.plural):
        if not _WORD.fullmatch(name):
            yield f"{name!r} cannot be a resource's name"
    yield from _sentence("it", resource.about)
    properties = [prop.name for prop in resource.properties]
    links = [link.name for link in resource.links]
    yield from (f"two things are called {name}" for name in _twice(properties + links))
    yield from (f"{name!r} cannot be a property's name" for name in _odd(properties, _PROPERTY))
    yield from (f"{name!r} cannot be a link's name" for name in _odd(links, _WORD))
    if not resource.default:
        yield "no columns are shown by default"
    yield from (f"the default {name} is twice there" for name in _twice(resource.default))
    for name in resource.default:
        link = resource.link(name.removesuffix(".name"))
        if name not in properties and link is not None and name.endswith(".name"):
            # Names cost a listing in all, and the ids stay beside them.
            if link.many or link.there != "id":
                yield f"the default {name} is no name of one thing"
        elif name not in properties:
            yield f"the default {name} is not a property"
        elif not resource.property(name).is_listed:  # type: ignore[union-attr]
            # What nobody asked for costs nothing.
            yield f"the default {name} is read elsewhere"
    if resource.key and resource.property(resource.key) is None:
        yield f"its key {resource.key} is not a property"


def _listing(resource: Resource, listing: Listing) -> Iterator[str]:
    where = listing.path
    if not listing.path.startswith("/"):
        yield f"{where} does not begin with a slash"
    if bool(listing.collection) == bool(listing.unpack):
        yield f"{where}: rows are either in a collection or unpacked"
    if listing.paging != "none" and not resource.key:
        yield f"{where}: without a key its pages cannot be told apart"
    if listing.brief and listing.paging != "links":
        yield f"{where}: a brief listing gives markers, but there are no links"
    if listing.backwards and not listing.brief:
        yield f"{where}: only with a brief listing it is read backwards"
    versions = [v for v in (listing.microversion, listing.better) if v is not None]
    if not all(re.fullmatch(r"\d+\.\d+", version) for version in versions):
        yield f"{where}: {versions} are not microversions"
    elif listing.better is not None and (
        listing.microversion is None or _number(listing.better) <= _number(listing.microversion)
    ):
        yield f"{where}: {listing.better} is not better than {listing.microversion}"
    for name in re.findall(r"\{(\w+)\}", listing.path):
        if name not in resource.needs:
            yield f"{where}: {name} is not among what it needs"
    try:
        Shape(listing, [prop for prop in resource.properties if _in_answer(prop)])
    except Exception as error:  # whatever the engine would stumble over
        yield f"{where}: cannot be decoded: {error}"


def _property(resource: Resource, prop: Property) -> Iterator[str]:
    name = prop.name
    yield from _sentence(name, prop.about)
    if sum(map(bool, (prop.wire, prop.source, prop.over, prop.asked))) > 1:
        yield f"{name} comes from several places"
    if prop.source and prop.source not in resource.sources:
        yield f"{name}: there is no source {prop.source}"
    if prop.over and (prop.of is None or not all(_leads(resource, way) for way in prop.over)):
        yield f"{name}: nothing is made of lists over links"
    if prop.only is not None:
        yield from _only(resource, prop)
    if prop.asked and name not in resource.needs:
        yield f"{name} is not among what is asked for"
    if prop.place == (WHOLE,) and prop.of is None:
        yield f"{name}: nothing is made of the whole row"
    if prop.place != (WHOLE,) and prop.of is not None and prop.kind == "time" and prop.is_listed:
        yield f"{name}: a time that is made by a function is not brought into our form"
    if prop.shape is not None and prop.of is None:
        yield f"{name} has a shape of its own, and nothing makes its kind of it"
    if prop.unit and prop.kind not in NUMBERS:
        yield f"{name} is no number and has a unit"
    if prop.case and prop.kind not in ("text", "texts"):
        yield f"{name} is no text and has a case"
    fits = fitting(prop.kind)
    for operator, filter_ in prop.filters.items():
        if operator not in ARITY or operator not in fits:
            yield f"{name}: {operator} does not fit a {prop.kind}"
        if operator in _NEGATIVE:
            yield f"{name}: {operator} takes in what is missing, which no filter does"
        if not filter_.param:
            yield f"{name}: {operator} has no parameter"
        if filter_.many and operator not in ("equal_to", "any_in"):
            yield f"{name}: {operator} takes one value"
        if filter_.unless and resource.property(filter_.unless[0]) is None:
            yield f"{name}: there is no {filter_.unless[0]} to leave rows out by"
    if prop.filters and (not prop.is_listed or prop.place == (WHOLE,)):
        yield f"{name} is made here, so no service can narrow by it"


def _needs(resource: Resource, known: Mapping[str, Resource]) -> Iterator[str]:
    for name, instead in resource.needs.items():
        prop = resource.property(name)
        if prop is None:
            yield f"it needs {name}, which is not a property"
            continue
        in_path = all(f"{{{name}}}" in listing.path for listing in resource.listings)
        if not in_path and "equal_to" not in prop.filters:
            yield f"it needs {name}, and cannot ask with it"
        if instead is not None:
            other, _, path = instead.partition(".")
            if other in known and known[other].property(path) is None:
                yield f"it needs {instead}, which does not exist"


def _link(resource: Resource, link: Link, known: Mapping[str, Resource]) -> Iterator[str]:
    here = resource.property(link.here)
    if here is None:
        yield f"the link {link.name} begins at {link.here}, which is not a property"
    if link.resource not in known:
        return
    there = known[link.resource].property(link.there)
    if there is None:
        yield f"the link {link.name} ends at {link.resource}.{link.there}, which does not exist"
    elif here is not None and _element(here) != _element(there):
        yield f"the link {link.name} leads from {here.kind} to {there.kind}"
    elif link.there == known[link.resource].key and link.many:
        yield f"the link {link.name} leads to many, but {link.there} is the key there"


def _sources(resource: Resource) -> Iterator[str]:
    used = {prop.source for prop in resource.properties}
    for name, source in resource.sources.items():
        if name not in used:
            yield f"nothing is taken from the source {name}"
        if not source.cost:
            yield f"the source {name} does not say what it takes"
        key = resource.property(source.key)
        if key is None or not key.is_listed:
            yield f"the source {name} is read by {source.key}, which is not in the answer"

        late = {prop.name for prop in resource.properties if prop.source == name and source.each}
        for link in resource.links:
            if link.here in late:
                yield f"the link {link.name} begins at {link.here}, which is read after links"


def _only(resource: Resource, prop: Property) -> Iterator[str]:
    assert prop.only is not None
    other = resource.property(prop.only[0])
    if not prop.source:
        yield f"{prop.name} is read of every row, so no other property decides on it"
    if other is None or not other.is_listed or other.kind != "text":
        yield f"{prop.name}: {prop.only[0]} is no text of the listing"


def _leads(resource: Resource, way: str) -> bool:
    link = resource.link(way.partition(".")[0])
    return link is not None and "." in way and leads_to_many(resource, link)


def _in_answer(prop: Property) -> bool:
    return prop.is_listed and not prop.asked


def _element(prop: Property) -> str:
    return {"texts": "text", "addresses": "address"}.get(prop.kind, prop.kind)


def _sentence(name: str, about: str) -> Iterator[str]:
    if not _SENTENCE.fullmatch(about):
        yield f"what {name} is about is not one line that ends with a full stop: {about!r}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _odd(names: Iterable[str], form: re.Pattern[str]) -> list[str]:
    return [name for name in names if not form.fullmatch(name)]


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
