"""Stopping a run: one path for Ctrl-C, SIGTERM, a cancel, a near deadline and a lost lease."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Literal

from common.errors import CutOff, Interrupted

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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
        # Why nothing more may be written or sent.
        self.lost: CutOff | None = None
        self._leave_at: float | None = None
        self._insisted = False
        self._changed = threading.Condition()

    @property
    def requested(self) -> bool:
        """Whether nothing more may be started."""
        return self.kind is not None

    def request(self, kind: Kind, reason: str, *, insist: bool = False) -> None:
        """Ask for the stop. The first reason stays, but a lost lease outranks all.

        With ``insist`` a stop that was asked for before leaves running steps at once.
        """
        with self._changed:
            now = time.monotonic()
            if kind == "lost" or (insist and self.requested):
                self._leave_at, self._insisted = now, True
            elif self.kind is None:
                self._leave_at = now + self.grace
            if self.kind is None or kind == "lost":
                self.kind, self.reason = kind, reason
            self._changed.notify_all()

    def cut_off(self, error: CutOff) -> None:
        """Stop at once: this process can journal nothing more. The first error stays."""
        if self.lost is None:
            self.lost = error
        self.request("lost", self.lost.reason)

    def extend(self) -> None:
        """Give what has to be settled after a stop a grace of its own, unless somebody insists."""
        with self._changed:
            if not self._insisted:
                self._leave_at = time.monotonic() + self.grace

    def wait(self, seconds: float, *, at_once: bool = False) -> None:
        """Sleep; raises Interrupted as soon as the step has to be left.

        That is after the grace, or ``at_once`` when a stop is asked for.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                now = time.monotonic()
                leave_at = self._leave_at
                if leave_at is not None and (at_once or now >= leave_at):
                    raise Interrupted(f"It was left where it is: {self.reason}.")
                if now >= until:
                    return
                end = until if leave_at is None else min(until, leave_at)
                self._changed.wait(end - now)


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """While nothing is carried out yet, let Ctrl-C end what other threads wait for, too.

    It raises KeyboardInterrupt in the main thread as ever; that alone would have to wait there
    until the last of the others has slept and was answered.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    received: SimpleQueue[int | None] = SimpleQueue()

    def handle(number: int, frame: FrameType | None) -> None:
        received.put(number)  # see below
        raise KeyboardInterrupt

    def heed() -> None:
        while received.get() is not None:
            for insist in (False, True):
                stop.request("interrupt", "Ctrl-C was pressed", insist=insist)

    threading.Thread(target=heed, name="interrupts", daemon=True).start()
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        received.put(None)


def heeded() -> bool:
    """Return whether a run is under way that heeds signals: else Ctrl-C just ends the call."""
    return getattr(signal.getsignal(signal.SIGINT), "stops_a_run", False)


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Turn each signal that ends a process into a request to stop; a second leaves running steps.

    A lost connection (SIGHUP) is one too, unless ``nohup`` has it ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only: its owner decides
        return
    received: SimpleQueue[int | None] = SimpleQueue()

    def handle(number: int, frame: FrameType | None) -> None:
        # It interrupts the main thread anywhere, also where that holds a lock: SimpleQueue.put
        # is the one thing of the standard library that promises to be safe here.
        received.put(number)

    handle.stops_a_run = True  # type: ignore[attr-defined]

    def heed() -> None:
        while (number := received.get()) is not None:
            name = signal.Signals(number).name
            stop.request("interrupt", f"{name} was received", insist=True)

    threading.Thread(target=heed, name="signals", daemon=True).start()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [one for one in _ENDING if one != signal.SIGHUP or not ignored]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: it was not set from Python, so there is nothing that could be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        received.put(None)
