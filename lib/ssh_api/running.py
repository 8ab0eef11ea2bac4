"""Running one command on a host that there is a session with, and how it ended."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import paramiko

from common.text import clean
from ssh_api.arguments import quoted
from ssh_api.channels import NoAnswer, NotStarted, ended_by, signal, start
from ssh_api.output import Kept, Lines

__all__ = ["Ended", "NoAnswer", "NotStarted", "run"]

_READ = 64 * 1024
_LOOK = 0.2
# Seconds a command has to end after each signal, and its output after its end.
_DIES, _DRAINS = 5.0, 2.0
_SIGNALS = ("TERM", "KILL")
# Servers pass on no signal to commands of root, and old ones none at all. Then it is sent by a
# second command of this session: to whatever else the session runs, and all that this has begun.
_HEARD = 1.0
_KILL = (
    "ps -A -o pid= -o ppid= | while read pid parent; do "
    '[ "$parent" = "$PPID" ] && [ "$pid" != "$$" ] && kill -s {signal} -- "-$pid"; done'
)
_START = 30.0


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended, and what it printed (in part, if that was long).

    It has a ``status`` or a ``signal``, or neither: then the session was cut or the server told
    nothing, and nobody knows whether the command has ended at all. ``timed_out`` says that it was
    ended because its time was up.
    """

    status: int | None
    signal: str | None
    timed_out: bool
    output: str
    last_line: str
    left_out: int
    seconds: float

    @property
    def known(self) -> bool:
        """Whether it is known that the command has ended."""
        return self.status is not None or self.signal is not None

    @property
    def how(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return "its time was up, and it was ended" if self.known else "its time was up"
        if self.signal is not None:
            return f"it was ended by the signal {clean(self.signal)}"
        return "the session was cut" if self.status is None else f"it ended with {self.status}"


def run(
    transport: paramiko.Transport,
    words: Sequence[str],
    *,
    timeout: float,
    take: Callable[[str], None] = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a command and return how it ended.

    ``take`` gets each line that it prints, on either stream. ``check`` is asked a few times a
    second; what it raises ends the command and goes on. After ``timeout`` seconds it is ended, too.
    Raises NotStarted if it surely was not run, NoAnswer if nobody knows whether it was.
    """
    began = time.monotonic()
    channel = start(transport, quoted(words), min(_START, timeout))
    kept = Kept()

    def line(text: str) -> None:
        kept.add(text)
        take(text)

    streams = _Streams(channel, line)
    timed_out = False
    try:
        channel.shutdown_write()  # nobody types anything
        while not streams.at_end():
            check()
            if time.monotonic() - began > timeout:
                timed_out = True
                _end(transport, channel, streams)
                break
            streams.read()
    except (EOFError, OSError, paramiko.SSHException):
        pass  # the session was cut: without a status nothing is known
    except BaseException:
        with suppress(Exception):
            _end(transport, channel, streams)
        raise
    finally:
        streams.close()
        channel.close()
    has_status = channel.exit_status_ready() and channel.exit_status >= 0
    return Ended(
        status=channel.exit_status if has_status else None,
        signal=ended_by(channel),
        timed_out=timed_out,
        output=kept.text,
        last_line=kept.end,
        left_out=kept.left_out,
        seconds=time.monotonic() - began,
    )


def _end(transport: paramiko.Transport, channel: paramiko.Channel, streams: _Streams) -> None:
    """Have a command ended, by force if it does not go."""
    for name in _SIGNALS:
        signal(channel, name)
        if streams.drained(_HEARD):
            return
        with suppress(NotStarted, NoAnswer):
            start(transport, _KILL.format(signal=name), _DIES)
        if streams.drained(_DIES):
            return


class _Streams:
    """What a channel brings, on both streams, and when that is all."""

    def __init__(self, channel: paramiko.Channel, take: Callable[[str], None]) -> None:
        self._channel = channel
        self._out, self._error = Lines(take), Lines(take)
        self._exited: float | None = None

    def read(self) -> None:
        """Take in what is there, or wait a moment for it."""
        channel, found = self._channel, False
        if channel.recv_ready():
            self._out.feed(channel.recv(_READ))
            found = True
        if channel.recv_stderr_ready():
            self._error.feed(channel.recv_stderr(_READ))
            found = True
        if not found:
            self._wait()
            if not (channel.recv_ready() or channel.recv_stderr_ready()):
                time.sleep(0.01)  # the end of one stream keeps it readable

    def _wait(self) -> None:
        """Wait until there is something, in a process with however many open files."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.select(_LOOK)

    def at_end(self) -> bool:
        """Whether nothing more comes: a process that outlives the command may hold a stream."""
        channel = self._channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if channel.closed or not channel.transport.is_active():
            return True
        if not (channel.exit_status_ready() or ended_by(channel)):
            return False
        now = time.monotonic()
        self._exited = self._exited or now
        return bool(channel.eof_received) or now - self._exited > _DRAINS

    def drained(self, seconds: float) -> bool:
        """Take in what comes for so long; return whether that was all."""
        until = time.monotonic() + seconds
        while not self.at_end():
            if time.monotonic() > until:
                return False
            self.read()
        return True

    def close(self) -> None:
        """Hand on what is left of a line."""
        for stream in (self._out, self._error):
            stream.feed(b"", last=True)
