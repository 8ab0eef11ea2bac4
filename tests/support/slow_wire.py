"""A way to a TCP server that is as slow as a test wants, and can be cut or fall silent."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

_PIECE = 1024


class Wire:
    """A proxy on loopback in front of one server: a context manager, to be used once.

    ``latency`` is how many seconds everything takes, each way; ``rate`` how many bytes pass in a
    second, each way, as many as there are if it is 0.
    """

    def __init__(self, address: str, port: int, *, latency: float = 0.0, rate: float = 0.0) -> None:
        self._there, self._latency, self._rate = (address, port), latency, rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: Bytes that have passed, both ways.
        self.passed = 0
        self._open: list[socket.socket] = []
        self._silent = threading.Event()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End all connections that there are."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def fall_silent(self) -> None:
        """Pass nothing any more, and end nothing."""
        self._silent.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._there)
            self._open += [near, far]
            for one in (near, far):
                one.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                time.sleep(self._latency + (len(data) / self._rate if self._rate else 0.0))
                if self._silent.is_set():
                    continue
                target.sendall(data)
                self.passed += len(data)
            target.shutdown(socket.SHUT_WR)
