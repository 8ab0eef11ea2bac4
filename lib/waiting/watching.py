"""Waiting for many things of one cloud at once: one listing serves all who wait.

Whoever is the first to be due looks for everybody, and the others take what was seen. One that
waits alone asks for its own thing by its id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Set
from typing import Any, Protocol

import msgspec

from accounts.cloud import Cloud
from common.errors import CutOff, Interrupted, RunbookError
from workflow_api import Attempt

# Two listings are at least so far apart, in seconds, and so many times as long as one takes.
_LEAST, _SPARING = 0.25, 1.0
# How often one who waits looks up, to see whether it has to leave.
_GLANCE = 0.2
# So many wait each for themselves.
_FEW = 1
# Clocks of a cloud and of this machine differ by less than this many seconds, as a rule; once it
# is known by how many they do, a listing can begin later and is shorter. What it lacks all the same
# is asked for by its id.
_MARGIN, _KNOWN_MARGIN = 30.0, 3.0


class Awaited(msgspec.Struct, frozen=True):
    """Many things that are waited for, by their ids.

    They have been changed ``since`` a moment (in seconds since 1970, by the cloud's clock) or
    later. ``tasks`` are those that they are likely to be in; some are through with theirs.
    """

    ids: Collection[str]
    since: float
    tasks: Collection[str]


class Watched(Protocol):
    """Things of one kind, and how they are seen.

    ``look`` takes an id, and returns None for what is gone. ``look_many`` returns, by id, those of
    many things that a listing shows; it is asked if more than ``few`` are waited for. ``busy``
    names a task under way, ``changed_at`` tells when a thing was changed, by the cloud's clock.
    """

    @property
    def name(self) -> str:
        """What one of them is called."""

    @property
    def look(self) -> Callable[[Cloud, str], Any]:
        """See above, as the others."""

    @property
    def look_many(self) -> Callable[[Cloud, Awaited], Mapping[str, Any]] | None:
        """See above."""

    @property
    def few(self) -> int:
        """See above."""

    @property
    def busy(self) -> Callable[[Any], str]:
        """See above."""

    @property
    def changed_at(self) -> Callable[[Any], float | None]:
        """See above."""


class _Waiting(msgspec.Struct, eq=False):
    """One who waits for a thing; ``since`` is when it was changed, by this machine's clock.

    ``tasks`` are those that the change sets off.
    """

    id: str
    since: float
    tasks: Set[str] = frozenset()
    seen: Any = None
    error: RunbookError | None = None
    told: bool = False


class Watch:
    """All that wait for things of one kind in one cloud, in this process."""

    def __init__(self, cloud: Cloud, watched: Watched) -> None:
        self._cloud, self._watched = cloud, watched
        self._waiting: list[_Waiting] = []
        self._asking = False
        self._not_before = 0.0
        # By how much the cloud's clock is ahead of ours, at most; None until it was seen.
        self._ahead: float | None = None
        # The tasks that things were in when they were last seen.
        self._tasks: set[str] = set()
        self._changed = threading.Condition()

    def after(
        self,
        attempt: Attempt,
        id: str,
        seconds: float,
        since: float,
        tasks: Set[str] = frozenset(),
    ) -> tuple[Any, float]:
        """Return how a thing is about ``seconds`` from now (None: gone), and how long it took.

        It may be sooner, if another one's turn comes first, and is never what was seen before the
        call. ``since`` is a moment before it was changed (time.time()), ``tasks`` what that sets
        off. Raises Interrupted, and what looking raises.
        """
        mine = _Waiting(id, since, tasks)
        began = time.monotonic()
        due = began + seconds
        with self._changed:
            self._waiting.append(mine)
            alone = len(self._waiting) <= _FEW
        try:
            if alone:
                attempt.wait(seconds)  # a second one that comes meanwhile does not wait for this
                due = 0.0
            while not mine.told:
                if self._is_my_turn(mine, due):
                    self._look_for_all(attempt)
                else:
                    attempt.wait(0.0)  # raises if it has to leave
        finally:
            with self._changed:
                self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error
        return mine.seen, seconds if alone else time.monotonic() - began

    def _is_my_turn(self, mine: _Waiting, due: float) -> bool:
        """Wait for a moment; return whether this one is to look for all now."""
        with self._changed:
            if mine.told:
                return False
            alone = len(self._waiting) <= _FEW
            left = max(due, 0.0 if alone else self._not_before) - time.monotonic()
            if self._asking or left > 0:
                self._changed.wait(_GLANCE if self._asking else min(left, _GLANCE))
                return False
            self._asking = True
            return True

    def _look_for_all(self, attempt: Attempt) -> None:
        with self._changed:
            waiting = [one for one in self._waiting if not one.told]
        began = time.monotonic()
        try:
            self._see(waiting)
        finally:
            with self._changed:
                took = time.monotonic() - began
                self._not_before = time.monotonic() + max(_LEAST, _SPARING * took)
                self._asking = False
                self._changed.notify_all()

    def _see(self, waiting: list[_Waiting]) -> None:
        """Look for all of them; what cannot be read is an error of each who waits for it."""
        rest = waiting
        many = self._watched.look_many
        if many is not None and len(waiting) > self._watched.few:
            since = min(one.since for one in waiting)
            since += -_MARGIN if self._ahead is None else self._ahead - _KNOWN_MARGIN
            tasks = self._tasks.union(*(one.tasks for one in waiting))
            try:
                found = many(self._cloud, Awaited({one.id for one in waiting}, since, tasks))
            except (CutOff, Interrupted):
                raise
            except RunbookError as error:
                for one in waiting:
                    self._tell(one, error=error)
                return
            for one in waiting:
                if one.id in found:
                    self._tell(one, found[one.id])
                    self._compare(one)
            rest = [one for one in waiting if one.id not in found]
        for one in rest:
            try:
                self._tell(one, self._watched.look(self._cloud, one.id))
            except (CutOff, Interrupted):
                raise
            except RunbookError as error:
                self._tell(one, error=error)
        seen = [one.seen for one in waiting if one.seen is not None]
        self._tasks = {task for thing in seen if (task := self._watched.busy(thing))}

    def _compare(self, one: _Waiting) -> None:
        """Learn of the cloud's clock: a thing was changed after the request for it was sent."""
        stamp = self._watched.changed_at(one.seen)
        if stamp is None or stamp < one.since - _MARGIN:
            return
        ahead = stamp - one.since
        self._ahead = ahead if self._ahead is None else min(self._ahead, ahead)

    def _tell(self, one: _Waiting, seen: Any = None, error: RunbookError | None = None) -> None:
        with self._changed:
            one.seen, one.error, one.told = seen, error, True
            self._changed.notify_all()


class _Watches:
    """The watches of one cloud, by what they watch."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._watches: dict[str, Watch] = {}
        self._lock = threading.Lock()

    def of(self, watched: Watched) -> Watch:
        with self._lock:
            if watched.name not in self._watches:
                self._watches[watched.name] = Watch(self._cloud, watched)
            return self._watches[watched.name]


def watch(cloud: Cloud, watched: Watched) -> Watch:
    """Return the one watch that this process has for things of a kind in a cloud."""
    return cloud.shared(_Watches).of(watched)
