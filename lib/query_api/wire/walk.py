"""Reading a slow listing from both its ends, many pages side by side.

A brief listing in the same order gives the markers, and a page with details is asked for as soon
as it is known which ids belong on it. The time that is left is that of one brief page after
another, so where a listing can be read backwards, a second chain of them comes from its end.

A stretch is what a brief page has that no other had before. Its page has to hold these ids; where
rows were added in between, it is followed until it does, or until it holds ids that come later:
what is still wanted then was deleted meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec

from common.errors import CloudError
from query_api.wire import following
from query_api.wire.decode import Page
from query_api.wire.following import Ask, Stuck

Done = TypeVar("Done")
# What is said of a marker that is gone, and of an order that is not known or not allowed.
_NOT_BACKWARDS = frozenset({400, 403, 404})


class _Way:
    """One way through a listing, with what was asked for on it, in its order; None is the end.

    ``sign`` is 1 from the beginning, -1 from the end. ``before`` is the page that it goes on from.
    """

    def __init__(
        self,
        sign: int,
        before: Page | None,
        detailed: Ask[Page],
        brief: Ask[Page],
        params: Mapping[str, Any],
    ) -> None:
        self.sign, self.before = sign, before
        self.detailed: Ask[Page] = lambda more: detailed({**params, **more})
        self.brief: Ask[Page] = lambda more: brief({**params, **more})
        self.stretches: SimpleQueue[Future[list[Page]] | None] = SimpleQueue()
        self.chain: Future[None] | None = None

    def end(self) -> None:
        """Raise what ended its chain of brief pages, if something did."""
        if self.chain:
            self.chain.result()


class Walk:
    """The pages after the first, in the listing's order whichever way they were read.

    ``detailed`` and ``brief`` ask for pages. ``backwards`` are the parameters that turn the order
    round, empty if it is not to be read from its end. ``most`` pages are asked for side by side.
    ``say_stuck`` is called where details are missing. Raises CloudError; raises Stuck where the
    listing goes no further.
    """

    def __init__(
        self,
        first: Page,
        detailed: Ask[Page],
        brief: Ask[Page],
        *,
        backwards: Mapping[str, Any],
        most: int,
        say_stuck: Callable[[], None],
    ) -> None:
        self._first, self._most, self._say_stuck = first, most, say_stuck
        self._onwards = _Way(1, first, detailed, brief, {})
        self._back = _Way(-1, None, detailed, brief, backwards) if backwards else None
        # The number of each id's stretch: 1, 2, ... from the beginning, -1, -2, ... from the end.
        # Those of the first page have 0.
        self._numbers: dict[Any, int] = dict.fromkeys(first.ids, 0)
        self._numbering = threading.Lock()
        # Every id was on a brief page, so there is nothing to be found on a further one.
        self._whole = threading.Event()
        # Something failed, or nobody wants more: what has not begun is not begun.
        self._ended = threading.Event()
        self._stuck: Stuck | None = None

    def __iter__(self) -> Iterator[Page]:
        back = self._back
        # The chains have threads of their own beside those that keep the service busy.
        with ThreadPoolExecutor(self._most + 2) as pool:
            try:
                self._begin(
                    pool, self._onwards, following.onwards(self._first, self._onwards.brief)
                )
                for future in iter(self._onwards.stretches.get, None):
                    yield from future.result()
                self._onwards.end()
                if back and back.chain:
                    stretches = list(iter(back.stretches.get, None))
                    back.end()
                    while stretches:
                        yield from map(_turned, reversed(stretches.pop().result()))
            finally:
                self._ended.set()
        if self._stuck and not self._whole.is_set():
            raise self._stuck

    def _job(self, work: Callable[..., Done], *args: Any) -> Done:
        try:
            return work(*args)
        except BaseException:
            self._ended.set()
            raise

    # -- brief pages, one after another --------------------------------------------------------

    def _begin(self, pool: ThreadPoolExecutor, way: _Way, pages: Iterable[Page]) -> None:
        way.chain = pool.submit(copy_context().run, self._job, self._follow, pool, way, pages)
        way.chain.add_done_callback(lambda _: way.stretches.put(None))

    def _follow(self, pool: ThreadPoolExecutor, way: _Way, pages: Iterable[Page]) -> None:
        before = way.before
        try:
            for number, page in enumerate(pages, 1):
                if self._whole.is_set() or self._ended.is_set():
                    return
                if wanted := self._new(way, number, page):
                    way.stretches.put(
                        pool.submit(
                            copy_context().run,
                            self._job,
                            self._stretch,
                            way,
                            number,
                            before,
                            wanted,
                        )
                    )
                if self._whole.is_set():
                    return
                # A listing that ends on this page needs no look at it from its end.
                if before is self._first and page.marker is not None and self._back:
                    self._begin(pool, self._back, self._from_the_end(self._back))
                before = page
            if way is self._onwards:
                self._whole.set()
        except Stuck as stuck:
            # The other way may yet come to where this one has stopped.
            if way is self._onwards:
                self._stuck = stuck

    def _new(self, way: _Way, number: int, page: Page) -> set[Any]:
        """Return the ids that no page had before, and see whether the ways have met.

        An id that both ways had says so: the one has all that is before it, the other all after.
        """
        mine = way.sign * number
        with self._numbering:
            numbers = [self._numbers.setdefault(one, mine) for one in page.ids]
        if any(other * way.sign < 0 for other in numbers):
            self._whole.set()
        return {one for one, its in zip(page.ids, numbers, strict=True) if its == mine}

    def _from_the_end(self, back: _Way) -> Iterator[Page]:
        """Yield the brief pages from the end on; none if the listing does not turn round."""
        try:
            page = back.brief({})
            turns = self._turns(page)
        except CloudError as error:
            if error.status not in _NOT_BACKWARDS:
                raise
            return
        if turns:
            yield page
            yield from following.onwards(page, back.brief)

    def _turns(self, page: Page) -> bool:
        """Tell whether nothing comes after the row that the way back begins with.

        Nova puts what it is building first in either order: that was on the first page.
        """
        last = next((one for one in page.ids if self._numbers.get(one) != 0), None)
        return last is not None and not self._onwards.brief({"marker": last, "limit": 1}).count

    # -- pages with details, side by side ------------------------------------------------------

    def _stretch(self, way: _Way, number: int, before: Page | None, wanted: set[Any]) -> list[Page]:
        found: list[Page] = []
        if self._ended.is_set():
            return found
        try:
            for page in _pages(way.detailed, before):
                found.append(page)
                wanted.difference_update(page.ids)
                numbers = [way.sign * self._numbers.get(one, 0) for one in page.ids]
                if not wanted or any(its < 0 or its > number for its in numbers):
                    break
        except Stuck:
            self._say_stuck()
        return found


def _pages(ask: Ask[Page], before: Page | None) -> Iterator[Page]:
    """Yield the pages after the one before, or all if there is none."""
    if before is None:
        yield (before := ask({}))
    yield from following.onwards(before, ask)


def _turned(page: Page) -> Page:
    """Return a page of the way back with its rows in the listing's order."""
    return msgspec.structs.replace(page, columns=[column[::-1] for column in page.columns])
