"""Stopping a run: one path for Ctrl-C, SIGTERM, a cancel, a near deadline and a lost lease."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from workflow_api.errors import Interrupted

Kind = Literal["interrupt", "cancel", "lost"]


class Stop:
    """Whether this run is to stop, why, and for how long running steps may still go on.

    After a request no further step is started. Running steps have ``grace`` seconds to end by
    themselves; after that they are left at the next point where a look-up can find them again.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.kind: Kind | None = None
        self.reason = ""
        self._leave_at: float | None = None
        self._changed = threading.Condition()

    @property
    def requested(self) -> bool:
        """Whether nothing more may be started."""
        return self.kind is not None

    def request(self, kind: Kind, reason: str) -> None:
        """Ask for the stop. A lost lease outranks all; asking again makes it immediate."""
        with self._changed:
            again = self.kind == kind and kind == "interrupt"
            if self.kind is None or kind == "lost":
                self.kind, self.reason = kind, reason
                self._leave_at = time.monotonic() + self.grace
            if again or kind == "lost":
                self._leave_at = time.monotonic()
            self._changed.notify_all()

    def extend(self) -> None:
        """Give what has to be settled after a stop a grace of its own."""
        with self._changed:
            if self.kind != "lost":
                self._leave_at = time.monotonic() + self.grace

    def wait(self, seconds: float) -> None:
        """Sleep; raises Interrupted as soon as the step has to be left."""
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                now = time.monotonic()
                if self._leave_at is not None and now >= self._leave_at:
                    raise Interrupted(f"It was left where it is: {self.reason}.")
                if now >= until:
                    return
                end = until if self._leave_at is None else min(until, self._leave_at)
                self._changed.wait(end - now)


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C into a request to stop; a second Ctrl-C leaves running steps."""

    def handle(number: int, frame: FrameType | None) -> None:
        # A handler runs in the main thread, which may hold the condition's lock: never wait here.
        name = signal.Signals(number).name
        threading.Thread(
            target=stop.request, args=("interrupt", f"{name} was received"), daemon=True
        ).start()

    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only: its owner decides
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
