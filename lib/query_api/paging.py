"""Following a listing to its end: page after page, or many at once where pages are slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import msgspec

from query_api.decode import Page, Shape, shape_of
from query_api.reading import Reading
from query_api.schema import Listing, Property
from workflow_api.errors import CloudError

# A first page that took longer than this is worth a second, brief listing for the markers.
_SLOW = 0.15
# How far to step back when the row that a page ended with is gone before the next one is asked.
_STEPS_BACK = 5
_BAD_MARKER = frozenset({400, 404})
_TOO_NEW = 406
_END = Page([], 0)


class Pages:
    """One listing with its parameters, read by iterating over it.

    ``key`` is where among the ``properties`` the one stands that tells rows apart; None if the
    rows have none. Raises CloudError.
    """

    def __init__(
        self,
        reading: Reading,
        listing: Listing,
        properties: Sequence[Property],
        key: int | None,
        *,
        path: str,
        params: Mapping[str, Any],
    ) -> None:
        self._reading, self._listing, self._key = reading, listing, key
        self._path, self._params = path, {**listing.params, **params}
        self._shape: Shape = shape_of(listing, properties)

    def __iter__(self) -> Iterator[Page]:
        for page in self._read():
            if page.truncated:
                self._say("the service says that it has cut its answer")
            yield page

    def _read(self) -> Iterator[Page]:
        if self._listing.paging == "none":
            yield self._page({})
        elif self._listing.paging == "offset":
            yield from self._by_offset()
        else:
            yield from self._by_marker()

    def _by_offset(self) -> Iterator[Page]:
        # A page can be shorter than asked for (osapi_max_limit), so only an empty one is the end.
        seen = 0
        while (page := self._page({"limit": self._listing.page, "offset": seen})).count:
            yield page
            seen += page.count

    def _by_marker(self) -> Iterator[Page]:
        began = time.monotonic()
        page = self._page({"limit": self._listing.page})
        slow = time.monotonic() - began > _SLOW
        yield page
        if page.marker is None:
            return
        if slow and self._listing.brief and self._reading.most > 1:
            yield from _Walk(self, page)
        else:
            yield from self.onwards(page)

    def onwards(self, page: Page) -> Iterator[Page]:
        """Yield the pages after this one, each when it is asked for."""
        seen = set(page.ids)
        while page.marker is not None:
            page = self._new(page, seen)
            yield page
            seen.update(page.ids)

    def _new(self, before: Page, seen: set[Any]) -> Page:
        """Return the page after ``before``; a page that only repeats rows is asked for again."""
        for _ in range(2):
            page = self.after(before)
            if page.marker is None or not seen.issuperset(page.ids):
                return page
        # What gives the same rows whatever it is asked for knows no paging, and they are all; so
        # does nobody look who gives as many as it was asked for.
        if page.count != len(seen) or page.count == self._listing.page:
            self._say("the service answered with the same page again: rows after it may be missing")
        return _END

    def after(self, page: Page) -> Page:
        """Return the page that follows; also if the row that ``page`` ended with is gone by now."""
        return self._stepping_back(page, self._page)

    def brief_after(self, page: Page) -> Page:
        """Return the page that follows in the brief listing, which has the same order: ids only."""
        return self._stepping_back(page, self._brief)

    def _stepping_back(self, page: Page, ask: Callable[[Mapping[str, Any]], Page]) -> Page:
        markers = [page.marker, *reversed(page.ids[-_STEPS_BACK - 1 : -1])]
        for marker in markers[:-1]:
            try:
                return ask({"limit": self._listing.page, "marker": marker})
            except CloudError as error:
                if error.status not in _BAD_MARKER:
                    raise
        return ask({"limit": self._listing.page, "marker": markers[-1]})

    def _page(self, more: Mapping[str, Any]) -> Page:
        page = self._asked(self._path, self._shape, more)
        if self._key is not None:
            page.ids = page.columns[self._key]
        return page

    def _brief(self, more: Mapping[str, Any]) -> Page:
        page = self._asked(self._listing.brief, _ids_of(self._listing.collection), more)
        page.ids = page.columns[0]
        return page

    def _asked(self, path: str, shape: Shape, more: Mapping[str, Any]) -> Page:
        """Ask with the better microversion where the service has it; that is found out once."""
        listing, refused = self._listing, self._reading.refused_versions()
        params = {**self._params, **more}
        better = (listing.service, listing.better or "")
        if listing.better and better not in refused:
            try:
                return self._decoded(path, shape, params, listing.better)
            except CloudError as error:
                if error.status != _TOO_NEW:
                    raise
                refused.add(better)
        return self._decoded(path, shape, params, listing.microversion)

    def _decoded(
        self, path: str, shape: Shape, params: Mapping[str, Any], version: str | None
    ) -> Page:
        reading = self._reading
        answer = reading.one(self._listing.service, path, shape.answer, params, version)
        try:
            return shape.page(answer)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CloudError(
                f"Cloud {reading.cloud.name}: {path}: the answer was not understood: {error}."
            ) from None

    @property
    def most(self) -> int:
        """How many of its pages are asked for at once."""
        return self._reading.most

    def _say(self, why: str) -> None:
        self._reading.incomplete(f"{self._listing.collection} of {self._reading.cloud.name}", why)


@cache
def _ids_of(collection: str) -> Shape:
    identity = Property(name="id", kind="text", about="What tells it from others.")
    return Shape(Listing(service="", path="", collection=collection), (identity,))


class _Walk:
    """The rest of a slow listing: a brief one gives the markers, the pages are asked side by side.

    Each page has to hold the ids that the brief listing has between its marker and the next one;
    where rows were added in between, it is followed until it does.
    """

    def __init__(self, pages: Pages, first: Page) -> None:
        self._pages, self._first = pages, first

    def __iter__(self) -> Iterator[Page]:
        with ThreadPoolExecutor(self._pages.most) as pool:
            futures: list[Future[list[Page]]] = []
            try:
                before = self._first
                while before.marker is not None:
                    brief = self._pages.brief_after(before)
                    if brief.ids:
                        futures.append(pool.submit(self._stretch, before, brief.ids))
                    before = brief
                for future in futures:
                    yield from future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _stretch(self, before: Page, ids: Sequence[Any]) -> list[Page]:
        first = self._pages.after(before)
        found, wanted = [first], set(ids).difference(first.ids)
        for page in self._pages.onwards(first) if wanted else ():
            if wanted.isdisjoint(page.ids):
                break  # what is still wanted was deleted meanwhile
            found.append(page)
            wanted.difference_update(page.ids)
        return found
