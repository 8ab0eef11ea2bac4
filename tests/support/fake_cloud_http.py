"""HTTP on loopback for a fake cloud: requests are recorded, routed, and hit by faults."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass
class Request:
    """One request as it came in; ``parts`` are the groups of the route's pattern.

    Of a parameter that was given several times ``query`` has the last value, ``repeated`` all.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    parts: tuple[str, ...] = ()
    repeated: dict[str, list[str]] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"

    @property
    def is_question(self) -> bool:
        """Whether it changes nothing: a read, a login, or what Nova is asked by a POST."""
        asks = self.method in ("GET", "HEAD") or self.line.endswith("/auth/tokens")
        return asks or (isinstance(self.body, dict) and "os-getConsoleOutput" in self.body)

    @property
    def version(self) -> tuple[int, ...]:
        """The microversion that it was sent with."""
        text = self.headers.get("openstack-api-version", "").rpartition(" ")[2] or "2.1"
        return tuple(map(int, text.split(".")))


@dataclass
class Answer:
    """What a service says."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What goes wrong with requests whose line matches ``pattern``, ``times`` times.

    With ``query`` only those go wrong whose parameters match its patterns. With ``cut`` the
    connection is closed instead of an answer, or within one with ``half``; with ``late`` that
    happens, and so does another status, after the request was obeyed.
    """

    pattern: str
    status: int | None = None
    times: float = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cut: bool = False
    half: bool = False
    late: bool = False
    query: dict[str, str] = field(default_factory=dict)

    def hits(self, request: Request) -> bool:
        """Return whether it is to go wrong with this request."""
        parts = (
            re.search(pattern, request.query.get(name, "")) for name, pattern in self.query.items()
        )
        return self.times > 0 and bool(re.search(self.pattern, request.line)) and all(parts)


Handle = Callable[[Request], Answer]


class Web:
    """A server on a free port of loopback, for the routes that its services register."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        #: Called with each request before it is obeyed.
        self.hooks: list[Callable[[Request], None]] = []
        #: Seconds that each answer takes, however many are asked at once.
        self.latency = 0.0
        self._routes: list[tuple[re.Pattern[str], Handle]] = []
        self._lock = threading.RLock()
        self._http = _Server(("127.0.0.1", 0), self)
        self.origin = f"http://127.0.0.1:{self._http.server_port}"

    def route(self, pattern: str, handle: Handle, *, first: bool = False) -> None:
        """Answer requests whose line matches the whole pattern; the first route wins."""
        self._routes.insert(0 if first else len(self._routes), (re.compile(pattern), handle))

    def start(self, certificate: Path | None = None) -> None:
        """Serve in threads until stopped; over TLS with a file of certificate and key."""
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
            self.origin = self.origin.replace("http:", "https:")
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._http.shutdown()
        self._http.server_close()

    def fail(self, pattern: str, status: int | None = None, **more: Any) -> Fault:
        """Set up a fault for requests whose line contains the pattern; return it."""
        fault = Fault(pattern, status, **more)
        self.faults.append(fault)
        return fault

    def asked(self, pattern: str) -> list[Request]:
        """Return the requests whose line contains the pattern."""
        return [request for request in self.requests if re.search(pattern, request.line)]

    def ask(self, path: str) -> Any:
        """Return what a GET is answered, for another service of the cloud: it is not recorded."""
        answer = self._answer(Request("GET", path, {}, {}))
        return answer.body if answer.status == 200 else None

    def count(self, pattern: str = "") -> int:
        """Return how many requests have come whose line contains the pattern."""
        return len(self.asked(pattern))

    @property
    def changes(self) -> list[Request]:
        """The requests that were meant to change something: neither reads, nor logins."""
        return [request for request in self.requests if not request.is_question]

    def obey(self, request: Request) -> tuple[Answer | None, Fault | None]:
        """Return the answer, None if the connection is to be cut, and the fault that hit it."""
        if self.latency:
            time.sleep(self.latency)
        with self._lock:
            self.requests.append(request)
            fault = self._due(request)
            for hook in self.hooks:
                hook(request)
            answer = None
            if fault is None or fault.late or fault.half:
                answer = self._answer(request)
            if fault is not None and not fault.half:
                said = fault.body or {"error": {"message": "It hurts.", "code": fault.status}}
                answer = None if fault.cut else Answer(said, fault.status or 200, fault.headers)
            return answer, fault

    def _due(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.hits(request):
                fault.times -= 1
                return fault
        return None

    def _answer(self, request: Request) -> Answer:
        for pattern, handle in self._routes:
            if found := pattern.fullmatch(request.line):
                request.parts = found.groups()
                return handle(request)
        return Answer({"error": {"message": f"No route for {request.line}."}}, 404)


def _decoded(raw: bytes, kind: str) -> Any:
    """Return what a body says: JSON, or what was uploaded as it is."""
    if not raw:
        return None
    return raw if kind == "application/octet-stream" else json.loads(raw)


def _encoded(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], web: Web) -> None:
        super().__init__(address, _Handler)
        self.web = web

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def parse_request(self) -> bool:
        """Read the head of a request.

        The library reads it as that of a mail, which takes longer than all else here.
        """
        if not self.raw_requestline.endswith(b" HTTP/1.1\r\n"):
            return super().parse_request()  # says what is wrong with it
        self.command, self.path, self.request_version = self.raw_requestline.decode().split()
        self.heads: dict[str, str] = {}
        for line in iter(self.rfile.readline, b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            self.heads[name.lower()] = value.strip()
        self.close_connection = self.heads.get("connection", "").lower() == "close"
        return True

    def _serve(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.heads.get("content-length") or 0))
        request = Request(
            self.command,
            url.path.rstrip("/") or "/",
            dict(parse_qsl(url.query)),
            self.heads,
            _decoded(raw, self.heads.get("content-type", "")),
            repeated={name: all_of for name, all_of in parse_qs(url.query).items() if all_of[1:]},
        )
        answer, fault = self.server.web.obey(request)
        if answer is None:
            self.close_connection = True
            return
        body = answer.body if isinstance(answer.body, bytes) else _encoded(answer.body)
        heads = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "x-openstack-request-id": f"req-{len(self.server.web.requests)}",
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in heads.items()]
        if fault is not None and fault.half:
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.command == "HEAD":
            body = b""
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
