"""Following a listing to its end: page after page, or many at once where pages are slow.

:class:`Pages` yields columns, for queries; :func:`pages` and :func:`rows` yield structs, for
lookups.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from query_api.language.schema import Listing, Paging, Property
from query_api.wire import following
from query_api.wire.decode import Decoding, Page, Shape, row_shape
from query_api.wire.following import Stuck
from query_api.wire.reader import not_understood
from query_api.wire.reading import Reading

# A first page that took longer than this is worth a second, brief listing for the markers.
_SLOW = 0.15
# Nova's own default for osapi_max_limit; a service that allows fewer answers with fewer.
_PAGE = 1000
TOO_NEW = 406
Row = TypeVar("Row", bound=msgspec.Struct)


class Pages:
    """One listing with its parameters, read by iterating over it.

    ``shape`` decodes its answers. ``key`` is where among their columns the one stands that tells
    rows apart; None if the rows have none. A row can be on more than one page. ``enough`` is how
    many rows are wanted, None for all; ``to_end`` says that it is likely to be read to its end.
    ``say_stuck`` is called where a page came again instead of the one after it; without it the
    reading is told that rows are missing. Raises CloudError.
    """

    def __init__(
        self,
        reading: Reading,
        listing: Listing,
        shape: Decoding,
        key: int | None,
        *,
        path: str,
        params: Mapping[str, Any] | None = None,
        enough: int | None = None,
        to_end: bool = True,
        say_stuck: Callable[[], None] | None = None,
    ) -> None:
        self._reading, self._listing, self._key = reading, listing, key
        self._shape, self._to_end = shape, to_end
        self._say_stuck = say_stuck or self._say_missing
        self._path, self._params = path, {**listing.params, **(params or {})}
        if listing.paging == "offset" and key is None:
            raise TypeError(f"{listing.path}: by offset, rows have to be told apart")
        if listing.paging != "none":
            # Room for one row more than is wanted: nobody takes a page of one for a listing's end.
            wanted = listing.page if enough is None else min(listing.page, enough + 1)
            self._params["limit"] = wanted

    def __iter__(self) -> Iterator[Page]:
        by_offset = self._listing.paging == "offset"
        try:
            for page in following.by_offset(self._page) if by_offset else self._by_marker():
                # Keystone says it of each page but the last one, too.
                if page.truncated and page.marker is None:
                    self._say("the service says that it has cut its answer")
                yield page
        except Stuck as stuck:
            # A service that knows no pages has given all its rows, and gives them to who wants one.
            if self._page({"limit": 1}).count != stuck.rows:
                self._say_stuck()

    def _by_marker(self) -> Iterator[Page]:
        self._reading.log_in()  # or the first page would seem slow
        began = time.monotonic()
        page = self._page({})
        slow = time.monotonic() - began > _SLOW
        yield page
        if page.marker is None:
            return
        if slow and self._listing.brief and self._reading.most > 1:
            yield from self._walk(page)
        else:
            yield from following.onwards(page, self._page)

    def _walk(self, first: Page) -> Iterator[Page]:
        from query_api.wire.walk import Walk

        return iter(
            Walk(
                first,
                self._page,
                self._brief,
                backwards=self._listing.backwards if self._to_end else {},
                most=self._reading.most,
                say_stuck=self._say_stuck,
            )
        )

    def _say_missing(self) -> None:
        self._say("the service answered with the same page again: rows after it are missing")

    def _page(self, more: Mapping[str, Any]) -> Page:
        page = self._asked(self._path, self._shape, more)
        if self._key is not None:
            page.ids = self._known(page.columns[self._key])
        return page

    def _brief(self, more: Mapping[str, Any]) -> Page:
        page = self._asked(self._listing.brief, _ids_of(self._listing.collection), more)
        page.ids = self._known(page.columns[0])
        return page

    def _known(self, ids: Sequence[Any]) -> Sequence[Any]:
        """Return the ids; raises CloudError if a row has none: it would pass for another one."""
        if None in ids:
            raise self._not_understood(self._path, "a row is without its id")
        return ids

    def _asked(self, path: str, shape: Decoding, more: Mapping[str, Any]) -> Page:
        """Ask with the better microversion where the service has it; that is found out once."""
        listing, refused = self._listing, self._reading.refused_versions()
        params = {**self._params, **more}
        better = (listing.service, listing.better or "")
        if listing.better and better not in refused:
            try:
                return self._decoded(path, shape, params, listing.better)
            except CloudError as error:
                if error.status != TOO_NEW:
                    raise
                refused.add(better)
        return self._decoded(path, shape, params, listing.microversion)

    def _decoded(
        self, path: str, shape: Decoding, params: Mapping[str, Any], version: str | None
    ) -> Page:
        reading = self._reading
        answer = reading.one(self._listing.service, path, shape.answer, params, version)
        try:
            return shape.page(answer)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._not_understood(path, error) from None

    def _not_understood(self, path: str, why: object) -> CloudError:
        return not_understood(self._reading.cloud, self._listing.service, path, why)

    def _say(self, why: str) -> None:
        self._reading.incomplete(f"{self._listing.collection} of {self._reading.cloud.name}", why)


@cache
def _ids_of(collection: str) -> Shape:
    identity = Property(name="id", kind="text", about="What tells it from others.")
    return Shape(Listing(service="", path="", collection=collection), (identity,))


def pages(
    of: Cloud | Reading,
    service: str,
    path: str,
    row: type[Row],
    collection: str,
    *,
    params: Mapping[str, Any] | None = None,
    microversion: str | None = None,
    limit: int = _PAGE,
    paging: Paging = "links",
) -> Iterator[list[Row]]:
    """Yield the pages of a listing as they come; rows seen on an earlier page are left out.

    ``of`` is the cloud, or the reading that counts the requests. A page can repeat rows when things
    are made or deleted while it is read. ``limit`` is the wanted page size; services may answer
    with less. ``paging`` is how the service gives its pages, as in a Listing. Raises CloudError,
    also where a page comes again instead of the one after it.
    """
    reading = of if isinstance(of, Reading) else Reading(of)

    def stuck() -> None:
        raise CloudError(
            f"Cloud {reading.cloud.name}: asking {service} for {path}: it answered with the same "
            "page again instead of the one after it.",
            advice="See whether something on the way (a cache, a proxy) answers in its place.",
        )

    listing = Listing(
        service=service,
        path=path,
        collection=collection,
        microversion=microversion,
        paging=paging,
        page=limit,
    )
    shape = row_shape(row, collection)
    seen: set[Any] = set()
    for page in Pages(reading, listing, shape, 1, path=path, params=params, say_stuck=stuck):
        new = [entry for entry, its in zip(*page.columns, strict=True) if its not in seen]
        seen.update(page.ids)
        yield new


def rows(
    of: Cloud | Reading, service: str, path: str, row: type[Row], collection: str, **how: Any
) -> list[Row]:
    """Return all rows of a listing. Takes what :func:`pages` takes."""
    return [entry for page in pages(of, service, path, row, collection, **how) for entry in page]
