"""Following a listing from page to page, whatever is made and deleted while it is read.

A page begins after the row that the page before ended with, its marker. That row can be gone by
now; a cache or a service can answer with the same page again; one that knows no pages gives all its
rows each time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from common.errors import CloudError

# What services say of a marker that they do not know (any more).
_BAD_MARKER = frozenset({400, 404})
# How often a listing is carried on from an earlier row without anything new coming of it.
_PATIENCE = 20
# So many rows has no listing.
_BEYOND = 1_000_000_000


class PageLink(msgspec.Struct):
    """A link of an answer, such as that to the next page."""

    rel: str = ""
    href: str = ""


class Part(Protocol):
    """One answer of a listing. ``ids`` tell its rows apart; they are empty if nothing does."""

    @property
    def ids(self) -> Sequence[Any]: ...
    @property
    def marker(self) -> str | None: ...


P = TypeVar("P", bound=Part)
# Asks for a part of a listing with these parameters besides its own. Raises CloudError.
Ask = Callable[[Mapping[str, Any]], P]


class Stuck(Exception):
    """The service answers with the same page again; ``rows`` is how many were seen before."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows


def next_marker(links: Sequence[PageLink] | None, after: Any) -> tuple[str | None, bool]:
    """Return the marker in the link to the next page, and whether there is a link without one.

    Glance calls the link ``next``, and so does Keystone among its ``links``.
    """
    if isinstance(after, Mapping):
        after = after.get("next")
    href = next((link.href for link in links or () if link.rel == "next"), after)
    if not isinstance(href, str):
        return None, False
    marker = next(iter(parse_qs(urlsplit(href).query).get("marker", ())), None)
    return marker, marker is None


def onwards(first: P, ask: Ask[P]) -> Iterator[P]:
    """Yield the parts after the first, each when it is asked for.

    Rows can be on more than one of them. Raises Stuck, and CloudError as ``ask`` does.
    """
    seen = dict.fromkeys(first.ids)
    been: set[str] = set()
    patience, page = _PATIENCE, first
    while page.marker is not None:
        been.add(page.marker)
        for again in (False, True):
            after, gone = _after(page.marker, seen, ask)
            is_old = seen.keys() >= set(after.ids)
            if gone is not None:
                been.clear()
                patience = patience - 1 if is_old else _PATIENCE
                if patience < 0:
                    raise gone
            if after.marker not in been or not is_old:
                break
            if again:
                raise Stuck(len(seen))
        seen.update(dict.fromkeys(after.ids))
        yield after
        page = after


def _after(marker: str, seen: Collection[Any], ask: Ask[P]) -> tuple[P, CloudError | None]:
    """Return what follows a marker; if that is gone, what follows a row before it, and the error.

    Steps back grow: what was made together is deleted together. At last it is begun again.
    """
    gone: CloudError | None = None
    steps = 0
    while True:
        try:
            return ask({"marker": marker} if steps < max(len(seen), 1) else {}), gone
        except CloudError as error:
            if error.status not in _BAD_MARKER or steps >= len(seen):
                raise
            gone = gone or error
        steps = 2 * steps or 1
        marker = str(list(seen)[max(-1 - steps, -len(seen))])


def by_offset(ask: Ask[P]) -> Iterator[P]:
    """Yield the parts of a listing that is continued by the number of the row to begin with.

    Each part has to begin with a row that was seen before, or rows could have moved up between
    two of them because others were deleted; it is asked for from further ahead until it does.
    A service that gives one row at a time leaves no room for that.

    Raises as :func:`onwards` does.
    """
    seen: set[Any] = set()
    offset, back, one_each = 0, 1, False
    before: Sequence[Any] = ()
    while True:
        page = ask({"offset": offset})
        if offset and not one_each and (not page.ids or page.ids[0] not in seen):
            offset, back = max(0, offset - back), 2 * back
            continue
        if len(page.ids) > 1 and page.ids == before and ask({"offset": _BEYOND}).ids:
            raise Stuck(len(seen))
        yield page
        if len(page.ids) < 2 and seen.issuperset(page.ids):
            return
        one_each = len(page.ids) == 1 and (one_each or not seen)
        seen.update(page.ids)
        offset, back, before = offset + max(len(page.ids) - 1, int(one_each)), 1, page.ids
