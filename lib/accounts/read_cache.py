"""Reads shared by plans: while many plans are drawn, what one of them has read is not read again.

Only the thread that draws plans, and those that read for it, share reads. What a run does always
goes to the cloud.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from accounts.cloud import Cloud

_Key = tuple[Any, ...]
Shared = TypeVar("Shared")


class Listed(Protocol):
    """Things that can be listed, and many of which will be read one by one."""

    def covers(self, cloud: Cloud, service: str, path: str) -> bool:
        """Return whether this GET shows one of them."""

    def read(self, cloud: Cloud, microversion: str | None) -> Mapping[str, bytes]:
        """Return what a GET of each of them would answer, by its path. Raises CloudError."""


class SharedReads:
    """What was read of clouds since it began, for any number of threads.

    Plans that are drawn with it also record what they take (of a quota), so that each is judged by
    what the others leave.

    The first GET that shows one of the things in ``listed`` lists all of them, in the microversion
    of that GET; a thing that no listing had is read by itself.

    ``many`` says that there are so many plans that what all of them need is read together, and what
    would take a request for each is left out of the plans. ``about`` are the ids of the things that
    the plans are about, by resource.
    """

    def __init__(
        self, *listed: Listed, many: bool = False, about: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._listed, self.many = listed, many
        self._about = {kind: frozenset(ids) for kind, ids in (about or {}).items()}
        self._lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Discard everything: what is read from now on is read from the cloud."""
        with self._lock:
            self.began = time.monotonic()
            self._seen: dict[_Key, bytes] = {}
            self._shared: dict[_Key, Any] = {}
            self._expected = {kind: set(ids) for kind, ids in self._about.items()}
            self._read: set[_Key] = set()
            self._taken: dict[_Key, dict[str, int]] = {}
            self._takings: list[tuple[_Key, str, int]] = []

    def age(self) -> float:
        """Return how long ago it began, in seconds."""
        return time.monotonic() - self.began

    def get(
        self,
        cloud: Cloud,
        service: str,
        path: str,
        params: Mapping[str, Any],
        microversion: str | None,
    ) -> bytes | None:
        """Return what this GET answered or would answer, None if that was not read."""
        key = _key(cloud, service, path, params, microversion)
        with self._lock:
            if key not in self._seen and not params:
                self._list(cloud, service, path, microversion)
            return self._seen.get(key)

    def keep(
        self,
        cloud: Cloud,
        service: str,
        path: str,
        params: Mapping[str, Any],
        microversion: str | None,
        body: bytes,
    ) -> None:
        """Keep what a GET answered."""
        with self._lock:
            self._seen[_key(cloud, service, path, params, microversion)] = body

    def shared(self, key: _Key, make: Callable[[], Shared]) -> Shared:
        """Return the object of a key, made by ``make()`` the first time."""
        with self._lock:
            known = self._shared.get(key)
        if known is None:
            made = make()  # it may ask, and so may threads that it starts
            with self._lock:
                known = self._shared.setdefault(key, made)
        found: Shared = known
        return found

    def expected(self, kind: str) -> frozenset[str]:
        """Return the ids of things of a resource that plans are likely to ask about."""
        with self._lock:
            return frozenset(self._expected.get(kind, ()))

    def expect(self, kind: str, ids: Iterable[str]) -> None:
        """Add such ids: of things that were seen on the way."""
        with self._lock:
            self._expected.setdefault(kind, set()).update(ids)

    def take(self, what: _Key, by: str, number: int) -> int:
        """Record how much of something one plan will take; return how much others take of it.

        If a plan is drawn again, its latest amount replaces the earlier one.
        """
        with self._lock:
            taken = self._taken.setdefault(what, {})
            self._takings.append((what, by, taken.get(by, 0)))
            taken[by] = number
            return sum(taken.values()) - number

    def mark(self) -> int:
        """Return where the taking stands, for :meth:`take_back`."""
        return len(self._takings)

    def take_back(self, mark: int) -> None:
        """Undo what was taken since a mark: the plan that would have taken it was refused."""
        with self._lock:
            while len(self._takings) > mark:
                what, by, before = self._takings.pop()
                self._taken[what][by] = before

    def _list(self, cloud: Cloud, service: str, path: str, microversion: str | None) -> None:
        for number, things in enumerate(self._listed):
            mark = (number, cloud, microversion)
            if mark in self._read or not things.covers(cloud, service, path):
                continue
            self._read.add(mark)
            with reading_with(None):
                shown = things.read(cloud, microversion)
            for shown_path, body in shown.items():
                self._seen[_key(cloud, service, shown_path, {}, microversion)] = body


_current: ContextVar[SharedReads | None] = ContextVar("look", default=None)


def current() -> SharedReads | None:
    """Return the reads that this thread shares, None if it shares none."""
    return _current.get()


def is_of_many() -> bool:
    """Return whether this thread draws many plans, which leave out what costs each a request."""
    reads = _current.get()
    return reads is not None and reads.many


@contextmanager
def reading_with(reads: SharedReads | None) -> Iterator[None]:
    """Share what this thread reads of clouds in the block; None shares nothing."""
    before = _current.set(reads)
    try:
        yield
    finally:
        _current.reset(before)


def _key(
    cloud: Cloud, service: str, path: str, params: Mapping[str, Any], microversion: str | None
) -> _Key:
    given = tuple(sorted((name, str(value)) for name, value in params.items()))
    return (cloud, service, path, given, microversion)
