"""What a resource's table is made of: where it is read, its properties, its links to others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

# What a property's values are. Sizes are integers or numbers with a unit; a time is a text in UTC
# (see times); `texts` and `addresses` are lists; a `map` has keys that can be asked for.
Kind = Literal[
    "text", "integer", "number", "boolean", "time", "address", "texts", "addresses", "map"
]
# How a listing is continued: by its own links (or Glance's `next`), by an offset, or not at all.
Paging = Literal["links", "offset", "none"]
# The place of a property that is made of everything the service says of a row, as a mapping.
WHOLE = "*"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is asked for less. It only narrows: what comes back is looked at again here.

    ``encode`` turns one value into the parameter's, or into None where the service cannot be
    asked for it. ``many`` says how several values are asked for in one request: as a ``repeat`` of
    the parameter, joined by a ``comma``, or in Glance's ``in:`` form; else there is a request for
    each. ``unless`` names a property and a value that the service adds to what was asked for and
    a listing without this parameter would not have. ``known`` says that the service answers with a
    404 where there is nothing that has the value.
    """

    param: str
    encode: Callable[[Any], str | None] = str
    many: Literal["", "repeat", "comma", "in:"] = ""
    unless: tuple[str, str] | None = None
    known: bool = False


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One property of a resource.

    ``wire`` is its place in the service's answer, ``/`` between nested keys, or WHOLE; ``shape``
    is the type it has there if that is not the kind's own, and ``of`` makes the value of it.
    ``case`` says that the service writes the value in ``upper`` or ``lower`` case, so that a
    condition need not. ``filters`` says by operator how the service is asked for less. ``source``
    names one of the resource's sources: the value is then ``of`` what that source says of the
    row. ``over`` are paths over links: the value is ``of`` the lists of what stands there.
    ``asked`` says that the value is not in the answer: it is the one that was asked for.
    ``only`` names a property of the listing and the one value with which a row can have this
    one: of other rows the source is not asked, and who wants this one wants that value too.
    """

    name: str
    kind: Kind
    about: str
    wire: str = ""
    unit: Literal["", "MiB", "GiB", "bytes", "seconds"] = ""
    shape: Any = None
    of: Callable[[Any], Any] | None = None
    case: Literal["", "upper", "lower"] = ""
    filters: Mapping[str, Filter] = {}
    source: str = ""
    over: tuple[str, ...] = ()
    asked: bool = False
    only: tuple[str, str] | None = None

    @property
    def is_listed(self) -> bool:
        """Whether it stands in the resource's own listing."""
        return not self.source and not self.over

    @property
    def place(self) -> tuple[str, ...]:
        """The keys that lead to it in the service's answer."""
        return tuple((self.wire or self.name).split("/"))


class Link(msgspec.Struct, frozen=True):
    """The way to another resource: rows whose ``there`` equals this row's ``here``.

    ``here`` may be a list property: then each of its values leads somewhere. ``many`` says that
    several rows may stand there for one value.
    """

    name: str
    resource: str
    here: str
    there: str = "id"
    many: bool = False


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows are read: one GET, or a chain of them.

    ``path`` may hold ``{property}`` for what the resource needs. ``microversion`` is the lowest
    that has the properties; ``better`` a higher one that says more of what is missing, used where
    the service has it. ``brief`` is a cheaper listing with the same order and markers, ids only;
    ``backwards`` are the parameters that make the order of both the exact opposite.
    ``proof`` is a key that only those see who see all rows: where it lacks, the service is asked
    whether it has cut the listing (see wire.visibility); that is not asked of one that is ``open``,
    the same for everybody. ``unpack`` makes rows of an answer that is not a list of them.
    ``bare`` says that one of them is shown without a word around it.
    """

    service: str
    path: str
    collection: str = ""
    microversion: str | None = None
    better: str | None = None
    params: Mapping[str, str] = {}
    paging: Paging = "none"
    page: int = 1000
    brief: str = ""
    backwards: Mapping[str, Any] = {}
    proof: str = ""
    open: bool = False
    unpack: Callable[[Any], Iterable[Mapping[str, Any]]] | None = None
    bare: bool = False


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """More that is known of each row, read elsewhere: ``read`` returns it by the row's ``key``.

    ``read(reading, keys)`` is called once for all rows. ``cost`` says in words what it takes.
    ``each`` says that it takes a request for each row: it is read at last, of those rows alone
    that all other conditions let pass.
    """

    key: str
    read: Callable[[Reading, list[Any]], Mapping[Any, Any]]
    cost: str
    each: bool = False


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing in a cloud.

    ``default`` are the columns that are shown if none are asked for. ``needs`` are properties
    that must be known before anything can be read, with the ``resource.property`` whose values
    are taken if no condition gives any (None: the query is refused then). ``at_once`` says that it
    can be read without them too, though perhaps not whole: enough where all that is looked for is
    found.
    """

    name: str
    plural: str
    about: str
    listings: tuple[Listing, ...]
    properties: tuple[Property, ...]
    links: tuple[Link, ...] = ()
    key: str = "id"
    default: tuple[str, ...] = ()
    needs: Mapping[str, str | None] = {}
    sources: Mapping[str, Source] = {}
    at_once: bool = False

    def property(self, name: str) -> Property | None:
        """Return the property called ``name``, or None."""
        return next((p for p in self.properties if p.name == name), None)

    def nouns(self) -> tuple[str, str]:
        """Return what one and several of them are called in a sentence, as ``floating IPs``."""
        return _words(self.name), _words(self.plural)

    def link(self, name: str) -> Link | None:
        """Return the link called ``name``, or None."""
        return next((link for link in self.links if link.name == name), None)


# Words of names that are written in another way in sentences.
_WRITTEN = {"ip": "IP", "ips": "IPs", "rbac": "RBAC"}


def _words(name: str) -> str:
    return " ".join(_WRITTEN.get(word, word) for word in name.split("_"))


def exact(param: str, **how: Any) -> dict[str, Filter]:
    """Return the filters of a parameter that is compared with the whole value."""
    return {"equal_to": Filter(param=param, **how)}
