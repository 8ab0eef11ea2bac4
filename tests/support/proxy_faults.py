"""The faults the cloud proxy can inject, as data.

A kind of fault says at which point it acts, on the ``"request"`` (nothing has been forwarded yet)
or on the ``"answer"`` (the service has done its work and has answered), and what it does there.
The proxy runs every kind in the same way, so a new kind needs no change in the proxy.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, ClassVar, Literal, Protocol

from .proxy_records import Match, Request

Point = Literal["request", "answer"]

#: Seconds between two looks at whether the client of a held request is still there.
CLIENT_POLL_SECONDS = 0.02


class Hangup(Exception):
    """The connection to the client is to be closed without (the rest of) an answer."""


@dataclass(frozen=True)
class Answer:
    """An answer on its way to the client."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: Seconds over which the body is spread.
    spread: float = 0.0
    #: How the sender waits between two pieces of a spread body.
    pause: Callable[[float], object] = time.sleep
    #: Send only half of the body, then close.
    cut: bool = False


@dataclass(frozen=True)
class Visit:
    """One fault acting on one request."""

    fault: Fault
    request: Request
    #: Set when the request may go on.
    gate: threading.Event
    #: Tells whether the client has closed its connection.
    client_gone: Callable[[], bool]

    def act(self, point: Point, answer: Answer | None) -> Answer | None:
        """Let the fault act if ``point`` is where it does; return the answer to go on with."""
        kind = self.fault.kind
        if kind.point != point:
            return answer
        self.fault.reached.put(self.request)
        return kind.act(self, answer)

    def pause(self, seconds: float) -> None:
        """Wait ``seconds``, less if the fault is released meanwhile."""
        self.gate.wait(seconds)

    def hold(self) -> None:
        """Wait until released; raise Hangup once the client is gone."""
        while not self.gate.wait(CLIENT_POLL_SECONDS):
            if self.client_gone():
                break
        # Also after a release: stopping the proxy drops the clients first and then releases, and
        # nothing that was held may reach a service because of that.
        if self.client_gone():
            raise Hangup("the client went away while held")


class Kind(Protocol):
    """What a fault does."""

    @property
    def point(self) -> Point:
        """Where in the exchange it acts."""

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        """Do it, and return the answer to go on with.

        At the ``"request"`` point ``answer`` is None, and returning an answer means that nothing
        is forwarded. At the ``"answer"`` point ``answer`` is the service's.
        """


@dataclass(frozen=True)
class Status:
    """Answer ``code`` in place of the service.

    With ``after`` the service does its work first, and its own answer is lost. ``retry_after``
    (seconds, or an HTTP date) becomes the Retry-After header. ``body`` may be text, bytes or
    anything JSON can hold; by default it is an OpenStack-like error document.
    """

    code: int
    retry_after: float | str | None = None
    body: Any = None
    after: bool = False

    @property
    def point(self) -> Point:
        return "answer" if self.after else "request"

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        return self.answer()

    def answer(self) -> Answer:
        """Return the answer to give."""
        try:
            reason = HTTPStatus(self.code).phrase
        except ValueError:
            reason = "Unknown"
        document = self.body
        if document is None:
            error = {"code": self.code, "title": reason, "message": "Injected by the test proxy."}
            document = {"error": error}
        if isinstance(document, str):
            document = document.encode()
        plain = isinstance(document, bytes)
        headers = [("Content-Type", "text/plain" if plain else "application/json")]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        body = document if plain else json.dumps(document).encode()
        return Answer(self.code, reason, tuple(headers), body)


@dataclass(frozen=True)
class Delay:
    """Wait ``seconds`` before forwarding, or before answering with ``point="answer"``.

    The request is forwarded even if its client has given up meanwhile, as a slow network or a
    busy service would still deliver what had been sent.
    """

    seconds: float
    point: Point = "request"

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        visit.pause(self.seconds)
        return answer


@dataclass(frozen=True)
class Slow:
    """Dribble the body of the answer over ``seconds``; the head is sent at once."""

    seconds: float
    point: ClassVar[Point] = "answer"

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        return answer and replace(answer, spread=self.seconds, pause=visit.pause)


@dataclass(frozen=True)
class Cut:
    """Close the connection without a byte of an answer, before or after the service's work."""

    before: bool = False
    after: bool = False

    def __post_init__(self) -> None:
        if self.before == self.after:
            raise ValueError("Cut takes one of before=True and after=True")

    @property
    def point(self) -> Point:
        return "answer" if self.after else "request"

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        raise Hangup(f"cut at the {self.point}")


@dataclass(frozen=True)
class CutHalf:
    """Announce the whole length, send half of the body, close.

    An answer without a body has no half that a client could not take for the whole: there, the
    connection is closed without an answer.
    """

    point: ClassVar[Point] = "answer"

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        return answer and replace(answer, cut=True)


@dataclass(frozen=True)
class Hold:
    """Block at ``point`` until the test releases it.

    When the client goes away meanwhile the exchange ends there: held at the ``"request"``, the
    service never hears of it; held at the ``"answer"``, it has done its work.
    """

    point: Point

    def __post_init__(self) -> None:
        if self.point not in ("request", "answer"):
            raise ValueError(f"Hold takes 'request' or 'answer', not {self.point!r}")

    def act(self, visit: Visit, answer: Answer | None) -> Answer | None:
        visit.hold()
        return answer


class Fault:
    """A kind of fault set up for some requests; made by ``CloudProxy.fault()``."""

    def __init__(self, match: Match, kind: Kind, times: int | None = 1, skip: int = 0) -> None:
        self.match = match
        self.kind = kind
        self.times = times
        self.skip = skip
        #: The requests hit so far, in order of arrival.
        self.hits: list[Request] = []
        #: The requests on which the fault has begun to act and nobody has waited for yet.
        self.reached: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._seen = 0
        self._removed = False
        self._gates: dict[Request, threading.Event] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Fault({self.match}, {self.kind}, times={self.times}, skip={self.skip})"

    def wait_reached(self, timeout: float) -> Request:
        """Return the next request on which this fault has begun to act, each of them once.

        Raises TimeoutError if there is none within ``timeout`` seconds.
        """
        try:
            return self.reached.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"nothing reached {self} in {timeout} s") from None

    def release(self) -> None:
        """Let go of every request hit so far (held, delayed, dribbled); later hits are held."""
        with self._lock:
            for gate in self._gates.values():
                gate.set()

    def remove(self) -> None:
        """Hit no further request, and let go of those hit so far."""
        with self._lock:
            self._removed = True
        self.release()

    def take(self, request: Request, body: bytes, free: bool) -> bool:
        """Count ``request`` if it matches; hit it if it is due and still ``free``.

        ``body`` is the real one. Returns whether it was hit; if so, :meth:`visit` must follow.
        """
        with self._lock:
            if self._removed or not self.match.fits(request, body):
                return False
            self._seen += 1
            spent = self.times is not None and len(self.hits) >= self.times
            if not free or spent or self._seen <= self.skip:
                return False
            self.hits.append(request)
            self._gates[request] = threading.Event()
            return True

    @contextmanager
    def visit(self, request: Request, client_gone: Callable[[], bool]) -> Iterator[Visit]:
        """Accompany the exchange of a request that was taken."""
        try:
            yield Visit(self, request, self._gates[request], client_gone)
        finally:
            with self._lock:
                del self._gates[request]
