"""Properties by their kind, so that a resource's table reads as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from query_api.language.schema import Kind, Property


def _property(kind: Kind, name: str, about: str, wire: str = "", **more: Any) -> Property:
    return Property(name=name, kind=kind, about=about, wire=wire, **more)


# Each takes a name, what it is about, its place in the answer, and what else Property takes.
text = partial(_property, "text")
integer = partial(_property, "integer")
number = partial(_property, "number")
boolean = partial(_property, "boolean")
time = partial(_property, "time")
address = partial(_property, "address")
texts = partial(_property, "texts")
addresses = partial(_property, "addresses")
mapping = partial(_property, "map")


def total(lists: Sequence[Sequence[Any]]) -> int:
    """Return how many there are of what a row leads to."""
    return sum(map(len, lists))


def or_none(value: str) -> str | None:
    """Return None for a text that says nothing: Nova's way of saying that there is no value."""
    return value or None


def listed_text(value: Any) -> str | None:
    """Return a text, or the texts of a list with commas between them; None where there is none.

    Keystone stores what it is given under keys that it does not know.
    """
    if isinstance(value, list):
        return ", ".join(one for one in value if isinstance(one, str) and one) or None
    return value if isinstance(value, str) and value else None
