"""Saying what Ctrl-C does. The stop itself is the engine's business (see engine.stop)."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.stop import heeded

AGAIN = "Ctrl-C again leaves running steps where they are"
_SETTLED = 0.3
LEAVING = "Running steps are left where a later look-up finds them"


@contextmanager
def announced(say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, ``say`` what the engine makes of each signal that asks it to stop.

    Python writes the number of every signal into a socket whoever handles it, so this needs no
    part in the handling.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, say), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        listener.join(1)
        reader.close()


def _listen(reader: socket.socket, say: Callable[[str], None]) -> None:
    pressed = 0
    while numbers := reader.recv(64):
        if not heeded():
            continue  # no run is under way: Ctrl-C just ends the command
        # A signal that comes before Python has handled the last one is lost in it. So the
        # engine gets the time to handle this one before anybody is asked for the next.
        time.sleep(_SETTLED)
        if signal.SIGINT in numbers:
            pressed += 1
            say(f"{AGAIN}." if pressed == 1 else f"{LEAVING}.")
