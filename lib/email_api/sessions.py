"""smtplib's sessions with an end to every answer: a moment, a size, and nobody who waits."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from typing import Any

from accounts import bounded

# RFC 5321, 4.5.3.1.5 allows 512 octets a line; a greeting can have many.
_LARGEST = 64 * 1024
_PIECE = 64 * 1024


class EndlessReply(OSError):
    """A server that talks on and on."""


class Session(smtplib.SMTP):
    """A session in which each answer has the socket's timeout as a whole.

    ``wait`` is called with 0 while an answer is waited for, and ends that by raising.
    """

    def __init__(self, wait: Callable[[float], None], *where: Any, **how: Any) -> None:
        self._wait = wait
        self._bounds: bounded.Deadline | None = None
        super().__init__(*where, **how)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next answer; raises SMTPServerDisconnected if none comes in time."""
        sock = self.sock
        assert sock is not None
        seconds = float(sock.gettimeout() or 0)
        self._bounds = bounded.Deadline(
            seconds,
            _LARGEST,
            late=lambda: TimeoutError("no answer in time"),
            large=lambda: EndlessReply("its answer has no end"),
            look=lambda: self._wait(0),
        )
        if self.file is None:
            self.file = bounded.reader(sock, self)
        try:
            return super().getreply()
        finally:
            if self.sock is not None:
                self.sock.settimeout(seconds)

    def left(self) -> float:
        """Return how many seconds the answer may still take."""
        assert self._bounds is not None
        return self._bounds.left()

    def count(self, size: int) -> None:
        """Count bytes of the answer."""
        assert self._bounds is not None
        self._bounds.count(size)

    def hand_over(self, data: bytes) -> None:
        """Send a body within the socket's timeout as a whole, over TLS too. Raises OSError."""
        sock = self.sock
        assert sock is not None
        seconds = float(sock.gettimeout() or 0)
        until, rest = time.monotonic() + seconds, memoryview(data)
        try:
            while rest:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the body was not taken in time")
                sock.settimeout(left)
                rest = rest[sock.send(rest[:_PIECE]) :]
        finally:
            sock.settimeout(seconds)


class SecureSession(Session, smtplib.SMTP_SSL):
    """The same where TLS is spoken from the first byte."""
