"""Who is sending this request: the link between a step's attempt and what goes over the wire.

A cloud's session asks :func:`current` at every request. Outside an attempt nothing that changes
anything may be sent; inside one, every request carries the attempt's global request id, and a
change is first checked against the run's lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Trace(msgspec.Struct):
    """One attempt of a step as the wire sees it.

    ``id`` is the attempt's UUID; ``fence`` raises LeaseLost if the run may no longer change
    anything; ``changes`` is False where only reading is allowed (look-ups and checks);
    ``sent`` counts the changes that were sent, ``request_ids`` collects the ids that the cloud
    gave them.
    """

    id: str
    fence: Callable[[], None]
    changes: bool = True
    sent: int = 0
    request_ids: list[str] = msgspec.field(default_factory=list)

    @property
    def global_request_id(self) -> str:
        """The id in OpenStack's own form (oslo.context: ``req-`` and a UUID)."""
        return f"req-{self.id}"

    def sending(self) -> None:
        """Count a change that is about to be sent. Raises LeaseLost if it must not be."""
        if not self.changes:
            raise RuntimeError("a look-up or a check may only read: only steps change things")
        self.fence()
        self.sent += 1


_current: ContextVar[Trace | None] = ContextVar("current_trace", default=None)


def current() -> Trace | None:
    """Return the attempt whose thread this is, or None outside any attempt."""
    return _current.get()


@contextmanager
def traced(trace: Trace) -> Iterator[Trace]:
    """Make ``trace`` the current one of this thread while the block runs."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
