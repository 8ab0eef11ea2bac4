"""A recording and fault-injecting reverse proxy in front of a whole OpenStack, for tests.

Each service gets a port of its own on loopback. Whatever the services answer, the addresses in it
lead back to the proxy: give a client ``proxy.url("identity")`` and, through the catalogue, all
its traffic is recorded and open to faults::

    with CloudProxy({"identity": "http://127.0.0.1:5000", "compute": ...}) as proxy:
        migrate = Match("compute", "POST", path=r"/action$", body="os-migrateLive")
        proxy.fault(migrate, Status(429, retry_after=1), times=2)
        run_client(auth_url=proxy.url("identity") + "/v3")
        assert [change.status for change in proxy.changes()] == [429, 429, 202]

Bodies are buffered whole, in both directions.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from .proxy_exchange import OpenSockets, Rewriter, Route, Upstream, serve_connection
from .proxy_faults import Cut, CutHalf, Delay, Fault, Hold, Kind, Slow, Status
from .proxy_records import LOGIN_BODY, Match, Request

__all__ = [
    "LOGIN_BODY",
    "CloudProxy",
    "Cut",
    "CutHalf",
    "Delay",
    "Fault",
    "Hold",
    "Kind",
    "Match",
    "Request",
    "Slow",
    "Status",
]

#: Longest that stop() waits for the exchanges under way, in seconds.
STOP_SECONDS = 2.0

#: Connections that may wait to be accepted, on each port.
BACKLOG = 128


class CloudProxy:
    """The proxy: a context manager, started on entry and stopped on exit, to be used once."""

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        """Prepare a proxy of ``endpoints``: ``http://HOST:PORT[/PATH]`` by service name.

        Any service names do, but each service must have an origin of its own, or its addresses
        could not be told from another's. Raises ValueError otherwise.
        """
        upstreams = [Upstream.parse(service, url) for service, url in endpoints.items()]
        self._upstreams = {upstream.service: upstream for upstream in upstreams}
        if not upstreams or len({upstream.origin for upstream in upstreams}) < len(upstreams):
            raise ValueError("the proxy needs services, each at an origin of its own")
        self._origins: dict[str, str] = {}
        self._sockets = OpenSockets()
        self._accepting: threading.Thread | None = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._serving: set[threading.Thread] = set()
        self._requests: list[Request] = []
        self._faults: list[Fault] = []
        # Guards the requests and the faults: both see the requests in the same order.
        self._lock = threading.Lock()

    # Running

    def __enter__(self) -> CloudProxy:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> CloudProxy:
        """Listen on a free port of 127.0.0.1 for each service, and return the proxy itself."""
        if self._accepting is not None:
            raise RuntimeError("a CloudProxy can be started once")
        listeners = {
            service: socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
            for service in self._upstreams
        }
        for service, listener in listeners.items():
            self._origins[service] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rewriter = Rewriter(
            {up.origin: self._origins[service] for service, up in self._upstreams.items()}
        )
        selector = selectors.DefaultSelector()
        selector.register(self._wake_out, selectors.EVENT_READ)
        for service, listener in listeners.items():
            # A connection can be gone again between select() and accept().
            listener.setblocking(False)
            route = Route(self._upstreams[service], rewriter, self._sockets, self._admit)
            selector.register(listener, selectors.EVENT_READ, route)
        self._accepting = threading.Thread(
            target=self._accept, args=(selector,), name="cloud-proxy", daemon=True
        )
        self._accepting.start()
        return self

    def stop(self) -> None:
        """Close every connection and port; requests still held do not reach a service.

        The records stay readable. Stopping twice, or without a start, does no harm.
        """
        with suppress(OSError):
            self._wake_in.send(b"x")
        deadline = time.monotonic() + STOP_SECONDS
        if self._accepting is not None:
            self._accepting.join(STOP_SECONDS)
        # The clients first: whatever is released next must find nobody to go on for.
        self._sockets.hang_up()
        self.clear_faults()
        for thread in list(self._serving):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._wake_in.close()
        self._wake_out.close()

    def url(self, service: str) -> str:
        """Return the URL at which the proxy stands for ``service``, without a final slash."""
        if service not in self._origins:
            raise LookupError(f"no service {service!r}, or the proxy was not started")
        return self._origins[service] + self._upstreams[service].path

    # Records

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order of arrival (a copy of the list)."""
        with self._lock:
            return list(self._requests)

    def find(self, match: Match) -> list[Request]:
        """Return the requests so far that fit ``match``; its body is searched as recorded."""
        self._check_service(match)
        return [request for request in self.requests if match.fits(request)]

    def count(
        self, service: str | None = None, method: str | None = None, path: str | None = None
    ) -> int:
        """Return how many requests there were, by the fields of :class:`Match`."""
        return len(self.find(Match(service, method, path)))

    def changes(self) -> list[Request]:
        """Return the requests that may have changed the cloud: neither reads nor logins."""
        return [request for request in self.requests if request.is_change]

    def logins(self) -> list[Request]:
        """Return the requests for a token."""
        return [request for request in self.requests if request.is_login]

    def clear(self) -> None:
        """Forget the requests so far; the faults stay."""
        with self._lock:
            self._requests.clear()

    # Faults

    def fault(self, match: Match, kind: Kind, times: int | None = 1, skip: int = 0) -> Fault:
        """Let ``kind`` hit ``times`` requests that fit ``match``, after the first ``skip`` of them.

        ``times=None`` hits for ever. A request is hit by one fault at most, the first set up of
        those due. Each fault counts every request it matches towards its ``skip``, also those that
        another one hits; so a script of faults can be written by position.
        """
        self._check_service(match)
        fault = Fault(match, kind, times, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove every fault, which lets go of whatever is held."""
        with self._lock:
            removed, self._faults = self._faults, []
        for fault in removed:
            fault.remove()

    # Inside

    def _check_service(self, match: Match) -> None:
        """Raise ValueError for a service that can never match, such as a misspelt one."""
        if match.service is not None and match.service not in self._upstreams:
            raise ValueError(f"no service {match.service!r} among {sorted(self._upstreams)}")

    def _admit(self, request: Request, body: bytes) -> Fault | None:
        """Record ``request`` and return the fault that hits it."""
        with self._lock:
            self._requests.append(request)
            for fault in self._faults:
                # Every fault counts, also after one has taken the request.
                if fault.take(request, body, free=request.fault is None):
                    request.fault = fault
            return request.fault

    def _accept(self, selector: selectors.BaseSelector) -> None:
        """Start a thread for each connection, until woken to stop."""
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    self._close_listeners(selector)
                    return
                with suppress(OSError):
                    sock, address = key.fileobj.accept()  # type: ignore[union-attr]
                    sock.setblocking(True)
                    threading.Thread(
                        target=self._serve, args=(key.data, sock, address), daemon=True
                    ).start()

    def _serve(self, route: Route, sock: socket.socket, address: object) -> None:
        thread = threading.current_thread()
        self._serving.add(thread)
        try:
            serve_connection(route, sock, address)
        finally:
            self._serving.discard(thread)

    @staticmethod
    def _close_listeners(selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            if key.data is not None:
                key.fileobj.close()  # type: ignore[union-attr]
        selector.close()
