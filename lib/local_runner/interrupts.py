"""Saying what Ctrl-C does. The stop itself is the engine's business (see workflow_api.stop)."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

FINISHING = "Stopping: running steps are being finished"
AGAIN = "Ctrl-C again leaves them"
LEAVING = "Running steps are left where a later look-up finds them"


@contextmanager
def announced(say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, ``say`` what the engine makes of each signal that asks it to stop.

    Python writes the number of every signal into a socket whoever handles it, so this needs no
    part in the handling. A lost connection (SIGHUP) becomes a SIGTERM, unless ``nohup`` is on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    quiet = signal.getsignal(signal.SIGINT)
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, quiet, say), daemon=True)
    listener.start()
    hung_up = signal.getsignal(signal.SIGHUP)
    if hung_up is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, hung_up)
        signal.set_wakeup_fd(before)
        writer.close()
        listener.join(1)
        reader.close()


def _listen(reader: socket.socket, quiet: object, say: Callable[[str], None]) -> None:
    pressed = 0
    while number := reader.recv(1):
        if signal.getsignal(signal.SIGINT) is quiet:
            continue  # no run is under way: Ctrl-C just ends the command
        if number[0] == signal.SIGINT:
            pressed += 1
            say(f"{FINISHING}, {AGAIN}." if pressed == 1 else f"{LEAVING}.")
        elif number[0] == signal.SIGTERM:
            say(f"{FINISHING}.")


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
