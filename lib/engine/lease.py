"""Keeping a run's lease, and finding out beside it whether the run is to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from common.errors import CutOff, LeaseLost, StoreLost
from engine.stop import Stop

if TYPE_CHECKING:
    from state.journal import Journal

log = logging.getLogger("openstack_ops")
# A reason to stop, or None; asked at every beat.
Watcher = Callable[[], "str | None"]
_BEATS_PER_LEASE = 5


def clock() -> float:
    """Return the time by which a lease is kept here, in seconds.

    Unlike the monotonic clock this one goes on while the machine sleeps, as the lease does.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right of this process to act for a run, renewed by a thread of its own."""

    def __init__(
        self,
        journal: Journal,
        root: str,
        generation: int,
        seconds: float,
        stop: Stop,
        *,
        since: float | None = None,
        cancelled: Sequence[Watcher] = (),
        deadline: float | None = None,
    ) -> None:
        """Keep generation ``generation`` of run ``root`` for ``seconds`` at a time.

        ``since`` is the ``clock()`` from before the lease was asked for; ``cancelled`` are asked
        at each beat and answer with a reason; ``deadline`` is the moment of time.monotonic() at
        which the run has to begin to stop.
        """
        self.journal, self.root, self.generation = journal, root, generation
        self.seconds, self.stop = seconds, stop
        self._cancelled, self._deadline = list(cancelled), deadline
        self._valid_until = (clock() if since is None else since) + seconds
        self._beat = seconds / _BEATS_PER_LEASE
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        # Apart from the keeper: a watcher that hangs must not cost the lease, and a database
        # that hangs must not hide the deadline.
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Lease:
        self._keeper.start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._keeper.join()

    def fence(self) -> None:
        """Raise CutOff unless the lease surely still holds; asked before each change is sent."""
        if clock() >= self._valid_until:
            self.stop.cut_off(LeaseLost(self.root))
        if self.stop.lost is not None:
            raise self.stop.lost

    def _keep(self) -> None:
        while not self._ended.wait(self._beat):
            before = clock()
            try:
                asked = self.journal.renew(self.root, self.generation, self.seconds)
            except (LeaseLost, StoreLost) as error:
                self.stop.cut_off(error)
                return
            except Exception as error:  # the database may be back at the next beat
                if clock() >= self._valid_until:
                    gone = error if isinstance(error, CutOff) else LeaseLost(self.root)
                    self.stop.cut_off(gone)
                    return
                continue
            # Counted from before the request: the database's answer can be late, never early.
            self._valid_until = before + self.seconds
            if asked:
                self.stop.request("cancel", asked)

    def _watch(self) -> None:
        while not self._ended.wait(self._pause()):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._deadline = None
                self.stop.request("interrupt", "its timeout is near")
            for ask in self._cancelled:
                try:
                    reason = ask()
                except Exception as error:  # whoever cannot be asked has not cancelled anything
                    log.warning("a watcher failed: %s", type(error).__name__)
                    continue
                if reason:
                    self.stop.request("cancel", reason)

    def _pause(self) -> float:
        if self._deadline is None:
            return self._beat
        return min(self._beat, max(0.0, self._deadline - time.monotonic()))
