"""Waiting until something is so: with a limit, and no longer than it has a chance."""

import http.client
import socket
import time
from collections.abc import Callable

PAUSE = 0.1


class TimedOut(Exception):
    """It did not become so in time."""


def until(is_so: Callable[[], object], seconds: float, pause: float = PAUSE) -> None:
    """Return as soon as `is_so` answers true; whatever it raises ends the wait."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimedOut(f"not within {seconds:.0f} s")
        time.sleep(pause)


def accepts(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP connection to the port is accepted."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(port: int) -> bool:
    """Whether an HTTP server on the port answers with anything below 500."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
