"""Where bytes leave for a cloud and come back: fenced, bounded, and sent to no other address.

keystoneauth and requests decide long before what they send: they wait for their turn, log in
again after a 401, resolve a name, connect, shake hands. Whether a change may still go out is
asked here, when all of that is done, by a clock that nobody can set.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urljoin, urlsplit

from keystoneauth1.session import TCPKeepAliveAdapter
from requests import PreparedRequest, Response
from requests.exceptions import InvalidURL, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from accounts import bounded
from accounts.failures import AnswerTooLarge, AnswerTooSlow, Redirected, origin
from common import tracing

_CHUNK = 64 * 1024
# What an answer has beside its body: headers, sizes of chunks, what a proxy says before it.
_AROUND = 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
_MOST_REDIRECTS = 5


class Exchange(bounded.Deadline):
    """One request and its answer: how long both may take and how large the answer may be.

    ``stalled`` is how long a part of the request may take to leave, in seconds.
    """

    stalled = float("inf")

    def __init__(
        self, url: str, seconds: float, most: int, look: Callable[[], None], change: bool
    ) -> None:
        super().__init__(
            seconds,
            most + _AROUND,
            late=self._too_late,
            large=lambda: AnswerTooLarge(url),
            look=look,
        )
        self._url, self._asked, self._sent = url, most, False
        self._trace = tracing.current() if change else None

    def leaving(self) -> None:
        """Be asked before bytes of the request go out; raises LeaseLost if they must not."""
        if self._trace is None:
            return
        if self._sent:
            self._trace.fence()
        else:
            self._trace.sending()
            self._sent = True

    def body_of(self, response: Response) -> bytes:
        """Read the body as it is when it is unpacked."""
        said = response.headers.get("Content-Length", "")
        if said.isascii() and said.isdigit() and int(said) > self._asked:
            raise AnswerTooLarge(self._url)
        size, parts = 0, []
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if size > self._asked:
                raise AnswerTooLarge(self._url)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_late(self) -> Exception:
        # Silence can be over when the request is sent again; what came too slowly would again.
        return AnswerTooSlow(self._url) if self.seen else TimeoutError("no answer in time")


# The exchange that this thread is at: urllib3 has no way to hand it to a connection.
_exchange: ContextVar[Exchange] = ContextVar("exchange")
_harmless: ContextVar[bool] = ContextVar("harmless", default=False)
_allowed: ContextVar[float] = ContextVar("allowed", default=0.0)


@contextmanager
def harmless(yes: bool) -> Iterator[None]:
    """Say that what the block sends changes nothing, by whatever method.

    It carries no token, or it is a question that a service takes as a POST.
    """
    token = _harmless.set(yes)
    try:
        yield
    finally:
        _harmless.reset(token)


@contextmanager
def allowing(seconds: float) -> Iterator[None]:
    """Let each request of the block take so long in all: an upload is as long as its file.

    A part of it that does not leave is waited for no longer than any request is.
    """
    token = _allowed.set(seconds)
    try:
        yield
    finally:
        _allowed.reset(token)


def refuse_change(method: str, url: str) -> None:
    """Raise RuntimeError where a change comes from elsewhere than a step that may change things."""
    trace = tracing.current()
    if trace is None or not trace.changes:
        where = "outside a plan's step" if trace is None else "in a look-up or check"
        raise RuntimeError(f"{method} {urlsplit(url).path} {where}: only steps may change things")


class Transport(TCPKeepAliveAdapter):  # type: ignore[misc]
    """requests' adapter for http and https: each answer is there as a whole, or an error is.

    ``seconds`` is how long one request may take from the first look for its host to the last
    byte, ``most`` how many bytes its answer may have, unpacked; ``look`` is called while it is
    waited for, and ends that by raising.
    """

    def __init__(
        self, seconds: float, most: int, look: Callable[[], None], *, connections: int = 10
    ) -> None:
        self._seconds, self._most, self._look = seconds, most, look
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        """Have connections made that ask the exchange; for those through proxies see below."""
        super().init_poolmanager(*args, **how)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:
        """Return what makes connections through a proxy. Raises InvalidURL for a SOCKS proxy."""
        if not proxy.lower().startswith(("http://", "https://")):
            raise InvalidURL(f"the proxy {urlsplit(proxy).scheme}://... is none of HTTP")
        manager = super().proxy_manager_for(proxy, **how)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: PreparedRequest, *args: Any, **how: Any) -> Response:
        """Send a request and return the whole answer.

        Raises LeaseLost before a change that is fenced; AnswerTooSlow, AnswerTooLarge; Redirected
        for an answer that leads to another origin, or elsewhere with what is no mere question;
        requests' own exceptions for all else that goes wrong on the way.
        """
        method, url = request.method or "", request.url or ""
        change = method not in tracing.READING and not _harmless.get()
        if change:
            refuse_change(method, url)
        seconds = max(self._seconds, _allowed.get())
        exchange = Exchange(url, seconds, self._most, self._look, change)
        exchange.stalled = self._seconds
        token = _exchange.set(exchange)
        try:
            for _ in range(1 + _MOST_REDIRECTS):
                response = self._answered(exchange, request, *args, **how)
                if response.status_code not in _REDIRECTS:
                    return response
                request = _followed(request, response)
            raise Redirected(response.status_code, url, url)
        except TimeoutError as error:  # before urllib3 had the request, or between two of them
            raise Timeout(error, request=request) from error
        finally:
            _exchange.reset(token)

    def _answered(
        self, exchange: Exchange, request: PreparedRequest, *args: Any, **how: Any
    ) -> Response:
        how.update(stream=True, timeout=exchange.left())
        response = super().send(request, *args, **how)
        try:
            # Where requests keeps a body that was read.
            response._content, response._content_consumed = exchange.body_of(response), True
        except BaseException:
            response.close()
            raise
        return response


def _followed(request: PreparedRequest, response: Response) -> PreparedRequest:
    """Return the question to ask instead; raises Redirected where it must not be asked."""
    asked, status = request.url or "", response.status_code
    named = (
        response.headers.get("Location", "").encode("latin-1", "replace").decode("utf-8", "replace")
    )
    try:
        target = urljoin(asked, named) if named else ""
        same = bool(named) and origin(target) == origin(asked)
    except ValueError:
        raise Redirected(status, asked, named) from None
    if not same or status == 305 or request.method not in tracing.READING or request.body:
        raise Redirected(status, asked, target)
    following = request.copy()
    following.prepare_url(target, None)
    return following


class _Answer(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **how: Any) -> None:
        super().__init__(bounded.Source(sock, _exchange.get()), *args, **how)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    """A connection that asks its exchange, right before it sends, whether it may and by when."""

    response_class = _Answer
    _opening = False

    def connect(self) -> None:
        """Connect, through a proxy too, and shake hands."""
        self._opening = True
        try:
            super().connect()
        finally:
            self._opening = False

    def _new_conn(self) -> socket.socket:
        exchange = _exchange.get()
        self.timeout = exchange.left()
        sock = super()._new_conn()
        sock.settimeout(exchange.left())
        return sock

    def send(self, data: Any) -> None:
        """Send some of a request; raises LeaseLost."""
        exchange = _exchange.get()
        if self.sock is None and self.auto_open:
            self.connect()
        if not self._opening:  # else it is what a proxy is asked for
            exchange.leaving()
        self.sock.settimeout(min(exchange.left(), exchange.stalled))
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
