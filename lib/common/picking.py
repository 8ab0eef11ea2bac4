"""Which of several things a person means by a name or an id: one rule for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from common.errors import Ambiguous, NotFound
from common.text import near

Thing = TypeVar("Thing")


def picked(
    kind: str,
    wanted: str,
    known: Iterable[Thing],
    *,
    id: Callable[[Thing], Any] = lambda thing: thing.id,  # type: ignore[attr-defined]
    names: Callable[[Thing], Sequence[str]] = lambda thing: (thing.name,),  # type: ignore[attr-defined]
    where: str = "",
    likely: Callable[[], Iterable[str]] | None = None,
) -> Thing:
    """Return the one of ``known`` things that has this id, else the one that has this name.

    ``likely`` gives the names that near ones are looked for among, if not those of ``known``.
    Raises NotFound with near names, or Ambiguous with the ids.
    """
    things = list(known)
    found = [thing for thing in things if str(id(thing)) == wanted]
    found = found or [thing for thing in things if wanted in names(thing)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Ambiguous(kind, wanted, [str(id(thing)) for thing in found], where=where)
    others = likely() if likely else (name for thing in things for name in names(thing))
    raise NotFound(kind, wanted, where=where, near=near(wanted, dict.fromkeys(others)))
