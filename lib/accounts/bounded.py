"""Reading from a socket with an end: a moment by which all must be there, and a size."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any, Protocol

# How long one look at a silent socket takes; in between it is seen whether to go on at all.
_LOOK = 0.25


class Bounds(Protocol):
    """What a reader asks while it waits and reads."""

    def left(self) -> float:
        """Return how many seconds are left; raises what the reader is to end with."""

    def count(self, size: int) -> None:
        """Take note of so many bytes; raises what the reader is to end with."""


class Deadline:
    """Bounds by ``seconds`` from now and ``most`` bytes.

    ``late`` and ``large`` make what is raised beyond them. ``look`` is called at every look; it
    may raise, and so end a wait that nobody wants the end of.
    """

    def __init__(
        self,
        seconds: float,
        most: int,
        *,
        late: Callable[[], Exception],
        large: Callable[[], Exception],
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.until, self.most, self.seen = time.monotonic() + seconds, most, 0
        self._late, self._large, self._look = late, large, look

    def left(self) -> float:
        """Return how many seconds are left, more than none."""
        self._look()
        left = self.until - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def count(self, size: int) -> None:
        """Count bytes that came."""
        self.seen += size
        if self.seen > self.most:
            raise self._large()


def reader(sock: Any, bounds: Bounds) -> io.BufferedReader:
    """Return a file of what comes in at a socket, plain or TLS, that ends within the bounds."""
    return io.BufferedReader(_Bounded(sock, bounds))


class Source:
    """A socket as ``http.client`` wants it for an answer, which is read within the bounds."""

    def __init__(self, sock: Any, bounds: Bounds) -> None:
        self._sock, self._bounds = sock, bounds

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what :func:`reader` does."""
        return reader(self._sock, self._bounds)


class _Bounded(io.RawIOBase):
    def __init__(self, sock: Any, bounds: Bounds) -> None:
        super().__init__()
        self._sock, self._bounds = sock, bounds
        # A socket that is closed stays open for the files that were made of it.
        self._hold = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._sock.fileno())

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(min(self._bounds.left(), _LOOK))
            try:
                size = int(self._sock.recv_into(buffer))
            except TimeoutError:
                continue
            self._bounds.count(size)
            return size

    def close(self) -> None:
        if not self.closed:
            self._hold.close()
        super().close()
