"""A server on loopback that does with each connection exactly what a test says, TLS included."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

#: What is done with one connection; the request's bytes come first.
Script = Callable[["Call"], None]


class Call:
    """One connection that has sent ``request``, head and body."""

    def __init__(self, sock: socket.socket, request: bytes, server: RawServer) -> None:
        self.sock, self.request, self.server = sock, request, server

    @property
    def line(self) -> str:
        """Method and path."""
        return b" ".join(self.request.split(b" ", 2)[:2]).decode()

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send one byte after another, so many seconds apart, until nobody listens any more."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self.server.ended.wait(seconds):
                return


class RawServer:
    """A context manager; ``calls`` are the requests that came, ``origin`` is its address.

    With ``clients`` it wants a certificate of this authority's from whoever connects.
    """

    def __init__(
        self, script: Script, *, certificate: Path | None = None, clients: Path | None = None
    ) -> None:
        self.script, self.calls = script, list[bytes]()
        self.ended = threading.Event()
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
            if clients is not None:
                self._tls.load_verify_locations(clients)
                self._tls.verify_mode = ssl.CERT_REQUIRED
        #: Seconds before TLS is begun on a connection.
        self.handshake_after = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.origin = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.callback(sock.close)
            if self._tls is not None:
                time.sleep(self.handshake_after)
                sock = self._tls.wrap_socket(sock, server_side=True)
                held.callback(sock.close)
            while request := _request(sock):
                self.calls.append(request)
                self.script(Call(sock, request, self))


def _request(sock: socket.socket) -> bytes:
    """Read one request; what had come of it when the other side hung up, too."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(65536)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower()[:15] == b"content-length:"),
        0,
    )
    while len(body) < length:
        if not (more := sock.recv(65536)):
            break
        body += more
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
