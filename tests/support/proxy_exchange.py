"""One exchange through the cloud proxy: read a request, forward it, rewrite and send the answer."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import urlsplit

from .proxy_faults import Answer, Fault, Hangup, Status
from .proxy_records import Request, kept_body, kept_headers

#: Longest wait for a service, in seconds.
UPSTREAM_TIMEOUT_SECONDS = 120.0

#: Pieces a dribbled body is sent in, at most.
SLOW_PIECES = 20

# Headers of one connection, or of how the body is sent on it, which each side sets for itself.
_CONNECTION_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Nothing compressed may come back, or the addresses in it could not be rewritten.
_NOT_FORWARDED = _CONNECTION_HEADERS | {"accept-encoding"}

_TEXTUAL = re.compile(r"^\s*(text/|application/([\w.-]+\+)?json\b)", re.IGNORECASE)

# Methods for which a missing body is announced as a length of 0.
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True)
class Upstream:
    """Where one service really listens."""

    service: str
    host: str
    port: int
    #: Path of the endpoint below the origin, "" or starting with a slash.
    path: str

    @property
    def origin(self) -> str:
        """The ``http://HOST:PORT`` that must not be seen by clients."""
        return f"http://{self.host}:{self.port}"

    @classmethod
    def parse(cls, service: str, url: str) -> Upstream:
        """Take an endpoint apart; raise ValueError unless it is ``http://HOST:PORT[/PATH]``."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"the endpoint of {service} must be http://HOST:PORT, not {url!r}")
        return cls(service, parts.hostname, parts.port, parts.path.rstrip("/"))


class Rewriter:
    """Replaces the origins of services by those of the proxy."""

    def __init__(self, origins: Mapping[str, str]) -> None:
        """Take the proxy's origin by real origin."""
        self._origins = {real.encode(): ours.encode() for real, ours in origins.items()}
        # Port 8774 must not be found in port 87740.
        known = b"|".join(re.escape(real) for real in self._origins)
        self._pattern = re.compile(b"(?:%s)(?![0-9])" % known)

    def rewrite(self, data: bytes) -> bytes:
        """Return ``data`` with every real origin replaced."""
        return self._pattern.sub(lambda found: self._origins[found.group()], data)

    def rewrite_header(self, value: str) -> str:
        """Return a header value with every real origin replaced."""
        return self.rewrite(value.encode("latin-1")).decode("latin-1")


class OpenSockets:
    """The sockets in use, so that whoever is blocked on one can be woken to end."""

    def __init__(self) -> None:
        self._sockets: set[socket.socket] = set()
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def track(self, sock: socket.socket) -> Iterator[None]:
        """Know of ``sock`` while it is used; raise Hangup if everything is to end."""
        with self._lock:
            if self._closed:
                raise Hangup("the proxy is stopping")
            self._sockets.add(sock)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(sock)

    def hang_up(self) -> None:
        """End every conversation, and let no other begin."""
        with self._lock:
            self._closed = True
            for sock in self._sockets:
                # Not close(): the number of a closed socket can be in use again at once.
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Route:
    """What the connections to one port of the proxy need to know."""

    upstream: Upstream
    rewriter: Rewriter
    sockets: OpenSockets
    #: Records a request, given its real body too, and says which fault hits it.
    admit: Callable[[Request, bytes], Fault | None]


def serve_connection(route: Route, sock: socket.socket, address: Any) -> None:
    """Serve one client until it, a fault or the stop of the proxy ends the connection."""
    # A client may vanish at any moment; a test proxy has nobody to tell.
    with sock, suppress(OSError, Hangup), route.sockets.track(sock):
        ClientConnection(route, sock, address)
        sock.shutdown(socket.SHUT_RDWR)


class ClientConnection(BaseHTTPRequestHandler):
    """A (kept-alive) connection of a client; creating it serves it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, route: Route, sock: socket.socket, address: Any) -> None:
        self.route = route
        # The base class only stores the server.
        super().__init__(sock, address, cast(Any, None))

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the record says it all."""

    def exchange(self) -> None:
        """Serve one request whose head has been read."""
        body = self._read_body()
        request = Request(
            service=self.route.upstream.service,
            method=self.command,
            path=self.path,
            body=kept_body(self.command, self.path, body),
            headers=kept_headers(self.headers.items()),
            started=time.monotonic(),
        )
        fault = request.fault = self.route.admit(request, body)
        try:
            with ExitStack() as stack:
                visit = fault and stack.enter_context(fault.visit(request, self._client_gone))
                answer = visit.act("request", None) if visit else None
                answer = answer or self._forward(request, body)
                answer = visit.act("answer", answer) if visit else answer
                # At the answer point a kind is given an answer, and returns one.
                self._send(request, cast(Answer, answer))
        except Hangup as why:
            request.failure = str(why)
            self.close_connection = True
        except OSError:
            request.failure = "the client went away"
            self.close_connection = True
        finally:
            request.ended = request.ended or time.monotonic()

    # The base class looks up one method for each HTTP method.
    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = exchange

    def _read_body(self) -> bytes:
        """Read the request body; raise Hangup if the client goes away in the middle of it."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_exactly(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self._read_line().split(b";")[0], 16):
            chunks.append(self._read_exactly(size))
            self._read_line()
        while self._read_line().strip():  # trailers, up to an empty line
            pass
        return b"".join(chunks)

    def _read_exactly(self, size: int) -> bytes:
        data = self.rfile.read(size) if size else b""
        if len(data) < size:
            raise Hangup("the client went away while sending")
        return data

    def _read_line(self) -> bytes:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise Hangup("the client went away while sending")
        return line

    def _client_gone(self) -> bool:
        try:
            peeked = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not peeked

    def _forward(self, request: Request, body: bytes) -> Answer:
        """Let the service answer, or answer 502 if it cannot be talked to."""
        upstream = self.route.upstream
        connection = http.client.HTTPConnection(
            upstream.host, upstream.port, timeout=UPSTREAM_TIMEOUT_SECONDS
        )
        try:
            connection.connect()
            with self.route.sockets.track(connection.sock):
                self._send_upstream(connection, body)
                response = connection.getresponse()
                content = response.read()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            request.failure = f"{type(problem).__name__}: {problem}"
            message = f"The test proxy got no answer from {upstream.service}: {request.failure}"
            return Status(502, body={"error": {"code": 502, "message": message}}).answer()
        finally:
            connection.close()
        request.upstream_status = response.status
        request.request_id = response.getheader("x-openstack-request-id")
        if _TEXTUAL.search(response.getheader("Content-Type", "")):
            content = self.route.rewriter.rewrite(content)
        # The length of a HEAD answer is that of a body that is not there to be measured.
        dropped = _CONNECTION_HEADERS - ({"content-length"} if request.method == "HEAD" else set())
        headers = tuple(
            (name, self.route.rewriter.rewrite_header(value))
            for name, value in response.getheaders()
            if name.lower() not in dropped
        )
        return Answer(response.status, response.reason, headers, content)

    def _send_upstream(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        # The client's Host goes along, so that links built from it lead back to the proxy.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_FORWARDED:
                connection.putheader(name, value.encode("latin-1"))
        connection.putheader("Connection", "close")
        if body or self.command in _BODY_METHODS:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)

    def _send(self, request: Request, answer: Answer) -> None:
        """Send ``answer`` whole, dribbled or by half."""
        body = b"" if request.method == "HEAD" else answer.body
        if answer.cut and not body:
            raise Hangup("cut: there is no body to halve")
        head = self._head(answer)
        request.status = answer.status
        if answer.cut:
            request.failure = "cut half way"
            body = body[: len(body) // 2]
        pieces = _split(body, SLOW_PIECES) if answer.spread else []
        if pieces:
            self.connection.sendall(head)
            for piece in pieces[:-1]:
                answer.pause(answer.spread / len(pieces))
                self.connection.sendall(piece)
            answer.pause(answer.spread / len(pieces))
        # The record must be complete before the client can have the whole answer.
        request.ended = time.monotonic()
        self.connection.sendall(pieces[-1] if pieces else head + body)
        self.close_connection = self.close_connection or answer.cut

    def _head(self, answer: Answer) -> bytes:
        headers = list(answer.headers)
        named = {name.lower() for name, _ in headers}
        if answer.status not in (204, 304) and "content-length" not in named:
            headers.append(("Content-Length", str(len(answer.body))))
        if self.close_connection:
            headers.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _split(body: bytes, pieces: int) -> list[bytes]:
    """Split ``body`` in at most ``pieces`` pieces, none of them empty."""
    size = -(-len(body) // pieces) or 1
    return [body[at : at + size] for at in range(0, len(body), size)]
