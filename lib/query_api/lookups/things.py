"""One thing of any resource, by its id or its name, as the resource's table describes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CloudError, NotFound
from common.picking import picked
from query_api.execution.answer import Answer
from query_api.execution.query import Query, query
from query_api.language.schema import Property, Resource
from query_api.lookups.absent import absent
from query_api.resources import resource
from query_api.wire.decode import shape_of
from query_api.wire.reader import decoder, not_understood

# Ids of which no name is made: a UUID, with dashes or without.
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
# What an id of Keystone may be: the default domain has a word, users of LDAP have a digest.
_KEYSTONE_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
# Names that near ones are looked for among, so that a large cloud is not read whole.
_NEAR = 1000


class Thing:
    """A volume, an image, a flavor, ...: its resource's properties are its attributes."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self.kind, self.values = kind, values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"a {self.kind} has no {name}") from None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id}>"

    @property
    def id(self) -> str:
        """What tells it from others of its kind, as text: aggregates have numbers."""
        return str(self.values[resource(self.kind).key])

    @property
    def name(self) -> str:
        """Its name; its id if it has none."""
        return self.values.get("name") or self.id

    @property
    def subject(self) -> str:
        """What a run claims to be the only one to work on it."""
        return f"{self.kind}:{self.id}"


def find(cloud: Cloud, kind: str, wanted: str, project: str | None = None) -> Thing:
    """Return the thing of a resource with this id, or exactly this name, or ``domain/name``.

    Of several of one name it is that of a ``project`` (by its id) if one is given. Raises NotFound
    with near names, or Ambiguous with the ids; CloudError for what is not found where not
    everything could be read.
    """
    if _UUID.fullmatch(wanted) and (found := look(cloud, kind, wanted)):
        return found
    of = resource(kind)
    name = of.property("name")
    asked = _whole(query(kind))
    in_domain = of.link("domain") is not None and "/" in wanted
    if in_domain:
        asked = asked.select("domain.name")
    by_name = name is not None and "equal_to" in name.filters
    if by_name:
        asked = asked.where("name", "any_in", *(_possible(wanted) if in_domain else [wanted]))
    answer = asked.run([cloud])
    if not answer.rows and _may_be_id(of, wanted) and (found := look(cloud, kind, wanted)):
        return found
    likely = (lambda: names(cloud, kind)) if by_name else None
    (meant,) = _meant(cloud, kind, [wanted], answer, likely, project)
    return meant


def find_all(cloud: Cloud, kind: str, wanted: Iterable[str]) -> list[Thing]:
    """Return the things that are meant by ids or names, each once, in one listing of the resource.

    Raises as :func:`find` does.
    """
    asked = _whole(query(kind))
    if resource(kind).link("domain") is not None:
        asked = asked.select("domain.name")
    found = _meant(cloud, kind, wanted, asked.run([cloud]))
    return list({thing.id: thing for thing in found}.values())


def names(cloud: Cloud, kind: str) -> list[str]:
    """Return names that near ones are looked for among; not all of them in a large cloud."""
    answer = query(kind).select("name").limit(_NEAR).run([cloud])
    return [name for (name,) in answer.rows if name]


def _meant(
    cloud: Cloud,
    kind: str,
    wanted: Iterable[str],
    answer: Answer,
    likely: Callable[[], Iterable[str]] | None = None,
    project: str | None = None,
) -> list[Thing]:
    """Return those of an answer's things that are meant; ``likely`` as of picked."""
    known = [Thing(kind, row) for row in answer.dicts()]
    if project is not None:
        theirs = {thing.name for thing in known if thing.values.get("project_id") == project}
        known = [
            thing
            for thing in known
            if thing.name not in theirs or thing.values["project_id"] == project
        ]
    word, _ = resource(kind).nouns()
    where = f"cloud {cloud.name}"
    try:
        return [
            picked(word, each, known, names=_names_of, where=where, likely=likely)
            for each in wanted
        ]
    except NotFound as error:
        raise absent(error, answer.reasons) from None


def _may_be_id(of: Resource, wanted: str) -> bool:
    """Return whether a text that is nobody's name can be an id that is no UUID."""
    is_asked = _UUID.fullmatch(wanted) is not None
    by_keystone = of.listings[0].service == "identity"
    return by_keystone and not is_asked and _KEYSTONE_ID.fullmatch(wanted) is not None


def _possible(wanted: str) -> list[str]:
    """Return the names that may be meant: names and domains can both have slashes in them."""
    parts = wanted.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts)) if parts[start:] != [""]]


def _names_of(thing: Thing) -> tuple[str, ...]:
    """Return how a thing may be called: by its name, and within its domain if that was read."""
    if "domain.name" not in thing.values:
        return (thing.name,)
    domains = (thing.values["domain_id"], thing.values["domain.name"])
    return (thing.name, *(f"{domain}/{thing.name}" for domain in domains if domain))


def look(cloud: Cloud, kind: str, id: str) -> Thing | None:
    """Return a thing as it is now, None if there is none of this id. Raises CloudError."""
    of = resource(kind)
    listing = of.listings[0]
    path = f"{listing.path.removesuffix('/detail')}/{quote(id, safe='')}"
    try:
        body = cloud.get(listing.service, path, microversion=listing.microversion)
    except CloudError as error:
        if not_there(error):
            return None
        raise
    properties = own_properties(of)
    shape = shape_of(listing, properties)
    try:
        row = body if listing.bare else _inside(body, listing.collection.removesuffix("s"))
        # Decoded as a listing of one, which is what the table describes.
        text = b'{"%s":[%s]}' % (listing.collection.encode(), row)
        page = shape.page(decoder(shape.answer).decode(text))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise not_understood(cloud, listing.service, path, error) from None
    values = {prop.name: column[0] for prop, column in zip(properties, page.columns, strict=True)}
    return Thing(kind, values)


def of_query(cloud: Cloud, asked: Query) -> list[Thing]:
    """Return what a query finds, each with all properties of its listing.

    Raises CloudError if not everything could be read: a change is not planned on a part.
    """
    answer = _whole(asked).run([cloud])
    if answer.reasons:
        what, why = answer.reasons[0]
        raise CloudError(f"Not everything could be read ({what}): {why}")
    return [Thing(asked.resource.name, row) for row in answer.dicts()]


def look_many(
    cloud: Cloud, kind: str, ids: Collection[str], states: Iterable[str]
) -> dict[str, Thing]:
    """Return things of a resource by their ids, in as few requests as its service has a way for.

    Where the service does not take many ids, those that are in one of ``states`` are returned, in
    a listing for each state. What is not among them, be it that a listing was refused, has to be
    asked for by itself. Raises CloudError if the service does not answer.
    """
    of = resource(kind)
    key = of.property(of.key)
    assert key is not None
    asked = query(kind)
    if key.filters["equal_to"].many:
        asked = asked.where(of.key, "any_in", *sorted(ids))
    elif wanted := sorted(states):
        asked = asked.where("status", "any_in", *wanted)
    else:
        return {}
    try:
        answer = _whole(asked).run([cloud])
    except CloudError as error:
        if error.status is None:
            raise
        return {}
    found = (Thing(kind, row) for row in answer.dicts())
    return {thing.id: thing for thing in found if thing.id in ids}


def own_properties(of: Resource) -> list[Property]:
    """Return the properties that stand in the resource's own listing."""
    return [prop for prop in of.properties if prop.is_listed]


def _whole(asked: Query) -> Query:
    return asked.select(*(prop.name for prop in own_properties(asked.resource)))


def _inside(body: bytes, word: str) -> bytes:
    """Return the object that an answer holds under a word, as it was written."""
    whole: dict[str, msgspec.Raw] = decoder(dict[str, msgspec.Raw]).decode(body)
    if word not in whole:
        raise msgspec.ValidationError(f"Object missing required field `{word}`")
    return bytes(whole[word])
