"""Decoding just what is wanted: a msgspec type is made for each set of properties, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from query_api.language import times
from query_api.language.schema import WHOLE, Kind, Listing, Property
from query_api.wire.following import PageLink, next_marker
from query_api.wire.reader import converted, decoder

_KIND_SHAPES: dict[Kind, Any] = {
    "text": str | None,
    "integer": int | None,
    "number": float | None,
    "boolean": bool | None,
    "time": str | None,
    "address": str | None,
    "texts": list[str] | None,
    "addresses": list[str] | None,
    "map": dict[str, Any] | None,
}
Place = tuple[str, ...]


class Page(msgspec.Struct):
    """One answer of a listing: columns in the order of the properties, and how it goes on.

    ``ids`` tell its rows apart, if anything does. ``marker`` continues the listing, if it is not
    at its end. ``unproven`` rows came without what everybody sees who sees everything.
    ``truncated`` is Keystone's word for having cut it, or says that there is no way to go on.
    """

    columns: list[list[Any]]
    count: int
    ids: Sequence[Any] = ()
    marker: str | None = None
    unproven: int = 0
    truncated: bool = False


Column = Callable[[Sequence[Any], Sequence[Any]], list[Any]]


class Decoding(Protocol):
    """How the answers of a listing are decoded: as the type ``answer``, and from it to a page."""

    answer: Any

    def page(self, answer: Any) -> Page:
        """Return the page of a decoded answer. Raises msgspec.ValidationError."""
        ...


class RowShape:
    """The type of a listing's answer whose rows are structs: these are the first column of a page,
    their ids the second.

    A link to the next page that has no marker ends the listing.
    """

    def __init__(self, row: type[msgspec.Struct], collection: str) -> None:
        self.answer: Any = _answer(collection, row)

    def page(self, answer: Any) -> Page:
        """Return the page of a decoded answer."""
        rows = answer.rows
        marker, _ = _continuation(answer)
        return Page([rows, [row.id for row in rows]], len(rows), marker=marker)


class _Id(msgspec.Struct):
    id: str | int


class RawShape:
    """The type of a listing's answer whose rows stay as they were written: these are the first
    column of a page, their ids the second."""

    def __init__(self, collection: str) -> None:
        self.answer: Any = _answer(collection, msgspec.Raw)

    def page(self, answer: Any) -> Page:
        """Return the page of a decoded answer. Raises msgspec.ValidationError."""
        ids = [str(decoder(_Id).decode(row).id) for row in answer.rows]
        marker, _ = _continuation(answer)
        return Page([answer.rows, ids], len(ids), marker=marker)


class Shape:
    """The type of a listing's answer for some properties, and how their columns come out of it."""

    def __init__(self, listing: Listing, properties: Sequence[Property]) -> None:
        self._listing, self._properties = listing, tuple(properties)
        self._names: dict[Place, str] = {}
        self._proof: Place | None = tuple(listing.proof.split("/")) if listing.proof else None
        whole = [prop for prop in properties if prop.place == (WHOLE,)]
        self._row = self._struct(self._leaves([p for p in properties if p not in whole]), ())
        # Where a whole row is wanted, or rows are not simply listed, plain data is decoded first.
        self._plain = bool(listing.unpack or whole or not listing.collection)
        self.answer: Any = Any if self._plain else _answer(listing.collection, self._row)
        self._columns = [self._column(prop) for prop in properties]

    def page(self, answer: Any) -> Page:
        """Return the columns of a decoded answer. Raises msgspec.ValidationError."""
        if not self._plain:
            rows: Sequence[Any] = answer.rows
            marker, lost = _continuation(answer)
            return self._page(rows, rows, marker, answer.truncated or lost)
        name, unpack = self._listing.collection, self._listing.unpack
        around = answer if isinstance(answer, Mapping) else {}
        if unpack is None and name not in around:
            raise msgspec.ValidationError(f"Object missing required field `{name}`")
        plain = list(unpack(answer) if unpack else around[name])
        rows = converted(plain, list[self._row])  # type: ignore[name-defined]
        said = around.get(f"{name}_links") or around.get(f"{name[:-1]}_links")
        links = converted(said, list[PageLink] | None)
        marker, lost = next_marker(links, around.get("next") or around.get("links"))
        return self._page(rows, plain, marker, around.get("truncated") is True or lost)

    def _page(
        self, rows: Sequence[Any], plain: Sequence[Any], marker: str | None, truncated: bool
    ) -> Page:
        columns = [column(rows, plain) for column in self._columns]
        unproven = 0
        if self._proof:
            proof = attrgetter(self._names[self._proof])
            unproven = sum(value is msgspec.UNSET for value in map(proof, rows))
        return Page(columns, len(rows), marker=marker, unproven=unproven, truncated=truncated)

    def _leaves(self, properties: Sequence[Property]) -> dict[Place, Any]:
        leaves: dict[Place, Any] = {}
        for prop in properties:
            shape = prop.shape if prop.shape is not None else _KIND_SHAPES[prop.kind]
            if leaves.setdefault(prop.place, shape) != shape:
                raise TypeError(f"{prop.name}: {prop.wire} is read in two shapes")
        if self._proof:
            leaves.setdefault(self._proof, Any)
        return leaves

    def _struct(self, leaves: Mapping[Place, Any], above: Place) -> Any:
        """Return the type of an object of the answer; whatever the answer lacks in it is None."""
        depth = len(above)
        nested: dict[Place, dict[Place, Any]] = {}
        fields: list[Any] = []
        for place, shape in leaves.items():
            if len(place) > depth + 1:
                nested.setdefault(place[: depth + 1], {})[place] = shape
                continue
            default = msgspec.UNSET if place == self._proof else None
            fields.append(
                (self._named(place), shape, msgspec.field(name=place[-1], default=default))
            )
        for place, below in nested.items():
            if place in leaves:
                raise TypeError(f"{'/'.join(place)} is read whole and in parts")
            name = self._named(place)
            shape = self._struct(below, place) | None
            fields.append((name, shape, msgspec.field(name=place[-1], default=None)))
        return msgspec.defstruct("Row", fields, gc=False)

    def _named(self, place: Place) -> str:
        name = f"f{len(self._names)}"
        above = self._names.get(place[:-1])
        self._names[place] = f"{above}.{name}" if above else name
        return name

    def _column(self, prop: Property) -> Column:
        if prop.place == (WHOLE,):
            make = prop.of
            assert make is not None
            return lambda rows, plain: list(map(make, plain))
        get = _getter(self._names[prop.place], prop.place == self._proof)
        if (of := prop.of) is not None:
            return lambda rows, plain: [None if v is None else of(v) for v in map(get, rows)]
        if prop.kind == "time":
            return lambda rows, plain: times.column(map(get, rows))
        return lambda rows, plain: list(map(get, rows))


def _getter(path: str, proof: bool) -> Callable[[Any], Any]:
    """Return what takes a value out of a row; None where it, or an object on the way, lacks."""
    straight = attrgetter(path)
    if "." not in path and not proof:
        return straight

    def get(row: Any) -> Any:
        try:
            value = straight(row)
        except AttributeError:
            return None
        return None if value is msgspec.UNSET else value

    return get


def _answer(collection: str, row: Any) -> Any:
    return msgspec.defstruct(
        "Answer",
        [
            ("rows", list[row], msgspec.field(name=collection)),
            (
                "links",
                list[PageLink] | None,
                msgspec.field(name=f"{collection}_links", default=None),
            ),
            # Cinder's way with its volume types.
            (
                "link",
                list[PageLink] | None,
                msgspec.field(name=f"{collection[:-1]}_links", default=None),
            ),
            ("next", str | None, None),
            ("ways", Any, msgspec.field(name="links", default=None)),
            ("truncated", bool, False),
        ],
    )


def _continuation(answer: Any) -> tuple[str | None, bool]:
    return next_marker(answer.links or answer.link, answer.next or answer.ways)


@cache
def row_shape(row: type[msgspec.Struct], collection: str) -> RowShape:
    """Return the shape for rows that are structs with an ``id``; each is made once."""
    return RowShape(row, collection)


@cache
def raw_shape(collection: str) -> RawShape:
    """Return the shape for rows that are kept as they were written; each is made once."""
    return RawShape(collection)


_shapes: dict[tuple[int, ...], Shape] = {}


def shape_of(listing: Listing, properties: Sequence[Property]) -> Shape:
    """Return the shape for a listing and some properties; each is made once."""
    # Tables live as long as the process, so their identities are as good as their contents.
    key = (id(listing), *map(id, properties))
    if key not in _shapes:
        _shapes[key] = Shape(listing, properties)
    return _shapes[key]
