"""Keeping a run's lease, and finding out in the same heartbeat whether it is to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workflow_api.errors import LeaseLost
from workflow_api.stop import Stop

if TYPE_CHECKING:
    from state.journal import Journal

# A reason to stop and its kind, or None; asked at every heartbeat.
Watcher = Callable[[], "str | None"]
_BEATS_PER_LEASE = 5


def _clock() -> float:
    # Unlike the monotonic clock this one goes on while the machine sleeps, as the lease does.
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
        cancelled: Sequence[Watcher] = (),
        deadline: float | None = None,
    ) -> None:
        """Keep generation ``generation`` of run ``root`` for ``seconds`` at a time.

        ``cancelled`` are asked at each beat and answer with a reason; ``deadline`` is the
        moment of time.monotonic() at which whoever started us kills us.
        """
        self.journal, self.root, self.generation = journal, root, generation
        self.seconds, self.stop = seconds, stop
        self._cancelled, self._deadline = list(cancelled), deadline
        self._valid_until = _clock() + seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def fence(self) -> None:
        """Raise LeaseLost unless the lease surely still holds; asked before each change is sent."""
        if self.stop.kind == "lost" or _clock() >= self._valid_until:
            self.stop.request("lost", "its lease was lost")
            raise LeaseLost(self.root)

    def _keep(self) -> None:
        pause = self.seconds / _BEATS_PER_LEASE
        while not self._ended.wait(pause):
            self._look_at_deadline()
            before = _clock()
            try:
                asked = self.journal.renew(self.root, self.generation, self.seconds)
            except LeaseLost:
                self.stop.request("lost", "its lease was lost")
                return
            except Exception:  # the database may be back at the next beat
                if _clock() >= self._valid_until:
                    self.stop.request("lost", "its lease could not be renewed in time")
                    return
                continue
            # Counted from before the request: the database's answer can be late, never early.
            self._valid_until = before + self.seconds
            if asked:
                self.stop.request("cancel", f"{asked} cancelled it")
            elif reason := next(filter(None, (ask() for ask in self._cancelled)), None):
                self.stop.request("cancel", reason)

    def _look_at_deadline(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._deadline = None
            self.stop.request("interrupt", "its timeout is near")
